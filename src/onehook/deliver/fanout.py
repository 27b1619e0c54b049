"""Fills the queues that commits left for later.

An event may match hundreds of subscriptions that cannot have it now: paused ones, those whose
breaker is open, those that are behind. Their deliveries are durable with the commit, and nobody
waits for their queues: so these are filled behind it, of many events together, and do not delay
whoever can have the event at once.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import structlog
from redis.exceptions import RedisError

from onehook.core.model import Subscription
from onehook.store.fanout import FanOutStore, Pending

log = structlog.get_logger()

GATHER = 0.02  # seconds in which commits come together
LOOK = 1.0  # seconds between looks at what other gateways left
READ = 100  # entries read at once
DELIVERIES = 256  # in one script: about a millisecond of the store


class FanOut:
    """Works through the fan-out stream.

    *targets* gives the subscriptions as they are now; *wake* is called when something came due.
    """

    def __init__(
        self,
        store: FanOutStore,
        *,
        targets: Callable[[], Mapping[str, Subscription]],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._targets, self._wake = store, targets, wake
        self._news = asyncio.Event()

    def notice(self) -> None:
        """A commit left something."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Fill queues until *stop* is set; what is left then the next start, or another, does."""
        while not stop.is_set():
            try:
                while not stop.is_set() and await self._some():
                    pass
            except (RedisError, OSError) as error:
                log.warning("fan_out.postponed", error=type(error).__name__)
            except Exception:
                log.exception("fan_out.crashed")
            await self._pause(stop)

    async def _pause(self, stop: asyncio.Event) -> None:
        waits = {asyncio.create_task(event.wait()) for event in (self._news, stop)}
        _, pending = await asyncio.wait(waits, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        self._news.clear()
        await asyncio.sleep(GATHER)

    async def _some(self) -> bool:
        """Spread the oldest entries; False: there are no more."""
        found = await self._store.pending(READ)
        due = False
        for group in _groups(found):
            targets = self._targets()
            # One that is not there is made due: so what it has is found, and cancelled.
            ids = group[0].subscriptions.split(",")
            held = {id_ for id_ in ids if id_ in targets and targets[id_].held}
            due = await self._store.spread(group, held) or due
        if due:
            self._wake()
        return len(found) == READ


def _groups(found: Sequence[Pending]) -> list[list[Pending]]:
    """Neighbours with the same subscriptions, in parts that are one script each."""
    groups: list[list[Pending]] = []
    for text, same in groupby(found, lambda one: one.subscriptions):
        entries = list(same)
        most = max(1, DELIVERIES // (text.count(",") + 1))
        groups += [entries[at : at + most] for at in range(0, len(entries), most)]
    return groups
