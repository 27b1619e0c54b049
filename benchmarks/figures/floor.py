"""``floor``: what the bare framework does with the same requests, the yardstick of each round."""

from benchmarks.gateways import floor, put_load, requests_of
from benchmarks.sizes import SIZES
from benchmarks.suite import Figure, Run

BARE, FLOOR = "bare", "floor"  # reads the body and answers; checks the HMAC and parses, too


def case_of(kind: str, size: str) -> str:
    """What the table calls the floor of that *kind* with bodies of *size*."""
    return f"{'reads the body' if kind == BARE else 'HMAC and JSON'}, {size}"


def measure(run: Run) -> None:
    """Both floors with each size."""
    with run.data() as data, floor(data) as server:
        for size in SIZES:
            for kind in (BARE, FLOOR):
                load = put_load(
                    f"http://127.0.0.1:{server.word}/{kind}/int_benchmark",
                    server,
                    requests=requests_of(size, run.plan.requests),
                    connections=run.plan.connections,
                    size=size,
                )
                run.ledger.note(
                    "floor",
                    case_of(kind, size),
                    rate=load.rate,
                    p50_ms=load.p50_ms,
                    p99_ms=load.p99_ms,
                    server_us=load.server_us,
                )


def floor_rate(run: Run, size: str = "22 kB") -> float:
    """Webhooks per second of the floor with HMAC and JSON, in this round."""
    return run.ledger.latest("floor", case_of(FLOOR, size), "rate")


FIGURE = Figure("floor", measure)
