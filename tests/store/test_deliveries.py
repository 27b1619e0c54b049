"""Lease and record: whose a delivery is, and what is written of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from onehook.store.attempts import AttemptRow, decode, encode
from onehook.store.deliveries import DeliveryStore, Record, parse_state
from onehook.store.events import EventStore
from onehook.store.keys import Keys
from tests.builders import NOW
from tests.store.test_events import AT_ONCE, LEASE, Shelf


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


async def make_due(shelf: Shelf, subscription: str, event_id: str) -> None:
    """Let the time of a queued delivery come."""
    await shelf.client.zadd(shelf.keys.queue(subscription), {event_id: 1}, xx=True)
    await shelf.deliveries.expedite(subscription)


async def test_leased_is_not_due_until_the_lease_ends(shelf: Shelf) -> None:
    """What is leased is nobody else's; it comes due by itself when the lease has ended."""
    event_id = await shelf.commit_one("a", "sub_1")
    first = await shelf.deliveries.lease("sub_1", 9, LEASE)
    assert await shelf.deliveries.lease("sub_1", 9, LEASE) == []
    assert await shelf.deliveries.due() == []

    await make_due(shelf, "sub_1", event_id)

    assert await shelf.deliveries.due() == ["sub_1"]
    second = await shelf.deliveries.lease("sub_1", 9, LEASE)
    assert [one.event_id for one in second] == [event_id]
    assert [first[0].leases, second[0].leases] == [1, 2]


async def test_lease_takes_no_more_than_asked(shelf: Shelf) -> None:
    """A lease takes the oldest, as many as were asked for; the rest stays due."""
    ids = [await shelf.commit_one(name, "sub_1") for name in "abc"]

    leased = await shelf.deliveries.lease("sub_1", 2, LEASE)

    assert [one.event_id for one in leased] == ids[:2]
    assert await shelf.deliveries.due() == ["sub_1"]


async def test_concurrent_leases_never_share(shelf: Shelf) -> None:
    """However many lease at once, each delivery goes to exactly one."""
    ids = [await shelf.commit_one(f"n{n}", "sub_1") for n in range(30)]

    taken = await asyncio.gather(*(shelf.deliveries.lease("sub_1", 2, LEASE) for _ in range(30)))

    assert sorted(one.event_id for some in taken for one in some) == sorted(ids)


async def test_longest_waiting_subscription_is_due_first(shelf: Shelf) -> None:
    """Subscriptions come in the order of their oldest delivery."""
    for name, subscription in (("a", "sub_2"), ("b", "sub_1"), ("c", "sub_3")):
        event_id = await shelf.commit_one(name, subscription)
        await shelf.client.zadd(shelf.keys.due, {subscription: ord(name)})
        assert event_id

    assert await shelf.deliveries.due() == ["sub_2", "sub_1", "sub_3"]
    assert await shelf.deliveries.due(2) == ["sub_2", "sub_1"]


async def test_record_of_success_ends_the_delivery(shelf: Shelf) -> None:
    """A success takes the delivery off the queue and keeps when, how and by which attempt."""
    event_id = await shelf.commit_one("a", "sub_1")
    token = await shelf.lease("sub_1")
    row = AttemptRow(1, NOW, 12, 200, None, None, "https://x", "v1,s", {"a": "b"}, "thanks")

    recorded = await shelf.deliveries.record(
        [
            Record(
                "sub_1", event_id, f"whk_{'a':0>26}", token, "delivered", AT_ONCE, encode(row), 200
            )
        ]
    )

    assert recorded == [True]
    (state,) = await shelf.deliveries.states([event_id])
    found = state["sub_1"]
    assert (found.status, found.attempt_count, found.last_status) == ("delivered", 1, 200)
    assert found.finished_at is not None
    assert abs(found.finished_at - datetime.now(UTC)) < timedelta(minutes=1)
    ((_, fields),) = await shelf.client.xrange(shelf.keys.attempts("sub_1"), *found.attempts * 2)
    assert (fields[b"e"].decode(), decode(fields[b"a"])) == (event_id, row)
    assert await shelf.deliveries.backlog("sub_1") == 0
    assert not await shelf.client.exists(shelf.keys.leases("sub_1"))


async def test_record_of_failure_sets_the_next_moment(shelf: Shelf) -> None:
    """A failure keeps the delivery, due after its delay, with a new count of leases."""
    event_id = await shelf.commit_one("a", "sub_1")
    token = await shelf.lease("sub_1")
    record = shelf.record("a", event_id, "sub_1", token, "again")

    assert await shelf.deliveries.record([record]) == [True]

    (moment,) = await shelf.deliveries.next_moments([("sub_1", event_id)])
    assert moment is not None
    seconds, micros = await shelf.client.time()
    left = moment - datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    assert timedelta(seconds=55) < left <= timedelta(minutes=1)
    await make_due(shelf, "sub_1", event_id)
    (again,) = await shelf.deliveries.lease("sub_1", 1, LEASE)
    assert again.leases == 1


async def test_e5_record_after_the_lease_is_lost(shelf: Shelf) -> None:
    """Who comes after its lease moved on writes nothing; the second worker's record holds."""
    event_id = await shelf.commit_one("a", "sub_1")
    slow = await shelf.lease("sub_1")
    await make_due(shelf, "sub_1", event_id)
    quick = (await shelf.deliveries.lease("sub_1", 1, LEASE + timedelta(seconds=1)))[0].token
    before = await shelf.dump()

    lost = await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", slow, "dead")])

    assert lost == [False]
    assert await shelf.dump() == before
    won = await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", quick, "delivered")])
    assert won == [True]
    after = await shelf.dump()
    lost = await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", slow, "dead")])
    assert lost == [False]
    assert await shelf.dump() == after


