"""The short way of a webhook that came whole: from its connection to the steps, and back.

Nearly every webhook is a small POST whose head and body arrive together, for an integration that
expects no handshake. It needs no task, no request and no response object of its own, which take
a seventh of all the time. Whatever is not so plain takes the way of every other request.
"""

import asyncio

import structlog
from aiohttp import StreamReader, hdrs
from aiohttp.http import HttpVersion11, RawRequestMessage

from onehook.core.integration import Integration
from onehook.core.model import Webhook
from onehook.errors import OnehookError
from onehook.ingest.committer import Committed
from onehook.ingest.guard import Caller
from onehook.ingest.handler import Ingest
from onehook.ingest.steps import WIDE, Item
from onehook.web.server import Answer, Answerer

log = structlog.get_logger()

PATH = "/ingest/"
_JSON = (("Content-Type", "application/json"),)


class Shortcut:
    """Takes plain webhooks past aiohttp's handling of requests."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._largest = min(WIDE, ingest.gateway.settings.max_body)
        self._through: list[_Taken] = []

    def take(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        remote: str | None,
        connection: Answerer,
    ) -> bool:
        """Take a request that came whole, and answer it later; False: it is not for this way."""
        if (
            message.method != "POST"
            or not message.path.startswith(PATH)
            or message.should_close
            or message.compression
            or message.chunked
            or message.upgrade
            or message.version != HttpVersion11
            or payload.total_bytes > self._largest
            or hdrs.CONTENT_LENGTH not in message.headers
            or hdrs.CONTENT_ENCODING in message.headers
            or hdrs.EXPECT in message.headers
        ):
            return False
        ingest, name = self._ingest, message.path[len(PATH) :]
        caller = Caller(remote, message.headers)
        try:
            integration = ingest.find(name)
            if integration.mapping.handshakes:
                return False
            ingest.guard.enter(caller, integration)
        except OnehookError:  # found again, and answered, on the other way
            return False
        # All of it is there. To read it would have the connection ask for more, twice.
        body = b"".join(payload._buffer)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
        webhook = ingest.webhook(message.raw_headers, body, message.method, message.path)
        ingest.steps.begin(_Taken(self, caller, integration, webhook, connection).item)
        return True

    def end(self, taken: "_Taken") -> None:
        """Answer *taken* together with the others of its commit."""
        self._through.append(taken)
        if len(self._through) == 1:
            asyncio.get_running_loop().call_soon(self._answer_all)

    def _answer_all(self) -> None:
        # All are concluded before the first is sent: to send takes the kernel, which leaves
        # nothing of what the next one needs in the processor's caches. As in the steps.
        through, self._through = self._through, []
        for connection, answer in [(taken.connection, self._answer(taken)) for taken in through]:
            try:
                connection.answer(answer)
            except Exception:  # the others get theirs
                log.exception("answer.crashed")

    def _answer(self, taken: "_Taken") -> Answer:
        ingest, caller, item = self._ingest, taken.caller, taken.item
        del taken.item  # which has it: a circle would keep the body until somebody collects it
        integration = item.integration
        ingest.guard.leave(integration)
        try:
            made = item.made_of(taken.result())
            reply = ingest.conclude(caller, integration, item.webhook, made)
        except Exception as error:  # noqa: BLE001 whatever it is has an answer
            response = ingest.refuse(caller, integration, error)
            body = response.body
            assert isinstance(body, bytes)  # noqa: S101 a problem is bytes
            headers = tuple(response.headers.items())
            return Answer(response.status, headers, body, close=response.keep_alive is False)
        return Answer(reply.status, _JSON, reply.body)


class _Taken:
    """A webhook that was taken, and whoever is to be answered: told of its end, as a future is."""

    __slots__ = ("_committed", "_error", "_shortcut", "caller", "connection", "item")

    def __init__(
        self,
        shortcut: Shortcut,
        caller: Caller,
        integration: Integration,
        webhook: Webhook,
        connection: Answerer,
    ) -> None:
        self._shortcut: Shortcut | None = shortcut  # None: it has ended
        self._committed: Committed | None = None
        self._error: Exception | None = None
        self.caller, self.connection = caller, connection
        self.item = Item(integration, webhook, False, self)

    def done(self) -> bool:
        """Whether it has ended."""
        return self._shortcut is None

    def set_result(self, result: Committed | None) -> None:
        """The store says *result* of it; None: it was ignored."""
        self._committed = result
        self._end()

    def set_exception(self, exception: Exception) -> None:
        """It was refused, or cannot be taken now."""
        self._error = exception
        self._end()

    def _end(self) -> None:
        assert self._shortcut is not None  # noqa: S101 whoever tells asks first
        self._shortcut.end(self)
        self._shortcut = None

    def result(self) -> Committed | None:
        """What the store said.

        Raises:
            OnehookError: it was refused, or cannot be taken now.
        """
        if self._error is not None:
            raise self._error
        return self._committed
