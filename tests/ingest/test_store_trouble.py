"""Every error class of the store, met on purpose: each has one answer, and passes when it passes.

A fault of a class is brought about in a real server; nothing is raised by hand.
"""

import asyncio
import random
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from onehook.store.connection import call, connect
from onehook.store.server import EmbeddedServer, ServerState, find_binary
from tests.builders import (
    IMPATIENT,
    Native,
    Running,
    Sender,
    Subscriber,
    eventually,
    tickets,
    until,
    write_acme,
)
from tests.chaos.arena import deaf_binary
from tests.chaos.proxy import Line, StoreProxy
from tests.conftest import StartGateway

PATIENCE = 1.0  # seconds that the platform of these tests waits: its mapping's answer_within
AT_ONCE, WAITED = 0.0, PATIENCE


@dataclass(slots=True)
class Trouble:
    """A store that can be put into trouble and out of it, past the gateway."""

    server: EmbeddedServer
    client: Redis
    line: StoreProxy
    busy: "asyncio.Task[None] | None" = None

    async def readonly(self) -> None:
        """A replica of nobody."""
        await call(self.client, "REPLICAOF", "127.0.0.1", "1")

    async def promote(self) -> None:
        """A primary again."""
        await call(self.client, "REPLICAOF", "NO", "ONE")

    async def fill(self) -> None:
        """No byte more fits into its memory."""
        await call(self.client, "CONFIG", "SET", "maxmemory", 1)

    async def empty(self) -> None:
        """Its memory has no limit."""
        await call(self.client, "CONFIG", "SET", "maxmemory", 0)

    async def fail_snapshot(self) -> None:
        """A snapshot that its disk has no room for, after which it takes no writes."""
        pid = self.server.pid
        assert pid is not None
        free = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        await call(self.client, "CONFIG", "SET", "save", "3600 1")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, free[1]))
        try:
            await call(self.client, "BGSAVE")
        finally:  # what it forked has the limit, its own log has it no more
            resource.prlimit(pid, resource.RLIMIT_FSIZE, free)
        await eventually(lambda: self._snapshot("err"))

    async def snapshot(self) -> None:
        """One that works."""
        await call(self.client, "BGSAVE")
        await eventually(lambda: self._snapshot("ok"))

    async def _snapshot(self, status: str) -> bool:
        info = await call(self.client, "INFO", "persistence")
        assert isinstance(info, dict)
        idle = info["rdb_bgsave_in_progress"] == 0
        return idle and info["rdb_last_bgsave_status"] == status

    async def flush(self) -> None:
        """It knows no script any more."""
        await call(self.client, "SCRIPT", "FLUSH")

    async def occupy(self) -> None:
        """A script that does not end."""
        await call(self.client, "CONFIG", "SET", "busy-reply-threshold", 1)
        self.busy = asyncio.create_task(self._run_endlessly())
        await eventually(self._is_busy)

    async def _run_endlessly(self) -> None:
        async with connect(self.server.prepare()) as client:
            with suppress(RedisError):  # of its being killed, or of a reply that never comes
                await call(client, "EVAL", "while true do end", 0)

    async def _is_busy(self) -> bool:
        try:
            await call(self.client, "GET", "a")
        except ResponseError as error:
            return str(error).startswith("BUSY")
        return False

    async def free(self) -> None:
        """The script is killed."""
        await call(self.client, "SCRIPT", "KILL")
        assert self.busy is not None
        await self.busy

    async def swallow(self) -> None:
        """Commands do not get through: time is up before they ran."""
        self.line.become(Line.HALF_OPEN)

    async def mute(self) -> None:
        """Commands run, replies do not get through: time is up after they ran."""
        self.line.become(Line.MUTE)

    async def move(self) -> None:
        """Whoever answers there sends the gateway elsewhere."""
        self.line.become(Line.MOVED)

    async def mend(self) -> None:
        """The line is good."""
        self.line.become(Line.GOOD)


Act = Callable[[Trouble], Awaitable[None]]


async def nothing(_: Trouble) -> None:
    """It passes by itself."""


@pytest.fixture
async def trouble(tmp_path: Path) -> AsyncIterator[Trouble]:
    """A store of this test's own, and the line that leads to it."""
    server = EmbeddedServer(tmp_path / "own", deaf_binary(tmp_path), maxmemory=0)
    try:
        async with connect(await server.start()) as client:
            line = StoreProxy(tmp_path / "own" / "valkey.sock", random.Random(1))
            await line.start()
            yield Trouble(server, client, line)
            await line.stop()
    finally:
        await server.stop()


