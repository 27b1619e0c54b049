"""What happens to the gateway itself reaches subscribers, once, and never costs a webhook."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ConnectionError as AwayError
from structlog.testing import capture_logs

from onehook.core.notices import FAILURES, FAILURES_APART, GROUP_APART, HEARD_EVERY, Notice
from tests.builders import (
    FixedClock,
    Native,
    Reply,
    Running,
    Sender,
    Subscriber,
    acme,
    eventually,
    github,
    issue,
    until,
    write_acme,
)
from tests.conftest import StartGateway, StartSubscriber

ESTABLISHED = "integration.connection.established"
FAILED = "integration.connection.failed"
DEAD = "integration.delivery.failed"
QUARANTINED = "integration.webhook.quarantined"
PAUSED, RESUMED = "integration.subscription.paused", "integration.subscription.resumed"
DAY = timedelta(days=1)
NEVER = 3600.0  # seconds


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other closely."""
    monkeypatch.setattr("onehook.wiring.TELL", 0.02)


async def told(gateway: Running, type_: str = "integration.*", **query: str) -> list[Any]:
    """The gateway's own events of that type, oldest first."""
    answer = await gateway.api.get("/v1/events", type=type_, **query)
    assert answer.status == 200, answer.body
    return list(reversed(answer.json["data"]))


async def heard_of(gateway: Running, type_: str, count: int = 1) -> list[Any]:
    """The same, once there are so many; there are no more after two rounds."""

    async def enough() -> bool:
        return len(await told(gateway, type_)) >= count

    await eventually(enough)
    await rounds(gateway)
    found = await told(gateway, type_)
    assert len(found) == count, found
    return found


async def rounds(gateway: Running, count: int = 2) -> None:
    """Let the gateway tell whatever it has to tell."""
    for _ in range(count):
        await gateway.runtime.announcer.tell()


async def forge(gateway: Running, sender: Sender, times: int) -> None:
    """Send requests whose signature does not fit."""
    headers = [*issue().headers.items(), ("X-Hub-Signature-256", "sha256=" + "0" * 64)]
    for _ in range(times):
        assert (await gateway.post(sender, b"{}", headers)).status == 401


def incomplete(number: int = 1) -> Native:
    """A webhook without what its event needs: it is put into quarantine."""
    return github("issues", {"action": "opened", "issue": {"number": number}})


async def kill_one(gateway: Running, sender: Sender, subscription: dict[str, Any]) -> str:
    """Send a webhook whose delivery to *subscription* dies; its event's id."""
    (event_id,) = await gateway.accept(sender, issue())
    await gateway.settled(event_id, subscription["id"], status="dead")
    return event_id


# -- connections ----------------------------------------------------------------------------------


async def test_first_verified_webhook_is_told_once(
    gateway: Running, subscriber: Subscriber
) -> None:
    """The first webhook, and no other, makes an event; it is delivered like any other."""
    subscription = await gateway.subscribe(subscriber, events=["integration.*"])
    sender = await gateway.integrate(told=False, name="acme")
    await forge(gateway, sender, 2)

    for number in range(3):
        await gateway.accept(sender, issue(number))

    (event,) = await heard_of(gateway, ESTABLISHED)
    await gateway.quiet(subscription["id"])
    (got,) = subscriber.received
    assert got.json == event
    assert got.headers["x-onehook-event"] == ESTABLISHED
    assert event["integration"] == {"id": sender.id, "type": "github", "name": "acme"}
    assert (event["data"]["id"], event["data"]["status"]) == (sender.id, "established")
    native = await gateway.api.get(event["data"]["raw"]["ref"])
    assert (native.status, native.json["type"]) == (200, ESTABLISHED)


async def test_ping_is_a_first_webhook_too(gateway: Running) -> None:
    """What is verified and ignored shows that the connection works."""
    sender = await gateway.integrate(told=False)

    assert (await gateway.send(sender, github("ping", {"zen": "Calm."}))).json[
        "status"
    ] == "ignored"

    await heard_of(gateway, ESTABLISHED)


