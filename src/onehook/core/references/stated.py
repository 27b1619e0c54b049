"""References that the source states itself: they get their key's usual spelling, and a urn."""

import re
from collections.abc import Sequence

from onehook.core.jsontext import JsonValue
from onehook.core.references.knowledge import Site
from onehook.core.references.mentions import WHOLE_SIGNED
from onehook.core.references.search import Search
from onehook.core.references.targets import STATED, Target
from onehook.core.references.ticket_keys import number_prefix, prefix_of
from onehook.core.references.urls import URL
from onehook.core.schema.base import MAX_TEXT, fields_of
from onehook.core.schema.common import Reference

_TYPES = fields_of(Reference)["type"].members
_RELATIONS = fields_of(Reference)["relation"].members
_NAMED = ("ticket", "pull_request", "incident")  # whose urn can be told from the key
# Events of a tracker mean its own tickets, and those of an incident tool its own incidents.
_HOMES = {"ticket": "ticketing.", "incident": "incidents."}


def take_stated(search: Search, references: Sequence[JsonValue]) -> None:
    """Take the native ones of *references*; others are found anew."""
    for item in references:
        if not isinstance(item, dict) or item.get("method") != "native":
            continue
        key, url, type_ = item.get("key"), item.get("url"), item.get("type")
        relation, match, fields = item.get("relation"), item.get("match"), item.get("found_in")
        if not isinstance(key, str) or not key:
            continue
        target = Target(
            type_ if isinstance(type_, str) and type_ in _TYPES else "unknown",
            key,
            None,
            url if isinstance(url, str) and url else None,
            relation if isinstance(relation, str) and relation in _RELATIONS else "unknown",
            "native",
            match if isinstance(match, str) else None,
            STATED,
            [f for f in fields if isinstance(f, str)] if isinstance(fields, list) else [],
        )
        search.add(target, _complete(search, target))


def _complete(search: Search, target: Target) -> str:
    """Give *target* its key's usual spelling, and its urn; the site's name, "" if unknown."""
    link = URL.match(target.url[:MAX_TEXT]) if target.url else None
    target.key = _usual(target.key)
    if link is None and (claims := search.knowledge.with_prefix(prefix_of(target.key) or "")):
        claim, _ = search.choose_claim(claims)
        target.urn = claim.urn(target.key) if claim and target.type == "ticket" else None
        return "" if claim is None else claim.site.name
    site, told = (_by_key(search, target), None) if link is None else _linked(search, target, link)
    if site is None:
        return ""
    path = target.key
    if signed := WHOLE_SIGNED.fullmatch(target.key):
        target.key, path = site.fold(target.key), f"{signed[1]}/{signed[3]}"
    if target.type in _NAMED or told is not None:
        target.urn = site.urn(target.type, told or path)
    return site.name


def _by_key(search: Search, target: Target) -> Site | None:
    """Whose a key of that form is; the event's own site if it cannot but be of there."""
    if numbered := search.knowledge.with_number(number_prefix(target.key)):
        return search.choose(numbered[1])[0]
    if signed := WHOLE_SIGNED.fullmatch(target.key):
        return search.owner(signed[2])[0]
    home = _HOMES.get(target.type)
    return search.subject.site if home and search.event_type.startswith(home) else None


def _usual(key: str) -> str:
    """A ticket's key in upper case, any other as it is."""
    return key.upper() if prefix_of(key) else key


def _linked(search: Search, target: Target, link: re.Match[str]) -> tuple[Site | None, str | None]:
    """Whose the thing is that *link* leads to, and the path of its urn if the link tells it."""
    host = link[1].lower()
    page, sites = search.knowledge.pages(host, link[2])
    if page is not None and target.type in page.types:
        return search.choose(sites)[0], page.urn
    sites = search.knowledge.at(host)
    own = search.subject.site
    if not sites and own is not None and own.name == f"{own.platform}:{host}":
        return own, None
    return search.choose(sites)[0], None
