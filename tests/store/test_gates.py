"""The gate of a subscription: breaker, rate, order, backlog, and who goes first."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.core.flow import (
    BREAKER_AFTER,
    CLEAR,
    FIRST_PROBE,
    LONGEST_PROBE,
    Breaker,
    Flow,
    RateLimit,
)
from onehook.core.retry import PRESETS
from onehook.store.deliveries import Record
from onehook.store.events import Limits
from onehook.store.keys import Keys
from tests.store.gates import SUB, Queue
from tests.store.test_events import LEASE, Shelf

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


@pytest.fixture
def queue(shelf: Shelf) -> Queue:
    """A plain subscription."""
    return Queue(shelf)


def names(count: int, first: int = 0) -> list[str]:
    """Names of webhooks, in order."""
    return [f"n{number:03}" for number in range(first, first + count)]


async def open_breaker(queue: Queue) -> None:
    """Let ten attempts fail; five more deliveries wait, none of them attempted."""
    await queue.commit(*names(BREAKER_AFTER + 5))
    for one in (await queue.lease(BREAKER_AFTER)).values():
        await queue.end(one, "again")


# -- the breaker ----------------------------------------------------------------------------------


async def test_g5_nine_failures_change_nothing_the_tenth_opens(queue: Queue) -> None:
    """The circuit opens after ten failed attempts in a row; then nothing is leased."""
    await queue.commit(*names(16))
    leased = list((await queue.lease(10)).values())
    for one in leased[:9]:
        gate = await queue.end(one, "again")
    assert (gate.breaker, gate.failed) == (Breaker.CLOSED, 9)
    assert len(await queue.lease(1)) == 1

    gate = await queue.end(leased[9], "again")

    assert (gate.breaker, gate.failed, gate.used_up) == (Breaker.OPEN, 10, 0)
    assert gate == await queue.gate()
    assert await queue.lease() == {}
    assert not await queue.is_due()
    assert FIRST_PROBE - SECOND < timedelta(seconds=await queue.due_in() or 0) <= FIRST_PROBE


async def test_g5_a_success_between_starts_the_count_anew(queue: Queue) -> None:
    """Sporadic failures never open it, however many they are."""
    await queue.commit(*names(60))
    for _ in range(3):
        for _ in range(9):
            await queue.attempt("again")
        assert await queue.attempt("delivered") == CLEAR
        assert not await queue.shelf.client.exists(queue.shelf.keys.gate(SUB))


async def test_g5_one_probe_at_a_time_and_the_rest_waits(queue: Queue) -> None:
    """When its moment comes one delivery is leased, however often and for how many one asks."""
    await open_breaker(queue)
    await queue.pass_time(FIRST_PROBE)
    await queue.shelf.deliveries.expedite(SUB)

    probe = await queue.lease(16)

    assert len(probe) == 1
    assert (await queue.gate()).breaker is Breaker.PROBING
    assert await queue.lease(16) == {}
    assert not await queue.is_due()


async def test_g5_probes_back_off_to_five_minutes(queue: Queue) -> None:
    """Each failed probe doubles the wait: 5 s, 10 s, 20 s … 5 m."""
    await open_breaker(queue)
    await queue.lease()
    waits = []
    for number in range(9):
        waits.append(round(await queue.due_in() or 0))
        await queue.pass_time(LONGEST_PROBE)
        await queue.commit(f"late{number}")
        gate = await queue.attempt("again")
        assert gate.breaker is Breaker.OPEN

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert timedelta(seconds=waits[-1]) == LONGEST_PROBE


async def test_g5_waiting_costs_no_attempt(queue: Queue) -> None:
    """Whatever waits while the circuit is open keeps all of its attempts."""
    await open_breaker(queue)
    for _ in range(4):
        await queue.pass_time(LONGEST_PROBE)
        await queue.attempt("again")
    await queue.pass_time(LONGEST_PROBE)
    await queue.attempt("delivered")

    await queue.pass_time(timedelta(hours=1))
    leased = await queue.lease(16)

    untried = [name for name, one in leased.items() if one.attempts == 0]
    assert untried == names(5, BREAKER_AFTER)  # probes went with what had failed before


async def test_g5_the_first_success_closes_and_the_rest_is_due(queue: Queue) -> None:
    """After it nothing is held back any more."""
    await open_breaker(queue)
    await queue.pass_time(2 * MINUTE)

    assert await queue.attempt("delivered") == CLEAR

    assert await queue.is_due()
    assert len(await queue.lease(16)) == BREAKER_AFTER + 4


async def test_g5_a_success_of_what_was_in_flight_closes_too(queue: Queue) -> None:
    """An attempt that began before the circuit opened is as good a proof as a probe."""
    await queue.commit(*names(12))
    leased = list((await queue.lease(11)).values())
    for one in leased[:10]:
        await queue.end(one, "again")

    assert await queue.end(leased[10], "delivered") == CLEAR

    assert await queue.is_due()


async def test_g5_a_failure_in_flight_does_not_put_the_probe_off(queue: Queue) -> None:
    """Attempts that began before the circuit opened count, and move nothing."""
    await queue.commit(*names(13))
    leased = list((await queue.lease(13)).values())
    gates = [await queue.end(one, "again") for one in leased]

    assert [gate.failed for gate in gates] == list(range(1, 14))
    assert len({gate.held_until for gate in gates[9:]}) == 1


async def test_e4_a_probe_that_never_comes_back_is_replaced(queue: Queue) -> None:
    """If the worker dies with the probe, its lease runs out and there is another one."""
    await open_breaker(queue)
    await queue.pass_time(2 * MINUTE)
    first = await queue.lease()

    await queue.pass_time(LEASE - SECOND)
    assert await queue.lease() == {}
    await queue.pass_time(SECOND)
    second = await queue.lease()

    assert list(first) == list(second)
    assert [one.leases for one in second.values()] == [2]


async def test_a_probe_that_is_handed_back_leaves_the_circuit_open(queue: Queue) -> None:
    """It was not attempted, so nothing is known: the next probe may go at once."""
    await open_breaker(queue)
    await queue.pass_time(2 * MINUTE)
    (probe,) = (await queue.lease()).values()

    gate = await queue.end(probe, "again", attempted=False)

    assert (gate.breaker, gate.failed) == (Breaker.OPEN, 10)
    assert len(await queue.lease()) == 1


async def test_e5_a_stale_record_does_not_touch_the_gate(queue: Queue) -> None:
    """Whose lease ran out says nothing about the subscriber any more."""
    await open_breaker(queue)
    await queue.pass_time(2 * MINUTE)
    (slow,) = (await queue.lease()).values()
    await queue.pass_time(LEASE)
    await queue.shelf.deliveries.lease(SUB, 1, LEASE + SECOND)
    before = await queue.shelf.dump()

    (found,) = await queue.shelf.deliveries.record_attempts([queue.record(slow, "delivered")])

    assert not found.kept
    assert await queue.shelf.dump() == before


@pytest.mark.parametrize("outcome", ["delivered", "again", "dead"])
async def test_d3_a_repeated_record_counts_once(queue: Queue, outcome: str) -> None:
    """A record whose outcome was unknown is sent again; the gate has it once."""
    await open_breaker(queue)
    await queue.pass_time(2 * MINUTE)
    (probe,) = (await queue.lease()).values()
    await queue.end(probe, outcome)
    before = await queue.shelf.dump()

    (found,) = await queue.shelf.deliveries.record_attempts([queue.record(probe, outcome)])

    assert not found.kept
    assert await queue.shelf.dump() == before


async def test_g5_deliveries_that_used_up_their_attempts_are_counted(queue: Queue) -> None:
    """In a row; what was never attempted is not one of them, and a success ends the row."""
    await queue.commit(*names(8))
    assert (await queue.attempt("dead")).used_up == 1
    assert (await queue.attempt("again")).used_up == 1
    assert (await queue.attempt("dead", attempted=False)).used_up == 1  # poison, expired
    assert (await queue.attempt("dead")).used_up == 2
    assert await queue.attempt("delivered") == CLEAR
    assert (await queue.attempt("dead")).used_up == 1


async def test_records_of_one_batch_count_each(queue: Queue) -> None:
    """Ten failures in one script open the circuit; the answers show how it went."""
    await queue.commit(*names(12))
    leased = (await queue.lease(12)).values()

    found = await queue.shelf.deliveries.record_attempts(
        [queue.record(one, "again") for one in leased]
    )

    assert [one.gate.failed for one in found] == list(range(1, 13))
    assert [one.gate.breaker for one in found] == [Breaker.CLOSED] * 9 + [Breaker.OPEN] * 3


async def test_a_commit_leases_nothing_past_an_open_breaker(queue: Queue) -> None:
    """Another gateway may not know yet that it is open: the commit tells, and makes no lease."""
    await open_breaker(queue)
    await queue.lease()

    commit = await queue.commit("late", lease=LEASE)

    (late,) = [event_id for event_id, name in queue.names.items() if name == "late"]
    assert commit.refused == {(SUB, late)}
    assert not await queue.is_due()
    await queue.pass_time(2 * MINUTE)
    assert "late" not in await queue.lease()  # the probe is another one
    await queue.pass_time(LEASE)
    await queue.attempt("delivered")
    assert (await queue.lease())["late"].attempts == 0


async def test_a_commit_leases_past_a_clear_gate(queue: Queue) -> None:
    """Nine failures in a row are none of the next delivery's business."""
    await queue.commit(*names(9))
    for _ in range(9):
        await queue.attempt("again")

    commit = await queue.commit("next", lease=LEASE)

    assert commit.refused == frozenset()
    assert "next" not in await queue.lease()


