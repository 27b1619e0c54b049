"""Counts what does not fit a mapping: in memory first, so that no webhook waits for it.

What a process has counted since its last flush goes with it when it is killed, at most some
seconds of counts; and a flush whose reply was lost is counted twice. Neither touches a webhook.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from redis.exceptions import RedisError

from onehook.core.bodies import BodyError, parse_body
from onehook.core.drift import Kind, Oddity, members, oddities
from onehook.core.integration import Normalized
from onehook.core.mapping.normalize import Emitted
from onehook.core.model import IntegrationInfo, Webhook
from onehook.errors import InvalidRequestError
from onehook.store.client import Client
from onehook.store.events import milliseconds
from onehook.store.keys import Keys
from onehook.store.scripts import DRIFT, Argument

MOST = 500  # names of one platform
KEEP = timedelta(days=30)  # since a name was last seen
MAX_SAMPLE = 16 * 1024  # bytes of a body that is sampled
log = structlog.get_logger()


class Sample(msgspec.Struct):
    """One of the webhooks: its id if it is kept, else the members of its body and their kinds."""

    webhook_id: str | None = None
    members: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """How often an oddity was seen, and when, by the store's clock."""

    oddity: Oddity
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: Sample


@dataclass(slots=True)
class _Pending:
    """Counts that are not in the store yet, and the last webhook they come from."""

    count: int = 0
    webhook_id: str | None = None
    webhook: Webhook | None = None


class _Name(msgspec.Struct, array_like=True):
    """An oddity as the hash names it."""

    kind: Kind
    name: str
    value: str
    pointer: str


_NO_PLACE = b""
_read_name = msgspec.json.Decoder(_Name).decode
_read_sample = msgspec.json.Decoder(Sample).decode


class Drift:
    """What does not fit, by platform."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys
        # By the name of the hash, as all tenants' counts wait together.
        self._pending: dict[str, dict[Oddity, _Pending]] = {}
        self._dropped: dict[str, int] = {}  # of names beyond what may wait

    def of(self, tenant: str) -> "Drift":
        """What does not fit of *tenant*'s webhooks; what waits is one with all of it."""
        mine = copy(self)
        mine.keys = self.keys.of(tenant)
        return mine

    def note(
        self,
        about: IntegrationInfo,
        made: Normalized,
        webhook: Webhook,
        webhook_id: str | None = None,
    ) -> None:
        """Count what of *about*'s *webhook* did not fit. *webhook_id*: of one that is kept."""
        outcome = made.outcome
        if isinstance(outcome, Emitted) and not outcome.unmapped and not outcome.misfits:
            return
        name = self.keys.of(about.tenant).drift(about.type)
        pending = self._pending.setdefault(name, {})
        for oddity in oddities(made):
            found = pending.get(oddity)
            if found is None:
                if len(pending) >= MOST:
                    self._dropped[name] = self._dropped.get(name, 0) + 1
                    continue
                found = pending[oddity] = _Pending()
                if webhook_id is None and len(webhook.body) <= MAX_SAMPLE:
                    found.webhook = webhook  # read at the flush, not while its sender waits
            found.count += 1
            found.webhook_id = webhook_id

    async def flush(self) -> None:
        """Write what was counted; what cannot be written now stays for the next time."""
        taken, dropped = dict(self._pending), dict(self._dropped)
        self._pending.clear()
        self._dropped.clear()
        for name, pending in taken.items():
            try:
                await self._write(name, pending, dropped.get(name, 0))
            except (RedisError, OSError) as error:
                log.warning("drift.postponed", key=name, error=type(error).__name__)
                self._put_back(name, pending, dropped.get(name, 0))

    async def _write(self, name: str, pending: Mapping[Oddity, _Pending], dropped: int) -> None:
        arguments: list[Argument] = [MOST, milliseconds(KEEP)]
        for oddity, found in pending.items():
            arguments += [msgspec.json.encode(oddity), found.count, _sample(found)]
        await DRIFT.run(self.client, [name], arguments)
        if dropped:
            await self.client.hincrby(name, _NO_PLACE.decode(), dropped)

    def _put_back(self, name: str, pending: dict[Oddity, _Pending], dropped: int) -> None:
        now = self._pending.setdefault(name, {})
        for oddity, found in pending.items():
            if oddity in now:
                now[oddity].count += found.count
            elif len(now) < MOST:
                now[oddity] = found
            else:
                dropped += found.count
        if dropped:
            self._dropped[name] = self._dropped.get(name, 0) + dropped

    async def read(self, platform: str) -> tuple[list[Seen], int]:
        """What did not fit *platform*, the last seen first; and how many found no place."""
        await self.flush()
        rows = await self.client.hgetall(self.keys.drift(platform))
        seconds, _ = await self.client.time()
        oldest = datetime.fromtimestamp(seconds, UTC) - KEEP
        seen = [_parse(name, row) for name, row in rows.items() if name != _NO_PLACE]
        found = [one for one in seen if one.last_seen >= oldest]
        found.sort(key=lambda one: (one.last_seen, one.count), reverse=True)
        return found, int(rows.get(_NO_PLACE, 0))

    async def clear(self, platform: str) -> None:
        """Forget what did not fit *platform*: count anew."""
        name = self.keys.drift(platform)
        self._pending.pop(name, None)
        self._dropped.pop(name, None)
        await self.client.delete(name)


def _sample(found: _Pending) -> bytes:
    if found.webhook is None:
        return msgspec.json.encode(Sample(found.webhook_id))
    try:
        body = parse_body(found.webhook, MAX_SAMPLE)
    except (BodyError, InvalidRequestError):
        return msgspec.json.encode(Sample())
    return msgspec.json.encode(Sample(members=dict(members(body))))


def _parse(name: bytes, row: bytes) -> Seen:
    read = _read_name(name)
    count, first, last, sample = row.split(b"|", 3)
    return Seen(
        Oddity(read.kind, read.name, read.value, read.pointer),
        int(count),
        datetime.fromtimestamp(int(first) / 1000, UTC),
        datetime.fromtimestamp(int(last) / 1000, UTC),
        _read_sample(sample),
    )
