"""Slots and places: who may begin, who waits, and that nobody takes the last."""

from dataclasses import replace
from datetime import timedelta

import pytest

from onehook.core.flow import Flow, RateLimit
from onehook.core.model import Delivery, EventId, Subscription, SubscriptionId, WebhookId
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.secrets import Keys as SigningKeys
from onehook.deliver.lanes import (
    AHEAD,
    DOUBTED,
    HELD,
    HELD_UNPROVEN,
    MOST_LOADED,
    UNPROVEN,
    Lane,
    Lanes,
)


def subscription(name: str = "a", flow: Flow | None = None) -> Subscription:
    """A subscription that asks for nothing in particular."""
    return Subscription(
        SubscriptionId(f"sub_{name}"),
        "https://example.com",
        ("*",),
        (),
        active=True,
        paused=False,
        filter=None,
        outlet=Outlet(SigningKeys(b"secret")),
        timeout=timedelta(seconds=10),
        retry=(),
        flow=flow or Flow(),
    )


def delivery(of: Subscription, number: int = 0) -> Delivery:
    """A delivery, leased."""
    return Delivery(of, EventId(f"evt_{number}"), "x", WebhookId("whk_1"), b"{}", number, 1)


def fill(lanes: Lanes, lane: Lane) -> int:
    """Begin as many attempts as may be begun."""
    begun = 0
    while lanes.may_begin(lane):
        lanes.load(lane)
        lanes.begin(lane)
        begun += 1
    return begun


def proven(lanes: Lanes, name: str) -> Lane:
    """The lane of a subscription whose last attempt succeeded."""
    lane = lanes.of(subscription(name))
    lanes.prove(lane, 0)
    return lane


def test_a_lane_is_as_wide_as_its_subscription() -> None:
    """Sixteen, or what it says; a change holds from the next look on."""
    lanes = Lanes(500)

    assert fill(lanes, lanes.of(subscription())) == 16
    assert fill(lanes, lanes.of(subscription("b", Flow(concurrency=3)))) == 3
    assert fill(lanes, lanes.of(subscription("b", Flow(concurrency=5)))) == 2


def test_g1_fifty_may_hang_and_the_next_finds_a_slot() -> None:
    """Fifty lanes that never end leave some slots, and each of them had its share."""
    lanes = Lanes(500)
    begun = [fill(lanes, proven(lanes, str(number))) for number in range(50)]

    assert begun[:20] == [16] * 20
    assert min(begun) >= 1
    assert fill(lanes, lanes.of(subscription("healthy"))) >= 1


@pytest.mark.parametrize("slots", [1, 2, 3, 20])
def test_a_single_lane_gets_going_on_any_number_of_slots(slots: int) -> None:
    """Also on one."""
    lanes = Lanes(slots)

    assert fill(lanes, lanes.of(subscription())) >= 1


def test_g1_a_lane_that_has_too_much_yields() -> None:
    """When slots become few, a lane does not go on with all of the tasks that it had."""
    lanes = Lanes(40)
    first = lanes.of(subscription())
    assert fill(lanes, first) == 16
    for number in range(20):
        fill(lanes, lanes.of(subscription(str(number))))

    assert not lanes.may_go_on(first)
    while not lanes.may_go_on(first):
        lanes.end(first)
    assert 0 < first.running < 16


def test_g1_memory_is_shared_as_slots_are() -> None:
    """No lane holds more than its own bound, and sixty that hold all they may leave places."""
    lanes = Lanes(500)
    counts = []
    for number in range(60):
        lane = proven(lanes, str(number))
        count = 0
        while lanes.has_room(lane):
            lanes.load(lane)
            count += 1
        counts.append(count)

    assert counts[0] == 16 + HELD
    assert min(counts) > 5
    assert sum(counts) == lanes.loaded < MOST_LOADED


def test_what_is_held_goes_on_when_there_is_a_slot() -> None:
    """The longest waiting first; whoever may not begin yet does not keep the others waiting."""
    lanes = Lanes(8)
    first, second = subscription("a"), subscription("b")
    one, two = lanes.of(first), lanes.of(second)
    assert fill(lanes, one) == 6
    lanes.load(one)
    lanes.hold(one, delivery(first), 1e9)
    lanes.load(two)
    lanes.hold(two, delivery(second), 1e9)

    assert lanes.next_hungry(8) is two
    assert lanes.next_hungry(8) is None
    lanes.end(one)
    lanes.unload(one)
    assert lanes.next_hungry(8) is one


def test_whoever_has_begun_one_is_asked_again() -> None:
    """With slots enough a lane begins all that it holds, one after the other."""
    lanes = Lanes(500)
    of = subscription()
    lane = lanes.of(of)
    for number in range(3):
        lanes.load(lane)
        lanes.hold(lane, delivery(of, number), 1e9)

    for _ in range(3):
        assert lanes.next_hungry() is lane
        lane.held.popleft()
        lanes.begin(lane)
    assert lanes.next_hungry() is None


def test_a_lane_at_its_own_width_is_not_asked() -> None:
    """Its own tasks go on with what it holds."""
    lanes = Lanes(500)
    of = subscription(flow=Flow(concurrency=1))
    lane = lanes.of(of)
    fill(lanes, lane)
    lanes.load(lane)
    lanes.hold(lane, delivery(of), 1e9)

    assert lanes.next_hungry(8) is None


