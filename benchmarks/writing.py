"""Writes stored events fast: many writers, each a process that packs while the store works.

A writer makes its share of the webhooks from a few that were normalized for real, each with a
number of its own, and hands them to the scripts that the gateway itself writes with.
"""

import asyncio
import hashlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any, cast

import msgspec
import redis

from benchmarks.payloads import FIRST_NUMBER
from onehook.core.mapping.dates import render
from onehook.core.mapping.links import Links
from onehook.core.model import Event, EventId, Headers, Webhook, WebhookId
from onehook.core.receipts import Receipt
from onehook.core.references import Knowledge
from onehook.core.references.timeline import index
from onehook.ids import new_id
from onehook.store.attempts import AttemptRow, encode
from onehook.store.bands import lease_token
from onehook.store.client import Client
from onehook.store.connection import connect
from onehook.store.deliveries import DeliveryStore, Record
from onehook.store.events import CommitEvent, CommitWebhook, EventStore, Retention, Route
from onehook.store.keys import Keys
from onehook.store.packing import pack_event, pack_native

WRITERS = 3  # processes: while the store works for one, the others pack
PAUSED = 5  # subscriptions that are paused, with what they were to get in their queues
_BATCH = 128  # webhooks in one script
_UNHURRIED = {"appendfsync": "no", "auto-aof-rewrite-percentage": "0"}  # while all is written
_LOOK = 0.2  # seconds
_DEAD = 50  # of so many deliveries one is a dead letter
_TWICE = 5  # of so many events one goes to two subscriptions, the others to one
_LEASE = timedelta(minutes=10)
_TIMEOUT = timedelta(minutes=5)  # a store that writes its log anew may take long to answer
URL = "https://receiver.example.com/hooks"


@dataclass(frozen=True, slots=True)
class Model:
    """A webhook that was normalized, and the number that makes others of it."""

    number: bytes
    native: bytes
    sender: str
    headers: list[tuple[str, str]]
    event: Event


@dataclass(frozen=True, slots=True)
class Plan:
    """What all writers need to know. *links*: what the platforms say of their pages."""

    store: str  # its socket
    prefix: str  # of its keys
    models: Sequence[Model]
    links: Mapping[str, Links]
    senders: Sequence[str]
    receivers: Sequence[str]
    count: int
    paused: int  # the first so many receivers are paused


async def write(plan: Plan) -> tuple[str, str]:
    """Write all of *plan*; the id of its last event that was attempted, and who got it.

    Nothing of it has to outlive the machine, so the store's log is not forced to the disk, which
    takes a third of the time. It is rewritten once, at half: it then has the size from which on the
    store would rewrite it, as half of all logs in use have.
    """
    half = plan.count // 2 // _BATCH * _BATCH
    loop, store = asyncio.get_running_loop(), _Log(plan.store)
    with ProcessPoolExecutor(WRITERS, get_context("spawn")) as pool, store.unhurried():

        async def write_between(first: int, last: int) -> list[tuple[int, str, str]]:
            shares = [range(first + n * _BATCH, last, WRITERS * _BATCH) for n in range(WRITERS)]
            writing = [loop.run_in_executor(pool, _write_share, plan, own) for own in shares]
            return await asyncio.gather(*writing)

        await write_between(0, half)
        store.rewrite()
        _, event_id, receiver = max(await write_between(half, plan.count))
        await asyncio.to_thread(store.await_rewritten)
    return event_id, receiver


class _Log:
    """The log of the store at *socket*."""

    def __init__(self, socket: str) -> None:
        self._client: Any = redis.Redis(unix_socket_path=socket, decode_responses=True)

    @contextmanager
    def unhurried(self) -> Generator[None]:
        """Have the store force nothing to the disk meanwhile, and rewrite nothing unasked."""
        kept = {name: self._client.config_get(name)[name] for name in _UNHURRIED}
        self._configure(_UNHURRIED)
        yield
        self._configure(kept)
        self._client.close()

    def _configure(self, settings: Mapping[str, str]) -> None:
        for name, value in settings.items():
            self._client.config_set(name, value)

    def rewrite(self) -> None:
        """Have the store begin to rewrite it."""
        self._client.bgrewriteaof()

    def await_rewritten(self) -> None:
        """Wait until it has."""
        while self._client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(_LOOK)


