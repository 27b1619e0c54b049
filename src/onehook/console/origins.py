"""Native beside unified: the lines of a webhook's body, and where an event's fields are from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.core.jsontext import JsonValue, encode

MAX_LINES = 3000  # of a body that are drawn; what the mapping reads comes before the rest
LONGEST = 2000  # characters of a value as it is drawn


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a body, laid out as JSON. *pointer*: null for one that only closes."""

    depth: int
    name: str | None
    text: str
    pointer: str | None
    read: bool  # the mapping looks at it, for this event

    @property
    def id(self) -> str | None:
        """Its id in the page."""
        return None if self.pointer is None else line_id(self.pointer)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a field came from. *lines* are the ids of the body's lines, *native* their pointers."""

    place: str
    source: str
    note: str
    native: Sequence[str]
    headers: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class UnifiedField:
    """A field of an event that has no fields of its own; null *origin*: the gateway's own."""

    pointer: str
    name: str
    value: Any
    origin: Origin | None


def line_id(pointer: str) -> str:
    """The id of the line of *pointer*: no space, so that several fit in an attribute."""
    return "n" + pointer.replace(" ", "%20")


def unified_fields(
    event: Mapping[str, Any], trace: Mapping[str, Any] | None, body: JsonValue
) -> list[UnifiedField]:
    """The fields of *event* in its order, with the origins that *trace* has of them."""
    traced = {} if trace is None else {one["pointer"]: one for one in trace["fields"]}
    found: list[UnifiedField] = []
    for pointer, value in leaves(event):
        one = _nearest(traced, pointer)
        origin = None if one is None else _origin(one, value, body)
        found.append(UnifiedField(pointer, pointer[1:].replace("/", "."), value, origin))
    return found


def _nearest(traced: Mapping[str, Any], pointer: str) -> Any:
    """The origin of *pointer*, or of the object that it is in."""
    at = pointer
    while at:
        if at in traced:
            return traced[at]
        at = at.rpartition("/")[0]
    return None


def _origin(one: Mapping[str, Any], value: Any, body: JsonValue) -> Origin:
    places = [place for pattern in one["native"] for place in resolve(body, pattern)]
    pointers = [pointer for pointer, _ in places]
    same = [pointer for pointer, found in places if _alike(found, value)]
    # Of many items the one that gives this very value; where none does, it is made of all.
    chosen = same or pointers
    return Origin(
        place=one["place"],
        source=one["source"],
        note=one["note"],
        native=chosen,
        headers=one["headers"],
        lines=[line_id(pointer) for pointer in chosen],
    )


def _alike(native: JsonValue, value: Any) -> bool:
    if isinstance(native, dict | list):
        return bool(native == value)
    return native is not None and str(native) == str(value)


def resolve(body: JsonValue, pattern: str) -> list[tuple[str, JsonValue]]:
    """The places of *body* that *pattern* means, a pointer with ``*`` for any item."""
    found: list[tuple[str, JsonValue]] = [("", body)]
    for part in pattern.split("/")[1:]:
        found = [place for at, value in found for place in _step(at, value, part)]
    return found


def _step(at: str, value: JsonValue, part: str) -> Iterator[tuple[str, JsonValue]]:
    match value:
        case list() if part == "*":
            yield from ((f"{at}/{index}", item) for index, item in enumerate(value))
        case dict() if part == "*":
            yield from ((f"{at}/{_escaped(name)}", item) for name, item in value.items())
        case dict():
            name = part.replace("~1", "/").replace("~0", "~")
            if name in value:
                yield f"{at}/{part}", value[name]
        case _:
            pass


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """What has nothing below it in *value*; lists of plain values stay together."""
    found: JsonValue = value
    match found:
        case dict() if found:
            for name, below in found.items():
                yield from leaves(below, f"{pointer}/{_escaped(name)}")
        case list() if any(isinstance(item, dict) for item in found):
            for index, item in enumerate(found):
                yield from leaves(item, f"{pointer}/{index}")
        case _:
            yield pointer, found


def lines_of(body: JsonValue, read: set[str]) -> tuple[list[Line], int]:
    """The lines of *body*, and how many more there are; *read*: pointers that are looked at."""
    every = list(_lines(body, "", None, 0, False, read))
    if len(every) <= MAX_LINES:
        return every, 0
    wanted = [line for line in every if line.read or line.depth <= 1]
    return wanted[:MAX_LINES], len(every) - len(wanted[:MAX_LINES])


def _lines(
    value: JsonValue, pointer: str, name: str | None, depth: int, inside: bool, read: set[str]
) -> Iterator[Line]:
    seen = inside or pointer in read
    if isinstance(value, dict) and value:
        yield Line(depth, name, "{", pointer, seen)
        for key, below in value.items():
            yield from _lines(below, f"{pointer}/{_escaped(key)}", key, depth + 1, seen, read)
        yield Line(depth, None, "}", None, seen)
    elif isinstance(value, list) and value:
        yield Line(depth, name, "[", pointer, seen)
        for index, below in enumerate(value):
            yield from _lines(below, f"{pointer}/{index}", None, depth + 1, seen, read)
        yield Line(depth, None, "]", None, seen)
    else:
        text = encode(value).decode()
        if isinstance(value, str):
            text = json.dumps(value, ensure_ascii=False)
        yield Line(
            depth, name, text[:LONGEST] + ("…" if len(text) > LONGEST else ""), pointer, seen
        )
