"""Leases due deliveries, attempts each, records what came of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog
from redis.exceptions import RedisError

from onehook import __version__
from onehook.clock import Clock
from onehook.core.model import Delivery, EventId, Subscription, WebhookId
from onehook.core.profiles import headers as make_headers
from onehook.core.schedule import MAX_LEASES, Again, Dead, Delivered, Step, next_step
from onehook.deliver.client import DeliveryClient, Reply
from onehook.errors import StoreUnavailableError
from onehook.metrics import Metrics
from onehook.store.attempts import AttemptRow, encode
from onehook.store.batches import Batcher
from onehook.store.deliveries import DeliveryStore, Leased, Record
from onehook.store.events import EventStore

log = structlog.get_logger()

POLL = 0.05  # seconds between looks at what is due
PER_SUBSCRIPTION = 16  # attempts at once
RECORDS = 128  # in one script
DRAIN = 10.0  # seconds that attempts in flight may take when we stop
_USER_AGENT = f"onehook/{__version__}"


class _Type(msgspec.Struct):
    """The one thing that delivery reads of an event."""

    type: str


_type_of = msgspec.json.Decoder(_Type).decode


class Worker:
    """Makes deliveries: those that a commit leased for it, and those that come due.

    *targets* gives the subscriptions as they are now; *confirm* reads them anew from the store;
    *pause* pauses one that said 410 Gone.
    """

    def __init__(
        self,
        deliveries: DeliveryStore,
        events: EventStore,
        client: DeliveryClient,
        clock: Clock,
        metrics: Metrics,
        *,
        concurrency: int,
        targets: Callable[[], Mapping[str, Subscription]],
        confirm: Callable[[], Awaitable[object]],
        pause: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._deliveries, self._events, self._client = deliveries, events, client
        self._clock, self._metrics = clock, metrics
        self._free = concurrency
        self._targets, self._confirm, self._pause = targets, confirm, pause
        self._busy: dict[str, int] = {}  # attempts of each subscription
        self._behind: set[str] = set()  # subscriptions whose queue is ahead of new events
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._recorder: Batcher[Record, bool] = Batcher(
            deliveries.record, max_items=RECORDS, max_bytes=1 << 20, max_waiting=64 << 20
        )
        self._random = random.SystemRandom()

    # -- what the committer asks -------------------------------------------------------------

    def reserve(self, subscription: Subscription) -> bool:
        """Keep a slot for a delivery to *subscription*; False: leave it to the queue.

        What is queued goes first: while a subscription is behind, new events queue as well.
        """
        id_ = subscription.id
        if self._group is None or id_ in self._behind:
            return False
        if self._free <= 0 or self._busy.get(id_, 0) >= PER_SUBSCRIPTION:
            self._behind.add(id_)
            return False
        self._take(id_)
        return True

    def release(self, subscription: Subscription) -> None:
        """Give a reserved slot back."""
        self._give(subscription.id)

    def start(self, delivery: Delivery) -> None:
        """Make *delivery* in the slot that was reserved for it."""
        if self._group is None:  # we are stopping: its lease runs out and another takes it
            self._give(delivery.subscription.id)
            return
        task = self._group.create_task(self._attempt(delivery))
        self._running[task] = delivery
        task.add_done_callback(self._ended)

    def wake(self) -> None:
        """Something may be due."""
        if self._behind:
            self._wake.set()

    def _take(self, id_: str) -> None:
        self._free -= 1
        self._busy[id_] = self._busy.get(id_, 0) + 1

    def _give(self, id_: str) -> None:
        self._free += 1
        left = self._busy.get(id_, 1) - 1
        if left:
            self._busy[id_] = left
        else:
            self._busy.pop(id_, None)
        if id_ in self._behind:
            self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        delivery = self._running.pop(task)
        self._metrics.in_flight.set(len(self._running))
        self._give(delivery.subscription.id)

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
        cut = dict(self._running)
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(list(cut), timeout=1)
            back = [_record(delivery, "again") for delivery in cut.values()]
            try:
                await self._deliveries.record(back)
            except (RedisError, OSError):
                log.warning("leases.kept", count=len(back))  # they run out by themselves

    async def _tick(self) -> None:
        """Lease what is due and can start now."""
        if self._free <= 0:
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
        if subscription.paused or not subscription.active:
            await self._deliveries.hold(id_)
            return
        want = min(self._free, PER_SUBSCRIPTION - self._busy.get(id_, 0))
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
        ids = [one.event_id for one in leased]
        for _ in ids:
            self._take(subscription.id)
        try:
            found = await self._events.find_events(ids)
            states = await self._deliveries.states(ids)
        except BaseException:
            for _ in ids:
                self._give(subscription.id)
            raise
        for one, event, state in zip(leased, found, states, strict=True):
            before = state.get(subscription.id)
            attempt = 1 if before is None else before.attempt_count + 1
            webhook_id, body = event if event is not None else (WebhookId(""), b"")
            type_ = _type_of(body).type if body else ""
            delivery = Delivery(
                subscription, EventId(one.event_id), type_, webhook_id, body, one.token, attempt
            )
            if event is None or one.leases > MAX_LEASES:
                reason = "expired" if event is None else "poison"
                await self._end(delivery, "cancelled" if event is None else "dead", reason)
                self._give(subscription.id)
            else:
                self.start(delivery)

    async def _end(self, delivery: Delivery, outcome: str, reason: str) -> None:
        log.error("delivery.ended", delivery_id=delivery.id, outcome=outcome, reason=reason)
        await self._deliveries.record([_record(delivery, outcome, error=reason)])

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

    async def _attempt(self, delivery: Delivery) -> None:
        """Make one attempt; record it and what follows from it in one script."""
        subscription = delivery.subscription
        try:
            now = self._clock.now()
            sent = make_headers(delivery, now, _USER_AGENT)
            reply = await self._client.post(
                subscription.url, sent, delivery.body, subscription.timeout
            )
            step = next_step(
                reply.answer,
                delivery.attempt,
                subscription.retry,
                self._random.random(),
                self._clock.now(),
            )
            if isinstance(step, Again) and step.pause:
                await self._pause(subscription.id, "gone")
            row = AttemptRow(
                delivery.attempt,
                now,
                reply.duration_ms,
                reply.answer.status,
                reply.answer.error,
                reply.detail,
                subscription.url,
                sent["webhook-signature"],
                dict(reply.headers),
                reply.body,
            )
            await self._record(delivery, reply, step, encode(row))
        except StoreUnavailableError:
            log.warning("delivery.unrecorded", delivery_id=delivery.id)  # repeated after its lease
        except Exception:
            log.exception("delivery.crashed", delivery_id=delivery.id)

    async def _record(self, delivery: Delivery, reply: Reply, step: Step, row: bytes) -> None:
        outcome = _outcome(step)
        delay = step.delay if isinstance(step, Again) else timedelta(0)
        record = _record(
            delivery,
            outcome,
            delay=delay,
            attempt=row,
            status=reply.answer.status,
            error=reply.answer.error,
        )
        patience = delivery.subscription.lease.total_seconds()
        recorded = await self._recorder.submit(record, len(row) + 500, patience)
        self._metrics.attempts.labels(delivery.subscription.id, outcome).inc()
        log.info(
            "delivery.attempted" if recorded else "delivery.lost",
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            status=reply.answer.status,
            error=reply.answer.error,
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
    )
