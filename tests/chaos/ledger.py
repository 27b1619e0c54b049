"""What was promised, what came, and what the difference is."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Answer

IN_FLIGHT = 5.0  # seconds from an arrival until it is recorded, on a very busy machine
Arrivals = Sequence[tuple[str, float]]  # webhook-id and monotonic moment


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

    def explains(self, arrived: float) -> bool:
        """Whether what *arrived* then may have been in flight, or unrecorded, in this fault."""
        return self.repeats and self.begin - IN_FLIGHT <= arrived <= self.recovered + IN_FLIGHT


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
    """What the comparison found; all but *repeats* has to be empty or 0."""

    lost: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    strangers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    repeats: Counter[str] = field(default_factory=Counter[str])
    unexplained: list[tuple[str, str, float]] = field(default_factory=list)
    disordered: list[int] = field(default_factory=list[int])


def compare(
    ledger: Ledger,
    arrived: dict[str, tuple[str, Arrivals]],
    ordered: str,
    strict: Iterable[str],
    faults: Sequence[Happened],
) -> Verdict:
    """Hold what *arrived*, by subscriber with its kind of load, against what was promised.

    *ordered* is the subscriber whose order was promised. To the *strict* ones nothing comes twice
    unless a fault explains it.
    """
    verdict = Verdict()
    for name, (kind, arrivals) in arrived.items():
        promised, came = ledger.promised[kind], {id_ for id_, _ in arrivals}
        verdict.lost[name] = promised - came
        verdict.strangers[name] = came - promised
        verdict.repeats[name] = len(arrivals) - len(came)
    for name in strict:
        verdict.unexplained += [
            (name, id_, at)
            for id_, at in _repeated(arrived[name][1])
            if not any(fault.explains(at) for fault in faults)
        ]
    places = [id_ for id_, _ in arrived[ordered][1]]
    verdict.disordered = _disordered(ledger.order, places)
    return verdict


def _repeated(arrivals: Arrivals) -> list[tuple[str, float]]:
    """Each arrival that was followed by another one of the same id."""
    last: dict[str, float] = {}
    found: list[tuple[str, float]] = []
    for id_, at in arrivals:
        if id_ in last:
            found.append((id_, last[id_]))
        last[id_] = at
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
