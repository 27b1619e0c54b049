"""``/console/subscriptions``: who gets which events, how they fare, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onehook.console.deliveries import STATUSES
from onehook.console.filters import LIMIT, given, moments, narrowed, says
from onehook.console.names import integration_names, subscription_names
from onehook.console.rendering import Page, Redirect, url
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription and its counts of all time; null *counts*: nothing was attempted yet."""

    subscription: Any
    counts: Any
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class SubscriptionsPage:
    """A page of subscriptions, the newest first."""

    title: str
    filters: Mapping[str, str]
    rows: Sequence[SubscriptionRow]
    next: str | None
    destinations: Sequence[str]
    sources: Mapping[str, str]


async def listing(visit: Visit) -> Outcome:
    """All subscriptions, or those that the filters mean, and how they fare."""
    filters = given(visit.query, "q", "state", "destination")
    found, next_ = await narrowed(
        visit, "listSubscriptions", partial(_fits, filters) if filters else None
    )
    shares = await visit.call("listStats", query={"by": "subscription"})
    counts = {one["key"]: one for one in shares["data"]}
    ids = [one["id"] for one in found]
    waiting = await visit.gateway.statistics.waiting(ids)
    page = SubscriptionsPage(
        title="Subscriptions",
        filters=filters,
        rows=[SubscriptionRow(one, counts.get(one["id"]), *waiting[one["id"]]) for one in found],
        next=next_,
        destinations=sorted(visit.gateway.registry.destinations),
        sources=dict(integration_names(visit)),
    )
    return Page("subscriptions.html", page)


def _fits(filters: Mapping[str, str], one: Any) -> bool:
    states = {one["status"], f"breaker {one['breaker']}"}
    return (
        says(filters.get("q", ""), one["name"], one["key"], one["id"], one["url"])
        and filters.get("state", one["status"]) in states
        and filters.get("destination", one["destination"]) == one["destination"]
    )


@dataclass(frozen=True, slots=True)
class LogPage:
    """A subscription's delivery log."""

    title: str
    subscription: Any
    tab: str
    filters: Mapping[str, str]
    deliveries: Sequence[Any]
    next: str | None
    names: Mapping[str, str]
    statuses: Sequence[str]
    types: Sequence[str]
    export: str


async def log(visit: Visit) -> Outcome:
    """What it got, and what it did not."""
    subscription = await _get(visit)
    filters = given(visit.query, "status", "type", "since", "until")
    mine = {**moments(filters), "subscription": subscription["id"]}
    query = {**mine, "cursor": visit.query.get("cursor", ""), "limit": LIMIT}
    answer = await visit.call("listDeliveries", query=query)
    page = LogPage(
        title=called(subscription),
        subscription=subscription,
        tab="log",
        filters=filters,
        deliveries=answer["data"],
        next=answer["next"],
        names=dict(subscription_names(visit)),
        statuses=STATUSES,
        types=sorted({*EVENT_TYPES, *ALIASES}),
        export=url("", mine),
    )
    return Page("subscription_log.html", page, fragment="results")


@dataclass(frozen=True, slots=True)
class StatisticsPage:
    """How a subscription fares. *minutes*: of the last hour."""

    title: str
    subscription: Any
    tab: str
    stats: Any
    minutes: Sequence[Any]
    types: Sequence[str]


async def statistics(visit: Visit) -> Outcome:
    """How it fares."""
    subscription = await _get(visit)
    stats = await visit.call("getSubscriptionStats", {"id": subscription["id"]})
    series = await visit.call("listMinutes", query={"subscription": subscription["id"]})
    page = StatisticsPage(
        title=called(subscription),
        subscription=subscription,
        tab="statistics",
        stats=stats,
        minutes=series["data"],
        types=sorted({*EVENT_TYPES, *ALIASES}),
    )
    return Page("subscription_statistics.html", page)


async def _get(visit: Visit) -> Any:
    return await visit.call("getSubscription", {"id": visit.path["id"]})


def called(subscription: Any) -> str:
    """What people call it."""
    return str(subscription["name"] or subscription["key"] or subscription["id"])


@dataclass(frozen=True, slots=True)
class TestPage:
    """What became of a test event."""

    title: str
    subscription: Any
    type: str
    result: Any


async def test(visit: Visit) -> Outcome:
    """Send a test event, and show the answer."""
    subscription = await _get(visit)
    type_ = visit.form.get("event_type", "").strip()
    body = {"event_type": type_}
    result = await visit.call("testSubscription", {"id": subscription["id"]}, body=body)
    title = f"Test of {called(subscription)}"
    return Page("subscription_test.html", TestPage(title, subscription, type_, result))


async def pause(visit: Visit) -> Outcome:
    """Hold it."""
    return await _act(visit, "pauseSubscription", "It is paused: events queue, none is sent.")


async def resume(visit: Visit) -> Outcome:
    """Let it go on."""
    return await _act(visit, "resumeSubscription", "It goes on with what it has queued.")


async def _act(visit: Visit, operation: str, notice: str) -> Outcome:
    made = await visit.call(operation, {"id": visit.path["id"]})
    return Redirect(f"{PATH}/subscriptions/{made['id']}", notice)


async def delete(visit: Visit) -> Outcome:
    """Remove it."""
    await visit.call("deleteSubscription", {"id": visit.path["id"]})
    return Redirect(f"{PATH}/subscriptions", "The subscription is gone.")
