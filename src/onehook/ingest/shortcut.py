"""The short way of a webhook that came whole: from its connection to the steps, and back.

Nearly every webhook is a small POST whose head and body arrive together, for an integration that
expects no handshake. It needs no task, no request and no response object of its own, which take
a seventh of all the time. Whatever is not so plain takes the way of every other request.
"""

import asyncio
from functools import partial

from aiohttp import StreamReader, hdrs
from aiohttp.http import HttpVersion11, RawRequestMessage

from onehook.core.integration import Integration
from onehook.core.model import Webhook
from onehook.errors import OnehookError
from onehook.ingest.committer import Committed
from onehook.ingest.guard import Caller
from onehook.ingest.handler import Ingest
from onehook.ingest.steps import WIDE, Item
from onehook.web.server import Answerer

PATH = "/ingest/"
_JSON = (("Content-Type", "application/json"),)


class Shortcut:
    """Takes plain webhooks past aiohttp's handling of requests."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._largest = min(WIDE, ingest.gateway.settings.max_body)

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
        item = ingest.steps.begin(integration, webhook)
        item.done.add_done_callback(
            partial(self._end, caller, integration, webhook, item, connection)
        )
        return True

    def _end(
        self,
        caller: Caller,
        integration: Integration,
        webhook: Webhook,
        item: Item,
        connection: Answerer,
        done: "asyncio.Future[Committed | None]",
    ) -> None:
        ingest = self._ingest
        ingest.guard.leave(integration)
        try:
            reply = ingest.conclude(caller, integration, webhook, item.made_of(done.result()))
            connection.answer(reply.status, _JSON, reply.body, close=False)
        except Exception as error:  # noqa: BLE001 whatever it is has an answer
            response = ingest.refuse(caller, integration, error)
            body = response.body
            assert isinstance(body, bytes)  # noqa: S101 a problem is bytes
            connection.answer(
                response.status, response.headers.items(), body, close=response.keep_alive is False
            )
