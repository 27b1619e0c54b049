"""Counters: what attempts came to, of all time and minute by minute; each tenant has its own.

One hash holds the totals, one the counts of each minute of the last day; `record.lua` counts in
both, in the script that writes an attempt down, so that totals are exact. A field is
``<whose>:<what>``. Whose: ``a`` everybody's, ``s:<subscription>``, ``i:<integration>``,
``t:<event type>``. What: ``o`` successful attempts, ``f`` failed ones, ``d`` dead letters made;
in the totals, of subscriptions alone: ``e`` deliveries that are delivered, ``x`` cancelled ones,
``l`` the last attempt in ms.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onehook.store.attempts import decode
from onehook.store.bands import BANDS, WIDTH
from onehook.store.client import Client, StreamRow
from onehook.store.keys import Keys

EVERYBODY = "a"
LATENCIES = 1000  # attempts, the latest, of which percentiles are taken
LOOKED_AT = 250  # deliveries in each band of a queue among which the oldest is looked for
_AT_ONCE = 60  # minutes read at once
_KEPT_MS = 25 * 3600 * 1000  # of a minute's counts


def minute_of(moment: datetime) -> int:
    """The minute since 1970 that *moment* is in."""
    return int(moment.timestamp()) // 60


def fields_of(subscription_id: str) -> list[str]:
    """Every field of the totals that is a subscription's."""
    return [f"s:{subscription_id}:{what}" for what in "ofdexl"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts by what came of them, and dead letters made."""

    successful: int = 0
    failed: int = 0
    dead: int = 0

    @property
    def total(self) -> int:
        """All attempts."""
        return self.successful + self.failed

    @property
    def success_rate(self) -> float | None:
        """The share of the successful ones; None before the first attempt."""
        return self.successful / self.total if self.total else None

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.successful + other.successful, self.failed + other.failed, self.dead + other.dead
        )


@dataclass(frozen=True, slots=True)
class Intake:
    """What came in: verified webhooks, requests that were refused, events."""

    webhooks: int = 0
    refused: int = 0
    events: int = 0

    def __add__(self, other: "Intake") -> "Intake":
        """Both together."""
        return Intake(
            self.webhooks + other.webhooks,
            self.refused + other.refused,
            self.events + other.events,
        )


@dataclass(frozen=True, slots=True)
class SubscriptionCounts:
    """How a subscription fares. *pending*, *dead*: as of now; the rest counts from its making."""

    attempts: Tally
    streak: int  # failed attempts since the last successful one, or since it was resumed
    last_attempt: datetime | None
    delivered: int
    cancelled: int
    pending: int
    dead: int


class Statistics:
    """Reads the counters."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys

    def of(self, tenant: str) -> "Statistics":
        """The counters of *tenant* alone."""
        return Statistics(self.client, self.keys.of(tenant))

    async def subscription(self, subscription_id: str) -> SubscriptionCounts:
        """How a subscription fares."""
        names = self.keys
        pipe = self.client.pipeline(transaction=False)
        pipe.hmget(names.totals, fields_of(subscription_id))
        pipe.zcard(names.queue(subscription_id))
        pipe.zcard(names.dead(subscription_id))
        pipe.hget(names.gate(subscription_id), "f")
        values, pending, dead, streak = await pipe.execute()
        ok, failed, died, delivered, cancelled, last = (int(v or 0) for v in values)
        return SubscriptionCounts(
            Tally(ok, failed, died),
            int(streak or 0),
            datetime.fromtimestamp(last / 1000, UTC) if last else None,
            delivered,
            cancelled,
            pending,
            dead,
        )

    async def waiting(self, subscription_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of each subscription: deliveries that wait or are in flight, and dead letters."""
        pipe = self.client.pipeline(transaction=False)
        for id_ in subscription_ids:
            pipe.zcard(self.keys.queue(id_))
            pipe.zcard(self.keys.dead(id_))
        counts: list[int] = await pipe.execute() if subscription_ids else []
        pairs = zip(counts[::2], counts[1::2], strict=True)
        return dict(zip(subscription_ids, pairs, strict=True))

    async def durations(self, subscription_id: str) -> list[int]:
        """How many ms each of the latest HTTP attempts took."""
        stream = self.keys.attempts(subscription_id)
        rows: list[StreamRow] = await self.client.xrevrange(stream, "+", "-", count=LATENCIES)
        attempts = (decode(fields[b"a"]) for _, fields in rows)
        return [attempt.duration_ms for attempt in attempts if attempt.url]

    async def oldest(self, subscription_id: str) -> datetime | None:
        """When the oldest was made of the deliveries that are next in the queue."""
        pipe = self.client.pipeline(transaction=False)
        for band in BANDS:
            pipe.zrangebyscore(
                self.keys.queue(subscription_id), band, f"({band + WIDTH}", 0, LOOKED_AT
            )
        ids = [event_id for rows in await pipe.execute() for event_id in rows]
        pipe = self.client.pipeline(transaction=False)
        for event_id in ids:
            pipe.hget(self.keys.deliveries(event_id.decode()), "at")
        found: list[bytes | None] = await pipe.execute() if ids else []
        made = [int(at) for at in found if at is not None]
        return datetime.fromtimestamp(min(made) / 1000, UTC) if made else None

    async def totals(self) -> Mapping[str, Tally]:
        """Everybody's counts of all time, by whose they are."""
        return _read(await self.client.hgetall(self.keys.totals))

    async def sums(self, since: datetime, until: datetime) -> Mapping[str, Tally]:
        """Everybody's counts from *since* until *until*, by whose they are."""
        found: dict[str, Tally] = {}
        async for minutes in self._chunks(since, until):
            pipe = self.client.pipeline(transaction=False)
            for minute in minutes:
                pipe.hgetall(self.keys.minute(minute))
            rows: list[Mapping[bytes, bytes]] = await pipe.execute()
            for row in rows:
                for whose, tally in _read(row).items():
                    found[whose] = found.get(whose, Tally()) + tally
        return found

    async def series(
        self, whose: str, since: datetime, until: datetime
    ) -> list[tuple[datetime, Tally]]:
        """The counts of each minute from *since* until *until*, those without any as well."""
        found: list[tuple[datetime, Tally]] = []
        async for minutes in self._chunks(since, until):
            pipe = self.client.pipeline(transaction=False)
            for minute in minutes:
                pipe.hmget(self.keys.minute(minute), [f"{whose}:{what}" for what in "ofd"])
            rows: list[list[bytes | None]] = await pipe.execute()
            for minute, row in zip(minutes, rows, strict=True):
                at = datetime.fromtimestamp(minute * 60, UTC)
                found.append((at, Tally(*(int(value or 0) for value in row))))
        return found

    async def add(self, counts: Mapping[str, int], at: datetime) -> None:
        """Add *counts*, by field, to the totals and to the minute of *at*."""
        minute = self.keys.minute(minute_of(at))
        pipe = self.client.pipeline(transaction=False)
        for name, count in counts.items():
            pipe.hincrby(minute, name, count)
            pipe.hincrby(self.keys.totals, name, count)
        pipe.pexpire(minute, _KEPT_MS)
        await pipe.execute()

    async def intake(
        self, whose: Sequence[str], since: datetime, until: datetime
    ) -> tuple[list[tuple[datetime, Intake]], Mapping[str, Intake]]:
        """What came in from *since* until *until*: everybody's by minute, and sums of *whose*."""
        minutes: list[tuple[datetime, Intake]] = []
        sums = dict.fromkeys(whose, Intake())
        fields = [f"{one}:{what}" for one in (EVERYBODY, *whose) for what in _INTAKE]
        async for chunk in self._chunks(since, until):
            pipe = self.client.pipeline(transaction=False)
            for minute in chunk:
                pipe.hmget(self.keys.minute(minute), fields)
            rows: list[list[bytes | None]] = await pipe.execute()
            for minute, row in zip(chunk, rows, strict=True):
                counts = [int(value or 0) for value in row]
                found = [Intake(*counts[at : at + 3]) for at in range(0, len(counts), 3)]
                minutes.append((datetime.fromtimestamp(minute * 60, UTC), found[0]))
                for one, intake in zip(whose, found[1:], strict=True):
                    sums[one] += intake
        return minutes, sums

    async def intake_totals(self) -> Mapping[str, Intake]:
        """What came in ever, by whose it is."""
        return read_intake(await self.client.hgetall(self.keys.totals))

    @staticmethod
    async def _chunks(since: datetime, until: datetime) -> AsyncIterator[Sequence[int]]:
        """The minutes of a time, some at once."""
        first, end = minute_of(since), minute_of(until - timedelta(milliseconds=1)) + 1
        for start in range(first, end, _AT_ONCE):
            yield range(start, min(start + _AT_ONCE, end))


def _read(fields: Mapping[bytes, bytes]) -> dict[str, Tally]:
    return {whose: Tally(**counts) for whose, counts in _grouped(fields, _NAMES).items()}


def read_intake(fields: Mapping[bytes, bytes]) -> dict[str, Intake]:
    """What came in, of a hash of counters, by whose it is."""
    return {whose: Intake(**counts) for whose, counts in _grouped(fields, _INTAKE).items()}


def _grouped(fields: Mapping[bytes, bytes], names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, value in fields.items():
        whose, _, what = name.decode().rpartition(":")
        if what in names:
            found.setdefault(whose, {})[names[what]] = int(value)
    return found


_INTAKE = {"w": "webhooks", "r": "refused", "n": "events"}
_NAMES = {"o": "successful", "f": "failed", "d": "dead"}
