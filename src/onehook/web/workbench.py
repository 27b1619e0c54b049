"""Where mappings are tried out: off the loop, one at a time, for a bounded time."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from onehook.errors import InvalidRequestError, StoreUnavailableError

Result = TypeVar("Result")
MAX_WAITING = 4  # trials, the one at work included
GRACE = 1.0  # seconds for a trial to notice that its time is over


class Deadline:
    """When a trial has to end. Asked between two webhooks, or two events of one."""

    def __init__(self, seconds: float, closed: threading.Event) -> None:
        self._end, self._closed = time.monotonic() + seconds, closed

    @property
    def left(self) -> float:
        """Seconds until then; 0 once it is over, or the gateway stops."""
        return 0.0 if self._closed.is_set() else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Go on only in time.

        Raises:
            InvalidRequestError: 422 mapping_too_slow.
        """
        if not self.left:
            detail = "the trial took too long: make the mapping or the sample smaller"
            raise InvalidRequestError(detail, code="mapping_too_slow")


class Workbench:
    """One thread of its own: what is tried there takes nothing from webhooks but processor time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="workbench")
        self._closed = threading.Event()
        self._waiting = 0

    def deadline(self, seconds: float) -> Deadline:
        """A deadline that also ends when the gateway stops."""
        return Deadline(seconds, self._closed)

    async def run(self, work: Callable[[], Result], deadline: Deadline) -> Result:
        """The result of *work*, which heeds *deadline* itself as far as it can.

        Raises:
            StoreUnavailableError: 503 overloaded, too many are being tried.
            InvalidRequestError: 422 mapping_too_slow; whatever *work* raises.
        """
        if self._waiting >= MAX_WAITING:
            detail = "too many mappings are being tried; try again in a moment"
            raise StoreUnavailableError(detail, code="overloaded", retry_after=5)
        self._waiting += 1
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._thread, work)
        working.add_done_callback(self._done)
        # What overruns is left alone: a thread cannot be stopped, and counts until it ends.
        done, _ = await asyncio.wait([working], timeout=deadline.left + GRACE)
        if not done:
            deadline.check()
        return await working

    def _done(self, working: "asyncio.Future[Result]") -> None:
        self._waiting -= 1
        if not working.cancelled():
            working.exception()  # its caller may have gone

    def close(self) -> None:
        """Take nothing more, and have what is at work end at its next look at the time."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)
