"""Deliver again: one delivery, one event, many; what a subscriber sees of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from onehook.deliver import replayer
from tests.api.test_integrations import pointers
from tests.builders import (
    Reply,
    Running,
    Sender,
    Subscriber,
    eventually,
    issue,
    membership,
    tickets,
    write_acme,
)
from tests.conftest import StartGateway, StartSubscriber

LONG_AGO = "2020-01-01T00:00:00Z"


def delivery_of(event_id: str, subscription: dict[str, Any]) -> str:
    """The id of a delivery."""
    return f"dlv_{event_id[4:]}{subscription['id'][4:]}"


async def make(gateway: Running, sender: Sender, count: int, first: int = 0) -> list[str]:
    """Accept *count* events; their ids."""
    found = await asyncio.gather(
        *(gateway.accept(sender, issue(first + number)) for number in range(count))
    )
    return [id_ for (id_,) in found]


async def ended(gateway: Running, replay_id: str, status: str = "done") -> Any:
    """A bulk replay once it has ended so."""
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await gateway.api.get(f"/v1/replays/{replay_id}")).json)
        return bool(found["status"] == status)

    await eventually(has_ended)
    return found


async def replay(gateway: Running, **fields: object) -> Any:
    """Begin a bulk replay."""
    answer = await gateway.api.post("/v1/replays", {"since": LONG_AGO, **fields})
    assert answer.status == 202, answer.body
    return answer.json


# -- one delivery ---------------------------------------------------------------------------------


async def test_retry_of_a_dead_letter_is_a_replay(gateway: Running, subscriber: Subscriber) -> None:
    """A dead letter is sent at once, under its old ids, marked, signed anew; and is delivered."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=[])
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await gateway.settled(event_id, subscription["id"], status="dead")
    subscriber.usual = Reply(204)

    answer = await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")

    assert (answer.status, answer.json["id"]) == (200, delivery_of(event_id, subscription))
    found = await gateway.settled(event_id, subscription["id"], status="delivered")
    first, second = subscriber.received
    assert first.body == second.body
    assert first.id == second.id == event_id
    assert "x-onehook-replay" not in first.headers
    assert second.headers["x-onehook-replay"] == "true"
    assert second.headers["x-onehook-attempt"] == "1"
    Webhook(subscriber.secret).verify(second.body, dict(second.headers))
    assert found["attempt_count"] == 2
    assert [one["number"] for one in found["attempts"]] == [1, 1]
    assert found["attempts"][1]["request"]["headers"]["x-onehook-replay"] == "true"


async def test_retry_has_the_full_schedule(gateway: Running, subscriber: Subscriber) -> None:
    """What is made again is retried by the schedule from its start, then dead again."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber, retry=["1m"])
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await gateway.settled(event_id, subscription["id"], attempt_count=1)
    await gateway.age(subscription["id"], timedelta(hours=1))
    await gateway.settled(event_id, subscription["id"], status="dead", attempt_count=2)

    await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")
    await gateway.settled(event_id, subscription["id"], status="pending", attempt_count=3)
    await gateway.age(subscription["id"], timedelta(hours=1))

    await gateway.settled(event_id, subscription["id"], status="dead", attempt_count=4)
    numbers = [got.headers["x-onehook-attempt"] for got in subscriber.received]
    marked = [got.headers.get("x-onehook-replay") for got in subscriber.received]
    assert numbers == ["1", "2", "1", "2"]
    assert marked == [None, None, "true", "true"]


async def test_retry_of_a_pending_delivery_is_at_once(
    gateway: Running, subscriber: Subscriber
) -> None:
    """A delivery that waits an hour for its retry is attempted now, as the next attempt."""
    subscriber.script.append(Reply(500))
    subscription = await gateway.subscribe(subscriber, retry=["1h"])
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await gateway.settled(event_id, subscription["id"])

    answer = await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")

    assert answer.status == 200
    await gateway.settled(event_id, subscription["id"], status="delivered")
    _, second = subscriber.received
    assert second.headers["x-onehook-attempt"] == "2"
    assert "x-onehook-replay" not in second.headers


async def test_retry_of_a_delivered_one_delivers_again(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What was delivered can be had again."""
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await gateway.settled(event_id, subscription["id"], status="delivered")

    await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")

    await gateway.settled(event_id, subscription["id"], attempt_count=2, status="delivered")
    assert subscriber.ids == [event_id, event_id]