async def test_established_is_told_once_across_restarts_and_gateways(
    start_gateway: StartGateway,
) -> None:
    """Neither a second gateway nor one that starts later tells it again."""
    gateway, other = await start_gateway(), await start_gateway()
    sender = await gateway.integrate(told=False)
    await other.runtime.gateway.registry.whole.refresh()
    await asyncio.gather(gateway.accept(sender, issue(1)), other.accept(sender, issue(2)))
    await heard_of(gateway, ESTABLISHED)
    await heard_of(other, ESTABLISHED)
    await gateway.close()
    await other.close()

    again = await start_gateway()
    await again.accept(sender, issue(3))

    await heard_of(again, ESTABLISHED)


async def test_established_is_not_lost_with_the_gateway_that_heard_it(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a gateway dies before it wrote it down, the next webhook counts as the first."""
    monkeypatch.setattr("onehook.wiring.TELL", NEVER)
    dead = await start_gateway()
    sender = await dead.integrate(told=False)
    await dead.accept(sender, issue(1))
    monkeypatch.setattr("onehook.wiring.TELL", 0.02)
    gateway = await start_gateway()
    await rounds(gateway)
    assert await told(gateway) == []

    await gateway.accept(sender, issue(2))

    await heard_of(gateway, ESTABLISHED)


async def test_stop_writes_down_what_it_heard(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is stopped before its next round leaves the fact to the next start."""
    monkeypatch.setattr("onehook.wiring.TELL", NEVER)
    gateway = await start_gateway()
    await gateway.accept(await gateway.integrate(told=False), issue())
    await gateway.close()
    monkeypatch.setattr("onehook.wiring.TELL", 0.02)

    await heard_of(await start_gateway(), ESTABLISHED)


async def test_failing_signatures_are_told_once_a_streak(start_gateway: StartGateway) -> None:
    """Ten refused in a row are told, not nine, and a thousand more are no news."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate(told=False)
    await gateway.accept(sender, issue(1))
    await forge(gateway, sender, FAILURES - 1)
    await gateway.accept(sender, issue(2))
    await forge(gateway, sender, FAILURES - 1)
    await rounds(gateway)
    assert await told(gateway, FAILED) == []

    for _ in range(3):
        await forge(gateway, sender, FAILURES)
        await rounds(gateway)
        clock.advance(2 * FAILURES_APART)

    (event,) = await heard_of(gateway, FAILED)
    assert event["integration"]["id"] == event["data"]["id"] == sender.id
    assert "signatures" in event["data"]["reason"]


async def test_forgers_between_good_webhooks_make_one_event_an_hour(
    start_gateway: StartGateway,
) -> None:
    """Whoever forges requests in between cannot flood subscribers; a lasting failure is told."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate(told=False)
    for number in range(4):
        await forge(gateway, sender, FAILURES)
        await rounds(gateway)
        await gateway.accept(sender, issue(number))
    await heard_of(gateway, FAILED)
    await forge(gateway, sender, FAILURES)
    await rounds(gateway)

    clock.advance(FAILURES_APART)
    await forge(gateway, sender, 1)

    await heard_of(gateway, FAILED, 2)


# -- silence --------------------------------------------------------------------------------------


async def test_silence_is_told_once_until_a_webhook_comes(start_gateway: StartGateway) -> None:
    """Silent for longer than `silent_after`: told once; and again only after a webhook came."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate(told=False, silent_after="1d", name="acme")
    quiet = await gateway.integrate(silent_after="30d")
    await gateway.accept(sender, issue(1))
    await gateway.accept(quiet, issue(1))
    await gateway.accept(await gateway.integrate(), issue(1))
    heard = clock.now()
    await heard_of(gateway, ESTABLISHED)

    clock.advance(DAY)
    await gateway.runtime.announcer.check()
    await rounds(gateway)
    assert await told(gateway, FAILED) == []
    for _ in range(3):
        clock.advance(HEARD_EVERY)
        await gateway.runtime.announcer.check()

    (event,) = await heard_of(gateway, FAILED)
    assert event["integration"] == {"id": sender.id, "type": "github", "name": "acme"}
    assert event["data"]["reason"].startswith(
        "no webhook for 1d; the last came at 2026-11-22T12:00"
    )
    assert event["timestamp"] == "2026-11-23T12:00:00.000Z"
    assert heard + DAY < clock.now()

    await gateway.accept(sender, issue(2))
    clock.advance(2 * DAY)
    await gateway.runtime.announcer.check()
    await heard_of(gateway, FAILED, 2)


async def test_silence_outlives_a_restart(start_gateway: StartGateway) -> None:
    """When a webhook came last is known after a restart, and what was told of stays told."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate(silent_after="1d")
    clock.advance(timedelta(seconds=30))  # less than what is written down at once
    await gateway.accept(sender, issue(1))
    await gateway.close()
    clock.advance(DAY + HEARD_EVERY - timedelta(seconds=1))

    gateway = await start_gateway(clock=clock)
    await gateway.runtime.announcer.check()
    await rounds(gateway)
    assert await told(gateway, FAILED) == []
    clock.advance(timedelta(seconds=1))
    await gateway.runtime.announcer.check()
    await heard_of(gateway, FAILED)
    await gateway.close()

    gateway = await start_gateway(clock=clock)
    await gateway.runtime.announcer.check()
    await heard_of(gateway, FAILED)


async def test_silence_is_looked_for_by_itself(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask: a task looks, on the gateway's clock."""
    monkeypatch.setattr("onehook.wiring.SILENCE", 0.05)
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    await gateway.accept(await gateway.integrate(silent_after="1h"), issue())

    clock.advance(DAY)

    await heard_of(gateway, FAILED)


async def test_only_what_has_spoken_and_is_on_can_be_silent(start_gateway: StartGateway) -> None:
    """Nothing is told of one that never sent, is switched off, is deleted, or may be silent."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    await gateway.integrate(told=False, silent_after="1h")
    off, gone, free = [await gateway.integrate(silent_after="1h") for _ in range(3)]
    assert (await gateway.api.patch(f"/v1/integrations/{off.id}", {"active": False})).status == 200
    assert (await gateway.api.delete(f"/v1/integrations/{gone.id}")).status == 204
    freed = await gateway.api.patch(f"/v1/integrations/{free.id}", {"silent_after": None})
    assert freed.json["silent_after"] is None

    clock.advance(DAY)
    await gateway.runtime.announcer.check()
    await rounds(gateway)

    assert await told(gateway) == []
    assert gone.id not in await gateway.runtime.gateway.notices.heard()


async def test_silence_goes_by_every_gateways_ears(start_gateway: StartGateway) -> None:
    """What one gateway heard keeps another one from calling an integration silent."""
    clock = FixedClock()
    gateway, other = await start_gateway(clock=clock), await start_gateway(clock=clock)
    sender = await gateway.integrate(silent_after="1h")
    await other.runtime.gateway.registry.whole.refresh()
    clock.advance(DAY)
    await other.accept(sender, issue())
    await rounds(other, 1)

    await gateway.runtime.announcer.check()
    await rounds(gateway)

    assert await told(gateway) == []


# -- subscriptions --------------------------------------------------------------------------------


async def test_pause_and_resume_are_told_to_everyone_else(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """Each is one event, in order; the subscription itself does not get it, nor others twice."""
    watcher, own = await start_subscriber(), await start_subscriber()
    await gateway.subscribe(watcher, events=["*"])
    subscription = await gateway.subscribe(own, events=["*"], name="alerts")
    path = f"/v1/subscriptions/{subscription['id']}"

    for action in ("pause", "pause", "resume", "resume"):
        assert (await gateway.api.post(f"{path}/{action}")).status == 200

    paused, resumed = await heard_of(gateway, "integration.subscription.*", 2)
    assert (paused["type"], resumed["type"]) == (PAUSED, RESUMED)
    assert paused["integration"] == {"id": "int_onehook", "type": "onehook", "name": "onehook"}
    told_of = {
        (e["data"]["id"], e["data"]["name"], e["data"]["status"], e["data"]["reason"])
        for e in (paused, resumed)
    }
    assert told_of == {
        (subscription["id"], "alerts", "paused", "manual"),
        (subscription["id"], "alerts", "resumed", None),
    }
    await watcher.wait(2)
    await gateway.quiet(subscription["id"])
    assert sorted(watcher.ids) == sorted([paused["id"], resumed["id"]])
    assert own.received == []


async def test_g4_subscriber_that_is_gone_is_told_of_once(
    gateway: Running, start_subscriber: StartSubscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many attempts hear 410 at once, the subscription is paused and told of once."""
    own, gone = await start_subscriber(), asyncio.Event()
    own.usual = Reply(410, hold=gone)
    subscription = await gateway.subscribe(own)
    sender = await gateway.integrate()
    await asyncio.gather(*(gateway.accept(sender, issue(number)) for number in range(10)))
    await own.wait(10)
    registry = gateway.runtime.gateway.registry.whole
    save = registry.save_if_current

    async def slowly(*arguments: Any) -> bool:
        await asyncio.sleep(0.1)
        return await save(*arguments)

    monkeypatch.setattr(registry, "save_if_current", slowly)
    gone.set()

    (event,) = await heard_of(gateway, PAUSED)
    assert (event["data"]["id"], event["data"]["reason"]) == (subscription["id"], "gone")


async def test_g4_paused_by_hand_meanwhile_stays_so(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 410 that a gateway hears before it knows of the pause neither changes nor tells it."""
    monkeypatch.setattr("onehook.wiring.REFRESH", NEVER)
    gateway, other = await start_gateway(), await start_gateway()
    subscriber.usual = Reply(410)
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    await other.runtime.gateway.registry.whole.refresh()
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.post(f"{path}/pause")

    (event_id,) = await other.accept(sender, issue())
    await gateway.settled(event_id, subscription["id"])

    (event,) = await heard_of(gateway, PAUSED)
    assert event["data"]["reason"] == "manual"
    assert (await other.api.get(path)).json["paused_reason"] == "manual"


async def test_pause_of_a_gateway_that_died_is_told_by_the_next(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is written in the transaction of the pause: neither is there without the other."""
    monkeypatch.setattr("onehook.wiring.TELL", NEVER)
    dead = await start_gateway()
    subscription = await dead.subscribe(subscriber)
    await dead.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    assert await told(dead) == []
    monkeypatch.setattr("onehook.wiring.TELL", 0.02)

    await heard_of(await start_gateway(), PAUSED)


# -- dead letters ---------------------------------------------------------------------------------


async def test_dead_letter_is_told_to_everyone_else(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """The event names the subscription, the delivery and what became of it."""
    watcher, own = await start_subscriber(), await start_subscriber()
    own.usual = Reply(500)
    await gateway.subscribe(watcher, events=[DEAD])
    subscription = await gateway.subscribe(own, events=["*"], retry=[], name="alerts")

    event_id = await kill_one(gateway, await gateway.integrate(), subscription)

    (event,) = await heard_of(gateway, DEAD)
    data = event["data"]
    assert (data["id"], data["name"], data["status"]) == (subscription["id"], "alerts", "failed")
    assert (data["reason"], data["counts"]) == ("status 500", {"events": None, "failed": 1})
    assert data["custom"] == {
        "delivery_id": f"dlv_{event_id[4:]}{subscription['id'][4:]}",
        "event_id": event_id,
        "event_type": "ticketing.ticket.created",
    }
    (got,) = await watcher.wait()
    assert got.json == event
    assert own.ids == [event_id]


async def test_dead_letters_about_dead_letters_make_no_loop(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """Two dead subscribers are told of each other once; those notices die without an event."""
    subscriptions = []
    for _ in range(2):
        ill = await start_subscriber()
        ill.usual = Reply(500)
        subscriptions.append(await gateway.subscribe(ill, events=["*"], retry=[]))
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    about = {e["data"]["id"]: e["id"] for e in await heard_of(gateway, DEAD, 2)}
    assert set(about) == {one["id"] for one in subscriptions}

    first, second = (one["id"] for one in subscriptions)
    for subject, receiver in ((first, second), (second, first)):
        await gateway.settled(event_id, subject, status="dead")
        await gateway.settled(about[subject], receiver, status="dead")

    assert await gateway.runtime.gateway.notices.untold() == []
    await heard_of(gateway, DEAD, 2)


async def test_many_dead_letters_are_two_events_a_minute(
    start_gateway: StartGateway, start_subscriber: StartSubscriber
) -> None:
    """The first is told at once; what follows within a minute is counted in one event."""
    clock, own = FixedClock(), await start_subscriber()
    gateway = await start_gateway(clock=clock)
    own.usual = Reply(500)
    subscription = await gateway.subscribe(own, retry=[])
    sender = await gateway.integrate()
    await kill_one(gateway, sender, subscription)
    await heard_of(gateway, DEAD)
    ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(2, 9)]
    for event_id in ids:
        await gateway.settled(event_id, subscription["id"], status="dead")
    await heard_of(gateway, DEAD)

    clock.advance(GROUP_APART)

    first, second = await heard_of(gateway, DEAD, 2)
    assert [e["data"]["counts"]["failed"] for e in (first, second)] == [1, 7]
    assert second["data"]["custom"]["event_id"] in ids


async def test_dead_letter_of_a_gateway_that_died_is_told_by_the_next(
    start_gateway: StartGateway, start_subscriber: StartSubscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is written in the record of the attempt: neither is there without the other."""
    monkeypatch.setattr("onehook.wiring.TELL", NEVER)
    dead, own = await start_gateway(), await start_subscriber()
    own.usual = Reply(500)
    subscription = await dead.subscribe(own, retry=[])
    await kill_one(dead, await dead.integrate(), subscription)
    assert await told(dead) == []
    monkeypatch.setattr("onehook.wiring.TELL", 0.02)

    await heard_of(await start_gateway(), DEAD)


# -- quarantine -----------------------------------------------------------------------------------


async def test_quarantined_webhook_is_told(gateway: Running, subscriber: Subscriber) -> None:
    """A verified webhook that gives no event is told with its id and why; its duplicate is not."""
    await gateway.subscribe(subscriber, events=["*"])
    sender = await gateway.integrate(name="acme")
    odd = incomplete()

    answer = await gateway.send(sender, odd)
    assert (await gateway.send(sender, odd)).json["status"] == "duplicate"

    (event,) = await heard_of(gateway, QUARANTINED)
    data = event["data"]
    assert answer.json["status"] == "quarantined"
    assert (data["id"], data["status"]) == (answer.json["id"], "failed")
    assert data["reason"] == f"{answer.json['reason']}: {answer.json['detail']}"
    assert event["integration"] == {"id": sender.id, "type": "github", "name": "acme"}
    (got,) = await subscriber.wait()
    assert got.json == event


async def test_quarantined_in_masses_are_counted(start_gateway: StartGateway) -> None:
    """A sender whose webhooks nobody understands makes an event a minute, not one each."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate()
    odd = [incomplete(number) for number in range(50)]
    await gateway.send(sender, odd[0])
    await heard_of(gateway, QUARANTINED)
    answers = await asyncio.gather(*(gateway.send(sender, native) for native in odd[1:]))
    assert Counter(a.json["status"] for a in answers) == {"quarantined": 49}

    clock.advance(GROUP_APART)

    _, second = await heard_of(gateway, QUARANTINED, 2)
    assert second["data"]["counts"] == {"events": None, "failed": 49}
    assert second["data"]["id"] in {a.json["id"] for a in answers}


# -- the mechanism --------------------------------------------------------------------------------


async def test_one_call_announces_a_fact(gateway: Running, subscriber: Subscriber) -> None:
    """Whoever has something to tell announces it: durable at once, an event soon, once."""
    await gateway.subscribe(subscriber, events=["integration.sync.*"])
    replay, now = f"rpl_{'1' * 26}", gateway.runtime.clock.now()
    notice = Notice("integration.sync.completed", replay, now, events=12, failed=0)

    await gateway.runtime.gateway.notices.announce(notice)
    (event,) = await heard_of(gateway, "integration.sync.completed")
    await gateway.runtime.gateway.notices.announce(notice)
    await heard_of(gateway, "integration.sync.completed")

    assert event["data"]["counts"] == {"events": 12, "failed": 0}
    assert (await subscriber.wait())[0].json == event
    assert subscriber.ids == [event["id"]]


async def test_own_events_are_filtered_like_others(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """By type, by integration, by platform and by condition, in subscriptions and in lists."""
    one, two = [await gateway.integrate(told=False) for _ in range(2)]
    wanted: dict[str, dict[str, Any]] = {
        "everything": {"events": ["*"]},
        "integration": {"events": ["*"], "integrations": [one.id]},
        "platform": {"events": ["integration.*"], "integrations": ["github"]},
        "condition": {"events": ["*"], "filter": {"$.data.id": two.id}},
        "gateway": {"events": ["*"], "integrations": ["onehook"]},
        "other types": {"events": ["ticketing.*"], "integrations": ["int_onehook"]},
    }
    got = {name: await start_subscriber() for name in wanted}
    made = {name: await gateway.subscribe(got[name], **fields) for name, fields in wanted.items()}
    for sender in (one, two):
        await gateway.send(sender, github("ping", {"zen": "Calm."}))
    await gateway.api.post(f"/v1/subscriptions/{made['other types']['id']}/pause")
    (paused,) = await heard_of(gateway, PAUSED)

    first, second = await heard_of(gateway, ESTABLISHED, 2)
    ids = {first["data"]["id"]: first["id"], second["data"]["id"]: second["id"]}
    for subscription in made.values():
        await gateway.quiet(subscription["id"])
    assert {name: sorted(one.ids) for name, one in got.items()} == {
        "everything": sorted([*ids.values(), paused["id"]]),
        "integration": [ids[one.id]],
        "platform": sorted(ids.values()),
        "condition": [ids[two.id]],
        "gateway": [paused["id"]],
        "other types": [],
    }
    assert [e["id"] for e in await told(gateway, integration=one.id)] == [ids[one.id]]
    assert [e["id"] for e in await told(gateway, integration="int_onehook")] == [paused["id"]]
    listed = await gateway.api.get("/v1/deliveries", integration="int_onehook")
    assert {d["event_id"] for d in listed.json["data"]} == {paused["id"]}


async def test_nobody_else_may_have_the_gateways_name(gateway: Running) -> None:
    """The id and the type that the gateway's own facts carry are no keys."""
    for key in ("onehook", "int_onehook"):
        answer = await gateway.api.post(
            "/v1/integrations", {"type": "github", "verify": "none", "key": key}
        )
        assert answer.status == 409


async def test_crash_after_the_commit_tells_nothing_twice(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact whose event is committed and that is still written down is the same event again."""
    await gateway.subscribe(subscriber, events=["integration.*"])
    notices = gateway.runtime.gateway.notices
    settle, lost = notices.settle, []

    async def away(told: Any) -> None:
        if len(lost) < 3:
            lost.append(told)
            raise AwayError
        await settle(told)

    monkeypatch.setattr(notices, "settle", away)
    await gateway.accept(await gateway.integrate(told=False), issue())

    await until(lambda: len(lost) == 3)
    (event,) = await heard_of(gateway, ESTABLISHED)
    await subscriber.wait()
    assert subscriber.ids == [event["id"]]
    assert await notices.untold() == []


async def test_failing_to_announce_costs_no_webhook(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be told webhooks are taken and delivered once; afterwards it is told."""
    subscription = await gateway.subscribe(subscriber)
    sender, notices = await gateway.integrate(told=False), gateway.runtime.gateway.notices

    async def away(*_: object) -> None:
        raise AwayError

    with monkeypatch.context() as patched:
        patched.setattr(notices, "claim", away)
        patched.setattr(notices, "untold", away)
        ids = [(await gateway.accept(sender, issue(number)))[0] for number in range(5)]
        answer = await gateway.send(sender, incomplete())
        assert answer.json["status"] == "quarantined"
        with capture_logs() as logs:
            await rounds(gateway)
        assert {line["event"] for line in logs} == {"notices.postponed"}

    await heard_of(gateway, ESTABLISHED)
    await heard_of(gateway, QUARANTINED)
    await gateway.quiet(subscription["id"])
    assert sorted(subscriber.ids) == sorted(ids)


async def test_notice_that_cannot_be_told_holds_up_no_other(gateway: Running) -> None:
    """A fault of ours in one is logged each round; the rest is told."""
    notices, now = gateway.runtime.gateway.notices, gateway.runtime.clock.now()
    with capture_logs() as logs:
        await notices.announce(Notice("integration.unknown.happened", "int_1", now - DAY))
        await notices.announce(Notice("integration.sync.completed", "rpl_1", now))
        await heard_of(gateway, "integration.sync.completed")

    assert {line["topic"].split()[0] for line in logs if line["event"] == "notice.crashed"} == {
        "integration.unknown.happened"
    }


async def test_handshakes_and_refused_bodies_establish_nothing(
    start_gateway: StartGateway, tmp_path: Any
) -> None:
    """Only a webhook that was verified and taken counts."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    sender = await gateway.integrate("acme", told=False)

    await gateway.post(sender, b"", [], query="?validationToken=t")
    assert (await gateway.send(sender, acme("hello", challenge="c"))).status == 200
    text = acme("ping").with_headers(Content_Type="text/plain")
    assert (await gateway.send(sender, text)).status == 415
    await rounds(gateway)

    assert await told(gateway) == []
