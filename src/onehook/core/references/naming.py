"""Which things an event names: itself, what it belongs to, what it talks about.

A thing has one *name* in the timeline, which its urn, its key and its page have in common:
``acme/payments/42`` for ``acme/payments#42``, the first seven digits for a commit. So the index
holds one entry for each thing that an event names, not one for each spelling.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote

from onehook.core.jsontext import JsonValue
from onehook.core.references.knowledge import Knowledge
from onehook.core.references.subject import PARTS, catalogued
from onehook.core.references.texts import PLANS
from onehook.core.references.urls import plain_url
from onehook.core.schema.base import Model, fields_of
from onehook.core.schema.events import EVENT_TYPES

MAX_NAME = 512  # characters: longer ones are no use to anybody
SHORT_SHA = 7  # digits: the fewest that people type
COMMIT = "commit"
Role = Literal["itself", "part", "reference"]
_SHAS = ("sha", "commit_sha", "merge_commit_sha")
_HELD_SHAS = (("source", "sha"), ("location", "commit_sha"))
_OWN_PAGE_IS_ANOTHER_S = frozenset({"comment", "review", "branch"})


class Named(NamedTuple):
    """A thing as one event names it. *id* and *url* are told of the event's own thing only.

    *reference* is the one that names it, in the form of ``schema.common.Reference``.
    """

    role: Role
    type: str
    urn: str | None
    key: str | None
    url: str | None = None
    id: str | None = None
    reference: Mapping[str, JsonValue] | None = None

    def sha(self) -> str | None:
        """The commit's, None if it is none."""
        if self.type != COMMIT:
            return None
        text = self.key or self.urn or ""
        return text.rpartition("@" if "@" in text else "/")[2].lower() or None


@dataclass(frozen=True, slots=True)
class _Outline:
    """Which fields of a model hold something that has a name."""

    parts: tuple[str, ...]  # what a comment or review is on
    shas: tuple[str, ...]
    held_shas: tuple[tuple[str, str], ...]  # below another field
    commits: bool
    requests: bool
    catalogued: bool


def _outline(model: type[Model]) -> _Outline:
    fields = fields_of(model)
    return _Outline(
        tuple(name for name in PARTS if name in fields),
        tuple(name for name in _SHAS if name in fields),
        tuple((holder, name) for holder, name in _HELD_SHAS if holder in fields),
        "commits" in fields,
        "pull_requests" in fields,
        "identifiers" in fields,
    )


# Events about people and about the gateway itself stand in no timeline.
_OUTLINES = {type_: _outline(EVENT_TYPES[type_]) for type_ in PLANS}


def named_in(data: Mapping[str, JsonValue], event_type: str) -> list[Named]:
    """The things that an event names, its own first."""
    found: list[Named] = []
    outline = _OUTLINES.get(event_type)
    if outline is not None:
        found.append(_own(data))
        found += [
            Named("part", name, _text(thing, "urn"), _text(thing, "key"))
            for name in outline.parts
            if isinstance(thing := data.get(name), dict)
        ]
        if outline.catalogued:
            found += [Named("itself", "vulnerability", None, key) for key in catalogued(data)]
        if outline.commits or outline.requests:
            found += _listed(data)
        if outline.shas or outline.held_shas:
            found += _at_commits(data, outline)
    references = data.get("references")
    if isinstance(references, list) and references:
        found += _referred(references)
    return found


def _own(data: Mapping[str, JsonValue]) -> Named:
    urn = _text(data, "urn")
    type_ = entity_of(urn)
    url = None if type_ in _OWN_PAGE_IS_ANOTHER_S else _text(data, "url")
    return Named("itself", type_, urn, _text(data, "key"), url, _text(data, "id"))


def _listed(data: Mapping[str, JsonValue]) -> Iterator[Named]:
    """The commits of a push, and the pull requests that a build is of."""
    commits, requests = data.get("commits"), data.get("pull_requests")
    for commit in commits if isinstance(commits, list) else ():
        if isinstance(commit, dict) and (sha := _text(commit, "sha")):
            yield Named("itself", COMMIT, _text(commit, "urn"), sha)
    for thing in requests if isinstance(requests, list) else ():
        if isinstance(thing, dict):
            yield Named("part", "pull_request", _text(thing, "urn"), _text(thing, "key"))


def _at_commits(data: Mapping[str, JsonValue], outline: _Outline) -> Iterator[Named]:
    """The commits that anything is at."""
    for name in outline.shas:
        if sha := _text(data, name):
            yield Named("part", COMMIT, None, sha)
    for holder, name in outline.held_shas:
        below = data.get(holder)
        if isinstance(below, dict) and (sha := _text(below, name)):
            yield Named("part", COMMIT, None, sha)


def _referred(references: list[JsonValue]) -> Iterator[Named]:
    for item in references:
        if isinstance(item, dict):
            type_ = _text(item, "type") or "unknown"
            urn, key, url = _text(item, "urn"), _text(item, "key"), _text(item, "url")
            yield Named("reference", type_, urn, key, url, None, item)


def _text(thing: Mapping[str, JsonValue], name: str) -> str | None:
    value = thing.get(name)
    return value if isinstance(value, str) and value else None


def entity_of(urn: str | None) -> str:
    """What a *urn* is of: ``pull_request``; "unknown" if it does not say."""
    parts = urn.split(":", 4) if urn is not None else ()
    return parts[3] if len(parts) == 5 else "unknown"


def names_of(named: Named, knowledge: Knowledge) -> list[str]:
    """The names that *named* has in the timeline; none if it cannot be asked for."""
    if named.type == COMMIT:
        sha = named.sha()
        return [] if sha is None or len(sha) < SHORT_SHA else [sha[:SHORT_SHA]]
    names = [] if named.urn is None else [name_of_urn(named.urn)]
    if named.key is not None and (name := name_of_key(named.key)) is not None:
        names.append(name)
    if named.role == "itself":
        names += _own_names(named, knowledge)
    elif named.url is not None and named.urn is None:
        names.append(name_of_url(named.url))
    return names


def _own_names(named: Named, knowledge: Knowledge) -> list[str]:
    """What a page of the thing leads to where that is neither its urn nor its key."""
    platform = (named.urn or "").partition(":")[2].partition(":")[0]
    links = knowledge.links_of(platform)
    names: list[str] = []
    if named.id is not None and named.type in links.by_id:
        names.append(named.id.lower())
    if named.url is not None and named.type not in links.linked:
        names.append(name_of_url(named.url))
    return names


def name_of_urn(urn: str) -> str:
    """The name that the path of *urn* gives."""
    path = urn.split(":", 4)[-1]
    return (unquote(path) if "%" in path else path).lower()


def name_of_key(key: str) -> str | None:
    """The name of what people call *key*; None for a number: it is another thing in every tool."""
    if key.isdecimal() or len(key) > MAX_NAME:
        return None
    if key.startswith(("http://", "https://")):
        return name_of_url(key)
    return key.lower().replace("#", "/").replace("!", "/")


def name_of_url(url: str) -> str:
    """The name of a page that leads to no thing of a known form."""
    return plain_url(url[:MAX_NAME]).lower()
