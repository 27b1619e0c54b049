"""The section ``links:`` of a mapping: how texts elsewhere name the platform's things.

Pages say what an address leads to, signs what ``acme/shop#7`` means, numbers whose ``INC0010023``
is. A page's address is a template of literals and placeholders, compiled into a bounded pattern,
so no mapping can make a search slow.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from onehook.core.mapping.forms import (
    TEXT,
    Keys,
    list_of,
    map_of,
    names_to,
    one_or_list,
    word_of,
)
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.schema.base import fields_of
from onehook.core.schema.common import Reference

# The forms of names, the same in addresses and in texts. ASCII is spelled out: \d and \w would
# take every script's digits and letters.
END = "(?![A-Za-z0-9_])"
NUMBER = "[1-9][0-9]{0,6}"
KEY = f"[A-Z][A-Z0-9_]{{1,9}}-{NUMBER}"
SHA = "[0-9a-f]{7,64}"
_SEGMENT = "[A-Za-z0-9_.~][A-Za-z0-9_.~-]{0,99}"
PATH = f"(?:{_SEGMENT}/){{1,9}}?{_SEGMENT}"  # the shortest: pull/42/commits is below pull/42

PLACEHOLDERS = {
    "path": PATH,
    "owner": _SEGMENT,
    "name": _SEGMENT,
    "number": NUMBER,
    "key": KEY,
    "sha": SHA,
    "id": "[A-Za-z0-9-]{4,64}",
}
SIGNS = ("#", "!")
MAX_PAGES = 50
MAX_TEMPLATE = 200  # characters
_WHOLE_SHA = (40, 64)  # digits: SHA-1, SHA-256
_ANYTHING = "..."
_GAP = r"\S{0,300}?"
# What follows a gap begins a word, also where the character before it is percent-encoded.
_WORD = "(?:(?<![A-Za-z0-9_])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
_ENCODED = {"?": r"(?:\?|%3[Ff])", "=": "(?:=|%3[Dd])"}  # in an address inside another
_PIECE = re.compile(r"\{([^{}]*)\}|(\.\.\.)|([^{}.]+|\.|[{}])")
_NUMBER_PREFIX = re.compile("[A-Z]{2,8}")
_TYPES = fields_of(Reference)["type"].members
_TYPE = one_or_list(word_of(sorted(_TYPES)))
PAGE: Keys = {"at": TEXT, "type": _TYPE, "key": TEXT, "urn": TEXT}
LINKS: Keys = {
    "pages": list_of(map_of(PAGE, "at", "type", "key")),
    "signs": map_of(dict.fromkeys(SIGNS, _TYPE)),
    "numbers": names_to(_TYPE),
    "prefixes": map_of({"setting": TEXT}, "setting"),
}


@dataclass(frozen=True, slots=True)
class Linked:
    """What an address leads to. *types*: the first is assumed, unless another one was seen.

    *urn* is the path of the thing's urn, None if the address does not tell it. *end* is where the
    page's own address ends: what follows are its tabs and anchors.
    """

    types: tuple[str, ...]
    key: str
    urn: str | None
    end: int


@dataclass(frozen=True, slots=True)
class Page:
    """A kind of page."""

    needles: tuple[str, ...]  # in each of its addresses: they spare the pattern for the others
    pattern: re.Pattern[str]
    types: tuple[str, ...]
    key: str
    urn: str | None

    def match(self, address: str) -> Linked | None:
        """What *address*, path and query, leads to; None if it is no such page."""
        for needle in self.needles:
            if needle not in address:
                return None
        found = self.pattern.match(address)
        if found is None:
            return None
        parts = found.groupdict()
        told = self.urn is not None and len(parts.get("sha", " " * 40)) in _WHOLE_SHA
        urn = self.urn.format_map(parts) if self.urn is not None and told else None
        return Linked(self.types, self.key.format_map(parts), urn, found.end())


@dataclass(frozen=True)
class Links:
    """How texts name the things of one platform."""

    pages: tuple[Page, ...] = ()
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    numbers: Mapping[str, str] = field(default_factory=dict[str, str])  # prefix -> type
    prefixes: str | None = None  # the setting in which an operator names those of ticket keys

    def page(self, address: str) -> Linked | None:
        """What *address*, path and query, leads to; None if no page is known there."""
        for page in self.pages:
            if (found := page.match(address)) is not None:
                return found
        return None

    @cached_property
    def linked(self) -> frozenset[str]:
        """The types whose pages tell the thing's urn."""
        return frozenset(t for page in self.pages if page.urn is not None for t in page.types)

    @cached_property
    def by_id(self) -> frozenset[str]:
        """The types whose pages tell the thing's id, and neither key nor urn."""
        return frozenset(t for page in self.pages if page.urn is None for t in page.types)


def compile_links(node: Node | None, report: Report) -> Links:
    """Compile ``links: {pages, signs, numbers, prefixes}``; problems go into *report*."""
    if node is None:
        return Links()
    if not isinstance(node, Map):
        report("E002", node.place, "links: is a map of pages, signs, numbers, prefixes")
        return Links()
    reader = Reader(node, report).only(*LINKS)
    nodes = reader.items("pages")
    if len(nodes) > MAX_PAGES:
        report("E002", nodes[MAX_PAGES].place, f"pages: holds at most {MAX_PAGES}")
    pages = (_page(below, report) for below in nodes[:MAX_PAGES])
    return Links(
        tuple(page for page in pages if page is not None),
        _signs(reader),
        _numbers(reader),
        _prefixes(reader),
    )


