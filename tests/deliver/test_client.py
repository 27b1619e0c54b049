"""One POST to one answer, against servers that misbehave; rows F1 to F7 of the threats."""

import asyncio
import datetime as dt
import gc
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from onehook.core.addresses import parse_networks
from onehook.deliver.client import DeliveryClient, Reply
from onehook.deliver.egress import Egress
from tests.builders import Names, Subscriber, until
from tests.builders import Reply as Script

LOOPBACK = parse_networks("127.0.0.0/8")
SECOND = timedelta(seconds=1)
RUNNERS: dict[str, Callable[[], asyncio.Runner]] = {
    "asyncio": asyncio.Runner,
    "uvloop": lambda: asyncio.Runner(loop_factory=uvloop.new_event_loop),
}


@asynccontextmanager
async def client(allowed: tuple[Any, ...] = LOOPBACK) -> AsyncIterator[DeliveryClient]:
    """A client that may call what *allowed* names."""
    made = DeliveryClient(Egress(allowed), 10)
    try:
        yield made
    finally:
        await made.close()


async def post(url: str, within: timedelta = 5 * SECOND, allowed: Any = LOOPBACK) -> Reply:
    """One POST."""
    async with client(allowed) as made:
        return await made.post(url, {"Content-Type": "application/json"}, b"{}", within)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says what *talk* says; its port. At the end every connection is closed."""
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        open_now.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await until(lambda: not open_now)


class Listener:
    """A port of loopback that counts who connects."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    def connections(self) -> int:
        """How many have connected."""
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        """Stop."""
        self.socket.close()


PRIVATE = {
    "loopback": ["127.0.0.1"],
    "loopback twice": ["127.0.0.1", "127.0.0.2"],
    "both families": ["::1", "127.0.0.1"],
    "mapped": ["::ffff:127.0.0.1"],
    "nat64": ["64:ff9b::7f00:1"],
    "6to4": ["2002:7f00:1::"],
    "private": ["10.0.0.1"],
    "link local": ["169.254.169.254"],
    "metadata v6": ["fd00:ec2::254"],
    "carrier": ["100.64.0.1"],
    "unspecified": ["0.0.0.0"],  # noqa: S104 - it is refused
}


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize("addresses", PRIVATE.values(), ids=PRIVATE)
def test_f1_names_of_private_addresses_are_blocked(
    runner: Callable[[], asyncio.Runner], addresses: list[str]
) -> None:
    """A name that leads to a private address is ``blocked_address``; nobody is connected to."""
    listener = Listener()

    async def attempt() -> Reply:
        async with client(()) as made:
            made._session.connector._resolver = Names(addresses)  # type: ignore[union-attr]
            return await made.post(
                f"http://hooks.example.com:{listener.port}/", {}, b"{}", 5 * SECOND
            )

    try:
        with runner() as run:
            reply = run.run(attempt())
        assert listener.connections() == 0
    finally:
        listener.close()
    assert (reply.answer.status, reply.answer.error) == (None, "blocked_address")
    assert "127.0.0.1" not in (reply.detail or "")


SPELLINGS = [
    "127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "127.0.0.1.",
    "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0", "[::]", "localhost",  # noqa: S104
    "LOCALHOST", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "017700000001",
]  # fmt: skip


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_f1_no_spelling_of_loopback_connects(runner: Callable[[], asyncio.Runner]) -> None:
    """However loopback is spelled, without the allow list nobody is connected to."""
    listener = Listener()

    async def attempts() -> list[Reply]:
        async with client(()) as made:
            return [
                await made.post(f"http://{host}:{listener.port}/", {}, b"{}", 5 * SECOND)
                for host in SPELLINGS
            ]

    try:
        with runner() as run:
            replies = run.run(attempts())
        assert listener.connections() == 0
    finally:
        listener.close()
    assert {reply.answer.status for reply in replies} == {None}


async def test_f2_every_connection_is_judged_by_its_own_address(subscriber: Subscriber) -> None:
    """A name that changes its address is judged by the one that is really connected to."""
    port = subscriber.url.split(":")[2].split("/")[0]
    async with client(parse_networks("127.0.0.1/32")) as made:
        connector = made._session.connector
        connector._resolver = names = Names(["127.0.0.1"], ["127.0.0.2"])  # type: ignore[union-attr]
        connector._use_dns_cache = False  # type: ignore[union-attr]
        connector._force_close = True  # type: ignore[union-attr]
        url = f"http://rebinding.example.com:{port}/"

        first = await made.post(url, {}, b"{}", SECOND)
        second = await made.post(url, {}, b"{}", SECOND)

    assert (first.answer.status, second.answer.error) == (204, "blocked_address")
    assert names.asked == 2
    assert len(subscriber.received) == 1


