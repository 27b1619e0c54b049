"""``onehook demo``: a gateway, sample webhooks of every platform, and a subscriber, in one."""

import asyncio
import base64
import secrets
import signal
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from rich.box import SIMPLE
from rich.live import Live
from rich.table import Table

from onehook import log
from onehook.cli.output import fail, out
from onehook.cli.receiver import Receiver
from onehook.clock import SystemClock
from onehook.core.jsontext import decode, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.samples import Sample, samples
from onehook.core.model import Headers, Webhook
from onehook.core.signatures import BodyPath, Hmac, Scheme, TimeFormat, sign
from onehook.errors import OnehookError
from onehook.mappings import MappingFile
from onehook.settings import load
from onehook.wiring import Runtime

MOST = 6  # samples of each platform
PATIENCE = 30.0  # seconds for every event to arrive
_LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(slots=True)
class Row:
    """One sample webhook: what was sent, answered, and what came out."""

    platform: str
    name: str
    answer: str = "…"
    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # id, type


@dataclass(slots=True)
class Demo:
    """What the demo has seen so far."""

    rows: list[Row] = field(default_factory=list[Row])
    delivered: dict[str, bool] = field(default_factory=dict[str, bool])  # event id -> verified

    def got(self, event_id: str, _type: str, verified: bool) -> None:
        """Take down a delivery; one whose signature did not fit stays so."""
        self.delivered[event_id] = self.delivered.get(event_id, True) and verified

    def missing(self) -> list[str]:
        """Accepted events that have not arrived, or not verified."""
        return [id_ for row in self.rows for id_, _ in row.events if not self.delivered.get(id_)]

    def complete(self) -> bool:
        """Whether every sample was accepted and every event arrived, verified."""
        return bool(self.rows) and not self.missing() and all(row.events for row in self.rows)

    def table(self) -> Table:
        """What came in and what went out."""
        table = Table(title="Webhooks in, events out", title_justify="left", box=SIMPLE)
        table.add_column("platform", no_wrap=True)
        table.add_column("webhook", no_wrap=True, max_width=28)
        table.add_column("answer", no_wrap=True)
        table.add_column("event", no_wrap=True)
        table.add_column("", no_wrap=True)
        for row in self.rows:
            marks = [_MARKS[self.delivered.get(id_)] for id_, _ in row.events]
            types = [type_ for _, type_ in row.events]
            cells = ("\n".join(types) or "-", "\n".join(marks) or "-")
            table.add_row(row.platform, row.name, row.answer, *cells)
        return table


_MARKS: Mapping[bool | None, str] = {
    None: "…",
    True: "[green]✓[/green]",
    False: "[red]✗[/red]",
}


def demo(*, once: bool = False, port: int | None = None, data: Path | None = None) -> int:
    """Start a gateway, post signed sample webhooks of every platform, and watch them arrive.

    Args:
        once: end after the samples: exit code 0 only if every event arrived and verified.
        port: port of the gateway (8080 if it is free).
        data: data folder (a temporary one).
    """
    log.configure("error")
    with tempfile.TemporaryDirectory(prefix="onehook-") as folder:
        wanted = 0 if once and port is None else port
        return uvloop.run(_demo(once=once, port=_free(wanted), data=data or Path(folder)))


def _free(port: int | None) -> int:
    """*port*; 8080 if none is named and it is free, else any."""
    if port is not None:
        return port
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            return 0
    return 8080


async def _demo(*, once: bool, port: int, data: Path) -> int:
    settings = load(port=port, data=data, delivery_allow=_LOOPBACK)
    runtime = Runtime(settings)
    seen = Demo()
    receiver = Receiver(seen.got)
    try:
        await runtime.start()
        url = await receiver.start()
        headers = {"Authorization": f"Bearer {runtime.api_key}"}
        async with aiohttp.ClientSession(runtime.url, headers=headers) as session:
            subscription = await _post(session, "/v1/subscriptions", {"url": url, "name": "demo"})
            receiver.secret = subscription["secret"]
            await _show(seen, _send_all(session, seen, runtime.gateway.mappings))
        if once:
            return _verdict(seen)
        _invite(runtime)
        await _until_told()
        return 0
    finally:
        await runtime.stop()
        await receiver.stop()


async def _show(seen: Demo, sending: Any) -> None:
    """Send, and keep the table live until everything arrived or patience ends."""
    with Live(seen.table(), console=out, refresh_per_second=8) as live:
        task = asyncio.create_task(sending)
        try:
            async with asyncio.timeout(PATIENCE):
                while not (task.done() and not seen.missing()):
                    live.update(seen.table())
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        live.update(seen.table())
    await task