def _page(node: Node, report: Report) -> Page | None:
    if not isinstance(node, Map):
        report("E002", node.place, "a page is a map of at, type, key, urn")
        return None
    reader = Reader(node, report).only(*PAGE)
    at, key = reader.text("at", required=True), reader.text("key", required=True)
    types = _types(reader.node_of("type"), reader)
    if at is None or key is None:
        return None
    address = _address(at, reader)
    urn = reader.text("urn")
    for name, template in (("key", key), ("urn", urn)):
        if template is not None and address is not None:
            _check_template(name, template, address.groupindex, reader)
    if address is None or not types:
        return None
    return Page(_needles(at), address, types, key, urn)


def _address(at: str, reader: Reader) -> re.Pattern[str] | None:
    """The pattern of the addresses that the template *at* describes."""
    if len(at) > MAX_TEMPLATE or not at.startswith(("/", _ANYTHING)):
        reader.problem("at", f"at: begins with / or ..., and has at most {MAX_TEMPLATE} characters")
        return None
    pieces: list[str] = []
    names: list[str] = []
    gaps = 0
    after_gap = False
    for placeholder, gap, literal in _PIECE.findall(at):
        if gap:
            gaps += 1
            pieces.append(_GAP)
        elif literal in ("{", "}"):
            reader.problem("at", "a { without its }, or the other way round")
            return None
        elif literal:
            word = _WORD if after_gap and literal[0].isalnum() else ""
            pieces.append(word + "".join(_ENCODED.get(c) or re.escape(c) for c in literal))
        elif placeholder not in PLACEHOLDERS or placeholder in names:
            twice = placeholder in names
            message = f"{{{placeholder}}} {'stands twice' if twice else 'is no placeholder'}"
            reader.problem("at", message, "" if twice else nearest(placeholder, PLACEHOLDERS))
            return None
        else:
            names.append(placeholder)
            pieces.append(f"(?P<{placeholder}>{PLACEHOLDERS[placeholder]})")
        after_gap = bool(gap)
    if not names or gaps > 2 or not _needles(at):
        message = "at: needs a placeholder, a word of its own, and at most two ..."
        reader.problem("at", message, "such as /{path}/pull/{number}")
        return None
    return re.compile("".join(pieces) + END)


def _needles(at: str) -> tuple[str, ...]:
    """The texts that stand in every address of the template, whatever is encoded."""
    literals = re.split(r"\{[^{}]*\}|\.\.\.|[?=]", at)
    return tuple(text for text in literals if len(text) > 2)


def _check_template(name: str, template: str, known: Mapping[str, int], reader: Reader) -> None:
    pieces = _PIECE.findall(template)
    if len(template) > MAX_TEMPLATE or any(literal in ("{", "}") for _, _, literal in pieces):
        reader.problem(name, f"{name}: is text with {{placeholders}} of at:")
        return
    for placeholder, gap, literal in pieces:
        if not gap and not literal and placeholder not in known:
            message = f"at: has no {{{placeholder}}}"
            reader.problem(name, message, nearest(placeholder, known))


def _types(node: Node | None, reader: Reader) -> tuple[str, ...]:
    """One type of reference, or several of which the first is assumed."""
    items = node.items if isinstance(node, Seq) else () if node is None else (node,)
    if not items:
        reader.problem("type", "type: is missing")
    found: list[str] = []
    for item in items:
        value = item.value if isinstance(item, Scalar) else None
        if isinstance(value, str) and value in _TYPES:
            found.append(value)
        else:
            message = f"{value!r} is no type of a reference"
            reader.report("E106", item.place, message, nearest(str(value), _TYPES))
    return tuple(found)


def _signs(reader: Reader) -> dict[str, tuple[str, ...]]:
    node = reader.map("signs")
    found: dict[str, tuple[str, ...]] = {}
    for sign, below in (node.items if node else {}).items():
        if sign not in SIGNS:
            reader.report("E002", below.place, f"{sign!r} is no sign", f"known: {' '.join(SIGNS)}")
        elif types := _types(below, reader):
            found[sign] = types
    return found


def _numbers(reader: Reader) -> dict[str, str]:
    node = reader.map("numbers")
    found: dict[str, str] = {}
    for prefix, below in (node.items if node else {}).items():
        types = _types(below, reader)
        if not _NUMBER_PREFIX.fullmatch(prefix):
            reader.report("E002", below.place, f"{prefix!r} is no prefix: 2 to 8 capital letters")
        elif types:
            found[prefix] = types[0]
    return found


def _prefixes(reader: Reader) -> str | None:
    node = reader.map("prefixes")
    if node is None:
        return None
    below = Reader(node, reader.report).only("setting")
    name = below.text("setting", required=True)
    if name is not None:
        reader.report.uses_setting(name, below.at("setting"))
    return name
