"""The short way of plain webhooks: what it answers is what the long way answers."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from structlog.testing import capture_logs

from onehook.errors import SignatureError
from onehook.ingest.shortcut import Shortcut
from onehook.ingest.steps import Item
from onehook.store.events import EventStore
from onehook.web.server import Answer, Connection
from tests.builders import Running, Sender, issue, until
from tests.conftest import StartGateway
from tests.web.test_server import Streams, connect, exchange, refused, statuses

Dial = Callable[[Running], Awaitable[Streams]]

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"


def request(
    gateway: Running, sender: Sender, number: int, *lines: str, forged: bool = False
) -> bytes:
    """A whole request as bytes: an issue with that *number*."""
    native = issue(number)
    pairs = [*native.headers.items(), *gateway.proof(sender, native)]
    if forged:
        pairs = [(n, "sha256=" + "0" * 64 if "256" in n else v) for n, v in pairs]
    head = [f"POST {sender.path} HTTP/1.1", "Host: gateway"]
    head += [*(f"{name}: {value}" for name, value in pairs), *lines]
    head += [f"Content-Length: {len(native.body)}", "", ""]
    return "\r\n".join(head).encode() + native.body


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request that came whole, whether the short way took it."""
    seen: list[bool] = []
    take = Shortcut.take

    def noted(self: Shortcut, *given: object) -> bool:
        seen.append(take(self, *given))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(Shortcut, "take", noted)
    return seen


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Makes connections, and closes them."""
    writers: list[asyncio.StreamWriter] = []

    async def connected(gateway: Running) -> Streams:
        reader, writer = await connect(gateway)
        writers.append(writer)
        return reader, writer

    yield connected
    for writer in writers:
        writer.close()


async def answers(reader: asyncio.StreamReader, count: int) -> list[tuple[int, bytes, bytes]]:
    """Status, head and body of the next *count* answers."""
    found: list[tuple[int, bytes, bytes]] = []
    async with asyncio.timeout(15):
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None, head
            body = await reader.readexactly(int(length[1]))
            found.append((statuses(head)[0], head, body))
    return found


def names(head: bytes) -> set[bytes]:
    """The names of the headers in *head*, in lower case."""
    return {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}


async def test_one_after_the_other_on_one_connection(
    taken: list[bool], gateway: Running, dial: Dial
) -> None:
    """A connection serves as many as its sender wants, and any other request between them."""
    sender = await gateway.integrate()
    taken.clear()
    reader, writer = await dial(gateway)
    for number in range(3):
        writer.write(request(gateway, sender, number))
        ((status, _, body),) = await answers(reader, 1)
        assert (status, b"accepted" in body) == (202, True)
        writer.write(HEALTH)
        ((status, _, _),) = await answers(reader, 1)
        assert status == 200
    assert taken == [True, False] * 3


async def test_both_ways_answer_alike(taken: list[bool], gateway: Running, dial: Dial) -> None:
    """The same status, headers and body, for what is taken, repeated and refused."""
    sender = await gateway.integrate()
    taken.clear()
    cases: Sequence[tuple[bytes, int]] = [
        (request(gateway, sender, 1), 202),
        (request(gateway, sender, 1), 200),
        (request(gateway, sender, 2, forged=True), 401),
    ]
    reader, writer = await dial(gateway)
    for number, (raw, status) in enumerate(cases):
        writer.write(raw)
        ((short, short_head, short_body),) = await answers(reader, 1)
        if number == 0:
            raw = request(gateway, sender, 3)  # noqa: PLW2901 the long way's first time
        writer.write(raw[:40])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(raw[40:-1])
        await asyncio.sleep(0.05)
        writer.write(raw[-1:])
        ((long, long_head, long_body),) = await answers(reader, 1)
        assert short == long == status
        assert names(short_head) == names(long_head)
        assert short_body.split(b":")[0] == long_body.split(b":")[0]
    assert taken == [True] * len(cases)  # what came in parts was never asked about


async def test_pipelined_requests_are_answered_in_order(
    taken: list[bool], gateway: Running, dial: Dial
) -> None:
    """What comes behind a request that is being worked on waits for its answer."""
    sender = await gateway.integrate()
    taken.clear()
    reader, writer = await dial(gateway)
    writer.write(request(gateway, sender, 1))
    await writer.drain()
    await until(lambda: bool(taken))
    writer.write(HEALTH + request(gateway, sender, 2))
    found = await answers(reader, 3)
    writer.write(request(gateway, sender, 3))
    found += await answers(reader, 1)

    assert [status for status, _, _ in found] == [202, 200, 202, 202]
    assert taken[0]
    assert len({body for _, _, body in found}) == 4


async def test_the_last_request_of_a_connection_ends_it(gateway: Running) -> None:
    """``Connection: close`` is heeded, and told."""
    sender = await gateway.integrate()

    answer = await exchange(gateway, request(gateway, sender, 1, "Connection: close"))

    assert statuses(answer) == [202]
    assert b"connection: close" in answer.lower()


async def test_a_stop_waits_for_what_was_taken(
    taken: list[bool], start_gateway: StartGateway, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook in hand is committed and answered before the gateway goes."""
    gateway = await start_gateway()
    sender = await gateway.integrate()
    taken.clear()
    go, commit = asyncio.Event(), EventStore.commit

    async def slow(self: EventStore, batch: object) -> object:
        await go.wait()
        return await commit(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(EventStore, "commit", slow)
    reader, writer = await dial(gateway)
    writer.write(request(gateway, sender, 1))
    await until(lambda: bool(taken))

    stopping = asyncio.create_task(gateway.close())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    go.set()

    ((status, _, _),) = await answers(reader, 1)
    assert status == 202
    await stopping
    assert await reader.read() == b""


async def test_a_sender_that_goes_meanwhile_harms_nobody(
    taken: list[bool], gateway: Running, dial: Dial
) -> None:
    """Its webhook is taken; the next connection is served."""
    sender = await gateway.integrate()
    taken.clear()
    for number in range(5):
        _, writer = await dial(gateway)
        writer.write(request(gateway, sender, number))
        await writer.drain()
        writer.transport.abort()
    answer = await gateway.send(sender, issue(99))
    assert answer.status == 202
    assert taken[-1]


async def test_a_connection_whose_only_request_is_given_up_ends_in_silence(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never came to wait for a second one: nothing crashes for want of it."""
    sender, entered, go = await gateway.integrate(), asyncio.Event(), asyncio.Event()
    commit = EventStore.commit

    async def held(self: EventStore, *given: object) -> object:
        entered.set()
        await go.wait()
        return await commit(self, *given)  # type: ignore[arg-type]

    start = Connection.start

    async def late(self: Connection) -> None:
        await asyncio.sleep(0.02)  # as on a busy loop: the request is there before
        await start(self)

    monkeypatch.setattr(EventStore, "commit", held)
    monkeypatch.setattr(Connection, "start", late)
    crashes: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: crashes.append(found))
    reader, writer = await connect(gateway)
    writer.write(request(gateway, sender, 1))
    async with asyncio.timeout(15):
        await entered.wait()
    writer.transport.abort()
    await asyncio.sleep(0.05)
    go.set()
    for _ in range(5):
        await asyncio.sleep(0.02)
        gc.collect()
    assert crashes == []
    assert reader.at_eof() or reader.exception() is not None


@pytest.mark.parametrize("way", ["short", "long"])
async def test_a13_a_refused_webhook_leaves_nothing_to_the_collector(
    taken: list[bool], gateway: Running, dial: Dial, way: str
) -> None:
    """Garbage of many forged ones at once would hold up everybody while it is collected."""
    sender = await gateway.integrate()
    reader, writer = await dial(gateway)
    taken.clear()
    gc.disable()
    try:
        for number in range(5):
            raw = request(gateway, sender, number, forged=True)
            packets = [raw] if way == "short" else [raw[:-40], raw[-40:]]
            for packet in packets:
                writer.write(packet)
                await asyncio.sleep(0.02)  # so that it comes by itself
            ((status, _, _),) = await answers(reader, 1)
            assert status == 401
        left = [found for found in gc.get_objects() if isinstance(found, SignatureError)]
    finally:
        gc.enable()
    assert left == []
    assert any(taken) is (way == "short")


async def test_b3_a_head_behind_a_request_has_its_deadline(start_gateway: StartGateway) -> None:
    """Whoever begins another request, and never ends it, is closed after the first's answer."""
    gateway = await start_gateway(header_timeout="200ms")
    sender = await gateway.integrate()

    answer = await exchange(gateway, request(gateway, sender, 1), b"POST /ing")

    assert statuses(answer) == [202]
    assert refused(gateway, "slow") == 1


async def test_b1_a_cap_below_the_short_ways_holds(start_gateway: StartGateway) -> None:
    """A body beyond ``ONEHOOK_MAX_BODY`` is 413, however small."""
    gateway = await start_gateway(max_body=100)
    sender = await gateway.integrate()

    answer = await exchange(gateway, request(gateway, sender, 1))

    assert statuses(answer) == [413]


async def test_a_webhook_that_was_taken_leaves_no_body_to_the_collector(
    taken: list[bool], gateway: Running, dial: Dial
) -> None:
    """What waits for its commit and what tells of that know each other, until it is answered."""
    sender = await gateway.integrate()
    reader, writer = await dial(gateway)
    taken.clear()
    gc.collect()
    gc.disable()
    try:
        for number in range(3):
            writer.write(request(gateway, sender, number))
            ((status, _, _),) = await answers(reader, 1)
            assert status == 202
        await asyncio.sleep(0.05)
        left = [found for found in gc.get_objects() if isinstance(found, Item)]
    finally:
        gc.enable()
    assert left == []
    assert all(taken)


async def test_an_answer_that_cannot_be_sent_keeps_none_from_the_others(
    gateway: Running, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of one commit are answered together: one broken connection is its own sender's loss."""
    sender, broken = await gateway.integrate(), asyncio.Event()
    send = Connection.answer

    def once_broken(self: Connection, answer: Answer) -> None:
        if not broken.is_set():
            broken.set()
            msg = "the transport is closed"
            raise RuntimeError(msg)
        send(self, answer)

    monkeypatch.setattr(Connection, "answer", once_broken)
    streams = [await dial(gateway) for _ in range(4)]
    with capture_logs() as logs:
        for number, (_, writer) in enumerate(streams):
            writer.write(request(gateway, sender, number))
        waiting = [asyncio.create_task(answers(reader, 1)) for reader, _ in streams]
        await until(lambda: sum(task.done() for task in waiting) == 3)
    found = [status for task in waiting if task.done() for status, _, _ in task.result()]
    for task in waiting:
        task.cancel()
    assert found == [202, 202, 202]
    assert [log["event"] for log in logs].count("answer.crashed") == 1
