"""A load generator: connections that are kept, one request in flight on each.

``run_load`` is for benchmarks and tests alike; ``python -m benchmarks.load`` is the process that a
benchmark starts, so that the generator never shares an interpreter with what it measures.
Everything that costs time (bodies, signatures) is made before the clock starts.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.payloads import SIGNED_WITH, SignedWebhook, make_templates, make_webhooks
from benchmarks.sizes import body_of

BROKEN = 0  # the status of a request that got no answer at all
_RECONNECT_PAUSE = 0.05  # seconds
_LOOK = 0.25  # seconds between looks for a request that takes too long


class Outgoing(Protocol):
    """What can be sent: it knows its whole request but for the first lines."""

    def wire(self, start: bytes) -> bytes:
        """The request; *start* is the request line and the Host header."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. *seconds* counts from its first sending."""

    request: Outgoing
    status: int  # BROKEN: none came
    body: bytes
    seconds: float
    retries: int
    moment: float = 0.0  # of the monotonic clock, when it was there


@dataclass(slots=True)
class Result:
    """One load, as a whole. Moments are of the monotonic clock, which all processes share."""

    first: float = 0.0  # the first request was sent
    last: float = 0.0  # the last answer came
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))  # seconds
    retries: int = 0

    @property
    def answers(self) -> int:
        """How many requests were answered, BROKEN included."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / max(self.last - self.first, 1e-9)

    def quantiles_ms(self, *shares: float) -> list[float]:
        """Latencies in ms, each larger than that share of all."""
        ranked = sorted(self.latencies)
        if not ranked:
            return [0.0 for _ in shares]
        return [ranked[min(int(len(ranked) * share), len(ranked) - 1)] * 1000 for share in shares]


@dataclass(frozen=True, slots=True)
class Patience:
    """What to do about requests that fail."""

    timeout: float = 30.0  # seconds that one sending may take; then its connection is cut
    retry_for: float = 0.0  # seconds from the first sending in which a request is sent again
    retry_statuses: Collection[int] = ()  # answers that are treated like a broken connection


async def run_load(
    url: str,
    requests: Iterable[Outgoing],
    connections: int = 64,
    on_answer: Callable[[Answer], None] | None = None,
    patience: Patience = Patience(),
    rate: float | None = None,
) -> Result:
    """Send every one of *requests* to *url* over *connections* and return when all are answered.

    With *rate* so many a second become due, evenly, whether earlier ones were answered or not: one
    that finds no free connection waits for it, and its latency counts from when it was due. Without
    it each connection sends the next one as soon as it has an answer.

    With ``patience.retry_for`` a request whose connection broke is sent again, the same bytes, on
    a new connection: so a load goes on through a gateway's death. Without, it counts as BROKEN.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    start = f"POST {path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode()
    pause = 0.0 if rate is None else 1 / rate
    load = _Load(start, iter(requests), on_answer, patience, pause, time.monotonic())
    load.result.first = load.result.last = time.monotonic()
    lanes = [_Lane(load, host, port) for _ in range(connections)]
    watch = asyncio.create_task(_cut_slow(lanes, patience.timeout))
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(lane.run())
    finally:
        watch.cancel()
    return load.result


@dataclass(slots=True)
class _Load:
    """What the lanes share."""

    start: bytes
    requests: Iterator[Outgoing]
    on_answer: Callable[[Answer], None] | None
    patience: Patience
    pause: float  # seconds from one request to the next; 0: no waiting
    due: float  # when the next request is to be sent, if there is a pause
    result: Result = field(default_factory=Result)


