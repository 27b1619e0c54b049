"""``/console``: what comes in and goes out, and what needs attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onehook.console.attention import (
    Matter,
    of_gateway,
    of_integrations,
    of_quarantine,
    of_subscriptions,
)
from onehook.console.names import called
from onehook.console.rendering import Page, Redirect, moment
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.store.health import store_health
from onehook.store.statistics import Intake

_HOUR = timedelta(hours=1)
_LATEST = 200  # events of whose deliveries the time from ingest to delivered is taken
_MOST = 200  # subscriptions that are looked at


@dataclass(frozen=True, slots=True)
class PlatformRow:
    """What came of one platform in the last hour."""

    platform: str
    integrations: int
    webhooks: int
    refused: int
    events: int


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """How one subscription fares: attempts of the last hour, and what waits."""

    id: str
    name: str
    status: str
    attempts: int
    success_rate: float | None
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The last hour. *series*: seconds, events in, delivered, failed; latencies in ms."""

    title: str
    first_run: bool
    matters: Sequence[Matter]
    series: Sequence[Sequence[int]]
    events: int
    webhooks: int
    attempts: int
    success_rate: float | None
    p50: float | None
    p95: float | None
    backlog: int
    oldest: datetime | None
    platforms: Sequence[PlatformRow]
    receivers: Sequence[ReceiverRow]


async def show(visit: Visit) -> Outcome:
    """The overview; who may not see how deliveries fare begins with the integrations."""
    if not visit.allows("listStats"):
        return Redirect(f"{PATH}/integrations")
    gateway = visit.gateway
    snapshot, statistics = gateway.registry.snapshot, gateway.statistics
    now = gateway.clock.now()
    subscriptions = await visit.call("listSubscriptions", query={"limit": _MOST})
    ids = [one["id"] for one in subscriptions["data"]]
    waiting = await statistics.waiting(ids)
    records = list(snapshot.integrations.values())
    platforms = sorted({one.type for one in records})
    whose = [*(f"i:{one.id}" for one in records), *(f"p:{name}" for name in platforms)]
    minutes, intake = await statistics.intake(whose, now - _HOUR, now)
    attempts = (await visit.call("listMinutes"))["data"]
    shares = await visit.call("listStats", query={"by": "subscription", "since": now - _HOUR})
    latencies = await _latencies(visit)
    matters = [
        *of_quarantine(await gateway.quarantine.count()),
        *(of_gateway(gateway, await store_health(visit.client)) if visit.sees_whole else ()),
        *of_integrations(records, await gateway.notices.heard(), intake, now),
        *of_subscriptions(subscriptions["data"], waiting),
    ]
    total = sum(one["total"] for one in attempts)
    successful = sum(one["successful"] for one in attempts)
    page = OverviewPage(
        title="Overview",
        first_run=not records,
        matters=sorted(
            (one for one in matters if visit.opens(one.url)), key=lambda one: one.tone != "red"
        ),
        series=_series(minutes, attempts),
        events=sum(one.events for _, one in minutes),
        webhooks=sum(one.webhooks for _, one in minutes),
        attempts=total,
        success_rate=successful / total if total else None,
        p50=_percentile(latencies, 50),
        p95=_percentile(latencies, 95),
        backlog=sum(pending for pending, _ in waiting.values()),
        oldest=await _oldest(visit, waiting),
        platforms=[_platform(name, records, intake) for name in platforms]
        if visit.allows("listIntegrations")
        else [],
        receivers=_receivers(visit, subscriptions["data"], shares["data"], waiting),
    )
    return Page("overview.html", page, fragment="figures")


def _series(minutes: Sequence[tuple[datetime, Intake]], attempts: Sequence[Any]) -> list[list[int]]:
    out = {moment(one["at"]): (one["successful"], one["failed"]) for one in attempts}
    return [[int(at.timestamp()), one.events, *out.get(at, (0, 0))] for at, one in minutes]


async def _latencies(visit: Visit) -> list[float]:
    """How many ms the latest deliveries took from the commit of their event, in order.

    Those of the latest events, whatever became of them: nothing further back is looked at.
    """
    store = visit.gateway
    newest = await store.events.index(since=None, until=None, before=None, count=_LATEST)
    found = await store.deliveries.states([entry.event_id for entry in newest])
    times = [
        state.finished_at.timestamp() * 1000 - int(entry.position.partition("-")[0])
        for entry, states in zip(newest, found, strict=True)
        for state in states.values()
        if state.status == "delivered" and state.finished_at is not None
    ]
    return sorted(times)


def _percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest rank of sorted *values*."""
    return max(values[-(-len(values) * percent // 100) - 1], 0) if values else None


async def _oldest(visit: Visit, waiting: dict[str, tuple[int, int]]) -> datetime | None:
    """Since when the oldest waits, of the subscriptions with the longest queues."""
    longest = sorted(waiting, key=lambda id_: -waiting[id_][0])[:5]
    found = [await visit.gateway.statistics.oldest(id_) for id_ in longest if waiting[id_][0]]
    return min((at for at in found if at is not None), default=None)


def _platform(name: str, records: Sequence[Any], intake: Any) -> PlatformRow:
    mine = [one for one in records if one.type == name]
    sums = [intake[f"i:{one.id}"] for one in mine]
    return PlatformRow(
        platform=name,
        integrations=len(mine),
        webhooks=sum(one.webhooks for one in sums),
        refused=sum(one.refused for one in sums),
        events=intake[f"p:{name}"].events,
    )


def _receivers(
    visit: Visit,
    subscriptions: Sequence[Any],
    shares: Sequence[Any],
    waiting: dict[str, tuple[int, int]],
) -> list[ReceiverRow]:
    counts = {one["key"]: one for one in shares}
    rows = [
        ReceiverRow(
            id=one["id"],
            name=called(visit, one["id"]),
            status=one["status"] if one["breaker"] == "closed" else "open",
            attempts=counts[one["id"]]["total"] if one["id"] in counts else 0,
            success_rate=counts[one["id"]]["success_rate"] if one["id"] in counts else None,
            pending=waiting[one["id"]][0],
            dead=waiting[one["id"]][1],
        )
        for one in subscriptions
    ]
    return sorted(rows, key=lambda row: (-row.pending - row.dead, -row.attempts))[:20]
