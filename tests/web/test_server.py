"""The edge of HTTP: slow heads, broken ones, requests that hide others; rows B3 and B5."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from onehook.web import server
from tests.builders import Running, Sender, eventually, issue
from tests.conftest import StartGateway

CANARY = "canary-value-of-the-request"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(gateway: Running) -> Streams:
    """A connection of one's own."""
    host, port = gateway.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def exchange(gateway: Running, *packets: bytes) -> bytes:
    """All that comes back for *packets*, until the gateway closes."""
    reader, writer = await connect(gateway)
    said = bytearray()
    try:
        async with asyncio.timeout(15):
            # It may close, having answered, while we still send: the rest then meets a reset.
            with contextlib.suppress(ConnectionError):
                for packet in packets:
                    writer.write(packet)
                    await writer.drain()
                    await asyncio.sleep(0.02)  # so that it comes by itself
            with contextlib.suppress(ConnectionError):
                while more := await reader.read(65_536):
                    said += more
        return bytes(said)
    finally:
        writer.close()


def statuses(text: bytes) -> list[int]:
    """The status of each answer in *text*."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", text)]


def refused(gateway: Running, reason: str) -> float:
    """How many connections were refused for *reason*."""
    name = "onehook_connections_refused_total"
    metrics = gateway.runtime.gateway.metrics
    return metrics.registry.get_sample_value(name, {"reason": reason}) or 0.0


def post(sender: Sender, *lines: str, body: bytes = b"") -> bytes:
    """A request to *sender*'s URL with exactly these header lines."""
    first = [f"POST {sender.path} HTTP/1.1", "Host: gateway", "Content-Type: application/json"]
    return "\r\n".join([*first, *lines, "", ""]).encode() + body


# -- B3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"", b"POST /ing", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_b3_silent_connections_are_closed(start_gateway: StartGateway, start: bytes) -> None:
    """Whoever never finishes a request's headers is closed and counted, without a log line."""
    gateway = await start_gateway(header_timeout="200ms")

    with capture_logs() as logs:
        answer = await exchange(gateway, start)

    assert answer == b""
    assert refused(gateway, "slow") == 1
    assert logs == []


async def test_b3_a_drip_does_not_prolong_it(start_gateway: StartGateway) -> None:
    """The deadline is of all headers together: a byte now and then does not move it."""
    gateway = await start_gateway(header_timeout="300ms")
    reader, writer = await connect(gateway)
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def drip() -> None:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(15):
            assert await reader.read() == b""
        assert loop.time() - started < 10  # all of it would take 50 s
    finally:
        dripping.cancel()
        writer.close()


async def test_b3_the_next_request_has_the_same_deadline(start_gateway: StartGateway) -> None:
    """A connection may idle longer between requests; once the next begins, its time runs."""
    gateway = await start_gateway(header_timeout="200ms")
    reader, writer = await connect(gateway)
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    try:
        async with asyncio.timeout(15):
            for _ in range(2):
                writer.write(request)
                assert statuses(await reader.readuntil(b'{"status": "ok"}')) == [200]
                await asyncio.sleep(0.4)
            assert refused(gateway, "slow") == 0
            writer.write(request[:20])
            assert await reader.read() == b""
        assert refused(gateway, "slow") == 1
    finally:
        writer.close()


async def test_b3_a_slow_body_is_not_a_slow_head(start_gateway: StartGateway) -> None:
    """Once the headers are whole the body has its own time."""
    gateway = await start_gateway(header_timeout="100ms")
    sender = await gateway.integrate(verify="none")
    native = issue()
    lines = [f"{name}: {value}" for name, value in list(native.headers.items())[1:]]
    head = post(sender, *lines, f"Content-Length: {len(native.body)}", "Connection: close")
    reader, writer = await connect(gateway)
    try:
        writer.write(head + native.body[:100])
        await asyncio.sleep(0.4)
        writer.write(native.body[100:])
        async with asyncio.timeout(15):
            assert statuses(await reader.read()) == [202]
    finally:
        writer.close()


