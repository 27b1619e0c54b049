"""The fields of a subscription that say how its deliveries flow."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from onehook.core.durations import render_duration
from onehook.core.flow import PAUSE_AFTER, Flow, Gate, PauseAfter, RateLimit, parse_timeout
from onehook.core.retry import MAX_RETRIES, PRESETS, Retry, make_retry, parse_delay
from onehook.errors import FieldError, InvalidRequestError
from onehook.store.events import milliseconds
from onehook.store.records import SubscriptionRecord
from onehook.web.operations import Form

_A_SECOND = 60  # of a minute's rate: the burst where none is given


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """The text as it is, once *check* does not refuse it."""

    def keep(text: str) -> str:
        check(text)
        return text

    return AfterValidator(keep)


class _PresetOrList:
    """A preset's name, or a list; not a union, whose errors would point to its members."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def read(value: object, as_list: core_schema.ValidatorFunctionWrapHandler) -> object:
            if isinstance(value, str):
                make_retry(value)
                return value
            return as_list(value)

        delays = handler.generate_schema(_Delays)
        as_given = core_schema.plain_serializer_function_ser_schema(lambda value: value)
        return core_schema.no_info_wrap_validator_function(read, delays, serialization=as_given)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "enum": list(PRESETS)}, handler(schema)]}


Timeout = Annotated[str, _checked(parse_timeout)]
_Delays = Annotated[list[Annotated[str, _checked(parse_delay)]], Field(max_length=MAX_RETRIES)]
RetryGiven = Annotated[str | list[str], _PresetOrList()]
Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Few = Annotated[int, Field(strict=True, ge=1, le=1000)]
PerMinute = Annotated[int, Field(strict=True, ge=1, le=600_000)]
Burst = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Ordering = Literal["none", "key"]


class RateLimitIn(Form):
    """At most ``burst`` attempts at once, ``per_minute`` on average; across all gateways.

    Without ``burst``: as many as a second of the rate.
    """

    per_minute: PerMinute
    burst: Burst | None = None


class RateLimitPatch(Form):
    """What to change of a rate limit."""

    per_minute: PerMinute | None = None
    burst: Burst | None = None


class PauseAfterIn(Form):
    """When a subscription pauses itself.

    After so many ``deliveries`` in a row that used up their attempts, or so many failed
    ``attempts`` in a row: whichever comes first.
    """

    deliveries: Count | None = None
    attempts: Count | None = None


class FlowIn(Form):
    """How deliveries flow.

    ``retry``: the name of a preset or a list of delays, each after the failure before it.
    ``timeout`` and ``retry`` have defaults in the gateway's settings. ``pause_after`` null: it
    never pauses itself. Beyond ``max_backlog`` queued, the newest go to the dead letter.
    ``ordering: key``: events about the same thing one after the other. ``concurrency``: attempts
    at once across all gateways; null: 16 in each.
    """

    timeout: Timeout | None = None
    retry: RetryGiven | None = None
    pause_after: PauseAfterIn | None = PauseAfterIn(deliveries=PAUSE_AFTER.deliveries)
    max_backlog: Count | None = None
    rate_limit: RateLimitIn | None = None
    ordering: Ordering = "none"
    concurrency: Few | None = None


class FlowPatch(Form):
    """What to change of it (RFC 7396): null gives the default; ``pause_after`` null: never."""

    timeout: Timeout | None = None
    retry: RetryGiven | None = None
    pause_after: PauseAfterIn | None = None
    max_backlog: Count | None = None
    rate_limit: RateLimitPatch | None = None
    ordering: Ordering | None = None
    concurrency: Few | None = None


class RateLimitOut(BaseModel):
    """A rate limit."""

    per_minute: int
    burst: int


class PauseAfterOut(BaseModel):
    """When a subscription pauses itself; only what was asked for."""

    deliveries: int | None = None
    attempts: int | None = None


class FlowOut(BaseModel):
    """How deliveries flow, and whether they do: nothing is attempted before ``held_until``."""

    timeout: str
    retry: str | list[str]
    pause_after: PauseAfterOut | None
    max_backlog: int | None
    rate_limit: RateLimitOut | None
    ordering: Ordering
    concurrency: int | None
    breaker: Literal["closed", "open", "probing"]
    held_until: datetime | None


