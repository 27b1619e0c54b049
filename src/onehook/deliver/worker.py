"""Leases due deliveries, attempts each, records what came of it."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import structlog
from msgspec.structs import replace
from redis.exceptions import RedisError

from onehook.clock import Clock
from onehook.core.model import Delivery, EventId, Subscription, WebhookId
from onehook.core.notices import Notice, delivery_failed
from onehook.core.schedule import MAX_LEASES, Again, Dead, Delivered, Step, next_step
from onehook.deliver.client import Reply
from onehook.deliver.courier import Courier
from onehook.errors import StoreUnavailableError
from onehook.metrics import Metrics
from onehook.store.attempts import encode
from onehook.store.batches import Batcher
from onehook.store.deliveries import DeliveryStore, Leased, Record
from onehook.store.events import EventStore

log = structlog.get_logger()

POLL = 0.05  # seconds between looks at what is due
PER_SUBSCRIPTION = 16  # attempts at once
HELD = 240  # new events that may wait in memory for their turn, leased already
AHEAD = 48  # what is leased from a queue beyond that, if the subscriber is quick
MOST_LOADED = 10_000  # deliveries in memory
QUICK_MS = 250
GRACE = timedelta(seconds=15)  # of a lease's 20 s beyond the timeout, for waiting in memory
RECORDS = 128  # in one script
DRAIN = 10.0  # seconds that attempts in flight may take when we stop


class _Source(msgspec.Struct, frozen=True):
    id: str = ""


class _Head(msgspec.Struct):
    """What delivery reads of an event."""

    type: str = ""
    integration: _Source = _Source()


_read_head = msgspec.json.Decoder(_Head).decode


@dataclass(slots=True)
class _Lane:
    """What this process has in hand for one subscription."""

    id: str
    load: int = 0  # reserved, held and running
    running: int = 0  # tasks; each makes one attempt at a time
    quick: bool = False  # the last attempt succeeded at once
    held: deque[tuple[Delivery, float]] = field(default_factory=deque[tuple[Delivery, float]])
    flying: dict[str, Delivery] = field(default_factory=dict[str, Delivery])


class Worker:
    """Makes deliveries: those that a commit leased for it, and those that come due.

    *targets* gives the subscriptions as they are now; *confirm* reads them anew from the store;
    *pause* pauses one that said 410 Gone.
    """

    def __init__(
        self,
        deliveries: DeliveryStore,
        events: EventStore,
        courier: Courier,
        clock: Clock,
        metrics: Metrics,
        *,
        concurrency: int,
        targets: Callable[[], Mapping[str, Subscription]],
        confirm: Callable[[], Awaitable[object]],
        pause: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._deliveries, self._events, self._courier = deliveries, events, courier
        self._clock, self._metrics = clock, metrics
        self._free = concurrency
        self._targets, self._confirm, self._pause = targets, confirm, pause
        self._lanes: dict[str, _Lane] = {}
        self._hungry: dict[str, _Lane] = {}  # hold something, and found no free attempt
        self._loaded = 0  # places taken in all lanes
        self._behind: set[str] = set()  # subscriptions whose queue is ahead of new events
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[asyncio.Task[None], _Lane] = {}
        self._recorder: Batcher[Record, bool] = Batcher(
            deliveries.record, max_items=RECORDS, max_bytes=1 << 20, max_waiting=64 << 20
        )
        self._random = random.SystemRandom()

    # -- what the committer asks -------------------------------------------------------------

    def reserve(self, subscription: Subscription) -> bool:
        """Keep a place for a delivery to *subscription*; False: leave it to the queue.

        What is queued goes first: while a subscription is behind, new events queue as well.
        """
        id_ = subscription.id
        if self._group is None or id_ in self._behind:
            return False
        lane = self._lane(id_)
        if lane.load >= PER_SUBSCRIPTION + HELD or self._loaded >= MOST_LOADED:
            self._behind.add(id_)
            return False
        lane.load += 1
        self._loaded += 1
        return True

    def release(self, subscription: Subscription) -> None:
        """Give a reserved place back."""
        self._unload(self._lane(subscription.id))

    def start(self, delivery: Delivery) -> None:
        """Make *delivery*, in the place that was reserved for it: now, or when its turn comes."""
        lane = self._lane(delivery.subscription.id)
        if self._group is None:  # we are stopping: its lease runs out and another takes it
            self._unload(lane)
        elif lane.running < PER_SUBSCRIPTION and self._free > 0:
            self._run(lane, delivery)
        else:
            # An attempt that begins later could outlive its lease.
            latest = asyncio.get_running_loop().time() + GRACE.total_seconds()
            lane.held.append((delivery, latest))
            if lane.running < PER_SUBSCRIPTION:
                self._hungry[lane.id] = lane

    def wake(self) -> None:
        """Something may be due."""
        if self._behind:
            self._wake.set()

    # -- lanes -------------------------------------------------------------------------------

    def _lane(self, id_: str) -> "_Lane":
        lane = self._lanes.get(id_)
        if lane is None:
            lane = self._lanes[id_] = _Lane(id_)
        return lane

    def _unload(self, lane: "_Lane") -> None:
        lane.load -= 1
        self._loaded -= 1
        if not lane.load:
            self._lanes.pop(lane.id, None)
        if lane.id in self._behind:
            self._wake.set()

    def _run(self, lane: "_Lane", delivery: Delivery) -> None:
        assert self._group is not None  # noqa: S101 the callers have looked
        self._free -= 1
        lane.running += 1
        task = self._group.create_task(self._serve_lane(lane, delivery))
        self._running[task] = lane
        task.add_done_callback(self._ended)

    async def _serve_lane(self, lane: "_Lane", delivery: Delivery | None) -> None:
        """Attempt *delivery*, then whatever the subscription holds, one after the other."""
        while delivery is not None:
            delivery = self._current(lane, delivery)
            if delivery is None:
                delivery = self._next(lane)
                continue
            lane.flying[delivery.event_id] = delivery
            self._metrics.in_flight.inc()
            try:
                lane.quick = await self._attempt(delivery)
            finally:
                self._metrics.in_flight.dec()
            lane.flying.pop(delivery.event_id, None)
            self._unload(lane)
            delivery = self._next(lane)

    def _next(self, lane: "_Lane") -> Delivery | None:
        """The next delivery that *lane* holds and whose lease is still good for an attempt."""
        now = asyncio.get_running_loop().time()
        while lane.held and self._group is not None:
            delivery, latest = lane.held.popleft()
            if now < latest:
                return delivery
            self._hand_back(lane, delivery)
        return None

    def _current(self, lane: "_Lane", delivery: Delivery) -> Delivery | None:
        """*delivery* to its subscription as that is now; None, and handed back, if it is held."""
        subscription = self._targets().get(delivery.subscription.id)
        if subscription is None or subscription.held:
            self._hand_back(lane, delivery)
            return None
        if subscription is delivery.subscription:
            return delivery
        return replace(delivery, subscription=subscription)

    def _hand_back(self, lane: "_Lane", delivery: Delivery) -> None:
        """Make *delivery* due again at once: it was leased, and not attempted."""
        self._unload(lane)
        self._behind.add(lane.id)  # it goes before what is new
        if self._group is not None:
            self._group.create_task(self._give_back(delivery))

    async def _give_back(self, delivery: Delivery) -> None:
        try:
            await self._recorder.submit(_record(delivery, "again"), 500, GRACE.total_seconds())
        except StoreUnavailableError:
            log.warning("lease.kept", delivery_id=delivery.id)  # it runs out by itself

    def _ended(self, task: asyncio.Task[None]) -> None:
        lane = self._running.pop(task)
        lane.running -= 1
        self._free += 1
        while self._hungry and self._free > 0 and self._group is not None:
            _, hungry = self._hungry.popitem()
            delivery = self._next(hungry)
            if delivery is not None:
                self._run(hungry, delivery)
        if lane.id in self._behind:
            self._wake.set()

    # -- the loop ----------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver what is due until *stop* is set, then let attempts in flight finish."""
        recorder = asyncio.create_task(self._recorder.run())
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while not stop.is_set():
                    await self._tick()
                    await self._pause_or_wake(stop)
                self._group = None
                await self._drain()
        finally:
            self._group = None
            self._recorder.close()
            await recorder

    async def _pause_or_wake(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            return
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _drain(self) -> None:
        """Wait for what is in flight, then hand the leases of the rest back."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=DRAIN)
        lanes = list(self._lanes.values())
        cut = [delivery for lane in lanes for delivery in lane.flying.values()]
        cut += [delivery for lane in lanes for delivery, _ in lane.held]
        for task in list(self._running):
            task.cancel()
        if cut:
            if self._running:
                await asyncio.wait(list(self._running), timeout=1)
            back = [_record(delivery, "again") for delivery in cut]
            try:
                await self._deliveries.record(back)
            except (RedisError, OSError):
                log.warning("leases.kept", count=len(back))  # they run out by themselves

    async def _tick(self) -> None:
        """Lease what is due and can start now."""
        if self._free <= 0 or self._loaded >= MOST_LOADED:
            return
        try:
            for id_ in await self._deliveries.due():
                await self._serve(id_)
        except (RedisError, OSError) as error:
            log.warning("queue.unreachable", error=type(error).__name__)
            await asyncio.sleep(POLL)
        except Exception:
            log.exception("queue.crashed")
            await asyncio.sleep(1)

    async def _serve(self, id_: str) -> None:
        subscription = self._targets().get(id_)
        if subscription is None:
            await self._confirm()  # another gateway may have made it a moment ago
            subscription = self._targets().get(id_)
        if subscription is None:
            await self._cancel(id_)
            return
        if subscription.held:
            await self._deliveries.hold(id_)
            return
        lane = self._lanes.get(id_) or _Lane(id_)
        # More than can start at once only from a subscriber that answers at once: what is leased
        # and never attempted counts towards poison.
        ahead = AHEAD if lane.quick else 0
        want = min(self._free, PER_SUBSCRIPTION) + ahead - lane.load
        if want <= 0:
            self._behind.add(id_)
            return
        leased = await self._deliveries.lease(id_, want, subscription.lease)
        if len(leased) < want:
            self._behind.discard(id_)
        else:
            self._behind.add(id_)
        if leased:
            await self._begin(subscription, leased)

    async def _begin(self, subscription: Subscription, leased: Sequence[Leased]) -> None:
        """Start an attempt for each of *leased*; what cannot be attempted is recorded as ended."""
        found = await self._events.find_events([one.event_id for one in leased])
        for one, event in zip(leased, found, strict=True):
            webhook_id, body = event if event is not None else (WebhookId(""), b"")
            head = _read_head(body) if body else _Head()
            delivery = Delivery(
                subscription,
                EventId(one.event_id),
                head.type,
                webhook_id,
                body,
                one.token,
                one.attempts + 1,
                one.replay,
                head.integration.id,
            )
            if event is None:
                await self._end(delivery, "cancelled", "expired")
            elif one.leases >= MAX_LEASES:  # the commit's own lease was not counted
                await self._end(delivery, "dead", "poison")
            else:
                self._lane(subscription.id).load += 1
                self._loaded += 1
                self.start(delivery)

    async def _end(self, delivery: Delivery, outcome: str, reason: str) -> None:
        log.error("delivery.ended", delivery_id=delivery.id, outcome=outcome, reason=reason)
        notice = None
        if outcome == "dead":
            notice = delivery_failed(delivery, reason, None, self._clock.now())
        await self._deliveries.record([_record(delivery, outcome, error=reason, notice=notice)])

    async def _cancel(self, id_: str) -> None:
        """End what a deleted subscription has queued; each is recorded as cancelled."""
        while queued := await self._deliveries.queued(id_, 200):
            found = await self._events.find_events([event_id for event_id, _ in queued])
            await self._deliveries.record(
                [
                    Record(id_, event_id, event[0] if event else "", score, "cancelled")
                    for (event_id, score), event in zip(queued, found, strict=True)
                ]
            )
        await self._deliveries.forget(id_)
        self._behind.discard(id_)
        log.info("subscription.cancelled", subscription_id=id_)

    # -- one attempt -------------------------------------------------------------------------

    async def _attempt(self, delivery: Delivery) -> bool:
        """Make one attempt; record it and what follows from it in one script.

        True if the subscriber took it, and quickly.
        """
        subscription = delivery.subscription
        try:
            made = await self._courier.attempt(delivery, self._clock.now())
            reply = made.reply
            step = next_step(
                reply.answer,
                delivery.attempt,
                subscription.retry,
                self._random.random(),
                self._clock.now(),
            )
            if isinstance(step, Again) and step.pause:
                await self._pause(subscription.id, "gone")
            await self._record(delivery, reply, step, encode(made.row))
        except (StoreUnavailableError, RedisError):
            log.warning("delivery.unrecorded", delivery_id=delivery.id)  # repeated after its lease
        except Exception:
            log.exception("delivery.crashed", delivery_id=delivery.id)
        else:
            return reply.answer.ok and reply.duration_ms <= QUICK_MS
        return False

    async def _record(self, delivery: Delivery, reply: Reply, step: Step, row: bytes) -> None:
        outcome = _outcome(step)
        delay = step.delay if isinstance(step, Again) else timedelta(0)
        status, error, notice = reply.answer.status, reply.answer.error, None
        if isinstance(step, Dead):
            notice = delivery_failed(delivery, error, status, self._clock.now())
        record = _record(
            delivery,
            outcome,
            delay=delay,
            attempt=row,
            status=status,
            error=error,
            notice=notice,
        )
        patience = delivery.subscription.lease.total_seconds()
        recorded = await self._recorder.submit(record, len(row) + 500, patience)
        self._metrics.attempts.labels(delivery.subscription.id, outcome).inc()
        log.info(
            "delivery.attempted" if recorded else "delivery.lost",
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            status=status,
            error=error,
            duration_ms=reply.duration_ms,
            outcome=outcome,
            delay_s=round(delay.total_seconds(), 1),
        )


def _outcome(step: Step) -> str:
    match step:
        case Delivered():
            return "delivered"
        case Again():
            return "again"
        case Dead():
            return "dead"


def _record(
    delivery: Delivery,
    outcome: str,
    *,
    delay: timedelta = timedelta(0),
    attempt: bytes = b"",
    status: int | None = None,
    error: str | None = None,
    notice: Notice | None = None,
) -> Record:
    return Record(
        delivery.subscription.id,
        delivery.event_id,
        delivery.webhook_id,
        delivery.token,
        outcome,
        delay,
        attempt,
        status,
        error,
        notice,
        delivery.event_type,
        delivery.integration_id,
    )
