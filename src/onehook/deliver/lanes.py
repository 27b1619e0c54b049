"""Who may begin an attempt, who waits in memory, and for how much more there is room.

While there is plenty of slots and places everybody takes what it needs. Of the last quarter nobody
takes more than an eighth of what is left: so fifty subscribers that hang, and hold all they may
have, leave something for the next one. Those that keep failing, or of which nothing is known yet,
share a few slots in the same way, and have one each at least: so many that fail at once do not keep
the process busy with what comes to nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from onehook.core.flow import CONCURRENCY
from onehook.core.model import Delivery, Subscription

HELD = 240  # new events that may wait in memory for their turn, leased already
HELD_QUICK = 1000  # the same of a subscriber that answers at once: a second or two of them
HELD_UNPROVEN = 1  # the same of a subscriber that is not proven: they may all have to go back
AHEAD = 176  # what is leased from a queue beyond that, if the subscriber is quick
MOST_LOADED = 10_000  # deliveries in memory
UNPROVEN = 32  # slots for subscribers that are not proven
DOUBTED = 3  # failed attempts in a row after which one is no longer proven
SCARCE = 4  # when only a quarter is left …
SCARCE_SHARE = 8  # … a lane may have an eighth of that, and one at least


@dataclass(slots=True)
class Lane:
    """What this process has in hand for one subscription."""

    id: str
    width: int = CONCURRENCY  # attempts at once, as the subscription allows
    load: int = 0  # deliveries reserved, held and running
    retries: int = 0  # those of them that were attempted before
    running: int = 0  # tasks; each makes one attempt at a time
    quick: bool = False  # the last attempt succeeded at once
    failed: int = 0  # attempts in a row
    unrecorded: int = 0  # attempts that were made, and whose records nobody waits for
    exact: bool = False  # each lease counts: no more is leased than begins at once
    held: deque[tuple[Delivery, float]] = field(default_factory=deque[tuple[Delivery, float]])
    flying: dict[str, Delivery] = field(default_factory=dict[str, Delivery])


class Lanes:
    """The lanes, and what they share: *slots* for attempts, and places in memory."""

    def __init__(self, slots: int) -> None:
        self._slots = self.free = slots
        self.loaded = 0
        self._lanes: dict[str, Lane] = {}
        self._hungry: dict[str, Lane] = {}  # hold something, and found no free slot
        self._narrow: dict[str, int] = {}  # subscription -> attempts at once, for the time being
        self._quick: set[str] = set()  # whose last lane was
        self._well: set[str] = set()  # proven: the last attempts did not all fail
        self._unproven = UNPROVEN  # slots left for the others

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def of(self, subscription: Subscription) -> Lane:
        """The lane of *subscription*, as wide as that is now."""
        lane = self._lanes.get(subscription.id)
        if lane is None:
            lane = self._lanes[subscription.id] = self._new(subscription.id)
        _set_up(lane, subscription)
        return lane

    def _new(self, subscription_id: str) -> Lane:
        return Lane(subscription_id, quick=subscription_id in self._quick)

    def find(self, subscription_id: str) -> Lane | None:
        """The lane of a subscription of which something is in hand."""
        return self._lanes.get(subscription_id)

    # -- places ------------------------------------------------------------------------------

    def has_room(self, lane: Lane) -> bool:
        """Whether one more delivery may wait in memory."""
        if self.is_proven(lane.id):
            wanted = lane.width + (HELD_QUICK if lane.quick else HELD)
        else:
            wanted = self._reach(lane) + HELD_UNPROVEN
        return lane.load < _share(wanted, MOST_LOADED - self.loaded, MOST_LOADED)

    def load(self, lane: Lane, *, retry: bool = False) -> None:
        """Take a place for one more delivery."""
        lane.load += 1
        lane.retries += retry
        self.loaded += 1

    def unload(self, lane: Lane, *, retry: bool = False) -> None:
        """Give the place of a delivery back."""
        lane.load -= 1
        lane.retries -= retry
        self.loaded -= 1
        self._end_of(lane)

    def leave(self, lane: Lane) -> None:
        """An attempt has ended whose record nobody waits for."""
        lane.unrecorded += 1

    def recorded(self, lane: Lane) -> None:
        """It is recorded, or never will be."""
        lane.unrecorded -= 1
        self._end_of(lane)

    def _end_of(self, lane: Lane) -> None:
        """Forget *lane* if nothing of it is in hand."""
        if not lane.load and not lane.unrecorded:
            self._lanes.pop(lane.id, None)
            (self._quick.add if lane.quick else self._quick.discard)(lane.id)

    def wanted(self, subscription: Subscription) -> tuple[int, int]:
        """How many deliveries to lease from the queue, and how many of them may be retries.

        Retries take three quarters of the slots at most: first attempts are not held up by them.
        """
        lane = self._lanes.get(subscription.id) or self._new(subscription.id)
        _set_up(lane, subscription)
        ahead, retries = self._ahead(lane), max(1, self._width(lane) * 3 // 4)
        room = self._reach(lane) + ahead - lane.load
        return min(room, self.free + ahead), max(0, retries - lane.retries)

    def is_low(self, lane: Lane) -> bool:
        """Whether it is time to lease more: few of those that wait in memory are left."""
        ahead = self._ahead(lane)
        room = min(self._reach(lane) + ahead - lane.load, self.free + ahead)
        return room > ahead // 2

    def low(self, ids: Iterable[str]) -> list[str]:
        """Those of *ids* for which more may be leased at any time, and it is time to."""
        lanes = self._lanes
        return [
            id_ for id_ in ids if (lane := lanes.get(id_)) and not lane.exact and self.is_low(lane)
        ]

    def _ahead(self, lane: Lane) -> int:
        # More than can start at once only from a subscriber that answers at once: what is leased
        # and never attempted counts towards poison. Nor where a lease counts as an attempt.
        wide = self._width(lane) == lane.width
        return AHEAD if lane.quick and wide and not lane.exact else 0

    # -- slots -------------------------------------------------------------------------------

    def may_begin(self, lane: Lane) -> bool:
        """Whether *lane* may have one more attempt in flight."""
        return lane.running < self._reach(lane)

    def may_go_on(self, lane: Lane) -> bool:
        """Whether a task of *lane* that has ended an attempt may begin the next one."""
        return lane.running <= self._reach(lane, back=1)

    def begin(self, lane: Lane) -> None:
        """Take a slot."""
        self._take(lane, 1)
        lane.running += 1
        self._note(lane)

    def end(self, lane: Lane) -> None:
        """Give a slot back."""
        self._take(lane, -1)
        lane.running -= 1
        self._note(lane)

    def hold(self, lane: Lane, delivery: Delivery, latest: float) -> None:
        """Let *delivery* wait; it is good for an attempt until *latest* on the loop's clock."""
        lane.held.append((delivery, latest))
        self._note(lane)

    def _note(self, lane: Lane) -> None:
        if lane.held and lane.running < self._width(lane):  # else its own tasks go on with it
            self._hungry[lane.id] = lane

    def next_hungry(self, tries: int | None = None) -> Lane | None:
        """A lane that holds something and may begin it, of the *tries* (None: all) that wait."""
        for _ in range(min(tries or MOST_LOADED, len(self._hungry))):
            lane = self._hungry.pop(next(iter(self._hungry)))
            if self.may_begin(lane) and lane.held:
                return lane
            self._note(lane)  # behind the others
        return None

    # -- how fast ----------------------------------------------------------------------------

    def prove(self, lane: Lane, failed: int) -> None:
        """An attempt has ended, the last of so many that *failed* in a row."""
        lane.failed = failed
        if not failed and lane.id not in self._well:
            self._well.add(lane.id)
            self._unproven += lane.running
        elif failed >= DOUBTED and lane.id in self._well:
            self._well.discard(lane.id)
            self._unproven -= lane.running

    def is_proven(self, subscription_id: str) -> bool:
        """Whether the last attempts did not all fail; False if none was made yet."""
        return subscription_id in self._well

    def slow_down(self, lane: Lane) -> None:
        """Half as many attempts at once: the subscriber said that we are too fast."""
        self._narrow[lane.id] = max(1, self._width(lane) // 2)

    def start_slowly(self, lane: Lane) -> None:
        """One attempt at once: the subscriber has only just recovered."""
        self._narrow[lane.id] = 1

    def speed_up(self, lane: Lane) -> None:
        """One attempt more at once, up to what the subscription allows."""
        width = self._narrow.get(lane.id)
        if width is not None and width + 1 < lane.width:
            self._narrow[lane.id] = width + 1
        elif width is not None:
            del self._narrow[lane.id]
        self._note(lane)

    def forget(self, subscription_id: str) -> None:
        """A subscription is no more."""
        self._narrow.pop(subscription_id, None)
        self._quick.discard(subscription_id)
        self.prove(self._lanes.get(subscription_id) or Lane(subscription_id), DOUBTED)

    def _width(self, lane: Lane) -> int:
        return min(lane.width, self._narrow.get(lane.id, lane.width))

    def _take(self, lane: Lane, slots: int) -> None:
        self.free -= slots
        if lane.id not in self._well:
            self._unproven -= slots

    def _reach(self, lane: Lane, back: int = 0) -> int:
        """How many attempts *lane* may have in flight, if it gives *back* so many slots first."""
        reach = _share(self._width(lane), self.free + back, self._slots)
        if lane.id not in self._well:
            reach = min(reach, _share(reach, max(1, self._unproven + back), UNPROVEN))
        return reach


def _set_up(lane: Lane, subscription: Subscription) -> None:
    flow = subscription.flow
    lane.width = flow.width
    lane.exact = flow.rate_limit is not None or flow.concurrency is not None or flow.ordered


def _share(wanted: int, left: int, total: int) -> int:
    """How much of something one lane may have at most, what it has included."""
    if left <= 0:
        return 0
    return wanted if left > total // SCARCE else min(wanted, max(1, left // SCARCE_SHARE))
