"""YAML text to a tree in which every node knows its place.

YAML 1.2 core schema only: dates, ``on`` and ``no`` stay text. Anchors, aliases and tags are
refused: they are what makes a small file explode, or become code, in other loaders. libyaml
gives the event stream, 20 times as fast as a parser in Python; what scalars mean, and that keys
stand once, is decided here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isinf
from typing import Any, NoReturn

import yaml
from yaml.error import Mark, MarkedYAMLError, YAMLError

from onehook.core.jsontext import JsonScalar, JsonValue
from onehook.core.mapping.problems import MappingError, Place, Problem, Source

MAX_FILE = 1024 * 1024  # characters; the largest shipped mapping has some 150,000
MAX_DEPTH = 40
MAX_NODES = 100_000  # scalars, lists and maps; the largest shipped mapping has some 13,000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # Python's own where libyaml is not

_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar: its value by the core schema, and whether it was written without quotes."""

    place: Place
    value: JsonScalar
    plain: bool


@dataclass(frozen=True, slots=True)
class Seq:
    """A list."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A map; ``keys`` holds the place of each key."""

    place: Place
    items: dict[str, "Node"]
    keys: dict[str, Place] = field(default_factory=dict[str, Place])

    def get(self, key: str) -> "Node | None":
        """The value of *key*, None if it is not there."""
        return self.items.get(key)


Node = Scalar | Seq | Map


def merge(under: Node, over: Node) -> Node:
    """Two maps as one, *over*'s values winning; anything but two maps is just *over*."""
    if not isinstance(under, Map) or not isinstance(over, Map):
        return over
    return Map(over.place, {**under.items, **over.items}, {**under.keys, **over.keys})


def plain(node: Node) -> JsonValue:
    """*node* as ordinary values."""
    match node:
        case Scalar(value=value):
            return value
        case Seq(items=items):
            return [plain(item) for item in items]
        case Map(items=items):
            return {key: plain(item) for key, item in items.items()}


def parse(source: Source, what: str = "a mapping file", begin: str = "onehook: mapping/v1") -> Map:
    """Read *source*, which is *what* and begins with *begin*, as one YAML document: a map.

    Raises:
        MappingError: E001, with the place of each problem found.
    """
    start = Place(source, 0, 0)
    if len(source.text) > MAX_FILE:
        raise MappingError(
            [Problem("E001", start, f"the file is longer than {MAX_FILE} characters")]
        )
    reader = _Reader(source)
    try:
        node = reader.document()
    except _TooMuchError:
        raise MappingError(reader.problems) from None
    except MarkedYAMLError as error:
        reader.problems.append(_syntax_problem(source, error))
        raise MappingError(reader.problems) from None
    except (YAMLError, ValueError) as error:
        message = f"YAML: {error}".splitlines()[0]
        raise MappingError([Problem("E001", start, message, "is it a text file?")]) from None
    if not isinstance(node, Map):
        hint = f"begin with {begin}"
        message = f"{what} is a map of keys to values"
        reader.problems.append(Problem("E001", start, message, hint))
    if reader.problems or not isinstance(node, Map):
        raise MappingError(reader.problems)
    return node


class _TooMuchError(Exception):
    """A file nests too deeply, or holds too much; the reader has noted where."""


# What libyaml says -> what to do about it. The first that fits.
_HINTS = (
    ("mapping values are not allowed", "quote a text that holds a colon and a space"),
    ("cannot start any token", "quote a text that begins with @, `, % or a tab"),
    ("quoted scalar", "close the quote; inside it, write a quote twice or escape it"),
    ("flow mapping", "inside {} quote paths and texts that hold [ ] { } , or a colon"),
    ("flow sequence", "inside [] quote paths and texts that hold [ ] { } , or a colon"),
    ("could not find expected ':'", "a key is followed by a colon and a space"),
    ("block", "indent what belongs together alike, and quote texts that begin with a quote"),
)


def _syntax_problem(source: Source, error: MarkedYAMLError) -> Problem:
    """What libyaml found, where a person would look for it, with what is usually meant."""
    context, message = error.context or "", error.problem or error.context or ""
    # A quote that is never closed is found at the end of the file, and mended where it begins.
    unclosed = "quoted scalar" in context and "end of stream" in message
    mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
    line, column = (0, 0) if mark is None else (mark.line, mark.column)
    said = f"{context} {message}"
    hint = next(
        (hint for words, hint in _HINTS if words in said), "see https://yaml.org/spec/1.2.2"
    )
    margin = source.line(line)[: len(source.line(line)) - len(source.line(line).lstrip())]
    if "\t" in margin:
        line_start = margin.index("\t")
        column, hint = line_start, "indent by spaces: a tab stands here"
    message = "a quote is never closed" if unclosed else message
    return Problem("E001", Place(source, line, column), f"YAML: {message}", hint)


