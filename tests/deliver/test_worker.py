"""Deliveries end to end: rows E, F and G of the threats, as a subscriber sees them."""

import asyncio
import socket
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from redis.exceptions import ConnectionError as AwayError
from standardwebhooks import Webhook

from onehook.store.deliveries import DeliveryStore, Record, Recorded
from tests.builders import FixedClock, Names, Reply, Running, Subscriber, eventually, issue, until
from tests.conftest import StartGateway, StartSubscriber

HOUR = timedelta(hours=1)


async def one_event(gateway: Running, number: int = 1) -> str:
    """Send one issue; its event's id."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue(number))
    return event_id


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text)


# -- the usual way --------------------------------------------------------------------------------


async def test_f9_delivery_verifies_with_the_standard_library(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What arrives is the event as the API shows it, and standardwebhooks accepts its signature."""
    await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    (got,) = await subscriber.wait()
    Webhook(subscriber.secret).verify(got.body, dict(got.headers))
    assert got.body == (await gateway.api.get(f"/v1/events/{event_id}")).body


async def test_f9_secret_of_ones_own_signs(gateway: Running, subscriber: Subscriber) -> None:
    """A secret that the subscriber brings is the one that signs."""
    own = "whsec_" + "c2VjcmV0LW9mLXRoZS1zdWJzY3JpYmVy"
    await gateway.subscribe(subscriber, secret=own)

    await one_event(gateway)

    (got,) = await subscriber.wait()
    Webhook(own).verify(got.body, dict(got.headers))


