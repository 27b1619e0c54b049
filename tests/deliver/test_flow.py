"""How deliveries flow, as subscribers see it: rows G1 and G4 to G7 of the threats."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from onehook.core.flow import FIRST_PROBE, LONGEST_PROBE
from onehook.deliver import pacing
from tests.builders import (
    Native,
    Reply,
    Running,
    Sender,
    Subscriber,
    eventually,
    github,
    issue,
    until,
)
from tests.conftest import StartGateway, StartSubscriber

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


async def send(gateway: Running, sender: Sender, count: int, first: int = 0) -> list[str]:
    """Send so many issues, one after the other; the ids of their events."""
    return [(await gateway.accept(sender, issue(n)))[0] for n in range(first, first + count)]


async def shown(gateway: Running, subscription: dict[str, Any]) -> dict[str, Any]:
    """The subscription as the API shows it now."""
    answer = await gateway.api.get(f"/v1/subscriptions/{subscription['id']}")
    found: dict[str, Any] = answer.json
    return found


async def until_shown(gateway: Running, subscription: dict[str, Any], **want: object) -> None:
    """Wait until the API shows the subscription as *want* says."""

    async def fits() -> bool:
        found = await shown(gateway, subscription)
        return all(found[name] == value for name, value in want.items())

    await eventually(fits)


async def act(gateway: Running, subscription: dict[str, Any], action: str) -> dict[str, Any]:
    """Pause or resume a subscription."""
    answer = await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/{action}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def events_of(gateway: Running, type_: str) -> list[dict[str, Any]]:
    """The events of that type."""
    found: list[dict[str, Any]] = (await gateway.api.get("/v1/events", type=type_)).json["data"]
    return found


# -- the breaker ----------------------------------------------------------------------------------


async def test_g5_ten_failures_open_the_circuit_and_the_rest_waits(
    gateway: Running, subscriber: Subscriber
) -> None:
    """After ten failed attempts nothing more is sent; what waits has lost no attempt."""
    sender = await gateway.integrate()
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber)

    ids = await send(gateway, sender, 9)
    for id_ in ids:
        await gateway.settled(id_, subscription["id"])
    assert (await shown(gateway, subscription))["breaker"] == "closed"
    ids += await send(gateway, sender, 1, 9)
    await until_shown(gateway, subscription, breaker="open")
    late = await send(gateway, sender, 10, 20)

    assert len(subscriber.received) == 10
    for id_ in late:
        found = await gateway.delivery(id_, subscription["id"])
        assert (found["status"], found["attempt_count"]) == ("pending", 0)
    held_until = datetime.fromisoformat((await shown(gateway, subscription))["held_until"])
    assert held_until - gateway.runtime.clock.now() <= FIRST_PROBE


async def test_g5_one_probe_then_everything(gateway: Running, subscriber: Subscriber) -> None:
    """One attempt at a time tries whether it is well again; its success lets go the rest."""
    sender = await gateway.integrate()
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1m", "1m", "1m"])
    ids = await send(gateway, sender, 10)
    await until_shown(gateway, subscription, breaker="open")
    ids += await send(gateway, sender, 20, 10)
    release = asyncio.Event()
    subscriber.script.append(Reply(500, hold=release))

    await gateway.age(subscription["id"], 2 * MINUTE)
    await subscriber.wait(11)
    await gateway.age(subscription["id"], timedelta(0))
    await until_shown(gateway, subscription, breaker="probing")
    assert len(subscriber.received) == 11
    release.set()
    await until_shown(gateway, subscription, breaker="open")
    subscriber.usual = Reply()
    await gateway.age(subscription["id"], LONGEST_PROBE)

    await gateway.quiet(subscription["id"])
    assert {*subscriber.ids} == {*ids}
    assert (await shown(gateway, subscription))["breaker"] == "closed"
    assert Counter(subscriber.ids[11:]) == dict.fromkeys(ids, 1)


async def test_g5_another_gateway_lets_nothing_past_an_open_circuit(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """What one gateway has learnt holds for deliveries that another one commits."""
    one, two = await start_gateway(), await start_gateway()
    sender = await one.integrate()
    subscriber.usual = Reply(500)
    subscription = await one.subscribe(subscriber)
    await two.runtime.gateway.registry.whole.refresh()
    await send(one, sender, 10)
    await until_shown(two, subscription, breaker="open")

    ids = await send(two, sender, 10, 50)

    assert len(subscriber.received) == 10
    assert {(await one.delivery(id_, subscription["id"]))["attempt_count"] for id_ in ids} == {0}


async def test_g5_what_waits_in_memory_loses_no_attempt(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What was begun before the tenth failure fails; those behind it go back to the queue."""
    release = asyncio.Event()
    subscriber.usual = Reply(500, hold=release)
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    answers = await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(40)))
    await subscriber.wait(16)

    release.set()

    await until_shown(gateway, subscription, breaker="open")
    await until(lambda: not gateway.runtime.worker._running)
    begun = len(subscriber.received)
    assert 16 <= begun <= 16 + 9
    counts = [
        (await gateway.delivery(ids[0], subscription["id"]))["attempt_count"] for ids in answers
    ]
    assert Counter(counts) == {1: begun, 0: 40 - begun}


