"""``make soak``: half of what the gateway can take, for minutes; its memory has to stay flat.

DURATION (10m) says for how long. What it can take is measured first, for some seconds.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import uvloop

from benchmarks.load import run_load
from benchmarks.payloads import make_templates, make_webhooks
from onehook.core.durations import parse_duration
from tests.chaos.arena import SECRET, Arena, arena
from tests.chaos.load import CONNECTIONS, PATIENCE

WARM = 5.0  # seconds in which its capacity is measured
STEP = 1.0  # seconds of load in one piece
FLAT = 0.05  # of the mean, over the second half
_PIECE = 500  # webhooks
_KIB = 1024


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
        return Memory(_resident_mib(process.pid), _resident_mib(store), descriptors)


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / _KIB


def _spread(values: list[float]) -> float:
    """Growth from the first to the last tenth of *values*, as a share."""
    tenth = max(len(values) // 10, 1)
    first, last = sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth
    return last / first - 1


async def _soak(folder: Path, seconds: float) -> int:
    async with arena(folder, Random(0), embedded=True) as made:
        soak = Soak(made)
        rate = await soak.capacity() / 2
        print(f"capacity {rate * 2:.0f}/s; {rate:.0f}/s for {seconds:.0f} s", flush=True)
        await soak.run(rate, seconds)
    half = soak.samples[len(soak.samples) // 2 :]
    first, last = half[0], half[-1]
    gateway = _spread([one.gateway for one in half])
    store = _spread([one.store for one in half])
    print(
        f"over the second half: gateway {first.gateway:.0f} -> {last.gateway:.0f} MiB "
        f"({gateway:+.1%}), store {first.store:.0f} -> {last.store:.0f} MiB ({store:+.1%}), "
        f"descriptors {first.descriptors} -> {last.descriptors}; {soak.refused} not taken"
    )
    # What the store holds grows with what it was sent: its retention is days, not minutes.
    return 1 if gateway > FLAT or soak.refused else 0


def main() -> int:
    """Run, print; 1 if the gateway's memory is not flat."""
    duration = parse_duration(os.environ.get("DURATION", "10m"))
    if duration is None:
        print("DURATION is a number and a unit, such as 10m")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="onehook-soak-"))
    return uvloop.run(_soak(folder, duration.total_seconds()))


if __name__ == "__main__":
    sys.exit(main())
