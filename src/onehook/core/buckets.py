"""Buckets that fill steadily: how often something may happen a minute, and when it may again."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """*per_minute* may happen in a minute, and as many at once. Moments: seconds of any clock."""

    per_minute: int
    level: float
    at: float

    @classmethod
    def full(cls, per_minute: int, now: float) -> "Bucket":
        """One of which nothing was taken."""
        return cls(per_minute, float(per_minute), now)

    def take(self, now: float) -> float:
        """Take one and give 0; where there is none, give the seconds until there is."""
        self.level += (now - self.at) * self.per_minute / 60
        self.level, self.at = min(self.level, float(self.per_minute)), now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) * 60 / self.per_minute

    def charge(self, more: int) -> None:
        """Take *more* without asking; below zero gives back. What is owed is waited for."""
        self.level -= more
