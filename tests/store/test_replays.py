"""Replays in the store: what is made due anew, how far a bulk replay is, and whose it is."""

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from onehook.core.model import DEFAULT_TENANT
from onehook.store.keys import Keys
from onehook.store.replays import Place, ReplaySpec, ReplayStore, Step, ToReplay
from tests.builders import NOW
from tests.store.test_deliveries import make_due
from tests.store.test_events import KEEP, LEASE, Shelf

SPEC = ReplaySpec(id=f"rpl_{'1' * 26}", until=NOW, created_at=NOW)
COUNT, QUEUE = Place("count"), Place("queue")


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


@pytest.fixture
def replays(client: Redis, keys: Keys) -> ReplayStore:
    """Replays in that store."""
    return ReplayStore(client, keys, KEEP)  # type: ignore[arg-type]


def item(
    name: str,
    event_id: str,
    subscription: str = "sub_1",
    *,
    held: bool = False,
    hurry: bool = False,
) -> ToReplay:
    """A delivery of the webhook of that *name*, to be made again."""
    webhook_id = f"whk_{name:0>26}"
    return ToReplay(subscription, event_id, webhook_id, "scm.commit.pushed", "int_1", held, hurry)


async def end(shelf: Shelf, name: str, event_id: str, outcome: str, sub: str = "sub_1") -> None:
    """Attempt a delivery, with that outcome."""
    token = await shelf.lease(sub)
    assert await shelf.deliveries.record([shelf.record(name, event_id, sub, token, outcome)])


async def state_of(shelf: Shelf, event_id: str, sub: str = "sub_1") -> tuple[str, int]:
    """Status and attempts of a delivery."""
    (states,) = await shelf.deliveries.states([event_id])
    return states[sub].status, states[sub].attempt_count


# -- one by one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["delivered", "dead"])
async def test_what_ended_is_due_again(shelf: Shelf, replays: ReplayStore, outcome: str) -> None:
    """A delivery that ended is pending again, keeps its history, and nothing of it expires."""
    event_id = await shelf.commit_one("a", "sub_1")
    await end(shelf, "a", event_id, outcome)

    assert await replays.replay([item("a", event_id)]) == ["queued"]

    assert await state_of(shelf, event_id) == ("pending", 1)
    assert await shelf.deliveries.due() == ["sub_1"]
    for key in (
        shelf.keys.event(event_id),
        shelf.keys.deliveries(event_id),
        shelf.keys.native(f"whk_{'a':0>26}"),
    ):
        assert await shelf.ttl(key) == -1
    assert await shelf.client.zcard(shelf.keys.dead("sub_1")) == 0
    (one,) = await shelf.deliveries.lease("sub_1", 9, LEASE)
    assert (one.event_id, one.attempts, one.replay) == (event_id, 0, True)


async def test_replay_has_the_whole_schedule_before_it(shelf: Shelf, replays: ReplayStore) -> None:
    """Attempts made before a replay do not count towards its end; the history has them all."""
    event_id = await shelf.commit_one("a", "sub_1")
    for outcome in ("again", "again", "dead"):
        await make_due(shelf, "sub_1", event_id)
        await end(shelf, "a", event_id, outcome)
    await replays.replay([item("a", event_id)])

    seen = []
    for outcome in ("again", "again", "delivered"):
        await make_due(shelf, "sub_1", event_id)
        (one,) = await shelf.deliveries.lease("sub_1", 1, LEASE)
        seen.append((one.attempts, one.replay))
        record = shelf.record("a", event_id, "sub_1", one.token, outcome)
        assert await shelf.deliveries.record([record]) == [True]

    assert seen == [(0, True), (1, True), (2, True)]
    assert await state_of(shelf, event_id) == ("delivered", 6)
    assert not await shelf.client.exists(shelf.keys.leases("sub_1"))


async def test_first_delivery_is_no_replay(shelf: Shelf) -> None:
    """What was never delivered before is not marked."""
    await shelf.commit_one("a", "sub_1")

    (one,) = await shelf.deliveries.lease("sub_1", 1, LEASE)

    assert one.replay is False


