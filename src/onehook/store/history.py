"""The attempts of every subscription: in the store, and on disk what memory has no room for."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from onehook.store.archive import Archive, ArchiveReader, Row
from onehook.store.attempts import AttemptRow, decode
from onehook.store.client import Client, StreamRow
from onehook.store.events import Retention, milliseconds
from onehook.store.keys import Keys

log = structlog.get_logger()

CHUNK = 1000  # attempts in one file of the archive
PRESSURE = 0.8  # of the store's memory: from here on things go before their time
LEAST = 1000  # attempts of each subscription that stay in memory even then
_TURN_MS = 150_000  # how long archiving stays with one gateway that does not come back to it

Place = tuple[str, str]  # subscription id, position in its stream


class History:
    """Reads attempts wherever they are, and moves the oldest to disk."""

    def __init__(
        self, client: Client, keys: Keys, retention: Retention, archive: Archive, owner: str
    ) -> None:
        """*owner* names this gateway: archiving stays with one, so that its disk has it all."""
        self.client, self.keys, self.retention, self.archive = client, keys, retention, archive
        self._owner = owner.encode()

    async def reader(self) -> ArchiveReader:
        """What :meth:`find` needs to look on disk; made anew, it knows what came since."""
        return await asyncio.to_thread(ArchiveReader, self.archive)

    async def find(
        self, places: Sequence[Place], reader: ArchiveReader | None = None
    ) -> dict[Place, AttemptRow]:
        """The attempts at *places*; those whose time has ended are left out."""
        pipe = self.client.pipeline(transaction=False)
        for subscription_id, position in places:
            pipe.xrange(self.keys.attempts(subscription_id), position, position)
        rows: list[list[StreamRow]] = await pipe.execute() if places else []
        found = {
            place: decode(some[0][1][b"a"])
            for place, some in zip(places, rows, strict=True)
            if some
        }
        missing: dict[str, list[str]] = {}
        for place in places:
            if place not in found:
                missing.setdefault(place[0], []).append(place[1])
        if missing:
            files = reader or await self.reader()
            found |= await asyncio.to_thread(_find_archived, files, missing)
        return found

    async def trim(self, subscription_ids: Sequence[str]) -> None:
        """Move to disk what is too much for memory, and end what time ends there.

        What cannot be written stays in memory.

        Raises:
            redis.exceptions.RedisError: the store is away; the next round goes on.
        """
        if not await self._is_our_turn():
            return
        pressed = await is_pressed(self.client, PRESSURE)
        kept = LEAST if pressed else self.retention.attempts
        try:
            for id_ in subscription_ids:
                await self._trim(id_, kept)
            seconds, _ = await self.client.time()
            oldest = seconds * 1000 - milliseconds(self.retention.history)
            await asyncio.to_thread(self.archive.prune, oldest)
        except OSError as error:
            log.error("history.unarchived", error=type(error).__name__)  # noqa: TRY400 it says all

    async def _trim(self, subscription_id: str, kept: int) -> None:
        stream = self.keys.attempts(subscription_id)
        while await self.client.xlen(stream) >= kept + CHUNK:
            rows = await self.client.xrange(stream, count=CHUNK + 1)
            *old, (rest, _) = rows
            await asyncio.to_thread(self.archive.write, subscription_id, [_row(r) for r in old])
            # A crash before this archives the same rows again, under the same name.
            await self.client.xtrim(stream, minid=rest.decode(), approximate=False)
            log.info("history.archived", subscription_id=subscription_id, attempts=len(old))

    async def _is_our_turn(self) -> bool:
        """Whether this gateway archives; two at once would do no harm, but each have half."""
        key = self.keys.archivist
        if await self.client.set(key, self._owner, px=_TURN_MS, nx=True):
            return True
        if await self.client.get(key) != self._owner:
            return False
        return await self.client.pexpire(key, _TURN_MS)


async def is_pressed(client: Client, share: float = PRESSURE) -> bool:
    """Whether more than *share* of the store's memory is in use; never where it has no limit."""
    info: Mapping[str, int] = await client.execute_command("INFO", "memory")
    limit = info.get("maxmemory", 0)
    return limit > 0 and info["used_memory"] > share * limit


def _row(row: StreamRow) -> Row:
    position, fields = row
    return position.decode(), fields[b"e"].decode(), decode(fields[b"a"])


def _find_archived(
    reader: ArchiveReader, missing: Mapping[str, Sequence[str]]
) -> dict[Place, AttemptRow]:
    return {
        (subscription_id, position): row
        for subscription_id, positions in missing.items()
        for position, row in reader.find(subscription_id, positions).items()
    }
