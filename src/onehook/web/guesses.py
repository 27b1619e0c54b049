"""Guesses: how many wrong ones somebody may make at an API key (threats.md H3), or at a secret."""

import math
from collections import OrderedDict
from collections.abc import Sequence

from aiohttp import web

from onehook.core.addresses import Network
from onehook.core.buckets import Bucket
from onehook.core.senders import sender_address, site_of
from onehook.errors import RateLimitedError

API_KEYS_PER_MINUTE = 30
# Wrong ones of one object: a plan asks once, and 14,400 a day find no secret of eight characters.
SECRETS_PER_MINUTE = 10
_REMEMBERED = 10_000  # that are counted: the latest


class Guesses:
    """Counts wrong guesses by who makes them, or at what; *per_minute* of each are let through.

    Whoever is right is never asked: behind a proxy everybody has one address, and who guesses
    there must not lock the others out. *refusal* is what is said to one too many.
    """

    def __init__(self, per_minute: int, refusal: str) -> None:
        self._per_minute, self._refusal = per_minute, refusal
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def count(self, name: str, now: float) -> None:
        """Count one of *name* at *now*, seconds of a steady clock.

        Raises:
            RateLimitedError: there were too many.
        """
        bucket = self._buckets.setdefault(name, Bucket.full(self._per_minute, now))
        self._buckets.move_to_end(name)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        wait = bucket.take(now)
        if wait > 0:
            raise RateLimitedError(self._refusal, retry_after=math.ceil(wait))


def of_api_keys() -> Guesses:
    """Those at API keys, by `site`."""
    msg = "too many requests with a wrong API key came from this address"
    return Guesses(API_KEYS_PER_MINUTE, msg)


def of_secrets() -> Guesses:
    """Those at the secret of an integration or subscription, by its id."""
    msg = "too many secrets that are not this one's were asked about; without dry_run it is set"
    return Guesses(SECRETS_PER_MINUTE, msg)


def site(request: web.Request, trusted: Sequence[Network]) -> str:
    """What the sender of *request* is counted under; *trusted*: proxies that are believed."""
    forwarded = request.headers.getall("X-Forwarded-For", ()) if trusted else ()
    return site_of(sender_address(request.remote, forwarded, trusted))
