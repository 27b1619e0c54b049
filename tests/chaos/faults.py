"""The faults: each begins, lasts for some seconds, and ends; afterwards all has to recover."""

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from redis.exceptions import RedisError

from tests.chaos.arena import LEASE, Arena
from tests.chaos.disk import SickDisk
from tests.chaos.proxy import Line

_STEP = 0.02  # seconds between two looks, two flushes, two pieces
_SCRIPT = """\
local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
local ends = now() + tonumber(ARGV[1])
while now() < ends do end
return 1
"""


class Fault:
    """Something that goes wrong: *lasts* from so many to so many seconds.

    It begins after a *pause* from the begin of the load. *repeats*: what is in flight when it
    happens may be delivered again. *began*: the monotonic moment, if that is not the call's.
    """

    lasts: ClassVar[tuple[float, float]] = (0.5, 2.0)
    pause: ClassVar[tuple[float, float]] = (0.1, 0.6)
    began: float | None = None
    repeats: ClassVar[bool] = True
    rare: ClassVar[bool] = False  # it takes so long that a run has it once

    @classmethod
    def name(cls) -> str:
        """How the table calls it."""
        return "".join(f" {c.lower()}" if c.isupper() else c for c in cls.__name__).strip()

    @classmethod
    def fits(cls, arena: Arena) -> bool:
        """Whether it can happen there."""
        return True

    async def begin(self, arena: Arena) -> None:
        """Let it go wrong."""
        raise NotImplementedError

    async def end(self, arena: Arena) -> None:
        """Let it be over; what is down comes up again."""


# -- processes ------------------------------------------------------------------------------------


class GatewayKilled(Fault):
    """SIGKILL; an embedded server goes down with it."""

    lasts = (0.0, 0.5)

    async def begin(self, arena: Arena) -> None:
        await arena.gateway.kill()

    async def end(self, arena: Arena) -> None:
        await arena.gateway.restart()


class StoreKilled(Fault):
    """SIGKILL of the server alone: whoever owns it starts it anew."""

    lasts = (0.0, 0.5)

    async def begin(self, arena: Arena) -> None:
        await arena.store.signal(signal.SIGKILL)


class BothKilled(GatewayKilled):
    """SIGKILL of all at once, as when the power fails."""

    async def begin(self, arena: Arena) -> None:
        await arena.store.signal(signal.SIGKILL)
        await arena.gateway.kill()


class GatewayTerminated(Fault):
    """SIGTERM under load, and a start after the end."""

    lasts = (0.0, 0.5)

    async def begin(self, arena: Arena) -> None:
        assert await arena.gateway.stop() == 0, "SIGTERM does not end with 0"

    async def end(self, arena: Arena) -> None:
        await arena.gateway.restart()


class GatewayUpgraded(Fault):
    """A new gateway starts on the same port and data while the old one stops."""

    lasts = (0.0, 0.0)

    async def begin(self, arena: Arena) -> None:
        old = arena.gateway.process
        assert old is not None
        old.terminate()
        await asyncio.sleep(arena.chance.uniform(0.0, 0.2))
        await arena.gateway.restart()
        async with asyncio.timeout(20):
            assert await old.wait() == 0, "SIGTERM does not end with 0"


class GatewayStopped(Fault):
    """SIGSTOP for longer than a lease: what was in flight is no longer its own."""

    lasts = (LEASE + 1, LEASE + 2)
    rare = True

    async def begin(self, arena: Arena) -> None:
        assert arena.gateway.process is not None
        arena.gateway.process.send_signal(signal.SIGSTOP)

    async def end(self, arena: Arena) -> None:
        assert arena.gateway.process is not None
        arena.gateway.process.send_signal(signal.SIGCONT)


class StoreStopped(Fault):
    """SIGSTOP of the server: at times longer than a command may take, 5 s."""

    lasts = (0.5, 6.0)

    def __init__(self) -> None:
        self._pid = 0

    async def begin(self, arena: Arena) -> None:
        self._pid = await arena.store.signal(signal.SIGSTOP)

    async def end(self, arena: Arena) -> None:
        os.kill(self._pid, signal.SIGCONT)


# -- what the store answers -----------------------------------------------------------------------


