"""Receivers as other senders' documents write them accept what we send (threats.md F9).

The acceptance of the issue "Delivery": 1000 events each, hard on JSON and on limits of size.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixVerificationError

from tests.builders import Native, Running, Sender, until
from tests.conftest import StartGateway
from tests.receivers.nasty import EDGES, body, event_size, sized, write_mapping

FOLDER = Path(__file__).parent
SECRET = "the-secret-of-all-receivers-0123456789"
STANDARD = "whsec_dGhlLXNlY3JldC1vZi1hbGwtcmVjZWl2ZXJzLTAxMjM="
LIMIT = 100_000
FINDINGS, SCANS = ["vulnerability.detected"], ["scan.completed"]

# What each receiver registered with its sender, and what that is here.
RECEIVERS: Mapping[str, dict[str, Any]] = {
    "/sha256": {"profile": "sha256", "prefix": "acme"},
    "/sha256-parsed": {"profile": "sha256", "prefix": "acme", "include_raw": True},
    "/timestamped": {"profile": "timestamped", "prefix": "acme", "include_raw": True},
    "/hex": {"profile": "hex", "prefix": "acme"},
    "/bearer": {"profile": "bearer"},
    "/standard": {"secret": STANDARD},
    "/compat-envelope": {"destination": "compat-envelope", "prefix": "acme"},
    "/compat-envelope-metadata": {"destination": "compat-envelope-metadata", "prefix": "acme"},
    "/compat-event-key": {"destination": "compat-event-key", "prefix": "acme"},
}
LIBRARIES: Mapping[str, dict[str, Any]] = {
    "/standardwebhooks": {"secret": STANDARD},
    "/svix": {"secret": STANDARD, "include_raw": True},
}
PYTHON: Mapping[str, dict[str, Any]] = {
    "/compat-event-id": {"destination": "compat-event-id", "prefix": "acme"},
    "/compat-scan-results": {"destination": "compat-scan-results", "events": SCANS},
    "/library": {"secret": STANDARD, "profile": "cloudevents"},
    "/svix-library": {"secret": STANDARD, "include_raw": True},
}


@dataclass
class PythonReceivers:
    """In Flask's manner: the raw body, a digest, and the JSON's own fields."""

    taken: Counter[str] = field(default_factory=Counter[str])
    refused: list[str] = field(default_factory=list[str])
    ids: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    async def answer(self, request: web.Request) -> web.Response:
        """401 for whoever does not prove itself."""
        raw = await request.read()
        try:
            id_ = self._check(request.path, request.headers, raw)
        except (
            AssertionError,
            KeyError,
            ValueError,
            WebhookVerificationError,
            SvixVerificationError,
        ) as error:
            self.refused.append(f"{request.path}: {error!r}: {raw[:300]!r}")
            return web.Response(status=401)
        self.taken[request.path] += 1
        self.ids.setdefault(request.path, set()).add(id_)
        return web.Response(status=200)

    def _check(self, path: str, headers: Mapping[str, str], raw: bytes) -> str:
        payload = json.loads(raw)
        if path == "/compat-event-id":
            expected = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
            assert hmac.compare_digest(expected, headers["X-Acme-Signature"])
            return str(payload["event_id"])
        if path == "/compat-scan-results":
            assert headers["Authorization"] == f"Bearer {SECRET}"
            assert payload["status"] in ("completed", "in_progress", "failed")
            assert isinstance(payload["results"]["threatsFound"], int)
            return str(payload["scanId"])
        if path == "/svix-library":
            SvixWebhook(STANDARD).verify(raw, dict(headers))
            return str(payload["id"])
        Webhook(STANDARD).verify(raw, dict(headers))
        assert payload["specversion"] == "1.0"
        return str(payload["id"])


@contextlib.asynccontextmanager
async def node(script: str, **environment: str) -> AsyncIterator[str]:
    """A server of *script*; its URL."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    process = await asyncio.create_subprocess_exec(
        program, str(FOLDER / script), SECRET, STANDARD, stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def python() -> AsyncIterator[tuple[str, PythonReceivers]]:
    """A server of the receivers in Python; its URL and what it took."""
    receivers = PythonReceivers()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/{path:.*}", receivers.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", receivers
    finally:
        await runner.cleanup()


