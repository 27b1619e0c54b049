"""Answers that are written bit by bit, in flat memory; and events, as they come."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import ClientConnectionResetError, web
from redis.exceptions import RedisError

from onehook.core.routing import matches
from onehook.store.events import IndexEntry
from onehook.web.gateway import Gateway

log = structlog.get_logger()

PATIENCE = 120.0  # seconds that a client may take for one part
AT_ONCE = 20  # events in memory for one client
POLL = 0.2  # seconds between looks for new ones
HEARTBEAT = 15.0  # seconds without an event after which a client hears that we are there
RETRY_MS = 2000  # how soon a client that lost us may come back
EVENT_STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back otherwise
}


@dataclass(frozen=True, slots=True)
class News:
    """Events that came, the oldest first, up to *position*; none: we are still there."""

    position: str
    events: Sequence[tuple[IndexEntry, bytes]] = ()


async def newest(gateway: Gateway) -> str:
    """The position of the newest event: what follows it is yet to come."""
    found = await gateway.events.index(since=None, until=None, before=None, count=1)
    return found[0].position if found else "0-0"


async def follow_events(
    gateway: Gateway, pattern: str | None, integration: str | None, position: str
) -> AsyncIterator[News]:
    """Events after *position* as they come, as long as the gateway runs.

    *pattern* is one of types and *integration* an id; None: all. Expired ones are passed over.
    """
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
            found = await gateway.events.find_events([entry.event_id for entry in chosen])
            events = [(e, event[1]) for e, event in zip(chosen, found, strict=True) if event]
            if events:
                spoke = loop.time()
                yield News(position, events)
            continue
        if loop.time() - spoke >= HEARTBEAT:
            spoke = loop.time()
            yield News(position)
        await asyncio.sleep(POLL)


async def stream(
    request: web.Request, headers: Mapping[str, str], parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Answer with *parts* as they come, each once the client has room for it.

    What fails before the first part is the caller's to tell. After that the answer has begun: it
    is broken off, so that nobody takes half of it for the whole.
    """
    first = await anext(parts, b"")
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await _write(response, first)
        async for part in parts:
            await _write(response, part)
        await response.write_eof()
    except ClientConnectionResetError:
        pass  # the client has gone
    except (RedisError, OSError) as error:
        log.warning("stream.broken", path=request.path, error=type(error).__name__)
        _break_off(request)
    except Exception:
        log.exception("stream.crashed", path=request.path)
        _break_off(request)
    return response


async def _write(response: web.StreamResponse, part: bytes) -> None:
    async with asyncio.timeout(PATIENCE):  # who takes nothing for so long is not there
        await response.write(part)


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