# begin, end, the answer meanwhile, the seconds it takes at least, the status of the same webhook
# afterwards
TABLE: dict[str, tuple[Act, Act, tuple[int, str], float, int]] = {
    "NOSCRIPT": (Trouble.flush, nothing, (202, "accepted"), AT_ONCE, 200),
    "READONLY": (Trouble.readonly, Trouble.promote, (503, "store_unavailable"), WAITED, 202),
    "BUSY": (Trouble.occupy, Trouble.free, (503, "store_unavailable"), WAITED, 202),
    "OOM": (Trouble.fill, Trouble.empty, (503, "store_full"), AT_ONCE, 202),
    "MISCONF": (
        Trouble.fail_snapshot,
        Trouble.snapshot,
        (503, "store_unavailable"),
        AT_ONCE,
        202,
    ),
    "MOVED": (Trouble.move, Trouble.mend, (503, "store_unavailable"), WAITED, 202),
    "timeout before": (Trouble.swallow, Trouble.mend, (503, "store_unavailable"), WAITED, 202),
    "timeout after": (Trouble.mute, Trouble.mend, (503, "store_unavailable"), WAITED, 200),
}


@pytest.mark.parametrize("name", TABLE)
async def test_d1_d2_d9_d14_each_error_class_has_one_answer(
    name: str,
    trouble: Trouble,
    start_gateway: StartGateway,
    subscriber: Subscriber,
    tmp_path: Path,
) -> None:
    """Meanwhile one answer, never 202 for what is not kept; afterwards the webhook is one event."""
    begin, end, (status, code), soonest, again = TABLE[name]
    gateway = await start_gateway(
        redis_url=trouble.line.url, mappings=write_acme(tmp_path / "mappings", IMPATIENT)
    )
    sender = await gateway.integrate("acme")
    subscription = await gateway.subscribe(subscriber)
    # So the store knows the scripts: else the lost reply would be NOSCRIPT, and nothing had run.
    before = await gateway.accept(sender, tickets("A-0"))
    await until(lambda: subscriber.ids == before)
    native = tickets("A-1")
    await begin(trouble)
    since = asyncio.get_running_loop().time()

    answer = await gateway.send(sender, native)

    took = asyncio.get_running_loop().time() - since
    await end(trouble)
    assert (answer.status, answer.json.get("code") or answer.json["status"]) == (status, code)
    assert took >= soonest
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    ids = await _taken(gateway, sender, native, again)
    if status == 503 and again == 200:  # it was committed, with a lease that nobody knows of
        await gateway.age(subscription["id"], timedelta(minutes=1))
    await until(lambda: len({*subscriber.ids}) > 1, within=30)
    assert {*subscriber.ids} == {*before, *ids}


async def _taken(gateway: Running, sender: Sender, native: Native, status: int) -> list[str]:
    """Send *native* until it is taken, which must be by *status*; the ids of its events."""
    found: list[str] = []

    async def taken() -> bool:
        answer = await gateway.send(sender, native)
        if answer.status == 503:  # connections that broke are made anew
            return False
        assert answer.status == status, answer.body
        found.extend(event["id"] for event in answer.json["events"])
        return True

    await eventually(taken)
    return found


async def test_d11_loading_is_waited_for_then_503(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Path
) -> None:
    """While the store reads its log a webhook waits, then 503; it is taken once that is read."""
    slow = tmp_path / "slow-valkey"
    options = "--key-load-delay 200 --loading-process-events-interval-bytes 1024"
    slow.write_text(f'#!/bin/sh\nexec "{find_binary()}" "$@" {options}\n', "utf-8")
    slow.chmod(0o700)
    server = EmbeddedServer(tmp_path / "own", slow, maxmemory=0)
    fill = "for i = 1, 10000 do redis.call('SET', KEYS[1] .. i, i) end"
    try:
        url = await server.start()
        gateway = await start_gateway(
            redis_url=url, mappings=write_acme(tmp_path / "mappings", IMPATIENT)
        )
        sender = await gateway.integrate("acme")
        await gateway.subscribe(subscriber)
        async with connect(url) as client:
            for part in range(2):
                await call(client, "EVAL", fill, 1, f"k{part}.")
        await server.stop()
        starting = asyncio.create_task(server.start())
        await until(lambda: server.state is ServerState.LOADING)

        answer = await gateway.send(sender, tickets("A-1", delivery="once"))

        assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
        await starting
        ids = await _taken(gateway, sender, tickets("A-1", delivery="once"), 202)
        await until(lambda: bool(subscriber.received), within=30)
        assert subscriber.ids == ids
    finally:
        await server.stop()
