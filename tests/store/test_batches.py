"""The group commit alone, against a writer that fails as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ResponseError
from redis.exceptions import ConnectionError as AwayError

from onehook.errors import StoreUnavailableError
from onehook.store.batches import ENOUGH, LINGER, Batcher
from tests.builders import until

Write = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


class Writer:
    """Writes in upper case; *errors* are raised first, one a call. *gate* holds each call."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[str]) -> Sequence[str]:
        """Write *items*."""
        self.batches.append(list(items))
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return [item.upper() for item in items]


@asynccontextmanager
async def batcher(
    write: Write, *, items: int = 10, size: int = 1000, waiting: int = 10_000
) -> AsyncIterator[Batcher[str, str]]:
    """A batcher at work, closed at the end."""
    made: Batcher[str, str] = Batcher(write, max_items=items, max_bytes=size, max_waiting=waiting)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.run())
        yield made
        made.close()


async def gathered(
    batch: Batcher[str, str], writer: Writer, texts: str, patience: float = 5
) -> list[asyncio.Task[str]]:
    """Submit the first of *texts*, and while it is on its way the others."""
    writer.gate.clear()
    before = len(writer.batches)
    first = asyncio.create_task(batch.submit(texts[0], 1, patience))
    await until(lambda: len(writer.batches) > before)
    rest = [asyncio.create_task(batch.submit(text, 1, patience)) for text in texts[1:]]
    await until(lambda: len(batch._queue) == len(rest))
    return [first, *rest]


async def test_results_go_to_their_items() -> None:
    """Everyone gets the result of its own item."""
    async with batcher(Writer()) as batch:
        assert await asyncio.gather(*(batch.submit(t, 1, 5) for t in "abc")) == ["A", "B", "C"]


async def test_one_batch_in_flight_while_the_next_gathers() -> None:
    """While one batch is written, what comes gathers into the next; never two at once."""
    writer = Writer()
    async with batcher(writer) as batch:
        tasks = await gathered(batch, writer, "abcd")
        assert writer.batches == [["a"]]
        writer.gate.set()

        assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]

    assert writer.batches == [["a"], ["b", "c", "d"]]


async def test_batches_are_bounded_in_items_and_bytes() -> None:
    """No batch has more items or bytes than it may; a single item may be larger."""
    writer = Writer()
    async with batcher(writer, items=2) as batch:
        tasks = await gathered(batch, writer, "abcdef")
        writer.gate.set()
        await asyncio.gather(*tasks)
    assert writer.batches == [["a"], ["b", "c"], ["d", "e"], ["f"]]

    writer = Writer()
    async with batcher(writer, size=1000) as batch:
        writer.gate.clear()
        sizes = {"a": 1, "b": 600, "c": 300, "d": 200, "e": 5000}
        jobs = [asyncio.create_task(batch.submit(t, size, 5)) for t, size in sizes.items()]
        await until(lambda: len(batch._queue) + len(writer.batches) >= 1)
        writer.gate.set()
        await asyncio.gather(*jobs)
    assert ["e"] in writer.batches
    assert all(sum(sizes[t] for t in one) <= 1000 for one in writer.batches if one != ["e"])


async def test_passing_errors_are_retried_with_the_same_items() -> None:
    """A batch that fails for a passing reason is written again, as it was."""
    writer = Writer(AwayError(), BusyLoadingError(), TimeoutError(), OSError())
    async with batcher(writer) as batch:
        assert await batch.submit("a", 1, 5) == "A"
    assert writer.batches == [["a"]] * 5


async def test_patience_ends_with_store_unavailable() -> None:
    """While the store stays away an item fails when its patience ends, with a time to retry."""
    async with batcher(Writer(*[AwayError() for _ in range(1000)])) as batch:
        with pytest.raises(StoreUnavailableError) as refused:
            await batch.submit("a", 1, 0.1)
    assert (refused.value.code, refused.value.retry_after) == ("store_unavailable", 5)


async def test_each_has_its_own_patience() -> None:
    """One that ran out of patience does not take along another that has more."""
    writer = Writer(*[AwayError() for _ in range(4)])
    async with batcher(writer) as batch:
        hasty = asyncio.create_task(batch.submit("a", 1, 0.01))
        patient = asyncio.create_task(batch.submit("b", 1, 10))
        with pytest.raises(StoreUnavailableError):
            await hasty
        assert await patient == "B"


async def test_patience_also_ends_for_those_that_gather() -> None:
    """Those that wait behind a batch which cannot be written run out of patience, too."""
    writer = Writer(*[AwayError() for _ in range(1000)])
    async with batcher(writer, items=1) as batch:
        tasks = [asyncio.create_task(batch.submit(text, 1, 0.1)) for text in "abc"]
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailableError] * 3


