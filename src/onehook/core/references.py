"""Which other things an event talks about: tickets, pull requests, commits, incidents, findings.

:func:`find` reads the texts of a unified event and gives the references of `schema.md` §5, those
that the mapping stated among them. :func:`keys_of` says under which keys the event stands in the
cross-tool timeline. What is known of the configured integrations comes as a :class:`Knowledge`.

Patterns are bounded and begin with a set of characters or a literal, so the time is linear in
the text, and there are limits on how much text and how many matches of an event are looked at.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias, get_args
from urllib.parse import unquote

from onehook.core.jsontext import JsonValue, number
from onehook.core.mapping.context import Context
from onehook.core.mapping.limits import MAX_REFERENCES
from onehook.core.model import Headers
from onehook.core.schema.base import MAX_TEXT, Model, fields_of
from onehook.core.schema.ci import Build, Deployment
from onehook.core.schema.common import Reference
from onehook.core.schema.events import EVENT_TYPES
from onehook.core.schema.scm import Branch, PullRequest, Push
from onehook.core.schema.security import Alert, Scan

THRESHOLD = 0.60  # what is less certain is not shown
MAX_KEYS = 60  # of one event in the timeline
MAX_KEY_LENGTH = 512  # characters of a timeline key: longer ones are no use to anybody
MAX_SEARCHED = 256 * 1024  # characters of an event's texts: more than it may hold as a whole
MAX_MATCHES = 1000  # of one pattern in an event

# Certainty in hundredths, and where a key stands (`schema.md` §5).
_STATED = 100
_BRANCH = _TITLE = 90
_COMMIT = 85
_TEXT = 75
_UNKNOWN_PREFIX = 40
_NUMBERED = 90
_CATALOGUED = 95
_LINKED = 95
_CLOSING, _CLOSING_BARE = 95, 90
_PATHED = 90
_BARE = 60
_TWO_FIELDS, _MOST = 5, 97
_TWO_CLAIMANTS = -20
_CONFIDENCE = tuple(number(points / 100) for points in range(101))
_METHODS = {"native": 3, "url": 2, "keyword": 1, "key": 0}  # the surer one of two alike

_PLACES = {
    "title": _TITLE,
    "description": _TEXT,
    "body": _TEXT,
    "resolution_note": _TEXT,
    "message": _COMMIT,
}
# Fields that may link to something else. The url of other models is the thing's own page.
_LINKS: dict[type[Model], tuple[str, ...]] = {
    Build: ("url",),
    Deployment: ("url", "environment_url"),
    Scan: ("url",),
    Alert: ("url",),
}
_SILENT = ("identity.", "integration.")  # a person's title is no title of a thing

_TYPES = frozenset[str](get_args(Reference.model_fields["type"].annotation))
_RELATIONS = frozenset[str](get_args(Reference.model_fields["relation"].annotation))
_PLAIN = ("mentions", "unknown")  # relations that any other one is better than

# Prefixes of numbers without a hyphen, the type of thing, and whose they are.
# Source: ServiceNow, "Number maintenance" (table sys_number); a task number has 7 digits or more.
_NUMBERS = {
    "INC": "incident",
    "CHG": "ticket",
    "PRB": "ticket",
    "RITM": "ticket",
    "REQ": "ticket",
    "SCTASK": "ticket",
}
_NUMBERS_PLATFORM = "servicenow"
# What a platform calls by path and sign. GitHub counts issues and pull requests together, so `#`
# does not tell which one it is. Sources: GitHub, "Autolinked references and URLs"; GitLab,
# "GitLab-specific references".
_SIGNS: dict[str, dict[str, str]] = {
    "github": {"#": "unknown"},
    "bitbucket": {"#": "unknown"},
    "gitlab": {"#": "ticket", "!": "pull_request"},
}
_ANY_SIGNS = {"#": "unknown"}  # of a repository elsewhere
_SIGN_TYPES = {"#": "unknown", "!": "pull_request"}  # if nobody can be asked
# fmt: off
_NEVER = frozenset({
    "UTF", "SHA", "MD", "AES", "RSA", "TLS", "HTTP", "ISO", "RFC", "IEEE", "EN", "DIN", "CVE",
    "CWE", "GPT", "COVID", "UTC",
})
# fmt: on

# Pages of things below a repository: the type, and the sign between its path and its number.
_PAGES = {
    "pull": ("pull_request", "#"),
    "pull-requests": ("pull_request", "#"),
    "merge_requests": ("pull_request", "!"),
    "issues": ("ticket", "#"),
    "work_items": ("ticket", "#"),
    "commit": ("commit", "@"),
    "commits": ("commit", "@"),
}
_TABLES = {  # of ServiceNow; others hold things that we do not know
    "incident": "incident",
    "problem": "ticket",
    "change_request": "ticket",
    "sc_request": "ticket",
    "sc_req_item": "ticket",
    "sc_task": "ticket",
}

# ASCII is spelled out: \d and \w would take every script's digits and letters.
_END = "(?![A-Za-z0-9_])"
_KEY = r"[A-Z][A-Z0-9_]{1,9}-[1-9][0-9]{0,6}"
_SEGMENT = "[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}"
_PATH = f"(?:{_SEGMENT}/){{1,9}}?{_SEGMENT}"  # the shortest: pull/42/commits is below pull/42
# A key of §5, CVE and GHSA, or letters and digits. "No letter, digit, _ or - before it" is asked
# after the first letter: `re` finds a first letter fast, and tries a lookbehind everywhere.
_KEYS = (
    "[A-Z](?<![A-Za-z0-9_-][A-Z])(?:(?<=C)VE-[0-9]{4}-[0-9]{4,7}|(?<=G)HSA(?:-[A-Za-z0-9]{4}){3}"
    rf"|[A-Z0-9_]{{1,9}}-[1-9][0-9]{{0,6}}|[A-Z]{{2,5}}[0-9]{{7,15}}){_END}"
)
_IN_TEXT = re.compile(_KEYS)
_IN_BRANCH = re.compile(_KEYS, re.IGNORECASE | re.ASCII)
_WHOLE_KEY = re.compile(_KEY, re.IGNORECASE | re.ASCII)
_SIGNED = re.compile(f"([#!])([1-9][0-9]{{0,6}}){_END}")
_WHOLE_SIGNED = re.compile(f"({_PATH})([#!])([1-9][0-9]{{0,6}})")
_BACKWARDS = re.compile("[A-Za-z0-9_./-]{0,200}")  # the path before a sign, from its end
_WHOLE_PATH = re.compile(_PATH)
_CLOSES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?):?[ \t]{1,3}\Z", re.IGNORECASE
)
_URL = re.compile(
    r"https?://([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?((?:[/?][^\s<>\"'`()\[\]{}|\\^]{0,2000})?)"
)
_BROWSE = re.compile(f"(?:/[^/?#]{{1,100}}){{0,3}}/browse/({_KEY}){_END}")
_PAGE = re.compile(
    rf"/({_PATH})(?:/-)?/({'|'.join(_PAGES)})/([0-9a-f]{{7,64}}|[1-9][0-9]{{0,6}}){_END}"
)
_INCIDENT = re.compile(f"/incidents/([A-Za-z0-9]{{4,32}}){_END}")
_SYS_ID = re.compile(rf"sys_id(?:=|%3[Dd])([0-9a-f]{{32}}){_END}")
_TABLE = re.compile(r"(?:/|=|%2[Ff])([a-z_]{1,40})\.do(?:\?|%3[Ff])")
_AFTER = re.compile(r"[#\s].*", re.DOTALL)  # what follows an address
_BLANK_SIGNS = str.maketrans("#!", "  ")


@dataclass(frozen=True, slots=True)
class KnownIntegration:
    """What is known of a configured integration.

    *host* is the one in its urns and links, without port; None until it is known, and then no urn
    is built. *prefixes* are those of its ticket keys. *urn_case* is its mapping's: lower, upper
    or keep.
    """

    id: str
    platform: str
    host: str | None
    prefixes: frozenset[str]
    urn_case: str


class _Site:
    """A place that things live in: one platform on one host."""

    __slots__ = ("_context", "name", "platform")

    def __init__(self, name: str, platform: str, host: str | None, urn_case: str) -> None:
        self.name, self.platform = name, platform
        self._context = (
            None if host is None else Context(None, Headers(), {}, platform, host, urn_case)
        )

    def urn(self, entity: str, path: Sequence[str]) -> str | None:
        """The urn that the mapping gives the same thing; None if the host is not known."""
        return None if self._context is None else self._context.urn(entity, list(path))

    def fold(self, path: str) -> str:
        """*path* as a key spells it."""
        lower = self._context is not None and self._context.fold == "lower"
        return path.lower() if lower else path


_Sites: TypeAlias = tuple[_Site, ...]


class Knowledge:
    """The configured integrations, by everything that a text can name them with.

    Integrations of one platform and host are one claimant: both mean the same thing.
    """

    def __init__(self, integrations: Iterable[KnownIntegration] = ()) -> None:
        self._hosts: dict[str, _Sites] = {}
        self._prefixes: dict[str, _Sites] = {}
        self._signs: dict[str, _Sites] = {}
        self._cases: dict[str, str] = {}
        self._sites: dict[str, _Site] = {}
        self.numbers: _Sites = ()  # who may mean INC0010023
        for known in integrations:
            self._take(known)

    def _take(self, known: KnownIntegration) -> None:
        host = known.host.lower() if known.host else None
        name = f"{known.platform}:{host}" if host else f"{known.platform}:?{known.id}"
        site = self._sites.get(name) or _Site(name, known.platform, host, known.urn_case)
        self._sites[name] = site
        self._cases.setdefault(known.platform, known.urn_case)
        if host:
            _append(self._hosts, host, site)
        for prefix in known.prefixes:
            _append(self._prefixes, prefix.upper(), site)
        for sign in _SIGNS.get(known.platform, ()):
            _append(self._signs, sign, site)
        if known.platform == _NUMBERS_PLATFORM and site not in self.numbers:
            self.numbers = (*self.numbers, site)

    def at(self, host: str) -> _Sites:
        """Who is at *host*, which is in lower case."""
        return self._hosts.get(host, ())

    def with_prefix(self, prefix: str) -> _Sites | None:
        """Who has tickets with that upper-case *prefix*; None if it is not known."""
        return self._prefixes.get(prefix)

    def with_sign(self, sign: str) -> _Sites:
        """Who calls things ``path#1`` or ``path!1``."""
        return self._signs.get(sign, ())

    def home(self, urn: JsonValue) -> _Site | None:
        """Where the thing called *urn* lives; None if its platform is not configured."""
        parts = urn.split(":", 4) if isinstance(urn, str) else []
        if len(parts) < 5:
            return None
        platform, host = parts[1], unquote(parts[2])
        name = f"{platform}:{host.lower()}"
        case = self._cases.get(platform)
        if name in self._sites or case is None:
            return self._sites.get(name)
        return _Site(name, platform, host, case)


