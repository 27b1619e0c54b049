"""The HTTP server's edge: what happens to a connection before a request is whole, or if it breaks.

aiohttp's own handler of a connection answers a request that it cannot read with text that quotes
it, logs each with a traceback, lets a body whose framing breaks wait for its time-out, and gives
whoever never finishes a request as long as an idle connection. Here each of these is ours.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import structlog
from aiohttp import StreamReader, hdrs, web, web_response
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from onehook.errors import InvalidRequestError, OnehookError, StoreUnavailableError
from onehook.metrics import Metrics
from onehook.web.problems import problem

log = structlog.get_logger()

# aiohttp names itself and Python, with versions, in each answer. Without a Server header of ours it
# asks for this name; a signal that sets one would cost a coroutine for every webhook.
_SERVER = "onehook"
setattr(web_response, "SERVER_SOFTWARE", _SERVER)  # noqa: B010 it exports no such name


class Answer(NamedTuple):
    """What to answer a request that was taken; with *close* it is its connection's last."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    close: bool = False


class Answerer(Protocol):
    """A connection, as whoever answers a request on it sees it."""

    def answer(self, answer: Answer, /) -> None:
        """Answer the request that was taken."""
        ...


class TakeRequest(Protocol):
    """Takes a request and answers it later; False: it is for aiohttp."""

    def __call__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        remote: str | None,
        connection: Answerer,
        /,
    ) -> bool:
        """Look at a request that came whole: *payload* has ended."""
        ...


# A health check has to be answered by a gateway that is full, or its load balancer would take it
# away, and have the others full next. So many more than there are places for may say what they
# want, for so many seconds: enough for a thousand strangers a second from the other side of the
# world, and too few to take memory that counts.
RESERVE, PATIENCE = 256, 1.0
_LINE = 2048  # bytes that the first line of a health check may have
_PROBE = re.compile(rb"(?:GET|HEAD) /(?:healthz|readyz)(?:\?\S*)? HTTP/1\.[01]\r?\n")


@dataclass(slots=True)
class Room:
    """How many connections there may be, and how many there are."""

    places: int
    taken: int = 0

    @property
    def full(self) -> bool:
        """Whether there are more than there may be: only health checks are answered."""
        return self.taken > self.places

    @property
    def crowded(self) -> bool:
        """Whether there is no place even for those."""
        return self.taken > self.places + RESERVE


def _say(error: OnehookError) -> bytes:
    """The whole answer to whoever is not let in: there is no request yet to answer."""
    body = problem(error).body
    assert isinstance(body, bytes)  # noqa: S101 a problem is a short JSON
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {error.retry_after}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


