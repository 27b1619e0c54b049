"""Buckets that fill steadily: how often something may happen a minute, and when it may again."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """*per_minute* may happen in a minute, *burst* at once. Moments: seconds of any clock.

    *burst* 0: as many at once as in a minute.
    """

    per_minute: int
    level: float
    at: float
    burst: int = 0

    @classmethod
    def full(cls, per_minute: int, now: float, burst: int = 0) -> "Bucket":
        """One of which nothing was taken."""
        return cls(per_minute, float(burst or per_minute), now, burst)

    def take(self, now: float) -> float:
        """Take one and give 0; where there is none, give the seconds until there is."""
        wait = self.wait(now)
        if not wait:
            self.level -= 1
        return wait

    def wait(self, now: float) -> float:
        """The seconds until there is one; 0: now. It is not taken."""
        self._fill(now)
        return 0.0 if self.level >= 1 else (1 - self.level) * 60 / self.per_minute

    def is_full(self, now: float) -> bool:
        """Whether it is as if nothing was ever taken."""
        self._fill(now)
        return self.level >= (self.burst or self.per_minute)

    def charge(self, more: int) -> None:
        """Take *more* without asking; below zero gives back. What is owed is waited for."""
        self.level -= more

    def _fill(self, now: float) -> None:
        self.level += max(0.0, now - self.at) * self.per_minute / 60
        self.level, self.at = min(self.level, float(self.burst or self.per_minute)), now
