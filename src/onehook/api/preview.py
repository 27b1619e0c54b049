"""``/v1/mappings/preview``: what a mapping makes of one webhook, and why. It writes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, Self

from aiohttp import web
from pydantic import BaseModel, Field, model_validator

from onehook.api.candidates import Candidate, compile_candidate
from onehook.api.events import EventOut, get_event
from onehook.api.integrations import get_record
from onehook.api.platforms import MappingProblemOut, show_problems
from onehook.core.jsontext import encode
from onehook.core.mapping.backtest import shorten
from onehook.core.mapping.context import FindReferences
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.explain import EventTrace, Explanation, RuleTrace, explain
from onehook.core.mapping.normalize import Emitted, Ignored, Outcome, Quarantined
from onehook.core.mapping.problems import MappingError, Place
from onehook.core.model import Event, Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.references import finder
from onehook.errors import GoneError
from onehook.store.records import IntegrationRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoQuery, Operation
from onehook.web.workbench import Deadline

SECONDS = 5.0
MAX_EVENTS = 20  # shown
MAX_BYTES = 1024 * 1024  # of the events shown
MAX_RULES = 1000  # traced
MAX_ORIGINS = 500  # of one event
Text = Annotated[str, Field(max_length=8192)]


class Sample(Form):
    """A webhook as a test in a mapping file states it. Neither body: an empty one."""

    headers: Annotated[dict[str, Text], Field(max_length=100)] = {}
    body: Any = None
    body_text: str | None = None
    settings: dict[str, Text] = {}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if {"body", "body_text"} <= self.model_fields_set:
            msg = "give body or body_text, not both"
            raise ValueError(msg)
        return self

    def webhook(self, gateway: Gateway) -> Webhook:
        """The webhook, sent now."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        given = {"content-type": "application/json", **headers}
        body = encode(self.body) if "body" in self.model_fields_set else b""
        if self.body_text is not None:
            body = self.body_text.encode()
        return Webhook(Headers(given.items()), body, gateway.clock.now())


class PreviewIn(Candidate):
    """A mapping and a webhook: a sample, or one that is kept, by its id or that of an event.

    The settings are those of *integration*: of the one that a kept webhook came by, unless another
    is named; the sample's own go over them.
    """

    sample: Sample | None = None
    webhook_id: str | None = None
    event_id: str | None = None
    integration: str | None = None

    @model_validator(mode="after")
    def _source(self) -> Self:
        if sum(one is not None for one in (self.sample, self.webhook_id, self.event_id)) != 1:
            msg = "give one of sample, webhook_id and event_id"
            raise ValueError(msg)
        return self


class OutcomeOut(BaseModel):
    """What became of it, in the words of ingest. ``place``: where the missing field is stated."""

    status: Literal["accepted", "ignored", "quarantined"]
    reason: str | None
    detail: str | None
    pointer: str | None
    place: str | None


class RuleOut(BaseModel):
    """A rule that was asked; those below a group only if it matched."""

    id: str
    emits: str | None
    matched: bool
    place: str | None


class OriginOut(BaseModel):
    """Where one field came from: file, line and column, and what stands there.

    A long value is cut to text. ``native`` are JSON pointers to where the mapping looks for it in
    the webhook's body, ``*`` for any item of a list, and ``headers`` the headers it looks at.
    ``note``: why it is null, or unknown.
    """

    pointer: str
    value: Any
    place: str
    source: str
    native: list[str]
    headers: list[str]
    note: str


class TraceOut(BaseModel):
    """The rule that made an event, and the origin of its fields, the first 500."""

    event_id: str
    type: str
    rule: str
    place: str
    fields: list[OriginOut]


class UnmappedOut(BaseModel):
    """An enum value that no table names."""

    field: str
    value: str


