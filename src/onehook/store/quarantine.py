"""Webhooks that are kept and not normalized: which, why, and how they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from onehook.core.integration import Normalized
from onehook.core.mapping.normalize import Quarantined
from onehook.core.model import IntegrationInfo, Webhook
from onehook.errors import NotFoundError
from onehook.store.client import Client
from onehook.store.keys import Keys
from onehook.store.scripts import DISCARD, RESTATE


class Held(msgspec.Struct, array_like=True):
    """Why a webhook is in quarantine, and what it takes to try it again."""

    integration_id: str
    platform: str
    reason: str
    detail: str
    pointer: str | None
    event: str | None  # the vendor's own name of it
    received_at: datetime
    size: int  # of the body, bytes
    parts: tuple[str, ...]  # of its dedupe key: the ids of its events come from them
    markers: tuple[str, ...]  # keys of its dedupe markers

    @classmethod
    def of(
        cls,
        integration: IntegrationInfo,
        webhook: Webhook,
        made: Normalized,
        outcome: Quarantined,
        markers: Sequence[str],
    ) -> "Held":
        """What to keep of a webhook that goes into quarantine."""
        return cls(
            integration.id,
            integration.type,
            outcome.reason,
            outcome.detail,
            outcome.pointer,
            made.event_name,
            webhook.received_at,
            len(webhook.body),
            made.parts,
            tuple(markers),
        )

    def again(self, outcome: Quarantined, event: str | None) -> "Held":
        """The same webhook, held for another reason."""
        return msgspec.structs.replace(
            self,
            reason=outcome.reason,
            detail=outcome.detail,
            pointer=outcome.pointer,
            event=event,
        )

    def pack(self) -> bytes:
        """The form in which it lies in the store."""
        return msgspec.json.encode(self)


_unpack = msgspec.json.Decoder(Held).decode


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the quarantine: since when, by the store's clock in ms, and which webhook."""

    at_ms: int
    webhook_id: str

    def __str__(self) -> str:
        return f"{self.at_ms}-{self.webhook_id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """What ``str`` gives."""
        at, _, webhook_id = text.partition("-")
        return cls(int(at), webhook_id)

    @property
    def at(self) -> datetime:
        """Since when, aware UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One webhook in quarantine."""

    position: Position
    held: Held

    @property
    def webhook_id(self) -> str:
        """Its id."""
        return self.position.webhook_id


class QuarantineStore:
    """Lists what is in quarantine, and changes what is said of it.

    Into it and out of it, to events, leads :meth:`onehook.store.events.EventStore.commit`.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys

    async def count(self) -> int:
        """How many webhooks are here."""
        return int(await self.client.zcard(self.keys.quarantine))

    def of(self, tenant: str) -> "QuarantineStore":
        """The quarantine of *tenant* alone."""
        return QuarantineStore(self.client, self.keys.of(tenant))

    async def newest(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: Position | None = None,
        count: int,
    ) -> list[Position]:
        """Up to *count* places in [*since*, *until*), the newest first, from after *before* on."""
        oldest = "-inf" if since is None else _ms(since)
        newest: int | str = "+inf" if until is None else f"({_ms(until)}"
        skipped = 0
        if before is not None:
            newest, skipped = before.at_ms, await self._same(before)
        rows = await self.client.zrevrangebyscore(
            self.keys.quarantine, newest, oldest, 0, count + skipped, withscores=True
        )
        places = (Position(int(score), member.decode()) for member, score in rows)
        return [place for place in places if before is None or place < before][:count]

    async def oldest(self, *, after: Position | None = None, count: int) -> list[Position]:
        """Up to *count* places, the oldest first, from after *after* on."""
        least: int | str = "-inf"
        skipped = 0
        if after is not None:
            least, skipped = after.at_ms, await self._same(after)
        rows = await self.client.zrangebyscore(
            self.keys.quarantine, least, "+inf", 0, count + skipped, withscores=True
        )
        places = (Position(int(score), member.decode()) for member, score in rows)
        return [place for place in places if after is None or place > after][:count]

    async def _same(self, place: Position) -> int:
        """How many have come in the same millisecond: so many may have to be passed over."""
        return await self.client.zcount(self.keys.quarantine, place.at_ms, place.at_ms)

    async def entries(self, places: Sequence[Position]) -> list[Entry]:
        """What is said of *places*, in order; without those that have left."""
        pipe = self.client.pipeline(transaction=False)
        for place in places:
            pipe.hget(self.keys.native(place.webhook_id), "q")
        found: list[bytes | None] = await pipe.execute()
        return [
            Entry(place, _unpack(row))
            for place, row in zip(places, found, strict=True)
            if row is not None
        ]

    async def get(self, webhook_id: str) -> Entry:
        """One webhook.

        Raises:
            NotFoundError: it is not in quarantine.
        """
        score = await self.client.zscore(self.keys.quarantine, webhook_id)
        place = [] if score is None else [Position(int(score), webhook_id)]
        found = await self.entries(place)
        if not found:
            raise NotFoundError(absent(webhook_id))
        return found[0]

    async def restate(self, webhook_id: str, held: Held) -> None:
        """Say anew why a webhook is in quarantine, if it still is."""
        keys = [self.keys.quarantine, self.keys.native(webhook_id)]
        await RESTATE.run(self.client, keys, [webhook_id, held.pack()])

    async def discard(self, webhook_id: str) -> None:
        """Drop a webhook for good.

        Raises:
            NotFoundError: it is not in quarantine.
        """
        keys = [self.keys.quarantine, self.keys.native(webhook_id)]
        if await DISCARD.run(self.client, keys, [webhook_id]) == [b"gone"]:
            raise NotFoundError(absent(webhook_id))


def absent(webhook_id: str) -> str:
    """What to say of a webhook that is not in quarantine."""
    return f"there is no webhook {webhook_id[:80]!r} in quarantine"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
