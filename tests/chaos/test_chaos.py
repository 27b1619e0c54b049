"""A short form of ``make chaos``: every kind of fault but the longest, nothing lost."""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.disk import SickDisk
from tests.chaos.faults import DiskFails, DiskFull, DiskSlow, Fault, StoreFull
from tests.chaos.kinds import KINDS
from tests.chaos.running import draw, run

SHORT = [kind for kind in KINDS if not kind.rare]


def test_a_seed_makes_the_schedule() -> None:
    """The same seed draws the same faults, and each kind about as often as any other."""
    drawn = [[type(fault) for fault in draw(random.Random("x"), KINDS, 100)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    times = [drawn[0].count(kind) for kind in SHORT]
    assert max(times) - min(times) <= 1


@pytest.mark.timeout(600)  # it takes 30 s; what a busy machine adds is no failure
@pytest.mark.parametrize(("embedded", "faults"), [(True, 6), (False, 8)])
async def test_c1_c2_d1_d2_faults_lose_nothing(tmp_path: Path, embedded: bool, faults: int) -> None:
    """What was answered 202 arrives, in order, once unless it was in flight at a fault."""
    # The same faults each time: no build is to fail by chance.
    seed = os.environ.get("CHAOS_SEED") or "short"
    report = await run(tmp_path, seed, embedded=embedded, webhooks=2000, faults=faults, kinds=SHORT)
    print(report.table())
    assert report.faulty() == []
    assert report.ledger.webhooks == report.webhooks
    assert len(report.faults) == faults


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind",
    [DiskFull, DiskSlow, DiskFails, StoreFull],
    ids=["d8-full", "d8-slow", "d8-fails", "d9-memory"],
)
async def test_d8_d9_disk_and_memory_fail_under_load(tmp_path: Path, kind: type[Fault]) -> None:
    """Three times, under load: it acknowledges nothing that it cannot keep, and goes on after."""
    if issubclass(kind, DiskSlow | DiskFails) and not SickDisk.can_be():
        pytest.skip("there is no C compiler to make a disk fail with")
    report = await run(tmp_path, "full", embedded=False, webhooks=3000, faults=3, kinds=[kind])
    print(report.table())
    assert report.faulty() == []
    assert [one.name for one in report.faults] == [kind.name()] * 3
    assert report.ledger.webhooks == report.webhooks