class PreviewOut(BaseModel):
    """What the mapping makes of the webhook. With an error in ``problems`` there is no outcome.

    ``events`` are the first of ``events_total``, and ``traces`` theirs.
    """

    platform: str | None
    version: str | None
    problems: list[MappingProblemOut]
    outcome: OutcomeOut | None
    events: list[EventOut]
    events_total: int
    rules: list[RuleOut]
    traces: list[TraceOut]
    unmapped: list[UnmappedOut]
    misfits: list[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """The webhook to try, and the integration that it came by, or would; None: that is gone."""

    webhook: Webhook
    record: IntegrationRecord | None
    integration_id: str
    settings: Mapping[str, str]


async def preview(call: Call[PreviewIn, NoQuery]) -> web.Response:
    """Say what a mapping makes of a webhook, and why."""
    gateway = call.gateway
    subject = await _subject(gateway, call.body)
    deadline = gateway.workbench.deadline(SECONDS)
    work = partial(_try, gateway, call.body, subject, deadline)
    shown = await gateway.workbench.run(work, deadline)
    # Not by pydantic, which writes decimals otherwise than they are delivered.
    return web.Response(body=encode(shown.model_dump()), content_type="application/json")


async def _subject(gateway: Gateway, body: PreviewIn) -> Subject:
    """What to try it on.

    Raises:
        NotFoundError: there is no such event or integration.
        GoneError: the webhook is not kept, or not any more.
    """
    snapshot = gateway.registry.snapshot
    named = None if body.integration is None else get_record(snapshot, body.integration)
    if body.sample is not None:
        id_ = "int_preview" if named is None else named.id
        return Subject(body.sample.webhook(gateway), named, id_, body.sample.settings)
    webhook_id = body.webhook_id
    if body.event_id is not None:
        webhook_id, _ = await get_event(gateway, body.event_id)
    kept = await gateway.events.find_native(webhook_id or "")
    if kept is None:
        msg = f"the webhook {(webhook_id or '')[:80]!r} is not kept, or not any more"
        raise GoneError(msg)
    record = named or snapshot.integrations.get(kept.integration_id)
    return Subject(kept.webhook, record, kept.integration_id, {})


def _try(gateway: Gateway, body: PreviewIn, subject: Subject, deadline: Deadline) -> PreviewOut:
    try:
        mapping = compile_candidate(gateway, body)
    except MappingError as error:
        return _broken(error)
    return _show(mapping, explain_subject(gateway, mapping, subject, deadline))


def explain_subject(
    gateway: Gateway, mapping: CompiledMapping, subject: Subject, deadline: Deadline
) -> Explanation:
    """What *mapping* makes of *subject*, and why. It takes its time: for the workbench.

    Raises:
        InvalidRequestError: 422 mapping_too_slow; its encoding or size is not taken.
    """
    deadline.check()
    info, find = _integration(gateway, mapping, subject)
    return explain(mapping, subject.webhook, info, gateway.settings.max_body, find, deadline.check)


def _integration(
    gateway: Gateway, mapping: CompiledMapping, subject: Subject
) -> tuple[IntegrationInfo, FindReferences | None]:
    """As what the webhook is normalized, and who finds references for it."""
    if subject.record is not None:
        trial = gateway.registry.trial(subject.record, mapping)
        info = replace(trial.info, settings={**trial.info.settings, **subject.settings})
        if trial.knowledge is None:
            return info, None
        return info, finder(trial.knowledge)
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    settings = {**defaults, **subject.settings}
    id_ = IntegrationId(subject.integration_id)
    return IntegrationInfo(id_, mapping.platform, "preview", settings), None


def _broken(error: MappingError) -> PreviewOut:
    return PreviewOut(
        platform=None,
        version=None,
        problems=show_problems(error.problems),
        outcome=None,
        events=[],
        events_total=0,
        rules=[],
        traces=[],
        unmapped=[],
        misfits=[],
    )


def _show(mapping: CompiledMapping, found: Explanation) -> PreviewOut:
    outcome = found.outcome
    emitted = outcome if isinstance(outcome, Emitted) else Emitted(())
    shown = _first(emitted.events)
    return PreviewOut(
        platform=mapping.platform,
        version=mapping.version,
        problems=show_problems(mapping.warnings),
        outcome=_show_outcome(outcome, found.missing),
        events=[EventOut.model_validate(event.envelope) for event in shown],
        events_total=len(emitted.events),
        rules=[_show_rule(trace) for trace in found.rules[:MAX_RULES]],
        traces=[show_trace(trace) for trace in found.events[: len(shown)]],
        unmapped=[UnmappedOut(field=f, value=v) for f, v in emitted.unmapped[:MAX_RULES]],
        misfits=list(emitted.misfits[:MAX_RULES]),
    )


def _first(events: Sequence[Event]) -> Sequence[Event]:
    """The first of *events*, as many as may be shown; one at least."""
    size = 0
    for at, event in enumerate(events):
        size += len(event.body)
        if at == MAX_EVENTS or (at and size > MAX_BYTES):
            return events[:at]
    return events


def _show_outcome(outcome: Outcome, missing: Place | None) -> OutcomeOut:
    make: Callable[..., OutcomeOut] = partial(
        OutcomeOut, reason=None, detail=None, pointer=None, place=None
    )
    match outcome:
        case Emitted():
            return make(status="accepted")
        case Ignored(reason=reason):
            return make(status="ignored", reason=reason)
        case Quarantined(reason=reason, detail=detail, pointer=pointer):
            place = None if missing is None else str(missing)
            return make(
                status="quarantined", reason=reason, detail=detail, pointer=pointer, place=place
            )


def _show_rule(trace: RuleTrace) -> RuleOut:
    place = None if trace.place is None else str(trace.place)
    return RuleOut(id=trace.id, emits=trace.emits, matched=trace.matched, place=place)


def show_trace(trace: EventTrace) -> TraceOut:
    """The rule that made an event, and the origin of its fields, as the API shows them."""
    return TraceOut(
        event_id=trace.event.id,
        type=trace.event.type,
        rule=trace.rule.id,
        place=str(trace.rule.place),
        fields=[
            OriginOut(
                pointer=origin.pointer,
                value=shorten(origin.value),
                place=str(origin.place),
                source=origin.source,
                native=list(origin.native.pointers),
                headers=list(origin.native.headers),
                note=origin.note,
            )
            for origin in trace.origins[:MAX_ORIGINS]
        ],
    )


OPERATIONS = (
    Operation("POST", "/v1/mappings/preview", "previewMapping",
              "Say what a mapping makes of a webhook, and why", preview, body=PreviewIn,
              answer=PreviewOut, problems=(404, 410), scopes=["ingest-admin"]),
)  # fmt: skip