def _append(index: dict[str, _Sites], key: str, site: _Site) -> None:
    if site not in index.get(key, ()):
        index[key] = (*index.get(key, ()), site)


def prefix_of(key: str) -> str | None:
    """The prefix that a ticket's *key* teaches: ``PAY`` of ``PAY-311``; None if it has none."""
    return key.partition("-")[0].upper() if _WHOLE_KEY.fullmatch(key) else None


def find(
    data: Mapping[str, JsonValue],
    event_type: str,
    knowledge: Knowledge,
    threshold: float = THRESHOLD,
) -> list[dict[str, JsonValue]]:
    """The references of an event, the surest first, in the form of :class:`Reference`.

    *data* is the event's, with the native references of its mapping; others in it are found
    anew, so a second call gives the same. What is less certain than *threshold* is left out, and
    so is what the event is itself about. Never raises, whatever the texts hold.
    """
    search = _Search(data, event_type, knowledge)
    stated = data.get("references")
    if isinstance(stated, list) and stated:
        search.stated(stated)
    plan = _PLANS.get(event_type)
    if plan is not None:
        search.texts(plan.texts(data))
        for name, branch in plan.branches(data):
            search.branch(name, branch)
        for name in plan.links:
            if isinstance(link := data.get(name), str):
                search.link(name, link[:MAX_TEXT])
    return search.found(threshold) if search.targets else []


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which fields of a model are searched."""

    places: tuple[tuple[str, int], ...]
    names: tuple[str, ...]  # of a branch
    links: tuple[str, ...]
    pull_request: bool
    push: bool

    def texts(self, data: Mapping[str, JsonValue]) -> Iterator[tuple[str, int, str]]:
        """Field, certainty of a key in it, text."""
        if self.push:
            yield from _commits(data)
            return
        for name, points in self.places:
            text = data.get(name)
            if isinstance(text, str) and text:
                yield name, points, text

    def branches(self, data: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
        """Field and branch name."""
        for name in self.names:
            if isinstance(branch := data.get(name), str):
                yield name, branch
        if self.pull_request:
            for side in ("source", "target"):
                end = data.get(side)
                if isinstance(end, dict) and isinstance(branch := end.get("branch"), str):
                    yield f"{side}.branch", branch


def _commits(data: Mapping[str, JsonValue]) -> Iterator[tuple[str, int, str]]:
    """The messages of a push. Its own is the head's and a title the first line: each text once.

    Else a key would be found in two fields, and pass for surer, because it was copied.
    """
    seen: set[str] = set()
    commits = data.get("commits")
    holders = commits if isinstance(commits, list) else []
    for prefix, holder in (*(("commits.", commit) for commit in holders), ("", data)):
        if not isinstance(holder, Mapping):
            continue
        for name in ("message", "title"):
            text = holder.get(name)
            if isinstance(text, str) and text not in seen:
                seen |= {text, text.strip().partition("\n")[0].rstrip()}
                yield f"{prefix}{name}", _COMMIT, text


def _plan(model: type[Model]) -> _Plan:
    names = fields_of(model)
    return _Plan(
        tuple((name, points) for name, points in _PLACES.items() if name in names),
        ("name",) if model is Branch else ("branch",) if "branch" in names else (),
        _LINKS.get(model, ()),
        model is PullRequest,
        model is Push,
    )


_PLANS = {
    type_: _plan(model) for type_, model in EVENT_TYPES.items() if not type_.startswith(_SILENT)
}


@dataclass(slots=True)
class _Target:
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

    def merge(self, other: "_Target") -> None:
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
        """In hundredths, with what a second field adds."""
        if self.points < _MOST and len(self.fields) > 1:
            return min(_MOST, self.points + _TWO_FIELDS)
        return self.points

    def reference(self) -> dict[str, JsonValue]:
        """In the form and order of :class:`Reference`."""
        return {
            "type": self.type,
            "key": self.key,
            "urn": self.urn,
            "url": self.url,
            "relation": self.relation,
            "method": self.method,
            "found_in": list(self.fields),
            "match": self.match,
            "confidence": _CONFIDENCE[self.certainty()],
            "verified": False,
        }


@dataclass(frozen=True, slots=True)
class _Self:
    """What the event is about, and what that belongs to: not what it talks about."""

    id: str | None  # a sys_id may be in a link
    keys: frozenset[str]  # in lower case
    urns: frozenset[str]
    pages: tuple[str, ...]
    site: _Site | None
    repository: str | None

    def is_it(self, target: _Target) -> bool:
        """Whether *target* is the event's own thing.

        The same key under another urn is something else only if the source or a link says so: a
        key in a text means the one at hand.
        """
        if target.urn is not None and target.urn in self.urns:
            return True
        if target.urn is not None and target.method in ("native", "url"):
            return False
        if target.key.lower() in self.keys or (target.method == "url" and target.key == self.id):
            return True
        return target.url is not None and _page_key(target.url) in map(_page_key, self.pages)


def _itself(data: Mapping[str, JsonValue], knowledge: Knowledge) -> _Self:
    keys, urns, pages = _names(data)
    id_ = data.get("id")
    return _Self(
        id_ if isinstance(id_, str) else None,
        frozenset(key.lower() for key in keys),
        frozenset(urns),
        tuple(pages),
        knowledge.home(data.get("urn")),
        _repository(data),
    )


def _names(data: Mapping[str, JsonValue]) -> tuple[list[str], list[str], list[str]]:
    """Keys, urns and pages of the event's thing, then of what a review or comment belongs to."""
    keys: list[str] = []
    urns: list[str] = []
    pages: list[str] = []
    holders = [data.get(name) for name in ("pull_request", "ticket", "incident")]
    for thing in (data, *holders):
        if isinstance(thing, Mapping):
            for name, names in (("key", keys), ("urn", urns), ("url", pages)):
                if isinstance(value := thing.get(name), str) and value:
                    names.append(value)
    identifiers = data.get("identifiers")
    for label in identifiers if isinstance(identifiers, list) else ():
        if isinstance(label, dict) and label.get("type") in ("cve", "ghsa"):
            value = label.get("value")
            keys += [value] if isinstance(value, str) and value else []
    return keys, urns, pages


