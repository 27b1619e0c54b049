"""The one place that makes ids out of chance; events' ids come from what they are."""

import os
from datetime import datetime

from onehook.core.identity import RANDOMNESS, ulid

_AT_ONCE = 400  # ids that one call of the system is enough for: each call may wait for a thread
_chance: list[bytes] = []
os.register_at_fork(after_in_child=_chance.clear)  # what a parent has must not come twice


def new_id(prefix: str, now: datetime) -> str:
    """``<prefix>_`` and a new ULID, so that ids sort by the time of their making."""
    try:
        chance = _chance.pop()
    except IndexError:
        more = os.urandom(RANDOMNESS * _AT_ONCE)
        some = [more[at : at + RANDOMNESS] for at in range(0, len(more), RANDOMNESS)]
        chance = some.pop()
        _chance.extend(some)
    return f"{prefix}_{ulid(now, chance)}"
