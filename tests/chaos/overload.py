"""Ten times what a gateway can take: it sheds, stays answerable, and its memory has a ceiling.

A slow line to the store makes what it can take so little that ten times of it can be sent here.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from benchmarks.load import Answer, Patience, run_load
from benchmarks.payloads import make_templates, make_webhooks
from tests.chaos.arena import SECRET, Arena, arena
from tests.chaos.proxy import Line

TIMES = 10
# MiB: what may wait for the store, and what a connection may take, as docs/settings.md has it.
WAITING, CONNECTION, CONNECTIONS = 64, 128 / 1024, 2000
ANSWERABLE = 5.0  # seconds that /healthz may take, on a very busy machine
WARM = 3.0  # seconds in which what it can take is measured
_KIB, _LOOK, _TICK = 1024, 0.2, 0.05
_SHED = frozenset({429, 503})
_CONNECTIONS = 64  # that what it can take is measured with
_PIECE = 32


def resident_mib(pid: int) -> float:
    """How much of a process is in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / _KIB


@dataclass(slots=True)
class Burst:
    """What an overload came to. Rates are webhooks a second, memory is in MiB."""

    capacity: float
    offered: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter[int])
    bare: int = 0  # refusals without Retry-After
    turned_away: int = 0  # connections beyond those that it takes, closed as they spoke
    usual: float = 0.0
    most: float = 0.0
    looks: list[float] = field(default_factory=list[float])  # seconds that /healthz took
    recovered: bool = False

    @property
    def shed(self) -> int:
        """How many were refused as they should be."""
        return sum(n for status, n in self.statuses.items() if status in _SHED)

    def __str__(self) -> str:
        return (
            f"overload: it takes {self.capacity:.0f}/s, {self.offered:.0f}/s came: answers "
            f"{dict(self.statuses)}, {self.bare} refusals without Retry-After, "
            f"{self.turned_away} connections closed; memory "
            f"{self.usual:.0f} -> at most {self.most:.0f} MiB (ceiling {self.ceiling:.0f}); "
            f"/healthz {len(self.looks)} times, at most {max(self.looks, default=0):.2f} s"
        )

    @property
    def ceiling(self) -> float:
        """What its memory must not exceed."""
        return self.usual + WAITING + CONNECTION * CONNECTIONS

    def faulty(self) -> list[str]:
        """What must not be, a sentence each."""
        others = {s: n for s, n in self.statuses.items() if s not in {200, 202, *_SHED}}
        wrong = {
            f"it was not overloaded: {self.offered:.0f}/s": self.offered < TIMES * self.capacity,
            "nothing was taken": not self.statuses[202],
            "nothing was shed": not self.shed,
            f"other answers: {others}": bool(others),
            f"{self.bare} refusals without Retry-After": self.bare > 0,
            f"{self.most:.0f} MiB is above the ceiling": self.most > self.ceiling,
            "/healthz was silent": not self.looks or max(self.looks) > ANSWERABLE,
            "it takes nothing afterwards": not self.recovered,
        }
        return [f"overload: {sentence}" for sentence, holds in wrong.items() if holds]


async def run_overload(folder: Path, seconds: float) -> Burst:
    """For so long ten times of what it can take; then once more what it can."""
    async with arena(folder, random.Random(0), embedded=False) as made:
        assert made.line is not None
        made.line.become(Line.CRAWLING)
        numbers = _numbers()
        burst = Burst(await _capacity(made, numbers))
        assert made.gateway.process is not None
        burst.usual = resident_mib(made.gateway.process.pid)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(made, burst))
            await _offer(made, burst, seconds, numbers)
            watching.cancel()
        made.line.become(Line.GOOD)
        burst.recovered = await _takes(made, next(numbers))
    return burst


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += _PIECE


async def _capacity(made: Arena, numbers: Iterator[int]) -> float:
    templates, since, sent = make_templates(), time.monotonic(), 0
    while time.monotonic() - since < WARM:
        some = make_webhooks(_PIECE, SECRET, next(numbers), templates)
        some += make_webhooks(_PIECE, SECRET, next(numbers), templates)
        await run_load(made.ingest, some, _CONNECTIONS)
        sent += len(some)
    return sent / (time.monotonic() - since)


async def _offer(made: Arena, burst: Burst, seconds: float, numbers: Iterator[int]) -> None:
    """Send on time, whatever is answered: who waits for an answer cannot overload anybody."""
    templates, url = make_templates(), made.ingest
    rate = TIMES * burst.capacity * 1.1
    since = time.monotonic()
    sent = 0
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        while (passed := time.monotonic() - since) < seconds:
            while sent < rate * passed:
                for webhook in make_webhooks(_PIECE, SECRET, next(numbers), templates):
                    group.create_task(_post(session, url, webhook.wire(b""), burst))
                sent += _PIECE
            await asyncio.sleep(_TICK)
        burst.offered = sent / (time.monotonic() - since)


async def _post(session: aiohttp.ClientSession, url: str, wire: bytes, burst: Burst) -> None:
    head, _, body = wire.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n") if line]
    headers = {name: value for name, _, value in lines}
    try:
        async with session.post(url, data=body, headers=headers) as response:
            burst.statuses[response.status] += 1
            if response.status in _SHED and not response.headers.get("Retry-After"):
                burst.bare += 1
            await response.read()
    except aiohttp.ClientConnectionError:  # it was told to go while it still spoke
        burst.turned_away += 1


async def _watch(made: Arena, burst: Burst) -> None:
    """Look at its memory, and ask whether it lives."""
    process = made.gateway.process
    assert process is not None
    # Each on a connection of its own, as a load balancer has it: whether there is room or not.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(made.gateway.url, connector=connector) as session:
        while True:
            burst.most = max(burst.most, resident_mib(process.pid))
            since = time.monotonic()
            async with session.get("/healthz") as response:
                assert response.status == 200
            burst.looks.append(time.monotonic() - since)
            await asyncio.sleep(_LOOK)


async def _takes(made: Arena, number: int) -> bool:
    """Whether webhooks are taken, within a while."""
    patience = Patience(timeout=15, retry_for=60, retry_statuses=(503,))
    taken: list[Answer] = []
    some = make_webhooks(_PIECE, SECRET, number)
    await run_load(made.ingest, some, _CONNECTIONS, taken.append, patience)
    return all(answer.status in (200, 202) for answer in taken)
