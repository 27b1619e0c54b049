"""``/console/events/{id}``: native beside unified, who got it, who did not and why."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onehook.console.origins import Line, UnifiedField, lines_of, unified_fields
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.summaries import EventRow, event_row
from onehook.console.visits import Outcome, Visit
from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import JsonValue
from onehook.core.model import Headers, Webhook
from onehook.errors import GoneError, OnehookError

_SHOWN_TEXT = 64 * 1024  # characters of a body that is no JSON


@dataclass(frozen=True, slots=True)
class NativePart:
    """The webhook as it came: its headers, and its body as lines of JSON, or as text."""

    headers: Sequence[tuple[str, str]]
    content_type: str
    size: int
    sha256: str
    lines: Sequence[Line]
    more_lines: int
    text: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One event. *stale*: why the origins are not those of this event; null: they are."""

    title: str
    row: EventRow
    event: Any
    fields: Sequence[UnifiedField]
    rule: Any
    mapping: str | None
    native: NativePart | None
    stale: str | None
    lineage: Any
    references: Sequence[Any]


async def show(visit: Visit) -> Outcome:
    """One event, with all that is known of it."""
    id_ = visit.path["id"]
    event = await visit.call("getEvent", {"id": id_})
    lineage = await visit.call("getLineage", {"id": id_})
    native, body = await _native(visit, id_)
    trace, stale = await _origins(visit, id_)
    fields = unified_fields(event, trace, body)
    read = {p for one in fields if one.origin is not None for p in one.origin.native}
    part = None if native is None else _part(native, body, read)
    page = EventPage(
        title=event["type"],
        row=event_row(event),
        event=event,
        fields=fields,
        rule=trace,
        mapping=lineage["rule"]["platform"],
        native=part,
        stale=stale,
        lineage=lineage,
        references=event["data"].get("references") or [],
    )
    return Page("event.html", page)


async def _native(visit: Visit, id_: str) -> tuple[Any, JsonValue]:
    """The webhook and its body as JSON; None and null if it is no longer kept, or no JSON."""
    try:
        native = await visit.call("getNativeWebhook", {"id": id_}, query={"format": "json"})
    except GoneError:
        return None, None
    raw = base64.b64decode(native["body_base64"])
    received = datetime.fromisoformat(str(native["received_at"]))
    webhook = Webhook(Headers([tuple(pair) for pair in native["headers"]]), raw, received)
    try:
        return native, parse_body(webhook, visit.gateway.settings.max_body)
    except (BodyError, OnehookError):
        return native, None


def _part(native: Any, body: JsonValue, read: set[str]) -> NativePart:
    lines, more = lines_of(body, read) if body is not None else ([], 0)
    text = None
    if body is None:
        text = base64.b64decode(native["body_base64"]).decode("utf-8", "replace")[:_SHOWN_TEXT]
    return NativePart(
        headers=[(name, value) for name, value in native["headers"]],
        content_type=native["content_type"],
        size=native["size"],
        sha256=native["sha256"],
        lines=lines,
        more_lines=more,
        text=text,
    )


async def _origins(visit: Visit, id_: str) -> tuple[Any, str | None]:
    """Where the event's fields are from, and what is to be said of it; null: nothing is."""
    try:
        found = await visit.call("getOrigins", {"id": id_})
    except OnehookError as error:
        return None, f"Where its fields are from cannot be shown now: {error.detail}."
    detail = found["detail"]
    told = None if detail is None else f"{detail[0].upper()}{detail[1:]}."
    return (None if found["rule"] is None else found), told


async def replay(visit: Visit) -> Outcome:
    """Deliver the event again, to all that it went to or to one subscription."""
    id_, subscription = visit.path["id"], visit.form.get("subscription", "")
    body = {"subscriptions": [subscription]} if subscription else {}
    answer = await visit.call("replayEvent", {"id": id_}, body=body)
    queued = sum(one["outcome"] == "queued" for one in answer["data"])
    noun = "delivery is" if queued == 1 else "deliveries are"
    return Redirect(f"{PATH}/events/{id_}", f"{queued} {noun} on the way again.")


async def native(visit: Visit) -> Outcome:
    """The native webhook, byte for byte, as a download."""
    return await visit.stream("getNativeWebhook", {}, path={"id": visit.path["id"]})
