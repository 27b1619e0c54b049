"""The short way of a request: its bytes onto a connection of aiohttp's pool, its answer off it.

Who posts the same few headers to the same few URLs all the time has no use for what a client
session makes of each request: a quarter of the time that a delivery takes. Names, addresses, TLS,
the pool of connections and the reading of answers stay aiohttp's.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache

import aiohttp
import msgspec
from aiohttp import hdrs
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy
from yarl import URL

LARGEST = 64 * 1024  # bytes of a body that is written without a look at how fast it leaves
MAX_URLS = 10_000  # that are remembered


class Exchange:
    """An answer that has begun. *content* is what of its body is yet to be read."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: CIMultiDictProxy[str],
        content: aiohttp.StreamReader,
    ) -> None:
        self._connection = connection
        self.status, self.headers, self.content = status, headers, content

    def release(self) -> None:
        """Give the connection back; one whose answer was not read to its end is closed."""
        self._connection.release()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class _Target(msgspec.Struct, frozen=True):
    """Where a URL leads: for the connector, and at the head of each request."""

    request: ClientRequest
    head: bytes


class Exchanges:
    """Posts by the connections of *session*.

    *connect_within*: seconds that a new one may take, TLS included. *max_line* and *max_field*:
    bytes of a line and of a header of an answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connect_within: float,
        max_line: int,
        max_field: int,
    ) -> None:
        self._session = session
        self._limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_within)
        self._max_line, self._max_field = max_line, max_field
        self._target = lru_cache(MAX_URLS)(self._find_target)

    def take(self, url: str, body: bytes) -> bool:
        """Whether a request goes this way: a small one, to a URL without a password in it."""
        return len(body) <= LARGEST and self._target(url) is not None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        """POST what :meth:`take` takes; the answer's body is yet to be read.

        Raises:
            aiohttp.ClientError: no connection, or it broke off.
            aiohttp.ConnectionTimeoutError: no connection in time.
            aiohttp.http_exceptions.HttpProcessingError: the answer is not HTTP.
            OSError: the connection cannot be made.
            ValueError: a header holds a line break.
        """
        target, connector = self._target(url), self._session.connector
        assert target is not None  # noqa: S101 see take
        assert connector is not None  # noqa: S101 the session is open
        lines = _lines(headers, len(body))
        try:
            connection = await connector.connect(target.request, [], self._limits)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            return await self._exchange(connection, target.head + lines + body)
        except BaseException:
            connection.close()
            raise

    async def _exchange(self, connection: Connection, request: bytes) -> Exchange:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:  # it was lost on its way out of the pool
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=self._max_line,
            max_field_size=self._max_field,
        )
        transport.write(request)
        while True:
            message, content = await protocol.read()
            if message.code == 101 or message.code >= 200:  # RFC 9110 §15.2: others come before
                return Exchange(connection, message.code, message.headers, content)

    def _find_target(self, url: str) -> _Target | None:
        named = URL(url)
        if named.user is not None or named.password is not None or named.host is None:
            return None
        loop = asyncio.get_running_loop()
        request = ClientRequest(hdrs.METH_POST, named, loop=loop, session=self._session)
        host = named.host_port_subcomponent
        return _Target(request, f"POST {named.raw_path_qs} HTTP/1.1\r\nHost: {host}\r\n".encode())


def _lines(headers: Mapping[str, str], length: int) -> bytes:
    """*headers* as they are sent, and what ends them.

    Raises:
        ValueError: one holds a line break.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        msg = "a header holds a line break"
        raise ValueError(msg)
    return f"{text}Content-Length: {length}\r\n\r\n".encode()