class _Lane(asyncio.Protocol):
    """One connection and its successors, with at most one request in hand."""

    def __init__(self, load: _Load, host: str, port: int) -> None:
        self._load, self._host, self._port = load, host, port
        self._transport: asyncio.WriteTransport | None = None
        self._request: Outgoing | None = None
        self._first_sent = 0.0  # of the request in hand
        self._retries = 0
        self._buffer = b""
        self._lost = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # the request in hand is not due yet
        self.sent_at: float | None = None  # None: nothing is under way

    async def run(self) -> None:
        """Send what there is to send, on as many connections as it takes."""
        loop = asyncio.get_running_loop()
        while self._request is not None or self._take():
            self._lost.clear()
            try:
                async with asyncio.timeout(self._load.patience.timeout):
                    await loop.create_connection(lambda: self, self._host, self._port)
            except OSError:
                self._failed(BROKEN, b"")
                await asyncio.sleep(_RECONNECT_PAUSE)
                continue
            await self._lost.wait()

    def cut(self) -> None:
        """Break the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # -- the protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no such class, they only behave like one.
        self._transport, self._buffer = cast(asyncio.WriteTransport, transport), b""
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = data
            return
        size = _content_length(data, end)
        if len(data) < end + 4 + size:
            self._buffer = data
            return
        self._buffer = b""
        self._answered(int(data[9:12]), data[end + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self.sent_at is not None:
            self.sent_at = None
            self._failed(BROKEN, b"")
        self._lost.set()

    # -- one request -------------------------------------------------------------------------

    def _take(self) -> bool:
        load = self._load
        self._request = next(load.requests, None)
        self._first_sent, self._retries = load.due if load.pause else time.monotonic(), 0
        load.due += load.pause
        return self._request is not None

    def _send(self) -> None:
        assert self._transport is not None
        if self._request is None and not self._take():
            self._transport.close()
            return
        early = self._first_sent - time.monotonic() if self._load.pause else 0.0
        if early > 0:
            self._timer = asyncio.get_running_loop().call_later(early, self._write)
        else:
            self._write()

    def _write(self) -> None:
        assert self._request is not None
        assert self._transport is not None
        now = time.monotonic()
        if not self._retries and not self._load.pause:
            self._first_sent = now
        self.sent_at = now
        self._transport.write(self._request.wire(self._load.start))

    def _answered(self, status: int, body: bytes) -> None:
        self.sent_at = None
        if status in self._load.patience.retry_statuses:
            self._failed(status, body)
            if self._transport is not None:
                self._transport.close()  # :meth:`run` comes back to it, after a pause
            return
        self._end(status, body)
        self._send()

    def _failed(self, status: int, body: bytes) -> None:
        """Keep the request for the next connection, or give it up."""
        if self._request is None:
            return
        if time.monotonic() - self._first_sent < self._load.patience.retry_for:
            self._retries += 1
            self._load.result.retries += 1
        else:
            self._end(status, body)

    def _end(self, status: int, body: bytes) -> None:
        request, result = self._request, self._load.result
        assert request is not None
        self._request = None
        now = result.last = time.monotonic()
        result.latencies.append(now - self._first_sent)
        result.statuses[status] += 1
        if self._load.on_answer is not None:
            answer = Answer(request, status, body, now - self._first_sent, self._retries, now)
            self._load.on_answer(answer)


def _content_length(data: bytes, end: int) -> int:
    """Of an answer whose head ends at *end*; this is no general client."""
    at = data.find(b"\r\nContent-Length:", 0, end)
    if at < 0:
        at = data[:end].lower().find(b"\r\ncontent-length:")
    if at < 0:
        msg = f"an answer without Content-Length: {data[:end]!r}"
        raise ValueError(msg)
    stop = data.find(b"\r\n", at + 2)
    return int(data[at + 17 : stop])


async def _cut_slow(lanes: Sequence[_Lane], seconds: float) -> None:
    while True:
        await asyncio.sleep(min(_LOOK, seconds / 2))
        before = time.monotonic() - seconds
        for lane in lanes:
            if lane.sent_at is not None and lane.sent_at < before:
                lane.cut()


# -- the process -----------------------------------------------------------------------------------


def summary(result: Result) -> dict[str, object]:
    """What a benchmark needs of *result*, as JSON."""
    p50, p95, p99 = result.quantiles_ms(0.50, 0.95, 0.99)
    return {
        "first": result.first,
        "last": result.last,
        "rate": result.rate,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "statuses": {str(status): count for status, count in result.statuses.items()},
        "retries": result.retries,
        "cpu_s": time.process_time(),
    }


def _line(answer: Answer) -> str:
    """One request of a record: delivery id, status, ms, retries, event ids, moment."""
    request = answer.request
    sent = request.delivery_id if isinstance(request, SignedWebhook) else ""
    events: list[str] = []
    if answer.status in (200, 202):
        events = [event["id"] for event in json.loads(answer.body).get("events", ())]
    ms = round(answer.seconds * 1000, 3)
    return json.dumps([sent, answer.status, ms, answer.retries, events, answer.moment])


def main() -> int:
    """Run one load as the command line says; prints one JSON object."""
    parser = argparse.ArgumentParser("benchmarks.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--secret", default=SIGNED_WITH)
    parser.add_argument("--first", type=int, default=0, help="serial number of the first webhook")
    parser.add_argument("--retry-for", type=float, default=0.0, help="seconds")
    parser.add_argument("--record", type=Path, help="write one line of JSON for each request")
    parser.add_argument("--rate", type=float, help="requests a second; without, all that go")
    parser.add_argument("--size", type=int, help="bytes of a body, about; 22 kB without")
    parser.add_argument("--cpu", type=int, help="the one processor to run on")
    options = parser.parse_args()
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    templates = make_templates(reshape=body_of(options.size))
    webhooks = make_webhooks(options.requests, options.secret, options.first, templates)
    answers: list[Answer] = []
    keep = answers.append if options.record else None
    patience = Patience(retry_for=options.retry_for)
    gc.collect()
    gc.disable()  # a pause of the generator would look like one of the gateway
    cpu = time.process_time()
    load = run_load(options.url, webhooks, options.connections, keep, patience, options.rate)
    result = uvloop.run(load)
    cpu = time.process_time() - cpu
    if options.record:
        options.record.write_text("".join(f"{_line(answer)}\n" for answer in answers))
    print(json.dumps({**summary(result), "cpu_s": cpu}))
    return 0 if result.statuses.keys() <= {200, 202} else 1


if __name__ == "__main__":
    sys.exit(main())
