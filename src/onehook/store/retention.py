"""Ends what time ends: lists of events, deliveries and attempts, dead letters, quarantine.

Nothing pending is ever touched here: events and webhooks get their expiry from the record of
their last delivery.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from onehook.core.model import DEFAULT_TENANT
from onehook.store.client import Client
from onehook.store.events import Retention, milliseconds
from onehook.store.keys import LIVE_TURNS, Keys


async def sweep(
    client: Client,
    keys: Keys,
    retention: Retention,
    subscription_ids: Sequence[str],
    tenants: Sequence[str] = (DEFAULT_TENANT,),
) -> None:
    """One round over the streams and sorted sets, by the store's own clock."""
    seconds, micros = await client.time()
    now = seconds * 1000 + micros // 1000

    def before(duration: timedelta) -> int:
        return now - milliseconds(duration)

    pipe = client.pipeline(transaction=False)
    for own in map(keys.of, tenants):
        pipe.xtrim(own.index, minid=f"{before(retention.listed)}-0", approximate=True)
        pipe.zremrangebyscore(own.quarantine, "-inf", before(retention.dead))
        pipe.zremrangebyscore(own.replays, "-inf", before(retention.dead))
    for id_ in subscription_ids:
        oldest = f"{before(retention.history)}-0"
        pipe.xtrim(keys.log(id_), minid=oldest, approximate=True)
        pipe.xtrim(keys.attempts(id_), minid=oldest, approximate=True)
        pipe.zremrangebyscore(keys.dead(id_), "-inf", before(retention.dead))
    await pipe.execute()
    await _free_references(client, keys, retention, tenants)


async def forget_tenant(client: Client, own: Keys, platforms: Iterable[str]) -> None:
    """Remove what a tenant's events are listed and counted in: one of its name would see it.

    *own* are its names. The events themselves have their expiry; nothing leads to them any more.
    """
    lists = [own.index, own.quarantine, own.totals, own.replays, *own.references]
    pipe = client.pipeline(transaction=False)
    pipe.unlink(*lists, *(own.drift(platform) for platform in platforms))
    await pipe.execute()


async def _free_references(
    client: Client, keys: Keys, retention: Retention, tenants: Sequence[str]
) -> None:
    """Free the parts of the index of references whose events are all gone.

    They would expire a little later by themselves. But they are large, and some servers free what
    expires while everybody waits; UNLINK frees in the background.
    """
    pipe = client.pipeline(transaction=False)
    parts = [key for own in map(keys.of, tenants) for key in own.references]
    for key in parts:
        pipe.pttl(key)
    left = await pipe.execute()
    overdue = milliseconds(retention.event) // (2 * LIVE_TURNS)  # as the commit grants it
    pipe = client.pipeline(transaction=False)
    ended = [key for key, ms in zip(parts, left, strict=True) if 0 <= ms <= overdue]
    if ended:
        pipe.unlink(*ended)
        await pipe.execute()