async def _send_all(
    session: aiohttp.ClientSession, seen: Demo, files: Mapping[str, MappingFile]
) -> None:
    for file in files.values():
        mapping = file.mapping
        chosen = [s for s in samples(mapping, file.load_sample) if _is_demo(mapping, s)][:MOST]
        if not chosen:
            continue
        settings, hidden = _settings(mapping, chosen)
        integration = await _post(
            session,
            "/v1/integrations",
            {"type": mapping.platform, "name": f"{mapping.platform} demo", "settings": settings},
        )
        path = "/" + integration["ingest_url"].split("/", 3)[3]
        scheme = mapping.verify.scheme(settings)
        for sample in chosen:
            row = await _send(session, path, scheme, sample, (settings, hidden))
            row.platform = mapping.platform
            seen.rows.append(row)


def _is_demo(mapping: CompiledMapping, sample: Sample) -> bool:
    """The samples that lie in files are the whole, realistic ones."""
    node = next(n for n in mapping.tests if n.place == sample.place)
    whole = "body_file" in node.items and sample.row is None
    return whole and isinstance(sample.expect, list)


def _settings(
    mapping: CompiledMapping, chosen: list[Sample]
) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    """Settings of an integration: those that the samples were written for, and new secrets."""
    settings: dict[str, str] = {}
    for sample in chosen:
        settings.update(sample.settings)
    hidden: dict[str, list[bytes]] = {}
    for name, spec in mapping.settings.items():
        if spec.secret:
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            settings[name] = secret
            hidden[name] = [secret.encode()]
        elif spec.default is not None:
            settings.setdefault(name, spec.default)
        elif spec.required:
            settings.setdefault(name, "demo.example.com")
    return settings, hidden


async def _send(
    session: aiohttp.ClientSession,
    path: str,
    scheme: Scheme,
    sample: Sample,
    settings: tuple[Mapping[str, str], Mapping[str, list[bytes]]],
) -> Row:
    """Post *sample* as its vendor would, signed with the integration's secret."""
    now = SystemClock().now()
    body = fresh(scheme, sample.body, now)
    bare = Webhook(Headers(), body, now)
    plain, hidden = settings
    proof = sign(scheme, bare, hidden, plain, now)
    signed = {name.lower() for name, _ in proof}  # a sample's own time would be too old
    headers = [*proof, *((n, v) for n, v in sample.headers if n not in signed)]
    row = Row("", sample.name)
    async with session.post(path, data=body, headers=headers) as response:
        answer = await response.json(content_type=None)
        row.answer = str(response.status if response.ok else answer["code"])
        row.events = [(e["id"], e["type"]) for e in answer.get("events", [])]
    return row


def fresh(scheme: Scheme, body: bytes, now: datetime) -> bytes:
    """*body* with the time of now, where the proof is dated by the body itself."""
    stamp = scheme.timestamp if isinstance(scheme, Hmac) else None
    if stamp is None or not isinstance(stamp.source, BodyPath):
        return body
    value = decode(body)
    name = stamp.source.text.removeprefix("$.")
    if isinstance(value, dict) and name in value:
        seconds = now.timestamp()
        value[name] = int(seconds * 1000) if stamp.format is TimeFormat.EPOCH_MS else int(seconds)
    return encode(value)


async def _post(session: aiohttp.ClientSession, path: str, body: object) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json(content_type=None)
        if response.status >= 300:
            msg = f"POST {path}: {answer.get('detail')}"
            raise OnehookError(msg)
        return answer


def _verdict(seen: Demo) -> int:
    events = sum(len(row.events) for row in seen.rows)
    if seen.complete():
        out.print(f"{len(seen.rows)} webhooks in, {events} events out, every signature verified.")
        return 0
    refused = [f"{row.platform} {row.name}: {row.answer}" for row in seen.rows if not row.events]
    for text in refused:
        fail(f"not accepted: {text}")
    for event_id in seen.missing():
        fail(f"not delivered, or not verified: {event_id}")
    return 1


def _invite(runtime: Runtime) -> None:
    lines = (
        "",
        f"Console   {runtime.url}/console",
        f"Gateway   {runtime.url}",
        f"API key   {runtime.api_key}",
        "Try       " + f'curl -H "Authorization: Bearer {runtime.api_key}" '
        f'"{runtime.url}/v1/events?limit=3"',
        "Stop      Ctrl-C",
    )
    out.print("\n".join(lines), markup=False)


async def _until_told() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()