@pytest.mark.slow
async def test_b3_hundreds_of_slow_sockets_disturb_nobody(start_gateway: StartGateway) -> None:
    """500 sockets that send nothing are all closed, and webhooks are taken meanwhile."""
    gateway = await start_gateway(header_timeout="2s")
    sender = await gateway.integrate()
    sockets = [await connect(gateway) for _ in range(500)]
    try:
        assert (await gateway.send(sender, issue())).status == 202
        async with asyncio.timeout(16):
            assert {await reader.read() for reader, _ in sockets} == {b""}
        assert refused(gateway, "slow") >= 500
    finally:
        for _, writer in sockets:
            writer.close()


# -- B5 -------------------------------------------------------------------------------------------

C = f"X-Canary: {CANARY}"
CHUNKED = "Transfer-Encoding: chunked"
MALFORMED = {
    "no HTTP": (f"{CANARY}\r\n\r\n",),
    "TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY,),
    "unknown version": (f"POST /{CANARY} HTTP/9.9", "Host: x"),
    "method with a space": ("PO ST / HTTP/1.1", "Host: x", C),
    "control code in the target": (f"POST /\x01{CANARY} HTTP/1.1", "Host: x"),
    "long target": (f"POST /{CANARY}{'a' * 20_000} HTTP/1.1", "Host: x"),
    "long header": ("POST / HTTP/1.1", "Host: x", f"{C}{'a' * 20_000}"),
    "long header name": ("POST / HTTP/1.1", "Host: x", f"{'a' * 20_000}: {CANARY}"),
    "many headers": ("POST / HTTP/1.1", "Host: x", *[f"X-{n}: {CANARY}" for n in range(200)]),
    "header without a colon": ("POST / HTTP/1.1", "Host: x", CANARY),
    "space before the colon": ("POST / HTTP/1.1", "Host: x", f"Content-Length : 5{CANARY}"),
    "folded header": ("POST / HTTP/1.1", "Host: x", "X-A: b", f" {CANARY}"),
    "NUL in a header": ("POST / HTTP/1.1", "Host: x", f"X-A: b\x00{CANARY}"),
    "two lengths": ("POST / HTTP/1.1", "Host: x", "Content-Length: 2", "Content-Length: 3", C),
    "length and chunks": ("POST / HTTP/1.1", "Host: x", "Content-Length: 2", CHUNKED, C),
    "signed length": ("POST / HTTP/1.1", "Host: x", "Content-Length: +2", C),
    "negative length": ("POST / HTTP/1.1", "Host: x", "Content-Length: -2", C),
    "hexadecimal length": ("POST / HTTP/1.1", "Host: x", "Content-Length: 0x2", C),
    "list of lengths": ("POST / HTTP/1.1", "Host: x", "Content-Length: 2, 2", C),
    "endless length": ("POST / HTTP/1.1", "Host: x", f"Content-Length: {'9' * 40}", C),
    "unknown coding": ("POST / HTTP/1.1", "Host: x", "Transfer-Encoding: xchunked", C),
    "chunked is not last": ("POST / HTTP/1.1", "Host: x", f"{CHUNKED}, identity", C),
    "chunked twice": ("POST / HTTP/1.1", "Host: x", f"{CHUNKED}, chunked", C),
}  # fmt: skip


