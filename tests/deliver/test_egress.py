"""How deliveries leave: source addresses, a proxy, whose certificates are taken; F1, F2, F6."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from onehook.core.addresses import parse_networks
from onehook.deliver.client import DeliveryClient, Reply
from onehook.deliver.egress import Egress
from onehook.errors import SettingsError
from tests.conftest import StartGateway
from tests.deliver.certificates import Authority
from tests.deliver.test_client import tcp_server

LOOPBACK = parse_networks("127.0.0.0/8,::1/128")
NAME = "subscriber.test"
PUBLIC = "93.184.216.34"


async def post(url: str, egress: Egress, within: timedelta = timedelta(seconds=5)) -> Reply:
    """One POST."""
    client = DeliveryClient(egress, 10)
    try:
        return await client.post(url, {"X-A": "b"}, b"{}", within)
    finally:
        await client.close()


@dataclass
class Server:
    """An HTTP server that says 200 and remembers what came, and from where."""

    heads: list[str] = field(default_factory=list[str])
    peers: list[str] = field(default_factory=list[str])

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.peers.append(writer.get_extra_info("peername")[0])
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


@dataclass
class Proxy:
    """A CONNECT proxy that leads to *port* of loopback; *refusal*: what it says instead."""

    port: int = 0
    refusal: bytes = b""
    asked: list[str] = field(default_factory=list[str])

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client."""
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.refusal:
            writer.write(self.refusal)
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[list[str]]]:
    """Names that only this test knows, and what each question about them is answered."""
    known: dict[str, Iterator[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in known:
            return real(host, port, *rest, **more)
        return [
            (
                socket.AF_INET6 if ":" in text else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (text, port),
            )
            for text in next(known[host])
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only authority that clients trust."""
    made = Authority(tmp_path)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", made.trusting())
    return made


@asynccontextmanager
async def proxied(proxy: Proxy, allowed: str = "") -> AsyncIterator[Egress]:
    """An egress by *proxy*."""
    async with tcp_server(proxy.talk) as port:
        yield Egress(parse_networks(allowed), proxy=URL(f"http://user:secret@127.0.0.1:{port}"))


# -- source addresses -----------------------------------------------------------------------------


async def test_deliveries_come_from_the_address_that_is_bound() -> None:
    """The subscriber sees ONEHOOK_EGRESS_BIND."""
    server = Server()
    async with tcp_server(server.talk) as port:
        reply = await post(
            f"http://127.0.0.1:{port}/", Egress(LOOPBACK, (ip_address("127.0.0.2"),))
        )

    assert reply.answer.status == 200
    assert server.peers == ["127.0.0.2"]


async def test_a_family_without_a_source_address_is_not_used() -> None:
    """From another address the subscriber would not let it in: the attempt fails instead."""
    reply = await post("http://[::1]:9/", Egress(LOOPBACK, (ip_address("127.0.0.2"),)))

    assert reply.answer.error == "connection"


async def test_a_source_address_of_somebody_else_stops_the_start(
    start_gateway: StartGateway,
) -> None:
    """The message names it."""
    with pytest.raises(SettingsError, match=r"ONEHOOK_EGRESS_BIND: 192\.0\.2\.1 is no address"):
        await start_gateway(egress_bind="192.0.2.1")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, []),
        ({"egress_bind": "127.0.0.2"}, ["127.0.0.2"]),
        (
            {"egress_bind": "127.0.0.2", "egress_addresses": "198.51.100.7,2001:db8::/64"},
            ["198.51.100.7", "2001:db8::/64"],
        ),
    ],
)
async def test_receivers_are_told_whom_to_let_in(
    start_gateway: StartGateway, settings: dict[str, str], told: list[str]
) -> None:
    """``GET /v1/addresses`` gives what the world sees, or else what is bound."""
    gateway = await start_gateway(**settings)

    assert (await gateway.api.get("/v1/addresses")).json == {"addresses": told}
    assert (await gateway.vendor.get("/v1/addresses")).status == 401


# -- the proxy ------------------------------------------------------------------------------------


async def test_f2_the_proxy_is_given_the_address_that_was_judged(
    names: dict[str, Iterator[list[str]]], authority: Authority
) -> None:
    """A name is resolved once; the proxy never sees it, the subscriber's TLS and HTTP do."""
    names[NAME] = iter([[PUBLIC], ["127.0.0.1"]])
    server, proxy = Server(), Proxy()
    async with tcp_server(server.talk, authority.server(NAME)) as proxy.port, proxied(proxy) as way:
        reply = await post(f"https://{NAME}/hook?x=1", way)

    assert reply.answer.status == 200, reply
    (asked,) = proxy.asked
    assert asked.startswith(f"CONNECT {PUBLIC}:443 HTTP/1.1\r\n")
    assert NAME not in asked
    assert "Proxy-Authorization: Basic " in asked
    (head,) = server.heads
    assert head.startswith("POST /hook?x=1 HTTP/1.1\r\n")
    assert re.findall(r"(?mi)^host: (.*)\r$", head) == [NAME]
    assert "proxy" not in head.lower()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"],
)
async def test_f1_private_addresses_are_not_asked_of_the_proxy(
    names: dict[str, Iterator[list[str]]], address: str
) -> None:
    """``blocked_address``, and the proxy hears of nothing: it may well reach what is inside."""
    names[NAME] = iter([[address]])
    proxy = Proxy()
    async with proxied(proxy) as way:
        by_name = await post(f"https://{NAME}/", way)
        literal = f"[{address}]" if ":" in address else address
        by_address = await post(f"https://{literal}/", way)

    assert (by_name.answer.error, by_address.answer.error) == ("blocked_address",) * 2
    assert proxy.asked == []


async def test_f6_by_a_proxy_the_certificate_is_still_the_names(
    names: dict[str, Iterator[list[str]]], authority: Authority
) -> None:
    """Somebody else's certificate is a ``tls_error``, and nothing is sent."""
    names[NAME] = iter([[PUBLIC]])
    server, proxy = Server(), Proxy()
    elsewhere = authority.server("elsewhere.test")
    async with tcp_server(server.talk, elsewhere) as proxy.port, proxied(proxy) as way:
        reply = await post(f"https://{NAME}/", way)

    assert reply.answer.error == "tls_error"
    assert server.heads == []


async def test_what_is_allowed_by_name_goes_without_the_proxy() -> None:
    """Networks inside are not the proxy's business."""
    server, proxy = Server(), Proxy()
    async with tcp_server(server.talk) as port, proxied(proxy, "127.0.0.0/8") as way:
        reply = await post(f"http://127.0.0.1:{port}/", way)

    assert reply.answer.status == 200
    assert proxy.asked == []


async def test_a_proxy_that_refuses_or_is_away_is_a_failed_attempt() -> None:
    """The class is ``connection``, and the sentence says whose fault it is, not how to sign in."""
    refusing = Proxy(refusal=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with proxied(refusing) as way:
        refused = await post(f"https://{PUBLIC}/", way)
    away = await post(f"https://{PUBLIC}/", way)

    assert (refused.answer.error, refused.detail) == (
        "connection",
        "the egress proxy did not connect",
    )
    assert (away.answer.error, away.detail) == ("connection", "the egress proxy cannot be reached")


# -- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["nothing", "name", "expired", "authority"])
async def test_f6_only_a_valid_certificate_is_taken(
    authority: Authority, tmp_path: Path, wrong: str
) -> None:
    """Of another name, expired, or of nobody known: ``tls_error``, and nothing is sent."""
    (tmp_path / "other").mkdir()
    context = {
        "nothing": lambda: authority.server("localhost"),
        "name": lambda: authority.server("elsewhere.test"),
        "expired": lambda: authority.server("localhost", expired=True),
        "authority": lambda: Authority(tmp_path / "other").server("localhost"),
    }[wrong]()
    server = Server()
    async with tcp_server(server.talk, context) as port:
        reply = await post(f"https://localhost:{port}/", Egress(LOOPBACK))

    if wrong == "nothing":
        assert reply.answer.status == 200, reply
    else:
        assert (reply.answer.error, server.heads) == ("tls_error", [])


async def test_f6_an_old_protocol_is_not_spoken() -> None:
    """A server that knows nothing newer than TLS 1.1 answers so; the attempt fails."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.readexactly(5)
        assert hello[0] == 22  # a handshake
        writer.write(bytes([21, 3, 2, 0, 2, 2, 70]))  # alert: fatal, protocol_version
        await writer.drain()

    async with tcp_server(talk) as port:
        reply = await post(f"https://127.0.0.1:{port}/", Egress(LOOPBACK))

    assert reply.answer.error == "tls_error"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_f7_a_handshake_has_less_time_than_the_answer(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """To connect, TLS included, takes no more than its own limit; the first byte may take all."""
    monkeypatch.setattr("onehook.deliver.client.CONNECT_TIMEOUT", 0.2)

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(hang) as port:
        reply = await post(f"{scheme}://127.0.0.1:{port}/", Egress(LOOPBACK), timedelta(seconds=2))

    said = {"http": "no answer in time (2 s)", "https": "no connection in time (0.2 s)"}[scheme]
    assert (reply.answer.error, reply.detail) == ("timeout", said)
    assert (reply.duration_ms < 1900) == (scheme == "https")