async def test_gates_of_two_subscriptions_are_apart(shelf: Shelf) -> None:
    """One that fails opens its own circuit and nobody else's."""
    ill, well = Queue(shelf), Queue(shelf, id_="sub_2")
    await open_breaker(ill)

    commit = await well.commit("w", lease=LEASE)

    assert commit.refused == frozenset()
    assert await well.gate() == CLEAR


# -- held for a while -----------------------------------------------------------------------------


async def test_g4_a_subscriber_that_asks_for_time_gets_it(queue: Queue) -> None:
    """Nothing of the subscription is leased before the moment, by queue or by commit."""
    await queue.commit(*names(5))
    one, other, *_ = (await queue.lease(2)).values()

    gate = await queue.end(one, "again", hold=10 * MINUTE)
    assert gate.breaker is Breaker.CLOSED
    assert gate.held_until is not None
    commit = await queue.commit("late", lease=LEASE)

    assert len(commit.refused) == 1
    assert await queue.lease() == {}
    assert (await queue.end(other, "delivered")).held_until == gate.held_until
    await queue.pass_time(10 * MINUTE - SECOND)
    assert await queue.lease() == {}
    await queue.pass_time(SECOND)
    leased = await queue.lease()
    assert {name for name, found in leased.items() if not found.attempts} == {
        *names(3, 2),
        "late",
    }