@pytest.mark.parametrize("lines", MALFORMED.values(), ids=MALFORMED)
async def test_b5_malformed_requests_are_400(gateway: Running, lines: tuple[str, ...]) -> None:
    """A problem that quotes nothing, once, and the end of the connection; nothing is logged."""
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")

    with capture_logs() as logs:
        answer = await exchange(gateway, request, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert statuses(answer) == [400], answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["code"] == "body_invalid"
    assert CANARY.encode() not in answer
    assert CANARY not in str(logs)
    assert refused(gateway, "broken") == 1
    assert (await gateway.vendor.get("/healthz")).status == 200


async def test_b5_garbage_behind_a_request_is_refused_alone(gateway: Running) -> None:
    """What is pipelined behind a good webhook does not undo it, and ends the connection."""
    sender = await gateway.integrate(verify="none")
    native = issue()
    lines = [f"{name}: {value}" for name, value in list(native.headers.items())[1:]]
    good = post(sender, *lines, f"Content-Length: {len(native.body)}", body=native.body)

    answer = await exchange(gateway, good, CANARY.encode() + b"\r\n\r\n", good)

    assert statuses(answer) == [202, 400]
    assert CANARY.encode() not in answer


async def test_b5_no_request_hides_in_a_body(gateway: Running) -> None:
    """What looks like a request inside of a body is body, however it is framed."""
    sender = await gateway.integrate(verify="none")
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    close = "Connection: close"

    by_length = post(sender, f"Content-Length: {len(hidden)}", close, body=hidden)
    by_chunks = post(sender, "Transfer-Encoding: chunked", close, body=chunked)

    assert statuses(await exchange(gateway, by_length)) == [202]  # quarantined: it is no JSON
    assert statuses(await exchange(gateway, by_chunks)) == [200]  # the same bytes: a duplicate


async def test_b5_broken_chunks_of_what_nobody_reads(gateway: Running) -> None:
    """A request that is refused by its URL alone is answered, then its connection ends."""
    head = b"POST /ingest/nobody HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    with capture_logs() as logs:
        answer = await exchange(gateway, head, b"zz\r\n")

    assert statuses(answer)[0] == 404
    assert 500 not in statuses(answer)
    assert "connection.crashed" not in [one["event"] for one in logs]


# -- what it tells of itself ----------------------------------------------------------------------


async def test_no_answer_names_what_it_is_made_of(gateway: Running) -> None:
    """Not what is served, nor what is refused before or after it is read."""
    paths = ("/healthz", "/nothing", "/console/", "/ingest/none", "/openapi.json")
    answers = [await gateway.vendor.get(path) for path in paths]
    broken = await exchange(gateway, b"GARBAGE\r\n\r\n")

    assert {answer.headers.get("Server") for answer in answers} == {"onehook"}
    for text in (*map(repr, (dict(a.headers) for a in answers)), broken.decode()):
        assert "aiohttp" not in text.lower()
        assert "python" not in text.lower()


# -- B7 -------------------------------------------------------------------------------------------


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def full(start_gateway: StartGateway) -> AsyncIterator[Running]:
    """A gateway with as many connections as it takes."""
    gateway = await start_gateway(max_connections=2)
    held = [await connect(gateway) for _ in range(2)]
    yield gateway
    for _, writer in held:
        writer.close()


async def test_b7_no_more_connections_than_there_is_room_for(start_gateway: StartGateway) -> None:
    """One too many is told so, silent or not; as soon as there is room it is let in."""
    gateway = await start_gateway(max_connections=2)
    held = [await connect(gateway) for _ in range(2)]
    request = HEALTH.replace(b"healthz", b"openapi.json")

    for number, said in enumerate((b"", b"GET /open", request, b"x" * 5000), 1):
        answer = await exchange(gateway, *filter(None, [said]))
        assert statuses(answer) == [503], said
        assert b"Retry-After: 1\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "overloaded"
        assert refused(gateway, "full") == number
    for _, writer in held:
        writer.close()

    async def answered() -> bool:
        closing = request.replace(b"Host", b"Connection: close\r\nHost")
        return statuses(await exchange(gateway, closing)) == [200]

    await eventually(answered)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz?probe=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_b7_a_full_gateway_answers_health_checks(
    full: Running, path: str, method: str
) -> None:
    """However it comes, once for each connection: nothing else gets in behind it."""
    check = f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    for packets in ((check,), (check[:7], check[7:30], check[30:])):
        answer = await exchange(full, *packets)
        assert statuses(answer) == [200], answer
        assert b"Connection: close" in answer
    behind = await exchange(full, check + HEALTH.replace(b"healthz", b"openapi.json"))

    assert statuses(behind) == [200]
    assert refused(full, "full") == 0


@pytest.mark.parametrize("line", ["POST /healthz", "GET /healthzz", "GET /v1/healthz"])
async def test_b7_only_health_checks_are_answered(full: Running, line: str) -> None:
    """What only looks like one is told that there is no room."""
    answer = await exchange(full, f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert statuses(answer) == [503]


async def test_b7_health_checks_have_places_for_a_moment_only(
    full: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes for one and is silent loses it soon; beyond all places it is 503 at once."""
    monkeypatch.setattr(server, "RESERVE", 1)
    silent, writer = await connect(full)

    at_once = await exchange(full, HEALTH)
    async with asyncio.timeout(15):
        later = await silent.read()
    writer.close()

    assert [statuses(answer) for answer in (at_once, later)] == [[503], [503]]

    async def answered() -> bool:
        return statuses(await exchange(full, HEALTH)) == [200]

    await eventually(answered)
