"""Numbers with a sign in texts: ``acme/payments#42``, ``acme/payments!42``, ``#42``."""

import re
from collections.abc import Mapping
from itertools import islice

from onehook.core.mapping.links import END, NUMBER, PATH
from onehook.core.references.closing import closing
from onehook.core.references.search import MAX_MATCHES, Search
from onehook.core.references.targets import BARE, CLOSING, CLOSING_BARE, PATHED, Target
from onehook.core.references.texts import Joined

WHOLE_SIGNED = re.compile(f"({PATH})([#!])({NUMBER})")
# What a sign means if nobody can be asked, and alone in a repository of nobody's.
_USUAL: Mapping[str, tuple[str, ...]] = {"#": ("unknown",), "!": ("pull_request",)}
_ALONE: Mapping[str, tuple[str, ...]] = {"#": ("unknown",)}

_SIGNED = re.compile(f"([#!])({NUMBER}){END}")
_BACKWARDS = re.compile("[A-Za-z0-9_./-]{0,200}")  # the path before a sign, from its end
_WHOLE_PATH = re.compile(PATH)
_LONGEST = 200  # characters of a path


def find_mentions(search: Search, joined: Joined, text: str) -> None:
    """Take the numbers with a sign in *text*, which is as long as the joined one."""
    for found in islice(_SIGNED.finditer(text, 0, joined.branches), MAX_MATCHES):
        _take(search, joined, text, found)


def _take(search: Search, joined: Joined, text: str, found: re.Match[str]) -> None:
    sign, start = found[1], found.start()
    path: str | None
    if start and (text[start - 1].isalnum() or text[start - 1] in "_./-&#!\\"):
        path = _path_before(text, start)
        start -= len(path or "")
        site, taken = search.owner(sign)
        usual, points, if_closing = _USUAL, PATHED + taken, CLOSING + taken
    else:
        path, site = search.subject.repository, search.subject.site
        usual, points, if_closing = _ALONE, BARE, CLOSING_BARE
    signs = usual if site is None else search.knowledge.links_of(site.platform).signs
    if not signs:
        signs, site = usual, None
    if path is None or sign not in signs:
        return
    types = signs[sign]
    relation, method = "mentions", "key"
    if (keyword := closing(text, start)) is not None:
        start, points, relation, method = keyword, if_closing, "closes", "keyword"
        types = ("ticket",) if "unknown" in types else types  # nobody closes a pull request so
    path = path if site is None else site.fold(path)
    type_, urn = search.settle(types, site, f"{path}/{found[2]}")
    key, match = f"{path}{sign}{found[2]}", text[start : found.end()]
    name, _ = joined.at(found.start())
    target = Target(type_, key, urn, None, relation, method, match, points, [name])
    search.add(target, "" if site is None else site.name)


def _path_before(text: str, start: int) -> str | None:
    """The repository's path that ends at *start*; None if what stands there is none."""
    found = _BACKWARDS.match(text[max(0, start - _LONGEST) : start][::-1])
    path = found[0][::-1] if found else ""
    return path if len(path) < _LONGEST and _WHOLE_PATH.fullmatch(path) else None