async def test_g4_the_longest_wait_holds(queue: Queue) -> None:
    """A shorter wait that is asked for later does not end a longer one."""
    await queue.commit("a", "b")
    one, other = (await queue.lease(2)).values()
    longer = await queue.end(one, "again", hold=10 * MINUTE)

    assert (await queue.end(other, "again", hold=SECOND)).held_until == longer.held_until


async def test_g6_resume_lets_one_go_first(queue: Queue) -> None:
    """Failures and waits are forgotten; the first success lets go the rest."""
    await open_breaker(queue)
    for one in (await queue.lease()).values():
        await queue.end(one, "again", hold=HOUR)
    await queue.shelf.deliveries.hold(SUB)

    await queue.shelf.deliveries.resume(SUB)

    assert await queue.is_due()
    assert (await queue.gate()).failed == 0
    (probe,) = (await queue.lease(16)).values()
    assert await queue.lease(16) == {}
    assert await queue.end(probe, "delivered") == CLEAR
    assert len(await queue.lease(16)) == 4  # retries keep their moments


async def test_resume_of_an_empty_queue_is_closed(queue: Queue) -> None:
    """There is nothing to go first."""
    await queue.shelf.deliveries.resume(SUB)

    assert await queue.gate() == CLEAR
    assert await queue.due_in() is None


# -- who goes first -------------------------------------------------------------------------------


