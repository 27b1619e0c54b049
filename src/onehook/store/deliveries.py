"""Deliveries in the store: due, leased, attempted, recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from onehook.clock import Clock, SystemClock
from onehook.core.flow import (
    BREAKER_AFTER,
    CLEAR,
    FIRST_PROBE,
    LONGEST_PROBE,
    USUAL,
    Breaker,
    Flow,
    Gate,
)
from onehook.core.model import DEFAULT_TENANT
from onehook.core.notices import Notice
from onehook.store import logs
from onehook.store.bands import FRESH, LEASED, PAUSED_LOOK, RETRY, next_moment
from onehook.store.client import Client
from onehook.store.events import IndexEntry, Retention, milliseconds
from onehook.store.keys import Keys
from onehook.store.scripts import DUE, EXPEDITE, FORGET, LEASE, POSTPONE, RECORD, RESUME, Argument
from onehook.store.statistics import fields_of, minute_of
from onehook.store.untold import notice_arguments

_LATE = timedelta(seconds=10)  # after which a delivery is in the log, if the fan-out had much to do


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that is ours until its lease ends; *token* proves it."""

    event_id: str
    token: int
    leases: int  # without a record, this one included
    attempts: int  # made so far; of a replay since it began
    replay: bool

    @property
    def again(self) -> bool:
        """Whether it is among the retries, behind first attempts: so is what is replayed."""
        return self.attempts > 0 or self.replay


@dataclass(frozen=True, slots=True)
class QueueLease:
    """A delivery's place in its queue: the *token* of its lease, if it was *polled*."""

    token: int
    polled: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What an attempt led to, for :meth:`DeliveryStore.record`."""

    subscription_id: str
    event_id: str
    webhook_id: str
    token: int
    outcome: str  # delivered, again, dead, cancelled
    delay: timedelta = timedelta(0)
    attempt: bytes = b""  # JSON; empty: no attempt was made
    status: int | None = None
    error: str | None = None
    notice: Notice | None = None  # to tell, if it is dead
    event_type: str = ""  # with the integration: what an attempt is counted under
    integration_id: str = ""
    hold: timedelta = timedelta(0)  # for which nothing of the subscription is to be leased
    tenant: str = DEFAULT_TENANT  # of the subscription


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a record; not *kept* where its lease had run out."""

    kept: bool
    gate: Gate = CLEAR  # of its subscription, as it is now


_LOST, _PLAINLY = Recorded(kept=False), Recorded(kept=True)


def _recorded(row: bytes | list[bytes]) -> Recorded:
    if isinstance(row, bytes):
        return _PLAINLY if row == b"recorded" else _LOST
    _, breaker, failed, used_up, held_until = row
    return Recorded(
        kept=True,
        gate=Gate(
            Breaker(breaker.decode()), int(failed), int(used_up), _moment_of(int(held_until))
        ),
    )


