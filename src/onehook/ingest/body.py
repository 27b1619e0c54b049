"""Reads a request's body within a size and a time."""

import asyncio
from datetime import timedelta
from typing import NoReturn

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from onehook.errors import InvalidRequestError


async def read_bounded(request: web.Request, max_bytes: int, within: timedelta) -> bytes:
    """The whole body, as it came: nothing decoded.

    Raises:
        InvalidRequestError: 413 body_too_large (before reading where the length is declared),
            408 body_timeout, 400 body_invalid for broken framing.
    """
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        _refuse_large(max_bytes)
    content = request.content
    if content.is_eof() and declared is not None:  # it came with the headers
        return content.read_nowait(-1) if declared else b""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within.total_seconds()):
            async for chunk in content.iter_any():
                size += len(chunk)
                if size > max_bytes:
                    _refuse_large(max_bytes)
                chunks.append(chunk)
    except TimeoutError:
        detail = f"the body did not arrive within {within.total_seconds():g} s"
        raise InvalidRequestError(detail, code="body_timeout", status=408) from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
        detail = "the body ended early, or its framing is broken"
        raise InvalidRequestError(detail, code="body_invalid", status=400) from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refuse_large(max_bytes: int) -> NoReturn:
    """Refuse a body beyond the cap.

    Raises:
        InvalidRequestError: 413.
    """
    detail = f"the body is larger than {max_bytes} bytes (ONEHOOK_MAX_BODY)"
    raise InvalidRequestError(detail, code="body_too_large", status=413)
