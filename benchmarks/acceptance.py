"""What a run has to reach, and what it aims at: ratios of one run, judged at its end."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.measures import QUANTITIES, Ledger


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure with its limits. *most*: it may be no more than they are; else no less."""

    title: str
    figure: str
    case: str
    quantity: str
    must: float
    aim: float
    most: bool = False

    def reached(self, found: float, limit: float) -> bool:
        """Whether *found* keeps to *limit*."""
        return found <= limit if self.most else found >= limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a figure came out; *found* None: this run did not measure it."""

    wanted: Wanted
    found: float | None

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.found is None:
            return "not measured"
        if not self.wanted.reached(self.found, self.wanted.must):
            return "NOT MET"
        return "aim reached" if self.wanted.reached(self.found, self.wanted.aim) else "met"

    def shown(self, value: float | None) -> str:
        """*value* as the figure's numbers are shown."""
        if value is None:
            return "-"
        about = QUANTITIES[self.wanted.quantity]
        return f"{value:{about.form}} {about.unit}".rstrip()


ONE, MANY = "1 subscription", "100,000 subscriptions"  # cases
PLATFORMS = ("github", "gitlab", "jira", "servicenow", "pagerduty")
# What is no more than a limit; the others are no less.
_most = partial(Wanted, most=True)
WANTED = (
    Wanted("ingest, 22 kB, over the floor", "ingest", "22 kB", "of_floor", 0.45, 0.60),
    Wanted("in and delivered, over the floor", "end_to_end", ONE, "of_floor", 0.25, 0.35),
    _most("202 to subscriber, half of capacity, p99", "end_to_end", "at 50 %", "p99_ms", 50, 25),
    _most("match: 100,000 over 10 subscriptions", "match", MANY, "over_10", 1.3, 1.05),
    *(_most(f"mapping of {n} over parsing", "mapping", n, "over_parse", 6, 2.5) for n in PLATFORMS),
    _most("store, per event", "store", "in all", "kb", 4.5, 3.0),
    _most("round trips per 1,000 events", "store", "under load", "commands", 40, 12),
    Wanted("in and delivered on a full store", "store", "full", "over_empty", 0.85, 0.97),
    Wanted("ingest on a full store", "store", "full, ingest alone", "over_empty", 0.85, 0.97),
    Wanted("backlog drained", "backlog", "drained", "over_end_to_end", 0.8, 1.0),
    _most("gateway memory while it drains", "backlog", "drained", "growth", 1.25, 1.05),
)


def judge(ledger: Ledger) -> Iterator[Verdict]:
    """What became of each figure."""
    for wanted in WANTED:
        yield Verdict(wanted, ledger.median(wanted.figure, wanted.case, wanted.quantity))
