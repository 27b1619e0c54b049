"""One run: a load, a schedule of faults drawn from a seed, and the verdict."""

import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.subscriber import Attempt
from tests.chaos.arena import Arena, arena
from tests.chaos.faults import Fault
from tests.chaos.kinds import KINDS
from tests.chaos.ledger import Happened, Ledger, Verdict, compare
from tests.chaos.load import ISSUES, PULLS, Vendor

ARRIVAL = 180.0  # seconds that the last events may take: longer than a breaker's probes
_LOOK = 0.25


@dataclass(slots=True)
class Report:
    """What a run did and found."""

    webhooks: int  # sent: fewer than asked for where time was up
    cut_short: bool
    seconds: float
    faults: list[Happened]
    ledger: Ledger
    verdict: Verdict
    pending: dict[str, int] = field(default_factory=dict[str, int])  # by subscription, at rest
    dead: dict[str, int] = field(default_factory=dict[str, int])
    unspread: list[str] = field(default_factory=list[str])  # what is wrong with the crowd's queues
    crashed: list[str] = field(default_factory=list[str])  # lines of the gateway's log

    def faulty(self) -> list[str]:
        """What must not be, a sentence each; empty if all is well."""
        verdict, found = self.verdict, list[str]()
        if self.cut_short:
            done = f"{self.webhooks} webhooks and {len(self.faults)} faults"
            found.append(f"CHAOS_MINUTES were over after {done}: not all that was asked for")
        for name, ids in verdict.lost.items():
            if ids:
                found.append(f"{len(ids)} acknowledged events never came to {name}: {_some(ids)}")
        for name, ids in verdict.strangers.items():
            if ids:
                found.append(f"{len(ids)} events came to {name} unpromised: {_some(ids)}")
        if verdict.unexplained:
            some = verdict.unexplained[:3]
            found.append(
                f"{len(verdict.unexplained)} repeats of attempts that no fault met: {some}"
            )
        if verdict.disordered:
            found.append(f"out of order: issues {verdict.disordered}")
        if self.ledger.wrong:
            found.append(f"{len(self.ledger.wrong)} wrong answers: {self.ledger.wrong[:3]}")
        found += [f"{n} deliveries are pending for {name}" for name, n in self.pending.items() if n]
        found += [f"{n} deliveries are dead for {name}" for name, n in self.dead.items() if n]
        found += self.unspread
        if self.crashed:
            found.append(f"{len(self.crashed)} crashes in the log: {self.crashed[:3]}")
        return found

    def table(self) -> str:
        """A line for each kind of fault, then the totals."""
        by_name: dict[str, list[Happened]] = defaultdict(list)
        for one in self.faults:
            by_name[one.name].append(one)
        lines = [f"{'fault':<26}{'times':>6}{'lasted s':>10}{'recovered s, median, most':>28}"]
        for name, happened in sorted(by_name.items()):
            lasted = sum(one.end - one.begin for one in happened)
            took = sorted(one.recovered - one.end for one in happened)
            middle, most = took[len(took) // 2], took[-1]
            lines.append(f"{name:<26}{len(happened):>6}{lasted:>10.1f}{middle:>18.2f}{most:>10.2f}")
        lost = sum(map(len, self.verdict.lost.values()))
        strangers = sum(map(len, self.verdict.strangers.values()))
        promised = sum(map(len, self.ledger.promised.values()))
        lines.append(
            f"{self.webhooks} webhooks in {self.seconds:.0f} s, answers "
            f"{dict(self.ledger.statuses)}, {promised} events promised; {len(self.faults)} faults "
            f"of {len(by_name)} kinds: {lost} lost, {strangers} never accepted, "
            f"repeats {dict(self.verdict.repeats)}; of those to the first two "
            f"{self.verdict.in_flight.total()} of attempts in flight at a fault "
            f"{dict(self.verdict.in_flight)}, {len(self.verdict.unexplained)} of others, "
            f"{len(self.verdict.disordered)} things out of order"
        )
        return "\n".join(lines)


def draw(chance: random.Random, kinds: Sequence[type[Fault]], count: int) -> list[Fault]:
    """A schedule of *count* faults: every kind as often as every other, rare ones once."""
    schedule: list[Fault] = [kind() for kind in kinds if kind.rare][:count]
    usual = [kind for kind in kinds if not kind.rare]
    while len(schedule) < count:
        chance.shuffle(usual)
        schedule += [kind() for kind in usual[: count - len(schedule)]]
    chance.shuffle(schedule)
    return schedule


async def run(
    folder: Path,
    seed: str,
    *,
    embedded: bool,
    webhooks: int,
    faults: int,
    limit: float = float("inf"),
    kinds: Sequence[type[Fault]] = KINDS,
) -> Report:
    """Send *webhooks*, *faults* happen meanwhile; then wait for what was promised, and compare.

    *folder* is there, and empty. After *limit* seconds no further fault begins, and no load.
    """
    chance = random.Random(f"{seed} {embedded}")
    with closing(Ledger(folder / "promised.txt")) as ledger:
        async with arena(folder, chance, embedded=embedded) as made:
            fitting = [kind for kind in kinds if kind.fits(made)]
            schedule = draw(chance, fitting, faults)
            vendor, happened = Vendor(made, ledger), list[Happened]()
            since = time.monotonic()
            part, sent = webhooks // len(schedule), 0
            for number, fault in enumerate(schedule):
                if time.monotonic() - since > limit:
                    break
                more = webhooks - part * len(schedule) if number == 0 else 0
                sent += part + more
                async with asyncio.TaskGroup() as group:
                    group.create_task(vendor.send(part + more))
                    happening = group.create_task(_happen(made, fault))
                happened.append(happening.result())
                print(f"{number + 1}/{len(schedule)} {happened[-1]}", file=sys.stderr, flush=True)
            await settle(made, ledger)
            pending, dead = await at_rest(made)
            unspread = await spread(made, ledger)
            seconds = time.monotonic() - since
            verdict = compare(ledger, arrived(made), "ordered", ("healthy", "ordered"), happened)
    crashed = _crashed(folder / "gateway.log")
    cut_short = len(happened) < len(schedule)
    return Report(
        sent, cut_short, seconds, happened, ledger, verdict, pending, dead, unspread, crashed
    )


async def _happen(made: Arena, fault: Fault) -> Happened:
    """One fault, a moment after the load began."""
    await asyncio.sleep(made.chance.uniform(*fault.pause))
    begin = time.monotonic()
    try:
        await fault.begin(made)
        await asyncio.sleep(made.chance.uniform(*fault.lasts))
    finally:
        await fault.end(made)
    end = time.monotonic()
    await made.ready()
    recovered = time.monotonic()
    return Happened(fault.name(), fault.repeats, fault.began or begin, end, recovered)


def arrived(made: Arena) -> dict[str, tuple[str, list[Attempt]]]:
    """What came to each subscriber, with the kind of load that it is of."""
    return {
        "healthy": (PULLS, made.healthy.received.attempts),
        "ordered": (ISSUES, made.ordered.received.attempts),
        "ill": (ISSUES, made.ill.received.attempts),
    }


async def settle(made: Arena, ledger: Ledger) -> None:
    """Wait until all that was promised has arrived, or time is up."""
    deadline = time.monotonic() + ARRIVAL
    for kind, attempts in arrived(made).values():
        while ledger.promised[kind] - {attempt.id for attempt in attempts}:
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_LOOK)


