"""Logs: facts named ``noun.past_tense``, JSON, one line each, on stderr.

No bodies, no secrets, no tracebacks with locals.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from onehook.clock import SystemClock

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_clock = SystemClock()
_encode = msgspec.json.Encoder(enc_hook=str).encode


def _line(logger: object, name: str, event: MutableMapping[str, Any]) -> bytes:
    """One step for all: a line is written for every webhook, and each step costs a call."""
    event["level"] = name
    event["timestamp"] = _clock.now().isoformat()
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, name, event)
    return _encode(event)


def configure(level: str) -> None:
    """Set up logging for the process."""
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger; modules keep one as ``log``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
