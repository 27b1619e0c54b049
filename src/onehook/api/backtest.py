"""``/v1/mappings/backtest``: what another mapping would have made of the last webhooks.

It writes nothing. The text of a mapping is compared with the mapping in use: what the edit
changes. The mapping in use is compared with what is in the store: what it would make otherwise
than it was made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, Field

from onehook.api.candidates import Candidate, compile_candidate
from onehook.api.integrations import get_record
from onehook.core.integration import Integration
from onehook.core.jsontext import encode
from onehook.core.mapping.backtest import Comparison, EventChange, Made, Tally, compare
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.problems import MappingError
from onehook.core.model import Webhook
from onehook.errors import FieldError, InvalidRequestError
from onehook.store.packing import unpack_event, unpack_native
from onehook.store.recent import RecentWebhook, packed_events, packed_natives, recent
from onehook.store.records import IntegrationRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoQuery, Operation
from onehook.web.workbench import Deadline

SECONDS = 30.0
AT_ONCE = 20  # webhooks read and compared together
MAX_SHOWN = 50  # outcomes, fields, and events of one example
MAX_LAST, MAX_EXAMPLES = 1000, 50


class BacktestIn(Candidate):
    """A mapping and how many webhooks to try it on: of *integration*, or of all of its platform."""

    integration: str | None = None
    last: Annotated[int, Field(ge=1, le=MAX_LAST)] = 100
    examples: Annotated[int, Field(ge=0, le=MAX_EXAMPLES)] = 10


class MadeOut(BaseModel):
    """What became of a webhook, or would."""

    status: str
    reason: str | None


class EventName(BaseModel):
    """An event."""

    id: str
    type: str


class FieldChangeOut(BaseModel):
    """A field that would be another; a long value is cut to text, ``(absent)`` was not there."""

    pointer: str
    before: Any
    after: Any


class EventChangeOut(BaseModel):
    """An event that would be another; ``more`` fields differ than are named."""

    id: str
    type: str
    fields: list[FieldChangeOut]
    more: int


class ExampleOut(BaseModel):
    """A webhook of which something else would become; of each list, the first 50."""

    webhook_id: str
    integration_id: str
    received_at: datetime
    before: MadeOut
    after: MadeOut
    added: list[EventName]
    removed: list[EventName]
    changed: list[EventChangeOut]


class WebhooksOut(BaseModel):
    """Webhooks counted. ``lost`` gave events and would give none; ``skipped`` are kept no more."""

    same: int
    changed: int
    lost: int
    skipped: int


class EventsOut(BaseModel):
    """Events counted; two are the same event if their ids are equal."""

    same: int
    added: int
    removed: int
    changed: int


class OutcomeChangeOut(BaseModel):
    """How many webhooks would go from one outcome to another."""

    before: MadeOut
    after: MadeOut
    count: int


class FieldCountOut(BaseModel):
    """In how many events of a type a field would be another; ``*`` stands for any index."""

    type: str
    pointer: str
    count: int


class BacktestOut(BaseModel):
    """What would change. ``complete`` is false if time ran out: then it is of the newest only.

    ``against``: ``mapping``, the one in use, or ``store``, what was made of them.
    """

    platform: str
    version: str
    against: str
    complete: bool
    webhooks: WebhooksOut
    events: EventsOut
    outcomes: list[OutcomeChangeOut]
    fields: list[FieldCountOut]
    examples: list[ExampleOut]


@dataclass(frozen=True, slots=True)
class _Pair:
    """An integration as it would be, and as it is; None: it is compared with the store."""

    after: Integration
    before: Integration | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A webhook as it came out of the store, and its events if they are compared with."""

    webhook: RecentWebhook
    native: bytes | None
    events: Sequence[bytes | None]


class _Backtest:
    """One backtest: its pairs of integrations, and what it has found so far."""

    def __init__(self, pairs: dict[str, _Pair], max_body: int, examples: int) -> None:
        self.pairs, self.max_body, self.wanted = pairs, max_body, examples
        self.tally = Tally()
        self.skipped = 0
        self.examples: list[ExampleOut] = []

    def add(self, batch: Sequence[_Kept], deadline: Deadline) -> int:
        """Compare *batch*, in a thread; how many of it there was time for."""
        for at, kept in enumerate(batch):
            if not deadline.left:
                return at
            self._add(kept)
        return len(batch)

    def _add(self, kept: _Kept) -> None:
        pair, recent_one = self.pairs[kept.webhook.integration_id], kept.webhook
        if kept.native is None:
            self.skipped += 1
            return
        webhook = unpack_native(kept.native).webhook
        if pair.before is not None:
            before = _made(pair.before, webhook, self.max_body)
        elif recent_one.reason is not None:
            before = Made("quarantined", recent_one.reason)
        else:
            before = Made.of_bodies(unpack_event(one)[1] for one in kept.events if one is not None)
        found = compare(before, _made(pair.after, webhook, self.max_body))
        self.tally.add(found)
        if not found.same and len(self.examples) < self.wanted:
            self.examples.append(_example(recent_one, webhook, found))


