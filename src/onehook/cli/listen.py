"""``onehook listen``: forward events to a server on this machine, as they come."""

import asyncio
import secrets
from contextlib import suppress
from http import HTTPStatus

import aiohttp
import msgspec
import uvloop

from onehook import __version__
from onehook.cli.client import address, get_key
from onehook.cli.following import Frame, Stream, each
from onehook.cli.output import out, talk, tell
from onehook.clock import SystemClock
from onehook.core.profiles.secrets import make_secret, standard_key
from onehook.core.profiles.table import sign
from onehook.settings import ClientSettings

_ANSWER = 30.0  # seconds that the server may take


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

    Ends with Ctrl-C. Exit codes: 0 ended, 1 the gateway refuses, 69 it cannot be reached, 78 it
    does not know the API key.

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
    made = secret or make_secret(secrets.token_bytes(32))
    if secret is None:
        talk.print(f"signing with {made}", markup=False)
    wanted = {"type": type, "integration": integration}
    query = {name: value for name, value in wanted.items() if value is not None}
    stream = Stream(address(settings, url), api_key or get_key(settings), query, since)
    forwarder = Forwarder(forward, standard_key(made), as_json=json)
    return uvloop.run(forwarder.run(stream))


class Forwarder:
    """Forwards what comes in a stream, one event after the other."""

    def __init__(self, forward: str, key: bytes, *, as_json: bool) -> None:
        self._forward, self._key = forward, key
        self._as_json = as_json
        self._clock = SystemClock()

    async def run(self, stream: Stream) -> int:
        """Follow until we are told to end."""
        limits = aiohttp.ClientTimeout(total=_ANSWER)
        async with aiohttp.ClientSession(timeout=limits) as server:

            async def take(frame: Frame) -> None:
                await self._send(server, frame)

            return await each(stream, lambda: tell(f"{stream.url} -> {self._forward}"), take)

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
