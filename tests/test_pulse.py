"""What came in is carried from a process's metrics to the counters that all share."""

from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as AwayError

from onehook.clock import SystemClock
from onehook.core.model import DEFAULT_TENANT
from onehook.metrics import Metrics
from onehook.pulse import Pulse
from onehook.store.keys import Keys
from onehook.store.statistics import Intake, Statistics


async def test_counts_are_carried_once(client: Redis, keys: Keys) -> None:
    """By minute and in all; a second look adds only what came since."""
    metrics, clock = Metrics(), SystemClock()
    statistics = Statistics(client, keys)  # type: ignore[arg-type]
    pulse = Pulse(metrics, statistics, lambda _: DEFAULT_TENANT, clock.now)
    metrics.webhook("int_1", "accepted").inc(3)
    metrics.webhook("int_1", "duplicate").inc()
    metrics.rejected.labels("int_2", "signature_invalid").inc(2)
    metrics.event("github", "int_1").inc(5)
    await pulse.flush()
    await pulse.flush()
    metrics.event("github", "int_1").inc()
    await pulse.flush()
    now = clock.now()
    whose = ["i:int_1", "i:int_2", "p:github"]
    minutes, sums = await statistics.intake(
        whose, now - timedelta(minutes=5), now + timedelta(seconds=1)
    )
    assert sum((one for _, one in minutes), Intake()) == Intake(4, 2, 6)
    assert sums == {"i:int_1": Intake(4), "i:int_2": Intake(0, 2), "p:github": Intake(0, 0, 6)}
    assert (await statistics.intake_totals())["a"] == Intake(4, 2, 6)
    assert 0 < await client.pttl(keys.minute(int(now.timestamp()) // 60)) <= 25 * 3600 * 1000


async def test_what_the_store_did_not_take_is_carried_later(client: Redis, keys: Keys) -> None:
    """A store that is away loses no count."""
    metrics, clock = Metrics(), SystemClock()

    class Away(Statistics):
        away = True

        def of(self, tenant: str) -> "Away":
            return self

        async def add(self, *given: object) -> None:
            if self.away:
                raise AwayError
            await super().add(*given)  # type: ignore[arg-type]

    statistics = Away(client, keys)  # type: ignore[arg-type]
    pulse = Pulse(metrics, statistics, lambda _: DEFAULT_TENANT, clock.now)
    metrics.event("github", "int_1").inc(5)
    await pulse.flush()
    statistics.away = False
    await pulse.flush()
    assert (await statistics.intake_totals())["p:github"] == Intake(0, 0, 5)


async def test_counters_of_attempts_and_of_intake_do_not_mix(client: Redis, keys: Keys) -> None:
    """They lie in one hash, and each is read by itself."""
    statistics = Statistics(client, keys)  # type: ignore[arg-type]
    await statistics.add({"i:int_1:w": 2, "i:int_1:o": 3}, SystemClock().now())
    assert (await statistics.intake_totals())["i:int_1"] == Intake(2)
    assert (await statistics.totals())["i:int_1"].successful == 3


async def test_h4_each_tenant_sees_its_own_counts(client: Redis, keys: Keys) -> None:
    """Also those of an integration that was deleted meanwhile."""
    metrics, clock = Metrics(), SystemClock()
    statistics = Statistics(client, keys)  # type: ignore[arg-type]
    tenants = {"int_2": "acme"}
    pulse = Pulse(metrics, statistics, lambda id_: tenants.get(id_, DEFAULT_TENANT), clock.now)
    metrics.webhook("int_1", "accepted").inc(3)
    metrics.webhook("int_2", "accepted").inc(5)
    await pulse.flush()
    tenants.clear()
    await pulse.flush()
    assert (await statistics.intake_totals())["a"] == Intake(3)
    assert (await statistics.of("acme").intake_totals())["a"] == Intake(5)
