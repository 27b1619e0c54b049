"""Trials of mappings: off the loop, few, and for a bounded time."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from onehook.errors import InvalidRequestError, StoreUnavailableError
from onehook.web import workbench as module
from onehook.web.workbench import MAX_WAITING, Deadline, Workbench


@pytest.fixture
async def bench() -> AsyncIterator[Workbench]:
    """A workbench."""
    made = Workbench()
    yield made
    made.close()


async def test_work_is_done_in_a_thread_of_its_own(bench: Workbench) -> None:
    """The result comes back; the loop's own thread did nothing."""
    name = await bench.run(lambda: threading.current_thread().name, bench.deadline(5))

    assert name.startswith("workbench")


async def test_errors_come_back(bench: Workbench) -> None:
    """What the work raises is raised to who asked for it."""

    def fail() -> None:
        raise InvalidRequestError("no", code="mapping_invalid")

    with pytest.raises(InvalidRequestError, match="no"):
        await bench.run(fail, bench.deadline(5))


async def test_work_that_overruns_is_refused(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is told in time, even if the thread does not heed its deadline."""
    monkeypatch.setattr(module, "GRACE", 0.05)
    go_on = threading.Event()
    try:
        with pytest.raises(InvalidRequestError) as refused:
            await bench.run(go_on.wait, bench.deadline(0.05))
    finally:
        go_on.set()
    assert refused.value.code == "mapping_too_slow"


async def test_too_many_at_once_are_refused(bench: Workbench) -> None:
    """A bounded number waits; the next one is 503 at once, and there is room again afterwards."""
    go_on = threading.Event()
    trials = [
        asyncio.create_task(bench.run(go_on.wait, bench.deadline(9))) for _ in range(MAX_WAITING)
    ]
    await asyncio.sleep(0)

    with pytest.raises(StoreUnavailableError) as refused:
        await bench.run(lambda: None, bench.deadline(9))

    assert refused.value.code == "overloaded"
    go_on.set()
    await asyncio.gather(*trials)
    assert await bench.run(lambda: 1, bench.deadline(9)) == 1


async def test_closing_ends_what_is_at_work(bench: Workbench) -> None:
    """Work that looks at the time ends when the gateway stops."""
    deadline, begun = bench.deadline(60), threading.Event()

    def work() -> None:
        begun.set()
        while True:
            deadline.check()

    trial = asyncio.create_task(bench.run(work, deadline))
    await asyncio.to_thread(begun.wait)
    bench.close()

    with pytest.raises(InvalidRequestError):
        await trial


def test_deadline_passes() -> None:
    """Nothing is left after its time."""
    closed = threading.Event()

    assert 4 < Deadline(5, closed).left <= 5
    assert Deadline(0, closed).left == 0
    Deadline(5, closed).check()
    with pytest.raises(InvalidRequestError):
        Deadline(-1, closed).check()
