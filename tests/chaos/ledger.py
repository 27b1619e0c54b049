"""What was promised, what came, and what the difference is."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Answer
from benchmarks.subscriber import Attempt

RECORDING = 1.0  # seconds that the record of an answered attempt may take, on a busy machine
Attempts = Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault: monotonic moments of its begin, of its end, and of when all was well again."""

    name: str
    repeats: bool
    begin: float
    end: float
    recovered: float

    def __str__(self) -> str:
        lasted, took = self.end - self.begin, self.recovered - self.end
        return f"{self.name}: {lasted:.1f} s, recovered after {took:.2f} s"

    def explains(self, attempt: Attempt) -> bool:
        """Whether *attempt* was in flight, or answered and not recorded yet, in this fault."""
        until = float("inf") if attempt.end is None else attempt.end + RECORDING
        return self.repeats and attempt.begin <= self.recovered and until >= self.begin


class Ledger:
    """Every webhook that was acknowledged with its event ids, in memory and in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")
        self.statuses: Counter[int] = Counter()
        self.wrong: list[bytes] = []  # answers that no vendor should ever get
        self.promised: dict[str, set[str]] = defaultdict(set)  # event ids by kind of load
        self.order: dict[int, list[str]] = defaultdict(list)  # event ids by thing, as promised
        self.webhooks = 0

    def take(self, kind: str, answer: Answer, thing: int | None = None) -> None:
        """Write down the final answer to one webhook, of *thing* where order matters."""
        self.statuses[answer.status] += 1
        if answer.status not in (200, 202):
            self.wrong.append(b"%d %b" % (answer.status, answer.body[:300]))
            return
        ids = [event["id"] for event in json.loads(answer.body)["events"]]
        if len(ids) != 1:
            self.wrong.append(answer.body[:300])
        self._file.write(f"{kind} {answer.status} {' '.join(ids)}\n")
        self._file.flush()
        self.webhooks += 1
        self.promised[kind].update(ids)
        if thing is not None:
            self.order[thing] += ids

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class Verdict:
    """What the comparison found; all but *repeats* and *in_flight* has to be empty or 0."""

    lost: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    strangers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    repeats: Counter[str] = field(default_factory=Counter[str])
    in_flight: Counter[str] = field(default_factory=Counter[str])  # by fault: of the strict ones
    unexplained: list[tuple[str, str, float]] = field(default_factory=list)
    disordered: list[int] = field(default_factory=list[int])


def compare(
    ledger: Ledger,
    arrived: Mapping[str, tuple[str, Attempts]],
    ordered: str,
    strict: Iterable[str],
    faults: Sequence[Happened],
) -> Verdict:
    """Hold what *arrived*, by subscriber with its kind of load, against what was promised.

    *ordered* is the subscriber whose order was promised. To the *strict* ones nothing comes twice
    unless the attempt before was in flight at a fault.
    """
    verdict = Verdict()
    for name, (kind, attempts) in arrived.items():
        promised, came = ledger.promised[kind], {attempt.id for attempt in attempts}
        verdict.lost[name] = promised - came
        verdict.strangers[name] = came - promised
        verdict.repeats[name] = len(attempts) - len(came)
    for name in strict:
        for attempt in _repeated(arrived[name][1]):
            fault = next((fault for fault in faults if fault.explains(attempt)), None)
            if fault is None:
                verdict.unexplained.append((name, attempt.id, attempt.begin))
            else:
                verdict.in_flight[fault.name] += 1
    places = [attempt.id for attempt in arrived[ordered][1]]
    verdict.disordered = _disordered(ledger.order, places)
    return verdict


def _repeated(attempts: Attempts) -> list[Attempt]:
    """Each attempt that was followed by another one of the same id."""
    last: dict[str, Attempt] = {}
    found: list[Attempt] = []
    for attempt in attempts:
        if attempt.id in last:
            found.append(last[attempt.id])
        last[attempt.id] = attempt
    return found


def _disordered(order: dict[int, list[str]], arrived: Sequence[str]) -> list[int]:
    """The things of which something arrived after what follows it."""
    place = {id_: (thing, at) for thing, ids in order.items() for at, id_ in enumerate(ids)}
    latest: dict[int, int] = {}
    found: set[int] = set()
    for id_ in arrived:
        if id_ not in place:
            continue
        thing, at = place[id_]
        if at < latest.get(thing, 0):
            found.add(thing)
        latest[thing] = max(at, latest.get(thing, 0))
    return sorted(found)
