"""A bucket of tokens: how often something may happen. The time is always an argument."""

from onehook.core.flow import RateLimit


class Bucket:
    """Holds up to ``burst`` tokens and gains ``per_minute``; what happens takes one.

    *now* is in seconds of any clock that does not go back.
    """

    __slots__ = ("_at", "_tokens", "limit")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self.limit = limit
        self._tokens = float(limit.burst)
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0.0: there is one."""
        self._refill(now)
        return max(0.0, 1.0 - self._tokens) * 60 / self.limit.per_minute

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or the seconds until there is one."""
        wait = self.wait(now)
        if not wait:
            self._tokens -= 1.0
        return wait

    def is_full(self, now: float) -> bool:
        """Whether it is as if it had never been used."""
        self._refill(now)
        return self._tokens >= self.limit.burst

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._at) * self.limit.per_minute / 60
        self._tokens = min(float(self.limit.burst), self._tokens + gained)
        self._at = now
