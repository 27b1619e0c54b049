"""``store``: what an event takes in memory and on disk, how often it is asked, and how it grows."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

from benchmarks.gateways import Gateway, gateway, put_load, subscriber
from benchmarks.stores import full_store, inside
from benchmarks.suite import Figure, Run
from onehook.store.events import Retention

_KEEP = Retention()
# By the letter of their keys (`store/keys.py`): what the table calls them, how long they are kept.
PARTS: Mapping[str, tuple[str, timedelta]] = {
    "w": ("native webhook, 22 kB", _KEEP.native),
    "e": ("event as delivered", _KEEP.event),
    "v": ("state of its deliveries", _KEEP.history),
    "d": ("dedupe markers", _KEEP.marker),
    "x": ("log of deliveries", _KEEP.history),
    "h": ("attempts", _KEEP.history),
    "ix": ("index of events", _KEEP.listed),
    "r": ("index of references", _KEEP.event * 9 / 8),  # it ends an eighth at a time
}
REST = "hash table and the rest"
_EVENTS = 10_000  # in the store whose bytes are counted: enough that what is fixed is lost in it


def measure(run: Run) -> None:
    """Bytes and round trips on an empty store, then the rates on fuller ones."""
    _measure_bytes(run)
    for count in _levels(run):
        _measure_growth(run, count)


def _levels(run: Run) -> list[int]:
    """How many events are stored, to see that it makes no difference."""
    full = run.plan.stored
    return [*(count for count in (10_000, 100_000, 1_000_000) if count < full), full]


def _measure_bytes(run: Run) -> None:
    """Every event has its native webhook, one delivery and the attempt that delivered it."""
    with run.data() as data, subscriber(data) as target, gateway(data) as server:
        server.subscribe(target)
        url = server.integrate()
        send = partial(
            put_load,
            url,
            server.server,
            connections=run.plan.connections,
            delivered_by=server.api,
        )
        already = send(requests=200).count
        with inside(data) as store:
            before = store.memory, store.log_bytes, server.api.round_trips(), store.rewrites
            load = send(requests=_EVENTS, first=already)
            asked = server.api.round_trips() - before[2]
            memory = (store.memory - before[0]) / load.count
            parts = store.parts()
            note, stored = run.ledger.note, load.count + already
            for letter, (title, _) in PARTS.items():
                note("store", title, kb=parts[letter] / stored / 1000)
            known = sum(parts[letter] for letter in PARTS) / stored
            note("store", REST, kb=(memory - known) / 1000)
            note("store", "in all", kb=memory / 1000)
            if store.rewrites == before[3]:
                note("store", "log on disk", kb=(store.log_bytes - before[1]) / load.count / 1000)
            note("store", "under load", commands=asked / load.count * 1000)


def _measure_growth(run: Run, count: int) -> None:
    """The rates on a store of *count* events, and on an empty one, by turns.

    The smaller stores are only for the curve: memory per event, and one look at the rates.
    """
    folder, largest = full_store(run, count), count == run.plan.stored
    case = "full" if largest else f"{count:,} stored"
    with ExitStack() as stack:
        data = stack.enter_context(run.data())
        target = stack.enter_context(subscriber(data))
        empty, full = (stack.enter_context(gateway(where)) for where in (data, folder))
        with inside(folder) as store:
            run.ledger.note("store", case, kb=store.memory / count / 1000)
        first = 0
        for _ in range(run.plan.repeats if largest else 1):
            first = _compare(run, case, target, (empty, full), first)


def _compare(
    run: Run, case: str, target: str, gateways: tuple[Gateway, Gateway], first: int
) -> int:
    """One load without subscriptions and one with, to each gateway; the next free number."""
    for subscribed in (False, True):
        rates: list[float] = []
        sent = 0
        for server in gateways:
            made = server.subscribe(target) if subscribed else ""
            load = put_load(
                server.integrate(),
                server.server,
                requests=run.plan.requests,
                connections=run.plan.connections,
                first=first,
                delivered_by=server.api if subscribed else None,
            )
            rates.append(load.rate)
            sent = load.count
            if made:
                server.api.call(f"/v1/subscriptions/{made}", {"active": False}, "PATCH")
        name = case if subscribed else f"{case}, ingest alone"
        run.ledger.note("store", name, rate=rates[1], over_empty=rates[1] / rates[0])
        first += sent
    return first


FIGURE = Figure("store", measure, once=True)