async def test_headers_are_those_of_the_standard_profile(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Each header of the profile is there exactly once, and nothing else but HTTP's own."""
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    (got,) = await subscriber.wait()
    names = [name.decode().lower() for name, _ in got.raw_headers]
    assert sorted(names) == [
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-onehook-attempt",
        "x-onehook-delivery",
        "x-onehook-event",
    ]
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == event_id
    assert got.headers["x-onehook-event"] == "ticketing.ticket.created"
    assert got.headers["x-onehook-attempt"] == "1"
    assert got.headers["x-onehook-delivery"] == f"dlv_{event_id[4:]}{subscription['id'][4:]}"
    assert got.headers["user-agent"].startswith("onehook/")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(gateway: Running, subscriber: Subscriber, status: int) -> None:
    """Every 2xx ends the delivery."""
    subscriber.usual = Reply(status)
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"], status="delivered")
    assert (found["last_status"], found["last_error"], found["attempt_count"]) == (status, None, 1)
    assert found["finished_at"] is not None
    assert found["next_attempt_at"] is None


# -- what can go wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 409, 418, 429, 500, 503])
async def test_any_other_status_is_a_failed_attempt(
    gateway: Running, subscriber: Subscriber, status: int
) -> None:
    """Whatever is no 2xx leaves the delivery pending, with the status in its history."""
    subscriber.usual = Reply(status, body=b"no, thanks")
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    assert (found["status"], found["last_status"]) == ("pending", status)
    assert found["last_error"] == ("redirect" if status < 400 else "status")
    (attempt,) = found["attempts"]
    assert (attempt["number"], attempt["status"]) == (1, status)
    assert attempt["response"]["body"] == "no, thanks"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_f3_redirects_are_not_followed(
    gateway: Running, start_subscriber: StartSubscriber, status: int
) -> None:
    """A redirect is a failed attempt; its target sees nothing."""
    target, door = await start_subscriber(), await start_subscriber()
    door.usual = Reply(status, {"Location": target.url})
    subscription = await gateway.subscribe(door)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    assert (found["last_error"], found["status"]) == ("redirect", "pending")
    assert target.received == []


async def test_connection_refused_is_retried(gateway: Running, subscriber: Subscriber) -> None:
    """Nobody listening is a failed attempt of class ``connection``."""
    subscription = await gateway.subscribe(subscriber)
    await subscriber.stop()

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    assert (found["last_error"], found["last_status"]) == ("connection", None)
    assert found["status"] == "pending"


async def test_no_answer_in_time_is_a_timeout(gateway: Running, subscriber: Subscriber) -> None:
    """A subscriber that does not answer within its timeout has failed the attempt."""
    subscriber.usual = Reply(hold=asyncio.Event())
    subscription = await gateway.subscribe(subscriber, timeout="1s")

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    assert found["last_error"] == "timeout"
    assert 900 <= found["attempts"][0]["duration_ms"] < 3000
    assert "1 s" in found["attempts"][0]["detail"]


async def test_f1_blocked_address_is_dead_at_once(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Without an allow list a name that leads to loopback is never called, nor retried."""
    gateway = await start_gateway(delivery_allow="")
    gateway.runtime.http._session.connector._resolver = Names(["127.0.0.1"])  # type: ignore[union-attr]
    port = subscriber.url.split(":")[2].split("/")[0]
    made = await gateway.api.post(
        "/v1/subscriptions", {"url": f"https://hooks.example.com:{port}/"}
    )
    assert made.status == 201

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, made.json["id"], status="dead")
    assert (found["last_error"], found["attempt_count"]) == ("blocked_address", 1)
    assert subscriber.received == []


# -- retries --------------------------------------------------------------------------------------


async def test_g3_retries_by_schedule_then_dead_letter(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Each failure sets the next attempt by the schedule, never early, at most 10 % late."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1m", "5m", "30m"])
    event_id = await one_event(gateway)

    for number, minutes in enumerate((1, 5, 30), start=1):
        found = await gateway.settled(event_id, subscription["id"], attempt_count=number)
        assert found["status"] == "pending"
        last = found["attempts"][-1]
        failed = moment(last["at"]) + timedelta(milliseconds=last["duration_ms"])
        delay = (moment(found["next_attempt_at"]) - failed) / timedelta(minutes=minutes)
        assert 0.999 <= delay <= 1.11
        await gateway.age(subscription["id"], timedelta(minutes=minutes * 1.1))

    found = await gateway.settled(event_id, subscription["id"], status="dead")
    assert found["attempt_count"] == 4
    assert [attempt["number"] for attempt in found["attempts"]] == [1, 2, 3, 4]
    assert [got.headers["x-onehook-attempt"] for got in subscriber.received] == list("1234")
    assert set(subscriber.ids) == {event_id}


async def test_g3_never_early(gateway: Running, subscriber: Subscriber) -> None:
    """A minute's delay that is aged by less than a minute brings no attempt."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1m"])
    event_id = await one_event(gateway)
    await gateway.settled(event_id, subscription["id"])

    await gateway.age(subscription["id"], timedelta(seconds=55))
    leased = await gateway.runtime.gateway.deliveries.lease(subscription["id"], 10, HOUR)

    assert leased == []
    assert len(subscriber.received) == 1


async def test_g3_default_schedule_is_six_attempts(
    gateway: Running, subscriber: Subscriber
) -> None:
    """By default an event is attempted after 1 m, 5 m, 30 m, 2 h and 12 h, then it is dead."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber)
    assert subscription["retry"] == ["1m", "5m", "30m", "2h", "12h"]
    event_id = await one_event(gateway)

    for number in range(1, 6):
        await gateway.settled(event_id, subscription["id"], attempt_count=number)
        await gateway.age(subscription["id"], timedelta(hours=14))

    found = await gateway.settled(event_id, subscription["id"], status="dead")
    assert found["attempt_count"] == 6


async def test_no_retry_is_one_attempt(gateway: Running, subscriber: Subscriber) -> None:
    """With an empty schedule the first failure makes a dead letter."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=[])

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"], status="dead")
    assert found["attempt_count"] == 1


async def test_short_retry_really_comes(gateway: Running, subscriber: Subscriber) -> None:
    """A retry of one second comes by itself, signed anew under the same id."""
    subscriber.script.append(Reply(500))
    subscription = await gateway.subscribe(subscriber, retry=["1s"])

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"], status="delivered")
    first, second = subscriber.received
    assert first.id == second.id == event_id
    assert first.body == second.body
    assert found["attempt_count"] == 2
    Webhook(subscriber.secret).verify(second.body, dict(second.headers))
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_subscriber_down_for_a_while_gets_everything(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What came while a subscriber was down reaches it afterwards, each event exactly once."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber, retry=["1m", "1m"])
    await subscriber.stop()
    ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(30)]
    for event_id in ids[:10]:
        await gateway.settled(event_id, subscription["id"])
    await subscriber.start()

    await gateway.age(subscription["id"], timedelta(minutes=2))

    await subscriber.wait(30)
    await gateway.quiet(subscription["id"])
    assert sorted(subscriber.ids) == sorted(ids)


async def test_oldest_is_leased_first(gateway: Running, subscriber: Subscriber) -> None:
    """What waited longest goes out first."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(5)]

    leased = await gateway.runtime.gateway.deliveries.lease(subscription["id"], 3, HOUR)

    assert [one.event_id for one in leased] == ids[:3]


async def test_slow_subscriber_does_not_hold_up_another(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """While one subscriber hangs, another one gets everything."""
    slow, quick = await start_subscriber(), await start_subscriber()
    release = asyncio.Event()
    slow.usual = Reply(hold=release)
    await gateway.subscribe(slow)
    await gateway.subscribe(quick)
    sender = await gateway.integrate()

    ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(40)]

    await quick.wait(40)
    assert sorted(quick.ids) == sorted(ids)
    release.set()
    await slow.wait(40)


async def test_at_most_sixteen_attempts_at_once(gateway: Running, subscriber: Subscriber) -> None:
    """One subscriber is never called more than 16 times at once; the rest waits its turn."""
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()

    await asyncio.gather(*(gateway.accept(sender, issue(number)) for number in range(40)))

    await subscriber.wait(16)
    queued = await gateway.runtime.gateway.deliveries.backlog(subscription["id"])
    assert (len(subscriber.received), queued) == (16, 40)
    release.set()
    await subscriber.wait(40)
    await gateway.quiet(subscription["id"])
    assert len(set(subscriber.ids)) == len(subscriber.ids) == 40


# -- 410, 429, 503 --------------------------------------------------------------------------------


async def test_g4_gone_pauses_and_stays_pending(gateway: Running, subscriber: Subscriber) -> None:
    """410 pauses the subscription; its delivery stays pending and goes out after a resume."""
    subscriber.script.append(Reply(410))
    subscription = await gateway.subscribe(subscriber)
    path = f"/v1/subscriptions/{subscription['id']}"

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    assert (found["status"], found["last_status"]) == ("pending", 410)
    paused = (await gateway.api.get(path)).json
    assert (paused["status"], paused["paused_reason"]) == ("paused", "gone")
    await gateway.api.post(f"{path}/resume")
    await gateway.settled(event_id, subscription["id"], status="delivered")
    assert subscriber.ids == [event_id, event_id]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7200", 7200),
        ("5", 60),  # never earlier than the schedule
        ("-1", 60),
        ("soon", 60),
        ("1e9", 60),
        ("999999999999999999", 86400),
        ("99999999", 86400),
    ],
)
async def test_g4_retry_after_is_obeyed(
    gateway: Running, subscriber: Subscriber, status: int, value: str, seconds: int
) -> None:
    """The next attempt waits for the longer of schedule and Retry-After, at most 24 h."""
    subscriber.usual = Reply(status, {"Retry-After": value})
    subscription = await gateway.subscribe(subscriber, retry=["1m"])

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    delay = moment(found["next_attempt_at"]) - moment(found["attempts"][0]["at"])
    assert 0.99 <= delay.total_seconds() / seconds <= 1.12


async def test_g4_retry_after_as_a_date(gateway: Running, subscriber: Subscriber) -> None:
    """Retry-After may be a date."""
    at = datetime.now(UTC) + 2 * HOUR
    subscriber.usual = Reply(503, {"Retry-After": format_datetime(at, usegmt=True)})
    subscription = await gateway.subscribe(subscriber, retry=["1m"])

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    late = moment(found["next_attempt_at"]) - at
    assert timedelta(seconds=-2) < late < 0.12 * 2 * HOUR


async def test_g4_retry_after_of_another_status_means_nothing(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Only 429 and 503 may ask for time."""
    subscriber.usual = Reply(500, {"Retry-After": "7200"})
    subscription = await gateway.subscribe(subscriber, retry=["1m"])

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    delay = moment(found["next_attempt_at"]) - moment(found["attempts"][0]["at"])
    assert delay < timedelta(seconds=70)


# -- pausing, editing, deleting -------------------------------------------------------------------


async def test_paused_subscription_queues_and_resumes(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Nothing is attempted while a subscription is paused; everything once it is resumed."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.post(f"{path}/pause")
    ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(20)]
    witness = await gateway.delivery(ids[0], subscription["id"])
    assert (witness["status"], witness["attempt_count"]) == ("pending", 0)
    assert subscriber.received == []

    await gateway.api.post(f"{path}/resume")

    await subscriber.wait(20)
    await gateway.quiet(subscription["id"])
    assert sorted(subscriber.ids) == sorted(ids)


async def test_inactive_subscription_queues_nothing(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What comes while a subscription is inactive never goes to it, also not later."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber, active=False)
    path = f"/v1/subscriptions/{subscription['id']}"
    (missed,) = await gateway.accept(sender, issue(1))

    await gateway.api.patch(path, {"active": True})
    (wanted,) = await gateway.accept(sender, issue(2))

    await gateway.settled(wanted, subscription["id"], status="delivered")
    assert subscriber.ids == [wanted]
    listed = await gateway.api.get("/v1/deliveries", event=missed)
    assert listed.json["data"] == []


async def test_g9_edit_applies_to_the_next_attempt(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """A retry goes to the URL, and is signed with the secret, that the subscription has by then."""
    old, new = await start_subscriber(), await start_subscriber()
    old.usual = Reply(500)
    subscription = await gateway.subscribe(old, retry=["1h"])
    event_id = await one_event(gateway)
    await gateway.settled(event_id, subscription["id"])
    secret = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXM="

    await gateway.api.patch(
        f"/v1/subscriptions/{subscription['id']}", {"url": new.url, "secret": secret}
    )
    await gateway.age(subscription["id"], 2 * HOUR)

    (got,) = await new.wait()
    Webhook(secret).verify(got.body, dict(got.headers))
    assert got.headers["x-onehook-attempt"] == "2"
    assert len(old.received) == 1


async def test_g9_edit_does_not_bring_a_retry_forward(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Changing a subscription leaves the schedule of what is queued as it was."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1h"])
    event_id = await one_event(gateway)
    before = await gateway.settled(event_id, subscription["id"])

    await gateway.api.patch(f"/v1/subscriptions/{subscription['id']}", {"name": "renamed"})

    after = await gateway.delivery(event_id, subscription["id"])
    assert after["next_attempt_at"] == before["next_attempt_at"]


@pytest.mark.parametrize("paused", [False, True], ids=["waiting for its retry", "paused"])
async def test_g9_deletion_cancels_what_is_pending(
    gateway: Running,
    subscriber: Subscriber,
    paused: bool,
) -> None:
    """A deleted subscription's pending deliveries are recorded as cancelled; none is attempted."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1h"])
    path = f"/v1/subscriptions/{subscription['id']}"
    if paused:
        await gateway.api.post(f"{path}/pause")
    event_id = await one_event(gateway)
    if not paused:
        await gateway.settled(event_id, subscription["id"])
    seen = len(subscriber.received)

    answer = await gateway.api.delete(path)

    assert answer.status == 204
    found: dict[str, Any] = {}

    async def cancelled() -> bool:
        found.update(await gateway.delivery(event_id, subscription["id"]))
        return bool(found["status"] == "cancelled")

    await eventually(cancelled, within=3)
    assert found["next_attempt_at"] is None
    assert len(subscriber.received) == seen


async def test_g9_deletion_during_an_attempt_is_cancelled_once(
    gateway: Running, subscriber: Subscriber
) -> None:
    """An attempt in flight while its subscription is deleted changes nothing afterwards."""
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber)
    event_id = await one_event(gateway)
    await subscriber.wait()
    await gateway.api.delete(f"/v1/subscriptions/{subscription['id']}")
    await gateway.age(subscription["id"], HOUR)

    await gateway.settled(event_id, subscription["id"], status="cancelled")
    release.set()
    await until(lambda: not gateway.runtime.worker._running)

    assert (await gateway.delivery(event_id, subscription["id"]))["status"] == "cancelled"
    left = {key for key in await gateway.own_keys() if subscription["id"] in key}
    assert not {key for key in left if ":q:" in key or ":c:" in key or ":dl:" in key}


# -- answers that harm ----------------------------------------------------------------------------


async def test_f7_big_answer_is_read_and_kept_in_part(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Of a huge answer at most 4 KiB are kept; its status still counts."""
    subscriber.usual = Reply(200, body=b"x" * 5_000_000)
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"], status="delivered")
    assert len(found["attempts"][0]["response"]["body"]) == 4096


async def test_f8_control_codes_and_markup_are_kept_as_data(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Control codes, markup and bytes that are no text come back as JSON strings."""
    subscriber.usual = Reply(500, {"X-Note": "<b>"}, b"\x1b[31m<script>\xff")
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"])
    response = found["attempts"][0]["response"]
    assert response["body"] == "\x1b[31m<script>\ufffd"
    assert response["headers"]["X-Note"] == "<b>"


# -- processes ------------------------------------------------------------------------------------


async def test_e3_stop_finishes_attempts_in_flight(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """A stop waits for the attempt in flight and records it; nobody repeats it."""
    gateway = await start_gateway()
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber)
    event_id = await one_event(gateway)
    await subscriber.wait()

    stopping = asyncio.create_task(gateway.close())
    await until(lambda: gateway.runtime.worker._group is None)
    release.set()
    await stopping

    second = await start_gateway()
    found = await second.delivery(event_id, subscription["id"])
    assert (found["status"], found["attempt_count"]) == ("delivered", 1)
    assert subscriber.ids == [event_id]


async def test_another_gateway_delivers_what_one_left(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """What was queued when a gateway stopped goes out when another one starts on that store."""
    gateway = await start_gateway()
    subscription = await gateway.subscribe(subscriber, retry=["1h"])
    subscriber.script.append(Reply(500))
    event_id = await one_event(gateway)
    await gateway.settled(event_id, subscription["id"])
    await gateway.close()

    second = await start_gateway()
    await second.age(subscription["id"], 2 * HOUR)

    await second.settled(event_id, subscription["id"], status="delivered")


async def test_two_gateways_deliver_each_event_once(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Two gateways on one store share the work: every event arrives exactly once."""
    one, two = await start_gateway(), await start_gateway()
    sender = await one.integrate()
    subscription = await one.subscribe(subscriber)
    await two.runtime.gateway.registry.whole.refresh()

    answers = await asyncio.gather(
        *((one, two)[number % 2].accept(sender, issue(number)) for number in range(60))
    )

    await subscriber.wait(60)
    await one.quiet(subscription["id"])
    assert sorted(subscriber.ids) == sorted(ids[0] for ids in answers)


async def test_e4_what_kills_its_worker_becomes_a_dead_letter(
    gateway: Running, subscriber: Subscriber
) -> None:
    """After five leases without a record a delivery is dead, ``poison``; others go on."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.post(f"{path}/pause")
    (poison,) = await gateway.accept(sender, issue(1))
    for _ in range(5):
        leased = await gateway.runtime.gateway.deliveries.lease(subscription["id"], 1, HOUR)
        assert [one.event_id for one in leased] == [poison]
        await gateway.age(subscription["id"], 2 * HOUR)
    (good,) = await gateway.accept(sender, issue(2))

    await gateway.api.post(f"{path}/resume")

    await gateway.settled(good, subscription["id"], status="delivered")
    found = await gateway.settled(poison, subscription["id"], status="dead")
    assert (found["last_error"], found["attempt_count"]) == ("poison", 0)
    assert subscriber.ids == [good]


async def test_store_fault_while_ending_costs_no_place(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails while deliveries are ended unattempted does not block the subscription."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.post(f"{path}/pause")
    for number in range(5):
        (event_id,) = await gateway.accept(sender, issue(number))
        await gateway.store.delete(gateway.keys.event(event_id))  # nothing to deliver any more
    deliveries = gateway.runtime.gateway.deliveries
    record, failed = deliveries.record, []

    async def fail_once(batch: Any) -> Any:
        if not failed:
            failed.append(batch)
            raise AwayError
        return await record(batch)

    monkeypatch.setattr(deliveries, "record", fail_once)

    await gateway.api.post(f"{path}/resume")

    await until(lambda: bool(failed))
    await gateway.age(subscription["id"], 2 * HOUR)
    await gateway.quiet(subscription["id"])
    assert gateway.runtime.worker._lanes.loaded == 0
    (event_id,) = await gateway.accept(sender, issue(9))
    await gateway.settled(event_id, subscription["id"], status="delivered")


# -- what waits in memory -------------------------------------------------------------------------


async def burst(
    gateway: Running, subscriber: Subscriber, release: asyncio.Event, **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    """A subscription with 16 attempts in flight, all held, and 24 deliveries waiting behind."""
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber, **fields)
    sender = await gateway.integrate()
    answers = await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(40)))
    await subscriber.wait(16)
    return subscription, [ids[0] for ids in answers]


async def test_pause_also_holds_what_waits_in_memory(
    gateway: Running, subscriber: Subscriber
) -> None:
    """After a pause only the attempts in flight end; what waited behind them is not begun."""
    release = asyncio.Event()
    subscription, ids = await burst(gateway, subscriber, release)

    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    release.set()

    await until(lambda: not gateway.runtime.worker._running)
    assert len(subscriber.received) == 16
    await gateway.age(subscription["id"], HOUR)
    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/resume")
    await subscriber.wait(40)
    assert sorted(subscriber.ids) == sorted(ids)


async def test_g9_deletion_also_ends_what_waits_in_memory(
    gateway: Running, subscriber: Subscriber
) -> None:
    """After a deletion only the attempts in flight end; what waited behind them is not begun."""
    release = asyncio.Event()
    subscription, _ = await burst(gateway, subscriber, release)

    await gateway.api.delete(f"/v1/subscriptions/{subscription['id']}")
    release.set()

    await until(lambda: not gateway.runtime.worker._running)
    assert len(subscriber.received) == 16


async def test_g9_edit_also_applies_to_what_waits_in_memory(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """What waits behind attempts in flight goes to the URL that the subscription has by then."""
    old, new = await start_subscriber(), await start_subscriber()
    release = asyncio.Event()
    subscription, ids = await burst(gateway, old, release)

    await gateway.api.patch(f"/v1/subscriptions/{subscription['id']}", {"url": new.url})
    release.set()

    await gateway.quiet(subscription["id"])
    assert (len(old.received), len(new.received)) == (16, 24)
    assert sorted(old.ids + new.ids) == sorted(ids)


async def test_g4_gone_also_holds_what_waits_in_memory(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Once a subscriber has said 410, no further attempt is begun."""
    release = asyncio.Event()
    subscriber.script.extend(Reply(410, hold=release) for _ in range(40))
    subscription, _ = await burst(gateway, subscriber, release)
    release.set()

    await until(lambda: not gateway.runtime.worker._running)

    shown = (await gateway.api.get(f"/v1/subscriptions/{subscription['id']}")).json
    assert shown["paused_reason"] == "gone"
    assert len(subscriber.received) <= 17  # one may have begun before the pause was saved


async def test_e3_stop_hands_back_what_waits_in_memory(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """A stop finishes the attempts in flight and hands the others back: due at once, elsewhere."""
    gateway = await start_gateway()
    release = asyncio.Event()
    subscription, ids = await burst(gateway, subscriber, release)
    stopping = asyncio.create_task(gateway.close())
    await until(lambda: gateway.runtime.worker._group is None)
    release.set()
    await stopping
    assert len(subscriber.received) == 16

    second = await start_gateway()

    await subscriber.wait(40)
    await second.quiet(subscription["id"])
    assert sorted(subscriber.ids) == sorted(ids)


async def test_e4_lease_of_the_commit_counts(gateway: Running, subscriber: Subscriber) -> None:
    """The lease that a commit takes is a claim, too: four more without a record, and it is dead."""
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber, timeout="30s")
    event_id = await one_event(gateway)
    await subscriber.wait()  # leased by the commit, never recorded
    deliveries = gateway.runtime.gateway.deliveries
    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    for _ in range(4):
        await gateway.age(subscription["id"], 2 * HOUR)
        assert await deliveries.lease(subscription["id"], 1, HOUR)
    await gateway.age(subscription["id"], 2 * HOUR)

    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/resume")

    try:
        found = await gateway.settled(event_id, subscription["id"], last_error="poison", within=2)
        assert found["status"] == "dead"
    finally:
        release.set()


async def test_fixed_clock_dates_the_attempt(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """An attempt is dated, and signed, by the gateway's clock."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    subscription = await gateway.subscribe(subscriber)

    event_id = await one_event(gateway)

    found = await gateway.settled(event_id, subscription["id"], status="delivered")
    assert moment(found["attempts"][0]["at"]) == clock.at
    stamp = subscriber.received[0].headers["webhook-timestamp"]
    assert int(stamp) == int(clock.at.timestamp())
    shown = found["attempts"][0]["request"]
    assert shown["url"] == subscriber.url
    assert (
        shown["headers"].items()
        <= {name.lower(): value for name, value in subscriber.received[0].headers.items()}.items()
    )
    assert shown["body"] == subscriber.received[0].body.decode()


# -- addresses and names --------------------------------------------------------------------------

INSIDE = [
    "127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "10.0.0.1",
    "169.254.169.254", "fd00:ec2::254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "fe80::1",  # noqa: S104
]  # fmt: skip


class Book(Names):
    """Resolves each name to the addresses it has here; one without any is waited for, for ever."""

    def __init__(self, book: dict[str, list[str]]) -> None:
        super().__init__()
        self.book = book

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What the book says."""
        found = self.book[host]
        if not found:
            await asyncio.Event().wait()
        return await Names(found).resolve(host, port, family)


def look_up_in(gateway: Running, book: dict[str, list[str]]) -> None:
    """Have *gateway* resolve names by *book*."""
    gateway.runtime.http._session.connector._resolver = Book(book)  # type: ignore[union-attr]


async def test_f1_every_kind_of_address_inside_is_recorded_as_blocked(
    start_gateway: StartGateway,
) -> None:
    """In the history, with the one attempt that was none; whatever a name leads to."""
    gateway = await start_gateway(delivery_allow="")
    book = {f"h{n}.example.com": [address] for n, address in enumerate(INSIDE)}
    look_up_in(gateway, book)
    made = [
        await gateway.api.post("/v1/subscriptions", {"url": f"https://{host}/"}) for host in book
    ]

    event_id = await one_event(gateway)

    for one in made:
        found = await gateway.settled(event_id, one.json["id"], status="dead")
        assert [attempt["error"] for attempt in found["attempts"]] == ["blocked_address"]
        assert found["last_error"] == "blocked_address"


async def test_f2_a_name_that_turns_inside_is_recorded_as_blocked(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Rebinding: the first answer may be called, the next may not; the list opens what it names."""
    gateway = await start_gateway(delivery_allow="127.0.0.1/32")
    connector = gateway.runtime.http._session.connector
    connector._resolver = Names(["127.0.0.1"], ["127.0.0.2"])  # type: ignore[union-attr]
    connector._use_dns_cache, connector._force_close = False, True  # type: ignore[union-attr]
    port = subscriber.url.split(":")[2].split("/")[0]
    url = f"https://rebinding.example.com:{port}/"
    subscription = await gateway.subscribe(subscriber, url=url, retry=["1m"])

    event_id = await one_event(gateway)
    await gateway.settled(event_id, subscription["id"])
    await gateway.age(subscription["id"], timedelta(minutes=2))

    found = await gateway.settled(event_id, subscription["id"], status="dead")
    # It was connected to, and speaks no TLS; then it was not even connected to.
    assert [one["error"] for one in found["attempts"]] == ["tls_error", "blocked_address"]
    assert subscriber.received == []


async def test_g2_a_name_server_that_hangs_delays_its_own_subscriber(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Its attempt is a timeout; of the others one's name is found, one needs none, long before."""
    look_up_in(gateway, {"hangs.example.com": [], "works.example.com": ["127.0.0.1"]})
    port = subscriber.url.split(":")[2].split("/")[0]
    stuck, named, plain = [
        await gateway.subscribe(subscriber, url=url, timeout="3s")
        for url in (
            "https://hangs.example.com/",
            f"https://works.example.com:{port}/",
            subscriber.url,
        )
    ]

    event_id = await one_event(gateway)

    await gateway.settled(event_id, plain["id"], status="delivered")
    found = await gateway.settled(event_id, named["id"])
    assert found["last_error"] == "tls_error"  # it was connected to, and speaks no TLS
    assert (await gateway.delivery(event_id, stuck["id"]))["attempt_count"] == 0
    found = await gateway.settled(event_id, stuck["id"])
    assert (found["last_error"], found["status"]) == ("timeout", "pending")


# -- clocks and records ---------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_d15_a_jump_of_the_gateways_clock_moves_no_retry(
    start_gateway: StartGateway, subscriber: Subscriber, jump: timedelta
) -> None:
    """Leases and retries are due by the store's clock: none is early, none is late."""
    clock = FixedClock(datetime.now(UTC))
    gateway = await start_gateway(clock=clock)
    subscriber.script.append(Reply(500))
    subscription = await gateway.subscribe(subscriber, retry=["5m"])
    event_id = await one_event(gateway)
    await gateway.settled(event_id, subscription["id"])

    clock.advance(jump)
    await gateway.age(subscription["id"], timedelta(minutes=4))
    await asyncio.sleep(0.5)
    early = len(subscriber.received)
    await gateway.age(subscription["id"], timedelta(minutes=2))

    await gateway.settled(event_id, subscription["id"], status="delivered")
    assert (early, len(subscriber.received)) == (1, 2)


async def test_g10_an_answer_whose_record_is_lost_is_followed_by_the_same_id(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscriber took it, nobody wrote it down: once its lease ends it comes again."""
    record = DeliveryStore.record_attempts
    lost: list[object] = []

    async def lose(self: DeliveryStore, batch: Sequence[Record]) -> list[Recorded]:
        if not lost:
            lost.append(batch)
            msg = "the record is lost"
            raise RuntimeError(msg)
        return await record(self, batch)

    monkeypatch.setattr(DeliveryStore, "record_attempts", lose)
    gateway = await start_gateway()
    subscription = await gateway.subscribe(subscriber)
    event_id = await one_event(gateway)
    await until(lambda: bool(lost))
    await gateway.age(subscription["id"], timedelta(minutes=1))

    await gateway.settled(event_id, subscription["id"], status="delivered")
    assert subscriber.ids == [event_id, event_id]


# -- what is used up ------------------------------------------------------------------------------


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_e6_descriptors_and_tasks_are_as_many_after_more_webhooks(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What one webhook opens is closed once it is delivered."""
    subscription, sender = await gateway.subscribe(subscriber), await gateway.integrate()
    open_: list[tuple[int, int]] = []
    for first in range(0, 150, 50):
        await asyncio.gather(
            *(gateway.accept(sender, issue(number)) for number in range(first, first + 50))
        )
        await subscriber.wait(first + 50)
        await gateway.quiet(subscription["id"])
        open_.append((descriptors(), len(asyncio.all_tasks())))

    # Connections are kept, up to as many as were needed at once; what leaks grows with each.
    (_, _), (files, tasks), (more_files, more_tasks) = open_
    assert more_files <= files + 25
    assert more_tasks <= tasks + 25


async def test_f7_a_hundred_endless_answers_at_once_take_little_memory(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Of each 16 KiB are read and 4 KiB kept, however much more is on its way."""

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(OSError):
            while True:
                await response.write(b"x" * 16_384)
        return response

    subscriber.behave = pour
    made = [
        await gateway.subscribe(subscriber, retry=[], timeout="10s", pause_after=None)
        for _ in range(100)
    ]
    tracemalloc.start()
    try:
        event_id = await one_event(gateway)
        found = [await gateway.settled(event_id, one["id"], within=60) for one in made]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert {len(one["attempts"]) for one in found} == {1}
    assert peak < 32 * 1024 * 1024