async def test_retry_while_it_is_attempted_changes_nothing(
    gateway: Running, subscriber: Subscriber
) -> None:
    """A delivery in flight is not sent a second time by a retry."""
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await subscriber.wait()

    answer = await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")
    release.set()

    assert (answer.status, answer.json["status"]) == (200, "pending")
    await gateway.settled(event_id, subscription["id"], status="delivered")
    assert len(subscriber.received) == 1


async def test_g8_retry_refusals(gateway: Running, start_subscriber: StartSubscriber) -> None:
    """404 what there never was, 409 what was cancelled or is not active, 410 what expired."""
    one, two = await start_subscriber(), await start_subscriber()
    kept, gone = await gateway.subscribe(one), await gateway.subscribe(two)
    sender = await gateway.integrate()
    expired, other = await make(gateway, sender, 2)
    for event_id in (expired, other):
        await gateway.settled(event_id, kept["id"], status="delivered")
        await gateway.settled(event_id, gone["id"], status="delivered")
    await gateway.store.delete(gateway.keys.event(expired))
    await gateway.api.delete(f"/v1/subscriptions/{gone['id']}")

    async def retry(id_: str) -> tuple[int, str]:
        answer = await gateway.api.post(f"/v1/deliveries/{id_}/retry")
        return answer.status, answer.json["code"]

    assert await retry("dlv_x") == (404, "not_found")
    assert await retry(f"dlv_{'0' * 52}") == (404, "not_found")
    assert await retry(delivery_of(other, gone)) == (409, "conflict")
    assert await retry(delivery_of(expired, kept)) == (410, "gone")
    await gateway.api.patch(f"/v1/subscriptions/{kept['id']}", {"active": False})
    assert await retry(delivery_of(other, kept)) == (409, "conflict")
    assert len(one.received) == 2


