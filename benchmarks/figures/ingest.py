"""``ingest``: durable 202s per second, by size; and what a webhook costs in each step.

The steps are read off a sampling profile of a gateway at work, in a load of its own: so nothing in
the gateway is there to be measured, and the rates above are of a gateway that nobody watches.
"""

from benchmarks.figures.floor import floor_rate
from benchmarks.gateways import Gateway, check_accepted, gateway, put_load, requests_of
from benchmarks.profiles import shares_of
from benchmarks.sizes import SIZES
from benchmarks.suite import Figure, Run


def measure(run: Run) -> None:
    """Each size, to a gateway without subscriptions; then 22 kB again under the profiler."""
    with run.data() as data, gateway(data) as server:
        url, sent = server.integrate(), 0
        for size in SIZES:
            load = put_load(
                url,
                server.server,
                requests=requests_of(size, run.plan.requests),
                connections=run.plan.connections,
                size=size,
                first=sent,
            )
            sent += load.count
            run.ledger.note(
                "ingest",
                size,
                rate=load.rate,
                of_floor=load.rate / floor_rate(run, size),
                p50_ms=load.p50_ms,
                p95_ms=load.p95_ms,
                p99_ms=load.p99_ms,
                server_us=load.server_us,
                store_us=load.store_us,
                load_us=load.load_us,
            )
        check_accepted(server.api, sent)
        _profile(run, server, url, sent)


def _profile(run: Run, server: Gateway, url: str, sent: int) -> None:
    """What each step takes of the CPU that a webhook of 22 kB cost a moment ago."""
    cost = run.ledger.latest("ingest", "22 kB", "server_us")
    with shares_of(server.server.process.pid, run.folder / "profile.txt") as shares:
        put_load(
            url,
            server.server,
            requests=run.plan.requests,
            connections=run.plan.connections,
            first=sent,
        )
    for step, share in shares.items():
        run.ledger.note("ingest", f"22 kB: {step}", cpu_us=share * cost)


FIGURE = Figure("ingest", measure, needs=("floor",))