async def test_first_attempts_are_not_held_up_by_retries(queue: Queue) -> None:
    """With hundreds of retries due, what is new goes three times out of four."""
    await queue.commit(*names(100))
    for _ in range(10):  # a success in between, or the breaker would open
        leased = list((await queue.lease(10)).values())
        for one in leased[:9]:
            await queue.end(one, "again")
        await queue.end(leased[9], "delivered")
    await queue.pass_time(HOUR)
    new = names(30, 200)
    await queue.commit(*new)

    order = [name for _ in range(40) for name in await queue.lease(1)]

    assert [name for name in order if name in new] == new
    assert all(sum(name in new for name in order[at : at + 4]) == 3 for at in range(0, 40, 4))


async def test_retries_take_no_more_than_their_share(queue: Queue) -> None:
    """Who asks for fewer retries gets fewer, and first attempts fill the rest."""
    await queue.commit(*names(9))
    for one in (await queue.lease(9)).values():
        await queue.end(one, "again")
    await queue.pass_time(HOUR)
    assert await queue.lease(16, retries=0) == {}
    assert len(await queue.lease(16, retries=4)) == 4
    await queue.commit(*names(20, 100))

    leased = await queue.lease(16, retries=3)

    assert sum(one.attempts > 0 for one in leased.values()) == 3
    assert len(leased) == 16


async def test_what_a_crash_left_goes_first(queue: Queue) -> None:
    """A lease that ran out was due before everything that came since."""
    await queue.commit("a", "b")
    await queue.lease(2)
    await queue.pass_time(LEASE)
    await queue.commit("c")

    assert list(await queue.lease(2)) == ["a", "b"]


async def test_a_handed_back_first_attempt_is_none_of_the_retries(queue: Queue) -> None:
    """It was leased and not attempted: it still is a first attempt."""
    await queue.commit("a")
    await queue.attempt("again", attempted=False)

    assert list(await queue.lease(1, retries=0)) == ["a"]


@pytest.mark.parametrize("name", PRESETS)
async def test_g3_no_step_of_a_preset_is_leased_early(queue: Queue, name: str) -> None:
    """A queue aged to a second before each step leases nothing, by the store's own time."""
    await queue.commit("a")
    for delay in PRESETS[name].delays:
        (one,) = (await queue.lease()).values()
        record = queue.record(one, "again")
        fields = {field: getattr(record, field) for field in record.__slots__}
        await queue.shelf.deliveries.record([Record(**{**fields, "delay": delay})])
        await queue.pass_time(delay - SECOND)
        assert await queue.lease() == {}
        assert not await queue.is_due()
        await queue.pass_time(SECOND)
    assert len(await queue.lease()) == 1


# -- the rate -------------------------------------------------------------------------------------


def limited(shelf: Shelf, per_minute: int, burst: int) -> Queue:
    """A subscription with a rate limit."""
    return Queue(shelf, Flow(rate_limit=RateLimit(per_minute, burst)))


async def test_g7_a_burst_and_then_the_rate(shelf: Shelf) -> None:
    """A full bucket gives its burst, then as many as time brings."""
    queue = limited(shelf, 6, 3)
    await queue.commit(*names(20))

    leased = await queue.lease()
    assert list(leased) == names(3)
    assert await queue.lease() == {}
    assert 9 < (await queue.due_in() or 0) <= 10
    for number in range(3, 6):
        for one in leased.values():
            await queue.end(one, "delivered")
        await queue.pass_time(9 * SECOND)
        assert await queue.lease() == {}
        await queue.pass_time(SECOND)
        leased = await queue.lease()
        assert list(leased) == names(1, number)


async def test_g7_no_token_is_lost_to_an_idle_queue(shelf: Shelf) -> None:
    """Looking for work costs nothing, and the bucket never holds more than its burst."""
    queue = limited(shelf, 60, 5)
    for _ in range(10):
        assert await queue.lease() == {}
    await queue.commit(*names(3))
    assert len(await queue.lease()) == 3
    await queue.pass_time(HOUR)
    await queue.commit(*names(30, 100))

    assert len(await queue.lease()) == 5


