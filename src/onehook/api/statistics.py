"""Statistics: how a subscription fares, who fares how, and minutes for charts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel

from onehook.api.integrations import find_id
from onehook.api.pagination import Period
from onehook.api.subscriptions import aliased, get_record
from onehook.core.schema.events import EVENT_TYPES
from onehook.errors import FieldError, InvalidRequestError
from onehook.store.statistics import EVERYBODY
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

LONGEST = timedelta(hours=24)  # how far back minutes are kept
USUAL = timedelta(hours=1)


class CountsOut(BaseModel):
    """Attempts, tests excluded. ``success_rate`` is successful / total, null before the first."""

    total: int
    successful: int
    failed: int
    success_rate: float | None


class DeliveriesOut(BaseModel):
    """Deliveries by state."""

    pending: int
    delivered: int
    dead: int
    cancelled: int


class LatencyOut(BaseModel):
    """Percentiles of the last 1,000 HTTP attempts; null before the first."""

    p50: int | None
    p95: int | None


class SubscriptionStats(CountsOut):
    """How a subscription fares.

    ``oldest_waiting_at``: when the oldest of the next 1,000 in its queue was made.
    """

    consecutive_failures: int
    last_triggered_at: datetime | None
    deliveries: DeliveriesOut
    latency_ms: LatencyOut
    backlog: int
    oldest_waiting_at: datetime | None


class ShareOut(CountsOut):
    """What is one subscription's, integration's or event type's; ``dead``: dead letters made."""

    key: str
    dead: int


class ShareList(BaseModel):
    """Who fares how; the list has one page, the busiest first."""

    data: list[ShareOut]
    next: str | None


class MinuteOut(CountsOut):
    """One minute, from ``at``; ``dead``: dead letters made."""

    at: datetime
    dead: int


class MinuteList(BaseModel):
    """Minute after minute, the oldest first; the list has one page."""

    data: list[MinuteOut]
    next: str | None


class ShareQuery(Period):
    """Whose counts; with ``since`` (at most 24 h ago) or ``until`` of that time, else of all."""

    by: Literal["subscription", "integration", "type"]


def _known_type(text: str) -> str:
    if text not in EVENT_TYPES:
        msg = "is no event type; /v1/event-types lists them"
        raise ValueError(msg)
    return text


class SeriesQuery(Period):
    """Whose minutes: one subscription's, integration's or type's; everybody's if none is named.

    From ``since`` (an hour ago; at most 24 h) until ``until`` (now).
    """

    subscription: str | None = None
    integration: str | None = None
    type: Annotated[str, AfterValidator(_known_type)] | None = None


async def of_subscription(call: Call[NoBody, NoQuery]) -> SubscriptionStats:
    """Tell how a subscription fares."""
    statistics = call.gateway.statistics
    id_ = get_record(call.gateway.registry.snapshot, call.path["id"]).id
    counts = await statistics.subscription(id_)
    durations = sorted(await statistics.durations(id_))
    return SubscriptionStats(
        total=counts.attempts.total,
        successful=counts.attempts.successful,
        failed=counts.attempts.failed,
        success_rate=counts.attempts.success_rate,
        consecutive_failures=counts.streak,
        last_triggered_at=counts.last_attempt,
        deliveries=DeliveriesOut(
            pending=counts.pending,
            delivered=counts.delivered,
            dead=counts.dead,
            cancelled=counts.cancelled,
        ),
        latency_ms=LatencyOut(p50=_percentile(durations, 50), p95=_percentile(durations, 95)),
        backlog=counts.pending,
        oldest_waiting_at=await statistics.oldest(id_),
    )


def _percentile(values: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile of sorted *values*: one of them, or None."""
    return values[-(-len(values) * percent // 100) - 1] if values else None


async def shares(call: Call[NoBody, ShareQuery]) -> ShareList:
    """Tell who fares how: subscriptions, integrations or event types."""
    query, statistics = call.query, call.gateway.statistics
    if query.since is None and query.until is None:
        found = await statistics.totals()
    else:
        found = await statistics.sums(*_period(call.gateway, query))
    prefix = {"subscription": "s:", "integration": "i:", "type": "t:"}[query.by]
    mine = {
        whose.removeprefix(prefix): tally
        for whose, tally in found.items()
        if whose.startswith(prefix)
    }
    data = [
        ShareOut(
            total=tally.total,
            successful=tally.successful,
            failed=tally.failed,
            success_rate=tally.success_rate,
            key=key,
            dead=tally.dead,
        )
        for key, tally in sorted(mine.items(), key=lambda item: (-item[1].total, item[0]))
    ]
    return ShareList(data=data, next=None)


async def series(call: Call[NoBody, SeriesQuery]) -> MinuteList:
    """Give the counts of each minute."""
    gateway, query = call.gateway, call.query
    since, until = _period(gateway, query)
    minutes = await gateway.statistics.series(_whose(gateway, query), since, until)
    data = [
        MinuteOut(
            total=tally.total,
            successful=tally.successful,
            failed=tally.failed,
            success_rate=tally.success_rate,
            at=at,
            dead=tally.dead,
        )
        for at, tally in minutes
    ]
    return MinuteList(data=data, next=None)


def _whose(gateway: Gateway, query: SeriesQuery) -> str:
    """The counters that are asked for.

    Raises:
        InvalidRequestError: two are named, and nothing is counted under both.
    """
    snapshot = gateway.registry.snapshot
    named: list[str] = []
    if query.subscription is not None:
        named.append(f"s:{get_record(snapshot, query.subscription).id}")
    if query.integration is not None:
        named.append(f"i:{find_id(snapshot, query.integration)}")
    if query.type is not None:
        named.append(f"t:{query.type}")
    if len(named) > 1:
        detail = "name one of subscription, integration and type: they are counted each by itself"
        fields = [n for n in ("subscription", "integration", "type") if getattr(query, n)]
        raise InvalidRequestError(detail, errors=[FieldError(f"/{n}", detail) for n in fields])
    return named[0] if named else EVERYBODY


def _period(gateway: Gateway, query: Period) -> tuple[datetime, datetime]:
    """The time that is asked for.

    Raises:
        InvalidRequestError: it ends before it begins, or goes back too far.
    """
    now = gateway.clock.now()
    latest = now + timedelta(milliseconds=1)  # the minute of now is among them
    until = latest if query.until is None else min(query.until, latest)
    since = until - USUAL if query.since is None else query.since
    detail = None
    if since < now - LONGEST - timedelta(minutes=1):
        detail = "since is more than 24 h ago: minutes are kept that long"
    elif since >= until:
        detail = "since is not before until and now"
    if detail is not None:
        raise InvalidRequestError(detail, errors=[FieldError("/since", detail)])
    return since, until


_STATS, _STATS_TOO = aliased("/{id}/stats")
OPERATIONS = (
    Operation("GET", _STATS, "getSubscriptionStats", "Tell how a subscription fares",
              of_subscription, answer=SubscriptionStats, aliases=_STATS_TOO, scopes=["subscriber"]),
    Operation("GET", "/v1/stats", "listStats", "Tell who fares how", shares, query=ShareQuery,
              answer=ShareList, scopes=["subscriber"]),
    Operation("GET", "/v1/stats/series", "listMinutes", "Give the counts of each minute", series,
              query=SeriesQuery, answer=MinuteList, problems=(404,), scopes=["subscriber"]),
)  # fmt: skip
