"""Holds the store under its memory limit: what is delivered goes before its time, oldest first.

The native webhooks go first, then all the rest of what is delivered. What is on its way, dead or
in quarantine never goes: when nothing else is left, the store takes no more webhooks (OOM).
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import structlog

from onehook.store.client import Client
from onehook.store.events import SCAN, Retention, milliseconds
from onehook.store.history import PRESSURE, is_pressed
from onehook.store.keys import LIVE_TURNS, Keys
from onehook.store.logs import deliveries_of
from onehook.store.packing import WEBHOOK_ID
from onehook.store.scripts import TRIM, Argument

log = structlog.get_logger()

EASE = PRESSURE - 0.05  # of the store's memory: down to here
FULL = 0.99  # of it: from here on nothing can be written
STEPS = 200  # parts of the lists that one round looks at: others want the store, too
_NATIVE, _EVENT = "native", "event"


@dataclass(slots=True)
class _Freed:
    natives: int = 0
    events: int = 0
    steps: int = 0


class Relief:
    """Frees memory of one store; several gateways may do so at once."""

    def __init__(self, client: Client, keys: Keys, retention: Retention) -> None:
        self._client, self._keys, self._retention = client, keys, retention
        self._places: dict[tuple[str, str], str] = {}  # how far lists were walked
        self._told = False  # that nothing more can go

    async def relieve(
        self,
        tenants: Sequence[str],
        subscriptions: Mapping[str, str],
        archive: Callable[[], Awaitable[None]],
    ) -> None:
        """Free what may go, as long as the store is too full.

        *subscriptions* are ids with their tenants; *archive* moves attempts to disk.

        Raises:
            redis.exceptions.RedisError: the store is away; the next round goes on.
        """
        if not await is_pressed(self._client):
            self._told = False
            return
        freed = _Freed()
        eased = await self._trim(_NATIVE, tenants, freed)
        if not eased:
            eased = await self._trim(_EVENT, tenants, freed)
            for id_, tenant in subscriptions.items():
                await self._trim_log(id_, self._keys.of(tenant), freed)
            for tenant in tenants:
                await self._free_references(self._keys.of(tenant))
            if not await is_pressed(self._client, FULL):  # whose turn it is has to be written
                await archive()
        if freed.natives or freed.events:
            log.warning("store.relieved", natives=freed.natives, events=freed.events)
        elif not eased and not self._told:
            log.error("store.crowded", hint="what is left is on its way, dead or in quarantine")
        self._told = not eased

    async def _trim(self, what: str, tenants: Sequence[str], freed: _Freed) -> bool:
        """Walk the lists of events, oldest first, until the store has room; False: it has none."""
        for tenant in tenants:
            while freed.steps < STEPS:
                if not await is_pressed(self._client, EASE):
                    return True
                freed.steps += 1
                if not await self._trim_some(what, self._keys.of(tenant), freed):
                    break
        return not await is_pressed(self._client, EASE)

    async def _trim_some(self, what: str, names: Keys, freed: _Freed) -> bool:
        """Free the next events of a tenant; False: these were its last."""
        rows = await self._client.xrange(
            names.index, self._after(what, names.index), "+", count=SCAN
        )
        if not rows:
            return self._start_over(what, names.index)
        ids = [fields[b"e"].decode() for _, fields in rows]
        pipe = self._client.pipeline(transaction=False)
        for id_ in ids:
            pipe.getrange(names.event(id_), 0, WEBHOOK_ID - 1)
        webhooks: list[bytes] = await pipe.execute()
        keys = [names.index]
        for id_, webhook in zip(ids, webhooks, strict=True):
            native = names.native(webhook.decode().rstrip())
            keys += [names.event(id_), names.deliveries(id_), native]
        arguments: list[Argument] = [what, milliseconds(self._retention.native), len(rows)]
        arguments += [position for position, _ in rows]
        natives, events = await TRIM.run(self._client, keys, arguments)
        freed.natives += natives
        freed.events += events
        self._places[what, names.index] = rows[-1][0].decode()
        return True

    async def _trim_log(self, subscription_id: str, names: Keys, freed: _Freed) -> None:
        """Drop the deliveries of a subscription, oldest first, whose events are gone."""
        stream = names.log(subscription_id)
        while freed.steps < 2 * STEPS:
            freed.steps += 1
            rows = await self._client.xrange(stream, self._after("", stream), "+", count=SCAN)
            found = [[one.event_id for one in deliveries_of(*row)] for row in rows]
            pipe = self._client.pipeline(transaction=False)
            for id_ in chain.from_iterable(found):
                pipe.hget(names.deliveries(id_), "at")
            made: Iterator[bytes | None] = iter(await pipe.execute() if rows else [])
            there = [[next(made) for _ in ids] for ids in found]
            gone = [
                row[0]
                for row, moments in zip(rows, there, strict=True)
                if all(at is None for at in moments)
            ]
            if gone:
                await self._client.execute_command("XDEL", stream, *gone)
            if len(gone) < len(rows) or not rows:  # from here on they are there, or on their way
                self._start_over("", stream)
                return
            self._places["", stream] = rows[-1][0].decode()

    async def _free_references(self, names: Keys) -> None:
        """Free the parts of the index of references that are older than every event."""
        oldest = await self._client.xrange(names.index, count=1)
        seconds, micros = await self._client.time()
        now = seconds * 1000 + micros // 1000
        first = int(oldest[0][0].partition(b"-")[0]) if oldest else now
        pipe = self._client.pipeline(transaction=False)
        for key in names.references:
            pipe.pttl(key)
        left: list[int] = await pipe.execute()
        life = milliseconds(self._retention.event)
        # As the commit grants it: half a part's time, and the life of its last event.
        ends = [now + ms - life - life // (2 * LIVE_TURNS) for ms in left]
        old = [
            key
            for key, ms, end in zip(names.references, left, ends, strict=True)
            if ms >= 0 and end < first
        ]
        if old:
            pipe = self._client.pipeline(transaction=False)
            pipe.unlink(*old)
            await pipe.execute()

    def _after(self, what: str, stream: str) -> str:
        place = self._places.get((what, stream))
        return "-" if place is None else f"({place}"

    def _start_over(self, what: str, stream: str) -> bool:
        """What was on its way as we came by may have ended: the next round sees all again."""
        self._places.pop((what, stream), None)
        return False
