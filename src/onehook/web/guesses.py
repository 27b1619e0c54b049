"""Guessed API keys: how many wrong ones an address may send (threats.md H3)."""

import math
from collections import OrderedDict

from onehook.core.buckets import Bucket
from onehook.errors import RateLimitedError

PER_MINUTE = 30
_ADDRESSES = 10_000  # that are counted: the latest


class Guesses:
    """Counts wrong API keys by address.

    A right key is always let through: behind a proxy everybody has one address, and whoever
    guesses there must not lock the others out.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def count(self, address: str, now: float) -> None:
        """Count one from *address* at *now*, seconds of a steady clock.

        Raises:
            RateLimitedError: it has sent too many.
        """
        bucket = self._buckets.setdefault(address, Bucket.full(PER_MINUTE, now))
        self._buckets.move_to_end(address)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        wait = bucket.take(now)
        if wait > 0:
            msg = "too many requests with a wrong API key came from this address"
            raise RateLimitedError(msg, retry_after=math.ceil(wait))