def _kind(event: object) -> str:
    """The name of an event's class, which says what fields it has."""
    return type(event).__name__


class _Reader:
    """Builds the tree from YAML's event stream, where anchors and tags can still be seen."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.nodes = 0
        # Any: an event has the fields of its kind, which no type tells apart.
        self.events: Iterator[Any] = iter(yaml.parse(source.text, Loader=LOADER))

    def document(self) -> Node | None:
        node: Node | None = None
        for event in self.events:
            if _kind(event) == "DocumentStartEvent":
                if node is not None:
                    self._refuse(event.start_mark, "a second document", "keep one a file")
                    break
                node = self._node(next(self.events), 0)
        return node

    def _place(self, mark: Mark) -> Place:
        return Place(self.source, mark.line, mark.column)

    def _refuse(self, mark: Mark, what: str, hint: str) -> None:
        self.problems.append(Problem("E001", self._place(mark), f"{what} is not allowed", hint))

    def _node(self, event: Any, depth: int) -> Node:
        place = self._place(event.start_mark)
        kind = _kind(event)
        if kind == "AliasEvent":
            self._refuse(
                event.start_mark, f"the alias *{event.anchor}", "write it out, or use a shape"
            )
            return Scalar(place, None, plain=True)
        if event.anchor:
            self._refuse(event.start_mark, f"the anchor &{event.anchor}", "use a shape or a table")
        if event.tag and event.tag != "!":
            self._refuse(event.start_mark, f"the tag {event.tag}", "leave it out")
        self.nodes += 1
        if depth > MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels", "use shapes")
        if self.nodes > MAX_NODES:
            self._stop(place, f"the file holds more than {MAX_NODES} values", "split it")
        if kind == "ScalarEvent":
            bare = not event.style and not event.tag
            return Scalar(place, self._value(place, event.value, bare=bare), plain=bare)
        if kind == "SequenceStartEvent":
            items: list[Node] = []
            while _kind(below := next(self.events)) != "SequenceEndEvent":
                items.append(self._node(below, depth + 1))
            return Seq(place, tuple(items))
        return self._map(place, depth)

    def _stop(self, place: Place, message: str, hint: str) -> NoReturn:
        """Note what is too much, and read no further.

        Raises:
            _TooMuchError: always.
        """
        self.problems.append(Problem("E001", place, message, hint))
        raise _TooMuchError

    def _value(self, place: Place, text: str, *, bare: bool) -> JsonScalar:
        value: JsonScalar = resolve(text) if bare else text
        if isinstance(value, float) and isinf(value):
            message = f"{text} is beyond what a number can hold"
            self.problems.append(Problem("E001", place, message, "quote it, if it is a text"))
        return value

    def _map(self, place: Place, depth: int) -> Map:
        found = Map(place, {})
        while _kind(event := next(self.events)) != "MappingEndEvent":
            key_node = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if _kind(event) == "AliasEvent":
                continue  # refused already
            if not isinstance(key_node, Scalar):
                hint = 'quote a template: "{{ item.a }}"'
                message = "a key is a list or map"
                self.problems.append(Problem("E001", key_node.place, message, hint))
                continue
            # A key is always text, as written: `5:` and `true:` are the words 5 and true.
            key = str(event.value)
            if key in found.items:
                message = f"{key!r} stands twice, first at line {found.keys[key].line + 1}"
                self.problems.append(Problem("E001", key_node.place, message, "remove one"))
                continue
            found.items[key] = value
            found.keys[key] = key_node.place
        return found


_RESOLVERS: tuple[tuple[re.Pattern[str], Callable[[str], JsonScalar]], ...] = (
    (_NULL, lambda _: None),
    (_BOOL, lambda text: text.lower() == "true"),
    (_INT, int),
    (_FLOAT, float),
)


def resolve(text: str) -> JsonScalar:
    """The value of a plain scalar. Source: YAML 1.2.2 §10.3.2, without octal and hexadecimal."""
    for pattern, convert in _RESOLVERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text
