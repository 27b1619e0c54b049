"""``make bench``: the product against the floor of the same run, on the loopback of one machine.

Every round measures each row once, one after the other, so that whatever else the machine does
falls on all rows alike. What is quoted is the median of the rounds, and the ratio to the floor
(aiohttp + HMAC + JSON) of the same round.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.payloads import SIGNED_WITH
from benchmarks.processes import Api, Running, generate, running

RESULTS = Path(__file__).parent / "results"
CONNECTIONS = 64
WARM = 1_000  # webhooks before the clock starts
LIMIT = 120.0  # seconds that one load, and one drain after it, may take
_POLL = 0.02  # seconds between looks at whether everything is delivered
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of one round. CPU is in us per webhook."""

    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    server_cpu_us: float
    store_cpu_us: float
    generator_cpu_us: float
    drain_s: float = 0.0  # from the last answer to the last record


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    rounds: int
    requests: int
    connections: int
    rows: tuple[str, ...]


def measure_floor(kind: str, options: Options, folder: Path) -> Sample:
    """The bare framework: *kind* is ``bare`` or ``floor``."""
    command = [sys.executable, "-m", "benchmarks.floor", "--secret", SIGNED_WITH]
    with running(command, folder / "floor.log") as server:
        return _load(f"http://127.0.0.1:{server.word}/{kind}/int_benchmark", server, options)


def measure_ingest(options: Options, folder: Path) -> Sample:
    """The product without any subscription: every webhook is made durable, none is delivered."""
    with running(*_gateway(folder)) as server:
        api = _api(server, folder)
        sample = _load(_integration(api), server, options)
        _check_accepted(api, WARM + options.requests)
        return sample


def measure_delivered(options: Options, folder: Path) -> Sample:
    """The product with one subscription: events delivered and recorded, per second."""
    subscriber = [sys.executable, "-m", "benchmarks.subscriber"]
    with (
        running(subscriber, folder / "subscriber.log") as receiver,
        running(*_gateway(folder)) as server,
    ):
        api = _api(server, folder)
        url = _integration(api)
        # What vendors send: a fact of the gateway's own would be one delivery more than counted.
        wanted = {"url": f"http://127.0.0.1:{receiver.word}/events", "events": ["scm.*"]}
        api.make("subscriptions", wanted)
        return _load(url, server, options, api)


def _gateway(folder: Path) -> tuple[Sequence[str], Path, dict[str, str]]:
    """A gateway as anyone starts it, allowed to deliver to this machine."""
    onehook = Path(sys.executable).with_name("onehook")
    command = [str(onehook), "serve", "--port", "0", "--data", str(folder / "data")]
    return command, folder / "gateway.log", {"ONEHOOK_DELIVERY_ALLOW": "127.0.0.0/8,::1/128"}


def _api(server: Running, folder: Path) -> Api:
    return Api(server.word, (folder / "data" / "api-key").read_text().strip())


def _integration(api: Api) -> str:
    made = api.make("integrations", {"type": "github", "name": "benchmark", "secret": SIGNED_WITH})
    return str(made["ingest_url"])


def _load(url: str, server: Running, options: Options, api: Api | None = None) -> Sample:
    """Warm up, then measure; with *api* until everything is recorded as delivered."""
    send = partial(generate, url, connections=options.connections, seconds=LIMIT)
    send(requests=WARM, first=0)
    if api is not None:
        _wait_delivered(api, WARM)
    before = server.cpu_s(), server.children_cpu_s()
    found = send(requests=options.requests, first=WARM)
    last = found["last"]
    if api is not None:
        last = _wait_delivered(api, WARM + options.requests)
    after = server.cpu_s(), server.children_cpu_s()
    us = 1e6 / options.requests
    return Sample(
        rate=options.requests / (last - found["first"]),
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        server_cpu_us=(after[0] - before[0]) * us,
        store_cpu_us=(after[1] - before[1]) * us,
        generator_cpu_us=found["cpu_s"] * us,
        drain_s=last - found["last"],
    )


