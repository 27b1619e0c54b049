"""Who is let in: lists of addresses, budgets of failures, limits of one integration.

What it counts is in memory, of this gateway, and bounded. While nobody fails and nothing is
limited, a webhook costs it two look-ups.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec
import structlog
from multidict import CIMultiDictProxy

from onehook.core.addresses import Address, Network
from onehook.core.buckets import Bucket
from onehook.core.flow import RateLimit
from onehook.core.integration import Integration
from onehook.core.senders import is_listed, sender_address, site_of
from onehook.core.signatures import Unsigned
from onehook.errors import ForbiddenError, OnehookError, RateLimitedError, StoreUnavailableError

log = structlog.get_logger()

MAX_SITES = 10_000  # addresses that are remembered; then the oldest is forgotten
_COUNTED = frozenset({401, 403, 404})  # what a stranger who guesses is answered
_X_FORWARDED_FOR = "X-Forwarded-For"


class Caller(msgspec.Struct, frozen=True):
    """Where a request comes from, as far as it says.

    *remote*: the address at the other end of its connection.
    """

    remote: str | None
    headers: CIMultiDictProxy[str]


class Guard:
    """Lets requests in, and counts who failed.

    *trusted*: proxies whose X-Forwarded-For is believed. *failures*: refused requests of one
    address a minute, after which they are 429. *most*: requests of one integration at once.
    *monotonic* gives seconds that do not go back.
    """

    def __init__(
        self,
        trusted: Sequence[Network],
        failures: int,
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trusted, self._most, self._monotonic = tuple(trusted), most, monotonic
        self._budget = failures
        self._failing: dict[str, Bucket] = {}
        self._told: set[str] = set()  # of the failing: whose exhausted budget was logged
        self._proven: dict[str, None] = {}  # sent a verified webhook; a set in order
        self._rates: dict[str, Bucket] = {}
        self._in_flight: dict[str, int] = {}
        self._address = lru_cache(MAX_SITES)(self._find_address)
        self._site = lru_cache(MAX_SITES)(site_of)

    @property
    def sites(self) -> int:
        """How many addresses are remembered for having failed."""
        return len(self._failing)

    def enter(self, caller: Caller, integration: Integration) -> None:
        """Let a request in, before its body is read; :meth:`leave` has to follow.

        Raises:
            ForbiddenError: 403 ip_not_allowed.
            RateLimitedError: 429, its sender failed too often or its integration sent too much.
            StoreUnavailableError: 503 overloaded, too many of its integration are here already.
        """
        if integration.allow_from:
            self._check_address(caller, integration.allow_from)
        if self._failing:
            self._check_failures(caller)
        id_ = integration.info.id
        if integration.rate_limit is not None:
            _refuse_rate(self._rate(id_, integration.rate_limit).wait(self._monotonic()))
        here = self._in_flight.get(id_, 0)
        if here >= self._most:
            msg = f"{here} requests of this integration are being worked on: send it again"
            raise StoreUnavailableError(msg, code="overloaded", retry_after=1)
        self._in_flight[id_] = here + 1

    def leave(self, integration: Integration) -> None:
        """A request that was let in is answered."""
        id_ = integration.info.id
        left = self._in_flight[id_] - 1
        if left:
            self._in_flight[id_] = left
        else:
            del self._in_flight[id_]

    def verified(self, caller: Caller, integration: Integration) -> None:
        """A webhook was verified: its address is never shut out unheard."""
        if not isinstance(integration.scheme, Unsigned):
            site = self._site_of(caller)
            if site not in self._proven:
                _make_room(self._proven)
                self._proven[site] = None

    def admit(self, integration: Integration) -> None:
        """Count a verified webhook: forgers cannot use up what an integration may send.

        Raises:
            RateLimitedError: 429, the integration sent too much.
        """
        if integration.rate_limit is not None:
            bucket = self._rate(integration.info.id, integration.rate_limit)
            _refuse_rate(bucket.take(self._monotonic()))

    def judge(self, caller: Caller, error: OnehookError) -> OnehookError:
        """What to answer instead of *error*: 429 once its sender's budget is used up."""
        if error.status not in _COUNTED:
            return error
        site, now = self._site_of(caller), self._monotonic()
        bucket = self._failing.get(site)
        if bucket is None or bucket.is_full(now):
            self._told.discard(site)
            if bucket is None:
                self._told.discard(_make_room(self._failing))
                bucket = self._failing[site] = Bucket.full(self._budget, now)
        wait = bucket.take(now)
        if not wait:
            return error
        if site not in self._told:
            self._told.add(site)
            unread = _X_FORWARDED_FOR in caller.headers and not self._is_proxied(caller)
            # A proxy that is not named hides everybody behind one address.
            log.warning("sender.throttled", address=site, unread_forwarded_for=unread)
        return _too_many_failures(wait)

    def _check_address(self, caller: Caller, allowed: Sequence[Network]) -> None:
        address = self._address_of(caller)
        if address is None or not is_listed(address, allowed):
            shown = "unknown" if address is None else str(address)
            msg = f"the sender's address ({shown}) is not in this integration's allow_from"
            raise ForbiddenError(msg, code="ip_not_allowed")

    def _check_failures(self, caller: Caller) -> None:
        site = self._site_of(caller)
        bucket = self._failing.get(site)
        if bucket is None:
            return
        now = self._monotonic()
        if bucket.is_full(now):
            del self._failing[site]
            self._told.discard(site)
        # Behind a proxy or a vendor's gate forgers share an address with who is honest: there
        # only what fails is refused, once it has failed.
        elif site not in self._proven and (wait := bucket.wait(now)):
            raise _too_many_failures(wait)

    def _rate(self, id_: str, limit: RateLimit) -> Bucket:
        bucket = self._rates.get(id_)
        if bucket is None or (bucket.per_minute, bucket.burst) != (limit.per_minute, limit.burst):
            _make_room(self._rates)
            bucket = self._rates[id_] = Bucket.full(
                limit.per_minute, self._monotonic(), limit.burst
            )
        return bucket

    def _site_of(self, caller: Caller) -> str:
        return self._site(self._address_of(caller))

    def _address_of(self, caller: Caller) -> Address | None:
        if not self._trusted:  # nothing that a sender can vary comes into the cache
            return self._address(caller.remote, ())
        return self._address(caller.remote, tuple(caller.headers.getall(_X_FORWARDED_FOR, ())))

    def _find_address(self, peer: str | None, forwarded: tuple[str, ...]) -> Address | None:
        return sender_address(peer, forwarded, self._trusted)

    def _is_proxied(self, caller: Caller) -> bool:
        peer = self._address(caller.remote, ())
        return peer is not None and is_listed(peer, self._trusted)


def _make_room(table: dict[str, object] | dict[str, Bucket] | dict[str, None]) -> str:
    """Forget the oldest entry of a full *table*; its name, or nothing."""
    if len(table) < MAX_SITES:
        return ""
    oldest = next(iter(table))
    del table[oldest]
    return oldest


def _refuse_rate(wait: float) -> None:
    """Refuse what comes *wait* seconds too early.

    Raises:
        RateLimitedError: 429.
    """
    if wait:
        msg = "this integration sends more than its rate_limit allows"
        raise RateLimitedError(msg, retry_after=math.ceil(wait))


def _too_many_failures(wait: float) -> RateLimitedError:
    msg = "too many requests of this address were refused: check the URL and the secret"
    return RateLimitedError(msg, retry_after=math.ceil(wait))
