"""What another mapping would have made of the same webhooks: event by event, field by field."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.mapping.normalize import Emitted, Ignored, Outcome, Quarantined

Envelope: TypeAlias = Mapping[str, JsonValue]
MAX_FIELDS = 50  # changed fields that are named, of one event
MAX_LENGTH = 300  # characters of a value's JSON that are shown
_INDEX = re.compile(r"/\d+(?=/|$)")


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one webhook. *reason* is of the ignored and the quarantined."""

    status: Literal["accepted", "ignored", "quarantined", "refused"]
    reason: str | None = None
    events: Mapping[str, Envelope] = field(default_factory=dict[str, Envelope])  # by id

    @classmethod
    def of(cls, outcome: Outcome) -> "Made":
        """What a mapping makes of it."""
        match outcome:
            case Emitted(events=events):
                return cls.of_bodies(event.body for event in events)
            case Ignored(reason=reason):
                return cls("ignored", reason)
            case Quarantined(reason=reason):
                return cls("quarantined", reason)

    @classmethod
    def of_bodies(cls, bodies: Iterable[bytes]) -> "Made":
        """Events by their JSON."""
        found: dict[str, Envelope] = {}
        for body in bodies:
            envelope = decode(body)
            if isinstance(envelope, dict):
                found[str(envelope["id"])] = envelope
        return cls("accepted", None, found)

    @property
    def label(self) -> tuple[str, str | None]:
        """The outcome without its events."""
        return self.status, self.reason


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that would be another. A value that is long, or not there, is told in words."""

    pointer: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, slots=True)
class EventChange:
    """One event that would be another, by the same id; *more* fields than are named here."""

    id: str
    type: str
    fields: tuple[FieldChange, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One webhook, before and after."""

    before: Made
    after: Made
    added: tuple[tuple[str, str], ...]  # id and type
    removed: tuple[tuple[str, str], ...]
    changed: tuple[EventChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing would change."""
        nothing = not self.added and not self.removed and not self.changed
        return nothing and self.before.label == self.after.label

    @property
    def lost(self) -> bool:
        """Whether it gave events, and would give none."""
        return bool(self.before.events) and not self.after.events


def compare(before: Made, after: Made) -> Comparison:
    """What differs between *before* and *after*; events are the same if their ids are."""
    both = [id_ for id_ in before.events if id_ in after.events]
    changes = (_change(before.events[id_], after.events[id_]) for id_ in both)
    return Comparison(
        before,
        after,
        tuple(_names(after.events, before.events)),
        tuple(_names(before.events, after.events)),
        tuple(change for change in changes if change is not None),
    )


def _names(
    some: Mapping[str, Envelope], without: Mapping[str, Envelope]
) -> Iterator[tuple[str, str]]:
    for id_, envelope in some.items():
        if id_ not in without:
            yield id_, str(envelope["type"])


def _change(before: Envelope, after: Envelope) -> EventChange | None:
    found = list(_differences(before, after, ""))
    if not found:
        return None
    shown = tuple(FieldChange(at, _shown(b), _shown(a)) for at, b, a in found[:MAX_FIELDS])
    return EventChange(str(after["id"]), str(after["type"]), shown, len(found) - len(shown))


class _Absent:
    """What stands for a field that is not there."""


_ABSENT = _Absent()
_Found: TypeAlias = JsonValue | _Absent


def _differences(
    before: Envelope | _Found, after: Envelope | _Found, at: str
) -> Iterator[tuple[str, _Found, _Found]]:
    """Pointer, old and new value of each field that differs."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            name = key.replace("~", "~0").replace("/", "~1")
            yield from _differences(
                before.get(key, _ABSENT), after.get(key, _ABSENT), f"{at}/{name}"
            )
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else _ABSENT
            new = after[index] if index < len(after) else _ABSENT
            yield from _differences(old, new, f"{at}/{index}")
    elif not _equal(before, after):
        yield at, _value(before), _value(after)


def _equal(before: object, after: object) -> bool:
    return before == after and isinstance(before, bool) is isinstance(after, bool)


def _value(value: Envelope | _Found) -> _Found:
    return dict(value) if isinstance(value, Mapping) else value


def _shown(value: _Found) -> JsonValue:
    if isinstance(value, _Absent):
        return "(absent)"
    return shorten(value)


def shorten(value: JsonValue, most: int = MAX_LENGTH) -> JsonValue:
    """*value*, or the beginning of its JSON as text if that is longer than *most* characters."""
    if isinstance(value, str):
        return value if len(value) <= most else value[:most] + "…"
    if isinstance(value, list | dict):
        text = encode(value).decode()
        return value if len(text) <= most else text[:most] + "…"
    return value


@dataclass(slots=True)
class Tally:
    """Comparisons added up."""

    same: int = 0
    changed: int = 0
    lost: int = 0  # webhooks that gave events, and would give none
    events: Counter[str] = field(default_factory=Counter[str])  # same, added, removed, changed
    outcomes: Counter[tuple[tuple[str, str | None], tuple[str, str | None]]] = field(
        default_factory=Counter[tuple[tuple[str, str | None], tuple[str, str | None]]]
    )  # before and after, where they differ
    fields: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    # by the event's type and the pointer, * for any index

    def add(self, one: Comparison) -> None:
        """Count *one*."""
        kept = len(one.after.events) - len(one.added)
        self.events.update(
            {
                "same": kept - len(one.changed),
                "added": len(one.added),
                "removed": len(one.removed),
                "changed": len(one.changed),
            }
        )
        if one.same:
            self.same += 1
            return
        self.changed += 1
        self.lost += one.lost
        if one.before.label != one.after.label:
            self.outcomes[one.before.label, one.after.label] += 1
        for event in one.changed:
            pointers = {_INDEX.sub("/*", change.pointer) for change in event.fields}
            self.fields.update((event.type, pointer) for pointer in pointers)