async def test_g7_the_bucket_is_one_for_all_gateways(shelf: Shelf, client: Redis) -> None:
    """Two stores of two processes share it to the last token."""
    one, two = limited(shelf, 60, 7), limited(Shelf(client, shelf.keys), 60, 7)
    await one.commit(*names(20))
    two.names = one.names

    got = [len(await queue.lease(2)) for queue in (one, two, one, two, one)]

    assert got == [2, 2, 2, 1, 0]


async def test_g7_rates_that_divide_badly_are_exact(shelf: Shelf) -> None:
    """Seven a minute are seven in each minute, also after a hundred of them."""
    queue = limited(shelf, 7, 2)
    await queue.commit(*names(10))
    assert len(await queue.lease()) == 2
    given = 0
    for _ in range(240):
        await queue.pass_time(5 * SECOND)
        given += len(await queue.lease(1))  # whatever ran out is leased again

    assert 139 <= given <= 141  # 20 minutes, and the moments that the test itself took


async def test_g7_what_was_not_attempted_gives_its_token_back(shelf: Shelf) -> None:
    """A delivery that is handed back took nothing from the rate."""
    queue = limited(shelf, 1, 2)
    await queue.commit(*names(5))
    leased = await queue.lease()
    for one in leased.values():
        await queue.end(one, "again", attempted=False)

    assert len(await queue.lease()) == 2


async def test_g7_a_commit_leaves_an_empty_bucket_alone(shelf: Shelf) -> None:
    """A new event does not have the queue looked at before the next token."""
    queue = limited(shelf, 6, 1)
    await queue.commit("a", "b")
    await queue.lease()
    await queue.lease()

    await queue.commit("c")

    assert not await queue.is_due()
    assert 8 < (await queue.due_in() or 0) <= 10


async def test_g7_a_changed_limit_holds_at_once(shelf: Shelf) -> None:
    """What the bucket held under an earlier limit counts up to the new burst."""
    queue = limited(shelf, 60, 100)
    await queue.commit(*names(200))
    await queue.lease(10)

    queue.flow = Flow(rate_limit=RateLimit(60, 5))

    assert len(await queue.lease(50)) == 5


async def test_d3_looking_twice_changes_nothing(shelf: Shelf) -> None:
    """A lease that was refused by the rate leaves everything as the first look left it."""
    queue = limited(shelf, 6, 1)
    await queue.commit("a", "b")
    await queue.lease()
    await queue.lease()
    before = await shelf.dump()

    assert await queue.lease() == {}

    assert await shelf.dump() == before


# -- in flight ------------------------------------------------------------------------------------


async def test_concurrency_counts_what_every_gateway_has_in_flight(shelf: Shelf) -> None:
    """Leases of all are counted, until they are recorded or run out."""
    queue = Queue(shelf, Flow(concurrency=3))
    await queue.commit(*names(10))

    first = await queue.lease(2)
    assert len(await queue.lease(16)) == 1
    assert await queue.lease(16) == {}
    await queue.end(next(iter(first.values())), "again")
    assert len(await queue.lease(16)) == 1
    await queue.pass_time(LEASE)
    assert len(await queue.lease(16)) == 3


# -- order ----------------------------------------------------------------------------------------


def ordered(shelf: Shelf) -> Queue:
    """A subscription that wants events about one thing in order."""
    return Queue(shelf, Flow(ordered=True))


async def test_only_the_first_of_a_thing_is_on_its_way(shelf: Shelf) -> None:
    """The others wait, in one batch and in several; other things flow past."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A")
    await queue.commit("a3", key="A")
    await queue.commit("b1", key="B")
    await queue.commit("free")

    assert list(await queue.lease()) == ["a1", "b1", "free"]
    assert await queue.lease() == {}
    assert await shelf.deliveries.backlog(SUB) == 5


async def test_the_next_goes_when_the_one_before_has_ended(shelf: Shelf) -> None:
    """Delivered, dead or cancelled: what comes after it is due."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", "a3", "a4", key="A")
    for name, outcome in (("a1", "delivered"), ("a2", "dead"), ("a3", "cancelled")):
        leased = await queue.lease()
        assert list(leased) == [name]
        await queue.end(leased[name], outcome, attempted=outcome != "cancelled")
        assert await queue.is_due()

    assert list(await queue.lease()) == ["a4"]


