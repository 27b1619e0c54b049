"""Answers that are written bit by bit, in flat memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import ClientConnectionResetError, web
from redis.exceptions import RedisError

log = structlog.get_logger()

PATIENCE = 120.0  # seconds that a client may take for one part


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
