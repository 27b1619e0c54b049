"""``make bench-console``: how long each page of the console takes on a store that is full.

EVENTS (100,000; FULL=1: 1,000,000) events are written through the commit script and their
deliveries through the record script, to 200 subscriptions; then a gateway is started on that
store, and each page is loaded 15 times by one visitor, one after the other. The exit code is 1
where a page takes more than 300 ms at the median, or is larger than 1 MB before compression.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.filling import Filled, fill
from benchmarks.processes import running
from benchmarks.suite import RESULTS
from onehook.store.server import EmbeddedServer

ROUNDS = 15
MOST_MS = 300.0
MOST_BYTES = 1_000_000
KEY = "benchmark-key-benchmark-key"


@dataclass(frozen=True, slots=True)
class Sample:
    """A page: ms of each load, and its size before compression."""

    path: str
    ms: Sequence[float]
    size: int

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.ms)

    @property
    def p95(self) -> float:
        """The nearest rank of 95 in 100."""
        return sorted(self.ms)[-(-len(self.ms) * 95 // 100) - 1]

    @property
    def good(self) -> bool:
        """Whether it keeps to both limits."""
        return self.median <= MOST_MS and self.size <= MOST_BYTES


def pages(filled: Filled) -> Sequence[str]:
    """Every page, lists also narrowed to what is rare and to what there is none of."""
    event, receiver, sender = filled.event, filled.receiver, filled.sender
    delivery = f"dlv_{event[4:]}{receiver[4:]}"
    return (
        "",
        "/events",
        "/events?type=scm.*",
        "/events?type=incidents.*",
        f"/events?integration={filled.quiet}",
        f"/events/{event}",
        "/references",
        f"/references?key={filled.key}",
        f"/references?key={filled.often}",
        "/integrations",
        "/integrations/new",
        "/integrations/new?type=github",
        f"/integrations/{sender}",
        f"/integrations/{filled.quiet}",
        f"/integrations/{sender}/connect",
        "/mappings",
        "/mappings/github",
        "/mappings/github/coverage",
        "/mappings/github/drift",
        "/playground",
        f"/playground?event={event}",
        "/quarantine",
        f"/quarantine?integration={filled.quiet}",
        f"/quarantine/{filled.held}",
        "/subscriptions",
        "/subscriptions/new",
        f"/subscriptions/{receiver}",
        f"/subscriptions/{receiver}?status=dead",
        f"/subscriptions/{receiver}/statistics",
        f"/subscriptions/{receiver}/settings",
        "/deliveries",
        "/deliveries?status=dead",
        "/deliveries?status=pending",
        f"/deliveries?subscription={receiver}&type=incidents.*",
        f"/deliveries/{delivery}",
        "/dead-letters",
        f"/dead-letters?subscription={receiver}",
        "/replays",
        "/replays/new",
        "/settings",
        "/settings/keys",
        "/settings/tenants",
        "/settings/tenants/default",
    )


@asynccontextmanager
async def _signed_in(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name, too
    async with aiohttp.ClientSession(url, cookie_jar=jar) as session:
        async with session.get("/console/sign-in") as answer:
            text = await answer.text()
        token = text.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": token, "api_key": KEY}
        async with session.post("/console/sign-in", data=form) as answer:
            assert answer.url.path == "/console", answer.url
        yield session


async def _measure(session: aiohttp.ClientSession, path: str) -> Sample:
    times: list[float] = []
    size = 0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        async with session.get(f"/console{path}") as answer:
            size = len(await answer.read())
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status == 200, f"{path} answered {answer.status}"
    return Sample(path, times, size)


async def _measured(url: str, filled: Filled) -> list[Sample]:
    async with _signed_in(url) as session:
        return [await _measure(session, path) for path in pages(filled)]


def table(samples: Sequence[Sample]) -> str:
    """One line a page."""
    lines = [f"{'page':<58} {'median':>8} {'p95':>8} {'bytes':>9}"]
    for one in samples:
        mark = "" if one.good else "  <- too much"
        path = f"/console{one.path}"
        lines.append(
            f"{path[:58]:<58} {one.median:>5.0f} ms {one.p95:>5.0f} ms {one.size:>9,}{mark}"
        )
    return "\n".join(lines)


async def _run(folder: Path, count: int) -> list[Sample]:
    server = EmbeddedServer(folder / "data")
    environment: Mapping[str, Any] = {"ONEHOOK_API_KEY": KEY}
    store = await server.start()
    try:
        begun = time.monotonic()
        filled = await fill(folder / "data", store, KEY, count)
        took = time.monotonic() - begun
        print(f"{count:,} events in {took:.0f} s", file=sys.stderr, flush=True)
        onehook = Path(sys.executable).with_name("onehook")
        command = [str(onehook), "serve", "--port", "0", "--data", str(folder / "data")]
        with running(command, folder / "gateway.log", environment) as gateway:
            return await _measured(gateway.word, filled)
    finally:
        await server.stop()


def main() -> int:
    """Fill, measure, print; 1 where a page takes too long or is too large."""
    count = int(os.environ.get("EVENTS", "1000000" if os.environ.get("FULL") == "1" else "100000"))
    RESULTS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="console-", dir=RESULTS))
    try:
        samples = asyncio.run(_run(folder, count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table(samples))
    return 0 if all(one.good for one in samples) else 1


if __name__ == "__main__":
    sys.exit(main())
