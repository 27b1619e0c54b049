"""The stream of a gateway, followed across its interruptions."""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs

from onehook.cli.client import check, unreachable
from onehook.cli.output import tell
from onehook.errors import StoreUnavailableError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds before a lost stream is asked for again
_SILENCE = 60.0  # seconds: four heartbeats were missed


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    id: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of the gateway at *url* that *query* wants, after *position* (None: from now)."""

    url: str
    key: str
    query: Mapping[str, str]
    position: str | None = None

    async def frames(self, begun: Callable[[], None]) -> AsyncGenerator[Frame, None]:
        """What comes, without end; *begun* is called whenever the gateway begins to give it.

        A stream that is lost is taken up where it was.

        Raises:
            SettingsError: the gateway does not know the key.
            StoreUnavailableError: it could not be reached from the beginning.
            RefusedError: it refuses.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE)
        headers = {hdrs.AUTHORIZATION: f"Bearer {self.key}"}
        pause, connected, position = _FIRST_PAUSE, False, self.position
        async with aiohttp.ClientSession(headers=headers, timeout=limits) as session:
            while True:
                place = {} if position is None else {"Last-Event-ID": position}
                try:
                    async with session.get(
                        f"{self.url}/v1/stream", params=dict(self.query), headers=place
                    ) as response:
                        await check(response, self.url)
                        connected, pause = True, _FIRST_PAUSE
                        begun()
                        async for frame in frames(response.content.iter_any()):
                            if frame.data:
                                yield frame
                            position = frame.id or position
                except StoreUnavailableError:
                    if not connected:
                        raise
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    if not connected:
                        raise StoreUnavailableError(unreachable(self.url, error)) from None
                tell("the stream ended; asking for it again")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


async def each(
    stream: Stream, begun: Callable[[], None], take: Callable[[Frame], Awaitable[None]]
) -> int:
    """Let *take* have each frame until SIGTERM or Ctrl-C; then 0.

    Raises:
        SettingsError: the gateway does not know the key.
        StoreUnavailableError: it could not be reached from the beginning.
        RefusedError: it refuses.
    """

    async def follow() -> None:
        async with aclosing(stream.frames(begun)) as found:
            async for frame in found:
                await take(frame)

    task = asyncio.ensure_future(follow())
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    return 0


async def frames(parts: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """The events of a stream; one without data only says where the stream is.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
    """
    waiting = b""
    async for part in parts:
        waiting += part
        *whole, waiting = waiting.split(b"\n\n")
        for text in whole:
            fields: dict[str, list[bytes]] = {}
            for line in text.split(b"\n"):
                name, _, value = line.partition(b":")
                fields.setdefault(name.decode(), []).append(value.removeprefix(b" "))
            id_, type_ = (fields.get(name, [b""])[-1].decode() for name in ("id", "event"))
            yield Frame(id_, type_, b"\n".join(fields.get("data", [])))
