"""Webhooks and events in the store: the commit, and reading them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec

from onehook.core.model import DEFAULT_TENANT, EventId, WebhookId
from onehook.core.notices import Notice
from onehook.core.receipts import Receipt
from onehook.core.references import Indexed
from onehook.store.client import Client
from onehook.store.keys import Keys
from onehook.store.packing import Native, unpack_event, unpack_native
from onehook.store.scripts import COMMIT, Argument
from onehook.store.untold import notice_arguments

SCAN = 500  # index entries read at once
FAN_OUT = 500  # subscriptions in one entry of the fan-out
MAX_SCAN = 10_000  # index entries read for one page, however few match


class Limits(msgspec.Struct, frozen=True):
    """What a delivery has to fit into.

    With *max_backlog* others queued it goes to the dead letter, and *notice* is told. It waits for
    those before it that have its *key*; empty: for none.
    """

    max_backlog: int | None
    key: str
    notice: Notice | None


class Route(msgspec.Struct, frozen=True):
    """A delivery to make at commit. *lease* zero: due at once, for whoever comes."""

    subscription_id: str
    lease: timedelta
    paused: bool
    limits: Limits | None = None


class Commit(NamedTuple):
    """What a commit says.

    *now_ms* is the store's time. *receipts*: for each webhook the one that holds, and whether it is
    an earlier webhook's: then nothing was written. *refused*: subscription and event of each
    delivery that was to be leased and was not; it is in the queue.
    """

    now_ms: int
    receipts: list[tuple[Receipt, bool]]
    refused: frozenset[tuple[str, str]]


class CommitEvent(msgspec.Struct, frozen=True):
    """One event of a webhook, packed, with its deliveries."""

    id: EventId
    type: str
    packed: bytes
    routes: Sequence[Route]
    indexed: Indexed  # which other things it names
    later: Sequence[str] = ()  # subscriptions whose queues are filled after the commit


class CommitWebhook(msgspec.Struct, frozen=True):
    """One webhook for :meth:`EventStore.commit`."""

    receipt: Receipt
    integration_id: str
    markers: Sequence[str]  # keys
    native: bytes | None  # packed; None: it lies in the quarantine, and comes out
    events: Sequence[CommitEvent]
    held: bytes = b""  # what the quarantine tells of it; empty: it goes not there
    notice: Notice | None = None  # to tell, if it is quarantined
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept after they are done."""

    event: timedelta = timedelta(days=7)
    native: timedelta = timedelta(days=3)
    marker: timedelta = timedelta(hours=72)
    dead: timedelta = timedelta(days=30)
    history: timedelta = timedelta(days=30)
    attempts: int = 100_000  # of each subscription, in memory
    minute: timedelta = timedelta(hours=25)  # the counts of one

    @property
    def listed(self) -> timedelta:
        """How long an event is in the index: as long as anything of it may be kept."""
        return max(self.event, self.dead, self.history)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An event in the index, or a delivery of it. *position* is the stream's, for cursors."""

    position: str
    event_id: str
    type: str
    integration_id: str


def index_entry(position: bytes, fields: Mapping[bytes, bytes]) -> IndexEntry:
    """A row of the index, as `commit.lua` writes it."""
    return IndexEntry(
        position.decode(), fields[b"e"].decode(), fields[b"t"].decode(), fields[b"i"].decode()
    )


def milliseconds(duration: timedelta) -> int:
    """*duration* in whole milliseconds."""
    return round(duration.total_seconds() * 1000)


@lru_cache(maxsize=100_000)
def _route_arguments(
    subscription_id: str, lease: timedelta, paused: bool, limited: bool
) -> tuple[Argument, ...]:
    """What `commit.lua` wants to know of any delivery; few ever differ."""
    return subscription_id, milliseconds(lease), "1" if paused else "0", "1" if limited else "0"


