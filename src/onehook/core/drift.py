"""Where a platform's webhooks and its mapping no longer fit: what to count, and how to name it."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from onehook.core.integration import Normalized
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined

Kind: TypeAlias = Literal["value", "misfit", "ignored", "quarantined"]
MAX_NAME = 100  # characters of a field or reason
MAX_VALUE = 120  # characters of a value or of an event's name
MAX_MEMBERS = 20  # of a body whose members are named


class Oddity(NamedTuple):
    """One way in which webhooks do not fit. Equal ones are counted together.

    =========== =========================== ============== ===================
    kind        name                        value          pointer
    =========== =========================== ============== ===================
    value       enum field, now ``unknown`` the source's
    misfit      optional field, now null
    ignored     the mapping's reason        vendor's event
    quarantined reason                      vendor's event field without value
    =========== =========================== ============== ===================
    """

    kind: Kind
    name: str
    value: str = ""
    pointer: str = ""


def oddities(made: Normalized) -> Iterator[Oddity]:
    """What of a webhook did not fit; nothing for most."""
    match made.outcome:
        case Emitted(unmapped=unmapped, misfits=misfits):
            for field, value in unmapped:
                yield Oddity("value", _cut(field, MAX_NAME), _cut(value, MAX_VALUE))
            for field in misfits:
                yield Oddity("misfit", _cut(field, MAX_NAME))
        case Ignored(reason=reason):
            yield Oddity("ignored", _cut(reason, MAX_NAME), _event(made))
        case Quarantined(reason=reason, pointer=pointer):
            yield Oddity("quarantined", reason, _event(made), _cut(pointer or "", MAX_NAME))


def _event(made: Normalized) -> str:
    return _cut(made.event_name or "", MAX_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def members(body: JsonValue) -> Mapping[str, str]:
    """The first members of *body* and the kind of each: a sample of it that gives nothing away."""
    if not isinstance(body, dict):
        return {"$": _kind(body)}
    return {_cut(key, 40): _kind(body[key]) for key in [*body][:MAX_MEMBERS]}


def _kind(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "number"