async def test_a_failing_first_holds_its_thing_and_no_other(shelf: Shelf) -> None:
    """While it is retried what comes after it waits, however long."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A")
    await queue.commit("b1", "b2", key="B")
    leased = await queue.lease()
    await queue.end(leased["a1"], "again")
    await queue.end(leased["b1"], "delivered")

    assert list(await queue.lease()) == ["b2"]
    await queue.pass_time(HOUR)
    assert "a2" not in await queue.lease(1)


async def test_e1_a_crash_does_not_let_the_next_overtake(shelf: Shelf) -> None:
    """The lease of a dead worker runs out, and the same delivery is leased again."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A")
    for leases in (1, 2, 3):
        leased = await queue.lease()
        assert [(name, one.leases) for name, one in leased.items()] == [("a1", leases)]
        await queue.pass_time(LEASE)


async def test_what_waits_has_no_next_moment(shelf: Shelf) -> None:
    """It goes when another one has ended, and nobody knows when that is."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A")
    ids = list(queue.names)

    first, second = await shelf.deliveries.next_moments([(SUB, id_) for id_ in ids])

    assert first is not None
    assert second is None


async def test_order_survives_its_being_switched_off(shelf: Shelf) -> None:
    """What waits in line still goes, each after the one before it."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", "a3", key="A")
    queue.flow = Flow()
    await queue.commit("a4")

    assert list(await queue.lease()) == ["a1", "a4"]
    await queue.pass_time(LEASE)
    for name in ("a1", "a2", "a3"):
        leased = await queue.lease()
        assert name in leased
        await queue.end(leased[name], "delivered")
        if "a4" in leased:
            await queue.end(leased["a4"], "delivered")
    assert await shelf.deliveries.backlog(SUB) == 0


async def test_nothing_of_the_line_is_left(shelf: Shelf) -> None:
    """Once all are delivered, line, places and gate are gone."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A")
    await queue.commit("b1", key="B")
    while leased := await queue.lease():
        for one in leased.values():
            await queue.end(one, "delivered")

    keys = shelf.keys
    left = (keys.queue(SUB), keys.leases(SUB), keys.line(SUB), keys.gate(SUB))
    assert await shelf.client.exists(*left) == 0


async def test_who_left_the_queue_some_other_way_holds_nobody(shelf: Shelf) -> None:
    """A place in line whose delivery is gone is passed over, first or in between."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", "a3", key="A")
    gone, gone_too, _ = queue.names
    await shelf.client.zrem(shelf.keys.queue(SUB), gone)
    await queue.commit("b1", key="B")
    await shelf.client.zrem(shelf.keys.queue(SUB), gone_too)

    await queue.commit("a4", key="A")
    assert list(await queue.lease()) == ["b1"]

    await shelf.client.zadd(shelf.keys.queue(SUB), {gone: 1})
    leased = await queue.lease()
    assert list(leased) == ["a1"]
    await queue.end(leased["a1"], "delivered")
    assert list(await queue.lease()) == ["a3"]


async def test_a_paused_line_waits_as_it_is(shelf: Shelf) -> None:
    """What queues during a pause goes in order afterwards."""
    queue = ordered(shelf)
    await queue.commit("a1", "a2", key="A", paused=True)
    assert not await queue.is_due()
    await shelf.deliveries.resume(SUB)

    order = []
    while leased := await queue.lease():
        for name, one in leased.items():
            order.append(name)
            await queue.end(one, "delivered")

    assert order == ["a1", "a2"]


async def test_a_deleted_line_is_cancelled_whole(shelf: Shelf) -> None:
    """Round by round, as the worker does it, until nothing is left."""
    queue = ordered(shelf)
    await queue.commit(*names(20), key="A")
    rounds = 0
    while queued := await shelf.deliveries.queued(SUB, 8):
        rounds += 1
        assert rounds < 10
        await shelf.deliveries.record(
            [
                Record(SUB, id_, f"whk_{queue.names[id_]:0>26}", score, "cancelled")
                for id_, score in queued
            ]
        )
    states = await shelf.deliveries.states(list(queue.names))
    assert {state[SUB].status for state in states} == {"cancelled"}


# -- the backlog ----------------------------------------------------------------------------------


