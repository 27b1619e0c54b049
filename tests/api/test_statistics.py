"""Statistics: attempts counted as they were made, tests left out, minutes for charts."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.test_integrations import pointers
from tests.builders import (
    FixedClock,
    Reply,
    Running,
    Subscriber,
    eventually,
    issue,
    membership,
)
from tests.conftest import StartGateway, StartSubscriber

EMPTY = {
    "total": 0,
    "successful": 0,
    "failed": 0,
    "success_rate": None,
    "consecutive_failures": 0,
    "last_triggered_at": None,
    "deliveries": {"pending": 0, "delivered": 0, "dead": 0, "cancelled": 0},
    "latency_ms": {"p50": None, "p95": None},
    "backlog": 0,
    "oldest_waiting_at": None,
}


async def stats(gateway: Running, subscription: dict[str, Any]) -> Any:
    """The statistics of a subscription."""
    answer = await gateway.api.get(f"/v1/subscriptions/{subscription['id']}/stats")
    assert answer.status == 200, answer.body
    return answer.json


async def shares(gateway: Running, **query: str) -> dict[str, tuple[int, int, int]]:
    """Successful, failed and dead by key."""
    answer = await gateway.api.get("/v1/stats", **query)
    assert answer.status == 200, answer.body
    return {
        one["key"]: (one["successful"], one["failed"], one["dead"]) for one in answer.json["data"]
    }


async def test_nothing_happened_yet(gateway: Running, subscriber: Subscriber) -> None:
    """A new subscription has zeros, and null where there is nothing to divide."""
    assert await stats(gateway, await gateway.subscribe(subscriber)) == EMPTY


async def test_attempts_are_counted(gateway: Running, subscriber: Subscriber) -> None:
    """Every attempt counts, successful or not; a success ends a row of failures."""
    subscriber.script.extend([Reply(500), Reply(503)])
    subscription = await gateway.subscribe(subscriber, retry=["1h", "1h"])
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    await gateway.settled(event_id, subscription["id"], attempt_count=1)
    await gateway.age(subscription["id"], timedelta(hours=2))
    found = await gateway.settled(event_id, subscription["id"], attempt_count=2)

    failing = await stats(gateway, subscription)

    assert (failing["total"], failing["successful"], failing["failed"]) == (2, 0, 2)
    assert (failing["success_rate"], failing["consecutive_failures"]) == (0, 2)
    assert failing["deliveries"] == {"pending": 1, "delivered": 0, "dead": 0, "cancelled": 0}
    assert failing["backlog"] == 1
    assert failing["oldest_waiting_at"] == found["created_at"]
    await gateway.age(subscription["id"], timedelta(hours=2))
    await gateway.settled(event_id, subscription["id"], status="delivered")

    after = await stats(gateway, subscription)

    assert (after["total"], after["successful"], after["failed"]) == (3, 1, 2)
    assert (after["success_rate"], after["consecutive_failures"]) == (pytest.approx(1 / 3), 0)
    assert after["deliveries"] == {"pending": 0, "delivered": 1, "dead": 0, "cancelled": 0}
    assert (after["backlog"], after["oldest_waiting_at"]) == (0, None)
    assert datetime.fromisoformat(after["last_triggered_at"]) > datetime.fromisoformat(
        failing["last_triggered_at"]
    )


async def test_failures_in_a_row_are_counted_through_a_batch(
    gateway: Running, subscriber: Subscriber
) -> None:
    """However many attempts are recorded at once, failures since the last success are counted.

    One fewer than open the breaker: what waits then is not attempted.
    """
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=[])
    sender = await gateway.integrate()
    await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(9)))
    await gateway.quiet(subscription["id"])

    found = await stats(gateway, subscription)

    assert (found["total"], found["consecutive_failures"]) == (9, 9)
    assert found["deliveries"] == {"pending": 0, "delivered": 0, "dead": 9, "cancelled": 0}


async def test_states_follow_a_replay(gateway: Running, subscriber: Subscriber) -> None:
    """A delivery is counted in the state in which it is, however often it was delivered."""
    subscriber.script.append(Reply(500))
    subscription = await gateway.subscribe(subscriber, retry=[])
    sender = await gateway.integrate()
    (dead,) = await gateway.accept(sender, issue(1))
    await gateway.settled(dead, subscription["id"], status="dead")
    (good,) = await gateway.accept(sender, issue(2))
    await gateway.settled(good, subscription["id"], status="delivered")

    for event_id in (dead, good):
        answer = await gateway.api.post(f"/v1/events/{event_id}/replay")
        assert answer.status == 200
        await gateway.settled(event_id, subscription["id"], attempt_count=2, status="delivered")

    found = await stats(gateway, subscription)
    assert found["deliveries"] == {"pending": 0, "delivered": 2, "dead": 0, "cancelled": 0}
    assert (found["total"], found["successful"], found["failed"]) == (4, 3, 1)


async def test_latency_is_that_of_attempts(gateway: Running, subscriber: Subscriber) -> None:
    """The percentiles are durations of attempts that were made."""
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    durations = []
    for number in range(5):
        (event_id,) = await gateway.accept(sender, issue(number))
        found = await gateway.settled(event_id, subscription["id"], status="delivered")
        durations.append(found["attempts"][0]["duration_ms"])

    latency = (await stats(gateway, subscription))["latency_ms"]

    assert latency == {"p50": sorted(durations)[2], "p95": max(durations)}


async def test_stats_have_the_aliases_of_subscriptions(
    gateway: Running, subscriber: Subscriber
) -> None:
    """By key, and under the paths that other senders have."""
    await gateway.subscribe(subscriber, key="wh_1")
    for path in ("/v1/subscriptions", "/v1/webhooks", "/webhooks"):
        assert (await gateway.api.get(f"{path}/wh_1/stats")).json == EMPTY
    assert (await gateway.api.get("/v1/subscriptions/sub_x/stats")).status == 404


async def test_shares_by_subscription_integration_and_type(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """Every attempt counts for its subscription, its integration and its event type."""
    good, bad = await start_subscriber(), await start_subscriber()
    bad.usual = Reply(500)
    one = await gateway.subscribe(good)
    two = await gateway.subscribe(bad, retry=[], events=["ticketing.*"])
    first, second = await gateway.integrate(), await gateway.integrate()
    (ticket,) = await gateway.accept(first, issue())
    (group,) = await gateway.accept(second, membership())
    await gateway.settled(ticket, one["id"], status="delivered")
    await gateway.settled(group, one["id"], status="delivered")
    await gateway.settled(ticket, two["id"], status="dead")

    wanted = {
        "subscription": {one["id"]: (2, 0, 0), two["id"]: (0, 1, 1)},
        "integration": {first.id: (1, 1, 1), second.id: (1, 0, 0)},
        "type": {
            "ticketing.ticket.created": (1, 1, 1),
            "identity.group.membership.changed": (1, 0, 0),
        },
    }
    for by, counts in wanted.items():
        assert await shares(gateway, by=by) == counts
        hour_ago = (gateway.runtime.clock.now() - timedelta(hours=1)).isoformat()
        assert await shares(gateway, by=by, since=hour_ago) == counts
        old = (gateway.runtime.clock.now() - timedelta(minutes=30)).isoformat()
        assert await shares(gateway, by=by, since=hour_ago, until=old) == {}


async def test_series_has_every_minute(
    start_gateway: StartGateway, start_subscriber: StartSubscriber
) -> None:
    """A chart has a point for each minute, with what was attempted in it."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    subscriber = await start_subscriber()
    subscription = await gateway.subscribe(subscriber, retry=[])
    sender = await gateway.integrate(key="gh")
    began = clock.now()
    for minute, replies in enumerate([[204, 204], [], [500, 204, 500]]):
        for number, status in enumerate(replies):
            subscriber.usual = Reply(status)
            (event_id,) = await gateway.accept(sender, issue(10 * minute + number))
            await gateway.settled(event_id, subscription["id"], attempt_count=1)
        clock.advance(timedelta(minutes=1))

    async def series(**query: str) -> list[tuple[int, int, int]]:
        answer = await gateway.api.get("/v1/stats/series", since=began.isoformat(), **query)
        assert answer.status == 200, answer.body
        moments = [datetime.fromisoformat(one["at"]) for one in answer.json["data"]]
        assert moments == [began + timedelta(minutes=n) for n in range(len(moments))]
        return [(one["successful"], one["failed"], one["dead"]) for one in answer.json["data"]]

    wanted = [(2, 0, 0), (0, 0, 0), (1, 2, 2), (0, 0, 0)]
    assert await series() == wanted
    assert await series(subscription=subscription["id"]) == wanted
    assert await series(integration="gh") == wanted
    assert await series(type="ticketing.ticket.created") == wanted
    assert await series(type="scm.commit.pushed") == [(0, 0, 0)] * 4
    until = (began + timedelta(minutes=2)).isoformat()
    assert await series(until=until) == wanted[:2]
    an_hour = (await gateway.api.get("/v1/stats/series")).json["data"]
    assert len(an_hour) == 61
    assert [one["total"] for one in an_hour[-4:]] == [2, 0, 3, 0]
    day = (clock.now() - timedelta(hours=24)).isoformat()
    whole = (await gateway.api.get("/v1/stats/series", since=day)).json["data"]
    assert len(whole) == 24 * 60 + 1
    assert sum(one["total"] for one in whole) == 5


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("/v1/stats", {}, ["/by"]),
        ("/v1/stats", {"by": "colour"}, ["/by"]),
        ("/v1/stats", {"by": "type", "since": "2020-01-01T00:00:00Z"}, ["/since"]),
        ("/v1/stats/series", {"since": "2020-01-01T00:00:00Z"}, ["/since"]),
        ("/v1/stats/series", {"since": "2099-01-01T00:00:00Z"}, ["/since"]),
        ("/v1/stats/series", {"type": "scm.*"}, ["/type"]),
        ("/v1/stats/series", {"step": "1h"}, ["/step"]),
        (
            "/v1/stats/series",
            {"type": "scm.commit.pushed", "integration": "int_onehook"},
            ["/integration", "/type"],
        ),
    ],
)
async def test_wrong_queries_are_422(
    gateway: Running, path: str, query: dict[str, str], wanted: list[str]
) -> None:
    """A query that is wrong is refused by name."""
    answer = await gateway.api.get(path, **query)

    assert (answer.status, pointers(answer)) == (422, wanted), answer.body


async def test_counts_go_with_their_subscription(gateway: Running, subscriber: Subscriber) -> None:
    """Of a deleted subscription no counter is left; minutes end with their day."""
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    await gateway.settled(event_id, subscription["id"], status="delivered")

    await gateway.api.delete(f"/v1/subscriptions/{subscription['id']}")

    async def gone() -> bool:
        return await shares(gateway, by="subscription") == {}

    await eventually(gone)
    (minute,) = [key for key in await gateway.own_keys() if ":m:" in key]
    assert 24 * 3600 < await gateway.store.ttl(minute) <= 25 * 3600