async def test_unknown_name_is_dns() -> None:
    """A host whose name is not found fails the attempt with class ``dns``."""
    async with client() as made:
        made._session.connector._resolver = Names()  # type: ignore[union-attr]

        reply = await made.post("https://no-such-host.example.com/", {}, b"{}", SECOND)

    assert (reply.answer.status, reply.answer.error) == (None, "dns")


async def test_g1_a_refused_connection_leaves_nothing_to_the_collector() -> None:
    """Who refuses does so again and again: garbage of many at once would hold up everybody."""
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        async with client() as made:
            await made.post(url, {}, b"{}", SECOND)
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    assert (await made.post(url, {}, b"{}", SECOND)).answer.error == "connection"
                left = [one for one in gc.get_objects() if isinstance(one, ConnectionRefusedError)]
            finally:
                gc.enable()
    assert len(left) <= 1  # the loop may hold on to the last one


async def test_f4_proxies_of_the_environment_are_ignored(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy variable redirects a delivery."""
    listener = Listener()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")

    reply = await post(subscriber.url)

    assert reply.answer.ok
    assert listener.connections() == 0
    listener.close()


async def test_f4_cookies_are_not_kept(subscriber: Subscriber) -> None:
    """A cookie that an answer sets is not sent back."""
    subscriber.usual = Script(204, {"Set-Cookie": "spy=1"})
    async with client() as made:
        for _ in range(2):
            await made.post(subscriber.url, {}, b"{}", SECOND)

    assert all("cookie" not in got.headers for got in subscriber.received)


async def test_f7_endless_answer_is_cut(subscriber: Subscriber) -> None:
    """An answer without an end is read for 16 KiB and kept for 4 KiB; its status counts."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 4096)

    subscriber.behave = endless

    reply = await post(subscriber.url)

    assert reply.answer.ok
    assert len(reply.body) == 4096


async def test_f7_dripping_answer_ends_with_the_timeout() -> None:
    """An answer that drips, byte by byte, does not outlast the subscription's timeout."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)  # the point of it: never quick, never silent

    async with tcp_server(drip) as port:
        reply = await post(f"http://127.0.0.1:{port}/", SECOND)

    assert reply.answer.error == "timeout"
    assert reply.duration_ms < 2000


BAD_ANSWERS = {
    "no http": (b"220 smtp.example.com ESMTP\r\n\r\n", {"bad_answer"}),
    "20 kB header": (b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n", {"bad_answer"}),
    "endless head": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000, {"bad_answer"}),
    "hung up": (b"", {"connection"}),
    "broken off": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", {"bad_answer"}),
    "broken chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        {"bad_answer"},
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        {"bad_answer"},
    ),
}


@pytest.mark.parametrize(("said", "errors"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_f7_malformed_answers_are_failed_attempts(said: bytes, errors: set[str]) -> None:
    """What is no HTTP answer is a failed attempt with a class, never an exception."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(said)
        await writer.drain()

    async with tcp_server(talk) as port:
        reply = await post(f"http://127.0.0.1:{port}/")

    assert not reply.answer.ok
    assert reply.answer.error in errors


async def test_f7_compressed_answer_is_kept_as_it_came(subscriber: Subscriber) -> None:
    """An answer's compression is never undone: no bomb can go off."""
    subscriber.usual = Script(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b no gzip at all")

    reply = await post(subscriber.url)

    assert reply.answer.ok
    assert reply.body.endswith("no gzip at all")


async def test_many_long_headers_are_kept_in_part(subscriber: Subscriber) -> None:
    """Of an answer's headers 50 are kept, each in its first 512 characters."""
    subscriber.usual = Script(200, {f"X-{n}": "v" * 600 for n in range(20)})

    reply = await post(subscriber.url)

    assert max(len(value) for value in reply.headers.values()) == 512
    assert len(reply.headers) <= 50


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


async def test_f6_self_signed_certificate_is_a_tls_error(tmp_path: Path) -> None:
    """A certificate that nobody vouches for fails the attempt; nothing is sent."""
    said: list[bytes] = []

    async def take(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        said.append(await reader.read())

    async with tcp_server(take, self_signed(tmp_path)) as port:
        reply = await post(f"https://127.0.0.1:{port}/")

    assert reply.answer.error == "tls_error"
    assert b"".join(said) == b""


async def test_f6_plain_server_behind_https_is_a_tls_error() -> None:
    """A server that does not speak TLS fails an https delivery with class ``tls_error``."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with tcp_server(talk) as port:
        reply = await post(f"https://127.0.0.1:{port}/")

    assert reply.answer.error == "tls_error"


async def test_details_never_show_the_url(subscriber: Subscriber) -> None:
    """The sentence about a failure does not quote the URL, which may hold a token."""
    await subscriber.stop()

    reply = await post(subscriber.url + "?token=very-secret")

    assert reply.answer.error == "connection"
    assert "secret" not in (reply.detail or "")