def _repository(data: Mapping[str, JsonValue]) -> str | None:
    """The path of the repository that the event is in."""
    repository, project = data.get("repository"), data.get("project")
    if isinstance(repository, dict) and isinstance(path := repository.get("full_name"), str):
        return path
    if isinstance(project, dict) and isinstance(path := project.get("key"), str):
        urn = project.get("urn")
        return path if isinstance(urn, str) and ":repository:" in urn else None
    return None


class _Search:
    """The search of one event: its targets so far, by key and site."""

    __slots__ = ("_data", "_event_type", "_itself", "_knowledge", "targets")

    def __init__(
        self, data: Mapping[str, JsonValue], event_type: str, knowledge: Knowledge
    ) -> None:
        self._data, self._event_type, self._knowledge = data, event_type, knowledge
        self._itself: _Self | None = None
        self.targets: dict[tuple[str, str], _Target] = {}

    @property
    def itself(self) -> _Self:
        """Worked out when there is something to compare it with: most texts name nothing."""
        if self._itself is None:
            self._itself = _itself(self._data, self._knowledge)
        return self._itself

    def found(self, threshold: float) -> list[dict[str, JsonValue]]:
        """The references, the surest first."""
        self._fold()
        kept = [t for t in self.targets.values() if t.certainty() / 100 >= threshold]
        kept.sort(key=lambda target: -target.certainty())
        return [target.reference() for target in kept[:MAX_REFERENCES]]

    def _fold(self) -> None:
        """A key without a site is the one with a site, if the event names just one such."""
        sites: dict[str, list[_Target]] = {}
        for (key, site), target in self.targets.items():
            if site:
                sites.setdefault(key, []).append(target)
        for key, some in sites.items():
            if len(some) == 1 and (loose := self.targets.pop((key, ""), None)) is not None:
                some[0].merge(loose)

    def _add(self, target: _Target, site: _Site | None) -> None:
        if self.itself.is_it(target):
            return
        at = (target.key.lower(), site.name if site else "")
        known = self.targets.setdefault(at, target)
        if known is not target:
            known.merge(target)

    def _choose(self, claimants: _Sites) -> tuple[_Site | None, int]:
        """Who is meant, and what not being sure takes off. A text means its own site first."""
        if len(claimants) < 2:
            return (claimants[0] if claimants else None), 0
        own = self.itself.site
        if own is not None and any(site.name == own.name for site in claimants):
            return own, 0
        return None, _TWO_CLAIMANTS

    # -- what the mapping states ---------------------------------------------------------------

    def stated(self, references: Sequence[JsonValue]) -> None:
        """Take the native references, with their urn where an integration can be told."""
        for item in references:
            if not isinstance(item, dict) or item.get("method") != "native":
                continue
            key, url, type_ = item.get("key"), item.get("url"), item.get("type")
            relation, match, fields = item.get("relation"), item.get("match"), item.get("found_in")
            if not isinstance(key, str) or not key:
                continue
            target = _Target(
                type_ if isinstance(type_, str) and type_ in _TYPES else "unknown",
                key,
                None,
                url if isinstance(url, str) and url else None,
                relation if isinstance(relation, str) and relation in _RELATIONS else "unknown",
                "native",
                match if isinstance(match, str) else None,
                _STATED,
                [f for f in fields if isinstance(f, str)] if isinstance(fields, list) else [],
            )
            self._add(target, self._complete(target))

    def _complete(self, target: _Target) -> _Site | None:
        """Give a native *target* its key's usual spelling, and its urn if its site is known."""
        link = _URL.match(target.url[:MAX_TEXT]) if target.url else None
        site = self._site_of(target, link)
        signed = _WHOLE_SIGNED.fullmatch(target.key)
        if signed is not None:
            path = site.fold(signed[1]) if site else signed[1]
            target.key, parts = f"{path}{signed[2]}{signed[3]}", [path, signed[3]]
        else:
            target.key = target.key.upper() if _WHOLE_KEY.fullmatch(target.key) else target.key
            parts = [target.key]
        if site is not None and target.type in ("ticket", "pull_request", "incident"):
            target.urn = site.urn(target.type, parts)
        return site

    def _site_of(self, target: _Target, link: re.Match[str] | None) -> _Site | None:
        """Whose a native reference is: its link says it, or its key, or the source means itself."""
        if link is not None:
            sites = self._knowledge.at(link[1].lower())
            own = self.itself.site
            if not sites and own is not None and own.name == f"{own.platform}:{link[1].lower()}":
                return own
            return self._choose(sites)[0]
        key = target.key
        if prefix := prefix_of(key):
            if (claimants := self._knowledge.with_prefix(prefix)) is not None:
                return self._choose(claimants)[0]
        elif key.rstrip("0123456789") in _NUMBERS:
            return self._choose(self._knowledge.numbers)[0]
        elif (signed := _WHOLE_SIGNED.fullmatch(key)) is not None:
            return self._owner(signed[2])[0]
        home = {"ticket": "ticketing.", "incident": "incidents."}.get(target.type)
        return self.itself.site if home and self._event_type.startswith(home) else None

    def _owner(self, sign: str) -> tuple[_Site | None, int]:
        """Who is meant by ``path#1`` or ``path!1``."""
        own = self.itself.site
        if own is not None and sign in _SIGNS.get(own.platform, ()):
            return own, 0
        return self._choose(self._knowledge.with_sign(sign))

    # -- what the texts say --------------------------------------------------------------------

    def texts(self, texts: Iterable[tuple[str, int, str]]) -> None:
        """Search all *texts* in one go: (field, certainty of a key in it, text)."""
        place = _Place(texts)
        joined = place.joined
        if "://" in joined:
            joined = self._links(joined, place)
        for found in islice(_IN_TEXT.finditer(joined), MAX_MATCHES):
            self._key(found, joined, *place.at(found.start()))
        if "#" in joined or "!" in joined:
            for found in islice(_SIGNED.finditer(joined), MAX_MATCHES):
                self._signed(found, joined, place)

    def branch(self, name: str, branch: str) -> None:
        """Search a branch's name, in which keys may stand in lower case."""
        for found in islice(_IN_BRANCH.finditer(branch[:MAX_TEXT]), MAX_MATCHES):
            self._key(found, branch, name, _BRANCH)

    def link(self, name: str, url: str) -> None:
        """See whether a field that holds a link links to something."""
        found = _URL.match(url)
        if found is not None:
            self._link(found, name, "mentions")

    def _links(self, text: str, place: "_Place") -> str:
        """Take the links; blank them in *text*, and in other links what looks like a reference."""

        def blank(found: re.Match[str]) -> str:
            at = found.start()
            relation = "closes" if _closing(text, at) is not None else "mentions"
            if self._link(found, place.at(at)[0], relation):
                return " " * len(found[0])
            return found[0].translate(_BLANK_SIGNS)

        return _URL.sub(blank, text, count=MAX_MATCHES)

    def _link(self, found: re.Match[str], name: str, relation: str) -> bool:
        """Take a link, if it leads to a thing of a configured integration."""
        sites = self._knowledge.at(found[1].lower())
        page = _page(found[2]) if sites else None
        if page is None:
            return False
        site, taken = self._choose(sites)
        key = page.key(site.fold(page.path) if site else page.path)
        urn = site.urn(page.type, page.parts) if site and page.parts else None
        url = found[0][: found.start(2) - found.start() + page.end]
        points = _LINKED + taken
        target = _Target(page.type, key, urn, url, relation, "url", url, points, [name])
        self._add(target, site)
        return True

    def _key(self, found: re.Match[str], text: str, name: str, points: int) -> None:
        """Take ``PAY-311``, ``INC0010023``, ``CVE-2026-1`` if it is one."""
        whole = found[0]
        key = whole.upper()
        prefix, hyphen, rest = key.partition("-")
        site: _Site | None = None
        taken = 0
        type_ = "ticket"
        claimants: _Sites | None
        if "-" in rest:
            type_, points = "vulnerability", _CATALOGUED
            key = key if prefix == "CVE" else f"GHSA-{rest.lower()}"
        elif not hyphen:
            prefix = key.rstrip("0123456789")
            claimants = self._knowledge.numbers
            if prefix not in _NUMBERS or (whole != key and not claimants):
                return
            type_, points = _NUMBERS[prefix], _NUMBERED
            site, taken = self._choose(claimants)
        elif (claimants := self._knowledge.with_prefix(prefix)) is not None:
            site, taken = self._choose(claimants)
        elif whole != key or prefix in _NEVER or _goes_on(text, found.end()):
            return
        else:
            points = _UNKNOWN_PREFIX
        start = found.start()
        relation, method = "mentions", "key"
        if (keyword := _closing(text, start)) is not None:
            start, points, relation, method = keyword, _CLOSING, "closes", "keyword"
        urn = site.urn(type_, [key]) if site else None
        match = text[start : found.end()]
        target = _Target(type_, key, urn, None, relation, method, match, points + taken, [name])
        self._add(target, site)

    def _signed(self, found: re.Match[str], text: str, place: "_Place") -> None:
        """Take ``acme/payments#42``, ``acme/payments!42``, and bare ones in a repository."""
        sign, digits, start = found[1], found[2], found.start()
        if start and (text[start - 1].isalnum() or text[start - 1] in "_./-&#!\\"):
            path = _path_before(text, start)
            if path is None:
                return
            start -= len(path)
            site, points = self._owner(sign)
            points += _PATHED
            type_ = (_SIGNS.get(site.platform, _SIGN_TYPES) if site else _SIGN_TYPES)[sign]
            closing = _CLOSING
        else:
            own, site = self.itself.repository, self.itself.site
            signs = _SIGNS.get(site.platform, _ANY_SIGNS) if site else _ANY_SIGNS
            if own is None or sign not in signs:
                return
            path, type_, points, closing = own, signs[sign], _BARE, _CLOSING_BARE
        relation, method = "mentions", "key"
        if (keyword := _closing(text, start)) is not None:
            if type_ == "unknown":
                type_ = "ticket"
            taken = points - _PATHED if closing == _CLOSING else 0
            start, points, relation, method = keyword, closing + taken, "closes", "keyword"
        path = site.fold(path) if site else path
        urn = site.urn(type_, [path, digits]) if site and type_ != "unknown" else None
        match = text[start : found.end()]
        key = f"{path}{sign}{digits}"
        name = place.at(found.start())[0]
        self._add(_Target(type_, key, urn, None, relation, method, match, points, [name]), site)