def test_nothing_is_left_of_a_lane_that_is_empty() -> None:
    """Lanes come and go with their deliveries."""
    lanes = Lanes(500)
    for number in range(10):
        lane = lanes.of(subscription(str(number)))
        lanes.load(lane, retry=number % 2 == 0)
    for lane in lanes:
        lanes.unload(lane, retry=lane.retries > 0)

    assert list(lanes) == []
    assert lanes.loaded == 0


# -- who is proven --------------------------------------------------------------------------------


def test_g1_the_unproven_share_a_few_slots() -> None:
    """Sixty that fail from the start take little more than one each; a proven one all it may."""
    lanes = Lanes(500)
    begun = [fill(lanes, lanes.of(subscription(str(number)))) for number in range(60)]

    assert begun[:3] == [16, 8, 1]
    assert set(begun[3:]) == {1}
    assert sum(begun) < UNPROVEN + 60
    assert fill(lanes, proven(lanes, "healthy")) == 16


def test_g1_a_success_frees_the_shared_slots() -> None:
    """Who has succeeded takes none of them any more, also for what is in flight."""
    lanes = Lanes(500)
    some = [lanes.of(subscription(str(number))) for number in range(3)]
    assert [fill(lanes, lane) for lane in some] == [16, 8, 1]

    for lane in some[:2]:
        lanes.prove(lane, 0)

    assert [fill(lanes, lane) for lane in some] == [0, 8, 15]
    for lane in some:
        while lane.running:
            lanes.end(lane)
    assert [fill(lanes, lanes.of(subscription(f"n{number}"))) for number in range(2)] == [16, 8]


def test_two_failures_in_a_row_prove_nothing() -> None:
    """The third does: from then on it shares with the others that fail."""
    lanes = Lanes(500)
    for number in range(4):
        fill(lanes, lanes.of(subscription(str(number))))
    lane = proven(lanes, "moody")

    lanes.prove(lane, DOUBTED - 1)
    assert fill(lanes, lane) == 16
    lanes.prove(lane, DOUBTED)

    assert not lanes.may_go_on(lane)


def test_what_is_not_proven_holds_little_in_memory() -> None:
    """It may all have to go back to the queue."""
    lanes = Lanes(500)
    lane = lanes.of(subscription())
    while lanes.has_room(lane):
        lanes.load(lane)

    assert lane.load == 16 + HELD_UNPROVEN
    lanes.prove(lane, 0)
    assert lanes.has_room(lane)


# -- what to lease --------------------------------------------------------------------------------


def test_as_many_are_wanted_as_may_begin() -> None:
    """Less what is in hand; more only from a subscriber that answers at once."""
    lanes, of = Lanes(500), subscription()
    assert lanes.wanted(of) == (16, 12)
    lane = lanes.of(of)
    for number in range(5):
        lanes.load(lane, retry=number < 2)
        lanes.begin(lane)
    assert lanes.wanted(of) == (11, 10)

    lane.quick = True
    assert lanes.wanted(of) == (11 + AHEAD, 10)


@pytest.mark.parametrize("flow", [Flow(concurrency=16), Flow(rate_limit=RateLimit(60, 60))])
def test_nothing_is_leased_ahead_where_a_lease_is_counted(flow: Flow) -> None:
    """A lease that waits in memory would be an attempt that is not made."""
    lanes, of = Lanes(500), subscription(flow=flow)
    lane = lanes.of(of)
    lanes.load(lane)
    lanes.begin(lane)
    lane.quick = True

    assert lanes.wanted(of)[0] == 15


def test_few_slots_are_not_leased_for() -> None:
    """What could not begin is left to other gateways."""
    lanes = Lanes(20)
    fill(lanes, lanes.of(subscription("a")))

    wanted, _ = lanes.wanted(subscription("b"))

    assert 1 <= wanted <= lanes.free


def test_retries_may_have_three_quarters_and_at_least_one() -> None:
    """Of sixteen twelve, of one one."""
    lanes = Lanes(500)
    for width, share in ((1, 1), (2, 1), (4, 3), (16, 12), (64, 48)):
        assert lanes.wanted(subscription(flow=Flow(concurrency=width)))[1] == share


# -- how fast -------------------------------------------------------------------------------------


def width(lanes: Lanes, of: Subscription) -> int:
    """How many attempts at once are wanted now."""
    return lanes.wanted(of)[0]


def test_g4_slower_by_halves_and_faster_by_ones() -> None:
    """Never less than one, never more than the subscription allows."""
    lanes, of = Lanes(500), subscription()
    widths = []
    for _ in range(6):
        lanes.slow_down(lanes.of(of))
        widths.append(width(lanes, of))
    for _ in range(20):
        lanes.speed_up(lanes.of(of))
        widths.append(width(lanes, of))

    assert widths[:6] == [8, 4, 2, 1, 1, 1]
    assert widths[6:] == [*range(2, 17), *[16] * 5]


def test_g6_after_a_recovery_it_starts_with_one() -> None:
    """And nothing ahead, however quick it is."""
    lanes, of = Lanes(500), subscription()
    lanes.start_slowly(lanes.of(of))
    lanes.of(of).quick = True

    assert lanes.wanted(of) == (1, 1)


def test_what_is_deleted_is_forgotten() -> None:
    """A subscription of the same id would start anew."""
    lanes, of = Lanes(500), subscription()
    lanes.start_slowly(lanes.of(of))
    lanes.forget(of.id)

    assert width(lanes, of) == 16
    assert width(lanes, replace(of, flow=Flow(concurrency=40))) == 40
