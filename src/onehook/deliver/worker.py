"""Leases due deliveries, attempts each, records what came of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import msgspec
import structlog
from msgspec.structs import replace
from redis.exceptions import RedisError

from onehook.clock import Clock
from onehook.core.flow import Breaker, Gate
from onehook.core.model import Delivery, EventId, Subscription, WebhookId
from onehook.core.notices import delivery_failed
from onehook.core.schedule import (
    MAX_LEASES,
    TOO_FAST,
    Again,
    Answer,
    Dead,
    Step,
    hold,
    next_step,
)
from onehook.deliver.cancelling import Canceller
from onehook.deliver.client import Reply
from onehook.deliver.courier import Courier
from onehook.deliver.lanes import Lane, Lanes
from onehook.deliver.pacing import Pacing
from onehook.deliver.records import make_record, outcome_of
from onehook.errors import StoreUnavailableError
from onehook.metrics import Metrics
from onehook.store.attempts import encode
from onehook.store.batches import Batcher
from onehook.store.deliveries import DeliveryStore, Leased, Record, Recorded
from onehook.store.events import EventStore

log = structlog.get_logger()

POLL = 0.05  # seconds between looks at what is due
DUE = 100  # subscriptions to look after in one round, beside those that are behind
TOGETHER = 16  # of these at once: their leases then share an fsync
TRIED = 8  # lanes that are asked to go on when an attempt ends; the next round asks all
QUICK_MS = 250
GRACE = timedelta(seconds=15)  # of a lease's 20 s beyond the timeout, for waiting in memory
RECORDS = 128  # in one script
UNRECORDED = 128  # that a quick lane may have made and not recorded yet: repeated after a crash
DRAIN = 10.0  # seconds that attempts in flight may take when we stop


class _Source(msgspec.Struct, frozen=True):
    id: str = ""


class _Head(msgspec.Struct):
    """What delivery reads of an event."""

    type: str = ""
    integration: _Source = _Source()


_read_head = msgspec.json.Decoder(_Head).decode


@dataclass(frozen=True, slots=True)
class _Made:
    """An attempt that was made, and what follows from it."""

    delivery: Delivery
    reply: Reply
    outcome: str
    delay: timedelta


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
        self._targets, self._confirm, self._pause = targets, confirm, pause
        self._lanes, self._canceller = Lanes(concurrency), Canceller(deliveries, events)
        self._behind: set[str] = set()  # subscriptions whose queue is ahead of new events
        self._open: set[str] = set()  # subscriptions whose breaker we saw open
        self._wake, self._news = asyncio.Event(), False
        self._looked = -POLL  # when, on the loop's clock, we last asked what is due
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[asyncio.Task[None], Lane] = {}
        self._recorder: Batcher[Record, Recorded] = Batcher(
            deliveries.record_attempts, max_items=RECORDS, max_bytes=1 << 20, max_waiting=64 << 20
        )
        deliveries.on_leaving(self._recorder.hasten)
        self._random, self._pacing = random.SystemRandom(), Pacing()
        metrics.in_flight.set_function(lambda: sum(len(lane.flying) for lane in self._lanes))

    # -- what the committer asks -------------------------------------------------------------

    def reserve(self, subscription: Subscription) -> bool:
        """Keep a place for a delivery to *subscription*; False: leave it to the queue.

        What is queued goes first: while a subscription is behind, new events queue as well. And
        whatever has to be counted or kept in order goes by the queue.
        """
        id_ = subscription.id
        if self._group is None:
            return False
        if id_ not in self._behind and not subscription.flow.gated:
            lane = self._lanes.of(subscription)
            if self._lanes.has_room(lane):
                self._lanes.load(lane)
                return True
        self._behind.add(id_)
        if not self._news and id_ not in self._open:
            known = self._lanes.find(id_)  # one that is not low is served as its attempts end
            self._news = known is None or self._lanes.is_low(known)
        return False

    def release(self, subscription: Subscription) -> None:
        """Give a reserved place back."""
        self._unload(self._lanes.of(subscription))

    def refuse(self, subscription: Subscription) -> None:
        """Give a reserved place back: the store keeps the delivery in its queue."""
        self._behind.add(subscription.id)
        self.release(subscription)

    def start(self, delivery: Delivery) -> None:
        """Make *delivery*, in the place that was reserved for it: now, or when its turn comes."""
        lane = self._lanes.of(delivery.subscription)
        if self._group is None:  # we are stopping: its lease runs out and another takes it
            self._unload(lane, delivery)
        elif self._lanes.may_begin(lane):
            self._run(lane, delivery)
        else:
            # An attempt that begins later could outlive its lease.
            latest = asyncio.get_running_loop().time() + GRACE.total_seconds()
            self._lanes.hold(lane, delivery, latest)

    def wants(self, subscription: Subscription) -> bool:
        """Whether something queued for *subscription* could begin now, as far as we know.

        One that is not proven, and has something queued already, is in no hurry for more.
        """
        id_ = subscription.id
        if subscription.held or id_ in self._open:
            return False
        if id_ in self._behind and not self._lanes.is_proven(id_):
            return False
        return self._lanes.wanted(subscription)[0] > 0

    def wake(self) -> None:
        """A commit is through: what it left to the queue may be due."""
        if self._news:
            self._news = False
            self.hurry()

    def hurry(self) -> None:
        """Something in the queue is due, and we may not know of whom."""
        self._looked = -POLL
        self._wake.set()

    # -- lanes -------------------------------------------------------------------------------

    def _unload(self, lane: Lane, delivery: Delivery | None = None) -> None:
        """Give back the place of *delivery*, or a reserved one."""
        self._lanes.unload(lane, retry=delivery is not None and delivery.again)
        self._refill(lane)

    def _refill(self, lane: Lane) -> None:
        """Have more leased for *lane*, if more waits and few are left in memory."""
        if lane.id in self._behind and self._lanes.is_low(lane):
            if lane.exact or not lane.load or lane.id in self._open:
                self._looked = -POLL  # only the store knows whether it is its turn
            self._wake.set()

    def _run(self, lane: Lane, delivery: Delivery) -> None:
        assert self._group is not None  # noqa: S101 the callers have looked
        self._lanes.begin(lane)
        task = self._group.create_task(self._serve_lane(lane, delivery))
        self._running[task] = lane
        task.add_done_callback(self._ended)

    async def _serve_lane(self, lane: Lane, delivery: Delivery | None) -> None:
        """Attempt *delivery*, then whatever the subscription holds, one after the other."""
        while delivery is not None:
            delivery = self._current(lane, delivery)
            if delivery is None:
                delivery = self._next(lane)
                continue
            lane.flying[delivery.event_id] = delivery
            if not self._lanes.is_proven(lane.id) and not await self._turn(lane):
                lane.flying.pop(delivery.event_id, None)
                self._hand_back(lane, delivery)
                delivery = self._next(lane)
                continue
            began = asyncio.get_running_loop().time()
            lane.quick = await self._attempt(delivery)
            lane.flying.pop(delivery.event_id, None)
            if lane.failed and self._group is not None:
                took = asyncio.get_running_loop().time() - began
                await self._pacing.rest(lane.failed, took)  # and keep the slot meanwhile
            self._unload(lane, delivery)
            delivery = self._next(lane) if self._lanes.may_go_on(lane) else None

    async def _turn(self, lane: Lane) -> bool:
        """Wait for a turn; False: the breaker opened meanwhile, and whoever waits loses nothing."""
        probes = lane.id in self._open
        await self._pacing.turn()
        return probes or lane.id not in self._open

    def _next(self, lane: Lane) -> Delivery | None:
        """The next delivery that *lane* holds and whose lease is still good for an attempt."""
        now = asyncio.get_running_loop().time()
        while lane.held and self._group is not None:
            delivery, latest = lane.held.popleft()
            if now < latest:
                return delivery
            self._hand_back(lane, delivery)
        return None

    def _current(self, lane: Lane, delivery: Delivery) -> Delivery | None:
        """*delivery* to its subscription as that is now; None, and handed back, if it is held."""
        subscription = self._targets().get(delivery.subscription.id)
        if subscription is None or subscription.held:
            self._hand_back(lane, delivery)
            return None
        if subscription is delivery.subscription:
            return delivery
        return replace(delivery, subscription=subscription)

    def _hand_back(self, lane: Lane, delivery: Delivery) -> None:
        """Make *delivery* due again at once: it was leased, and not attempted."""
        self._behind.add(lane.id)  # it goes before what is new
        self._unload(lane, delivery)
        if self._group is not None:
            self._group.create_task(self._give_back(delivery))

    async def _give_back(self, delivery: Delivery) -> None:
        try:
            await self._recorder.submit(make_record(delivery, "again"), 500, GRACE.total_seconds())
        except StoreUnavailableError:
            log.warning("lease.kept", delivery_id=delivery.id)  # it runs out by itself

    def _ended(self, task: asyncio.Task[None]) -> None:
        lane = self._running.pop(task)
        self._lanes.end(lane)
        self._feed(TRIED)
        self._refill(lane)

    def _feed(self, tries: int | None = None) -> None:
        """Let lanes go on that hold something and may begin it now."""
        while self._group is not None and (lane := self._lanes.next_hungry(tries)) is not None:
            delivery = self._next(lane)
            if delivery is not None:
                self._run(lane, delivery)

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
                self._canceller.stop()
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
        cut = [delivery for lane in self._lanes for delivery in lane.flying.values()]
        cut += [delivery for lane in self._lanes for delivery, _ in lane.held]
        for task in list(self._running):
            task.cancel()
        if cut:
            if self._running:
                await asyncio.wait(list(self._running), timeout=1)
            back = [make_record(delivery, "again") for delivery in cut]
            try:
                await self._deliveries.record(back)
            except (RedisError, OSError):
                log.warning("leases.kept", count=len(back))  # they run out by themselves

    async def _tick(self) -> None:
        """Lease what is due and can start now."""
        self._feed()
        if self._lanes.free <= 0:
            return
        now = asyncio.get_running_loop().time()
        try:
            if now - self._looked >= POLL:
                self._looked = now
                # Those that have all they may take stay due for other gateways, and come first.
                due = await self._deliveries.due(DUE + len(self._behind))
            else:  # who is behind has something due: that need not be asked
                due = self._lanes.low(self._behind - self._open)
            for at in range(0, len(due), TOGETHER):
                await self._serve_some(due[at : at + TOGETHER])
        except (RedisError, OSError) as error:
            log.warning("queue.unreachable", error=type(error).__name__)
            await asyncio.sleep(POLL)
        except Exception:
            log.exception("queue.crashed")
            await asyncio.sleep(1)

    async def _serve_some(self, ids: Sequence[str]) -> None:
        """Serve each; all of them have ended when the first fault is raised."""
        ended = await asyncio.gather(*(self._serve(id_) for id_ in ids), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _serve(self, id_: str) -> None:
        subscription = self._targets().get(id_)
        if subscription is None:
            await self._confirm()  # another gateway may have made it a moment ago
            subscription = self._targets().get(id_)
        if subscription is None:
            self._cancel(id_)
            return
        if subscription.held:
            await self._postpone(id_)
            return
        want, retries = self._lanes.wanted(subscription)
        if want <= 0:
            self._behind.add(id_)
            return
        leased = await self._deliveries.lease(
            id_, want, subscription.lease, subscription.flow, retries
        )
        again = sum(one.again for one in leased)
        if len(leased) == want or again == retries or (leased and subscription.flow.ordered):
            self._behind.add(id_)  # more may be due as soon as one of these has ended
        else:
            self._behind.discard(id_)
        if leased:
            await self._begin(subscription, leased)
        if subscription.flow.rate_limit is not None and len(leased) < want:
            await self._look_again(id_)

    async def _postpone(self, id_: str) -> None:
        """Leave a held subscription alone for a while, unless it was let go in this moment."""
        await self._deliveries.postpone(id_)
        subscription = self._targets().get(id_)
        if subscription is not None and not subscription.held:
            await self._deliveries.expedite(id_)

    async def _look_again(self, id_: str) -> None:
        """Come back at the moment of the next token: a late look would lose a small burst's."""
        wait = await self._deliveries.due_in(id_)
        if wait is not None and timedelta(0) < wait < timedelta(seconds=POLL):
            asyncio.get_running_loop().call_later(wait.total_seconds(), self.hurry)

    async def _begin(self, subscription: Subscription, leased: Sequence[Leased]) -> None:
        """Start an attempt for each of *leased*; what cannot be attempted is recorded as ended."""
        events = self._events.of(subscription.tenant)
        found = await events.find_events([one.event_id for one in leased])
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
                self._lanes.load(self._lanes.of(subscription), retry=delivery.again)
                self.start(delivery)

    async def _end(self, delivery: Delivery, outcome: str, reason: str) -> None:
        log.error("delivery.ended", delivery_id=delivery.id, outcome=outcome, reason=reason)
        notice = None
        if outcome == "dead":
            notice = delivery_failed(delivery, reason, None, self._clock.now())
        await self._deliveries.record([make_record(delivery, outcome, error=reason, notice=notice)])

    def _cancel(self, id_: str) -> None:
        """End what a deleted subscription has queued; nobody else waits for it."""
        if self._group is not None:
            self._behind.discard(id_)
            self._open.discard(id_)
            self._lanes.forget(id_)
            self._canceller.begin(id_, self._group)

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
        except StoreUnavailableError:
            log.warning("delivery.unrecorded", delivery_id=delivery.id)  # repeated after its lease
        except (RedisError, OSError) as error:  # not paused: its next failure does it
            log.warning("pause.postponed", subscription_id=subscription.id, error=str(error))
        except Exception:
            log.exception("delivery.crashed", delivery_id=delivery.id)
        else:
            return reply.answer.ok and reply.duration_ms <= QUICK_MS
        return False

    async def _record(self, delivery: Delivery, reply: Reply, step: Step, row: bytes) -> None:
        outcome = outcome_of(step)
        delay = step.delay if isinstance(step, Again) else timedelta(0)
        status, error, notice = reply.answer.status, reply.answer.error, None
        if isinstance(step, Dead):
            notice = delivery_failed(delivery, error, status, self._clock.now())
        record = make_record(
            delivery,
            outcome,
            delay=delay,
            attempt=row,
            status=status,
            error=error,
            notice=notice,
            held=hold(reply.answer, self._clock.now()),
        )
        patience, size = delivery.subscription.lease.total_seconds(), len(row) + 500
        lane = self._lanes.of(delivery.subscription)
        made = _Made(delivery, reply, outcome, delay)
        if lane.quick and not lane.exact and reply.answer.ok and lane.unrecorded < UNRECORDED:
            # Nobody waits for this record: it is written with others, while the lane goes on.
            done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
            self._recorder.put(record, size, patience, done, linger=True)
            self._lanes.leave(lane)
            done.add_done_callback(partial(self._recorded, lane, made))
            return
        if self._note(made, await self._recorder.submit(record, size, patience)):
            await self._pause(delivery.subscription.id, "failing")

    def _recorded(self, lane: Lane, made: "_Made", done: "asyncio.Future[Recorded]") -> None:
        self._lanes.recorded(lane)
        try:
            self._note(made, done.result())
        except StoreUnavailableError:
            log.warning("delivery.unrecorded", delivery_id=made.delivery.id)
        except Exception:
            log.exception("delivery.crashed", delivery_id=made.delivery.id)

    def _note(self, made: "_Made", recorded: Recorded) -> bool:
        """Say what was *made* and recorded; whether its subscription is to be paused for it."""
        delivery, reply, outcome = made.delivery, made.reply, made.outcome
        self._metrics.attempt(delivery.subscription.id, outcome).inc()
        log.info(
            "delivery.attempted" if recorded.kept else "delivery.lost",
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            status=reply.answer.status,
            error=reply.answer.error,
            duration_ms=reply.duration_ms,
            outcome=outcome,
            delay_s=round(made.delay.total_seconds(), 1),
        )
        return recorded.kept and self._heed(delivery.subscription, reply.answer, recorded.gate)

    def _heed(self, subscription: Subscription, answer: Answer, gate: Gate) -> bool:
        """Go by what the store says of *subscription* after an attempt; whether to pause it."""
        id_ = subscription.id
        lane = self._lanes.find(id_) or Lane(id_)  # nothing of it may be in hand any more
        self._lanes.prove(lane, gate.failed)
        is_open, was_open = gate.breaker is not Breaker.CLOSED, id_ in self._open
        if is_open and not was_open:
            self._open.add(id_)
            log.warning("breaker.opened", subscription_id=id_, failed=gate.failed)
        elif was_open and not is_open:
            self._open.discard(id_)
            self._lanes.start_slowly(lane)
            self._behind.add(id_)  # what waited is due now
            log.info("breaker.closed", subscription_id=id_)
        elif answer.ok:
            self._lanes.speed_up(lane)
            self._feed(TRIED)
        if answer.status in TOO_FAST:
            self._lanes.slow_down(lane)
        if is_open or answer.status in TOO_FAST:
            while lane.held:  # whoever waits loses no attempt
                self._hand_back(lane, lane.held.popleft()[0])
        limit = subscription.flow.pause_after
        return not answer.ok and limit is not None and limit.reached(gate)
