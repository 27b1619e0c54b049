"""The webhooks that came last: those with events by the index, those without by the quarantine."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from onehook.core.notices import STATUS
from onehook.store.events import MAX_SCAN, SCAN, EventStore, IndexEntry
from onehook.store.packing import WEBHOOK_ID
from onehook.store.quarantine import Position, QuarantineStore


@dataclass(slots=True)
class RecentWebhook:
    """A webhook that is or was in the store; *reason*: of the quarantine that it is in."""

    id: str
    integration_id: str
    at_ms: int  # by the store's clock
    event_ids: list[str] = field(default_factory=list[str])
    reason: str | None = None


async def recent(
    events: EventStore, quarantine: QuarantineStore, integrations: Collection[str], count: int
) -> list[RecentWebhook]:
    """The last *count* webhooks of *integrations*, newest first.

    What was ignored is not kept, and the gateway's own facts about them are nobody's webhooks.
    """
    committed = await _committed(events, integrations, count)
    held = await _held(quarantine, integrations, count)
    found = sorted([*committed, *held], key=lambda one: one.at_ms, reverse=True)
    return found[:count]


async def _committed(
    events: EventStore, integrations: Collection[str], count: int
) -> list[RecentWebhook]:
    found: dict[str, RecentWebhook] = {}
    position: str | None = None
    seen = 0
    while seen < MAX_SCAN:
        entries = await events.index(since=None, until=None, before=position, count=SCAN)
        wanted = [
            entry
            for entry in entries
            if entry.integration_id in integrations and entry.type not in STATUS
        ]
        owners = await _owners(events, wanted)
        for entry, owner in zip(wanted, owners, strict=True):
            if owner is None:
                continue
            at = int(entry.position.partition("-")[0])
            if owner not in found and len(found) == count:
                return list(found.values())
            one = found.setdefault(owner, RecentWebhook(owner, entry.integration_id, at))
            one.event_ids.insert(0, entry.event_id)
        if len(entries) < SCAN:
            break
        position, seen = entries[-1].position, seen + len(entries)
    return list(found.values())


async def _owners(events: EventStore, entries: Sequence[IndexEntry]) -> list[str | None]:
    """The webhook of each event; None of one that expired."""
    pipe = events.client.pipeline(transaction=False)
    for entry in entries:
        pipe.getrange(events.keys.event(entry.event_id), 0, WEBHOOK_ID - 1)
    heads: list[bytes] = await pipe.execute()
    return [head.decode().rstrip() or None for head in heads]


async def _held(
    quarantine: QuarantineStore, integrations: Collection[str], count: int
) -> list[RecentWebhook]:
    found: list[RecentWebhook] = []
    place: Position | None = None
    seen = 0
    while seen < MAX_SCAN and len(found) < count:
        places = await quarantine.newest(before=place, count=SCAN)
        found += [
            RecentWebhook(
                one.webhook_id, one.held.integration_id, one.position.at_ms, [], one.held.reason
            )
            for one in await quarantine.entries(places)
            if one.held.integration_id in integrations
        ]
        if len(places) < SCAN:
            break
        place, seen = places[-1], seen + len(places)
    return found[:count]


async def packed_natives(
    events: EventStore, webhooks: Sequence[RecentWebhook]
) -> list[bytes | None]:
    """Each webhook as it lies in the store, for :func:`onehook.store.packing.unpack_native`."""
    pipe = events.client.pipeline(transaction=False)
    for webhook in webhooks:
        pipe.hget(events.keys.native(webhook.id), "b")
    found: list[bytes | None] = await pipe.execute()
    return found


async def packed_events(events: EventStore, webhook: RecentWebhook) -> list[bytes | None]:
    """The events of *webhook*, for :func:`onehook.store.packing.unpack_event`."""
    names = [events.keys.event(id_) for id_ in webhook.event_ids]
    return await events.client.mget(names) if names else []
