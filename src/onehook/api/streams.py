"""``/v1/stream``: events as they come, as server-sent events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

Each client reads the index from where it is, at its own pace: what it has not taken yet lies in
the store, not in memory.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from onehook.api.integrations import find_id
from onehook.api.pagination import POSITION, Pattern
from onehook.errors import FieldError, InvalidRequestError
from onehook.web.operations import Call, Form, NoBody, Operation
from onehook.web.streaming import EVENT_STREAM, RETRY_MS, follow_events, newest, stream


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
        start = await newest(gateway)
    return await stream(call.request, EVENT_STREAM, _frames(call, integration, start))


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
    call: Call[NoBody, StreamQuery], integration: str | None, position: str
) -> AsyncIterator[bytes]:
    """The stream after *position*, as long as the gateway runs and the API key holds."""
    yield b"retry: %d\nid: %s\n\n" % (RETRY_MS, position.encode())
    async for news in follow_events(call.gateway, call.query.type, integration, position):
        if not call.still_allowed:
            return
        if news.events:
            yield b"".join(
                b"id: %s\nevent: %s\ndata: %s\n\n"
                % (entry.position.encode(), entry.type.encode(), body)
                for entry, body in news.events
            )
        else:  # the id, so that who comes back need not pass over what he does not want again
            yield b": still here\nid: %s\n\n" % news.position.encode()


OPERATIONS = (
    Operation("GET", "/v1/stream", "streamEvents", "Give events as they come", follow,
              query=StreamQuery, content_type="text/event-stream", problems=(404,),
              scopes=["subscriber"]),
)  # fmt: skip
