"""Gateways, floors and subscribers as every figure starts them, and loads as it puts on them."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.payloads import SIGNED_WITH
from benchmarks.processes import Api, Running, generate, running
from benchmarks.sizes import SIZES

KEY = "benchmark-key-benchmark-key"
WARM = 1_000  # webhooks before the clock starts, of 22 kB
LIMIT = 300.0  # seconds that one load, and one drain after it, may take
STARTING = 600.0  # seconds that a store may take to read its log
_POLL = 0.02  # seconds between looks at whether everything is delivered
_ENVIRONMENT = {"ONEHOOK_API_KEY": KEY, "ONEHOOK_DELIVERY_ALLOW": "127.0.0.0/8,::1/128"}
_STOCK_BYTES = 60_000_000  # the most that one load of large bodies sends


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway at work, and its API."""

    server: Running
    api: Api

    def integrate(self) -> str:
        """Make an integration; its ingest URL."""
        body = {"type": "github", "name": "benchmark", "secret": SIGNED_WITH}
        return str(self.api.make("integrations", body)["ingest_url"])

    def subscribe(self, url: str) -> str:
        """Make a subscription to what vendors send; its id.

        Facts of the gateway's own would be deliveries more than are counted.
        """
        return str(self.api.make("subscriptions", {"url": url, "events": ["scm.*"]})["id"])


@dataclass(frozen=True, slots=True)
class Load:
    """What one load came to: *rate* in webhooks per second, CPU in us per webhook."""

    count: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    server_us: float
    store_us: float
    load_us: float


@contextmanager
def gateway(data: Path, name: str = "gateway") -> Iterator[Gateway]:
    """A gateway as anyone starts it, allowed to deliver to this machine, on the folder *data*.

    A second one on the same folder shares the store of the first; *name* is for its log.
    """
    onehook = Path(sys.executable).with_name("onehook")
    command = [str(onehook), "serve", "--port", "0", "--data", str(data / "data")]
    with running(command, data / f"{name}.log", _ENVIRONMENT, STARTING) as server:
        yield Gateway(server, Api(server.word, KEY))


@contextmanager
def floor(data: Path) -> Iterator[Running]:
    """The bare framework: ``/bare/x`` and ``/floor/x`` below its port."""
    command = [sys.executable, "-m", "benchmarks.floor", "--secret", SIGNED_WITH]
    with running(command, data / "floor.log") as server:
        yield server


@contextmanager
def subscriber(data: Path, record: Path | None = None) -> Iterator[str]:
    """The URL of a subscriber; with *record* it writes down what arrives, and when."""
    command = [sys.executable, "-m", "benchmarks.subscriber"]
    if record is not None:
        command += ["--record", str(record)]
    with running(command, data / "subscriber.log") as receiver:
        yield f"http://127.0.0.1:{receiver.word}/events"


def requests_of(size: str, requests: int) -> int:
    """How many bodies of *size*, of `SIZES`, make a load that lasts about as long as *requests*."""
    about = SIZES[size]
    return requests if about is None else min(requests, max(50, _STOCK_BYTES // about))


def put_load(
    url: str,
    server: Running,
    *,
    requests: int,
    connections: int,
    size: str = "22 kB",
    first: int = 0,
    delivered_by: Api | None = None,
    fanout: int = 1,
) -> Load:
    """Warm up, then send *requests* webhooks as fast as they are answered, and measure.

    With *delivered_by* until that gateway has recorded *fanout* deliveries of each as delivered.
    *first* is the first serial number: nothing of these may have gone to the same store before.
    """
    about = SIZES[size]
    more = () if about is None else ("--size", str(about))
    warm = min(WARM, requests) // fanout
    already = 0 if delivered_by is None else delivered_by.delivered()
    arguments: Mapping[str, int] = {"connections": connections}
    generate(url, requests=warm, first=first, seconds=LIMIT, more=more, **arguments)
    if delivered_by is not None:
        wait_delivered(delivered_by, already + warm * fanout)
    before = server.cpu_s(), server.children_cpu_s()
    found = generate(
        url, requests=requests, first=first + warm, seconds=LIMIT, more=more, **arguments
    )
    last = found["last"]
    if delivered_by is not None:
        last = wait_delivered(delivered_by, already + (warm + requests) * fanout)
    us = 1e6 / requests
    return Load(
        count=warm + requests,
        rate=requests / (last - found["first"]),
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        server_us=(server.cpu_s() - before[0]) * us,
        store_us=(server.children_cpu_s() - before[1]) * us,
        load_us=found["cpu_s"] * us,
    )


def wait_delivered(api: Api, count: int, seconds: float = LIMIT) -> float:
    """The moment at which *count* deliveries were recorded.

    Raises:
        RuntimeError: they are not, in time.
    """
    deadline = time.monotonic() + seconds
    while (found := api.delivered()) < count and time.monotonic() < deadline:
        time.sleep(_POLL)
    if found >= count:
        return time.monotonic()
    msg = f"{found} of {count} deliveries after {seconds:g} s"
    raise RuntimeError(msg)


def check_accepted(api: Api, count: int) -> None:
    """See that every webhook became an event: 202 is also said to what is put in quarantine.

    Raises:
        RuntimeError: some did not, so the figure would be of something else.
    """
    found = api.metric("onehook_webhooks_total", 'outcome="accepted"')
    if found != count:
        msg = f"{found} of {count} webhooks were accepted"
        raise RuntimeError(msg)


def read_lines(path: Path) -> Iterator[list[object]]:
    """The lines of a load's record, each a list of JSON."""
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)
