"""``/v1/events``: unified events as they are delivered, and the webhooks they came from."""

from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel

from onehook.api.integrations import find_id
from onehook.api.natives import content_type, describe
from onehook.api.pagination import POSITION, Pattern, TimedPage, decode_cursor, encode_cursor
from onehook.core.jsontext import encode
from onehook.core.routing import matches
from onehook.errors import GoneError, NotFoundError
from onehook.store.events import MAX_SCAN, SCAN, IndexEntry
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation


class EventQuery(TimedPage):
    """Which events to list."""

    integration: str | None = None
    type: Pattern | None = None


class NativeQuery(Form):
    """How to give a native webhook: its body as it came, or described in JSON."""

    format: Literal["raw", "json"] = "raw"


class EventOut(BaseModel):
    """A unified event, exactly as it is delivered; ``/v1/schemas/{type}`` has its ``data``."""

    id: str
    type: str
    schema_version: str
    timestamp: str
    timestamp_basis: Literal["occurred", "received"]
    received_at: str
    integration: dict[str, str]
    data: dict[str, Any]


class EventList(BaseModel):
    """A page of events."""

    data: list[EventOut]
    next: str | None


async def listing(call: Call[NoBody, EventQuery]) -> web.Response:
    """List events, newest first."""
    query, gateway = call.query, call.gateway
    integration = None
    if query.integration is not None:
        integration = find_id(gateway.registry.snapshot, query.integration)

    def wanted(entry: IndexEntry) -> bool:
        return (integration is None or entry.integration_id == integration) and (
            query.type is None or matches(query.type, entry.type)
        )

    bodies: list[bytes] = []
    position = decode_cursor(query.cursor, POSITION)
    seen = 0
    more = True
    while more and len(bodies) < query.limit and seen < MAX_SCAN:
        entries = await gateway.events.index(
            since=query.since, until=query.until, before=position, count=SCAN
        )
        more = len(entries) == SCAN
        seen += len(entries)
        chosen = [entry for entry in entries if wanted(entry)]
        found = await gateway.events.find_events([entry.event_id for entry in chosen])
        position = entries[-1].position if entries else position
        for entry, event in zip(chosen, found, strict=True):
            if event is None:
                continue
            bodies.append(event[1])
            if len(bodies) == query.limit:
                more = more or entry is not entries[-1]
                position = entry.position
                break
    cursor = encode_cursor(position) if more and position else None
    body = b'{"data":[' + b",".join(bodies) + b'],"next":' + encode(cursor) + b"}"
    return web.Response(body=body, content_type="application/json")


async def get_event(gateway: Gateway, event_id: str) -> tuple[str, bytes]:
    """Webhook id and JSON of an event.

    Raises:
        NotFoundError: there is none, or it expired.
    """
    found = await gateway.events.find_event(event_id)
    if found is None:
        msg = f"there is no event {event_id[:80]!r}, or its retention has ended"
        raise NotFoundError(msg)
    return found


async def read(call: Call[NoBody, NoQuery]) -> web.Response:
    """Show one event, byte for byte as it is delivered."""
    _, body = await get_event(call.gateway, call.path["id"])
    return web.Response(body=body, content_type="application/json")


async def native(call: Call[NoBody, NativeQuery]) -> web.Response:
    """Give the native webhook of an event.

    Raises:
        GoneError: its retention has ended.
    """
    webhook_id, _ = await get_event(call.gateway, call.path["id"])
    kept = await call.gateway.events.find_native(webhook_id)
    if kept is None:
        msg = "the native webhook is no longer kept; the event still is"
        raise GoneError(msg)
    if call.query.format == "json":
        text = describe(kept.webhook).model_dump_json()
        return web.Response(text=text, content_type="application/json")
    return web.Response(
        body=kept.webhook.body,
        headers={
            "Content-Type": content_type(kept.webhook),
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{webhook_id}"',
        },
    )


OPERATIONS = (
    Operation("GET", "/v1/events", "listEvents", "List events", listing, query=EventQuery,
              answer=EventList, scopes=["subscriber"]),
    Operation("GET", "/v1/events/{id}", "getEvent", "Show an event", read, answer=EventOut,
              scopes=["subscriber"]),
    Operation("GET", "/v1/events/{id}/native", "getNativeWebhook",
              "Give the webhook that an event came from", native, query=NativeQuery,
              content_type="*/*", problems=(410,), scopes=["subscriber"]),
)  # fmt: skip
