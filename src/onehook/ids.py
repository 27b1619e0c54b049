"""The one place that makes ids out of chance; events' ids come from what they are."""

import os
from datetime import datetime

from onehook.core.identity import RANDOMNESS, ulid


def new_id(prefix: str, now: datetime) -> str:
    """``<prefix>_`` and a new ULID, so that ids sort by the time of their making."""
    return f"{prefix}_{ulid(now, os.urandom(RANDOMNESS))}"
