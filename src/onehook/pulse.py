"""What came in, minute by minute: the metrics of this process, carried to the store's counters.

Ingest counts in memory, as metrics; here the difference since the last look is added to the
counters that every gateway shares. A kill loses the counts of one look, no webhook.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from onehook.metrics import Metrics
from onehook.store.statistics import EVERYBODY, Statistics

log = structlog.get_logger()
_Field: TypeAlias = tuple[str, str]  # tenant, name of a counter


class Pulse:
    """Carries the counts of one process; :meth:`flush` is called every few seconds."""

    def __init__(
        self,
        metrics: Metrics,
        statistics: Statistics,
        tenant_of: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        """*tenant_of* gives the tenant of an integration by its id, the default one of others."""
        self._metrics, self._statistics, self._now = metrics, statistics, now
        self._tenant_of = tenant_of
        self._tenants: dict[str, str] = {}  # by integration
        self._carried: dict[_Field, int] = {}

    async def flush(self) -> None:
        """Carry what was counted since the last time; if the store is away, the next time."""
        counted = self._counted()
        grown: dict[str, dict[str, int]] = {}
        for (tenant, name), count in counted.items():
            more = count - self._carried.get((tenant, name), 0)
            if more > 0:
                grown.setdefault(tenant, {})[name] = more
        for tenant, counts in grown.items():
            try:
                await self._statistics.of(tenant).add(counts, self._now())
            except (RedisError, OSError) as error:
                log.warning("pulse.postponed", error=type(error).__name__)
                return
            self._carried |= {(tenant, name): counted[tenant, name] for name in counts}

    def _counted(self) -> dict[_Field, int]:
        """All counts of this process, by tenant and the names of the store's counters."""
        found: dict[_Field, int] = {}

        def add(integration: str, whose: str, what: str, count: int) -> None:
            # A deleted integration's counts stay where they are.
            if integration not in self._tenants:
                self._tenants[integration] = self._tenant_of(integration)
            tenant = self._tenants[integration]
            for one in (whose, EVERYBODY):
                field = tenant, f"{one}:{what}"
                found[field] = found.get(field, 0) + count

        for (id_, _), count in _values(self._metrics.webhooks, "integration", "outcome"):
            add(id_, f"i:{id_}", "w", count)
        for (id_, _), count in _values(self._metrics.rejected, "integration", "reason"):
            add(id_, f"i:{id_}", "r", count)
        for (id_, platform), count in _values(self._metrics.events, "integration", "platform"):
            add(id_, f"p:{platform}", "n", count)
        return found


def _values(counter: Counter, *labels: str) -> Iterable[tuple[tuple[str, ...], int]]:
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                yield tuple(sample.labels[name] for name in labels), int(sample.value)
