"""``onehook serve`` as tests run it: it takes orders, and comes up fast enough to die often.

A process is forked from one that has everything imported and the shipped mappings compiled (both
take seconds), then calls the command itself. Its orders are a file, which it reads at its start
and on SIGUSR1: by how much its clock is wrong, and at which `KillPoint` it has to die.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from onehook import wiring
from onehook.cli.serve import serve
from onehook.core.durations import parse_duration
from onehook.mappings import folders_of, read_all
from onehook.settings import KILL_POINT, PREFIX
from onehook.store.events import Retention
from tests.chaos.kill_points import KILL_POINTS, Trap
from tests.e2e.gateways import STARTING, Gateway

RETENTION = "SOAK_RETENTION"  # how long everything is kept, instead of days
_SHIPPED = tuple(folders_of(None))
_MAPPINGS = {_SHIPPED: read_all(_SHIPPED)}  # made once, in the process that others are forked from
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
_LOOK = 0.01


# -- the gateway's side ---------------------------------------------------------------------------


class SteppedClock:
    """The machine's clock, and what orders add to it."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        """The time as this gateway has it, aware UTC."""
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True)
class Orders:
    """What a gateway is told: *ahead* seconds its clock goes wrong, where it dies and when."""

    ahead: float = 0.0
    kill_point: str = ""
    passings: int = 1

    def write(self, path: Path) -> None:
        """For a gateway to read; whole or not at all."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps([self.ahead, self.kill_point, self.passings]), "utf-8")
        new.replace(path)


def _serve(port: int, data: Path, environment: Mapping[str, str], said: Connection) -> None:
    """What a forked process does."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
    with (data.parent / "gateway.log").open("ab") as log:
        os.dup2(log.fileno(), 2)
    os.dup2(said.fileno(), 1)
    said.close()
    kept = parse_duration(os.environ.get(RETENTION, ""))
    if kept is not None:
        wiring.Retention = lambda **_: _short(kept)  # type: ignore[assignment,misc]
        wiring.SWEEP = kept.total_seconds() / 10
    if os.environ.pop(KILL_POINT, None) is not None:
        _obey(data.parent / "orders.json")
    wiring.read_all = lambda folders: _MAPPINGS.get(tuple(folders)) or read_all(folders)
    serve(port=port, data=data)


def _short(kept: timedelta) -> Retention:
    return Retention(kept, kept, kept, kept, kept, minute=kept)


def _obey(path: Path) -> None:
    """Set up every kill point, and a clock that can be stepped; do what *path* says."""
    trap = Trap()
    for point in KILL_POINTS:
        trap.set_up(point)
    wiring.SystemClock = SteppedClock  # type: ignore[misc]

    def read(*_: object) -> None:
        ahead, kill_point, passings = json.loads(path.read_text("utf-8"))
        SteppedClock.ahead = timedelta(seconds=ahead)
        trap.arm(kill_point, passings)

    if path.exists():
        read()
    signal.signal(signal.SIGUSR1, read)


# -- the test's side ------------------------------------------------------------------------------


class Forked:
    """A process, with what `asyncio.subprocess.Process` has of one."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with; negative: of a signal. None: it lives."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end."""
        while (code := self._process.exitcode) is None:  # noqa: ASYNC110 a process sets no Event
            await asyncio.sleep(_LOOK)
        return code


class ServedGateway(Gateway):
    """A gateway that is forked, and takes orders."""

    __slots__ = ()

    async def start(self) -> None:
        """See `Gateway.start`."""
        ours, theirs = _FORKS.Pipe(duplex=False)
        environment = self.settings()
        arguments = (self.port, self.data, environment, theirs)
        process = _FORKS.Process(target=_serve, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)  # the first one makes the process to fork from
        theirs.close()
        self.process = Forked(process)
        try:
            line = await _line(ours)
            assert line.startswith(b"onehook ready"), line
        except BaseException:  # it may yet come up, and have the port that the next one needs
            self.process.kill()
            await self.process.wait()
            raise
        finally:
            ours.close()

    def order(self, orders: Orders) -> None:
        """Give it *orders*, and to those that are started after it."""
        orders.write(self.data.parent / "orders.json")
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR1)


async def _line(said: "Connection[Any, Any]") -> bytes:
    """What it says first; empty if it ends before."""
    until = time.monotonic() + STARTING
    while not said.poll():
        if time.monotonic() > until:
            raise TimeoutError
        await asyncio.sleep(_LOOK)
    return os.read(said.fileno(), 1000)