def _moment_of(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Where a delivery is."""

    status: str  # pending, delivered, dead, cancelled
    attempt_count: int
    finished_at: datetime | None
    last_status: int | None
    last_error: str | None
    attempts: tuple[str, ...]  # positions in the attempts stream


def parse_state(text: str) -> DeliveryState:
    """Read a field of the deliveries hash, as `record.lua` writes it."""
    status, count, finished, last_status, last_error, ids = text.split("|", 5)
    return DeliveryState(
        status,
        int(count),
        datetime.fromtimestamp(int(finished) / 1000, UTC) if finished else None,
        int(last_status) if last_status else None,
        last_error or None,
        tuple(ids.split(",")) if ids else (),
    )


_NOT_ATTEMPTED = parse_state("pending|0||||")


def read_states(fields: Mapping[bytes, bytes]) -> dict[str, DeliveryState]:
    """The deliveries of an event, by subscription, from its deliveries hash."""
    later = fields.get(b"l", b"").decode()  # left to the fan-out: not attempted yet, or named below
    states = dict.fromkeys(later.split(",") if later else (), _NOT_ATTEMPTED)
    for name, value in fields.items():
        if name.startswith(b"sub_"):
            states[name.decode()] = parse_state(value.decode())
    return states


def _gate(fields: Mapping[bytes, bytes]) -> Gate:
    """A gate as `record.lua` and `lease.lua` write it."""
    moments = [int(fields.get(name, b"0")) for name in (b"u", b"h")]
    return Gate(
        Breaker(fields.get(b"s", b"closed").decode()),
        int(fields.get(b"f", b"0")),
        int(fields.get(b"d", b"0")),
        _moment_of(max(moments)),
    )


class DeliveryStore:
    """The queue of each subscription."""

    def __init__(
        self, client: Client, keys: Keys, retention: Retention, clock: Clock | None = None
    ) -> None:
        """*clock* says under which minute attempts are counted."""
        self.client, self.keys, self.retention = client, keys, retention
        self._clock = clock or SystemClock()

    def of(self, tenant: str) -> "DeliveryStore":
        """The same queues; what is read of events is of *tenant*'s alone."""
        if tenant == self.keys.tenant:
            return self
        return DeliveryStore(self.client, self.keys.of(tenant), self.retention, self._clock)

    def on_leaving(self, tell: Callable[[], object]) -> None:
        """Call *tell* when something leaves for the store: records given then leave with it."""
        self.client.trips.on_leaving(tell)

    async def due(self, limit: int = 100) -> list[str]:
        """Subscriptions with something due, the longest waiting first."""
        return [row.decode() for row in await DUE.run(self.client.trips, [self.keys.due], [limit])]

    async def lease(
        self,
        subscription_id: str,
        want: int,
        lease: timedelta,
        flow: Flow = USUAL,
        retries: int | None = None,
    ) -> list[Leased]:
        """Take up to *want* due deliveries for *lease*, as many as the gate lets through.

        Of these up to *retries* (None: all of them) may have been attempted before.
        """
        names = self.keys
        keys = [names.queue(subscription_id), names.leases(subscription_id), names.due]
        keys.append(names.gate(subscription_id))
        rate = flow.rate_limit
        arguments: list[Argument] = [
            subscription_id,
            want,
            milliseconds(lease),
            want if retries is None else retries,
            "" if rate is None else rate.per_minute,
            "" if rate is None else rate.burst,
            "" if flow.concurrency is None else flow.concurrency,
        ]
        token, *rows = await LEASE.run(self.client.trips, keys, arguments)
        found = zip(rows[::4], rows[1::4], rows[2::4], rows[3::4], strict=True)
        return [
            Leased(e.decode(), int(token), int(n), int(made), again == b"1")
            for e, n, made, again in found
        ]

    async def record(self, batch: Sequence[Record]) -> list[bool]:
        """Write down *batch*; False for each whose lease had run out."""
        return [one.kept for one in await self.record_attempts(batch)]

    async def record_attempts(self, batch: Sequence[Record]) -> list[Recorded]:
        """Write down *batch* in one script, and say how each one's subscription now fares.

        May be repeated after an unknown outcome: what was recorded is then lost, once.
        """
        names, keep = self.keys, self.retention
        minute = minute_of(self._clock.now())
        owners = {
            tenant: (number, names.of(tenant))
            for number, tenant in enumerate(dict.fromkeys(one.tenant for one in batch), 1)
        }
        keys = [names.due, names.untold]
        for _, own in owners.values():
            keys += [own.totals, own.minute(minute)]
        arguments: list[Argument] = [
            len(batch),
            milliseconds(keep.event),
            milliseconds(keep.native),
            milliseconds(keep.dead),
            milliseconds(keep.history),
            milliseconds(keep.minute),
            BREAKER_AFTER,
            milliseconds(FIRST_PROBE),
            milliseconds(LONGEST_PROBE),
            len(owners),
        ]
        for record in batch:
            sub, event = record.subscription_id, record.event_id
            number, names = owners[record.tenant]
            keys += [
                names.queue(sub),
                names.leases(sub),
                names.deliveries(event),
                names.event(event),
                names.native(record.webhook_id),
                names.attempts(sub),
                names.dead(sub),
                names.gate(sub),
                names.line(sub),
            ]
            arguments += [
                number,
                sub,
                event,
                record.token,
                record.outcome,
                milliseconds(record.delay),
                record.attempt,
                "" if record.status is None else record.status,
                record.error or "",
                record.event_type,
                record.integration_id,
                milliseconds(record.hold),
            ]
            if record.outcome == "dead":
                arguments += notice_arguments(record.notice)
        return [_recorded(row) for row in await RECORD.run(self.client.trips, keys, arguments)]

    async def leases(
        self, subscription_id: str, event_ids: Sequence[str]
    ) -> list[QueueLease | None]:
        """Whose each delivery of a subscription is now; None if it is not on its way."""
        names = self.keys
        pipe = self.client.pipeline(transaction=False)
        for event_id in event_ids:
            pipe.zscore(names.queue(subscription_id), event_id)
            pipe.hget(names.leases(subscription_id), event_id)
        found: list[Any] = await pipe.execute() if event_ids else []  # Any: two kinds in turn
        return [
            None if score is None else QueueLease(int(score), polled=count is not None)
            for score, count in zip(found[::2], found[1::2], strict=True)
        ]

    async def hold(self, subscription_id: str) -> None:
        """Take a paused subscription's queue out of what is due; nothing in it is lost."""
        await self.client.zrem(self.keys.due, subscription_id)

    async def postpone(self, subscription_id: str) -> None:
        """Look at a subscription that seems to be held again after `PAUSED_LOOK`."""
        arguments: list[Argument] = [subscription_id, milliseconds(PAUSED_LOOK)]
        await POSTPONE.run(self.client, [self.keys.due], arguments)

    async def expedite(self, *subscription_ids: str) -> None:
        """Have a worker look at subscriptions now; nothing is leased before its moment."""
        if subscription_ids:
            await EXPEDITE.run(self.client, [self.keys.due], [*subscription_ids])

    async def due_in(self, subscription_id: str) -> timedelta | None:
        """How long until a worker has to look at a subscription; None: nothing is queued."""
        pipe = self.client.pipeline(transaction=False)
        pipe.zscore(self.keys.due, subscription_id)
        pipe.time()
        at, (seconds, micros) = await pipe.execute()
        return None if at is None else timedelta(seconds=at / 1000 - seconds, microseconds=-micros)

    async def resume(self, subscription_id: str) -> None:
        """Forget a subscription's failures; what it has queued goes on, one delivery first."""
        names = self.keys
        keys = [names.queue(subscription_id), names.due, names.gate(subscription_id)]
        await RESUME.run(self.client, keys, [subscription_id])

    async def gates(self, subscription_ids: Sequence[str]) -> list[Gate]:
        """How each subscription fares."""
        pipe = self.client.pipeline(transaction=False)
        for id_ in subscription_ids:
            pipe.hgetall(self.keys.gate(id_))
        found: list[dict[bytes, bytes]] = await pipe.execute()
        return [_gate(fields) for fields in found]

    async def queued(self, subscription_id: str, count: int) -> list[tuple[str, int]]:
        """The first *count* deliveries waiting or in flight: event id and score in ms."""
        rows = await self.client.zrange(
            self.keys.queue(subscription_id), 0, count - 1, withscores=True
        )
        return [(member.decode(), int(score)) for member, score in rows]

    async def owner_of(self, subscription_id: str) -> str:
        """The tenant that a deleted subscription was of."""
        tenant = await self.client.get(self.keys.gone(subscription_id))
        return DEFAULT_TENANT if tenant is None else tenant.decode()

    async def forget(self, subscription_id: str) -> bool:
        """Remove what is left of a deleted subscription of this tenant.

        False: something came into its queue meanwhile, and is to be cancelled first.
        """
        names = self.keys
        keys = [
            names.queue(subscription_id),
            names.due,
            names.leases(subscription_id),
            names.dead(subscription_id),
            names.gate(subscription_id),
            names.line(subscription_id),
        ]
        if await FORGET.run(self.client, keys, [subscription_id]) == [0]:
            return False
        for history in (names.log(subscription_id), names.attempts(subscription_id)):
            await self.client.pexpire(history, milliseconds(self.retention.history))
        await self.client.hdel(names.totals, *fields_of(subscription_id))
        return True

    async def states(self, event_ids: Sequence[str]) -> list[dict[str, DeliveryState]]:
        """The deliveries of each event, by subscription."""
        pipe = self.client.pipeline(transaction=False)
        for event_id in event_ids:
            pipe.hgetall(self.keys.deliveries(event_id))
        found: list[dict[bytes, bytes]] = await pipe.execute()
        return [read_states(fields) for fields in found]

    async def dead_letters(
        self, subscription_ids: Sequence[str], count: int
    ) -> dict[str, list[tuple[str, datetime]]]:
        """The newest *count* dead letters of each subscription: event id, and since when."""
        pipe = self.client.pipeline(transaction=False)
        for id_ in subscription_ids:
            pipe.zrevrangebyscore(self.keys.dead(id_), "+inf", "-inf", 0, count, withscores=True)
        found: list[list[tuple[bytes, float]]] = await pipe.execute() if subscription_ids else []
        return {
            id_: [
                (member.decode(), datetime.fromtimestamp(score / 1000, UTC))
                for member, score in rows
            ]
            for id_, rows in zip(subscription_ids, found, strict=True)
        }

    async def made_at(self, event_id: str) -> datetime | None:
        """When the deliveries of an event were made, by the store's clock."""
        at = await self.client.hget(self.keys.deliveries(event_id), "at")
        return None if at is None else datetime.fromtimestamp(int(at) / 1000, UTC)

    async def next_moments(self, pairs: Sequence[tuple[str, str]]) -> list[datetime | None]:
        """When each (subscription, event) will be acted on next.

        None if it is not queued, or waits for another one to end.
        """
        pipe = self.client.pipeline(transaction=False)
        for subscription_id, event_id in pairs:
            pipe.zscore(self.keys.queue(subscription_id), event_id)
        scores: list[float | None] = await pipe.execute()
        return [None if score is None else next_moment(score) for score in scores]

    async def log(
        self,
        subscription_id: str,
        *,
        since: datetime | None,
        until: datetime | None,
        before: str | None,
        count: int,
    ) -> list[IndexEntry]:
        """Deliveries of a subscription, newest first."""
        last = "+" if until is None else f"({int(until.timestamp() * 1000)}-0"
        first = "-" if since is None else f"{int(since.timestamp() * 1000)}-0"
        log = self.keys.log(subscription_id)
        return await logs.newest(self.client, log, first, last, before, count)

    async def find_logged(
        self, subscription_id: str, event_id: str, made: datetime
    ) -> IndexEntry | None:
        """What the log has of the delivery *made* then, also once its event expired."""
        first = f"{round(made.timestamp() * 1000)}-0"
        last = f"{round((made + _LATE).timestamp() * 1000)}"
        log = self.keys.log(subscription_id)
        return await logs.find(self.client, log, event_id, first, last)

    async def waiting(self, subscription_id: str) -> int:
        """How many deliveries are due and nobody has leased them, by the store's clock."""
        seconds, micros = await self.client.time()
        now = seconds * 1000 + micros // 1000
        pipe = self.client.pipeline(transaction=False)
        for band in (FRESH, RETRY, LEASED):
            pipe.zcount(self.keys.queue(subscription_id), band, band + now)
        return int(sum(await pipe.execute()))

    async def backlog(self, subscription_id: str) -> int:
        """How many deliveries wait or are in flight."""
        return int(await self.client.zcard(self.keys.queue(subscription_id)))
