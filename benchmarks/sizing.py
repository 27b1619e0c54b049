"""How large a machine has to be for so many events a day: worked out from what a run measured.

Everything is kept for as long as it is by default (`Retention`); of each event that is its native
webhook of 22 kB, the event, one delivery, its attempt; all go to one subscription.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.acceptance import ONE
from benchmarks.figures.store import PARTS, REST
from benchmarks.measures import Ledger
from onehook.store.events import Retention

KEPT = {**dict(PARTS.values()), REST: Retention().event}
_A_DAY = (10_000, 100_000, 1_000_000, 5_000_000)
_PEAK = 10  # times the average, in the busiest minute
_HALF = 2  # of the memory is the store's by default, and a rewrite of its log may need as much
_LOG = 3  # times the data: the log may grow to twice of it, and a new one is written beside it
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Need:
    """What so many events a day ask for; *cores* at the peak."""

    events: int
    store_gb: float
    memory_gb: float
    disk_gb: float
    cores: float


def needs(ledger: Ledger) -> Iterator[Need]:
    """A row for each number of events; none if the run did not measure what it takes."""
    parts = {part: ledger.median("store", part, "kb") for part in KEPT}
    cpu = [ledger.median("end_to_end", ONE, name) for name in ("server_us", "store_us")]
    known = [one for one in (*parts.values(), *cpu) if one is not None]
    if len(known) < len(parts) + len(cpu):
        return
    us = sum(one or 0 for one in cpu)
    for events in _A_DAY:
        store = sum((kb or 0) * _kept(part, events) for part, kb in parts.items()) / 1e6
        cores = events / _DAY.total_seconds() * _PEAK * us / 1e6
        yield Need(events, store, store * _HALF, store * _LOG, cores)


def _kept(part: str, events: int) -> float:
    """How many of *part* are in the store; older attempts of a subscription move to its archive."""
    kept = events * (KEPT[part] / _DAY)
    return min(kept, Retention().attempts) if part == PARTS["h"][0] else kept


def rows(ledger: Ledger) -> list[Sequence[str]]:
    """The needs as a table; empty if there are none."""
    found = [
        (
            f"{one.events:,}",
            f"{one.store_gb:,.1f} GB",
            f"{one.memory_gb:,.1f} GB",
            f"{one.disk_gb:,.1f} GB",
            f"{one.cores:,.2f}",
        )
        for one in needs(ledger)
    ]
    head = ("events a day", "in the store", "memory", "disk", "cores, at ten times the average")
    return [head, *found] if found else []
