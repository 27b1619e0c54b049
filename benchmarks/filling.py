"""Fills a store as a busy gateway does in days: webhooks, events, deliveries, attempts.

Everything goes through the scripts that the gateway itself writes with. Some webhooks are
normalized for real; the others are those with another number.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.payloads import FIRST_NUMBER, SIGNED_WITH, SignedWebhook, make_webhooks
from onehook import log
from onehook.core.mapping.dates import render
from onehook.core.mapping.normalize import Emitted
from onehook.core.model import Event, EventId, Headers, Webhook, WebhookId
from onehook.core.receipts import Receipt
from onehook.core.references.timeline import index
from onehook.ids import new_id
from onehook.settings import Settings
from onehook.store.attempts import AttemptRow, encode
from onehook.store.bands import lease_token
from onehook.store.deliveries import Record
from onehook.store.events import CommitEvent, CommitWebhook, Route
from onehook.store.packing import pack_event, pack_native
from onehook.wiring import Runtime

SUBSCRIPTIONS = 200
SENDERS = 4
HELD = 300  # webhooks in quarantine
_PAUSED = 5  # subscriptions that are paused, with what they were to get in their queues
_DEAD = 50  # of so many deliveries one is a dead letter
_ROUTES = 2  # deliveries of an event
_BATCH = 512  # webhooks in one script: an fsync each
_TEMPLATES = 8
_LEASE = timedelta(minutes=10)
_URL = "https://receiver.example.com/hooks"


@dataclass(frozen=True, slots=True)
class Filled:
    """What there is to look at. *quiet*: an integration of which nothing came."""

    event: str
    receiver: str  # a subscription that got *event*
    sender: str
    quiet: str
    held: str
    key: str  # that one event names
    often: str  # that many do


@dataclass(frozen=True, slots=True)
class _Model:
    """A webhook that was normalized, and the number that makes others of it."""

    number: bytes
    native: bytes
    sender: str
    headers: list[tuple[str, str]]
    event: Event


async def fill(data: Path, key: str, count: int) -> Filled:
    """Write *count* events into the store of the folder *data*, whose server is up."""
    settings = Settings(port=0, data=data, api_key=key, log_level="error")
    log.configure(settings.log_level)
    runtime = Runtime(settings)
    await runtime.start()
    try:
        async with aiohttp.ClientSession(
            runtime.url, headers={"Authorization": f"Bearer {key}"}
        ) as session:
            senders = [await _integrate(session, n) for n in range(SENDERS + 1)]
            receivers = [await _subscribe(session, n) for n in range(SUBSCRIPTIONS)]
            await runtime.gateway.registry.whole.refresh()
            event, receiver = await _write(runtime, senders[:-1], receivers, count)
            held = [await _hold(session, senders[0], n) for n in range(HELD)]
            async with session.get(f"/v1/events/{event}") as answer:
                url = (await answer.json())["data"]["url"]
    finally:
        await runtime.stop()
    often = url.partition("/pull/")[0]
    return Filled(event, receiver, senders[0], senders[-1], held[-1], url, often)


async def _make(session: aiohttp.ClientSession, what: str, body: dict[str, object]) -> str:
    async with session.post(f"/v1/{what}", json=body) as answer:
        made = await answer.json()
        assert answer.status == 201, made
        return str(made["id"])


async def _integrate(session: aiohttp.ClientSession, number: int) -> str:
    body = {"type": "github", "name": f"GitHub {number}", "secret": SIGNED_WITH}
    return await _make(session, "integrations", body)


async def _subscribe(session: aiohttp.ClientSession, number: int) -> str:
    made = await _make(
        session, "subscriptions", {"url": f"{_URL}/{number}", "name": f"Receiver {number}"}
    )
    if number < _PAUSED:
        async with session.post(f"/v1/subscriptions/{made}/pause") as answer:
            assert answer.status == 200
    return made


async def _hold(session: aiohttp.ClientSession, sender: str, number: int) -> str:
    """Have a webhook land in quarantine."""
    body = json.dumps({"action": "opened", "issue": {"number": number}}).encode()
    proof = hmac.digest(SIGNED_WITH.encode(), body, "sha256").hex()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": f"held-{number}",
        "X-Hub-Signature-256": f"sha256={proof}",
    }
    async with session.post(f"/ingest/{sender}", data=body, headers=headers) as answer:
        told = await answer.json()
        assert told["status"] == "quarantined", told
        return str(told["id"])


async def _write(
    runtime: Runtime, senders: Sequence[str], receivers: Sequence[str], count: int
) -> tuple[str, str]:
    """Write *count* events; the last one, and a subscription that got it."""
    models = [_model(runtime, senders[n % len(senders)], one) for n, one in enumerate(_examples())]
    events, deliveries = runtime.gateway.events, runtime.gateway.deliveries
    batch: list[CommitWebhook] = []
    last, receiver = "", ""
    for serial in range(count):
        sender = senders[serial % len(senders)]
        routes = list(_routes(receivers, serial))
        batch.append(_another(runtime, models[serial % len(models)], sender, serial, routes))
        if len(batch) == _BATCH or serial == count - 1:
            commit = await events.commit(batch)
            records = list(_records(batch, commit.now_ms))
            await deliveries.record(records)
            if records:
                last, receiver = records[-1].event_id, records[-1].subscription_id
            batch.clear()
    return last, receiver


def _examples() -> Sequence[SignedWebhook]:
    return make_webhooks(_TEMPLATES, SIGNED_WITH)


def _model(runtime: Runtime, sender: str, example: SignedWebhook) -> _Model:
    """What the gateway makes of *example*."""
    integration = runtime.gateway.registry.snapshot.running[sender]
    lines = example.template.head.decode().strip().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    headers.append(("X-GitHub-Delivery", example.delivery_id))
    webhook = Webhook(Headers(headers), example.body, datetime.now(UTC))
    made = integration.normalize(webhook, 25 * 1024 * 1024).outcome
    assert isinstance(made, Emitted), made
    kept = integration.kept_headers(webhook)
    return _Model(example.number, example.body, sender, kept, made.events[0])


def _routes(receivers: Sequence[str], serial: int) -> Iterator[Route]:
    """The subscriptions take turns; a paused one has what it gets in its queue."""
    for n in range(_ROUTES):
        number = (serial * _ROUTES + n) % len(receivers)
        held = number < _PAUSED
        yield Route(receivers[number], timedelta(0) if held else _LEASE, held)


def _another(
    runtime: Runtime, model: _Model, sender: str, serial: int, routes: list[Route]
) -> CommitWebhook:
    """The webhook *model* with a number of its own, by *sender*."""
    now, number = datetime.now(UTC), b"%d" % (FIRST_NUMBER + _TEMPLATES + serial)
    native = model.native.replace(model.number, number)
    digest = hashlib.sha256(native)
    id_ = EventId("evt_" + base64.b32encode(digest.digest()).decode().lower()[:26])
    body = model.event.body
    for old, new in (
        (model.number, number),
        (model.event.id.encode(), id_.encode()),
        (model.sender.encode(), sender.encode()),
        (str(model.event.envelope["timestamp"]).encode(), render(now).encode()),
    ):
        body = body.replace(old, new)
    envelope = msgspec.json.decode(body)
    event = msgspec.structs.replace(
        model.event, id=id_, body=body, envelope=envelope, data=envelope["data"]
    )
    webhook_id = WebhookId(new_id("whk", now))
    knowledge = runtime.gateway.registry.snapshot.knowledge
    made = CommitEvent(
        id_, event.type, pack_event(webhook_id, body), routes, index(event, knowledge)
    )
    return CommitWebhook(
        Receipt(webhook_id, digest.hexdigest()[:16], ((id_, event.type),)),
        sender,
        [],  # markers end after three days, and no page looks at them
        pack_native(sender, Webhook(Headers([]), native, now), model.headers),
        [made],
    )


def _records(batch: Sequence[CommitWebhook], now_ms: int) -> Iterator[Record]:
    """An attempt of each delivery that was leased; some used up all that they had."""
    for webhook in batch:
        for event in webhook.events:
            for route in event.routes:
                if route.paused:
                    continue
                dead = int(event.packed[-1]) % _DEAD == 0
                status = 500 if dead else 204
                attempt = AttemptRow(
                    number=1,
                    at=datetime.fromtimestamp(now_ms / 1000, UTC),
                    duration_ms=20,
                    status=status,
                    error="status" if dead else None,
                    detail=None,
                    url=_URL,
                    signature="v1,benchmark",
                    response_headers={"content-type": "text/plain"},
                    response_body="",
                )
                yield Record(
                    route.subscription_id,
                    event.id,
                    webhook.receipt.webhook_id,
                    lease_token(now_ms, route.lease),
                    "dead" if dead else "delivered",
                    attempt=encode(attempt),
                    status=status,
                    error=attempt.error,
                    event_type=event.type,
                    integration_id=webhook.integration_id,
                )


async def fill_pending(data: Path, key: str, sender: str, receiver: str, count: int) -> None:
    """Write *count* events of *sender* into the store of the folder *data*, where no gateway runs.

    Each has one delivery, to *receiver*, a subscription that is paused.
    """
    settings = Settings(port=0, data=data, api_key=key, log_level="error")
    log.configure(settings.log_level)
    runtime = Runtime(settings)
    await runtime.start()
    try:
        models = [_model(runtime, sender, example) for example in _examples()]
        routes = [Route(receiver, timedelta(0), paused=True)]
        for first in range(0, count, _BATCH):
            serials = range(first, min(first + _BATCH, count))
            batch = [_another(runtime, models[n % _TEMPLATES], sender, n, routes) for n in serials]
            await runtime.gateway.events.commit(batch)
    finally:
        await runtime.stop()
