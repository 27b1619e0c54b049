"""A subscriber: takes events as fast as it can, counts them, and notes them where asked.

``Subscriber`` is for tests; ``python -m benchmarks.subscriber`` is a process of its own, which
prints ``ready PORT``, and on SIGTERM one JSON object with its counts. ``GET`` shows them any time.
"""

import argparse
import asyncio
import base64
import hmac
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO, cast

import uvloop

_REASONS = {200: b"OK", 410: b"Gone", 429: b"Too Many Requests", 503: b"Service Unavailable"}


@dataclass(slots=True)
class Attempt:
    """One request as its receiver saw it: monotonic moments of its first byte and of its end.

    The end is the last byte of our answer, or of the connection; None: it is not over.
    """

    id: str  # webhook-id
    begin: float
    end: float | None = None


@dataclass(slots=True)
class Received:
    """What arrived. *bad* counts signatures that do not fit, where they are checked."""

    posts: int = 0
    bad: int = 0
    ids: list[tuple[str, float]] = field(default_factory=list)  # webhook-id, monotonic moment
    attempts: list[Attempt] = field(default_factory=list)  # the same, where ids are kept


@dataclass(slots=True)
class Behaviour:
    """How to answer. Change it at any time: the next request goes by it."""

    status: int = 200
    hang: bool = False  # take the request and say nothing
    key: bytes | None = None  # verify with it
    keep_ids: bool = False
    reply: Callable[[asyncio.Transport], None] | None = None  # say this instead of the status


def whsec(secret: str) -> bytes:
    """The signing key that a ``whsec_`` secret stands for."""
    return base64.b64decode(secret.removeprefix("whsec_"))


class Subscriber:
    """A server on a free port of 127.0.0.1."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.received = Received()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """Where to deliver."""
        return f"http://127.0.0.1:{self.port}/events"

    async def start(self, port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self.behaviour, self.received, self._open), "127.0.0.1", port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._open):
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(
        self, behaviour: Behaviour, received: Received, open_: set[asyncio.Transport]
    ) -> None:
        self._behaviour, self._received, self._open = behaviour, received, open_
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._began = 0.0  # the request that is on its way in
        self._unanswered: Attempt | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no such class, they only behave like one.
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._open.discard(self._transport)
        if self._unanswered is not None:
            self._unanswered.end = time.monotonic()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        else:
            self._began = time.monotonic()
        while data:
            end = data.find(b"\r\n\r\n")
            size = _content_length(data, end) if end >= 0 else 0
            whole = end + 4 + size
            if end < 0 or len(data) < whole:
                break
            self._take(data[:end], data[end + 4 : whole])
            data = data[whole:]
        self._buffer = data

    def _take(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        received, behaviour = self._received, self._behaviour
        if head.startswith(b"GET"):
            counts = json.dumps({"posts": received.posts, "bad": received.bad}).encode()
            self._transport.write(_answer(200, counts))
            return
        received.posts += 1
        attempt: Attempt | None = None
        if behaviour.keep_ids:
            attempt = Attempt(_header(head, b"webhook-id").decode(), self._began)
            received.ids.append((attempt.id, time.monotonic()))
            received.attempts.append(attempt)
        if behaviour.key is not None and not _verified(head, body, behaviour.key):
            received.bad += 1
        if behaviour.reply is None and not behaviour.hang:
            self._transport.write(_OK if behaviour.status == 200 else _answer(behaviour.status))
            if attempt is not None:
                attempt.end = time.monotonic()
            return
        self._unanswered = attempt
        if behaviour.reply is not None:
            behaviour.reply(self._transport)


def _answer(status: int, body: bytes = b"") -> bytes:
    reason = _REASONS.get(status, b"Status")
    return b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n\r\n%b" % (status, reason, len(body), body)


_OK = _answer(200)


def _header(head: bytes, name: bytes) -> bytes:
    """The value of a header; empty if there is none."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        lower = head.lower()
        at = lower.find(b"\r\n" + name.lower() + b":")
        if at < 0:
            return b""
    stop = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : stop if stop >= 0 else None].strip()


def _content_length(data: bytes, end: int) -> int:
    value = _header(data[:end], b"Content-Length")
    return int(value) if value else 0


def _verified(head: bytes, body: bytes, key: bytes) -> bool:
    """Standard Webhooks: HMAC-SHA256 over id.timestamp.body."""
    signed = b"%b.%b.%b" % (_header(head, b"webhook-id"), _header(head, b"webhook-timestamp"), body)
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = _header(head, b"webhook-signature").split(b" ")
    return any(hmac.compare_digest(one, expected) for one in given)


# -- the process -----------------------------------------------------------------------------------


async def _serve(port: int, behaviour: Behaviour, record: TextIO | None) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    subscriber = Subscriber(behaviour)
    await subscriber.start(port)
    print(f"ready {subscriber.port}", flush=True)
    flush = _flusher(subscriber.received, record)
    while not stop.is_set():
        try:
            async with asyncio.timeout(0.5):
                await stop.wait()
        except TimeoutError:
            flush()
    await subscriber.stop()
    flush()
    received = subscriber.received
    print(json.dumps({"posts": received.posts, "bad": received.bad}), flush=True)


def _flusher(received: Received, record: TextIO | None) -> Callable[[], None]:
    """Writes what arrived since the last call: ``webhook-id moment`` a line."""

    def flush() -> None:
        if record is not None and received.ids:
            record.write("".join(f"{id_} {moment:.6f}\n" for id_, moment in received.ids))
            record.flush()
            received.ids.clear()
            received.attempts.clear()

    return flush


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser("benchmarks.subscriber", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--hang", action="store_true", help="never answer")
    parser.add_argument("--verify", metavar="WHSEC", help="check signatures with this secret")
    parser.add_argument("--record", type=Path, help="append webhook-id and moment of each event")
    options = parser.parse_args()
    key = whsec(options.verify) if options.verify else None
    behaviour = Behaviour(options.status, options.hang, key, options.record is not None)
    if options.record is None:
        uvloop.run(_serve(options.port, behaviour, None))
    else:
        with options.record.open("a") as record:
            uvloop.run(_serve(options.port, behaviour, record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
