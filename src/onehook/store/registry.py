"""Integrations, subscriptions, tenants and API keys: where they are kept, and what we work on.

Every gateway holds a snapshot; a counter in the store tells it when another one changed
something.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TypeAlias, TypeVar

import msgspec
import structlog

from onehook.core.destinations.document import Destination
from onehook.core.destinations.outlets import Choices, make_outlet
from onehook.core.filters import compile_filter
from onehook.core.integration import ActiveSecret, Integration
from onehook.core.mapping.document import CompiledMapping
from onehook.core.model import (
    DEFAULT_TENANT,
    IntegrationId,
    IntegrationInfo,
    Subscription,
    SubscriptionId,
)
from onehook.core.notices import Notice
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.secrets import Keys as SigningKeys
from onehook.core.references import Knowledge, Lesson, Sightings
from onehook.core.routing import Routes
from onehook.core.senders import parse_senders
from onehook.errors import SettingsError
from onehook.store.client import Client
from onehook.store.events import milliseconds
from onehook.store.keys import Keys
from onehook.store.outlets import open_choices
from onehook.store.records import (
    FIRST_KEY,
    IntegrationRecord,
    KeyRecord,
    SubscriptionRecord,
    TenantRecord,
)
from onehook.store.scripts import RESTORE, SWAP, Argument
from onehook.store.sealing import Sealer
from onehook.store.snapshot import Configuration, Snapshot
from onehook.store.untold import notice_arguments, write_down

SCHEMA = "1"
_RECORDS = ("integrations", "subscriptions", "keys", "tenants")
log = structlog.get_logger()


Record = TypeVar("Record", bound=msgspec.Struct)
AnyRecord: TypeAlias = IntegrationRecord | SubscriptionRecord | KeyRecord | TenantRecord
_GONE = timedelta(days=30)  # how long it is known whose a deleted subscription was


class Registry:
    """Reads and writes the configuration; ``snapshot`` is replaced whole when it changes.

    *origin* is the gateway's public URL, None if it has none.
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        sealer: Sealer,
        mappings: Mapping[str, CompiledMapping],
        destinations: Mapping[str, Destination],
        origin: str | None = None,
    ) -> None:
        self.client, self.keys, self.sealer, self.mappings = client, keys, sealer, mappings
        self.destinations, self.origin = destinations, origin
        self.snapshot = Configuration()
        self._life = ""  # of the store: another one begins when it comes back empty
        self.sightings: dict[str, Sightings] = {}  # by tenant
        self._links = {name: mapping.links for name, mapping in mappings.items()}
        self._lessons: set[tuple[str, Lesson]] = set()  # taught, not written yet

    async def open(self) -> None:
        """Check that this store is ours to use, and read the configuration.

        Raises:
            SettingsError: another schema, or secrets sealed with another key.
        """
        found = await self._mark()
        if found[b"schema"].decode() != SCHEMA or found[b"partitions"] != b"1":
            msg = (
                f"the store has schema {found[b'schema'].decode()} and "
                f"{found[b'partitions'].decode()} partitions, this release wants {SCHEMA} and 1: "
                "start the release that made it, or another ONEHOOK_KEY_PREFIX"
            )
            raise SettingsError(msg)
        self.sealer.open("meta", found[b"check"].decode())
        self._life = found[b"life"].decode()
        await self.refresh()

    async def _mark(self) -> Mapping[bytes, bytes]:
        """Write into the store whose it is, unless that is there; what is there."""
        meta = self.keys.config("meta")
        found = await self.client.hgetall(meta)
        ours = self._meta() | {"life": token_hex(8)}
        if found.keys() >= {name.encode() for name in ours}:
            return found  # a full store is to be opened, too
        for name, value in ours.items():
            await self.client.hsetnx(meta, name, value)
        return await self.client.hgetall(meta)

    def _meta(self) -> dict[str, str]:
        check = self.sealer.seal("meta", "onehook")
        return {"schema": SCHEMA, "partitions": "1", "check": check}

    async def _restore(self) -> None:
        """Write the configuration as we have it into a store that came back empty.

        What else it held is lost. But a vendor that is told 404 meanwhile might never come again.
        What somebody wrote since then stays, and of several gateways the first one writes.
        """
        names, ours = ("meta", "ver", *_RECORDS), self.snapshot
        life = token_hex(8)
        arguments: list[Argument] = [self._life, life, ours.version]
        meta = self._meta()
        arguments += [len(meta), *(text for pair in meta.items() for text in pair)]
        for records in (ours.integrations, ours.subscriptions, ours.keys, ours.tenants):
            arguments.append(len(records))
            for id_, record in records.items():
                arguments += [id_, msgspec.json.encode(record)]
        keys = [self.keys.config(name) for name in names]
        (found,) = await RESTORE.run(self.client, keys, arguments)
        self._life = found.decode()
        if self._life == life:
            log.error(
                "store.came_back_empty",
                integrations=len(ours.integrations),
                subscriptions=len(ours.subscriptions),
                hint="the configuration was written anew; events and deliveries are lost",
            )

    async def refresh(self) -> bool:
        """Read the configuration again if another gateway changed it; whether it had.

        The counter alone does not tell a store that came back empty: whoever was about to write
        something began to count anew. So its life is looked at in the same moment.
        """
        meta, counter = self.keys.config("meta"), self.keys.config("ver")
        while True:
            pipe = self.client.pipeline(transaction=True)
            pipe.get(counter)
            pipe.hget(meta, "life")
            raw, life = await pipe.execute()
            if life is None or life.decode() != self._life:
                await self._restore()
                continue
            if int(raw or 0) == self.snapshot.version:
                return False
            pipe = self.client.pipeline(transaction=True)
            pipe.get(counter)
            pipe.hget(meta, "life")
            for name in (*_RECORDS, "learnt"):
                pipe.hgetall(self.keys.config(name))
            raw, life, integrations, subscriptions, keys, tenants, learnt = await pipe.execute()
            if life is not None and life.decode() == self._life:
                break
        snapshot = Configuration(
            int(raw or 0),
            _decode(integrations, IntegrationRecord),
            _decode(subscriptions, SubscriptionRecord),
            _decode(keys, KeyRecord),
            _decode(tenants, TenantRecord),
        )
        self._compile(snapshot, _lessons_of(learnt))
        self.snapshot = snapshot
        return True

    def _compile(self, snapshot: Configuration, lessons: Mapping[str, Sequence[Lesson]]) -> None:
        parts = snapshot.parts = {tenant: Snapshot() for tenant in snapshot.tenants}
        for record in snapshot.integrations.values():
            part = parts.setdefault(record.tenant, Snapshot())
            part.integrations[record.id] = record
            if record.key:
                part.by_key[record.key] = record.id
            if self._run(snapshot, record):
                self._remind(snapshot.running[record.id], lessons.get(record.id, ()))
        for wanted in snapshot.subscriptions.values():
            part = parts.setdefault(wanted.tenant, Snapshot())
            part.subscriptions[wanted.id] = wanted
            if wanted.key:
                part.by_key[wanted.key] = wanted.id
            target = snapshot.targets[wanted.id] = self.target(wanted)
            part.targets[wanted.id] = target
        self.sightings = {tenant: self.sightings.get(tenant) or Sightings() for tenant in parts}
        for tenant, part in parts.items():
            self._inform(tenant, part)
            part.routes = Routes(part.targets.values())

    def _run(self, snapshot: Configuration, record: IntegrationRecord) -> bool:
        """Have an integration run in *snapshot*; False if it has no mapping."""
        mapping, own = self.mappings.get(record.type), snapshot.parts[record.tenant]
        if mapping is None:
            log.error("integration.unusable", integration_id=record.id, platform=record.type)
            snapshot.running.pop(record.id, None)
            own.running.pop(record.id, None)
            return False
        made = snapshot.running[record.id] = self.running(record, mapping)
        own.running[record.id] = made
        if made.scheme is None:  # nobody saved it so: its mapping asks for another secret now
            log.error("integration.unverifiable", integration_id=record.id, platform=record.type)
        return True

    def use(self, mappings: Mapping[str, CompiledMapping], changed: Collection[str]) -> None:
        """Work with *mappings* from now on: all integrations of *changed* platforms at once.

        A webhook in hand is finished with the mapping that it began with.
        """
        self.mappings = mappings
        self._links = {name: mapping.links for name, mapping in mappings.items()}
        before = self.snapshot.running
        parts = {
            tenant: replace(part, running=dict(part.running))
            for tenant, part in self.snapshot.parts.items()
        }
        snapshot = replace(self.snapshot, running=dict(before), parts=parts)
        for record in snapshot.integrations.values():
            if record.type in changed and self._run(snapshot, record) and record.id in before:
                snapshot.running[record.id].learnt.take(before[record.id].learnt.lessons())
        for tenant, part in parts.items():
            self._inform(tenant, part)
        self.snapshot = snapshot

    def _remind(self, integration: Integration, written: Sequence[Lesson]) -> None:
        """Let *integration* keep what was learnt here, and then what is *written*, which wins."""
        before = self.snapshot.running.get(integration.info.id)
        if before is not None:
            integration.learnt.take(before.learnt.lessons())
            known = {(lesson.kind, lesson.name) for lesson in written}
            for lesson in before.learnt.lessons():
                if (lesson.kind, lesson.name) not in known:
                    self._lessons.add((integration.info.id, lesson))
        integration.learnt.take(written)

    def _inform(self, tenant: str, part: Snapshot) -> None:
        """Tell every integration of all of its tenant's: events of one talk about another's."""
        known = [one.known() for one in part.running.values()]
        part.knowledge = Knowledge(known, self._links, self.sightings[tenant])
        for integration in part.running.values():
            integration.knowledge = part.knowledge
            integration.teach = self._taught

    def tenant_of(self, integration_id: str) -> str:
        """The tenant of an integration; the default one if it is not here."""
        record = self.snapshot.integrations.get(integration_id)
        return DEFAULT_TENANT if record is None else record.tenant

    def see(self, tenant: str, things: Iterable[bytes]) -> None:
        """Note the *things* that events of *tenant* are about."""
        if tenant in self.sightings:
            self.sightings[tenant].take(things)

    def _taught(self, integration: Integration, lesson: Lesson) -> None:
        """Take up what a webhook taught, at once here; :meth:`keep_lessons` writes it down."""
        self._lessons.add((integration.info.id, lesson))
        # Looked up: an integration that held its part would be a circle, with each change anew.
        part = self.snapshot.parts.get(integration.info.tenant)
        if part is None:  # deleted, while a webhook of it is in hand
            return
        if lesson.kind == "prefix":
            part.knowledge.learn_prefix(integration.known(), lesson.name)
        else:
            self._inform(integration.info.tenant, part)

    async def keep_lessons(self) -> None:
        """Write down what webhooks taught since the last call; other gateways then take it up."""
        lessons, self._lessons = self._lessons, set()
        rows = {
            f"{id_} {lesson.kind} {lesson.name}": lesson.value.encode()
            for id_, lesson in lessons
            if id_ in self.snapshot.integrations
        }
        if not rows:
            return
        pipe = self.client.pipeline(transaction=True)
        for field_, value in rows.items():
            pipe.hset(self.keys.config("learnt"), field_, value)
        pipe.incr(self.keys.config("ver"))
        try:
            await pipe.execute()
        except BaseException:
            self._lessons |= lessons  # the next call tries again
            raise

    def mapping(self, platform: str) -> CompiledMapping | None:
        """The mapping of *platform* as it is now; None if there is none."""
        return self.mappings.get(platform)

    def running(self, record: IntegrationRecord, mapping: CompiledMapping) -> Integration:
        """The integration that *record* describes, its secrets opened."""
        defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
        secrets = {
            name: [
                ActiveSecret(self.sealer.open(record.id, s.sealed).encode(), s.expires_at)
                for s in some
            ]
            for name, some in record.secrets.items()
        }
        info = IntegrationInfo(
            IntegrationId(record.id),
            record.type,
            record.name,
            {**defaults, **record.settings},
            record.tenant,
        )
        return Integration(
            info,
            mapping,
            secrets,
            unsigned=record.verify == "none",
            active=record.active,
            allow_from=tuple(parse_senders(text) for text in record.allow_from),
            rate_limit=record.rate_limit,
        )

    def trial(self, record: IntegrationRecord, mapping: CompiledMapping) -> Integration:
        """The integration as it would be with *mapping*; nothing in use learns from it."""
        made = self.running(record, mapping)
        live = self.snapshot.running.get(record.id)
        made.knowledge = None if live is None else live.knowledge
        return made

    def target(self, record: SubscriptionRecord) -> Subscription:
        """The subscription that *record* describes, its secrets opened.

        One that cannot be sent to is held as if it were paused: its deliveries wait until its
        destination's file is back.
        """
        choices = open_choices(record.id, record, self.sealer)
        outlet = self._outlet(record, choices)
        return Subscription(
            SubscriptionId(record.id),
            choices.url,
            tuple(record.events),
            tuple(record.integrations),
            record.active,
            record.paused_reason is not None or outlet is None,
            None if record.filter is None else compile_filter(record.filter),
            outlet or Outlet(SigningKeys(b"")),
            timedelta(milliseconds=record.timeout_ms),
            tuple(timedelta(milliseconds=ms) for ms in record.retry_ms),
            record.name,
            record.flow,
            record.projects,
            record.statuses,
            record.tenant,
        )

    def _outlet(self, record: SubscriptionRecord, choices: Choices) -> Outlet | None:
        """Its way out; None, and said in the log, where there is none any more."""
        destination = self.destinations.get(record.destination)
        try:
            if destination is not None:
                return make_outlet(choices, destination, self.origin)
            reason = f"there is no destination {record.destination}"
        except ValueError as error:  # its destination's file has another profile now
            reason = str(error)
        log.error("subscription.unusable", subscription_id=record.id, reason=reason)
        return None

    async def save(
        self,
        name: str,
        record: AnyRecord,
        notice: Notice | None = None,
    ) -> None:
        """Write *record* into *name* (integrations, subscriptions, keys, tenants); take it up.

        *notice* is written down with it, to be told.
        """
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(self.keys.config(name), record.id, msgspec.json.encode(record))
        pipe.incr(self.keys.config("ver"))
        if notice is not None:
            write_down(pipe, self.keys, notice)
        await pipe.execute()
        await self.refresh()

    async def save_if_current(
        self, name: str, record: AnyRecord, notice: Notice | None = None
    ) -> bool:
        """As :meth:`save`, unless anything changed since the snapshot: then False.

        After an unknown outcome it may be repeated: what was saved counts as a change.
        """
        return await self._swap(name, record.id, msgspec.json.encode(record), notice)

    async def delete_if_current(self, name: str, id_: str) -> bool:
        """Remove the record of that id, unless anything changed since the snapshot: then False."""
        return await self._swap(name, id_, b"", None)

    async def _swap(self, name: str, id_: str, row: bytes, notice: Notice | None) -> bool:
        keys = [self.keys.config(name), self.keys.config("ver"), self.keys.config("untold")]
        arguments: list[Argument] = [
            self.snapshot.version,
            id_,
            row,
            *notice_arguments(notice),
        ]
        saved = await SWAP.run(self.client, keys, arguments) == [b"saved"]
        await self.refresh()
        return saved

    async def delete(self, name: str, id_: str) -> None:
        """Remove the record of that id from *name*."""
        pipe = self.client.pipeline(transaction=True)
        pipe.hdel(self.keys.config(name), id_)
        subscription = self.snapshot.subscriptions.get(id_)
        if subscription is not None and subscription.tenant != DEFAULT_TENANT:
            # Whoever cancels what it has queued has to know where its events are.
            pipe.set(self.keys.gone(id_), subscription.tenant, px=milliseconds(_GONE))
        gone = self.snapshot.running.get(id_)
        for lesson in gone.learnt.lessons() if gone is not None else ():
            pipe.hdel(self.keys.config("learnt"), f"{id_} {lesson.kind} {lesson.name}")
        pipe.incr(self.keys.config("ver"))
        await pipe.execute()
        await self.refresh()

    # -- API keys ----------------------------------------------------------------------------

    def digest(self, key: str) -> str:
        """How an API key is kept: its SHA-256, from which nothing of it can be told."""
        return hashlib.sha256(
            b"onehook api key\0" + key.encode("utf-8", "surrogateescape")
        ).hexdigest()

    def find_key(self, key: str) -> KeyRecord | None:
        """The API key *key*; all are compared, in constant time each."""
        digest = self.digest(key)
        found: KeyRecord | None = None
        for record in self.snapshot.keys.values():
            if hmac.compare_digest(record.digest, digest):
                found = record
        return found

    async def ensure_first_key(self, key: str, now: datetime) -> None:
        """Make *key* the first admin key, in place of an earlier first one."""
        present = self.snapshot.keys.get(FIRST_KEY)
        digest = self.digest(key)
        if present is None or present.digest != digest:
            first = KeyRecord(id=FIRST_KEY, name="first", digest=digest, created_at=now)
            await self.save("keys", first)


def _lessons_of(rows: Mapping[bytes, bytes]) -> dict[str, list[Lesson]]:
    """What each integration taught, by its id; rows of another release are passed over."""
    found: dict[str, list[Lesson]] = {}
    for row, value in rows.items():
        id_, kind, name = (*row.decode().split(" ", 2), "", "")[:3]
        match kind:
            case "host" | "prefix":
                found.setdefault(id_, []).append(Lesson(kind, name, value.decode()))
            case _:
                continue
    return found


def _decode(rows: Mapping[bytes, bytes], kind: type[Record]) -> dict[str, Record]:
    return {id_.decode(): msgspec.json.decode(row, type=kind) for id_, row in rows.items()}
