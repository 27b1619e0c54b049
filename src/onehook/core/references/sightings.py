"""Which things the gateway has seen: the proof that what a text names is really there."""

from collections.abc import Iterable
from hashlib import blake2b

FINGERPRINT = 8  # bytes: two things of a store share one with a chance of about 10^-6
MAX_SEEN = 100_000  # things remembered, the latest; some 8 MB


def fingerprint(text: str) -> bytes:
    """A short stand-in for *text*, the same in every process."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=FINGERPRINT).digest()


class Sightings:
    """The urns of the things that webhooks were about: the latest, as fingerprints.

    Two generations: a new thing goes into the younger one, and when that is full it becomes the
    older one. So what is still talked of stays, and nothing has to be sorted.
    """

    __slots__ = ("_older", "_younger", "limit")

    def __init__(self, limit: int = MAX_SEEN) -> None:
        self.limit = limit
        self._younger: set[bytes] = set()
        self._older: set[bytes] = set()

    def take(self, fingerprints: Iterable[bytes]) -> None:
        """Webhooks were about things of these *fingerprints*, here or at another gateway."""
        for one in fingerprints:
            if one not in self._younger:
                if len(self._younger) * 2 >= self.limit:
                    self._older, self._younger = self._younger, set()
                self._younger.add(one)

    def holds(self, urn: str) -> bool:
        """Whether the thing called *urn* was seen; False also if it was too long ago."""
        one = fingerprint(urn)
        return one in self._younger or one in self._older
