"""``/v1/references/{key}``: what every tool said of one thing, the oldest first."""

from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel

from onehook.api.events import EventOut
from onehook.api.pagination import TimedPage, decode_cursor, encode_cursor
from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.references import POSITION, Asked, Proof, proof_of, ranges, read_asked
from onehook.store.events import MAX_SCAN
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, Operation

PROVING = 200  # events looked at for the proof that a thing is there


class TimelineItem(BaseModel):
    """An event that names the thing: it is about it, about a part of it, or refers to it.

    ``reference`` is the one of the event's references that names it, ``verified`` as known today.
    """

    role: Literal["itself", "part", "reference"]
    reference: dict[str, Any] | None
    event: EventOut


class Timeline(BaseModel):
    """A page of a thing's timeline; ``verified``: an integration here has emitted the thing."""

    key: str
    verified: bool
    data: list[TimelineItem]
    next: str | None


async def timeline(call: Call[NoBody, TimedPage]) -> web.Response:
    """List the events that name a thing, the oldest first."""
    gateway = call.gateway
    key = call.path["key"].strip()
    asked = read_asked(key, gateway.registry.snapshot.knowledge)
    proof = await _proof(gateway, asked)
    items, cursor = await _page(gateway, asked, proof, call.query)
    body = (
        b'{"key":' + encode(key) + b',"verified":' + encode(bool(proof))
        + b',"data":[' + b",".join(items) + b'],"next":' + encode(cursor) + b"}"
    )  # fmt: skip
    return web.Response(body=body, content_type="application/json")


async def _proof(gateway: Gateway, asked: Asked) -> Proof:
    """What is kept of events about the thing itself."""
    entries = await gateway.references.find(ranges(asked.names, itself=True), PROVING)
    found = await gateway.events.find_events([entry.event_id for entry in entries])
    return proof_of(asked, [_read(event[1]) for event in found if event is not None])


async def _page(
    gateway: Gateway, asked: Asked, proof: Proof, query: TimedPage
) -> tuple[list[bytes], str | None]:
    """The items of one page, and the cursor of the next one; None if there is none."""
    position = decode_cursor(query.cursor, POSITION)
    items: list[bytes] = []
    seen, more = 0, True
    while more and len(items) < query.limit and seen < MAX_SCAN:
        wanted = query.limit - len(items)
        places = ranges(asked.names, after=position, since=query.since, until=query.until)
        entries = await gateway.references.find(places, wanted + 1)
        more = len(entries) > wanted  # one more than is shown
        entries = entries[:wanted]
        seen += len(entries)
        found = await gateway.events.find_events([entry.event_id for entry in entries])
        for entry, event in zip(entries, found, strict=True):
            position = entry.position
            item = None if event is None else _item(asked, proof, event[1])
            if item is not None:
                items.append(item)
    return items, encode_cursor(position) if more and position is not None else None


def _item(asked: Asked, proof: Proof, body: bytes) -> bytes | None:
    """How an event names the thing; None if it only names another one that is called alike."""
    named = asked.find_in(*_read(body))
    if named is None:
        return None
    reference = None if named.reference is None else proof.verify(named.reference)
    return (
        b'{"role":' + encode(named.role) + b',"reference":' + encode(reference)
        + b',"event":' + body + b"}"
    )  # fmt: skip


def _read(body: bytes) -> tuple[dict[str, JsonValue], str]:
    """Data and type of an event as it is kept."""
    event = decode(body)
    if not isinstance(event, dict):
        return {}, ""
    data = event.get("data")
    return (data if isinstance(data, dict) else {}), str(event.get("type"))


OPERATIONS = (
    Operation("GET", "/v1/references/{key}", "getTimeline",
              "List the events that name a thing, the oldest first", timeline, query=TimedPage,
              answer=Timeline, scopes=["subscriber"]),
)  # fmt: skip
