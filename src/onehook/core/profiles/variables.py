"""What a body or header of one's own may say of an event: the names that templates know."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import NAMESPACE_URL, uuid5

from onehook.core.jsontext import JsonValue
from onehook.core.schema.events import EVENT_TYPES, entity_of

# What a subscriber's own body template may name; the promise made in the API.
TEMPLATE_NAMES = frozenset({"payload", "time", "timestamp", "event_type", "event_id"})
# What the files of destinations may name besides.
DESTINATION_NAMES = TEMPLATE_NAMES | {
    "settings", "prefix", "delivery_id", "event_uuid", "delivery_uuid",
    "unified_type", "entity", "title", "link", "actor",
}  # fmt: skip

_TITLES = (
    ("title",), ("full_name",), ("name",), ("pull_request", "title"), ("ticket", "title"),
    ("incident", "title"), ("user", "name"), ("user", "username"), ("user", "email"),
    ("username",), ("environment",), ("tag",), ("reason",), ("key",), ("id",), ("urn",),
)  # fmt: skip
_PEOPLE = (("actor", "name"), ("actor", "username"), ("actor", "email"))
Data = Mapping[str, JsonValue]


def variables_of(
    event: Data,
    payload: JsonValue,
    unified_type: str,
    delivery_id: str,
    prefix: str,
    settings: Mapping[str, str],
) -> dict[str, object]:
    """The names of `DESTINATION_NAMES` and what they stand for.

    ``time`` and ``timestamp`` are the event's, so that every attempt renders alike; the ids of
    UUID form follow from ours, so that they stay the same on every retry and replay.
    """
    data = event["data"] if isinstance(event["data"], dict) else {}
    moment = str(event["timestamp"])
    event_id = str(event["id"])
    model = EVENT_TYPES.get(unified_type)
    return {
        "payload": payload,
        "time": int(datetime.fromisoformat(moment).timestamp()),
        "timestamp": moment,
        "event_type": event["type"],
        "event_id": event_id,
        "settings": settings,
        "prefix": prefix,
        "delivery_id": delivery_id,
        "event_uuid": uuid_of(event_id),
        "delivery_uuid": uuid_of(delivery_id),
        "unified_type": unified_type,
        "entity": "data" if model is None else entity_of(model, data),
        "title": _first(data, _TITLES),
        "link": data.get("url"),
        "actor": _first(data, _PEOPLE),
    }


def uuid_of(id_: str) -> str:
    """One of our ids as a UUID: the same for ever. Source: RFC 9562 §5.5, version 5."""
    return str(uuid5(NAMESPACE_URL, f"onehook:{id_}"))


def _first(data: Data, paths: tuple[tuple[str, ...], ...]) -> JsonValue:
    """The first text that is there and not empty, as one line."""
    for path in paths:
        found: JsonValue = cast("JsonValue", data)
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, str) and (line := " ".join(found.split())):
            return line
    return None
