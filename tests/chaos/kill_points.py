"""Points between every two steps of a webhook's way at which a gateway of a test can die.

``onehook serve`` knows nothing of them, and refuses to start where the setting for them is set:
the process that `tests.chaos.serving` makes wraps the steps before it puts the gateway together.
"""

import asyncio
import inspect
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from onehook.deliver.client import DeliveryClient
from onehook.deliver.courier import Courier
from onehook.deliver.worker import Worker
from onehook.ingest.handler import Ingest
from onehook.ingest.steps import Steps
from onehook.store.deliveries import DeliveryStore
from onehook.store.events import EventStore
from onehook.store.fanout import FanOutStore
from onehook.web.server import Connection

_ON_THE_WIRE = 0.002  # seconds until what was written has left the process


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Before or after (*after*) a call of *function* of *owner*.

    *repeats*: an attempt may be out then whose record is not made, if of another subscription.
    *delay*: it dies as many seconds later.
    """

    name: str
    owner: object
    function: str
    after: bool
    repeats: bool = False
    delay: float = 0.0


KILL_POINTS = (
    KillPoint("received", Steps, "_verify", after=False),
    KillPoint("verified", Steps, "_verify", after=True),
    KillPoint("admitted", Steps, "_admit", after=True),
    KillPoint("parsed", Steps, "_parse", after=True),
    KillPoint("applied", Steps, "_apply", after=True),
    KillPoint("normalized", Steps, "_complete", after=True),
    KillPoint("routed", Steps, "_route", after=True),
    KillPoint("packed", Steps, "_pack", after=True),
    KillPoint("handed on", Steps, "_hand_on", after=True),
    KillPoint("before commit", EventStore, "commit", after=False),
    KillPoint("after commit", EventStore, "commit", after=True),
    KillPoint("delivery begun", Worker, "start", after=True, repeats=True),
    KillPoint("before answer", Ingest, "conclude", after=True, repeats=True),
    KillPoint("answered", Connection, "answer", after=True, repeats=True, delay=_ON_THE_WIRE),
    KillPoint("before lease", DeliveryStore, "lease", after=False, repeats=True),
    KillPoint("leased", DeliveryStore, "lease", after=True, repeats=True),
    KillPoint("before attempt", Courier, "attempt", after=False, repeats=True),
    KillPoint("answer begun", DeliveryClient, "_send", after=True, repeats=True),
    KillPoint("attempted", Courier, "attempt", after=True, repeats=True),
    KillPoint("before record", DeliveryStore, "record_attempts", after=False, repeats=True),
    KillPoint("gathered", FanOutStore, "gather", after=True, repeats=True),
    KillPoint("before spread", FanOutStore, "spread", after=False, repeats=True),
    KillPoint("spread", FanOutStore, "spread", after=True, repeats=True),
    KillPoint("recorded", DeliveryStore, "record_attempts", after=True, repeats=True),
)


class Trap:
    """Kills this process at the n-th passing of one point."""

    def __init__(self) -> None:
        self._armed, self._left = "", 0

    def arm(self, name: str, passings: int) -> None:
        """From now on; the *passings*-th is the last."""
        self._armed, self._left = name, passings

    def set_up(self, point: KillPoint) -> None:
        """Have whoever calls the step of *point* come by here."""
        step = getattr(point.owner, point.function)
        wrap = self._awaited if inspect.iscoroutinefunction(step) else self._called
        setattr(point.owner, point.function, wrap(step, point))

    def _called(self, step: Callable[..., Any], point: KillPoint) -> Callable[..., Any]:
        @wraps(step)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not point.after:
                self._pass(point)
            result = step(*args, **kwargs)
            if point.after:
                self._pass(point)
            return result

        return wrapped

    def _awaited(
        self, step: Callable[..., Awaitable[Any]], point: KillPoint
    ) -> Callable[..., Awaitable[Any]]:
        @wraps(step)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not point.after:
                self._pass(point)
            result = await step(*args, **kwargs)
            if point.after:
                self._pass(point)
            return result

        return wrapped

    def _pass(self, point: KillPoint) -> None:
        if point.name != self._armed:
            return
        self._left -= 1
        if self._left:
            return
        if point.delay:
            asyncio.get_running_loop().call_later(point.delay, _die)
        else:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
