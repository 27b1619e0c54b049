"""Ends what deleted subscriptions have queued."""

import asyncio

import structlog
from redis.exceptions import RedisError

from onehook.store.deliveries import DeliveryStore, Record
from onehook.store.events import EventStore

log = structlog.get_logger()

BATCH = 200  # deliveries in one script


class Canceller:
    """Records as cancelled what is queued for nobody, beside everyone else's deliveries."""

    def __init__(self, deliveries: DeliveryStore, events: EventStore) -> None:
        self._deliveries, self._events = deliveries, events
        self._busy: set[str] = set()
        self._stopped = False

    def begin(self, subscription_id: str, group: asyncio.TaskGroup) -> None:
        """See to a deleted subscription, in a task of *group*, unless one does already."""
        if subscription_id not in self._busy:
            self._busy.add(subscription_id)
            group.create_task(self._cancel(subscription_id))

    def stop(self) -> None:
        """Begin no further batch; what is left stays due, for the next start."""
        self._stopped = True

    async def _cancel(self, id_: str) -> None:
        """Cancel all that is queued; what a crash or a fault leaves is still due."""
        try:
            tenant = await self._deliveries.owner_of(id_)
            own = self._deliveries.of(tenant)
            while await self._cancel_some(id_, tenant) or not await own.forget(id_):
                if self._stopped:
                    return
            log.info("subscription.cancelled", subscription_id=id_)
        except (RedisError, OSError) as error:
            log.warning("queue.unreachable", error=type(error).__name__)
        except Exception:
            log.exception("queue.crashed")
        finally:
            self._busy.discard(id_)

    async def _cancel_some(self, id_: str, tenant: str) -> bool:
        queued = await self._deliveries.queued(id_, BATCH)
        ids = [event_id for event_id, _ in queued]
        found = await self._events.of(tenant).find_events(ids)
        await self._deliveries.record(
            [
                Record(
                    id_,
                    event_id,
                    event[0] if event else "",
                    score,
                    "cancelled",
                    tenant=tenant,
                )
                for (event_id, score), event in zip(queued, found, strict=True)
            ]
        )
        return bool(queued)
