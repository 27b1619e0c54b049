"""Reading bodies: sizes, times, framing. Raw sockets where a client would not do it."""

import asyncio
import json

import pytest

from tests.builders import Answer, Running, Sender, issue
from tests.conftest import StartGateway

CAP = 65536


async def raw(gateway: Running, request: bytes, *, then: bytes | None = None) -> Answer:
    """Send *request* byte for byte and read one answer; *then* after its 100 Continue."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(10):
            writer.write(request)
            await writer.drain()
            if then is not None:  # the server reads the body now
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
                writer.write(then)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.title(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("Content-Length", "0")))
            return Answer(int(lines[0].split()[1]), headers, body)
    finally:
        writer.close()


def head(sender: Sender, *lines: str) -> bytes:
    """The start of a raw POST to *sender*'s URL."""
    first = [f"POST {sender.path} HTTP/1.1", "Host: gateway", "Content-Type: application/json"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """*answer* is a problem of that code."""
    assert answer.status == status, answer.body
    assert answer.media_type == "application/problem+json", answer.body
    assert json.loads(answer.body)["code"] == code


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
@pytest.mark.parametrize(("over", "status"), [(-1, 202), (0, 202), (1, 413)])
async def test_b1_the_cap_is_exact(
    start_gateway: StartGateway, framing: str, over: int, status: int
) -> None:
    """A body of exactly ONEHOOK_MAX_BODY is taken, one byte more is 413, however it is framed."""
    gateway = await start_gateway(max_body=f"{CAP}B")
    sender = await gateway.integrate(verify="none")
    body = b'{"pad":"' + b"a" * (CAP + over - 10) + b'"}'
    native = issue()

    async def chunks():
        for at in range(0, len(body), 7000):
            yield body[at : at + 7000]

    data = body if framing == "Content-Length" else chunks()
    answer = await gateway.post(sender, data, native.headers.items())

    assert answer.status == status
    if status == 413:
        assert_problem(answer, 413, "body_too_large")


async def test_b1_declared_size_is_refused_unread(gateway: Running) -> None:
    """A declared terabyte is 413 before a byte of it is read, and the connection is closed."""
    sender = await gateway.integrate()

    answer = await raw(gateway, head(sender, f"Content-Length: {10**12}"))

    assert_problem(answer, 413, "body_too_large")
    assert answer.headers["Connection"] == "close"


async def test_b4_slow_body_is_408_and_leaves_nothing(start_gateway: StartGateway) -> None:
    """A body that does not arrive within ONEHOOK_BODY_TIMEOUT is 408; nothing is stored."""
    gateway = await start_gateway(body_timeout="100ms")
    sender = await gateway.integrate(verify="none")
    before = await gateway.dbsize()

    answer = await raw(gateway, head(sender, "Content-Length: 10") + b"{")

    assert_problem(answer, 408, "body_timeout")
    assert answer.headers["Connection"] == "close"
    assert await gateway.dbsize() == before


BROKEN = {
    "chunk size": b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk end": b"2\r\n{}XX0\r\n\r\n",
    "negative": b"-2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_b5_broken_chunks_are_400(start_gateway: StartGateway, body: bytes) -> None:
    """Chunked framing that breaks after the body has begun is 400, and the connection closed."""
    gateway = await start_gateway(body_timeout="300ms")
    sender = await gateway.integrate(verify="none")
    start = head(sender, "Transfer-Encoding: chunked", "Expect: 100-continue")

    answer = await raw(gateway, start, then=b"2\r\n{}\r\n" + body)

    assert_problem(answer, 400, "body_invalid")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_b5_broken_chunks_beside_the_head_are_400(gateway: Running, body: bytes) -> None:
    """The same when the broken chunk comes in one packet with the head: still a problem."""
    sender = await gateway.integrate(verify="none")

    answer = await raw(gateway, head(sender, "Transfer-Encoding: chunked") + body)

    assert_problem(answer, 400, "body_invalid")


async def test_b5_body_cut_short_is_never_taken(start_gateway: StartGateway) -> None:
    """A chunked body whose end never comes is refused, and leaves no key."""
    gateway = await start_gateway(body_timeout="100ms")
    sender = await gateway.integrate(verify="none")
    before = await gateway.own_keys()

    answer = await raw(gateway, head(sender, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")

    assert_problem(answer, 408, "body_timeout")
    assert await gateway.own_keys() == before


async def test_b6_disconnect_in_the_body_stores_nothing(gateway: Running) -> None:
    """A sender that hangs up in the middle of its body leaves no key; the next one is served."""
    sender = await gateway.integrate(verify="none")
    before = await gateway.own_keys()
    host, port = gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(sender, "Content-Length: 100") + b'{"half":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert await gateway.own_keys() == before
    assert (await gateway.post(sender, b"{}", issue().headers.items())).status == 202


async def test_expect_continue_is_answered(gateway: Running) -> None:
    """A sender that waits for ``100 Continue`` gets it."""
    sender, native = await gateway.integrate(), issue()

    answer = await gateway.vendor.call(
        "POST",
        sender.path,
        data=native.body,
        headers=[*native.headers.items(), *gateway.proof(sender, native)],
        expect100=True,
    )

    assert answer.status == 202