async def stats(url: str) -> dict[str, Any]:
    """Who took how many."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/stats") as response:
        found: dict[str, Any] = await response.json(content_type=None)
        return found


async def register(gateway: Running, url: str, receivers: Mapping[str, dict[str, Any]]) -> None:
    """A subscription for each."""
    for path, fields in receivers.items():
        wanted = {"url": url + path, "events": FINDINGS, "secret": SECRET, "timeout": "30s"}
        answer = await gateway.api.post("/webhooks", wanted | fields)
        assert answer.status == 201, answer.body


async def send_all(gateway: Running, sender: Sender, count: int) -> None:
    """*count* findings and as many scans; some of the findings at the edge of 100,000 bytes."""
    probe = await post(gateway, sender, body(0, "finding"))
    stored = await gateway.api.get(f"/v1/events/{probe}")
    more = len(stored.body) - event_size(body(0, "finding"))  # ids and names are longer here
    limit = asyncio.Semaphore(16)

    async def one(number: int, kind: str) -> None:
        at = number % 25
        edge = kind == "finding" and at < len(EDGES)
        raw = sized(number, LIMIT + EDGES[at] - more) if edge else body(number, kind)
        async with limit:
            await post(gateway, sender, raw)

    numbers = range(1, count)
    await asyncio.gather(*(one(n, "finding") for n in numbers), *(one(n, "scan") for n in numbers))
    await post(gateway, sender, body(count, "scan"))


async def post(gateway: Running, sender: Sender, raw: bytes) -> str:
    """Send one webhook; the id of its event."""
    native = Native({"Content-Type": "application/json"}, raw)
    (event_id,) = await gateway.accept(sender, native)
    return event_id


COUNTS = [50, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]


@pytest.mark.parametrize("count", COUNTS)
async def test_f9_receivers_as_documented_accept_every_event(
    start_gateway: StartGateway, tmp_path: Path, count: int
) -> None:
    """Node without packages, and Python with and without them: not one is refused."""
    gateway = await start_gateway(mappings=write_mapping(tmp_path / "mappings"))
    sender = await gateway.integrate("nasty", verify="none")
    async with node("plain.js") as javascript, python() as (url, receivers):
        await register(gateway, javascript, RECEIVERS)
        await register(gateway, url, PYTHON)
        await send_all(gateway, sender, count)
        await until(
            lambda: bool(receivers.refused) or all(receivers.taken[p] >= count for p in PYTHON), 120
        )
        assert receivers.refused == []
        assert {path: len(receivers.ids[path]) for path in PYTHON} == dict.fromkeys(PYTHON, count)
        found = await settled(javascript, RECEIVERS, count)
    for path, row in found.items():
        assert row["refused"] == [], path
        assert (row["taken"], len(row["ids"])) == (count, count), path
        assert row["largest"] <= LIMIT, path
    assert found["/sha256"]["largest"] == LIMIT


async def settled(url: str, receivers: Mapping[str, dict[str, Any]], count: int) -> dict[str, Any]:
    """What they have, once each has *count* or one refused something."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(120):
        while True:
            found = await stats(url)
            if any(row["refused"] for row in found.values()):
                return found
            if len(found) == len(receivers) and all(r["taken"] >= count for r in found.values()):
                return found
            await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Express and the two packages, installed for this session; skipped where that fails."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder)]
    try:
        subprocess.run(
            [*command, "express@5", "standardwebhooks@1", "svix@1"],
            cwd=folder, check=True, capture_output=True, timeout=90,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"the packages cannot be installed: {type(error).__name__}")
    return folder / "node_modules"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [1000])
async def test_f9_express_and_the_packages_accept_every_event(
    start_gateway: StartGateway, tmp_path: Path, packages: Path, count: int
) -> None:
    """express.json() as it is, with its own limit; standardwebhooks and svix of npm."""
    gateway = await start_gateway(mappings=write_mapping(tmp_path / "mappings"))
    sender = await gateway.integrate("nasty", verify="none")
    receivers = {**RECEIVERS, **LIBRARIES}
    async with node("express.js", NODE_PATH=str(packages)) as url:
        await register(gateway, url, receivers)
        await send_all(gateway, sender, count)
        found = await settled(url, receivers, count)
    for path, row in found.items():
        assert row["refused"] == [], path
        assert (row["taken"], len(row["ids"])) == (count, count), path