async def test_patience_ends_while_a_write_hangs() -> None:
    """A write that neither returns nor fails does not hold anybody beyond its patience."""
    writer = Writer()
    async with batcher(writer) as batch:
        tasks = await gathered(batch, writer, "ab", patience=0.05)
        done, _ = await asyncio.wait(tasks, timeout=1)
        writer.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(done) == 2


async def test_lasting_errors_are_tried_alone() -> None:
    """A lasting error splits the batch: only the item that causes it fails."""

    class Picky(Writer):
        async def __call__(self, items: Sequence[str]) -> Sequence[str]:
            if "x" in items:
                self.batches.append(list(items))
                raise ResponseError("WRONGTYPE")
            return await super().__call__(items)

    writer = Picky()
    async with batcher(writer) as batch:
        tasks = await gathered(batch, writer, "abxc")
        writer.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert results[:2] == ["A", "B"]
    assert results[3] == "C"
    assert isinstance(results[2], StoreUnavailableError)
    assert writer.batches == [["a"], ["b", "x", "c"], ["b"], ["x"], ["c"]]


async def test_d9_full_store_is_store_full() -> None:
    """A full memory is a lasting error with a code of its own."""
    async with batcher(Writer(OutOfMemoryError("OOM command not allowed"))) as batch:
        with pytest.raises(StoreUnavailableError) as refused:
            await batch.submit("a", 1, 5)
    assert refused.value.code == "store_full"


async def test_a_bug_of_ours_fails_its_batch_and_no_other() -> None:
    """An unexpected exception reaches those of its batch; the next batch is written."""
    async with batcher(Writer(ZeroDivisionError())) as batch:
        with pytest.raises(ZeroDivisionError):
            await batch.submit("a", 1, 5)
        assert await batch.submit("b", 1, 5) == "B"


async def test_b7_waiting_bytes_are_bounded() -> None:
    """More bytes than may wait are refused as ``overloaded``; room comes back with the answers."""
    writer = Writer()
    async with batcher(writer, waiting=10) as batch:
        writer.gate.clear()
        first = asyncio.create_task(batch.submit("a", 10, 5))
        await until(lambda: bool(writer.batches))
        with pytest.raises(StoreUnavailableError) as refused:
            await batch.submit("b", 1, 5)
        writer.gate.set()
        await first
        assert await batch.submit("c", 10, 5) == "C"
    assert (refused.value.code, refused.value.retry_after) == ("overloaded", 2)


async def test_b6_who_left_before_the_write_is_not_written() -> None:
    """An item whose sender has gone is left out of the next batch."""
    writer = Writer()
    async with batcher(writer) as batch:
        tasks = await gathered(batch, writer, "abc")
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        writer.gate.set()
        assert await asyncio.gather(tasks[0], tasks[2]) == ["A", "C"]
    assert writer.batches == [["a"], ["c"]]
    assert batch._waiting == 0


async def test_close_writes_what_waits_and_takes_no_more() -> None:
    """After `close` nothing more is taken; what waits is written before `run` ends."""
    writer = Writer()
    batch: Batcher[str, str] = Batcher(writer, max_items=10, max_bytes=100, max_waiting=100)
    running = asyncio.create_task(batch.run())
    tasks = await gathered(batch, writer, "abc")
    batch.close()
    with pytest.raises(StoreUnavailableError):
        await batch.submit("d", 1, 5)
    writer.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    await running


async def test_who_may_wait_is_written_with_others() -> None:
    """Items that nobody is in a hurry for come together; the last of them waits for no more."""
    writer = Writer()
    async with batcher(writer, items=ENOUGH) as batch, asyncio.TaskGroup() as tasks:
        for number in range(2 * ENOUGH):
            tasks.create_task(batch.submit(str(number), 1, 5, linger=True))
            await asyncio.sleep(0)
        await until(lambda: sum(map(len, writer.batches)) == 2 * ENOUGH)
    assert [len(one) for one in writer.batches[:1]] == [ENOUGH]
    assert len(writer.batches) <= 3


async def test_one_that_may_wait_does_not_wait_for_long() -> None:
    """Nothing else has to come."""
    writer = Writer()
    async with batcher(writer) as batch:
        async with asyncio.timeout(100 * LINGER):
            assert await batch.submit("a", 1, 5, linger=True) == "A"


async def test_who_is_in_a_hurry_takes_along_who_waits() -> None:
    """And what is too much for one batch is written at once, too."""
    writer = Writer()
    async with batcher(writer, items=2) as batch, asyncio.TaskGroup() as tasks:
        for text in "abc":
            tasks.create_task(batch.submit(text, 1, 5, linger=True))
        await asyncio.sleep(0)
        assert writer.batches == []
        tasks.create_task(batch.submit("d", 1, 5))
        await until(lambda: sum(map(len, writer.batches)) == 4)
    assert writer.batches == [["a", "b"], ["c", "d"]]