async def test_retry_to_a_paused_subscription_waits(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Paused is held: what is made again goes out with the rest, when it goes on."""
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    await gateway.settled(event_id, subscription["id"], status="delivered")
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.post(f"{path}/pause")
    await gateway.api.post(f"/v1/deliveries/{delivery_of(event_id, subscription)}/retry")
    assert await gateway.runtime.gateway.deliveries.due() == []

    await gateway.api.post(f"{path}/resume")

    await gateway.settled(event_id, subscription["id"], attempt_count=2, status="delivered")


# -- one event ------------------------------------------------------------------------------------


async def test_event_goes_again_to_all_or_to_some(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """Without names all who got it get it again; with names those, also who never got it."""
    one, two, new = [await start_subscriber() for _ in range(3)]
    first, second = await gateway.subscribe(one, key="one"), await gateway.subscribe(two)
    (event_id,) = await make(gateway, await gateway.integrate(), 1)
    for subscription in (first, second):
        await gateway.settled(event_id, subscription["id"], status="delivered")
    third = await gateway.subscribe(new, events=["scm.*"])
    path = f"/v1/events/{event_id}/replay"

    answer = await gateway.api.post(path)
    assert answer.status == 200
    assert sorted(answer.json["data"], key=lambda one: one["subscription_id"]) == sorted(
        (
            {
                "subscription_id": subscription["id"],
                "delivery_id": delivery_of(event_id, subscription),
                "outcome": "queued",
            }
            for subscription in (first, second)
        ),
        key=lambda one: one["subscription_id"],
    )
    await one.wait(2)
    await two.wait(2)
    for subscription in (first, second):
        await gateway.settled(event_id, subscription["id"], status="delivered", attempt_count=2)

    answer = await gateway.api.post(path, {"subscriptions": ["one", third["id"], first["id"]]})
    assert [row["outcome"] for row in answer.json["data"]] == ["queued", "queued"]
    await one.wait(3)
    (got,) = await new.wait()
    assert (got.id, got.headers["x-onehook-replay"]) == (event_id, "true")
    await gateway.settled(event_id, third["id"], status="delivered")
    assert len(two.received) == 2


async def test_g8_event_refusals(gateway: Running, subscriber: Subscriber) -> None:
    """409 where nothing is made again, 410 expired, 404 never was, 422 wrong names."""
    sender = await gateway.integrate()
    (unwanted,) = await make(gateway, sender, 1)
    subscription = await gateway.subscribe(subscriber)
    subscriber.usual = Reply(500)
    (pending,) = await make(gateway, sender, 1, first=5)
    await gateway.settled(pending, subscription["id"])

    async def refused(event_id: str, body: object = None) -> tuple[int, str]:
        answer = await gateway.api.post(f"/v1/events/{event_id}/replay", body)
        return answer.status, answer.json["detail"]

    status, detail = await refused(unwanted)
    assert status == 409
    assert "name subscriptions" in detail
    status, detail = await refused(pending)
    assert status == 409
    assert f"{subscription['id']}: pending" in detail
    assert (await refused("evt_x"))[0] == 404
    answer = await gateway.api.post(
        f"/v1/events/{pending}/replay", {"subscriptions": [subscription["id"], "nobody"]}
    )
    assert (answer.status, pointers(answer)) == (422, ["/subscriptions/1"])
    assert (await refused(pending, {"subscriptions": []}))[0] == 422
    assert (await refused(pending, {"to": "all"}))[0] == 422
    await gateway.store.delete(gateway.keys.event(pending))
    assert (await refused(pending))[0] == 410
    await gateway.api.patch(f"/v1/subscriptions/{subscription['id']}", {"active": False})
    status, detail = await refused(unwanted, {"subscriptions": [subscription["id"]]})
    assert status == 409
    assert "inactive" in detail


# -- in bulk --------------------------------------------------------------------------------------


async def test_bulk_replay_delivers_everything_again(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Every event of a time range arrives once more, marked, under its id; and that is told."""
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    ids = await make(gateway, sender, 30)
    await gateway.quiet(subscription["id"])
    told: list[Any] = []

    begun = await replay(gateway)
    assert (begun["matched"], begun["dry_run"]) == (30, False)
    done = await ended(gateway, begun["id"])

    assert (done["matched"], done["queued"], done["skipped"]) == (30, 30, 0)
    assert done["finished_at"] is not None
    await subscriber.wait(60)
    await gateway.quiet(subscription["id"])
    again = subscriber.received[30:]
    assert sorted(got.id for got in again) == sorted(ids)
    assert {got.headers["x-onehook-replay"] for got in again} == {"true"}

    async def is_told() -> bool:
        answer = await gateway.api.get("/v1/events", type="integration.sync.completed")
        told[:] = answer.json["data"]
        return bool(told)

    await eventually(is_told)
    (notice,) = told
    assert notice["data"]["id"] == done["id"]
    assert notice["data"]["counts"]["events"] == 30


async def test_filters_narrow_a_bulk_replay(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """Integration, subscription, type, status and time each narrow what is made again."""
    good, bad = await start_subscriber(), await start_subscriber()
    one, two = await gateway.subscribe(good, key="good"), await gateway.subscribe(bad, retry=[])
    bad.usual = Reply(500)
    first, second = await gateway.integrate(key="gh"), await gateway.integrate()
    (ticket,) = await make(gateway, first, 1)
    (group,) = await gateway.accept(second, membership())
    for event_id in (ticket, group):
        await gateway.settled(event_id, one["id"], status="delivered")
        await gateway.settled(event_id, two["id"], status="dead")
    now = datetime.now(UTC)

    async def counted(**fields: object) -> tuple[int, int]:
        dry = await replay(gateway, dry_run=True, **fields)
        assert (dry["status"], dry["queued"]) == ("done", 0)
        return dry["matched"], len(good.received) + len(bad.received)

    assert await counted() == (2, 4)
    assert await counted(integration="gh") == (1, 4)
    assert await counted(type="identity.*") == (1, 4)
    assert await counted(type="scm.*") == (0, 4)
    assert await counted(status="dead") == (2, 4)
    assert await counted(status="dead", subscription="good") == (0, 4)
    assert await counted(until=(now - timedelta(hours=1)).isoformat()) == (0, 4)
    with_end = {"until": (now + timedelta(hours=1)).isoformat()}
    assert await counted(since=(now - timedelta(hours=1)).isoformat(), **with_end) == (2, 4)

    bad.usual = Reply(204)
    begun = await replay(gateway, status="dead", type="ticketing.*")
    done = await ended(gateway, begun["id"])
    assert (done["matched"], done["queued"]) == (1, 1)
    await gateway.settled(ticket, two["id"], status="delivered")
    assert (len(good.received), len(bad.received)) == (2, 3)

    begun = await replay(gateway, subscription="good")
    await ended(gateway, begun["id"])
    await good.wait(4)
    assert len(bad.received) == 3


async def test_named_subscription_catches_up(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """A subscription made today gets what it would have got, and nothing that it refuses."""
    old, new = await start_subscriber(), await start_subscriber()
    await gateway.subscribe(old)
    sender = await gateway.integrate()
    ids = await make(gateway, sender, 3)
    await gateway.accept(sender, membership())
    made = await gateway.subscribe(new, events=["ticketing.*"])

    begun = await replay(gateway, subscription=made["id"])
    done = await ended(gateway, begun["id"])

    assert (done["matched"], done["queued"]) == (3, 3)
    await new.wait(3)
    await gateway.quiet(made["id"])
    assert sorted(new.ids) == sorted(ids)
    assert len(old.received) == 4


async def test_what_is_on_its_way_is_skipped(gateway: Running, subscriber: Subscriber) -> None:
    """A pending delivery is not sent twice; it counts as skipped."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber)
    ids = await make(gateway, await gateway.integrate(), 3)
    for event_id in ids:
        await gateway.settled(event_id, subscription["id"])

    begun = await replay(gateway)
    done = await ended(gateway, begun["id"])

    assert (done["matched"], done["queued"], done["skipped"]) == (3, 0, 3)
    assert len(subscriber.received) == 3


async def test_replay_keeps_its_own_rate(gateway: Running, subscriber: Subscriber) -> None:
    """With `per_minute` no more are made due than it says."""
    subscription = await gateway.subscribe(subscriber)
    await make(gateway, await gateway.integrate(), 20)
    await gateway.quiet(subscription["id"])
    loop = asyncio.get_running_loop()
    started = loop.time()

    begun = await replay(gateway, per_minute=600)  # 10 a second
    await subscriber.wait(20 + 10)

    assert loop.time() - started >= 0.7
    shown = (await gateway.api.get(f"/v1/replays/{begun['id']}")).json
    assert shown["per_minute"] == 600
    assert shown["queued"] <= (loop.time() - started) * 10 + 3
    await ended(gateway, begun["id"])


async def test_cancel_stops_at_once(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a cancel nothing more begins, and what it had queued is as it was before."""
    monkeypatch.setattr(replayer, "STEP", 5)
    monkeypatch.setattr(replayer, "WAITING", 10)
    subscription = await gateway.subscribe(subscriber)
    ids = await make(gateway, await gateway.integrate(), 60)
    await gateway.quiet(subscription["id"])
    release = asyncio.Event()
    subscriber.usual = Reply(hold=release)
    begun = await replay(gateway)
    await subscriber.wait(60 + 12)  # at once; a quarter is left to what is new
    loop = asyncio.get_running_loop()
    started = loop.time()

    answer = await gateway.api.post(f"/v1/replays/{begun['id']}/cancel")

    assert (answer.status, answer.json["status"]) == (200, "cancelled")

    async def withdrawn() -> bool:
        return await gateway.runtime.gateway.replays.open() == []

    await eventually(withdrawn)
    assert loop.time() - started < 2
    release.set()
    await gateway.quiet(subscription["id"])
    found = (await gateway.api.get(f"/v1/replays/{begun['id']}")).json
    sent = len(subscriber.received) - 60
    assert found["queued"] == sent < 60
    states = await gateway.runtime.gateway.deliveries.states(ids)
    assert {state[subscription["id"]].status for state in states} == {"delivered"}
    again = await gateway.api.post(f"/v1/replays/{begun['id']}/cancel")
    assert (again.status, again.json["status"]) == (200, "cancelled")


async def test_g8_another_gateway_goes_on(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay outlives the gateway that ran it, also one that said nothing; none is made twice."""
    monkeypatch.setattr(replayer, "STEP", 3)
    monkeypatch.setattr(replayer, "WAITING", 0)
    monkeypatch.setattr(replayer, "LEASE", timedelta(seconds=1))
    first = await start_gateway()
    subscription = await first.subscribe(subscriber)
    ids = await make(first, await first.integrate(), 40)
    await first.quiet(subscription["id"])
    begun = await replay(first, per_minute=1200)
    await subscriber.wait(45)
    for task in first.runtime._tasks:  # it dies: no lease is given back
        task.cancel()

    second = await start_gateway()
    done = await ended(second, begun["id"])

    assert (done["matched"], done["queued"]) == (40, 40)
    await second.quiet(subscription["id"], within=45)  # a lease of the dead one: 30 s
    counts = {id_: subscriber.ids[40:].count(id_) for id_ in ids}
    assert set(counts) == set(ids)
    # What the dead gateway had in flight comes again when its lease ends, under the same id.
    assert all(count >= 1 for count in counts.values())


async def test_replay_to_a_paused_subscription_is_held(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """A paused subscription does not hold a replay up, and gets its part when it goes on."""
    one, two = await start_subscriber(), await start_subscriber()
    first, second = await gateway.subscribe(one), await gateway.subscribe(two)
    await make(gateway, await gateway.integrate(), 5)
    await gateway.quiet(first["id"])
    await gateway.quiet(second["id"])
    await gateway.api.post(f"/v1/subscriptions/{first['id']}/pause")

    done = await ended(gateway, (await replay(gateway, type="ticketing.*"))["id"])

    assert (done["matched"], done["queued"]) == (5, 10)
    await two.wait(10)
    assert len(one.received) == 5
    await gateway.api.post(f"/v1/subscriptions/{first['id']}/resume")
    await one.wait(10)


async def test_event_of_many_deliveries_is_one_step(
    start_gateway: StartGateway,
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """Events that go to more subscriptions than a step may hold are still replayed, each once."""
    monkeypatch.setattr(replayer, "STEP", 2)
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    made = [await gateway.subscribe(subscriber) for _ in range(3)]
    sender = await gateway.integrate("acme")
    assert len(await gateway.accept(sender, tickets("1", "2"))) == 2
    await gateway.accept(sender, tickets("3"))
    for subscription in made:
        await gateway.quiet(subscription["id"])

    done = await ended(gateway, (await replay(gateway))["id"])

    assert (done["matched"], done["queued"]) == (3, 9)
    await subscriber.wait(18)


async def test_replays_are_listed_newest_first(gateway: Running) -> None:
    """The list pages through all replays, each once."""
    ids = [(await replay(gateway, dry_run=True))["id"] for _ in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    for _ in range(4):
        page = (await gateway.api.get("/v1/replays", **query)).json
        seen += [one["id"] for one in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == ids[::-1]
    shown = (await gateway.api.get(f"/v1/replays/{ids[0]}")).json
    assert (shown["status"], shown["dry_run"], shown["matched"]) == ("done", True, 0)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"since": "2099-01-01T00:00:00Z"}, "/since"),
        ({"since": LONG_AGO, "until": LONG_AGO}, "/since"),
        ({"since": LONG_AGO, "integration": "int_x"}, "/integration"),
        ({"since": LONG_AGO, "subscription": "sub_x"}, "/subscription"),
        ({"since": LONG_AGO, "type": "sales.*"}, "/type"),
        ({"since": LONG_AGO, "status": "pending"}, "/status"),
        ({"since": LONG_AGO, "per_minute": 0}, "/per_minute"),
        ({"since": LONG_AGO, "speed": 9}, "/speed"),
    ],
)
async def test_wrong_replays_are_refused(
    gateway: Running, body: dict[str, object], pointer: str
) -> None:
    """What is wrong in a replay is refused by name, and none is begun."""
    answer = await gateway.api.post("/v1/replays", body)

    assert (answer.status, pointers(answer)) == (422, [pointer])
    assert (await gateway.api.get("/v1/replays")).json["data"] == []


async def test_done_is_not_cancelled(gateway: Running) -> None:
    """What is done stays done, and says so; what is not there is 404."""
    begun = await replay(gateway, dry_run=True)

    answer = await gateway.api.post(f"/v1/replays/{begun['id']}/cancel")

    assert (answer.status, answer.json["code"]) == (409, "conflict")
    assert (await gateway.api.post("/v1/replays/rpl_x/cancel")).status == 404
    assert (await gateway.api.get("/v1/replays/rpl_x")).status == 404
