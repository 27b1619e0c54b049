"""The index of references: which events name a thing, and which things were seen."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from heapq import merge
from itertools import islice

from onehook.core.references import Entry, Sightings, read_entry
from onehook.core.references.sightings import FINGERPRINT
from onehook.store.client import Client, StreamRow
from onehook.store.events import milliseconds
from onehook.store.keys import Keys
from onehook.store.scripts import SIGHTINGS

CHUNK = 5000  # events that one script looks at


class ReferenceIndex:
    """Reads what the commit wrote of the things that events name."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys
        self._newest: dict[str, str] = {}  # by tenant, up to where in its index things were taken

    def of(self, tenant: str) -> "ReferenceIndex":
        """The index of *tenant* alone, for :meth:`find`."""
        return ReferenceIndex(self.client, self.keys.of(tenant))

    async def find(self, ranges: Sequence[tuple[bytes, bytes]], count: int) -> list[Entry]:
        """Up to *count* entries of *ranges*, the oldest first, each event once.

        Events that have expired may be among them.
        """
        pipe = self.client.pipeline(transaction=False)
        for key in self.keys.references:
            for first, behind in ranges:
                pipe.zrangebylex(key, b"[" + first, b"(" + behind, 0, count)
        rows: list[list[bytes]] = await pipe.execute()
        # Each is in order by itself: of one range, and so of one name and kind.
        entries = merge(*[[read_entry(row) for row in some] for some in rows])
        return list(islice(dict.fromkeys(entries), count))

    async def recall(self, tenant: str, sightings: Sightings, life: timedelta) -> None:
        """Take what *tenant* saw in the *life* before this start, as far as there is room.

        Events are listed for longer than they are kept: what is older than *life* proves nothing.

        Raises:
            redis.exceptions.RedisError: the store does not answer.
        """
        index = self.keys.of(tenant).index
        newest = await self.client.xrevrange(index, "+", "-", count=1)
        self._newest[tenant] = newest[0][0].decode() if newest else ""
        seconds, _ = await self.client.time()
        oldest = f"{seconds * 1000 - milliseconds(life)}-0"
        chunks: list[bytes] = []
        read, position, room = CHUNK, "", sightings.limit * FINGERPRINT
        while read == CHUNK and room > 0:
            read, position, things = await self._things(index, "older", position, oldest)
            chunks.append(things)
            room -= len(things)
        for things in reversed(chunks):  # the latest last: what comes first is forgotten first
            sightings.take(reversed(_split(things)))

    async def catch_up(self, sightings: Mapping[str, Sightings]) -> None:
        """Take the things that any gateway has seen since the last call, by tenant.

        Raises:
            redis.exceptions.RedisError: the store does not answer.
        """
        for tenant in await self._with_news(sightings):
            index, read = self.keys.of(tenant).index, CHUNK
            while read == CHUNK:
                before = self._newest.get(tenant, "")
                read, self._newest[tenant], things = await self._things(index, "newer", before, "+")
                sightings[tenant].take(_split(things))

    async def _with_news(self, tenants: Iterable[str]) -> list[str]:
        """Those of *tenants* that have new events: one question for all, most have none."""
        asked = list(tenants)
        if len(asked) == 1:  # it may as well be asked for the events
            return asked
        pipe = self.client.pipeline(transaction=False)
        for tenant in asked:
            pipe.xrevrange(self.keys.of(tenant).index, "+", "-", 1)
        rows: list[list[StreamRow]] = await pipe.execute()
        newest = (some[0][0].decode() if some else "" for some in rows)
        return [
            tenant
            for tenant, position in zip(asked, newest, strict=True)
            if position != self._newest.get(tenant, "")
        ]

    async def _things(
        self, index: str, way: str, position: str, end: str
    ) -> tuple[int, str, bytes]:
        """How many events were looked at, the position of the last, and their things."""
        read, last, things = await SIGHTINGS.run(self.client, [index], [way, position, end, CHUNK])
        return int(read), last.decode(), things


def _split(things: bytes) -> list[bytes]:
    return [things[at : at + FINGERPRINT] for at in range(0, len(things), FINGERPRINT)]