async def test_d3_replay_twice_is_the_same_state(shelf: Shelf, replays: ReplayStore) -> None:
    """A replay that is repeated, its outcome unknown, finds the delivery pending."""
    event_id = await shelf.commit_one("a", "sub_1", "sub_2")
    await end(shelf, "a", event_id, "delivered")
    await replays.replay([item("a", event_id)])
    before = await shelf.dump()

    assert await replays.replay([item("a", event_id)]) == ["pending"]

    assert await shelf.dump() == before


async def test_g8_pending_stays_and_expired_is_gone(shelf: Shelf, replays: ReplayStore) -> None:
    """What is on its way is left alone; what expired, or was cancelled, is not made again."""
    waiting = await shelf.commit_one("a", "sub_1")
    expired = await shelf.commit_one("b", "sub_2")
    await end(shelf, "b", expired, "delivered", "sub_2")
    await shelf.client.delete(shelf.keys.event(expired))
    cancelled = await shelf.commit_one("c", "sub_3")
    await end(shelf, "c", cancelled, "cancelled", "sub_3")
    before = await shelf.dump()

    outcomes = await replays.replay(
        [item("a", waiting), item("b", expired, "sub_2"), item("c", cancelled, "sub_3")]
    )

    assert outcomes == ["pending", "gone", "cancelled"]
    assert await shelf.dump() == before


async def test_hurry_brings_a_retry_forward(shelf: Shelf, replays: ReplayStore) -> None:
    """A delivery that waits for its retry is due now, and has lost no attempt."""
    event_id = await shelf.commit_one("a", "sub_1")
    await end(shelf, "a", event_id, "again")
    assert await shelf.deliveries.due() == []

    assert await replays.replay([item("a", event_id, hurry=True)]) == ["hurried"]

    assert await shelf.deliveries.due() == ["sub_1"]
    (one,) = await shelf.deliveries.lease("sub_1", 1, LEASE)
    assert (one.attempts, one.replay) == (1, False)


async def test_hurry_leaves_what_is_being_attempted(shelf: Shelf, replays: ReplayStore) -> None:
    """A lease, of a worker or of a commit, is not broken by anybody's haste."""
    leased = await shelf.commit_one("a", "sub_1")
    token = await shelf.lease("sub_1")
    committed = await shelf.commit_one("b", "sub_2", lease=LEASE)
    retried = await shelf.commit_one("c", "sub_3")
    await end(shelf, "c", retried, "delivered", "sub_3")
    await replays.replay([item("c", retried, "sub_3")])
    await shelf.lease("sub_3")
    before = await shelf.dump()

    outcomes = await replays.replay(
        [
            item("a", leased, hurry=True),
            item("b", committed, "sub_2", hurry=True),
            item("c", retried, "sub_3", hurry=True),
        ]
    )

    assert outcomes == ["pending"] * 3
    assert await shelf.dump() == before
    record = shelf.record("a", leased, "sub_1", token, "delivered")
    assert await shelf.deliveries.record([record]) == [True]


async def test_held_subscription_gets_it_when_it_goes_on(
    shelf: Shelf, replays: ReplayStore
) -> None:
    """A replay to a paused subscription queues, and is not due."""
    event_id = await shelf.commit_one("a", "sub_1")
    await end(shelf, "a", event_id, "delivered")

    assert await replays.replay([item("a", event_id, held=True)]) == ["queued"]

    assert await shelf.deliveries.due() == []
    assert await shelf.deliveries.backlog("sub_1") == 1


async def test_somebody_new_gets_what_it_never_got(shelf: Shelf, replays: ReplayStore) -> None:
    """A delivery that was never made is made, listed, and ends like any other."""
    event_id = await shelf.commit_one("a")
    assert await shelf.ttl(shelf.keys.event(event_id)) == 7

    assert await replays.replay([item("a", event_id, "sub_9")]) == ["queued"]

    assert await state_of(shelf, event_id, "sub_9") == ("pending", 0)
    assert await shelf.ttl(shelf.keys.event(event_id)) == -1
    (entry,) = await shelf.deliveries.log("sub_9", since=None, until=None, before=None, count=9)
    assert (entry.event_id, entry.type, entry.integration_id) == (
        event_id,
        "scm.commit.pushed",
        "int_1",
    )
    assert await shelf.deliveries.made_at(event_id) is not None
    await end(shelf, "a", event_id, "delivered", "sub_9")
    assert await shelf.ttl(shelf.keys.event(event_id)) == 7
    assert await shelf.ttl(shelf.keys.native(f"whk_{'a':0>26}")) == 3


