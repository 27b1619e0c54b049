"""An attempt and a policy to what follows: delivered, again after a delay, or dead."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias

DEFAULT_RETRY = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720)
)  # after each failure; then the dead letter
MAX_RETRY_AFTER = timedelta(hours=24)
JITTER = 0.1  # at most 10 % later, never earlier
MAX_LEASES = 5  # leases without a record: something in the delivery kills its worker

# Source: the Standard Webhooks specification, "Deliverability and reliability".
TOO_FAST = frozenset({429, 502, 504})
MAY_ASK_FOR_TIME = TOO_FAST | {503}  # whose Retry-After counts: RFC 9110 §10.2.3, RFC 6585 §4
SLOWED = timedelta(seconds=1)  # at least, after an answer that says we are too fast


@dataclass(frozen=True, slots=True)
class Delivered:
    """The subscriber has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """To be attempted again after *delay*; *pause* first: the subscriber said 410 Gone."""

    delay: timedelta
    pause: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """No attempt is left, or none can succeed."""


Step: TypeAlias = Delivered | Again | Dead


@dataclass(frozen=True, slots=True)
class Answer:
    """How a subscriber answered: *status* None if it did not, *error* the class of failure."""

    status: int | None
    error: str | None
    retry_after: str | None = None

    @property
    def ok(self) -> bool:
        """Success is any 2xx."""
        return self.status is not None and 200 <= self.status <= 299 and self.error is None


def next_step(
    answer: Answer, attempt: int, retry: tuple[timedelta, ...], jitter: float, now: datetime
) -> Step:
    """What follows *attempt* (1 for the first). *jitter* is in [0, 1]; *now* is aware UTC.

    The delay counts from now, the failure. ``Retry-After`` can only make it longer.
    """
    if answer.ok:
        return Delivered()
    if answer.status == 410:
        return Again(timedelta(0), pause=True)
    if answer.error == "blocked_address" or attempt > len(retry):
        return Dead()
    delay = retry[attempt - 1]
    return Again(max(delay, _asked(answer, now)) * (1 + JITTER * jitter))


def hold(answer: Answer, now: datetime) -> timedelta:
    """For how long nothing at all goes to the subscriber after *answer*; mostly zero.

    An answer that says we are too fast is about more than its own delivery: it slows the whole
    subscription down, for as long as its ``Retry-After`` asks.
    """
    if answer.status not in TOO_FAST:
        return timedelta(0)
    return max(SLOWED, _asked(answer, now))


def _asked(answer: Answer, now: datetime) -> timedelta:
    """How much time *answer* asks for; zero where it does not, or may not."""
    if answer.status not in MAY_ASK_FOR_TIME:
        return timedelta(0)
    return parse_retry_after(answer.retry_after, now) or timedelta(0)


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """``Retry-After`` in seconds or as a date, at most 24 h; None for anything else.

    Source: RFC 9110 §10.2.3.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return min(max(moment - now, timedelta(0)), MAX_RETRY_AFTER)
    except (ValueError, TypeError, OverflowError):
        return None
