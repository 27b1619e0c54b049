"""Answers that are written bit by bit, in flat memory."""

from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import ClientConnectionResetError, web
from redis.exceptions import RedisError

log = structlog.get_logger()


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
        await response.write(first)
        async for part in parts:
            await response.write(part)
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


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
