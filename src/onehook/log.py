"""Logs: facts named ``noun.past_tense``, JSON, one line each, on stderr.

No bodies, no secrets, no tracebacks with locals. What tells of trouble is written at once, the
rest within `LATEST`: a write for each webhook takes the loop longer than the line itself.
"""

import logging
import sys
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec
import structlog

from onehook.clock import SystemClock

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LATEST = 0.1  # seconds that a line may wait; a process that is killed outright loses as much
_clock = SystemClock()
_encode = msgspec.json.Encoder(enc_hook=str).encode


def _line(logger: object, name: str, event: MutableMapping[str, Any]) -> bytes:
    """One step for all: a line is written for every webhook, and each step costs a call."""
    event["level"] = name
    event["timestamp"] = _clock.now().isoformat()
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, name, event)
    return _encode(event)


class Lines:
    """Writes each line to *file*, which has a buffer of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._news = threading.Event()
        self._flusher: threading.Thread | None = None

    def info(self, line: bytes) -> None:
        """Write *line* soon."""
        self._file.write(line + b"\n")
        if not self._news.is_set():
            self._news.set()
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush, name="log", daemon=True)
                self._flusher.start()

    def error(self, line: bytes) -> None:
        """Write *line* at once, and what waits before it."""
        self._file.write(line + b"\n")
        self._file.flush()

    debug = info
    warning = critical = exception = error

    def _flush(self) -> None:
        while self._news.wait():
            time.sleep(LATEST)
            self._news.clear()
            with suppress(OSError, ValueError):  # whoever read it has gone
                self._file.flush()


def configure(level: str) -> None:
    """Set up logging for the process."""
    lines = Lines(sys.stderr.buffer)
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger; modules keep one as ``log``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
