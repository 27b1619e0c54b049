"""Replays in the store: deliveries made due anew, one by one or in bulk.

A bulk replay is a hash that says how far it is. Each step makes some deliveries due and moves on
in one script, so a crash between two steps loses nothing and repeats nothing; one runner at a
time has it, for a while that each step prolongs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from onehook.core.model import DEFAULT_TENANT, Subscription
from onehook.core.notices import epoch_ms
from onehook.store.client import Client
from onehook.store.deliveries import DeliveryState, read_states
from onehook.store.events import IndexEntry, Retention, milliseconds
from onehook.store.keys import Keys
from onehook.store.packing import WEBHOOK_ID
from onehook.store.scripts import REPLAY, REPLAY_CLAIM, REPLAY_END, WITHDRAW, Argument

Status = Literal["running", "done", "cancelled"]
Phase = Literal["count", "queue", "finish"]
_SCAN = 1000  # fields of a hash looked at at once


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk replay was asked for, in ids. It takes the events that came until *until*."""

    id: str
    since: datetime | None = None
    until: datetime
    integration: str | None = None
    subscription: str | None = None
    type: str | None = None
    status: Literal["delivered", "dead"] | None = None
    dry_run: bool = False
    per_minute: int | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bulk replay stands: what it does, and the last index entry it is done with.

    It counts first what there is, so that progress has a whole to be a part of.
    """

    phase: Phase
    position: str | None = None

    def __str__(self) -> str:
        return f"{self.phase} {self.position or ''}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read what ``str`` gave."""
        word, _, position = text.partition(" ")
        phase: Phase
        match word:
            case "count" | "queue":
                phase = word
            case _:
                phase = "finish"
        return cls(phase, position or None)


@dataclass(frozen=True, slots=True)
class Replay:
    """A bulk replay as it is now. *matched* counts events, the others deliveries."""

    spec: ReplaySpec
    status: Status
    place: Place
    matched: int
    queued: int
    skipped: int
    finished_at: datetime | None  # of its last step while it runs


@dataclass(frozen=True, slots=True)
class ToReplay:
    """A delivery to make due anew. *hurry*: if it is pending, make it due now."""

    subscription_id: str
    event_id: str
    webhook_id: str
    event_type: str
    integration_id: str
    held: bool  # its subscription's queue is not attempted now
    hurry: bool = False