class StoreFull(Fault):
    """It is at its ``maxmemory``: OOM to whatever would take more."""

    def __init__(self) -> None:
        self._usual = ""

    async def begin(self, arena: Arena) -> None:
        found = await arena.store.command("CONFIG GET", "maxmemory")
        assert isinstance(found, dict)
        ((_, usual),) = found.items()
        self._usual = usual.decode() if isinstance(usual, bytes) else str(usual)
        await arena.store.command("CONFIG", "SET", "maxmemory", "1mb")

    async def end(self, arena: Arena) -> None:
        await arena.store.command("CONFIG", "SET", "maxmemory", self._usual)


class StoreReadonly(Fault):
    """It is a replica whose primary is away: READONLY, until it is promoted."""

    async def begin(self, arena: Arena) -> None:
        await arena.store.command("REPLICAOF", "127.0.0.1", "1")

    async def end(self, arena: Arena) -> None:
        await arena.store.command("REPLICAOF", "NO", "ONE")


class DiskFull(Fault):
    """Its log takes no more bytes: with ``appendfsync always`` the server ends itself."""

    lasts = (0.2, 1.0)

    @classmethod
    def fits(cls, arena: Arena) -> bool:
        """Not embedded: there the signal of the limit would be its end, before any error."""
        return arena.line is not None

    async def begin(self, arena: Arena) -> None:
        pid = await arena.store.pid()
        # Some more bytes fit: the write that fails is cut off in its middle.
        limit = await self._log_size(arena) + arena.chance.randrange(1, 4096)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    async def end(self, arena: Arena) -> None:
        """The next server has no limit. One that wrote nothing meanwhile still has the old one."""
        with suppress(RedisError, OSError):
            pid = await arena.store.pid()
            resource.prlimit(
                pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )

    @staticmethod
    async def _log_size(arena: Arena) -> int:
        folder = arena.store.socket.parent / "appendonlydir"
        return max(path.stat().st_size for path in folder.glob("*.incr.aof"))


class _SickDisk(Fault):
    """The disk of a server of our own, where there is a compiler."""

    @classmethod
    def fits(cls, arena: Arena) -> bool:
        return arena.line is not None and SickDisk.can_be()

    @staticmethod
    def order(disk: SickDisk) -> Path:
        """The file that says so while it is there."""
        raise NotImplementedError

    async def begin(self, arena: Arena) -> None:
        self.order(SickDisk(arena.folder)).touch()

    async def end(self, arena: Arena) -> None:
        self.order(SickDisk(arena.folder)).unlink()


class DiskSlow(_SickDisk):
    """Each fsync takes 2 s more."""

    lasts = (1.0, 4.0)

    @staticmethod
    def order(disk: SickDisk) -> Path:
        return disk.slow


class DiskFails(_SickDisk):
    """fsync is an I/O error: with ``appendfsync always`` the server ends itself, each time."""

    lasts = (0.2, 1.0)

    @staticmethod
    def order(disk: SickDisk) -> Path:
        return disk.failing


class ScriptsFlushed(Fault):
    """Somebody flushes its scripts all the time: NOSCRIPT."""

    repeats = False

    def __init__(self) -> None:
        self._over = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self, arena: Arena) -> None:
        async def flush() -> None:
            while not self._over:
                with suppress(RedisError, OSError):
                    await arena.store.command("SCRIPT", "FLUSH")
                await asyncio.sleep(_STEP)

        self._task = asyncio.create_task(flush())

    async def end(self, arena: Arena) -> None:
        assert self._task is not None
        self._over = True  # not by cancelling it: a client of redis-py may swallow that
        await self._task


class StoreBusy(Fault):
    """Somebody's script takes seconds: BUSY to everybody else."""

    lasts = (2.0, 2.0)

    async def begin(self, arena: Arena) -> None:
        await arena.store.command("CONFIG", "SET", "busy-reply-threshold", "50")
        ms = arena.chance.randrange(500, 2000)
        await arena.store.command("EVAL", _SCRIPT, 0, ms)

    async def end(self, arena: Arena) -> None:
        await arena.store.command("CONFIG", "SET", "busy-reply-threshold", "5000")


