"""``make soak``: half of what the gateway can take, for minutes; its memory has to stay flat.

DURATION (10m) says for how long. What it can take is measured first, for some seconds. Everything
in the store is kept for KEPT instead of days: so what it holds is the same from the second minute
on, and its memory can be judged like the gateway's. At the end ten times of what it can take comes
in for some seconds: see `tests.chaos.overload`.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

import uvloop

from benchmarks.load import run_load
from benchmarks.payloads import make_templates, make_webhooks
from onehook.core.durations import parse_duration
from tests.chaos.arena import SECRET, Arena, arena
from tests.chaos.load import CONNECTIONS, PATIENCE
from tests.chaos.overload import resident_mib, run_overload
from tests.chaos.serving import RETENTION

WARM = 5.0  # seconds in which its capacity is measured
STEP = 1.0  # seconds of load in one piece
KEPT = 40.0  # seconds that everything is kept; the index of references 65
FLAT = 0.05  # of what it was, over the second half
DESCRIPTORS = 50  # that may be open in addition at the end: connections come and go
OVERLOADED = 20.0  # seconds
_PIECE = 500  # webhooks


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident MiB and open descriptors at one moment."""

    gateway: float
    store: float
    descriptors: int


class Soak:
    """A load of one kind on an `Arena`, whose memory is looked at."""

    def __init__(self, made: Arena) -> None:
        self._arena, self._sent, self._templates = made, 0, make_templates()
        self.samples: list[Memory] = []
        self.refused = 0

    async def send(self, count: int) -> None:
        """*count* webhooks, until they are answered."""
        webhooks = make_webhooks(count, SECRET, self._sent, self._templates)
        self._sent += count
        found = await run_load(self._arena.ingest, webhooks, CONNECTIONS, None, PATIENCE)
        self.refused += sum(n for status, n in found.statuses.items() if status != 202)

    async def capacity(self) -> float:
        """Webhooks a second that it takes and delivers."""
        since, before = time.monotonic(), self._sent
        while time.monotonic() - since < WARM:
            await self.send(_PIECE)
        return (self._sent - before) / (time.monotonic() - since)

    async def run(self, rate: float, seconds: float) -> None:
        """*rate* webhooks a second; a sample a second."""
        ends = time.monotonic() + seconds
        pid = await self._arena.store.pid()
        while time.monotonic() < ends:
            await asyncio.gather(self.send(max(round(rate * STEP), 1)), asyncio.sleep(STEP))
            self.samples.append(self._look(pid))

    def _look(self, store: int) -> Memory:
        process = self._arena.gateway.process
        assert process is not None
        descriptors = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        return Memory(resident_mib(process.pid), resident_mib(store), descriptors)


def growth(values: list[float]) -> float:
    """Growth from the first to the last fifth of *values*, by their medians, as a share."""
    fifth = max(len(values) // 5, 1)
    return median(values[-fifth:]) / median(values[:fifth]) - 1


async def _soak(folder: Path, seconds: float) -> list[str]:
    kept = {RETENTION: f"{KEPT:g}s"}
    async with arena(folder, Random(0), embedded=True, **kept) as made:
        soak = Soak(made)
        rate = await soak.capacity() / 2
        print(f"capacity {rate * 2:.0f}/s; {rate:.0f}/s for {seconds:.0f} s", flush=True)
        await soak.run(rate, seconds)
    half = soak.samples[len(soak.samples) // 2 :]
    first, last = half[0], half[-1]
    gateway = growth([one.gateway for one in half])
    store = growth([one.store for one in half])
    print(
        f"over the second half: gateway {first.gateway:.0f} -> {last.gateway:.0f} MiB "
        f"({gateway:+.1%}), store {first.store:.0f} -> {last.store:.0f} MiB ({store:+.1%}), "
        f"descriptors {first.descriptors} -> {last.descriptors}; {soak.refused} not taken"
    )
    wrong = {
        "the gateway's memory grows": gateway > FLAT,
        "the store's memory grows": store > FLAT,
        "descriptors are not given back": last.descriptors > first.descriptors + DESCRIPTORS,
        "webhooks were refused at half of what it can take": soak.refused > 0,
    }
    return [sentence for sentence, holds in wrong.items() if holds]


def main() -> int:
    """Run, print; 1 if anything is not as it should be."""
    duration = parse_duration(os.environ.get("DURATION", "10m"))
    if duration is None:
        print("DURATION is a number and a unit, such as 10m")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="onehook-soak-"))
    wrong = uvloop.run(_soak(folder, duration.total_seconds()))
    (folder / "overload").mkdir()
    burst = uvloop.run(run_overload(folder / "overload", OVERLOADED))
    print(burst)
    wrong += burst.faulty()
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