def _check_accepted(api: Api, count: int) -> None:
    """See that every webhook became an event: 202 is also said to what is put in quarantine.

    Raises:
        RuntimeError: some did not, so the figure would be of something else.
    """
    found = api.metric("onehook_webhooks_total", 'outcome="accepted"')
    if found != count:
        msg = f"{found} of {count} webhooks were accepted"
        raise RuntimeError(msg)


def _wait_delivered(api: Api, count: int) -> float:
    """The moment at which *count* deliveries were recorded.

    Raises:
        RuntimeError: they are not, in time.
    """
    deadline = time.monotonic() + LIMIT
    while (found := api.delivered()) < count and time.monotonic() < deadline:
        time.sleep(_POLL)
    if found >= count:
        return time.monotonic()
    msg = f"{found} of {count} deliveries after {LIMIT:g} s"
    raise RuntimeError(msg)


ROWS: dict[str, Callable[[Options, Path], Sample]] = {
    "bare": lambda options, folder: measure_floor("bare", options, folder),
    FLOOR: lambda options, folder: measure_floor("floor", options, folder),
    "ingest": measure_ingest,
    "in and delivered": measure_delivered,
}


def run(options: Options) -> dict[str, list[Sample]]:
    """All rounds, each row with a data folder of its own, on disk."""
    samples: dict[str, list[Sample]] = {row: [] for row in options.rows}
    for number in range(1, options.rounds + 1):
        for row in options.rows:
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS))
            try:
                sample = ROWS[row](options, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            samples[row].append(sample)
            text = f"round {number}/{options.rounds}  {row:<17}{sample.rate:>8,.0f}/s"
            print(text, file=sys.stderr, flush=True)
    return samples


def table(samples: dict[str, list[Sample]]) -> str:
    """One line a row: medians, the spread in brackets."""
    head = f"{'':<17} {'per second':>22} {'p50':>6} {'p95':>6} {'p99':>6} ms  {'of the floor':>19}"
    lines = [f"{head}  {'CPU us: server':>15} {'store':>6} {'load':>5}"]
    for row, found in samples.items():
        rates = [s.rate for s in found]
        lines.append(
            f"{row:<17} {_spread(rates, ',.0f'):>22}"
            f" {median(s.p50_ms for s in found):>6.1f} {median(s.p95_ms for s in found):>6.1f}"
            f" {median(s.p99_ms for s in found):>6.1f}   "
            f"  {_spread(ratios(samples, row), '.2f'):>19}"
            f"  {median(s.server_cpu_us for s in found):>15.0f}"
            f" {median(s.store_cpu_us for s in found):>6.0f}"
            f" {median(s.generator_cpu_us for s in found):>5.0f}"
        )
    return "\n".join(lines)


def ratios(samples: dict[str, list[Sample]], row: str) -> list[float]:
    """*row* over the floor, round by round; empty if the floor was not measured."""
    pairs = zip(samples[row], samples.get(FLOOR, ()), strict=False)
    return [ours.rate / floor.rate for ours, floor in pairs]


def _spread(values: Sequence[float], form: str) -> str:
    if not values:
        return "-"
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:{form}} ({low:{form}}..{high:{form}})"


def _save(options: Options, samples: dict[str, list[Sample]]) -> Path:
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    told = {
        "options": asdict(options),
        "machine": {"cpus": os.cpu_count(), "python": sys.version, "system": platform.platform()},
        "samples": {row: [asdict(sample) for sample in found] for row, found in samples.items()},
        "ratios": {row: ratios(samples, row) for row in samples},
    }
    path.write_text(json.dumps(told, indent=1) + "\n")
    return path


def main() -> int:
    """Measure and print; ROUNDS and REQUESTS may come from the environment, as make sets them."""
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    rounds, requests = os.environ.get("ROUNDS", "5"), os.environ.get("REQUESTS", "15000")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--requests", type=int, default=requests, help="webhooks of each load")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--row", action="append", choices=list(ROWS), help="only this; repeatable")
    given = parser.parse_args()
    rows = tuple(row for row in ROWS if not given.row or row in given.row)
    options = Options(given.rounds, given.requests, given.connections, rows)
    RESULTS.mkdir(exist_ok=True)
    samples = run(options)
    print(table(samples))
    print(f"written to {_save(options, samples)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
