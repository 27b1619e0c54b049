"""Commits webhooks in groups, and hands what it leased to the deliverer."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from onehook.clock import Clock
from onehook.core.flow import order_key
from onehook.core.model import DEFAULT_TENANT, Delivery, EventId, Subscription, WebhookId
from onehook.core.notices import Notice, delivery_failed
from onehook.core.receipts import Receipt
from onehook.core.references import Indexed
from onehook.metrics import Metrics
from onehook.store.bands import lease_token
from onehook.store.batches import Batcher, Done
from onehook.store.events import CommitEvent, CommitWebhook, EventStore, Limits, Route

MAX_WEBHOOKS = 64
MAX_BYTES = 2 * 1024 * 1024
FEW = 8  # deliveries of an event that a commit puts into queues; more are left to the fan-out
_NOT_LEASED = timedelta(0)


class Deliverer(Protocol):
    """Who makes the deliveries."""

    def reserve(self, subscription: Subscription) -> bool:
        """Keep a slot for a delivery to *subscription*; False: leave it to the queue."""
        ...

    def release(self, subscription: Subscription) -> None:
        """Give a reserved slot back."""
        ...

    def refuse(self, subscription: Subscription) -> None:
        """Give a reserved slot back: the store keeps the delivery in its queue."""
        ...

    def start(self, delivery: Delivery) -> None:
        """Make *delivery* in the slot that was reserved for it."""
        ...

    def wake(self) -> None:
        """Something is due in the queue."""
        ...


class EventToCommit(msgspec.Struct, frozen=True):
    """An event on its way into the store."""

    id: EventId
    type: str
    body: bytes
    packed: bytes
    subscriptions: Sequence[Subscription]
    indexed: Indexed


class WebhookToCommit(msgspec.Struct, frozen=True):
    """A webhook on its way into the store."""

    receipt: Receipt
    integration_id: str
    markers: Sequence[str]
    native: bytes | None  # None: it lies in the quarantine, and comes out
    events: Sequence[EventToCommit]
    held: bytes = b""  # what the quarantine tells of it; empty: it goes not there
    notice: Notice | None = None  # of its quarantine
    tenant: str = DEFAULT_TENANT

    @property
    def size(self) -> int:
        """Roughly the bytes it takes while it waits."""
        return (
            len(self.native or b"") + sum(len(e.packed) + len(e.body) for e in self.events) + 1000
        )


class Committed(msgspec.Struct, frozen=True):
    """What the store says: *duplicate* if an earlier webhook's receipt holds."""

    receipt: Receipt
    duplicate: bool


class Committer:
    """Makes webhooks durable: all that arrive while one commit runs share the next."""

    def __init__(
        self,
        store: EventStore,
        deliverer: Deliverer,
        metrics: Metrics,
        max_waiting: int,
        clock: Clock,
        fan_out: Callable[[], None],
    ) -> None:
        """*fan_out* is called when a commit left deliveries whose queues are to be filled."""
        self._store, self._deliverer, self._metrics = store, deliverer, metrics
        self._clock, self._fan_out = clock, fan_out
        self._batcher: Batcher[WebhookToCommit, Committed] = Batcher(
            self._write, max_items=MAX_WEBHOOKS, max_bytes=MAX_BYTES, max_waiting=max_waiting
        )
        self.run = self._batcher.run
        self.close = self._batcher.close

    async def commit(self, webhook: WebhookToCommit, patience: timedelta) -> Committed:
        """Return once *webhook* is fsynced, or known to be a duplicate of one that is.

        Raises:
            StoreUnavailableError: it is not, within *patience*.
        """
        return await self._batcher.submit(webhook, webhook.size, patience.total_seconds())

    def put(self, webhook: WebhookToCommit, patience: timedelta, done: Done[Committed]) -> None:
        """As :meth:`commit`, for whoever awaits *done*.

        Raises:
            StoreUnavailableError: overloaded.
        """
        self._batcher.put(webhook, webhook.size, patience.total_seconds(), done)

    async def _write(self, batch: Sequence[WebhookToCommit]) -> Sequence[Committed]:
        """One script for *batch*. Slots are reserved now, not while webhooks wait."""
        self._metrics.batch.observe(len(batch))
        reserved: list[tuple[Subscription, EventToCommit, WebhookToCommit]] = []
        commits = [self._prepare(webhook, reserved) for webhook in batch]
        try:
            now, receipts, refused = await self._store.commit(commits)
        except BaseException:
            # The leases of an unknown outcome run out by themselves; the slots are ours again.
            for subscription, _, _ in reserved:
                self._deliverer.release(subscription)
            raise
        fresh = {
            webhook.receipt.webhook_id
            for webhook, (receipt, duplicate) in zip(batch, receipts, strict=True)
            if not duplicate and receipt is webhook.receipt
        }
        for subscription, event, webhook in reserved:
            if webhook.receipt.webhook_id not in fresh:  # a duplicate, or a repeated batch
                self._deliverer.release(subscription)
                continue
            if (subscription.id, event.id) in refused:
                self._deliverer.refuse(subscription)
                continue
            token = lease_token(now, subscription.lease)
            webhook_id = webhook.receipt.webhook_id
            self._deliverer.start(
                Delivery(
                    subscription,
                    event.id,
                    event.type,
                    webhook_id,
                    event.body,
                    token,
                    1,
                    integration_id=webhook.integration_id,
                )
            )
        self._deliverer.wake()
        if any(event.later for webhook in commits for event in webhook.events):
            self._fan_out()
        return [Committed(receipt, duplicate) for receipt, duplicate in receipts]

    def _prepare(
        self,
        webhook: WebhookToCommit,
        reserved: list[tuple[Subscription, EventToCommit, WebhookToCommit]],
    ) -> CommitWebhook:
        events: list[CommitEvent] = []
        for event in webhook.events:
            routes: list[Route] = []
            queued: list[Route] = []
            for subscription in event.subscriptions:
                limits = None
                if subscription.flow.gated:
                    limits = self._limits(subscription, event, webhook.receipt.webhook_id)
                # What comes out of the quarantine may have come by another way: ask the queue.
                fresh = webhook.native is not None and not subscription.held
                if fresh and self._deliverer.reserve(subscription):
                    routes.append(Route(subscription.id, subscription.lease, paused=False))
                    reserved.append((subscription, event, webhook))
                elif limits is not None:
                    routes.append(Route(subscription.id, _NOT_LEASED, subscription.held, limits))
                else:
                    queued.append(Route(subscription.id, _NOT_LEASED, subscription.held))
            later: Sequence[str] = ()
            if len(queued) > FEW:
                later = [route.subscription_id for route in queued]
            else:
                routes += queued
            events.append(
                CommitEvent(event.id, event.type, event.packed, routes, event.indexed, later)
            )
        return CommitWebhook(
            webhook.receipt,
            webhook.integration_id,
            webhook.markers,
            webhook.native,
            events,
            webhook.held,
            webhook.notice,
            webhook.tenant,
        )

    def _limits(
        self, subscription: Subscription, event: EventToCommit, webhook_id: WebhookId
    ) -> Limits | None:
        """What a delivery of *event* has to fit into; None: nothing that a commit looks at."""
        flow, notice = subscription.flow, None
        if not flow.ordered and flow.max_backlog is None:
            return None
        if flow.max_backlog is not None:
            made = Delivery(subscription, event.id, event.type, webhook_id, event.body, 0, 1)
            notice = delivery_failed(made, "overflow", None, self._clock.now())
        return Limits(flow.max_backlog, order_key(event.body) if flow.ordered else "", notice)
