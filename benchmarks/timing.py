"""How long a small call takes: the fastest of several batches, as timeit does it.

What is compared is timed by turns, batch by batch, so that whatever else the machine does falls on
all alike. Garbage is collected as in a gateway.
"""

import gc
import time
from collections.abc import Callable, Sequence

from onehook.cli.serve import GC

_BATCHES = 41
_BATCH_NS = 500_000  # that a batch takes, about: less than what another process gets at once


def times_us(*calls: Callable[[], object]) -> Sequence[float]:
    """How many us each of *calls* takes."""
    gc.collect()
    gc.freeze()  # as `onehook serve` does when it is ready
    gc.set_threshold(*GC)
    counts = [_count(call) for call in calls]
    best = [float("inf")] * len(calls)
    for _ in range(_BATCHES):
        for at, (call, count) in enumerate(zip(calls, counts, strict=True)):
            best[at] = min(best[at], _batch_ns(call, count) / count)
    return [ns / 1000 for ns in best]


def _count(call: Callable[[], object]) -> int:
    """How many calls make a batch."""
    call()
    return max(1, round(_BATCH_NS / max(1, min(_batch_ns(call, 1) for _ in range(3)))))


def _batch_ns(call: Callable[[], object], count: int) -> int:
    begun = time.perf_counter_ns()
    for _ in range(count):
        call()
    return time.perf_counter_ns() - begun