async def at_rest(made: Arena) -> tuple[dict[str, int], dict[str, int]]:
    """What is pending and dead for each subscription, once nothing is pending or time is up."""
    deadline = time.monotonic() + ARRIVAL
    while True:
        counts = Counter[str](), Counter[str]()
        for name, id_ in made.subscriptions.items():
            stats = await made.gateway.call(f"/v1/subscriptions/{id_}/stats")
            counts[0][name] = stats["deliveries"]["pending"]
            counts[1][name] = stats["deliveries"]["dead"]
        if not counts[0].total() or time.monotonic() > deadline:
            return dict(counts[0]), dict(counts[1])
        await asyncio.sleep(_LOOK)


async def spread(made: Arena, ledger: Ledger) -> list[str]:
    """What is wrong with what waits for the crowd, once it is right or time is up."""
    promised, deadline = sorted(ledger.promised[ISSUES]), time.monotonic() + ARRIVAL
    while True:
        waiting = await made.waiting()
        if time.monotonic() > deadline or waiting == [(promised, promised)] * len(made.crowd):
            break
        await asyncio.sleep(_LOOK)
    wrong: list[str] = []
    for number, (queued, listed) in enumerate(waiting):
        lost, twice = {*promised} - {*queued}, len(listed) - len({*listed})
        strange = {*queued} - {*promised}
        if lost or twice or strange or listed != queued:
            wrong.append(
                f"paused {number}: {len(lost)} lost ({_some(lost)}), {len(strange)} unpromised "
                f"({_some(strange)}), {twice} listed twice, {len(listed)} of {len(queued)} listed"
            )
    return wrong


def _crashed(log: Path) -> list[str]:
    """What a gateway said of exceptions that nobody expected."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if "crashed" in line or line.startswith("Traceback")]


def _some(ids: set[str]) -> str:
    return ", ".join(sorted(ids)[:5])
