"""What came in, minute by minute: the metrics of this process, carried to the store's counters.

Ingest counts in memory, as metrics; here the difference since the last look is added to the
counters that every gateway shares. A kill loses the counts of one look, no webhook.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from onehook.metrics import Metrics
from onehook.store.statistics import EVERYBODY, Statistics

log = structlog.get_logger()


class Pulse:
    """Carries the counts of one process; :meth:`flush` is called every few seconds."""

    def __init__(
        self, metrics: Metrics, statistics: Statistics, now: Callable[[], datetime]
    ) -> None:
        self._metrics, self._statistics, self._now = metrics, statistics, now
        self._carried: dict[str, int] = {}

    async def flush(self) -> None:
        """Carry what was counted since the last time; if the store is away, the next time."""
        counted = self._counted()
        more = {name: n - self._carried.get(name, 0) for name, n in counted.items()}
        grown = {name: n for name, n in more.items() if n > 0}
        if not grown:
            return
        try:
            await self._statistics.add(grown, self._now())
        except (RedisError, OSError) as error:
            log.warning("pulse.postponed", error=type(error).__name__)
        else:
            self._carried = counted

    def _counted(self) -> dict[str, int]:
        """All counts of this process, by the names of the store's counters."""
        found: dict[str, int] = {}

        def add(whose: str, what: str, count: int) -> None:
            for one in (whose, EVERYBODY):
                name = f"{one}:{what}"
                found[name] = found.get(name, 0) + count

        for (integration, _), count in _values(self._metrics.webhooks, "integration", "outcome"):
            add(f"i:{integration}", "w", count)
        for (integration, _), count in _values(self._metrics.rejected, "integration", "reason"):
            add(f"i:{integration}", "r", count)
        for (platform,), count in _values(self._metrics.events, "platform"):
            add(f"p:{platform}", "n", count)
        return found


def _values(counter: Counter, *labels: str) -> Iterable[tuple[tuple[str, ...], int]]:
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                yield tuple(sample.labels[name] for name in labels), int(sample.value)
