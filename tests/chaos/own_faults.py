"""Faults that a gateway is ordered to have: a death between two steps, a clock that jumps."""

import asyncio
import time
from typing import ClassVar

from tests.chaos.arena import Arena
from tests.chaos.faults import Fault
from tests.chaos.kill_points import KILL_POINTS, KillPoint
from tests.chaos.serving import Orders

REACHED = 30.0  # seconds within which a load comes by every point
_HOUR = 3600.0


class KilledAt(Fault):
    """SIGKILL by its own hand at *point*: at one of its first passings."""

    lasts = (0.0, 0.5)
    pause = (0.0, 0.0)  # armed before the load: all of it is there to come by
    point: ClassVar[KillPoint]

    @classmethod
    def name(cls) -> str:
        """The point is in it."""
        return f"killed: {cls.point.name}"

    async def begin(self, arena: Arena) -> None:
        process = arena.gateway.process
        assert process is not None
        arena.gateway.order(Orders(kill_point=self.point.name, passings=arena.passings()))
        async with asyncio.timeout(REACHED):
            await process.wait()
        self.began = time.monotonic()

    async def end(self, arena: Arena) -> None:
        arena.gateway.order(Orders())
        await arena.gateway.restart()


class ClockStepped(Fault):
    """The gateway's clock jumps an hour, forth or back, and later the other way."""

    lasts = (1.0, 3.0)
    repeats = False

    async def begin(self, arena: Arena) -> None:
        arena.gateway.order(Orders(ahead=arena.chance.choice((-_HOUR, _HOUR))))

    async def end(self, arena: Arena) -> None:
        arena.gateway.order(Orders())


def killed_at(point: KillPoint) -> type[KilledAt]:
    """The fault that is a death at *point*."""
    return type("KilledAt", (KilledAt,), {"point": point, "__doc__": KilledAt.__doc__})


DEATHS = tuple(killed_at(point) for point in KILL_POINTS)