@lru_cache(256)  # nearly all answers have one of a few
def _head(status: int, headers: tuple[tuple[str, str], ...], close: bool) -> bytes:
    """An answer's head up to what differs each time."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers if name != hdrs.CONTENT_LENGTH]
    lines += [f"Server: {_SERVER}", *(["Connection: close"] if close else []), ""]
    return "\r\n".join(lines).encode("latin-1")


_FULL = _say(
    StoreUnavailableError(
        "there are as many connections as this gateway takes: try again in a moment",
        code="overloaded",
        retry_after=1,
    )
)


class Connection(RequestHandler):
    """One connection of a sender.

    *head_timeout*: seconds that a request's headers may take, from the start of the connection or
    from their first byte. Each takes a place in *room*; where there is none, only one request is
    answered, and only if it asks how the gateway is.
    *shortcut* may take a request that came whole while nothing else is in hand here: then aiohttp
    never hears of it, and :meth:`answer` ends it.
    """

    __slots__ = (
        "_begun",
        "_beyond",
        "_first",
        "_fresh",
        "_head_timeout",
        "_head_timer",
        "_metrics",
        "_only",
        "_room",
        "_shortcut",
        "_taken",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        head_timeout: float,
        metrics: Metrics,
        room: "Room",
        shortcut: TakeRequest | None = None,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._room, self._shortcut = room, shortcut
        self._head_timeout, self._metrics = head_timeout, metrics
        self._taken = self._begun = False  # a request by the shortcut; another one behind it
        self._fresh = True  # aiohttp has not begun to wait for a request
        self._first: asyncio.Future[None] | None = None  # what was taken before is answered
        self._head_timer: asyncio.TimerHandle | None = None
        self._beyond: bytes | None = None  # there is no place: what it has said so far
        self._only = False  # its first request is its last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Await the first request."""
        super().connection_made(transport)
        self._room.taken += 1
        if self._room.crowded:
            self._turn_away()
            return
        if self._room.full:
            self._beyond, self._head_timeout = b"", min(self._head_timeout, PATIENCE)
        self._await_head()

    async def start(self) -> None:
        """Let aiohttp begin with what the shortcut leaves; the first request may come before."""
        while self._taken:
            self._first = self._loop.create_future()
            await self._first
        self._fresh = False
        if self.transport is not None:  # its sender may have gone meanwhile
            await super().start()

    def _turn_away(self) -> None:
        """Say that there is no room, and end it."""
        self._stop_awaiting()
        self._metrics.refused_connections.labels("full").inc()
        if self.transport is not None:
            self.transport.write(_FULL)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what came; find out whether a request is whole, under way, or broken."""
        if self._beyond is not None and not (data := self._first_words(data)):
            return
        idle, free = self._waiter, self._fresh or self._taken
        if not free and (idle is None or idle.done()):  # aiohttp is at work on a request
            super().data_received(data)
        else:
            self._waiter = None  # so that nobody is woken before we know for whom this is
            super().data_received(data)
            self._waiter = idle
            if self._taken:
                self._begun = self._begun or bool(data)
                return
            if self._messages and not self._only and self._is_taken():
                self._stop_awaiting()
                return
            if self._messages and idle is not None:
                idle.set_result(None)
        messages = self._messages
        if messages:
            self._stop_awaiting()
            self._make_last()
            if not isinstance(messages[-1][0], RawRequestMessage):
                self._break_body()
        elif self._head_timer is None and idle is not None and not idle.done():
            self._await_head()

    def _first_words(self, data: bytes) -> bytes:
        """What was said so far, if it begins a health check; empty: not yet, or turned away."""
        said = (self._beyond or b"") + data
        if b"\n" not in said and len(said) < _LINE:
            self._beyond = said
            return b""
        if _PROBE.match(said) is None:
            self._turn_away()
            return b""
        self._beyond, self._only = None, True
        return said

    def _make_last(self) -> None:
        """End the connection after its request, where there was no place for it."""
        message, content = self._messages[0]
        if self._only and isinstance(message, RawRequestMessage):
            self._messages[0] = (message._replace(should_close=True), content)

    def _is_taken(self) -> bool:
        """Whether the shortcut took what has come."""
        if self._shortcut is None or len(self._messages) != 1 or self._paused:
            return False
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or not payload.is_eof():
            return False
        peer = self.peername
        remote = str(peer[0]) if isinstance(peer, tuple) else peer
        self._messages.popleft()
        self._taken = True  # to read the body may make us look at what else has come
        if not self._shortcut(message, payload, remote, self):
            self._taken = False
            self._messages.appendleft((message, payload))
            return False
        if self._parser is not None:
            self._parser.message_consumed()
        if self._manager is not None:
            self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._request_in_progress = True
        return True

    def answer(self, answer: Answer) -> None:
        """Answer the request that the shortcut took."""
        self._taken = self._request_in_progress = False
        for waiting in (self._handler_waiter, self._first):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        transport = self.transport
        if transport is None:  # its sender has gone
            return
        head, body = _head(answer.status, answer.headers, answer.close), answer.body
        date = rfc822_formatted_time().encode()
        transport.write(
            b"%bDate: %b\r\nContent-Length: %d\r\n\r\n%b" % (head, date, len(body), body)
        )
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        begun, self._begun = self._begun, False
        if answer.close or self._close:
            transport.close()
        elif self._messages:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)
        elif begun:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._room.taken -= 1
        self._stop_awaiting()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem that quotes nothing of the request, and then the end of the connection.

        Raises:
            ConnectionError: part of another answer was sent already.
        """
        if status == HTTPStatus.BAD_REQUEST:
            self._metrics.refused_connections.labels("broken").inc()
            detail = "this is not HTTP, or its headers or framing are broken or too large"
            error: OnehookError = InvalidRequestError(detail, code="body_invalid", status=400)
        else:
            log.error("request.crashed", error=type(exc).__name__)
            error = OnehookError("the request failed; the gateway's log says why")
        if request.writer.output_size > 0:
            msg = "an answer was begun already"
            raise ConnectionError(msg)
        response = problem(error)
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **more: Any) -> None:
        """One line, without the traceback and what it would quote."""
        error = more.get("exc_info")
        if not isinstance(error, web.RequestPayloadError):  # a broken body is counted elsewhere
            log.warning("connection.crashed", error=type(error).__name__)

    def _break_body(self) -> None:
        """Tell whoever reads the body of the last good request that no more of it will come."""
        if len(self._messages) > 1:
            content = self._messages[-2][1]
        elif self._current_request is not None:
            content = self._current_request.content
        else:
            return
        if not content.is_eof() and content.exception() is None:
            content.set_exception(web.RequestPayloadError("the framing is broken"))

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._head_is_late)

    def _stop_awaiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._beyond is not None:
            self._turn_away()
            return
        self._metrics.refused_connections.labels("slow").inc()
        self.force_close()


class Site(web.BaseSite):
    """Listens on *host* and *port*, and makes a :class:`Connection` of each that comes.

    *options* are those of :class:`Connection`.
    """

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, backlog: int, **options: Any
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._host, self._port, self._options = host, port, options

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: it cannot.
        """
        await super().start()
        loop, manager = asyncio.get_running_loop(), self._runner.server
        assert manager is not None  # noqa: S101 BaseSite has asked for it
        self._server = await loop.create_server(
            lambda: Connection(manager, loop=loop, **self._options),
            self._host,
            self._port,
            backlog=self._backlog,
        )
