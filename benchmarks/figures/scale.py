"""``scale``: one gateway process and two on one store, the load generators held to one processor.

``onehook serve`` on the data folder of another shares its store. Where two processors have to do
for gateways, store, subscriber and generators alike, this says what a second process costs, and
not what it brings.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.gateways import LIMIT, WARM, Gateway, gateway, subscriber
from benchmarks.processes import generate
from benchmarks.suite import Figure, Run

_SEEN = 1.5  # seconds until each gateway knows what was made at another one
_POLL = 0.02


def measure(run: Run) -> None:
    """Webhooks in and delivered through one process, then through two."""
    alone = _measure(run, 1)
    both = _measure(run, 2)
    run.ledger.note("scale", "1 process", rate=alone)
    run.ledger.note("scale", "2 processes", rate=both, over_one=both / alone)


def _measure(run: Run, processes: int) -> float:
    with ExitStack() as stack:
        data = stack.enter_context(run.data())
        target = stack.enter_context(subscriber(data))
        gateways = [stack.enter_context(gateway(data, f"gateway-{n}")) for n in range(processes)]
        gateways[0].subscribe(target)
        path = gateways[0].integrate().partition("/ingest/")[2]
        urls = [f"{one.api.url}/ingest/{path}" for one in gateways]
        time.sleep(_SEEN)
        send = partial(_send, urls, connections=run.plan.connections // processes)
        send(WARM, first=0)
        _wait(gateways, WARM)
        found = send(run.plan.requests, first=processes * WARM)
        last = _wait(gateways, WARM + run.plan.requests)
    first: float = min(one["first"] for one in found)
    return run.plan.requests / (last - first)


def _send(
    urls: Sequence[str], requests: int, *, first: int, connections: int
) -> list[dict[str, Any]]:
    """A share of *requests* to each of *urls* at the same time."""
    share = requests // len(urls)
    more = ("--cpu", str((os.cpu_count() or 1) - 1))

    def to(at: int) -> dict[str, Any]:
        count = share if at else requests - share * (len(urls) - 1)
        return generate(
            urls[at],
            requests=count,
            connections=connections,
            first=first + at * requests,  # what is left free between them harms nobody
            seconds=LIMIT,
            more=more,
        )

    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(to, range(len(urls))))


def _wait(gateways: Sequence[Gateway], count: int) -> float:
    """The moment at which all together had recorded *count* deliveries.

    Raises:
        RuntimeError: they did not, in time.
    """
    deadline = time.monotonic() + LIMIT
    while (found := sum(one.api.delivered() for one in gateways)) < count:
        if time.monotonic() > deadline:
            msg = f"{found} of {count} deliveries after {LIMIT:g} s"
            raise RuntimeError(msg)
        time.sleep(_POLL)
    return time.monotonic()


FIGURE = Figure("scale", measure)
