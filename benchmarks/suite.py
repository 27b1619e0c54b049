"""A run of the suite: which figures, how often, and what they share."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measures import Ledger

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    requests: int  # webhooks of a load
    stored: int  # events in a full store
    connections: int = 64
    repeats: int = 3  # of what is measured on one full store


@dataclass(slots=True)
class Run:
    """What a figure works with: the plan, where results go, and folders that end with the run."""

    plan: Plan
    folder: Path
    ledger: Ledger = field(default_factory=Ledger)

    @contextmanager
    def data(self) -> Iterator[Path]:
        """A folder of its own, on the disk that the results lie on."""
        folder = Path(tempfile.mkdtemp(prefix="part-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing to measure. *needs*: figures whose numbers of the same round it is set against.

    With *once* it repeats by itself what can be repeated; the others are measured each round, one
    after the other, so that whatever else the machine does falls on all of them alike.
    """

    name: str
    measure: Callable[[Run], None]
    needs: Sequence[str] = ()
    once: bool = False


def chosen(figures: Mapping[str, Figure], only: Sequence[str]) -> list[Figure]:
    """Those of *only*, and what they need; all if it names none. In the registry's order."""
    wanted = set(only or figures)
    for name in list(wanted):
        wanted |= set(figures[name].needs)
    return [figure for name, figure in figures.items() if name in wanted]


def measure(figures: Sequence[Figure], plan: Plan) -> Ledger:
    """Measure *figures*; what is measured once comes after the rounds.

    Raises:
        RuntimeError: a process failed, or something did not come to its end in time.
    """
    RESULTS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS))
    run = Run(plan, folder)
    try:
        for number in range(1, plan.rounds + 1):
            for figure in figures:
                if not figure.once:
                    _say(f"round {number} of {plan.rounds}: {figure.name}")
                    figure.measure(run)
        for figure in figures:
            if figure.once:
                _say(figure.name)
                figure.measure(run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return run.ledger


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
