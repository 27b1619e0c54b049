"""Writes stored events fast: many writers, each a process that packs while the store works.

A writer makes its share of the webhooks from a few that were normalized for real, each with a
number of its own, and hands them to the scripts that the gateway itself writes with.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import cast

import msgspec

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
_BATCH = 128  # webhooks in one script: an fsync each
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
    """Write all of *plan*; the id of its last event that was attempted, and who got it."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(WRITERS, get_context("spawn")) as pool:
        shares = [loop.run_in_executor(pool, _write_share, plan, n) for n in range(WRITERS)]
        ends = await asyncio.gather(*shares)
    _, event_id, receiver = max(ends)
    return event_id, receiver


def _write_share(plan: Plan, writer: int) -> tuple[int, str, str]:
    return asyncio.run(_Writer(plan).run(range(writer * _BATCH, plan.count, WRITERS * _BATCH)))


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