def _write_share(plan: Plan, starts: range) -> tuple[int, str, str]:
    return asyncio.run(_Writer(plan).run(starts))


class _Writer:
    """One of the processes."""

    def __init__(self, plan: Plan) -> None:
        client = cast("Client", connect(plan.store, max_connections=2, timeout=_TIMEOUT))
        keys, retention = Keys(plan.prefix), Retention()
        self.plan = plan
        self.events = EventStore(client, keys, retention)
        self.deliveries = DeliveryStore(client, keys, retention)
        self.knowledge = Knowledge(links=plan.links)

    async def run(self, starts: range) -> tuple[int, str, str]:
        """Write the batches that begin at *starts*; number, event and receiver of the last."""
        last = (0, "", "")
        for start in starts:
            serials = range(start, min(start + _BATCH, self.plan.count))
            batch = [self._webhook(serial) for serial in serials]
            commit = await self.events.commit(batch)
            records = list(_records(batch, commit.now_ms))
            await self.deliveries.record(records)
            if records:
                last = (start, records[-1].event_id, records[-1].subscription_id)
        return last

    def _webhook(self, serial: int) -> CommitWebhook:
        """The webhook number *serial*: a model's, with a number and a sender of its own."""
        plan = self.plan
        model = plan.models[serial % len(plan.models)]
        sender = plan.senders[serial % len(plan.senders)]
        now = datetime.now(UTC)
        number = b"%d" % (FIRST_NUMBER + len(plan.models) + serial)
        native = model.native.replace(model.number, number)
        digest = hashlib.sha256(native).hexdigest()
        id_ = EventId("evt_" + digest[:26])
        event = _event(model, id_, sender, number, now)
        webhook_id = WebhookId(new_id("whk", now))
        made = CommitEvent(
            id_,
            event.type,
            pack_event(webhook_id, event.body),
            _routes(plan, serial),
            index(event, self.knowledge),
        )
        return CommitWebhook(
            Receipt(webhook_id, digest[:16], ((id_, event.type),)),
            sender,
            [],  # markers end after three days, and no page looks at them
            pack_native(sender, "github", Webhook(Headers([]), native, now), model.headers),
            [made],
        )


def _event(model: Model, id_: EventId, sender: str, number: bytes, now: datetime) -> Event:
    body = model.event.body
    for old, new in (
        (model.number, number),
        (model.event.id.encode(), id_.encode()),
        (model.sender.encode(), sender.encode()),
        (str(model.event.envelope["timestamp"]).encode(), render(now).encode()),
    ):
        body = body.replace(old, new)
    envelope = msgspec.json.decode(body)
    return Event(id_, model.event.type, envelope["data"], envelope, body)


def _routes(plan: Plan, serial: int) -> list[Route]:
    """The subscriptions take turns; a paused one has what it gets in its queue."""
    first, count = serial % len(plan.receivers), len(plan.receivers)
    numbers = {first} if serial % _TWICE else {first, (first + 1) % count}
    return [
        Route(
            plan.receivers[n], timedelta(0) if n < plan.paused else _LEASE, paused=n < plan.paused
        )
        for n in sorted(numbers)
    ]


def _records(batch: Sequence[CommitWebhook], now_ms: int) -> Iterator[Record]:
    """An attempt of each delivery that was leased; some used up all that they had."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    good, bad = _attempt(at, 204, None), _attempt(at, 500, "status")
    for webhook in batch:
        for event in webhook.events:
            dead = int(event.id[4:12], 16) % _DEAD == 0
            for route in event.routes:
                if route.paused:
                    continue
                yield Record(
                    route.subscription_id,
                    event.id,
                    webhook.receipt.webhook_id,
                    lease_token(now_ms, route.lease),
                    "dead" if dead else "delivered",
                    attempt=bad if dead else good,
                    status=500 if dead else 204,
                    error="status" if dead else None,
                    event_type=event.type,
                    integration_id=webhook.integration_id,
                )


def _attempt(at: datetime, status: int, error: str | None) -> bytes:
    return encode(
        AttemptRow(
            number=1,
            at=at,
            duration_ms=20,
            status=status,
            error=error,
            detail=None,
            url=URL,
            signature="v1,benchmark",
            response_headers={"content-type": "text/plain"},
            response_body="",
        )
    )
