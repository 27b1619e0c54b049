"""``backlog``: how fast deliveries go that have gathered behind a paused subscription."""

import asyncio
import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.figures.end_to_end import CAPACITY
from benchmarks.filling import fill_pending
from benchmarks.gateways import KEY, Gateway, gateway, subscriber
from benchmarks.suite import Figure, Run

_SECONDS = 60.0  # of the drain that are measured
_EACH = 1.0  # second


def measure(run: Run) -> None:
    """Gather deliveries, resume their subscription, look at the first minute."""
    count = run.plan.stored
    with run.data() as data, subscriber(data) as target:
        with gateway(data) as server:
            sender = server.integrate().rpartition("/")[2]
            receiver = server.subscribe(target)
            server.api.call(f"/v1/subscriptions/{receiver}/pause", {})
        begun = time.monotonic()
        asyncio.run(fill_pending(data / "data", KEY, sender, receiver, count))
        took = time.monotonic() - begun
        print(f"{count:,} deliveries gathered in {took:.0f} s", file=sys.stderr, flush=True)
        with gateway(data) as server:
            _drain(run, server, receiver, count)


def _drain(run: Run, server: Gateway, receiver: str, count: int) -> None:
    reference = run.ledger.median("end_to_end", CAPACITY, "rate")
    assert reference is not None
    memory: list[float] = []
    begun = time.monotonic()
    server.api.call(f"/v1/subscriptions/{receiver}/resume", {})
    while (took := time.monotonic() - begun) < _SECONDS:
        memory.append(server.server.memory_bytes() / 1e6)
        if server.api.delivered() >= count:
            break
        time.sleep(_EACH)
    delivered = server.api.delivered()
    took = time.monotonic() - begun
    rate = delivered / took
    run.ledger.note(
        "backlog",
        "drained",
        rate=rate,
        over_end_to_end=rate / reference,
        memory_mb=max(memory),
        growth=_growth(memory),
    )


def _growth(memory: Sequence[float]) -> float:
    """The last third over the first one after the start; each its middle value."""
    part = max(1, len(memory) // 3)
    return median(memory[-part:]) / median(memory[1 : 1 + part] or memory)


FIGURE = Figure("backlog", measure, needs=("end_to_end", "floor"), once=True)
