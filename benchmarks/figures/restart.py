"""``restart``: from the start of a process to its first webhook, with a full store to read."""

import time

from benchmarks.gateways import gateway
from benchmarks.stores import full_store
from benchmarks.suite import Figure, Run


def measure(run: Run) -> None:
    """Start a gateway on a full store, several times."""
    count = run.plan.stored
    folder = full_store(run, count)
    for _ in range(run.plan.repeats):
        begun = time.monotonic()
        with gateway(folder):
            run.ledger.note("restart", f"{count:,} events", ready_s=time.monotonic() - begun)


FIGURE = Figure("restart", measure, once=True)
