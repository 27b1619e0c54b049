"""``/v1/stream``: events as they come, as server-sent events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

Each client reads the index from where it is, at its own pace: what it has not taken yet lies in
the store, not in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from onehook.api.integrations import find_id
from onehook.api.pagination import POSITION, Pattern
from onehook.core.routing import matches
from onehook.errors import FieldError, InvalidRequestError
from onehook.store.events import IndexEntry
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, Operation
from onehook.web.streaming import stream

AT_ONCE = 20  # events in memory for one client
POLL = 0.2  # seconds between looks for new ones
HEARTBEAT = 15.0  # seconds without an event after which a client hears that we are there
RETRY_MS = 2000  # how soon a client that lost us may come back
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back otherwise
}


class StreamQuery(Form):
    """Which events; ``last_event_id`` for clients that cannot send the header."""

    type: Pattern | None = None
    integration: str | None = None
    last_event_id: str | None = None


async def follow(call: Call[NoBody, StreamQuery]) -> web.StreamResponse:
    """Give events as they come, from now or from after ``Last-Event-ID``."""
    gateway, query = call.gateway, call.query
    integration = None
    if query.integration is not None:
        integration = find_id(gateway.registry.snapshot, query.integration)
    start = _position(call)
    if start is None:
        newest = await gateway.events.index(since=None, until=None, before=None, count=1)
        start = newest[0].position if newest else "0-0"
    return await stream(call.request, HEADERS, _frames(gateway, query.type, integration, start))


def _position(call: Call[NoBody, StreamQuery]) -> str | None:
    """Where the client left off.

    Raises:
        InvalidRequestError: it names no place of this stream.
    """
    header = call.request.headers.get("Last-Event-ID") or None
    given = header or call.query.last_event_id
    if given is not None and not POSITION.fullmatch(given):
        name = "last_event_id" if header is None else "Last-Event-ID"
        detail = f"{name} is no id of this stream: send the last `id` as it was"
        raise InvalidRequestError(detail, errors=[FieldError(f"/{name}", detail)])
    return given


async def _frames(
    gateway: Gateway, pattern: str | None, integration: str | None, position: str
) -> AsyncIterator[bytes]:
    """The stream after *position*, as long as the gateway runs."""
    yield b"retry: %d\nid: %s\n\n" % (RETRY_MS, position.encode())
    loop = asyncio.get_running_loop()
    spoke = loop.time()
    while not gateway.readiness.stopping:
        entries = await gateway.events.walk(position, None, None, AT_ONCE)
        if entries:
            position = entries[-1].position
            chosen = [
                entry
                for entry in entries
                if (integration is None or entry.integration_id == integration)
                and (pattern is None or matches(pattern, entry.type))
            ]
            frames = await _render(gateway, chosen)
            if frames:
                spoke = loop.time()
                yield frames
            continue
        if loop.time() - spoke >= HEARTBEAT:
            spoke = loop.time()
            # The id, so that who comes back need not pass over what he does not want again.
            yield b": still here\nid: %s\n\n" % position.encode()
        await asyncio.sleep(POLL)


async def _render(gateway: Gateway, entries: Sequence[IndexEntry]) -> bytes:
    """An event a frame; events that have expired are passed over."""
    found = await gateway.events.find_events([entry.event_id for entry in entries])
    frames = [
        b"id: %s\nevent: %s\ndata: %s\n\n"
        % (entry.position.encode(), entry.type.encode(), event[1])
        for entry, event in zip(entries, found, strict=True)
        if event is not None
    ]
    return b"".join(frames)


OPERATIONS = (
    Operation("GET", "/v1/stream", "streamEvents", "Give events as they come", follow,
              query=StreamQuery, content_type="text/event-stream", problems=(404,)),
)  # fmt: skip