async def backtest(call: Call[BacktestIn, NoQuery]) -> web.Response:
    """Say what a mapping would have made of the last webhooks."""
    gateway, body = call.gateway, call.body
    deadline = gateway.workbench.deadline(SECONDS)
    mapping = await gateway.workbench.run(partial(_compile, gateway, body), deadline)
    records = _records(gateway, mapping, body)
    pairs = {record.id: _pair(gateway, record, mapping, body) for record in records}
    known = {id_: pair for id_, pair in pairs.items() if pair is not None}
    work = _Backtest(known, gateway.settings.max_body, body.examples)
    webhooks = await recent(gateway.events, gateway.quarantine, known, body.last)
    done = 0
    for some in _batches(webhooks):
        batch = await _read(gateway, some, stored=body.mapping is None)
        count = await gateway.workbench.run(partial(work.add, batch, deadline), deadline)
        done += count
        if count < len(batch):
            break
    shown = _show(work, mapping, body, complete=done == len(webhooks))
    return web.Response(body=encode(shown.model_dump()), content_type="application/json")


def _compile(gateway: Gateway, body: BacktestIn) -> CompiledMapping:
    """The mapping to try.

    Raises:
        InvalidRequestError: 422 mapping_invalid, each problem with line and column.
    """
    try:
        return compile_candidate(gateway, body)
    except MappingError as error:
        errors = [
            FieldError(
                "/mapping",
                f"line {p.place.line + 1}, column {p.place.column + 1}: {p.code} {p.message}",
            )
            for p in error.problems[:MAX_SHOWN]
        ]
        detail = f"the mapping cannot be compiled: {errors[0].detail}"
        raise InvalidRequestError(detail, code="mapping_invalid", errors=errors) from None


def _records(
    gateway: Gateway, mapping: CompiledMapping, body: BacktestIn
) -> list[IntegrationRecord]:
    snapshot = gateway.registry.snapshot
    if body.integration is not None:
        return [get_record(snapshot, body.integration)]
    return [r for r in snapshot.integrations.values() if r.type == mapping.platform]


def _pair(
    gateway: Gateway, record: IntegrationRecord, mapping: CompiledMapping, body: BacktestIn
) -> _Pair | None:
    """None: the integration has no mapping in use to be compared with."""
    registry = gateway.registry
    after = registry.trial(record, mapping)
    if body.mapping is None:
        return _Pair(after, None)
    in_use = registry.mappings.get(record.type)
    return None if in_use is None else _Pair(after, registry.trial(record, in_use))


def _batches(webhooks: Sequence[RecentWebhook]) -> Iterator[Sequence[RecentWebhook]]:
    for at in range(0, len(webhooks), AT_ONCE):
        yield webhooks[at : at + AT_ONCE]


async def _read(gateway: Gateway, some: Sequence[RecentWebhook], *, stored: bool) -> list[_Kept]:
    natives = await packed_natives(gateway.events, some)
    events = [await packed_events(gateway.events, one) if stored else () for one in some]
    return [_Kept(*parts) for parts in zip(some, natives, events, strict=True)]


def _made(integration: Integration, webhook: Webhook, max_body: int) -> Made:
    try:
        return Made.of(integration.normalize(webhook, max_body).outcome)
    except InvalidRequestError as error:  # what is taken was narrowed since
        return Made("refused", error.code)


def _example(recent_one: RecentWebhook, webhook: Webhook, found: Comparison) -> ExampleOut:
    return ExampleOut(
        webhook_id=recent_one.id,
        integration_id=recent_one.integration_id,
        received_at=webhook.received_at,
        before=_show_made(found.before),
        after=_show_made(found.after),
        added=[EventName(id=id_, type=type_) for id_, type_ in found.added[:MAX_SHOWN]],
        removed=[EventName(id=id_, type=type_) for id_, type_ in found.removed[:MAX_SHOWN]],
        changed=[_show_change(change) for change in found.changed[:MAX_SHOWN]],
    )


def _show_made(made: Made) -> MadeOut:
    return MadeOut(status=made.status, reason=made.reason)


def _show_change(change: EventChange) -> EventChangeOut:
    fields = [
        FieldChangeOut(pointer=one.pointer, before=one.before, after=one.after)
        for one in change.fields
    ]
    return EventChangeOut(id=change.id, type=change.type, fields=fields, more=change.more)


def _show(
    work: _Backtest, mapping: CompiledMapping, body: BacktestIn, *, complete: bool
) -> BacktestOut:
    tally = work.tally
    outcomes = [
        OutcomeChangeOut(
            before=MadeOut(status=before[0], reason=before[1]),
            after=MadeOut(status=after[0], reason=after[1]),
            count=count,
        )
        for (before, after), count in tally.outcomes.most_common(MAX_SHOWN)
    ]
    fields = [
        FieldCountOut(type=type_, pointer=pointer, count=count)
        for (type_, pointer), count in tally.fields.most_common(MAX_SHOWN)
    ]
    return BacktestOut(
        platform=mapping.platform,
        version=mapping.version,
        against="store" if body.mapping is None else "mapping",
        complete=complete,
        webhooks=WebhooksOut(
            same=tally.same, changed=tally.changed, lost=tally.lost, skipped=work.skipped
        ),
        events=EventsOut(
            same=tally.events["same"],
            added=tally.events["added"],
            removed=tally.events["removed"],
            changed=tally.events["changed"],
        ),
        outcomes=outcomes,
        fields=fields,
        examples=work.examples,
    )


OPERATIONS = (
    Operation("POST", "/v1/mappings/backtest", "backtestMapping",
              "Say what a mapping would have made of the last webhooks", backtest,
              body=BacktestIn, answer=BacktestOut, problems=(404,), scopes=["ingest-admin"]),
)  # fmt: skip