_FIELDS = frozenset(FlowIn.model_fields)


@dataclass(frozen=True, slots=True)
class FlowDefaults:
    """What a subscription has that says nothing: its destination's, else the gateway's."""

    timeout: timedelta
    retry: Retry
    pause_after: PauseAfter = PAUSE_AFTER


def flow_changes(
    form: FlowIn | FlowPatch,
    record: SubscriptionRecord | None,
    defaults: FlowDefaults,
    *,
    anew: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The fields of a record that *form* sets; all of them where there is no *record* yet.

    The fields *anew* are set to their defaults, if *form* does not set them.

    Raises:
        InvalidRequestError: what it changes and what is there make no whole.
    """
    names = _FIELDS if record is None else _FIELDS & form.model_fields_set
    names |= anew
    changes: dict[str, Any] = {}
    if "timeout" in names:
        given = form.timeout
        timeout = defaults.timeout if given is None else parse_timeout(given)
        changes["timeout_ms"] = milliseconds(timeout)
    if "retry" in names:
        retry = defaults.retry if form.retry is None else make_retry(form.retry)
        changes["retry_ms"] = [milliseconds(delay) for delay in retry.delays]
        changes["retry_preset"] = retry.preset
    flow = Flow(pause_after=None) if record is None else record.flow
    wanted: dict[str, Any] = {n: getattr(form, n) for n in names & {"max_backlog", "concurrency"}}
    if "ordering" in names:
        wanted["ordered"] = form.ordering == "key"
    if "pause_after" in form.model_fields_set:
        wanted["pause_after"] = _pause_after(form.pause_after, flow.pause_after)
    elif "pause_after" in names:
        wanted["pause_after"] = defaults.pause_after
    if "rate_limit" in names:
        wanted["rate_limit"] = merge_rate_limit(form.rate_limit, flow.rate_limit)
    return {**changes, "flow": replace(flow, **wanted)}


def _pause_after(given: PauseAfterIn | None, present: PauseAfter | None) -> PauseAfter | None:
    if given is None:
        return None
    merged = replace(present or PauseAfter(), **given.model_dump(exclude_unset=True))
    if merged == PauseAfter():
        detail = "has deliveries, attempts or both; null: it never pauses itself"
        raise InvalidRequestError(detail, errors=[FieldError("/pause_after", detail)])
    return merged


def merge_rate_limit(
    given: RateLimitIn | RateLimitPatch | None, present: RateLimit | None
) -> RateLimit | None:
    """*present* with what is *given* (RFC 7396); None: no limit.

    Raises:
        InvalidRequestError: 422, no rate is given and there was none.
    """
    if given is None:
        return None
    merged = {} if present is None else asdict(present)
    merged |= given.model_dump(exclude_unset=True)
    per_minute = merged.get("per_minute")
    if per_minute is None:
        detail = "is needed: how many a minute"
        raise InvalidRequestError(detail, errors=[FieldError("/rate_limit/per_minute", detail)])
    return RateLimit(per_minute, merged.get("burst") or -(-per_minute // _A_SECOND))


def show_flow(record: SubscriptionRecord, gate: Gate, now: datetime) -> dict[str, Any]:
    """The fields of `FlowOut`."""
    flow = record.flow
    limits = {} if flow.pause_after is None else asdict(flow.pause_after)
    held = gate.held_until is not None and gate.held_until > now
    shown = FlowOut(
        timeout=_duration(record.timeout_ms),
        retry=record.retry_preset or [_duration(ms) for ms in record.retry_ms],
        pause_after=PauseAfterOut(**{n: v for n, v in limits.items() if v is not None})
        if limits
        else None,
        max_backlog=flow.max_backlog,
        rate_limit=None if flow.rate_limit is None else RateLimitOut(**asdict(flow.rate_limit)),
        ordering="key" if flow.ordered else "none",
        concurrency=flow.concurrency,
        breaker=gate.breaker.value,
        held_until=gate.held_until if held else None,
    )
    return dict(shown)


def _duration(ms: int) -> str:
    return render_duration(timedelta(milliseconds=ms))
