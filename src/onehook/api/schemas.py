"""``/v1/event-types`` and ``/v1/schemas/{type}``: what events and mappings look like."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from onehook.core.jsontext import encode
from onehook.core.mapping.jsonschema import mapping_schema
from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES, SCHEMA_VERSION, data_model
from onehook.errors import NotFoundError
from onehook.web.operations import Call, NoBody, NoQuery, Operation


class EventTypeOut(BaseModel):
    """An event type. ``aliases`` are names that other senders use for it."""

    type: str
    model: str
    aliases: list[str]
    schema_version: str
    schema_url: str


class EventTypeList(BaseModel):
    """All event types; the list has one page."""

    data: list[EventTypeOut]
    next: str | None


async def listing(_call: Call[NoBody, NoQuery]) -> EventTypeList:
    """List the event types."""
    data = [
        EventTypeOut(
            type=type_,
            model=model.__name__,
            aliases=[name for name, alias in ALIASES.items() if type_ in alias.types],
            schema_version=SCHEMA_VERSION,
            schema_url=f"/v1/schemas/{type_}",
        )
        for type_, model in EVENT_TYPES.items()
    ]
    return EventTypeList(data=data, next=None)


@cache
def json_schema(type_: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event of *type_*, as it is delivered."""
    data = TypeAdapter(data_model(EVENT_TYPES[type_])).json_schema(mode="serialization")
    shared = data.pop("$defs", {})
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    properties: dict[str, Any] = {
        "id": {"type": "string", "pattern": "^evt_[0-9a-z]{26}$"},
        "type": {"const": type_},
        "schema_version": {"const": SCHEMA_VERSION},
        "timestamp": moment,
        "timestamp_basis": {"enum": ["occurred", "received"]},
        "received_at": moment,
        "integration": {
            "type": "object",
            "properties": {"id": text, "type": text, "name": text},
            "required": ["id", "type", "name"],
        },
        "data": data,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/v1/schemas/{type_}",
        "title": type_,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": shared,
    }


async def read(call: Call[NoBody, NoQuery]) -> web.Response:
    """Give the JSON Schema of an event type, of what an alias stands for, or of mapping files.

    Raises:
        NotFoundError: there is no such type.
    """
    name = call.path["type"]
    if name == "mapping":
        return _schema(mapping_schema())
    type_ = ALIASES[name].types[0] if name in ALIASES else name
    if type_ not in EVENT_TYPES:
        msg = f"there is no event type {name[:80]!r}; /v1/event-types lists them"
        raise NotFoundError(msg)
    return _schema(json_schema(type_))


def _schema(schema: Mapping[str, Any]) -> web.Response:
    return web.Response(body=encode(schema), content_type="application/schema+json")


OPERATIONS = (
    Operation("GET", "/v1/event-types", "listEventTypes", "List event types", listing,
              answer=EventTypeList, scopes=["ingest-admin", "subscriber"]),
    Operation("GET", "/v1/schemas/{type}", "getSchema",
              "Give the JSON Schema of an event type, or of mapping files", read,
              content_type="application/schema+json", scopes=["ingest-admin", "subscriber"]),
)  # fmt: skip
