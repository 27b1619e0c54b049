"""What was measured: a number a round, kept under figure, case and quantity."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a number is shown: what it is called, its unit, and its format."""

    title: str
    unit: str
    form: str


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "rate": Quantity("per second", "/s", ",.0f"),
        "deliveries": Quantity("deliveries per second", "/s", ",.0f"),
        "of_floor": Quantity("over the floor", "x", ".2f"),
        "p50_ms": Quantity("p50", "ms", ".1f"),
        "p95_ms": Quantity("p95", "ms", ".1f"),
        "p99_ms": Quantity("p99", "ms", ".1f"),
        "server_us": Quantity("CPU of the server, per webhook", "us", ",.0f"),
        "store_us": Quantity("CPU of the store, per webhook", "us", ",.0f"),
        "load_us": Quantity("CPU of the load generator, per webhook", "us", ",.0f"),
        "cpu_us": Quantity("CPU per webhook", "us", ",.1f"),
        "match_us": Quantity("per event", "us", ",.2f"),
        "over_10": Quantity("over 10 subscriptions", "x", ".2f"),
        "map_us": Quantity("mapping, median sample", "us", ",.1f"),
        "map_worst_us": Quantity("mapping, slowest sample", "us", ",.1f"),
        "parse_us": Quantity("parsing, median sample", "us", ",.1f"),
        "over_parse": Quantity("mapping over parsing, median sample", "x", ".2f"),
        "kb": Quantity("per event", "kB", ",.2f"),
        "commands": Quantity("round trips per 1,000 events", "", ",.1f"),
        "over_empty": Quantity("over an empty store", "x", ".2f"),
        "ready_s": Quantity("until it is ready", "s", ",.1f"),
        "over_end_to_end": Quantity("over the end-to-end rate", "x", ".2f"),
        "memory_mb": Quantity("memory of the gateway", "MB", ",.0f"),
        "growth": Quantity("memory at the end over that at the start", "x", ".2f"),
        "over_one": Quantity("over one process", "x", ".2f"),
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the table, as often as it was measured."""

    figure: str
    case: str
    quantity: str
    samples: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.samples)

    @property
    def shown(self) -> str:
        """Median and spread with the unit."""
        about = QUANTITIES[self.quantity]
        low, high = min(self.samples), max(self.samples)
        text = f"{self.median:{about.form}}"
        if len(self.samples) > 1:
            text += f" ({low:{about.form}}..{high:{about.form}})"
        return f"{text} {about.unit}".rstrip()


@dataclass(slots=True)
class Ledger:
    """Everything that one run measured, in the order in which it came up."""

    _rows: dict[tuple[str, str, str], list[float]] = field(
        default_factory=dict[tuple[str, str, str], list[float]]
    )

    def note(self, figure: str, case: str, **quantities: float) -> None:
        """One more sample of each of *quantities*, names of `QUANTITIES`."""
        for quantity, value in quantities.items():
            assert quantity in QUANTITIES, quantity
            self._rows.setdefault((figure, case, quantity), []).append(value)

    def latest(self, figure: str, case: str, quantity: str) -> float:
        """The last sample: that of this round, if the figure came first.

        Raises:
            KeyError: it was not measured.
        """
        return self._rows[figure, case, quantity][-1]

    def median(self, figure: str, case: str, quantity: str) -> float | None:
        """The middle sample; None: it was not measured."""
        samples = self._rows.get((figure, case, quantity))
        return None if samples is None else median(samples)

    def __iter__(self) -> Iterator[Row]:
        """Row by row, those of one figure and case together."""
        order = {key: at for at, key in enumerate(dict.fromkeys(k[:2] for k in self._rows))}
        figures = {name: at for at, name in enumerate(dict.fromkeys(k[0] for k in self._rows))}
        for key in sorted(self._rows, key=lambda k: (figures[k[0]], order[k[:2]])):
            yield Row(*key, self._rows[key])
