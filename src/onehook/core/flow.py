"""How deliveries flow to one subscriber: its limits, its order, its breaker, when it is paused.

What is decided here is settled by the store's scripts, so that all gateways go by the same gate.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from onehook.core.durations import parse_duration

DEFAULT_TIMEOUT = timedelta(seconds=10)
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = timedelta(seconds=1), timedelta(seconds=30)
CONCURRENCY = 16  # attempts at once that each gateway makes, where nothing else is said
BREAKER_AFTER = 10  # failed attempts in a row
FIRST_PROBE = timedelta(seconds=5)  # after the breaker opened; twice as long after each failure
LONGEST_PROBE = timedelta(minutes=5)
_KEY_BYTES = 12


def parse_timeout(text: str) -> timedelta:
    """How long an attempt may take in all.

    Raises:
        ValueError: *text* is no duration, or too short or long.
    """
    found = parse_duration(text)
    if found is None or not SHORTEST_TIMEOUT <= found <= LONGEST_TIMEOUT:
        msg = "is a duration from 1s to 30s, such as 10s"
        raise ValueError(msg)
    return found


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most *burst* attempts at once, and *per_minute* on average."""

    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True)
class PauseAfter:
    """When a subscription pauses itself; what is None never does it.

    *deliveries* in a row that used up their attempts, or *attempts* in a row that failed.
    """

    deliveries: int | None = None
    attempts: int | None = None

    def reached(self, gate: "Gate") -> bool:
        """Whether it is to be paused now."""
        return (self.deliveries is not None and gate.used_up >= self.deliveries) or (
            self.attempts is not None and gate.failed >= self.attempts
        )


PAUSE_AFTER = PauseAfter(deliveries=10)


@dataclass(frozen=True, slots=True)
class Flow:
    """What a subscription asks for. *concurrency* None: `CONCURRENCY` in each gateway."""

    concurrency: int | None = None
    rate_limit: RateLimit | None = None
    ordered: bool = False
    max_backlog: int | None = None
    pause_after: PauseAfter | None = PAUSE_AFTER

    @property
    def gated(self) -> bool:
        """Whether every delivery has to pass the store's gate.

        Others may go from their commit into memory, past the queue.
        """
        return (
            self.ordered
            or self.rate_limit is not None
            or self.concurrency is not None
            or self.max_backlog is not None
        )

    @property
    def width(self) -> int:
        """How many attempts a gateway may make at once."""
        return CONCURRENCY if self.concurrency is None else self.concurrency


USUAL = Flow()


class Breaker(StrEnum):
    """Whether a subscriber that fails is left alone."""

    CLOSED = "closed"
    OPEN = "open"  # nothing is attempted until the next probe
    PROBING = "probing"  # one attempt is in flight, and everything else waits for it


@dataclass(frozen=True, slots=True)
class Gate:
    """What the store says of a subscription.

    *failed* attempts in a row, *used_up*: deliveries in a row that used up their attempts.
    Nothing is attempted before *held_until*; None: nothing is held.
    """

    breaker: Breaker = Breaker.CLOSED
    failed: int = 0
    used_up: int = 0
    held_until: datetime | None = None


CLEAR = Gate()


class _Thing(msgspec.Struct):
    urn: str | None = None


class _About(msgspec.Struct):
    """The one thing that the order of events is about."""

    data: _Thing


_about = msgspec.json.Decoder(_About).decode


def order_key(body: bytes) -> str:
    """What tells events about one thing from others: a digest of ``data.urn``.

    *body* is an event as delivered. Empty for one without a urn, which has no order.
    """
    urn = _about(body).data.urn
    if not urn:
        return ""
    digest = hashlib.blake2b(urn.encode(), digest_size=_KEY_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode()
