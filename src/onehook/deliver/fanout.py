"""Fills the queues that commits left for later.

An event may match hundreds of subscriptions that cannot have it now: paused ones, those whose
breaker is open, those that are behind. Their deliveries are durable with the commit, and nobody
waits for their queues: so these are filled behind it, of many events together, and do not delay
whoever can have the event at once.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from onehook.core.model import Subscription
from onehook.deliver.waiting import first_of
from onehook.store.fanout import Block, FanOutStore

log = structlog.get_logger()

GATHER = 0.02  # seconds in which commits come together
GATHER_LONG = 0.5  # seconds, where nobody could begin with what came before
RESTS = 4  # times as long as a script took the store is left to others, at most
LOOK = 1.0  # seconds between looks at what other gateways left
TOGETHER = 64  # entries of the stream put together at once
BLOCKS = 16  # read at once
DELIVERIES = 64  # in one script: what else the store has to do waits for it
MORE = 128  # the same while more is left


class FanOut:
    """Works through the fan-out stream.

    *targets* gives the subscriptions as they are now; *wants* says whether one of them may begin
    with a delivery now, and *wake* is called when one that may has something due.
    """

    def __init__(
        self,
        store: FanOutStore,
        *,
        targets: Callable[[], Mapping[str, Subscription]],
        wants: Callable[[Subscription], bool],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._targets = store, targets
        self._wants, self._wake = wants, wake
        self._news = asyncio.Event()
        self._gather = GATHER

    def notice(self) -> None:
        """A commit left something."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Fill queues until *stop* is set; what is left then the next start, or another, does."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            try:
                while not stop.is_set() and await self._some():
                    pass
            except (RedisError, OSError) as error:
                log.warning("fan_out.postponed", error=type(error).__name__)
            except Exception:
                log.exception("fan_out.crashed")
            await self._pause(stop, began)

    async def _pause(self, stop: asyncio.Event, began: float) -> None:
        """Wait for more, and let it gather, since we *began* with what was there."""
        await first_of(self._news, stop, seconds=LOOK)
        self._news.clear()
        rest = began + self._gather - asyncio.get_running_loop().time()
        with suppress(TimeoutError):
            async with asyncio.timeout(rest):
                await stop.wait()

    async def _some(self) -> bool:
        """Spread the oldest blocks; False: there are no more."""
        found, blocks = await self._store.gather(TOGETHER, BLOCKS)
        behind, wanted = found == TOGETHER or len(blocks) == BLOCKS, False
        most = MORE if behind else DELIVERIES
        # The more is left, the less the store rests; where somebody waits, hardly at all.
        rests = 1.0 if self._gather == GATHER else RESTS * (1 - len(blocks) / BLOCKS)
        for block in blocks:
            count = max(1, most // len(block))
            for first in range(block.done, len(block.subscriptions), count):
                wanted = await self._spread(block, first, count, rests) or wanted
        if blocks:
            self._gather = GATHER if wanted else GATHER_LONG
        if wanted:
            self._wake()
        return behind

    async def _spread(self, block: Block, first: int, count: int, rests: float) -> bool:
        """Fill *count* queues from the *first*; whether one may begin with something now."""
        ids, targets = block.subscriptions[first : first + count], self._targets()
        # One that is not there is made due: so what it has is found, and cancelled.
        held = {id_ for id_ in ids if id_ in targets and targets[id_].held}
        loop = asyncio.get_running_loop()
        began = loop.time()
        due = await self._store.spread(block, first, count, held)
        await asyncio.sleep((loop.time() - began) * rests)
        if not due:
            return False
        targets = self._targets()
        return any(id_ not in targets or self._wants(targets[id_]) for id_ in ids)