class _Place:
    """Texts joined into one, and which of them a position is in."""

    __slots__ = ("_starts", "_texts", "joined")

    def __init__(self, texts: Iterable[tuple[str, int, str]]) -> None:
        self._texts: list[tuple[str, int, str]] = []
        self._starts: list[int] = []
        size = 0
        for name, points, text in texts:
            self._texts.append((name, points, text[:MAX_TEXT]))
            self._starts.append(size)
            size += min(len(text), MAX_TEXT) + 1
            if size > MAX_SEARCHED:
                break
        self.joined = "\n".join([text for _, _, text in self._texts])

    def at(self, position: int) -> tuple[str, int]:
        """The field's name, and how certain a key in it is."""
        name, points, _ = self._texts[bisect_right(self._starts, position) - 1]
        return name, points


def _closing(text: str, start: int) -> int | None:
    """Where the keyword before *start* begins; None if none stands there."""
    if start < 4 or text[start - 1] not in " \t":
        return None
    begin = max(0, start - 16)
    found = _CLOSES.search(text[begin:start])
    return None if found is None else begin + found.start()


def _goes_on(text: str, end: int) -> bool:
    """Whether ``-digit`` follows: a standard's part, or a date."""
    return text[end : end + 1] == "-" and text[end + 1 : end + 2].isdecimal()


