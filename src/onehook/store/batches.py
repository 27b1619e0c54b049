"""Group commit: while one batch is on its way to the store, the next one gathers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from onehook.errors import StoreUnavailableError
from onehook.store.connection import is_transient, translate

Item = TypeVar("Item")
Result = TypeVar("Result")
Told_contra = TypeVar("Told_contra", contravariant=True)
log = structlog.get_logger()

LINGER = 0.05  # seconds that an item may wait for others, if nobody is in a hurry for it
ENOUGH = 128  # items that wait for no more
_SWEEP = 0.1  # seconds between looks at who has waited for too long
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between tries of one batch


class Done(Protocol[Told_contra]):
    """What gets a result, or an error: a future, or what is told without one."""

    def done(self) -> bool:
        """Whether it has got one, or whoever waited has gone."""
        ...

    def set_result(self, result: Told_contra, /) -> None:
        """It came to *result*."""
        ...

    def set_exception(self, exception: Exception, /) -> None:
        """It failed."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    size: int
    deadline: float  # on the loop's clock
    done: Done[Result]


class Batcher(Generic[Item, Result]):
    """Hands items to *write* in batches, one batch at a time.

    A batch that fails for a passing reason is tried again until its items' deadlines; *write*
    must therefore be safe to repeat. For a lasting reason each item is tried once alone, so that
    a bad one does not fail its neighbours.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int,
        max_bytes: int,
        max_waiting: int,
    ) -> None:
        self._write = write
        self._max_items, self._max_bytes, self._max_waiting = max_items, max_bytes, max_waiting
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._waiting = 0  # bytes, in flight included
        self._unsettled: set[_Waiting[Item, Result]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()  # what waits is to be written now
        self._closing = False

    async def submit(
        self, item: Item, size: int, patience: float, *, linger: bool = False
    ) -> Result:
        """Wait until *item* is written; *size* in bytes, *patience* in seconds.

        With *linger* it may wait for others, up to `LINGER`.

        Raises:
            StoreUnavailableError: overloaded, away for too long, or full. The outcome of an item
                that ran out of patience is unknown; sending it again is safe.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.put(item, size, patience, done, linger=linger)
        return await done

    def put(
        self,
        item: Item,
        size: int,
        patience: float,
        done: Done[Result],
        *,
        linger: bool = False,
    ) -> None:
        """As :meth:`submit`, for whoever awaits *done*, which gets the result or the error.

        Raises:
            StoreUnavailableError: overloaded.
        """
        if self._closing or self._waiting + size > self._max_waiting:
            msg = "the gateway has more waiting than it may hold; try again in a moment"
            raise StoreUnavailableError(msg, code="overloaded", retry_after=2)
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Result] = _Waiting(item, size, loop.time() + patience, done)
        self._waiting += size
        self._queue.append(waiting)
        self._wake.set()
        if not linger or len(self._queue) >= ENOUGH:
            self._hurry.set()
        self._unsettled.add(waiting)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        """Fail those whose patience has ended: a write may hang for longer than anyone waits.

        One timer for all, because one for each would cost more than the rest of the waiting.
        """
        loop = asyncio.get_running_loop()
        for waiting in list(self._unsettled):
            if waiting.deadline <= loop.time():
                self._fail(waiting, translate(TimeoutError()))
            elif waiting.done.done():  # whoever waited has gone
                self._forget(waiting)
        self._sweeper = loop.call_later(_SWEEP, self._sweep) if self._unsettled else None

    def _forget(self, waiting: _Waiting[Item, Result]) -> None:
        """*waiting* takes no room any more."""
        if waiting in self._unsettled:
            self._unsettled.discard(waiting)
            self._waiting -= waiting.size

    def _settle(self, waiting: _Waiting[Item, Result], result: Result) -> None:
        self._forget(waiting)
        if not waiting.done.done():  # its sender may have gone
            waiting.done.set_result(result)

    def _fail(self, waiting: _Waiting[Item, Result], error: Exception) -> None:
        self._forget(waiting)
        if not waiting.done.done():
            if isinstance(error, StoreUnavailableError) and error.retry_after is None:
                error.retry_after = 5
            waiting.done.set_exception(error)

    async def run(self) -> None:
        """Write batches until :meth:`close` was called and nothing is left."""
        while not (self._closing and not self._queue):
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            if not self._hurry.is_set():
                await self._gather()
            await self._write_batch(self._take())

    def close(self) -> None:
        """Take nothing more; :meth:`run` ends when all that waits is written or has failed."""
        self._closing = True
        self._wake.set()
        self._hurry.set()

    def hasten(self) -> None:
        """What waits for others waits no longer."""
        if self._queue:
            self._hurry.set()

    async def _gather(self) -> None:
        """Wait for more: all that is there may wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._hurry.wait()

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch = [self._queue.popleft()]
        size = batch[0].size
        while self._queue and len(batch) < self._max_items:
            size += self._queue[0].size
            if size > self._max_bytes:
                break
            batch.append(self._queue.popleft())
        if not self._queue and not self._closing:
            self._hurry.clear()
        return batch

    async def _write_batch(self, batch: list[_Waiting[Item, Result]]) -> None:
        pause = _FIRST_PAUSE
        while batch := self._still_wanted(batch):
            try:
                results = await self._write([w.item for w in batch])
            except (RedisError, OSError) as error:
                if not is_transient(error):
                    await self._write_alone(batch, error)
                    return
                log.warning("store.retried", items=len(batch), error=type(error).__name__)
                self._give_up(batch, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception as error:
                log.exception("batch.crashed")
                for waiting in batch:
                    self._fail(waiting, error)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    self._settle(waiting, result)

    def _still_wanted(self, batch: list[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
        """Those that somebody waits for."""
        for waiting in batch:
            if waiting.done.done():
                self._forget(waiting)
        return [waiting for waiting in batch if not waiting.done.done()]

    def _give_up(self, batch: list[_Waiting[Item, Result]], error: RedisError | OSError) -> None:
        """Fail those whose patience has ended, also among those that gather meanwhile."""
        now = asyncio.get_running_loop().time()
        late = [w for w in (*batch, *self._queue) if w.deadline <= now]
        for waiting in late:
            self._fail(waiting, translate(error))
        self._queue = deque(w for w in self._queue if not w.done.done())

    async def _write_alone(
        self, batch: list[_Waiting[Item, Result]], error: RedisError | OSError
    ) -> None:
        log.error("store.refused", items=len(batch), error=type(error).__name__)
        if len(batch) == 1:
            self._fail(batch[0], translate(error))
            return
        for waiting in batch:
            try:
                (result,) = await self._write([waiting.item])
            except (RedisError, OSError) as again:
                self._fail(waiting, translate(again))
            else:
                self._settle(waiting, result)