async def test_a_new_url_is_tried_at_once(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """What failed was the old one: nobody waits for its next probe."""
    old, new = await start_subscriber(), await start_subscriber()
    old.usual = Reply(500)
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(old)
    await send(gateway, sender, 10)
    await until_shown(gateway, subscription, breaker="open")
    late = await send(gateway, sender, 5, 20)

    await gateway.api.patch(f"/v1/subscriptions/{subscription['id']}", {"url": new.url})

    await new.wait(5)
    assert sorted(new.ids) == sorted(late)


# -- pausing itself -------------------------------------------------------------------------------


async def test_g5_ten_used_up_deliveries_pause_and_tell_once(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """A subscription that fails for good pauses itself, says so once, and keeps queueing."""
    ill, witness = await start_subscriber(), await start_subscriber()
    ill.usual = Reply(500)
    sender = await gateway.integrate()
    await gateway.subscribe(witness, events=["integration.subscription.*"])
    subscription = await gateway.subscribe(ill, retry=[], name="ill")

    await send(gateway, sender, 9)
    await until(lambda: len(ill.received) == 9)
    assert (await shown(gateway, subscription))["status"] == "active"
    await send(gateway, sender, 1, 9)
    await until_shown(gateway, subscription, status="paused", paused_reason="failing")

    (told,) = await witness.wait()
    assert told.json["type"] == "integration.subscription.paused"
    assert (told.json["data"]["id"], told.json["data"]["name"]) == (subscription["id"], "ill")
    late = await send(gateway, sender, 5, 20)
    ill.usual = Reply()
    assert len(ill.received) == 10
    resumed = await act(gateway, subscription, "resume")
    assert (resumed["status"], resumed["paused_reason"]) == ("active", None)
    await gateway.quiet(subscription["id"])
    assert sorted(ill.ids[10:]) == sorted(late)
    await witness.wait(2)
    assert [one.json["type"].rpartition(".")[2] for one in witness.received] == [
        *("paused", "resumed"),
    ]


async def test_g5_attempts_may_be_counted_instead(gateway: Running, subscriber: Subscriber) -> None:
    """``{attempts: 3}``: three in a row; a success between starts anew."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber, pause_after={"attempts": 3})
    for status in (500, 500, 200, 500, 500, 500):
        subscriber.usual = Reply(status)
        assert (await shown(gateway, subscription))["status"] == "active"
        before = len(subscriber.received)
        (id_,) = await send(gateway, sender, 1, before)
        await gateway.settled(id_, subscription["id"])

    await until_shown(gateway, subscription, status="paused", paused_reason="failing")


async def test_g5_null_never_pauses(gateway: Running, subscriber: Subscriber) -> None:
    """It fails for ever, at the pace of its probes."""
    sender = await gateway.integrate()
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, pause_after=None, retry=[])
    await send(gateway, sender, 20)
    for count in range(10, 20):
        await until(lambda count=count: len(subscriber.received) >= count)  # type: ignore[misc]
        await until_shown(gateway, subscription, breaker="open")  # so that one is recorded
        await gateway.age(subscription["id"], LONGEST_PROBE)
    await gateway.quiet(subscription["id"])

    assert (await shown(gateway, subscription))["status"] == "active"
    assert len(subscriber.received) == 20


async def test_g2_who_waits_for_a_turn_when_the_breaker_opens_loses_no_attempt(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New subscribers begin one after the other: the eleventh sees that ten have failed."""
    monkeypatch.setattr(pacing, "STEP", 0.05)  # so that each is recorded before the next begins
    sender = await gateway.integrate()
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber)
    await send(gateway, sender, 60)
    await until_shown(gateway, subscription, breaker="open")
    await asyncio.sleep(2 * pacing.STEP)

    assert 10 <= len(subscriber.received) <= 12  # one or two may have begun before it opened


async def test_g5_two_gateways_tell_of_one_pause(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Both see the tenth failure; one pauses, the other finds it done."""
    one, two = await start_gateway(), await start_gateway()
    for _ in range(5):
        subscription = await one.subscribe(subscriber)
        await two.runtime.gateway.registry.whole.refresh()
        await asyncio.gather(
            *(g.runtime._pause(subscription["id"], "failing") for g in (one, two, one, two))
        )
    for gateway in (one, two):
        await gateway.runtime.announcer.tell()

    found = await events_of(one, "integration.subscription.paused")
    assert len({event["data"]["id"] for event in found}) == len(found) == 5


async def test_g5_a_pause_does_not_undo_a_change(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """A pause that finds the configuration changed reads it anew, and changes one field."""
    one, two = await start_gateway(), await start_gateway()
    subscription = await one.subscribe(subscriber)
    await two.runtime.gateway.registry.whole.refresh()
    path = f"/v1/subscriptions/{subscription['id']}"

    await asyncio.gather(
        one.api.patch(path, {"name": "renamed"}), two.runtime._pause(subscription["id"], "failing")
    )

    await one.runtime.gateway.registry.whole.refresh()
    found = await shown(one, subscription)
    assert found["name"] == "renamed"


# -- slowed down ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 504])
async def test_g4_a_subscriber_that_is_too_fast_for_is_left_alone(
    gateway: Running, subscriber: Subscriber, status: int
) -> None:
    """Until its Retry-After has passed nothing is sent; what waits loses no attempt."""
    sender = await gateway.integrate()
    subscriber.script.append(Reply(status, {"Retry-After": "600"}))
    subscription = await gateway.subscribe(subscriber)
    (first,) = await send(gateway, sender, 1)
    await gateway.settled(first, subscription["id"])

    late = await send(gateway, sender, 5, 10)

    found = await shown(gateway, subscription)
    held = datetime.fromisoformat(found["held_until"]) - gateway.runtime.clock.now()
    assert found["breaker"] == "closed"
    assert 590 < held.total_seconds() <= 600
    assert subscriber.ids == [first]
    await gateway.age(subscription["id"], timedelta(seconds=601))
    for one in late:
        await gateway.settled(one, subscription["id"])
    await gateway.age(subscription["id"], MINUTE)
    await gateway.quiet(subscription["id"])
    assert Counter(subscriber.ids) == {first: 2, **dict.fromkeys(late, 1)}


async def test_g4_without_retry_after_it_is_a_second(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Who is only told to slow down slows down by itself."""
    sender = await gateway.integrate()
    subscriber.script.append(Reply(429))
    subscription = await gateway.subscribe(subscriber)
    (first,) = await send(gateway, sender, 1)
    await gateway.settled(first, subscription["id"])
    at = time.monotonic()

    await send(gateway, sender, 1, 5)

    await subscriber.wait(2)
    assert time.monotonic() - at > 0.8


async def test_g6_after_a_resume_it_starts_with_one(
    gateway: Running, subscriber: Subscriber
) -> None:
    """One request, then more as they succeed: a subscriber that comes back is not run over."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    await act(gateway, subscription, "pause")
    ids = await send(gateway, sender, 60)
    most, running, seen = 0, 0, []

    async def slowly(request: web.Request) -> web.Response:
        nonlocal most, running
        running += 1
        most = max(most, running)
        seen.append(running)
        await asyncio.sleep(0.02)
        running -= 1
        return web.Response()

    subscriber.behave = slowly
    await act(gateway, subscription, "resume")

    await gateway.quiet(subscription["id"])
    assert Counter(subscriber.ids) == dict.fromkeys(ids, 1)
    assert seen[:2] == [1, 1]
    assert seen[2] <= 2
    assert 4 < most <= 16


# -- the rate -------------------------------------------------------------------------------------


def most_in(times: list[float], window: float) -> int:
    """How many of *times* lie in any *window* seconds at most."""
    most = begin = 0
    for end, at in enumerate(times):
        while at - times[begin] > window:
            begin += 1
        most = max(most, end - begin + 1)
    return most


class Timed:
    """Keeps when a subscriber was called."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.times: list[float] = []
        subscriber.behave = self.take

    async def take(self, request: web.Request) -> web.Response:
        """One call."""
        self.times.append(time.monotonic())
        return web.Response()


async def test_g7_never_above_rate_and_burst_across_gateways(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Three gateways together keep to the rate, and do not fall short of it."""
    gateways = [await start_gateway() for _ in range(3)]
    sender = await gateways[0].integrate()
    timed = Timed(subscriber)
    rate, burst = 40, 5
    subscription = await gateways[0].subscribe(
        subscriber, rate_limit={"per_minute": rate * 60, "burst": burst}
    )
    for gateway in gateways:
        await gateway.runtime.gateway.registry.whole.refresh()

    ids = await asyncio.gather(
        *(gateways[n % 3].accept(sender, issue(n)) for n in range(3 * rate + burst))
    )

    await gateways[0].quiet(subscription["id"])
    assert Counter(subscriber.ids) == dict.fromkeys([id_ for (id_,) in ids], 1)
    for window in (0.25, 0.5, 1.0, 2.0):
        # What was leased in one moment may arrive in another: some jitter of the machine's.
        assert most_in(timed.times, window) <= burst + rate * (window + 0.3)
    assert timed.times[-1] - timed.times[0] > 2.9


@pytest.mark.slow
async def test_g7_a_small_burst_keeps_its_rate(gateway: Running, subscriber: Subscriber) -> None:
    """With a burst of one, nothing is lost to the moments between two looks at the queue."""
    sender = await gateway.integrate()
    timed = Timed(subscriber)
    subscription = await gateway.subscribe(subscriber, rate_limit={"per_minute": 2400, "burst": 1})
    await act(gateway, subscription, "pause")
    await send(gateway, sender, 60)

    await act(gateway, subscription, "resume")

    await gateway.quiet(subscription["id"])
    took = timed.times[-1] - timed.times[0]
    assert 59 / 40 - 0.1 < took < 2.8  # at the pace of the looks alone it would be 3 s at least


# -- order ----------------------------------------------------------------------------------------


def edited(number: int, revision: int) -> Native:
    """A webhook about issue *number*, whose title is new each time."""
    body = json.loads(issue(number).body)
    body["issue"]["title"] = f"revision {revision}"
    return github("issues", body)


def in_order(subscriber: Subscriber, sent: dict[str, list[str]]) -> None:
    """The first arrivals about each thing are in the order in which they were committed."""
    place = {id_: (thing, at) for thing, ids in sent.items() for at, id_ in enumerate(ids)}
    seen: dict[str, list[int]] = defaultdict(list)
    for id_ in dict.fromkeys(subscriber.ids):
        thing, at = place[id_]
        seen[thing].append(at)
    for thing, ids in sent.items():
        assert seen[thing] == list(range(len(ids))), thing


async def test_events_about_one_thing_arrive_in_order(
    gateway: Running, subscriber: Subscriber
) -> None:
    """However attempts fail and whatever else goes on, none overtakes another."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(
        subscriber, ordering="key", retry=["20ms"] * 15, pause_after=None
    )
    chance = random.Random(7)

    async def moody(request: web.Request) -> web.Response:
        await asyncio.sleep(chance.random() * 0.02)
        return web.Response(status=500 if chance.random() < 0.2 else 200)

    subscriber.behave = moody
    sent: dict[str, list[str]] = defaultdict(list)

    async def edit(number: int) -> None:
        for revision in range(12):
            (id_,) = await gateway.accept(sender, edited(number, revision))
            sent[str(number)].append(id_)

    await asyncio.gather(*(edit(number) for number in range(8)))

    await gateway.quiet(subscription["id"])
    in_order(subscriber, sent)
    assert {*subscriber.ids} == {id_ for ids in sent.values() for id_ in ids}


async def test_a_failing_first_holds_its_thing_alone(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Others flow past it; once it is dead the next about its thing goes."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber, ordering="key", retry=["1h"])
    subscriber.script.append(Reply(500))
    first, second = [(await gateway.accept(sender, edited(1, n)))[0] for n in range(2)]
    await gateway.settled(first, subscription["id"])

    others = await send(gateway, sender, 5, 10)

    await subscriber.wait(6)
    # Things differ among the others, so nothing is promised about their order.
    assert subscriber.ids[0] == first
    assert {*subscriber.ids[1:]} == {*others}
    waiting = await gateway.delivery(second, subscription["id"])
    assert (waiting["status"], waiting["next_attempt_at"]) == ("pending", None)
    subscriber.script.append(Reply(500))
    await gateway.age(subscription["id"], 2 * HOUR)
    await gateway.settled(second, subscription["id"], status="delivered")
    assert (await gateway.delivery(first, subscription["id"]))["status"] == "dead"


async def test_e1_order_survives_a_worker_that_dies(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """What a dead worker had in flight is sent again before what comes after it."""
    gateway = await start_gateway()
    sender = await gateway.integrate()
    hold = asyncio.Event()
    subscriber.usual = Reply(hold=hold)
    subscription = await gateway.subscribe(subscriber, ordering="key")
    sent = {
        str(number): [(await gateway.accept(sender, edited(number, n)))[0] for n in range(3)]
        for number in range(4)
    }
    await subscriber.wait(4)

    for task in list(gateway.runtime.worker._running):  # it dies: nothing is recorded
        task.cancel()
    await until(lambda: not gateway.runtime.worker._running)
    subscriber.usual = Reply()
    hold.set()
    assert len(subscriber.received) == 4
    await gateway.age(subscription["id"], MINUTE)

    await gateway.quiet(subscription["id"])
    in_order(subscriber, sent)
    repeated = [id_ for id_, count in Counter(subscriber.ids).items() if count > 1]
    assert sorted(repeated) == sorted(ids[0] for ids in sent.values())


# -- backlog, concurrency -------------------------------------------------------------------------


async def test_g5_beyond_max_backlog_the_newest_are_dead_letters(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """They are kept as ``overflow``, and told of; what fitted arrives."""
    subscriber, witness = await start_subscriber(), await start_subscriber()
    sender = await gateway.integrate()
    await gateway.subscribe(witness, events=["integration.delivery.failed"])
    subscription = await gateway.subscribe(subscriber, max_backlog=5)
    await act(gateway, subscription, "pause")
    ids = await send(gateway, sender, 8)
    await act(gateway, subscription, "resume")

    await gateway.quiet(subscription["id"])

    assert sorted(subscriber.ids) == sorted(ids[:5])
    listed = await gateway.api.get("/v1/deliveries", subscription=subscription["id"], status="dead")
    assert {one["event_id"] for one in listed.json["data"]} == {*ids[5:]}
    assert {one["last_error"] for one in listed.json["data"]} == {"overflow"}
    (told, *_) = await witness.wait()
    assert told.json["data"]["reason"] == "overflow"
    assert told.json["data"]["id"] == subscription["id"]


async def test_concurrency_holds_across_gateways(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Where it is set, all gateways together have no more attempts in flight."""
    one, two = await start_gateway(), await start_gateway()
    sender = await one.integrate()
    subscription = await one.subscribe(subscriber, concurrency=3)
    await two.runtime.gateway.registry.whole.refresh()
    most, running = 0, 0

    async def slowly(request: web.Request) -> web.Response:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03)
        running -= 1
        return web.Response()

    subscriber.behave = slowly
    ids = await asyncio.gather(*((one, two)[n % 2].accept(sender, issue(n)) for n in range(40)))

    await one.quiet(subscription["id"])
    assert Counter(subscriber.ids) == dict.fromkeys([id_ for (id_,) in ids], 1)
    assert most == 3


async def test_a_wider_subscription_has_more_at_once(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Sixteen is only what holds where nothing is said."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber, concurrency=24)
    await send(gateway, sender, 1)
    await gateway.quiet(subscription["id"])
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)

    await asyncio.gather(*(gateway.accept(sender, issue(number)) for number in range(1, 41)))

    await subscriber.wait(25)
    await gateway.age(subscription["id"], timedelta(0))
    await asyncio.sleep(0.2)  # more would come if more were let
    assert len(subscriber.received) == 25
    release.set()
    await subscriber.wait(41)


# -- isolation ------------------------------------------------------------------------------------


async def test_g1_subscribers_that_hang_leave_slots_for_others(
    start_gateway: StartGateway, start_subscriber: StartSubscriber
) -> None:
    """More of them than slots: a healthy one beside them still gets everything at once."""
    gateway = await start_gateway(concurrency=20)
    sender = await gateway.integrate()
    release = asyncio.Event()
    for _ in range(5):
        hanging = await start_subscriber()
        hanging.usual = Reply(hold=release)
        await gateway.subscribe(hanging, timeout="30s")
    healthy = await start_subscriber()
    subscription = await gateway.subscribe(healthy)

    ids = await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(100)))

    await gateway.quiet(subscription["id"])
    assert Counter(healthy.ids) == dict.fromkeys([id_ for (id_,) in ids], 1)
    release.set()


async def test_g1_first_attempts_pass_retries_that_hang(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Retries never take all of a subscription's slots."""
    sender = await gateway.integrate()
    release = asyncio.Event()

    async def worse_each_time(request: web.Request) -> web.Response:
        if request.headers["x-onehook-attempt"] != "1":
            await release.wait()
            return web.Response()
        return web.Response(status=500 if len(subscriber.received) % 5 else 200)

    subscriber.behave = worse_each_time
    subscription = await gateway.subscribe(subscriber, timeout="30s")
    await send(gateway, sender, 40)
    await until(lambda: len(subscriber.received) == 40)
    await until(lambda: not gateway.runtime.worker._running)
    await gateway.age(subscription["id"], HOUR)
    await subscriber.wait(52)  # 12 retries are in flight, and hang

    late = await send(gateway, sender, 10, 100)

    await until(lambda: {*late} <= {*subscriber.ids})
    assert len(subscriber.received) == 62
    release.set()


async def test_g1_a_deleted_subscriptions_backlog_holds_up_nobody(
    gateway: Running, start_subscriber: StartSubscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deliveries are cancelled beside those of others, however long that takes."""
    gone, healthy = await start_subscriber(), await start_subscriber()
    sender = await gateway.integrate()
    doomed = await gateway.subscribe(gone)
    await act(gateway, doomed, "pause")
    await send(gateway, sender, 5)
    deliveries = gateway.runtime.gateway.deliveries
    queued, release = deliveries.queued, asyncio.Event()

    async def slowly(*args: Any) -> Any:
        await release.wait()
        return await queued(*args)

    monkeypatch.setattr(deliveries, "queued", slowly)
    await gateway.api.delete(f"/v1/subscriptions/{doomed['id']}")
    subscription = await gateway.subscribe(healthy, ordering="key")
    ids = await send(gateway, sender, 5, 20)

    await gateway.quiet(subscription["id"])
    assert sorted(healthy.ids) == sorted(ids)
    release.set()
    await gateway.quiet(doomed["id"])


# -- all at once ----------------------------------------------------------------------------------


async def _pause_publish_resume(gateway: Running, subscriber: Subscriber, count: int) -> None:
    sender = await gateway.integrate()
    timed = Timed(subscriber)
    rate, burst = 500, 20
    subscription = await gateway.subscribe(
        subscriber,
        ordering="key",
        rate_limit={"per_minute": rate * 60, "burst": burst},
    )
    await act(gateway, subscription, "pause")
    sent: dict[str, list[str]] = defaultdict(list)

    async def edit(number: int) -> None:
        for revision in range(count // 20):
            (id_,) = await gateway.accept(sender, edited(number, revision))
            sent[str(number)].append(id_)

    await asyncio.gather(*(edit(number) for number in range(20)))
    assert subscriber.received == []

    await act(gateway, subscription, "resume")

    await until(lambda: len(subscriber.received) >= count, within=count / 50 + 15)
    await gateway.quiet(subscription["id"])
    assert Counter(subscriber.ids) == {id_: 1 for ids in sent.values() for id_ in ids}
    in_order(subscriber, sent)
    for window in (0.5, 1.0):
        assert most_in(timed.times, window) <= burst + rate * (window + 0.3)


async def test_g6_pause_publish_resume(gateway: Running, subscriber: Subscriber) -> None:
    """All 1,000 arrive once, in order about each thing, within the rate."""
    await _pause_publish_resume(gateway, subscriber, 1_000)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_g6_pause_publish_ten_thousand_resume(
    gateway: Running, subscriber: Subscriber
) -> None:
    """All 10,000 arrive once, in order about each thing, within the rate."""
    await _pause_publish_resume(gateway, subscriber, 10_000)


@pytest.mark.slow
async def test_g3_one_real_minute(gateway: Running, subscriber: Subscriber) -> None:
    """The first retry of the default schedule comes a minute later, not early, not 10 % late."""
    subscriber.script.append(Reply(500))
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    (id_,) = await send(gateway, sender, 1)
    await gateway.settled(id_, subscription["id"])
    failed = time.monotonic()

    await until(lambda: len(subscriber.received) == 2, within=70)

    assert 59.5 <= time.monotonic() - failed <= 66.5