@pytest.mark.parametrize("outcome", ["delivered", "again", "dead", "cancelled"])
async def test_d3_record_twice_is_the_same_state(shelf: Shelf, outcome: str) -> None:
    """A record that is repeated, its outcome unknown, changes nothing."""
    event_id = await shelf.commit_one("a", "sub_1", "sub_2")
    record = shelf.record("a", event_id, "sub_1", await shelf.lease("sub_1"), outcome)
    assert await shelf.deliveries.record([record]) == [True]
    before = await shelf.dump()

    assert await shelf.deliveries.record([record]) == [False]

    assert await shelf.dump() == before


async def test_d3_lease_twice_takes_once(shelf: Shelf) -> None:
    """A lease that is repeated, its outcome unknown, takes nothing twice."""
    await shelf.commit_one("a", "sub_1")
    await shelf.lease("sub_1")
    before = await shelf.dump()

    assert await shelf.deliveries.lease("sub_1", 9, LEASE) == []

    assert await shelf.dump() == before


async def test_records_of_a_batch_are_each_judged(shelf: Shelf) -> None:
    """In one batch a lost lease leaves its neighbours recorded."""
    ids = [await shelf.commit_one(name, "sub_1") for name in "abc"]
    leased = await shelf.deliveries.lease("sub_1", 3, LEASE)
    records = [
        shelf.record(name, id_, "sub_1", one.token + (name == "b"), "delivered")
        for name, id_, one in zip("abc", ids, leased, strict=True)
    ]

    assert await shelf.deliveries.record(records) == [True, False, True]

    assert [id_ for id_, _ in await shelf.deliveries.queued("sub_1", 9)] == [ids[1]]


async def test_deliveries_of_one_event_end_each_by_itself(shelf: Shelf) -> None:
    """What one subscription answered is nothing to another."""
    event_id = await shelf.commit_one("a", "sub_1", "sub_2", "sub_3")
    for subscription, outcome in (("sub_1", "delivered"), ("sub_2", "dead")):
        token = await shelf.lease(subscription)
        await shelf.deliveries.record([shelf.record("a", event_id, subscription, token, outcome)])

    (states,) = await shelf.deliveries.states([event_id])

    assert {name: state.status for name, state in states.items()} == {
        "sub_1": "delivered",
        "sub_2": "dead",
        "sub_3": "pending",
    }


async def test_e4_leases_without_a_record_are_counted(shelf: Shelf) -> None:
    """Every lease that ends without a record is counted, until one is recorded."""
    event_id = await shelf.commit_one("a", "sub_1")
    counts = []
    for _ in range(6):
        ((_, token, leases),) = [
            (one.event_id, one.token, one.leases)
            for one in await shelf.deliveries.lease("sub_1", 1, LEASE)
        ]
        counts.append(leases)
        await shelf.client.zadd(shelf.keys.queue("sub_1"), {event_id: 1}, xx=True)

    assert counts == [1, 2, 3, 4, 5, 6]
    assert token


async def test_hold_and_expedite_lose_nothing(shelf: Shelf) -> None:
    """A held queue is not due; expedited it is due as it was."""
    await shelf.commit_one("a", "sub_1")
    await shelf.deliveries.hold("sub_1")
    assert await shelf.deliveries.due() == []

    await shelf.deliveries.expedite("sub_1")

    assert await shelf.deliveries.due() == ["sub_1"]
    assert await shelf.deliveries.backlog("sub_1") == 1


async def test_forget_leaves_nothing_of_the_queue(shelf: Shelf) -> None:
    """Of a deleted subscription neither queue nor leases nor dead letters are left."""
    event_id = await shelf.commit_one("a", "sub_1")
    token = await shelf.lease("sub_1")
    await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", token, "dead")])

    await shelf.deliveries.forget("sub_1")

    names = shelf.keys
    left = (names.queue("sub_1"), names.leases("sub_1"), names.dead("sub_1"))
    assert await shelf.client.exists(*left) == 0


def test_states_are_read_as_they_are_written() -> None:
    """A field of the deliveries hash is read part by part."""
    found = parse_state("dead|3|1764000000000|500|status|1-0,2-0,3-0")

    assert (found.status, found.attempt_count, found.last_status) == ("dead", 3, 500)
    assert found.finished_at == datetime(2025, 11, 24, 16, 0, tzinfo=UTC)
    assert (found.last_error, found.attempts) == ("status", ("1-0", "2-0", "3-0"))
    assert parse_state("pending|0||||").attempts == ()


async def test_stores_of_two_prefixes_do_not_meet(client: Redis, keys: Keys) -> None:
    """Two gateways with different key prefixes share a server and nothing else."""
    mine, theirs = Shelf(client, keys), Shelf(client, Keys(f"{keys.prefix}x"))
    assert isinstance(mine.events, EventStore)
    assert isinstance(theirs.deliveries, DeliveryStore)
    await mine.commit_one("a", "sub_1")

    assert await theirs.deliveries.due() == []
    assert await theirs.events.index(since=None, until=None, before=None, count=9) == []
