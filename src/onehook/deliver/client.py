"""One POST to one answer: a failure is a value, never an exception."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from onehook.core.addresses import is_allowed
from onehook.core.schedule import Answer
from onehook.deliver.egress import BlockedAddressError, Egress
from onehook.deliver.exchange import Exchange, Exchanges
from onehook.errors import forget_frames

MAX_READ = 16 * 1024  # bytes of an answer that are read
MAX_KEPT = 4 * 1024  # bytes of an answer that are kept
CONNECT_TIMEOUT = 5.0  # seconds, TLS included, within the subscription's own timeout
_MAX_LINE, _MAX_FIELD = 8190, 16384  # bytes, of an answer

_refused: ContextVar[list[str]] = ContextVar("refused")  # addresses that this attempt was denied


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from a subscriber, and how long it took. *content* is its beginning."""

    answer: Answer
    duration_ms: int
    detail: str | None
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> str:
        """What of *content* the history keeps."""
        return self.content[:MAX_KEPT].decode("utf-8", "replace")


class DeliveryClient:
    """Posts to subscribers. Addresses are judged at connect, so that no name can rebind."""

    def __init__(self, egress: Egress, max_connections: int) -> None:
        self._egress = egress
        self._session = _session(self._socket, max_connections)
        self._exchanges = Exchanges(self._session, CONNECT_TIMEOUT, _MAX_LINE, _MAX_FIELD)
        # Its connections only ever go to the proxy, which may well be inside.
        self._proxied = _session(self._socket_to_proxy, max_connections)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        host = str(info[4][0])
        if not is_allowed(host, self._egress.allowed):
            refused = _refused.get(None)
            if refused is not None:
                refused.append(host)
            raise BlockedAddressError(host)
        return self._socket_to_proxy(info)

    def _socket_to_proxy(self, info: tuple[Any, ...]) -> socket.socket:
        made = self._egress.open(*info[:3])
        made.setblocking(False)
        return made

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._proxied.close()

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, within: timedelta
    ) -> Reply:
        """POST *body* and read the answer, all *within* that time. No redirect is followed."""
        started = time.monotonic()
        refused: list[str] = []
        _refused.set(refused)  # of several addresses only the last one's error comes back
        try:
            async with asyncio.timeout(within.total_seconds()):
                response = await self._send(url, headers, body, within)
                try:
                    content = await _read(response)
                finally:
                    response.release()
                answer = Answer(
                    response.status,
                    _status_error(response.status),
                    response.headers.get(hdrs.RETRY_AFTER),
                )
                kept = {k: v[:512] for k, v in list(response.headers.items())[:50]}
                return Reply(answer, _since(started), None, kept, content)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            name, detail = _CLASSES[0][1:] if refused else _classify(error, within)
            forget_frames(error)  # those of aiohttp hold the error
            return Reply(Answer(None, name), _since(started), detail, {}, b"")

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, within: timedelta
    ) -> aiohttp.ClientResponse | Exchange:
        """POST, directly or by the proxy; the answer's body is yet to be read."""
        by_address = await self._egress.proxied(url)
        if by_address is None and self._exchanges.take(url, body):
            return await self._exchanges.post(url, headers, body)
        limits = aiohttp.ClientTimeout(total=within.total_seconds(), sock_connect=CONNECT_TIMEOUT)
        if by_address is None:
            return await self._session.post(
                url, data=body, headers=headers, timeout=limits, allow_redirects=False
            )
        named = URL(url)
        return await self._proxied.post(
            by_address,
            data=body,
            headers={**headers, hdrs.HOST: named.host_port_subcomponent or ""},
            timeout=limits,
            allow_redirects=False,
            proxy=self._egress.proxy,
            server_hostname=(named.host or "").rstrip("."),  # what the certificate has to be of
        )


class _Connector(aiohttp.TCPConnector):
    """Tells a proxy where to connect, and nothing else."""

    def _update_proxy_auth_header_and_build_proxy_req(
        self, req: aiohttp.ClientRequest
    ) -> aiohttp.ClientRequest:
        # aiohttp copies the request's own Host: by that a proxy might resolve the name again.
        made = super()._update_proxy_auth_header_and_build_proxy_req(req)
        made.headers[hdrs.HOST] = f"{req.url.host_subcomponent}:{req.url.port}"
        for name in (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT):
            made.headers.pop(name, None)
        return made


def _session(
    make_socket: Callable[[tuple[Any, ...]], socket.socket], max_connections: int
) -> aiohttp.ClientSession:
    connector = _Connector(
        limit=max_connections,
        limit_per_host=0,
        socket_factory=make_socket,
        ttl_dns_cache=30,
        keepalive_timeout=30,
    )
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_FIELD,
        skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT),
    )


async def _read(response: aiohttp.ClientResponse | Exchange) -> bytes:
    """The start of the answer's body; the rest of a long one is left unread."""
    taken = b""
    while len(taken) < MAX_READ:
        chunk = await response.content.read(MAX_READ - len(taken))
        if not chunk:
            break
        taken += chunk
    else:
        response.close()  # it may be endless: this connection is not used again
    return taken


def _status_error(status: int) -> str | None:
    if 200 <= status <= 299:
        return None
    return "redirect" if 300 <= status <= 399 else "status"


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


# The first class that fits names the error; the order goes from the particular to the general.
_CLASSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (BlockedAddressError, "blocked_address", "the host's address is not one that may be called"),
    (aiohttp.ConnectionTimeoutError, "timeout", "no connection in time"),
    (aiohttp.ServerTimeoutError, "timeout", "no answer in time"),
    (TimeoutError, "timeout", "no answer in time"),
    (aiohttp.ClientHttpProxyError, "connection", "the egress proxy did not connect"),
    (aiohttp.ClientProxyConnectionError, "connection", "the egress proxy cannot be reached"),
    (socket.gaierror, "dns", "the host's name was not found"),
    (aiohttp.ClientConnectorDNSError, "dns", "the host's name was not found"),
    (aiohttp.ClientConnectorCertificateError, "tls_error", "the certificate is not valid"),
    (ssl.SSLError, "tls_error", "TLS failed"),
    (aiohttp.ClientSSLError, "tls_error", "TLS failed"),
    (aiohttp.ClientPayloadError, "bad_answer", "the answer broke off"),
    (aiohttp.ClientResponseError, "bad_answer", "the answer is not HTTP"),
    (HttpProcessingError, "bad_answer", "the answer is not HTTP"),
    (aiohttp.ServerDisconnectedError, "connection", "the connection was closed without an answer"),
    (aiohttp.ClientConnectionError, "connection", "no connection"),
    (OSError, "connection", "no connection"),
)


def _classify(error: BaseException, within: timedelta) -> tuple[str, str]:
    """The class of *error* for the history, and a sentence. Its own text may hold a secret URL."""
    for kind, name, detail in _CLASSES:
        if isinstance(error, kind):
            seconds = within.total_seconds()
            if kind is aiohttp.ConnectionTimeoutError:
                seconds = min(seconds, CONNECT_TIMEOUT)
            return name, f"{detail} ({seconds:g} s)" if name == "timeout" else detail
    return "connection", type(error).__name__
