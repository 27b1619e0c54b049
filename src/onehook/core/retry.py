"""Retry schedules: how long after each failure a delivery is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from onehook.core.durations import parse_duration
from onehook.core.schedule import DEFAULT_RETRY

MAX_RETRIES = 20
MAX_DELAY = timedelta(days=7)
_S, _M, _H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Retry:
    """The *delays* after the first failure, the second, and so on; then the dead letter.

    *preset* is its name if it is one of `PRESETS`.
    """

    delays: tuple[timedelta, ...] = DEFAULT_RETRY
    preset: str | None = None


PRESETS: Mapping[str, Retry] = MappingProxyType(
    {
        name: Retry(delays, name)
        for name, delays in {
            "quick": (2 * _S, 4 * _S),
            "three": (1 * _M, 5 * _M, 30 * _M),
            # Source: the specification's "Deliverability and reliability", as it recommends.
            "standard-webhooks": (
                *(5 * _S, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H),
            ),
        }.items()
    }
)


def preset(name: str) -> Retry:
    """The preset of that name.

    Raises:
        ValueError: there is none; says what there is.
    """
    if name not in PRESETS:
        msg = f"is one of {', '.join(PRESETS)}, or a list of durations such as 1m, 5m and 2h"
        raise ValueError(msg)
    return PRESETS[name]


def parse_delay(text: str) -> timedelta:
    """One delay of a schedule.

    Raises:
        ValueError: *text* is none.
    """
    found = parse_duration(text)
    if found is None or found > MAX_DELAY:
        msg = "is a duration up to 7d, such as 30s, 5m or 2h"
        raise ValueError(msg)
    return found


def make_retry(given: str | Sequence[str]) -> Retry:
    """The schedule that *given* names or lists.

    Raises:
        ValueError: it does neither.
    """
    if isinstance(given, str):
        return preset(given)
    if len(given) > MAX_RETRIES:
        msg = f"has at most {MAX_RETRIES} delays"
        raise ValueError(msg)
    return Retry(tuple(parse_delay(text) for text in given))