def _path_before(text: str, start: int) -> str | None:
    """The repository's path that ends at *start*; None if what stands there is none."""
    found = _BACKWARDS.match(text[max(0, start - 200) : start][::-1])
    path = found[0][::-1] if found else ""
    return path if len(path) < 200 and _WHOLE_PATH.fullmatch(path) else None


@dataclass(frozen=True, slots=True)
class _Page:
    """What a link leads to. *parts* are the urn's, () if the link does not tell them."""

    type: str
    path: str  # of the repository, or the key itself
    rest: str  # what follows the path in the key
    parts: tuple[str, ...]
    end: int  # of the page itself: what follows are its tabs and anchors

    def key(self, path: str) -> str:
        """The thing's key, with the path as its site spells it."""
        return path + self.rest


def _page(path: str) -> _Page | None:
    """The thing whose page is at *path* with query; None if it is no such page."""
    if "/browse/" in path and (found := _BROWSE.match(path)):
        return _Page("ticket", found[1], "", (found[1],), found.end())
    if found := _PAGE.match(path):
        type_, sign = _PAGES[found[2]]
        digits = found[3]
        if type_ == "commit":
            parts = (found[1], digits) if len(digits) in (40, 64) else ()  # else cut short
            return _Page(type_, found[1], f"{sign}{digits}", parts, found.end())
        if digits.isdecimal():
            return _Page(type_, found[1], f"{sign}{digits}", (found[1], digits), found.end())
    if found := _INCIDENT.match(path):
        key = found[1].upper()
        return _Page("incident", key, "", (key,), found.end())
    if "sys_id" in path and (found := _SYS_ID.search(path)):
        pages = _TABLE.findall(path, 0, found.start())  # nav_to.do?uri=incident.do?sys_id=...
        type_ = _TABLES.get(pages[-1], "unknown") if pages else "unknown"
        return _Page(type_, found[1], "", (), found.end())  # a urn has the number
    return None