async def test_native_outlives_the_replay_of_one_of_its_events(
    shelf: Shelf, replays: ReplayStore
) -> None:
    """A webhook of two events is kept until the replayed one and the other have ended."""
    webhook = shelf.webhook("a", "sub_1", events=2)
    await shelf.events.commit([webhook])
    one, two = (event.id for event in webhook.events)
    leased = {x.event_id: x.token for x in await shelf.deliveries.lease("sub_1", 2, LEASE)}
    native = shelf.keys.native(webhook.receipt.webhook_id)
    await shelf.deliveries.record([shelf.record("a", one, "sub_1", leased[one], "delivered")])
    await replays.replay([item("a", one)])

    await end(shelf, "a", one, "delivered")
    assert await shelf.ttl(native) == -1
    await shelf.deliveries.record([shelf.record("a", two, "sub_1", leased[two], "delivered")])
    assert await shelf.ttl(native) == 3


# -- in bulk --------------------------------------------------------------------------------------


def step(start: Place, to: Place, runner: str = "me", **counts: int) -> Step:
    """A step of `SPEC`."""
    return Step(SPEC.id, runner, start, to, **counts)


async def test_step_moves_on_with_what_it_did(shelf: Shelf, replays: ReplayStore) -> None:
    """A step makes deliveries due, counts them, and says where the replay stands."""
    ids = {name: await shelf.commit_one(name, "sub_1") for name in "abc"}
    for name in "ab":
        (one,) = await shelf.deliveries.lease("sub_1", 1, LEASE)
        assert one.event_id == ids[name]
        await shelf.deliveries.record(
            [shelf.record(name, one.event_id, "sub_1", one.token, "delivered")]
        )
    await replays.create(SPEC)
    assert await replays.claim(SPEC.id, "me", LEASE)
    items = [item(name, id_) for name, id_ in ids.items()]

    assert await replays.step(step(COUNT, QUEUE, matched=3), (), LEASE) == []
    outcomes = await replays.step(step(QUEUE, Place("finish"), skipped=1), items, LEASE)

    assert outcomes == ["queued", "queued", "pending"]
    found = await replays.find(SPEC.id)
    assert found is not None
    assert (found.spec, found.status, found.place) == (SPEC, "running", Place("finish"))
    assert (found.matched, found.queued, found.skipped) == (3, 2, 2)
    assert found.finished_at is not None
    assert abs(found.finished_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_d3_step_twice_is_stopped(shelf: Shelf, replays: ReplayStore) -> None:
    """A step that is repeated, also by another runner, writes nothing."""
    event_id = await shelf.commit_one("a", "sub_1")
    await end(shelf, "a", event_id, "delivered")
    await replays.create(SPEC)
    await replays.claim(SPEC.id, "me", LEASE)
    one = step(COUNT, QUEUE)
    assert await replays.step(one, [item("a", event_id)], LEASE) == ["queued"]
    await end(shelf, "a", event_id, "delivered")
    before = await shelf.dump()

    assert await replays.step(one, [item("a", event_id)], LEASE) is None
    other = step(QUEUE, Place("finish"), runner="other")
    assert await replays.step(other, [item("a", event_id)], LEASE) is None

    assert await shelf.dump() == before


async def test_one_runner_at_a_time(shelf: Shelf, replays: ReplayStore) -> None:
    """A replay is one runner's until its time is over or it gives it back."""
    await replays.create(SPEC)
    assert await replays.claim(SPEC.id, "me", LEASE)
    assert await replays.claim(SPEC.id, "me", LEASE)
    assert not await replays.claim(SPEC.id, "other", LEASE)

    await shelf.client.hset(shelf.keys.replay(SPEC.id), "until", 1)  # I died
    assert await replays.claim(SPEC.id, "other", LEASE)
    assert not await replays.claim(SPEC.id, "me", LEASE)

    assert await replays.claim(SPEC.id, "other", timedelta(0))
    assert await replays.claim(SPEC.id, "me", LEASE)
    assert not await replays.claim("rpl_none", "me", LEASE)
    assert not await shelf.client.exists(shelf.keys.replay("rpl_none"))


@pytest.mark.parametrize(("first", "second"), [("done", "cancelled"), ("cancelled", "done")])
async def test_first_end_holds(shelf: Shelf, replays: ReplayStore, first: str, second: str) -> None:
    """Whoever ends a replay first is right, and no step follows; closed, time takes it."""
    await replays.create(SPEC)
    await replays.claim(SPEC.id, "me", LEASE)

    assert await replays.end(SPEC.id, first) == first  # type: ignore[arg-type]
    assert await replays.end(SPEC.id, second) == first  # type: ignore[arg-type]
    assert await replays.end("rpl_none", "done") == "gone"

    assert await replays.step(step(COUNT, QUEUE), (), LEASE) is None
    assert await replays.open() == [(DEFAULT_TENANT, SPEC.id)]
    await replays.close(SPEC.id)
    assert await replays.open() == []
    assert await shelf.ttl(shelf.keys.replay(SPEC.id)) == 30
    assert [one.spec.id for one in await replays.listing(None, 9)] == [SPEC.id]


async def test_withdrawn_deliveries_are_what_they_were(shelf: Shelf, replays: ReplayStore) -> None:
    """What a cancelled replay had queued is delivered, dead or unmade again, as before it."""
    for name, outcome in (("a", "delivered"), ("b", "dead")):
        event_id = await shelf.commit_one(name, "sub_1")
        await end(shelf, name, event_id, outcome)
    unmade = await shelf.commit_one("c")
    ids = [f"evt_{f'{name}0':0>26}" for name in "abc"]
    assert ids[2] == unmade
    watched = [shelf.keys.dead("sub_1"), *map(shelf.keys.deliveries, ids[:2])]
    before = [await shelf.client.dump(key) for key in watched]
    expiry = [await shelf.ttl(shelf.keys.event(id_)) for id_ in ids]
    await replays.create(SPEC)
    await replays.claim(SPEC.id, "me", LEASE)
    items = [item(name, id_) for name, id_ in zip("abc", ids, strict=True)]
    assert await replays.step(step(COUNT, QUEUE), items, LEASE) == ["queued"] * 3

    assert await replays.withdraw(SPEC.id, "sub_1") == 3

    assert await shelf.deliveries.backlog("sub_1") == 0
    assert [await shelf.client.dump(key) for key in watched] == before
    assert await shelf.deliveries.states([unmade]) == [{}]
    assert [await shelf.ttl(shelf.keys.event(id_)) for id_ in ids] == expiry
    assert not await shelf.client.exists(shelf.keys.leases("sub_1"))
    found = await replays.find(SPEC.id)
    assert found is not None
    assert found.queued == 0
    assert await replays.withdraw(SPEC.id, "sub_1") == 0


async def test_withdrawal_leaves_what_is_attempted_or_others(
    shelf: Shelf, replays: ReplayStore
) -> None:
    """What is being attempted ends by itself; what others asked for stays."""
    ids = {name: await shelf.commit_one(name, "sub_1") for name in "abc"}
    for name, id_ in ids.items():
        await end(shelf, name, id_, "delivered")
    await replays.create(SPEC)
    await replays.claim(SPEC.id, "me", LEASE)
    await replays.step(step(COUNT, QUEUE), [item("a", ids["a"]), item("b", ids["b"])], LEASE)
    leased = await shelf.deliveries.lease("sub_1", 2, LEASE)
    tokens = {one.event_id: one.token for one in leased}
    failed = shelf.record("b", ids["b"], "sub_1", tokens[ids["b"]], "again")
    await shelf.deliveries.record([failed])
    await replays.replay([item("c", ids["c"])])

    assert await replays.withdraw(SPEC.id, "sub_1") == 1

    assert await state_of(shelf, ids["a"]) == ("pending", 1)
    assert await state_of(shelf, ids["b"]) == ("delivered", 2)  # the failed attempt is history
    assert await state_of(shelf, ids["c"]) == ("pending", 1)
    last = shelf.record("a", ids["a"], "sub_1", tokens[ids["a"]], "delivered")
    assert await shelf.deliveries.record([last]) == [True]


@pytest.mark.parametrize("text", ["count ", "count 12-0", "queue ", "queue 1-2", "finish "])
def test_places_come_back(text: str) -> None:
    """A place is read as it was written."""
    assert str(Place.parse(text)) == text
