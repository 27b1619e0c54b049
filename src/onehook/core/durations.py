"""Durations as people write them: ``500ms``, ``30s``, ``5m``, ``2h``, ``7d``."""

import re
from datetime import timedelta

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> timedelta | None:
    """The duration *text* means, None if it means none. A bare number has no unit: refused."""
    found = _DURATION.fullmatch(text.strip())
    return None if found is None else timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def render_duration(duration: timedelta) -> str:
    """*duration* in the largest unit that gives a whole number."""
    ms = round(duration.total_seconds() * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"