# -- the timeline ----------------------------------------------------------------------------------


def timeline_key(text: str) -> str:
    """A key, urn or URL as the timeline spells it; to be applied to what is asked for, too.

    A urn stays; a URL loses its anchor, and what follows the page of a thing; a key is in lower
    case, as nobody calls two things by one word in two cases.
    """
    text = text.strip()
    if text.startswith("oh:"):
        return text
    return _page_key(text) if text.startswith(("http://", "https://")) else text.lower()


def _page_key(url: str) -> str:
    url = _AFTER.sub("", url, count=1)
    found = _URL.match(url)
    if found is None:
        return url
    host = found[0][: found.start(2)].partition("://")[2].lower()
    page = _page(found[2])
    if page is not None and not page.parts and page.type != "commit":
        return f"https://{host}/?sys_id={page.path}"
    path = found[2][: page.end] if page else url[found.start(2) :]
    return f"https://{host}{path.rstrip('/')}"


def keys_of(
    references: Sequence[Mapping[str, JsonValue]], data: Mapping[str, JsonValue]
) -> list[str]:
    """Under which keys an event stands in the timeline: at most 60, as :func:`timeline_key`.

    Its own urn, key and URL, those of what it belongs to, then the keys, urns and URLs of its
    references: if they are too many, each of those keeps at least its key.
    """
    keys, urns, pages = _names(data)
    names = [*urns, *keys, *pages]
    for name in ("key", "urn", "url"):
        names += [value for item in references if isinstance(value := item.get(name), str)]
    # A number alone means another thing in every tool.
    spelled = (timeline_key(name) for name in names if not name.isdecimal())
    kept = dict.fromkeys(key for key in spelled if key and len(key) <= MAX_KEY_LENGTH)
    return list(kept)[:MAX_KEYS]
