"""How many events a minute a tenant's webhooks may become, if it has that quota."""

import asyncio
import math

from onehook.core.buckets import Bucket
from onehook.errors import RateLimitedError
from onehook.store.registry import Registry


class EventQuotas:
    """Counts the events of tenants that have the quota ``events_per_minute``.

    Each gateway counts for itself, in memory: exactness across gateways would cost every webhook a
    round trip to the store. A minute's worth may come at once. A webhook is let through before
    anybody knows how many events it makes; it takes one then, and :meth:`settle` the others.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._buckets: dict[str, Bucket] = {}

    def admit(self, tenant: str) -> None:
        """Let one webhook of *tenant* through.

        Raises:
            RateLimitedError: its events of this minute are used up.
        """
        limit = self._limit(tenant)
        if limit is None:
            return
        now = asyncio.get_running_loop().time()
        bucket = self._buckets.get(tenant)
        if bucket is None or bucket.per_minute != limit:
            bucket = self._buckets[tenant] = Bucket.full(limit, now)
        wait = bucket.take(now)
        if wait > 0:
            msg = f"the quota events_per_minute of the tenant is {limit}, and that is used up"
            raise RateLimitedError(msg, retry_after=math.ceil(wait))

    def settle(self, tenant: str, events: int) -> None:
        """A webhook of *tenant* that was let through became so many *events*."""
        if self._limit(tenant) is not None and tenant in self._buckets:
            self._buckets[tenant].charge(events - 1)

    def _limit(self, tenant: str) -> int | None:
        record = self._registry.snapshot.tenants.get(tenant)
        return None if record is None else record.quotas.events_per_minute