async def test_g5_beyond_the_backlog_the_newest_are_dead_letters(shelf: Shelf) -> None:
    """Exactly so many are queued, in one batch or several; the rest is kept as ``overflow``."""
    queue = Queue(shelf, Flow(max_backlog=5))
    await queue.commit(*names(3))
    await queue.commit(*names(4, 3))
    await queue.commit(*names(1, 7))

    states = await shelf.deliveries.states(list(queue.names))
    found = [(state[SUB].status, state[SUB].last_error) for state in states]
    assert found == [("pending", None)] * 5 + [("dead", "overflow")] * 3
    assert await shelf.deliveries.backlog(SUB) == 5
    assert all(state[SUB].finished_at is not None for state in states[5:])
    dead = await shelf.client.zrange(shelf.keys.dead(SUB), 0, -1)
    assert sorted(id_.decode() for id_ in dead) == sorted(list(queue.names)[5:])
    assert len(await shelf.deliveries.log(SUB, since=None, until=None, before=None, count=9)) == 8


async def test_g5_what_is_in_flight_is_backlog_too(shelf: Shelf) -> None:
    """A delivery takes its room until it has ended."""
    queue = Queue(shelf, Flow(max_backlog=2))
    await queue.commit("a", "b")
    leased = await queue.lease()
    await queue.commit("c")
    await queue.end(leased["a"], "again")
    await queue.commit("d")
    await queue.end(leased["b"], "delivered")
    await queue.commit("e")

    states = await shelf.deliveries.states(list(queue.names))
    assert [state[SUB].status for state in states] == [
        *("pending", "delivered", "dead", "dead", "pending"),
    ]


async def test_g5_an_overflow_is_told_and_kept_for_thirty_days(shelf: Shelf) -> None:
    """Its event and webhook live as those of other dead letters do."""
    queue = Queue(shelf, Flow(max_backlog=1))
    await queue.commit("a", "b", "c")
    _, dead, _ = queue.names

    assert await shelf.ttl(shelf.keys.event(dead)) == 30
    assert await shelf.ttl(shelf.keys.deliveries(dead)) == 30
    assert await shelf.ttl(shelf.keys.native(f"whk_{'b':0>26}")) == 30
    untold = await shelf.client.hgetall(shelf.keys.untold)
    assert untold[f"n:integration.delivery.failed {SUB}".encode()] == b"2"


async def test_an_overflow_of_one_is_no_matter_to_another(shelf: Shelf) -> None:
    """The event is still on its way to the others, and lives as long as its dead letter."""
    queue = Queue(shelf, Flow(max_backlog=1))
    await queue.commit("a")
    webhook = shelf.webhook("b", SUB, "sub_2")
    (event,) = webhook.events
    full = replace(event.routes[0], limits=Limits(1, "", None))
    event = replace(event, routes=[full, event.routes[1]])
    await shelf.events.commit([replace(webhook, events=[event])])
    (states,) = await shelf.deliveries.states([event.id])
    assert {name: state.status for name, state in states.items()} == {
        SUB: "dead",
        "sub_2": "pending",
    }
    assert await shelf.ttl(shelf.keys.event(event.id)) == -1

    token = await shelf.lease("sub_2")
    await shelf.deliveries.record([shelf.record("b", event.id, "sub_2", token, "delivered")])

    assert await shelf.ttl(shelf.keys.event(event.id)) == 30


async def test_d3_an_overflowing_commit_twice_is_the_same_state(shelf: Shelf) -> None:
    """A commit that is repeated, its outcome unknown, changes nothing."""
    queue = Queue(shelf, Flow(max_backlog=1))
    await queue.commit("a", "b", key="A")
    before = await shelf.dump()

    await queue.commit("a", "b", key="A")

    assert await shelf.dump() == before


async def test_a_late_redelivery_is_not_leased_again(queue: Queue) -> None:
    """An event that still waits when its markers have ended is not given to the committer."""
    await queue.commit("a")
    async for key in queue.shelf.client.scan_iter(f"{queue.shelf.keys.prefix}:*:d:*"):
        await queue.shelf.client.delete(key)

    commit = await queue.commit("a", lease=LEASE)

    assert len(commit.refused) == 1
    assert list(await queue.lease()) == ["a"]
