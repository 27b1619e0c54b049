"""Fills a store as a busy gateway does in days: webhooks, events, deliveries, attempts.

Everything goes through the scripts that the gateway itself writes with. Some webhooks are
normalized for real; the others are those with another number.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.payloads import SIGNED_WITH, SignedWebhook, make_webhooks
from benchmarks.writing import PAUSED, URL, Model, Plan, write
from onehook import log
from onehook.core.mapping.normalize import Emitted
from onehook.core.model import Headers, Webhook
from onehook.settings import Settings
from onehook.store.server import EmbeddedServer
from onehook.wiring import Runtime

SUBSCRIPTIONS = 200
SENDERS = 4
HELD = 300  # webhooks in quarantine
_TEMPLATES = 8


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


async def fill(data: Path, store: str, key: str, count: int) -> Filled:
    """Write *count* events into the store of the folder *data*, whose server is at *store*."""
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
            event, receiver = await _write(runtime, store, senders[:-1], receivers, count)
            held = [await _hold(session, senders[0], n) for n in range(HELD)]
            async with session.get(f"/v1/events/{event}") as answer:
                data = (await answer.json())["data"]
    finally:
        await runtime.stop()
    often = _ticket(data)
    return Filled(event, receiver, senders[0], senders[-1], held[-1], data["url"], often)


def _ticket(data: Mapping[str, Any]) -> str:
    """The ticket that an event is for: each of the models has one of its own."""
    return next(str(one["key"]) for one in data["references"] if one["type"] == "ticket")


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
        session, "subscriptions", {"url": f"{URL}/{number}", "name": f"Receiver {number}"}
    )
    if number < PAUSED:
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
    runtime: Runtime,
    store: str,
    senders: Sequence[str],
    receivers: Sequence[str],
    count: int,
    *,
    paused: int = PAUSED,
) -> tuple[str, str]:
    """Write *count* events; the last one that was attempted, and a subscription that got it.

    The first *paused* of *receivers* are paused.
    """
    gateway = runtime.gateway
    examples = enumerate(make_webhooks(_TEMPLATES, SIGNED_WITH))
    models = [_model(runtime, senders[n % len(senders)], one) for n, one in examples]
    plan = Plan(
        store=store,
        prefix=gateway.settings.key_prefix,
        models=models,
        links=gateway.registry.snapshot.knowledge.links,
        senders=senders,
        receivers=receivers,
        count=count,
        paused=paused,
    )
    return await write(plan)


def _model(runtime: Runtime, sender: str, example: SignedWebhook) -> Model:
    """What the gateway makes of *example*."""
    integration = runtime.gateway.registry.snapshot.running[sender]
    lines = example.template.head.decode().strip().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    headers.append(("X-GitHub-Delivery", example.delivery_id))
    webhook = Webhook(Headers(headers), example.body, datetime.now(UTC))
    made = integration.normalize(webhook, 25 * 1024 * 1024).outcome
    assert isinstance(made, Emitted), made
    kept = integration.kept_headers(webhook)
    return Model(example.number, example.body, sender, kept, made.events[0])


async def fill_pending(data: Path, key: str, sender: str, receiver: str, count: int) -> None:
    """Write *count* events of *sender* into the store of the folder *data*, where no gateway runs.

    Each has one delivery, to *receiver*, a subscription that is paused.
    """
    server = EmbeddedServer(data)
    store = await server.start()
    settings = Settings(port=0, data=data, api_key=key, log_level="error")
    log.configure(settings.log_level)
    runtime = Runtime(settings)
    await runtime.start()
    try:
        await _write(runtime, store, [sender], [receiver], count, paused=1)
    finally:
        await runtime.stop()
        await server.stop()
