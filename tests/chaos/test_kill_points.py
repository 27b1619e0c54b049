"""A gateway that dies between any two steps loses nothing, and repeats what was out alone."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from redis.asyncio import Redis

from benchmarks.load import Answer, run_load
from onehook.store.bands import LEASED
from onehook.store.keys import Keys
from tests.builders import eventually
from tests.chaos.arena import CROWD, LEASE, Arena, arena
from tests.chaos.kill_points import KILL_POINTS, KillPoint
from tests.chaos.load import PATIENCE, make_revision
from tests.chaos.own_faults import killed_at

MOST = 8  # webhooks, one after the other, of which one comes by the point
SOON = 60.0  # seconds, on a very busy machine
KEYS = Keys("oh")


@dataclass(slots=True)
class Line:
    """An arena in which webhooks are sent one by one."""

    arena: Arena
    store: Redis
    ids: list[str]

    async def send(self, revision: int) -> None:
        """A revision of an issue, until it is taken."""

        def take(answer: Answer) -> None:
            assert answer.status in (200, 202), answer
            self.ids.extend(event["id"] for event in json.loads(answer.body)["events"])

        edit = make_revision(1, revision)
        async with asyncio.timeout(SOON):
            await run_load(self.arena.ingest, [edit], 1, take, PATIENCE)

    async def end_leases(self, died: float) -> None:
        """Let every lease run out at once that was made before *died*, a time of the machine's."""
        latest = LEASED + (died + LEASE) * 1000
        for id_ in self.arena.subscriptions.values():
            queue = KEYS.queue(id_)
            if held := await self.store.zrangebyscore(queue, LEASED, latest):
                await self.store.zadd(queue, dict.fromkeys(held, LEASED + 1), xx=True)
                await self.store.zadd(KEYS.due, {id_: 0})

    async def quiet(self) -> None:
        """Wait until nothing is on its way."""
        for id_ in self.arena.subscriptions.values():

            async def empty(id_: str = id_) -> bool:
                return int(await self.store.zcard(KEYS.queue(id_))) == 0

            await eventually(empty, SOON)

        async def spread() -> bool:
            left = [await self.store.xlen(key) for key in (KEYS.fan_out, KEYS.fan_out_blocks)]
            return left == [0, 0]

        await eventually(spread, SOON)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """Everything, on an embedded store."""
    async with arena(tmp_path, Random(1), embedded=True) as made:
        store = Redis(unix_socket_path=str(made.store.socket))
        try:
            yield Line(made, store, [])
        finally:
            await store.aclose()


@pytest.mark.parametrize("point", KILL_POINTS, ids=lambda point: point.name.replace(" ", "-"))
async def test_c4_e2_g10_a_death_between_two_steps_loses_nothing(
    point: KillPoint, line: Line
) -> None:
    """Killed there, started again: all arrives, and once unless an attempt was out."""
    made = line.arena
    fault = killed_at(point)()
    dying = asyncio.create_task(fault.begin(made))
    async with asyncio.timeout(SOON):
        for revision in range(1, MOST):
            sending = asyncio.create_task(line.send(revision))
            await asyncio.wait((dying, sending), return_when=asyncio.FIRST_COMPLETED)
            if not dying.done():
                settling = asyncio.create_task(line.quiet())  # so nothing before it is out
                await asyncio.wait((dying, settling), return_when=asyncio.FIRST_COMPLETED)
                settling.cancel()
                await asyncio.gather(settling, return_exceptions=True)
            if dying.done():
                break
        await dying
        died = time.time()
        await fault.end(made)
        await sending
    await line.end_leases(died)
    await line.send(MOST)
    await line.quiet()

    assert fault.began is not None
    for subscriber in (made.ordered, made.ill):
        attempts = subscriber.received.attempts
        times = Counter(attempt.id for attempt in attempts)
        assert set(times) == {*line.ids}
        out = {attempt.id for attempt in attempts if attempt.begin <= fault.began}
        again = {id_ for id_, count in times.items() if count > 1}
        assert again <= out, "what was not out at the death came twice"
        assert point.repeats or not again
        assert times.total() - len(times) <= 1
    once = sorted({*line.ids})
    assert await made.waiting() == [(once, once)] * CROWD