def to_replay(
    subscription: Subscription, entry: IndexEntry, webhook_id: str, *, hurry: bool = False
) -> ToReplay:
    """The delivery of *entry*'s event to *subscription*, to be made again."""
    return ToReplay(
        subscription.id,
        entry.event_id,
        webhook_id,
        entry.type,
        entry.integration_id,
        held=subscription.held,
        hurry=hurry,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a bulk replay by *runner*, from one place to another."""

    id: str
    runner: str
    start: Place
    end: Place
    matched: int = 0  # events
    skipped: int = 0  # deliveries, besides those that turn out so


class ReplayStore:
    """Makes deliveries due anew, and keeps the bulk replays."""

    def __init__(self, client: Client, keys: Keys, retention: Retention) -> None:
        self.client, self.keys, self.retention = client, keys, retention

    def of(self, tenant: str) -> "ReplayStore":
        """The replays of *tenant* alone."""
        return ReplayStore(self.client, self.keys.of(tenant), self.retention)

    async def replay(self, items: Sequence[ToReplay]) -> list[str]:
        """Make each of *items* due anew: queued, pending, hurried, cancelled or gone.

        May be repeated after an unknown outcome: what was queued is then pending.
        """
        return await self._run(items, [""] * 4, (0, 0), timedelta(0))

    async def step(
        self, step: Step, items: Sequence[ToReplay], lease: timedelta
    ) -> list[str] | None:
        """Make *items* due anew and move on, and keep the replay for *lease*.

        None: nothing was written, as the replay has ended, another runner has it, or it stands
        elsewhere; which is what a repeat after an unknown outcome finds.
        """
        words = [step.id, step.runner, str(step.start), str(step.end)]
        found = await self._run(items, words, (step.matched, step.skipped), lease)
        return None if found == ["stopped"] else found

    async def _run(
        self,
        items: Sequence[ToReplay],
        words: Sequence[str],
        counts: tuple[int, int],
        lease: timedelta,
    ) -> list[str]:
        names = self.keys
        keys = [names.due, names.replay(words[0]), names.totals]
        arguments: list[Argument] = [len(items), *words, *counts, milliseconds(lease)]
        for item in items:
            sub, event = item.subscription_id, item.event_id
            keys += [
                names.queue(sub),
                names.leases(sub),
                names.deliveries(event),
                names.event(event),
                names.native(item.webhook_id),
                names.dead(sub),
                names.log(sub),
                names.gate(sub),
            ]
            arguments += [sub, event, item.event_type, item.integration_id]
            arguments += ["1" if item.held else "0", "1" if item.hurry else "0"]
        return [word.decode() for word in await REPLAY.run(self.client, keys, arguments)]

    # -- bulk replays ------------------------------------------------------------------------

    async def now(self) -> datetime:
        """The store's time, which positions in the index are made of."""
        seconds, micros = await self.client.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=micros // 1000)

    async def create(self, spec: ReplaySpec) -> None:
        """Write a new bulk replay down, for whichever gateway takes it up first."""
        key, made = self.keys.replay(spec.id), {spec.id: float(epoch_ms(spec.created_at))}
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(key, "spec", msgspec.json.encode(spec))
        pipe.hset(key, "status", b"running")
        pipe.hset(key, "at", str(Place("count")).encode())
        pipe.zadd(self.keys.replays, made)
        pipe.zadd(self.keys.open_replays, {self._open_name(spec.id): made[spec.id]})
        await pipe.execute()

    async def find(self, replay_id: str) -> Replay | None:
        """A bulk replay; None if there is none, or it ended long ago."""
        fields = await self.client.hgetall(self.keys.replay(replay_id))
        return _read(fields) if fields else None

    async def listing(self, before: str | None, count: int) -> list[Replay]:
        """Bulk replays, newest first; those made before the one of the id *before*."""
        rows = await self.client.zrange(self.keys.replays, 0, -1, withscores=True)
        ids = sorted((id_.decode() for id_, _ in rows), reverse=True)  # ids sort by time
        pipe = self.client.pipeline(transaction=False)
        chosen = [id_ for id_ in ids if before is None or id_ < before][:count]
        for id_ in chosen:
            pipe.hgetall(self.keys.replay(id_))
        found: list[Mapping[bytes, bytes]] = await pipe.execute() if chosen else []
        return [_read(fields) for fields in found if fields]

    async def open(self) -> list[tuple[str, str]]:
        """All tenants' bulk replays that somebody has to work at, the oldest first, by tenant."""
        rows = await self.client.zrange(self.keys.open_replays, 0, -1, withscores=True)
        found = (name.decode().rpartition(" ") for name, _ in rows)
        return [(tenant or DEFAULT_TENANT, id_) for tenant, _, id_ in found]

    def _open_name(self, replay_id: str) -> str:
        """What a replay is called among those of all tenants."""
        tenant = self.keys.tenant
        return replay_id if tenant == DEFAULT_TENANT else f"{tenant} {replay_id}"

    async def claim(self, replay_id: str, runner: str, lease: timedelta) -> bool:
        """Take a bulk replay for *lease*, or keep it that long; zero gives it back."""
        keys = [self.keys.replay(replay_id)]
        found = await REPLAY_CLAIM.run(self.client, keys, [runner, milliseconds(lease)])
        return found == [b"yours"]

    async def end(self, replay_id: str, status: Literal["done", "cancelled"]) -> str:
        """End a bulk replay; the status that holds: it may have ended otherwise before."""
        keys = [self.keys.replay(replay_id)]
        (found,) = await REPLAY_END.run(self.client, keys, [status])
        return str(found.decode())

    async def close(self, replay_id: str) -> None:
        """Nothing is left to do for a bulk replay that has ended; time takes it."""
        keep = milliseconds(self.retention.dead)
        await self.client.pexpire(self.keys.replay(replay_id), keep)
        await self.client.zrem(self.keys.open_replays, self._open_name(replay_id))

    async def withdraw(self, replay_id: str, subscription_id: str) -> int:
        """Take what a cancelled replay has queued for a subscription off; how many that were."""
        leases, cursor, taken = self.keys.leases(subscription_id), 0, 0
        while True:
            cursor, fields = await self.client.hscan(leases, cursor, "r:*", _SCAN)
            ids = [
                name[2:].decode()
                for name, mark in fields.items()
                if mark.split(b"|")[1] == replay_id.encode()
            ]
            if ids:
                taken += await self._withdraw(replay_id, subscription_id, ids)
            if cursor == 0:
                return taken

    async def _withdraw(
        self, replay_id: str, subscription_id: str, event_ids: Sequence[str]
    ) -> int:
        names, keep = self.keys, self.retention
        keys = [names.replay(replay_id), names.totals]
        arguments: list[Argument] = [
            len(event_ids),
            replay_id,
            milliseconds(keep.event),
            milliseconds(keep.native),
            milliseconds(keep.history),
        ]
        for event_id, webhook_id in zip(event_ids, await self._webhooks(event_ids), strict=True):
            keys += [
                names.queue(subscription_id),
                names.leases(subscription_id),
                names.deliveries(event_id),
                names.event(event_id),
                names.native(webhook_id),
                names.dead(subscription_id),
            ]
            arguments += [subscription_id, event_id]
        (taken,) = await WITHDRAW.run(self.client, keys, arguments)
        return int(taken)

    async def _webhooks(self, event_ids: Sequence[str]) -> list[str]:
        """The webhook of each event, empty for each that expired."""
        pipe = self.client.pipeline(transaction=False)
        for event_id in event_ids:
            pipe.getrange(self.keys.event(event_id), 0, WEBHOOK_ID - 1)
        found: list[bytes] = await pipe.execute() if event_ids else []
        return [head.decode().rstrip() for head in found]

    async def kept(
        self, event_ids: Sequence[str]
    ) -> dict[str, tuple[str, dict[str, DeliveryState]]]:
        """Webhook and deliveries of each event that has not expired; events stay unread."""
        pipe = self.client.pipeline(transaction=False)
        for event_id in event_ids:
            pipe.getrange(self.keys.event(event_id), 0, WEBHOOK_ID - 1)
            pipe.hgetall(self.keys.deliveries(event_id))
        found: list[Any] = await pipe.execute() if event_ids else []  # Any: two kinds in turn
        return {
            event_id: (head.decode().rstrip(), read_states(fields))
            for event_id, head, fields in zip(event_ids, found[::2], found[1::2], strict=True)
            if head
        }


def _read(fields: Mapping[bytes, bytes]) -> Replay:
    finished = fields.get(b"finished")
    status: Status
    match fields[b"status"]:
        case b"done":
            status = "done"
        case b"cancelled":
            status = "cancelled"
        case _:
            status = "running"
    return Replay(
        msgspec.json.decode(fields[b"spec"], type=ReplaySpec),
        status,
        Place.parse(fields[b"at"].decode()),
        int(fields.get(b"matched", 0)),
        int(fields.get(b"queued", 0)),
        int(fields.get(b"skipped", 0)),
        None if finished is None else datetime.fromtimestamp(int(finished) / 1000, UTC),
    )