class EventStore:
    """Commits webhooks and reads events and natives."""

    def __init__(self, client: Client, keys: Keys, retention: Retention) -> None:
        self.client, self.keys, self.retention = client, keys, retention
        # Asked for with each delivery, of which a webhook may have hundreds.
        self._route_keys = lru_cache(maxsize=100_000)(self._make_route_keys)

    def _make_route_keys(self, subscription_id: str) -> tuple[str, str, str]:
        names = self.keys
        return names.queue(subscription_id), names.log(subscription_id), names.gate(subscription_id)

    def of(self, tenant: str) -> "EventStore":
        """The webhooks and events of *tenant* alone."""
        if tenant == self.keys.tenant:
            return self
        return EventStore(self.client, self.keys.of(tenant), self.retention)

    async def commit(self, batch: Sequence[CommitWebhook]) -> Commit:
        """Make *batch* durable in one script, so with one fsync.

        A batch may be sent again after an unknown outcome: what was written is found again under
        its own receipt. What was deleted before it could come out of the quarantine has a receipt
        that says `GONE`.

        Raises:
            redis.exceptions.RedisError: the outcome may then be unknown.
        """
        names, keep = self.keys, self.retention
        owners = {
            tenant: (number, names.of(tenant))
            for number, tenant in enumerate(dict.fromkeys(one.tenant for one in batch), 1)
        }
        keys = [names.due, names.untold, names.fan_out]
        for _, own in owners.values():
            keys += [own.index, own.quarantine, *own.references]
        arguments: list[Argument] = [
            len(batch),
            milliseconds(keep.event),
            milliseconds(keep.native),
            milliseconds(keep.marker),
            milliseconds(keep.dead),
            len(owners),
        ]
        for webhook in batch:
            self._add(webhook, *owners[webhook.tenant], keys, arguments)
        now, *seen, refused = await COMMIT.run(self.client.trips.hasty, keys, arguments)
        receipts = [
            (webhook.receipt, False) if not found else self._seen(webhook, found)
            for webhook, found in zip(batch, seen, strict=True)
        ]
        pairs = zip(refused[::2], refused[1::2], strict=True)
        return Commit(int(now), receipts, frozenset([(s.decode(), e.decode()) for s, e in pairs]))

    @staticmethod
    def _seen(webhook: CommitWebhook, found: bytes) -> tuple[Receipt, bool]:
        first = Receipt.of_marker(found.decode())
        return first, first.webhook_id != webhook.receipt.webhook_id

    def _add(
        self,
        webhook: CommitWebhook,
        number: int,
        names: Keys,
        keys: list[str],
        arguments: list[Argument],
    ) -> None:
        """Add *webhook*, of the tenant of that *number* and *names*, to what the script gets."""
        receipt = webhook.receipt
        keys.append(names.native(receipt.webhook_id))
        keys.extend(webhook.markers)
        arguments += [
            receipt.webhook_id,
            number,
            webhook.integration_id,
            len(webhook.markers),
            receipt.marker(),
            webhook.native or b"",
            webhook.held,
            len(webhook.events),
        ]
        if webhook.held:
            arguments += notice_arguments(webhook.notice)
        for event in webhook.events:
            keys += [names.event(event.id), names.deliveries(event.id)]
            entries, things = event.indexed
            arguments += [event.id, event.type, event.packed, b"".join(things)]
            rest = event.later
            later = [",".join(rest[at : at + FAN_OUT]) for at in range(0, len(rest), FAN_OUT)]
            arguments += [len(entries), len(event.routes), len(event.later), len(later)]
            arguments += [*entries, *later]
            for route in event.routes:
                id_, limits = route.subscription_id, route.limits
                keys += self._route_keys(id_)
                limited = limits is not None
                arguments += _route_arguments(id_, route.lease, route.paused, limited)
                if limits is not None:
                    keys += [names.dead(id_), names.leases(id_), names.line(id_)]
                    most = limits.max_backlog
                    arguments += ["" if most is None else most, limits.key]
                    arguments += notice_arguments(limits.notice)

    async def find_event(self, event_id: str) -> tuple[WebhookId, bytes] | None:
        """Webhook id and JSON of an event, None once it expired."""
        packed = await self.client.get(self.keys.event(event_id))
        if packed is None:
            return None
        webhook_id, body = unpack_event(packed)
        return WebhookId(webhook_id), body

    async def find_events(self, event_ids: Sequence[str]) -> list[tuple[WebhookId, bytes] | None]:
        """Several events at once, in order; None for each that expired."""
        if not event_ids:
            return []
        found = await self.client.mget([self.keys.event(id_) for id_ in event_ids])
        unpacked = [None if packed is None else unpack_event(packed) for packed in found]
        return [None if one is None else (WebhookId(one[0]), one[1]) for one in unpacked]

    async def find_native(self, webhook_id: str) -> Native | None:
        """The native webhook, None once it expired."""
        packed = await self.client.hget(self.keys.native(webhook_id), "b")
        return None if packed is None else unpack_native(packed)

    async def walk(
        self, after: str | None, since: datetime | None, until: datetime | None, count: int
    ) -> list[IndexEntry]:
        """Up to *count* entries of the index, oldest first, in [*since*, *until*).

        *after* is the position of the last entry already seen.
        """
        first = f"({after}" if after is not None else "-" if since is None else _position(since)
        last = "+" if until is None else f"({_position(until)}"
        rows = await self.client.xrange(self.keys.index, first, last, count=count)
        return [index_entry(*row) for row in rows]

    async def index(
        self, *, since: datetime | None, until: datetime | None, before: str | None, count: int
    ) -> list[IndexEntry]:
        """Up to *count* entries of the index, newest first, in [*since*, *until*).

        *before* is the position of the last entry already seen.
        """
        newest = "+" if until is None else f"({_position(until)}"
        if before is not None:
            newest = f"({before}"
        oldest = "-" if since is None else _position(since)
        rows = await self.client.xrevrange(self.keys.index, newest, oldest, count=count)
        return [index_entry(*row) for row in rows]


def _position(moment: datetime) -> str:
    """The first stream position at *moment*; stream ids begin with the store's time in ms."""
    return f"{int(moment.timestamp() * 1000)}-0"
