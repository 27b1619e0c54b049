"""What somebody asks the timeline for: a urn, a ticket's key, a commit's digits, a page's URL."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.links import SHA, Linked
from onehook.core.references.knowledge import Knowledge, Sites
from onehook.core.references.naming import (
    COMMIT,
    MAX_NAME,
    SHORT_SHA,
    Named,
    entity_of,
    name_of_key,
    name_of_url,
    name_of_urn,
    named_in,
)
from onehook.core.references.targets import VERIFIED, confidence
from onehook.core.references.urls import URL, plain_url
from onehook.errors import FieldError, InvalidRequestError

_SHA = re.compile(SHA)
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """A thing that is asked for: where its entries are, and how to tell it from others there.

    Two things may share a name, as a merge request and an issue of one number do; each of *urns*,
    *keys*, *ids* (all in lower case), *sha* and *url* says that it is the one.
    """

    names: tuple[str, ...]
    types: frozenset[str] = frozenset()
    urns: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    sha: str | None = None
    url: str | None = None

    def find_in(self, data: Mapping[str, JsonValue], event_type: str) -> Named | None:
        """How an event names what was asked for, the closest way first; None if it does not."""
        return next((named for named in named_in(data, event_type) if self.means(named)), None)

    def means(self, named: Named) -> bool:
        """Whether *named* is what was asked for."""
        if self.sha is not None and (sha := named.sha()) is not None:
            return sha.startswith(self.sha)
        if named.urn is not None and named.urn.lower() in self.urns:
            return True
        if named.key is not None:
            if named.key.lower() in self.keys | self.ids:
                return True
            # Nobody could tell whose it is: it may well be this one.
            if named.urn is None and self.urns and named.type in self.types:
                return name_of_key(named.key) in self.names
        elif self.keys and named.urn is not None:
            return name_of_urn(named.urn) in self.names
        if named.id is not None and named.id.lower() in self.ids:
            return True
        return self.url is not None and named.url is not None and _is_on(named.url, self.url)


@dataclass(frozen=True, slots=True)
class Proof:
    """That integrations here have emitted events about what was asked for: its urns and keys."""

    urns: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()  # of things that have no urn: numbers of public catalogues

    def __bool__(self) -> bool:
        return bool(self.urns or self.keys)

    def verify(self, reference: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """*reference*, marked as verified if it is proven that its thing is there."""
        urn, key, sure = (reference.get(name) for name in ("urn", "key", "confidence"))
        proven = urn in self.urns if urn is not None else key in self.keys
        if not proven:
            return dict(reference)
        least = confidence(VERIFIED)
        low = isinstance(sure, int | float) and isinstance(least, float) and sure < least
        return {**reference, "verified": True, "confidence": least if low else sure}


def proof_of(asked: Asked, events: Iterable[tuple[Mapping[str, JsonValue], str]]) -> Proof:
    """What *events*, by data and type, prove of the thing that was asked for."""
    urns: set[str] = set()
    keys: set[str] = set()
    for data, event_type in events:
        for named in named_in(data, event_type):
            if named.role == "itself" and asked.means(named):
                if named.urn is not None:
                    urns.add(named.urn)
                elif named.key is not None:
                    keys.add(named.key)
    return Proof(frozenset(urns), frozenset(keys))


def _is_on(url: str, page: str) -> bool:
    """Whether *url* is *page*, or below it."""
    plain = plain_url(url)
    return plain == page or plain.startswith((f"{page}/", f"{page}?"))


def read_asked(text: str, knowledge: Knowledge) -> Asked:
    """What *text* asks for.

    Raises:
        InvalidRequestError: 422, it can be the name of nothing.
    """
    text = text.strip()
    if not text or len(text) > MAX_NAME:
        _refuse(f"is text of 1 to {MAX_NAME} characters")
    if not text.isprintable() or any(c.isspace() for c in text):
        _refuse("holds no blanks and no control characters: it names one thing")
    if text.startswith("oh:"):
        return _by_urn(text)
    if text.startswith(("http://", "https://")):
        return _by_url(text, knowledge)
    return _by_key(text)


def _refuse(detail: str) -> NoReturn:
    """Say why what was asked for names nothing.

    Raises:
        InvalidRequestError: 422.
    """
    msg = f"the key {detail}"
    raise InvalidRequestError(msg, errors=[FieldError("/key", detail)])


def _by_urn(urn: str) -> Asked:
    parts = urn.split(":", 4)
    if len(parts) < 5 or not all(parts):
        _refuse("is no urn: oh:<platform>:<host>:<entity>:<path>")
    type_ = entity_of(urn)
    urns, types = frozenset({urn.lower()}), frozenset({type_, _UNKNOWN})
    if type_ == COMMIT:
        sha = urn.rpartition("/")[2].lower()
        return Asked((sha[:SHORT_SHA],), types, urns, sha=sha)
    return Asked((name_of_urn(urn),), types, urns)


def _by_key(key: str) -> Asked:
    keys = frozenset({key.lower()})
    sha = key.rpartition("@")[2].lower()
    digits = sha if _SHA.fullmatch(sha) else None
    name = name_of_key(key)
    if name is None and digits is None:
        _refuse("is a number alone, another thing in every tool: write acme/shop#7")
    names = [name] if name is not None else []
    if digits is not None:
        names.append(digits[:SHORT_SHA])
    return Asked(tuple(dict.fromkeys(names)), keys=keys, ids=keys, sha=digits)


def _by_url(url: str, knowledge: Knowledge) -> Asked:
    found = URL.match(url)
    if found is None:
        _refuse("is no URL that a browser opens")
    page, sites = knowledge.pages(found[1].lower(), found[2])
    page = page or _page_anywhere(found[2], knowledge)
    if page is None:
        return Asked((name_of_url(url),), url=plain_url(url))
    return _by_page(page, sites, url, plain_url(url[: found.start(2) + page.end]))


def _page_anywhere(address: str, knowledge: Knowledge) -> Linked | None:
    """What *address* would lead to at any platform: of an integration that is gone."""
    for links in knowledge.links.values():
        if (page := links.page(address)) is not None:
            return page
    return None


def _by_page(page: Linked, sites: Sites, url: str, plain: str) -> Asked:
    """A thing that has a page: by its urn where its site is known, else by the page."""
    types, path = frozenset({*page.types, _UNKNOWN}), page.urn
    urns = {
        urn.lower()
        for site in sites
        for type_ in page.types
        if path is not None and (urn := site.urn(type_, path)) is not None
    }
    if COMMIT in page.types:
        sha = page.key.rpartition("@")[2]
        return Asked((sha[:SHORT_SHA],), types, frozenset(urns), sha=sha, url=plain)
    # Under its own address, too: what no page of its platform leads to is kept there.
    names = [name_of_url(url), name_of_key(page.key), None if path is None else path.lower()]
    ids = frozenset({page.key.lower()} if path is None else ())
    found = tuple(dict.fromkeys(name for name in names if name))
    return Asked(found, types, frozenset(urns), ids=ids, url=plain)
