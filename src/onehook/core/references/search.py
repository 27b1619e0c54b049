"""The search of one event: its targets so far, and whose a name is."""

from collections.abc import Mapping

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.limits import MAX_REFERENCES
from onehook.core.references.knowledge import Claim, Knowledge, Site, Sites
from onehook.core.references.subject import Subject
from onehook.core.references.targets import TWO_CLAIMANTS, UNKNOWN_PREFIX, Target
from onehook.core.references.texts import Joined

MAX_MATCHES = 1000  # of one pattern in an event
_FAINT = UNKNOWN_PREFIX + 5  # in two fields, which is the most that such a key can come to


class Search:
    """What one event talks about, by key and site."""

    __slots__ = ("_data", "_faint", "_subject", "_threshold", "event_type", "knowledge", "targets")

    def __init__(
        self,
        data: Mapping[str, JsonValue],
        event_type: str,
        knowledge: Knowledge,
        threshold: float,
    ) -> None:
        self._data, self.event_type, self.knowledge = data, event_type, knowledge
        self._threshold = threshold
        self._subject: Subject | None = None
        self._faint: list[tuple[str, str, int, Joined]] = []
        self.targets: dict[tuple[str, str], Target] = {}

    @property
    def subject(self) -> Subject:
        """Worked out when there is something to compare it with: most texts name nothing."""
        if self._subject is None:
            self._subject = Subject(self._data, self.knowledge)
        return self._subject

    def add(self, target: Target, site: str = "") -> None:
        """Take *target*; *site* names where it lives, "" if nobody can tell."""
        if self.subject.is_it(target):
            return
        at = (target.key.lower(), site)
        known = self.targets.setdefault(at, target)
        if known is not target:
            known.merge(target)

    @property
    def wants_faint(self) -> bool:
        """Whether a key of an unknown prefix counts by itself: below any usual threshold."""
        return self._threshold <= _FAINT / 100

    def add_faint(self, key: str, match: str, start: int, joined: Joined) -> None:
        """Take a *key* of an unknown prefix: it counts only beside a surer word of the same.

        Texts are full of these, so what it says is made when there is such a word.
        """
        self._faint.append((key, match, start, joined))

    def found(self) -> list[JsonValue]:
        """The references, the surest first."""
        if not self.targets:
            return []
        for key, match, start, joined in self._faint:
            if (known := self.targets.get((key.lower(), ""))) is not None:
                points, named = UNKNOWN_PREFIX, [joined.at(start)[0]]
                known.merge(
                    Target("ticket", key, None, None, "mentions", "key", match, points, named)
                )
        if len(self.targets) > 1:
            self._join()
        self._verify()
        kept = [t for t in self.targets.values() if t.certainty() / 100 >= self._threshold]
        kept.sort(key=lambda target: -target.certainty())
        return [target.reference() for target in kept[:MAX_REFERENCES]]

    def _join(self) -> None:
        """A key without a site is the one with a site, if the event names just one such."""
        sites: dict[str, list[Target]] = {}
        for (key, site), target in self.targets.items():
            if site:
                sites.setdefault(key, []).append(target)
        for key, some in sites.items():
            if len(some) == 1 and (loose := self.targets.pop((key, ""), None)) is not None:
                some[0].merge(loose)

    def _verify(self) -> None:
        """Say of which targets webhooks were about."""
        holds = self.knowledge.sightings.holds
        for target in self.targets.values():
            # A number of a public catalogue means the same everywhere, without a urn.
            name = target.key if target.type == "vulnerability" else None
            name = target.urn or name
            target.verified = name is not None and holds(name)

    # -- whose a name is -----------------------------------------------------------------------

    def choose(self, sites: Sites) -> tuple[Site | None, int]:
        """Who is meant, and what not being sure takes off. A text means its own site first."""
        if len(sites) < 2:
            return (sites[0] if sites else None), 0
        own = self.subject.site
        if own is not None and any(site.name == own.name for site in sites):
            return own, 0
        return None, TWO_CLAIMANTS

    def choose_claim(self, claims: tuple[Claim, ...]) -> tuple[Claim | None, int]:
        """Whose ticket is meant; of two on one site, that of the event's own workspace."""
        if len(claims) < 2:
            return (claims[0] if claims else None), 0
        own, urn = self.subject.site, self.subject.urn
        near = [c for c in claims if own is not None and c.site.name == own.name]
        if len(near) > 1 and urn is not None:
            near = [c for c in near if c.stem is not None and urn.startswith(c.stem)]
        return (near[0], 0) if len(near) == 1 else (None, TWO_CLAIMANTS)

    def owner(self, sign: str) -> tuple[Site | None, int]:
        """Who is meant by ``path#1`` or ``path!1``."""
        own = self.subject.site
        if own is not None and sign in self.knowledge.links_of(own.platform).signs:
            return own, 0
        return self.choose(self.knowledge.with_sign(sign))

    def settle(
        self, types: tuple[str, ...], site: Site | None, path: str | None
    ) -> tuple[str, str | None]:
        """Type and urn of a thing that may be one of *types*: of one that was seen, else the first.

        A site may count tickets and pull requests together, so that their name does not tell.
        """
        usual = types[0]
        if site is None or path is None:
            return usual, None
        for type_ in types if len(types) > 1 else ():
            urn = None if type_ == "unknown" else site.urn(type_, path)
            if urn is not None and self.knowledge.sightings.holds(urn):
                return type_, urn
        return usual, None if usual == "unknown" else site.urn(usual, path)
