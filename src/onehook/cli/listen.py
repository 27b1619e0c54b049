"""``onehook listen``: forward events to a server on this machine, as they come."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import msgspec
import uvloop
from aiohttp import hdrs

from onehook import __version__
from onehook.cli.output import fail, out, talk
from onehook.clock import SystemClock
from onehook.core.profiles.secrets import make_secret, standard_key
from onehook.core.profiles.table import sign
from onehook.errors import OnehookError
from onehook.settings import ClientSettings

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds before a lost stream is asked for again
_SILENCE = 60.0  # seconds: four heartbeats were missed
_ANSWER = 30.0  # seconds that the server may take
_UNREACHABLE = 69


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    id: str
    type: str
    data: bytes


class _RefusedError(OnehookError):
    """The gateway does not give the stream, and asking again would not help."""


def listen(
    *,
    forward: str,
    type: str | None = None,  # noqa: A002 it is the option's name
    integration: str | None = None,
    secret: str | None = None,
    since: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    json: bool = False,
) -> int:
    """Forward events to a URL as they come, signed as a subscription's would be.

    Ends with Ctrl-C. Exit codes: 0 ended, 1 the gateway refuses, 69 it cannot be reached.

    Args:
        forward: where to, such as http://localhost:3000/hook.
        type: only events of this type or pattern, such as scm.*.
        integration: only events of this integration, by id or key.
        secret: what to sign with, as a subscription's secret; one is made and shown otherwise.
        since: begin after this id, which is printed with each event, instead of now.
        url: the gateway (http://127.0.0.1:8080); also ONEHOOK_URL.
        api_key: also ONEHOOK_API_KEY, or the file api-key in ONEHOOK_DATA.
        json: print a JSON object for each event.
    """
    settings = ClientSettings()
    key = api_key or _key(settings)
    made = secret or make_secret(secrets.token_bytes(32))
    if secret is None:
        talk.print(f"signing with {made}", markup=False)
    wanted = {"type": type, "integration": integration}
    query = {name: value for name, value in wanted.items() if value is not None}
    listener = Listener(forward, standard_key(made), query, since, as_json=json)
    return uvloop.run(_listen(listener, url or settings.url, key))


def _key(settings: ClientSettings) -> str:
    """The API key as set, or as the gateway on this machine keeps it; empty: there is none."""
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    file = settings.data / "api-key"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


async def _listen(listener: "Listener", url: str, key: str) -> int:
    task = asyncio.ensure_future(listener.run(url, key))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0


class Listener:
    """Follows the stream of a gateway, and forwards what comes, one event after the other."""

    def __init__(
        self,
        forward: str,
        key: bytes,
        query: dict[str, str],
        position: str | None,
        *,
        as_json: bool,
    ) -> None:
        self._forward, self._key, self._query = forward, key, query
        self._position = position
        self._as_json = as_json
        self._clock = SystemClock()

    async def run(self, url: str, key: str) -> int:
        """Follow until we are cancelled; a stream that is lost is taken up where it was."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE)
        headers = {hdrs.AUTHORIZATION: f"Bearer {key}"}
        pause, connected = _FIRST_PAUSE, False
        async with (
            aiohttp.ClientSession(url, headers=headers, timeout=limits) as gateway,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER)) as server,
        ):
            while True:
                place = {} if self._position is None else {"Last-Event-ID": self._position}
                try:
                    async with gateway.get(
                        "/v1/stream", params=self._query, headers=place
                    ) as response:
                        await _check(response)
                        connected, pause = True, _FIRST_PAUSE
                        talk.print(f"{url} -> {self._forward}", markup=False)
                        await self._follow(server, response)
                except _RefusedError as error:
                    fail(error.detail)
                    return 1
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    if not connected:
                        fail(f"{url} cannot be reached ({_name(error)})")
                        return _UNREACHABLE
                talk.print("the stream ended; asking for it again", markup=False)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _follow(
        self, server: aiohttp.ClientSession, response: aiohttp.ClientResponse
    ) -> None:
        """Forward what comes; a frame without data only says where the stream is."""
        async for frame in frames(response.content.iter_any()):
            if frame.data:
                await self._send(server, frame)
            self._position = frame.id or self._position

    async def _send(self, server: aiohttp.ClientSession, frame: Frame) -> None:
        event = msgspec.json.decode(frame.data, type=_Event)
        now = self._clock.now()
        timestamp = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"onehook/{__version__}",
            "webhook-id": event.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._key, event.id, timestamp, frame.data),
            "x-onehook-event": event.type,
        }
        loop = asyncio.get_running_loop()
        started, status, error = loop.time(), None, None
        try:
            async with server.post(
                self._forward, data=frame.data, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            error = _name(problem)
        took = round((loop.time() - started) * 1000)
        self._print(_Sent(frame.id, event.id, event.type, status, error, took), f"{now:%H:%M:%S}")

    def _print(self, sent: "_Sent", at: str) -> None:
        if self._as_json:
            out.print(msgspec.json.encode(sent).decode(), markup=False, emoji=False)
            return
        answer = sent.error
        if sent.status is not None:
            answer = f"{sent.status} {_phrase(sent.status)}"
        line = f"{at}  {sent.type}  {sent.event_id}  -> {answer} ({sent.duration_ms} ms)"
        out.print(f"{line}  {sent.position}", markup=False, emoji=False)


class _Event(msgspec.Struct):
    """What is printed of an event."""

    id: str
    type: str


class _Sent(msgspec.Struct):
    """What became of one event."""

    position: str
    event_id: str
    type: str
    status: int | None
    error: str | None
    duration_ms: int


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


async def _check(response: aiohttp.ClientResponse) -> None:
    """Tell what the gateway refuses, in its own words.

    Raises:
        _RefusedError: it answered with a problem that will stay one.
        ClientError: it is not ready.
    """
    if response.status == HTTPStatus.OK:
        return
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        response.raise_for_status()
    detail = f"the gateway answered {response.status}"
    with suppress(aiohttp.ClientError, ValueError, LookupError, TypeError):
        problem = await response.json(content_type=None)
        detail = str(problem["detail"])
    raise _RefusedError(detail)


def _phrase(status: int) -> str:
    with suppress(ValueError):
        return HTTPStatus(status).phrase
    return ""


def _name(error: BaseException) -> str:
    """A word for what went wrong."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorError() | ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
