"""``end_to_end``: from POST to recorded attempt, and from 202 to subscriber.

Latency counts from the moment when the sender has its 202 to the one when the subscriber has the
whole event, at a share of what was measured as capacity a moment before. The event may be there
before the answer, as both set out when it is durable: that counts as no time at all.
"""

from pathlib import Path

from benchmarks.figures.floor import floor_rate
from benchmarks.gateways import (
    LIMIT,
    WARM,
    Gateway,
    gateway,
    put_load,
    read_lines,
    subscriber,
    wait_delivered,
)
from benchmarks.processes import generate
from benchmarks.suite import Figure, Run

CAPACITY = "1 subscription"
_FANOUT = (1, 10, 100)
_SHARES = (10, 50, 90)  # percent of capacity
_SECONDS = 5.0  # of a load at one share of it


def measure(run: Run) -> None:
    """Throughput with 1, 10 and 100 subscriptions, then latency."""
    for fanout in _FANOUT:
        _measure_rate(run, fanout)
    for share in _SHARES:
        _measure_latency(run, share)


def capacity(run: Run) -> float:
    """Events in and delivered per second, to one subscription, in this round."""
    return run.ledger.latest("end_to_end", CAPACITY, "rate")


def _measure_rate(run: Run, fanout: int) -> None:
    # So many webhooks that the deliveries of several are about twice those of one subscription.
    requests = max(run.plan.requests * min(fanout, 2) // fanout, 100)
    with run.data() as data, subscriber(data) as target, gateway(data) as server:
        for _ in range(fanout):
            server.subscribe(target)
        load = put_load(
            server.integrate(),
            server.server,
            requests=requests,
            connections=run.plan.connections,
            delivered_by=server.api,
            fanout=fanout,
        )
    case = CAPACITY if fanout == 1 else f"{fanout} subscriptions"
    run.ledger.note(
        "end_to_end",
        case,
        rate=load.rate,
        deliveries=load.rate * fanout,
        of_floor=load.rate / floor_rate(run),
        server_us=load.server_us,
        store_us=load.store_us,
    )


def _measure_latency(run: Run, share: int) -> None:
    rate = capacity(run) * share / 100
    requests = max(int(rate * _SECONDS), 200)
    with run.data() as data:
        arrived, answered = data / "arrived.txt", data / "answered.txt"
        with subscriber(data, arrived) as target, gateway(data) as server:
            server.subscribe(target)
            found = _send(server, requests, rate, run.plan.connections, answered)
        delays = sorted(_delays(answered, arrived, found))
    p50, p95, p99 = (
        delays[min(int(len(delays) * part), len(delays) - 1)] * 1000 for part in (0.5, 0.95, 0.99)
    )
    case = f"at {share} %"
    run.ledger.note("end_to_end", case, p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _send(server: Gateway, requests: int, rate: float, connections: int, record: Path) -> int:
    """Warm up, send at *rate*, wait for the last delivery; how many were sent."""
    url = server.integrate()
    generate(url, requests=WARM, connections=connections, first=0, seconds=LIMIT)
    wait_delivered(server.api, WARM)
    more = ("--rate", str(rate), "--record", str(record))
    generate(url, requests=requests, connections=connections, first=WARM, seconds=LIMIT, more=more)
    wait_delivered(server.api, WARM + requests)
    return requests


def _delays(answered: Path, arrived: Path, count: int) -> list[float]:
    """Seconds from each 202 to its event's arrival.

    Raises:
        RuntimeError: one was answered, and did not arrive.
    """
    there: dict[str, float] = {}
    for line in arrived.read_text().splitlines():
        id_, _, moment = line.partition(" ")
        there.setdefault(id_, float(moment))
    delays: list[float] = []
    for row in read_lines(answered):
        events, answered_at = row[4], row[5]
        assert isinstance(events, list)
        assert isinstance(answered_at, float)
        delays += [max(0.0, there[id_] - answered_at) for id_ in events if id_ in there]
    if len(delays) != count:
        msg = f"{len(delays)} events of {count} webhooks arrived"
        raise RuntimeError(msg)
    return delays


FIGURE = Figure("end_to_end", measure, needs=("floor",))
