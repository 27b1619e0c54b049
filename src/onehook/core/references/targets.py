"""What an event talks of, thing by thing: how sure it is, and one entry for each thing."""

from dataclasses import dataclass, field

from onehook.core.jsontext import JsonValue, number

# Certainty in hundredths, and where a key stands (`schema.md` §5).
STATED = 100
BRANCH = TITLE = 90
COMMIT = 85
TEXT = 75
UNKNOWN_PREFIX = 40
NUMBERED = 90
CATALOGUED = 95
LINKED = 95
CLOSING, CLOSING_BARE = 95, 90
PATHED = 90
BARE = 60
TWO_FIELDS, MOST = 5, 97
TWO_CLAIMANTS = -20
VERIFIED = 95
_CONFIDENCE = tuple(number(points / 100) for points in range(101))
_METHODS = {"native": 3, "url": 2, "keyword": 1, "key": 0}  # the surer one of two alike
_PLAIN = ("mentions", "unknown")  # relations that any other one is better than


def confidence(points: int) -> JsonValue:
    """*points* hundredths as a reference states them."""
    return _CONFIDENCE[points]


@dataclass(slots=True)
class Target:
    """One thing that is talked of, as far as the event says."""

    type: str
    key: str
    urn: str | None
    url: str | None
    relation: str
    method: str
    match: str | None
    points: int
    fields: list[str] = field(default_factory=list[str])
    verified: bool = False

    def merge(self, other: "Target") -> None:
        """Take what *other* says of the same thing, the surer one's word first."""
        ours, theirs = (self.points, _METHODS[self.method]), (other.points, _METHODS[other.method])
        first, second = (self, other) if ours >= theirs else (other, self)
        typed = second if first.urn is None and second.urn is not None else first
        if typed.type == "unknown":
            typed = second if typed is first else first
        related = second if first.relation in _PLAIN and second.relation not in _PLAIN else first
        self.type, self.relation = typed.type, related.relation
        self.key, self.urn = first.key, first.urn or second.urn
        self.url, self.match = first.url or second.url, first.match or second.match
        self.method, self.points = first.method, first.points
        self.fields += [name for name in other.fields if name not in self.fields]

    def certainty(self) -> int:
        """In hundredths, with what a second field or having seen the thing adds."""
        points = self.points
        if points < MOST and len(self.fields) > 1:
            points = min(MOST, points + TWO_FIELDS)
        return max(points, VERIFIED) if self.verified else points

    def reference(self) -> dict[str, JsonValue]:
        """In the form and order of :class:`onehook.core.schema.common.Reference`."""
        return {
            "type": self.type,
            "key": self.key,
            "urn": self.urn,
            "url": self.url,
            "relation": self.relation,
            "method": self.method,
            "found_in": list(self.fields),
            "match": self.match,
            "confidence": confidence(self.certainty()),
            "verified": self.verified,
        }