# -- the line to the store ------------------------------------------------------------------------


class _LineFault(Fault):
    becomes: ClassVar[Line]

    @classmethod
    def fits(cls, arena: Arena) -> bool:
        """Only where there is a line: the embedded store has none that could break."""
        return arena.line is not None

    async def begin(self, arena: Arena) -> None:
        assert arena.line is not None
        arena.line.become(self.becomes)

    async def end(self, arena: Arena) -> None:
        assert arena.line is not None
        arena.line.become(Line.GOOD)


class LineCut(_LineFault):
    """Every connection breaks, new ones are refused."""

    becomes = Line.CUT


class LineSlow(_LineFault):
    """Every piece takes 50 ms more."""

    becomes = Line.SLOW
    repeats = False


class LineHalfOpen(_LineFault):
    """Nothing gets through, and nobody is told."""

    becomes = Line.HALF_OPEN
    lasts = (0.5, 6.0)


class LineMoved(_LineFault):
    """What answers there sends everybody elsewhere: MOVED."""

    becomes = Line.MOVED


class RepliesDropped(_LineFault):
    """Commands run, but their replies are lost."""

    becomes = Line.DROPPING
    lasts = (1.0, 3.0)


# -- a subscriber ---------------------------------------------------------------------------------


class _Illness(Fault):
    """A subscriber does not take what it gets: it does not note it either, so it must come again.

    The healthy ones are not to notice.
    """

    lasts = (1.0, 3.0)
    repeats = False
    notes: ClassVar[bool] = False
    reply: ClassVar[Callable[[asyncio.Transport], None]]

    async def begin(self, arena: Arena) -> None:
        arena.ill.behaviour.reply = type(self).reply
        arena.ill.behaviour.keep_ids = self.notes

    async def end(self, arena: Arena) -> None:
        arena.ill.behaviour.reply = None
        arena.ill.behaviour.keep_ids = True


class SubscriberHangs(_Illness):
    """It says nothing."""

    @staticmethod
    def reply(transport: asyncio.Transport) -> None:
        """Nothing."""


class SubscriberResets(_Illness):
    """It breaks the connection."""

    @staticmethod
    def reply(transport: asyncio.Transport) -> None:
        """Break it."""
        transport.abort()


class SubscriberTalksGarbage(_Illness):
    """What it says is no HTTP."""

    @staticmethod
    def reply(transport: asyncio.Transport) -> None:
        """Bytes, and a line that looks like a status but is none."""
        transport.write(b"\x00\xff\x16\x03HTTP/9.9 999 \r\n\xff: \xfe\r\n\r\n" * 8)


class SubscriberTalksSlowly(_Illness):
    """A byte a second."""

    @staticmethod
    def reply(transport: asyncio.Transport) -> None:
        """A status line, slowly."""
        _drip(transport, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1.0)


class SubscriberNeverEnds(_Illness):
    """It takes it, with a body without an end: that is a 200, of which little is read."""

    notes = True

    @staticmethod
    def reply(transport: asyncio.Transport) -> None:
        """A head, and a body that does not end."""
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        _pour(transport)


def _drip(transport: asyncio.Transport, rest: bytes, pause: float) -> None:
    if rest and not transport.is_closing():
        transport.write(rest[:1])
        asyncio.get_running_loop().call_later(pause, _drip, transport, rest[1:], pause)


def _pour(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        if transport.get_write_buffer_size() < 1 << 18:
            transport.write(b"x" * (1 << 16))
        asyncio.get_running_loop().call_later(_STEP, _pour, transport)


FAULTS: tuple[type[Fault], ...] = (
    GatewayKilled,
    StoreKilled,
    BothKilled,
    GatewayTerminated,
    GatewayUpgraded,
    GatewayStopped,
    StoreStopped,
    StoreFull,
    StoreReadonly,
    DiskFull,
    DiskSlow,
    DiskFails,
    ScriptsFlushed,
    StoreBusy,
    LineCut,
    LineSlow,
    LineHalfOpen,
    LineMoved,
    RepliesDropped,
    SubscriberHangs,
    SubscriberResets,
    SubscriberTalksGarbage,
    SubscriberTalksSlowly,
    SubscriberNeverEnds,
)
