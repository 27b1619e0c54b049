"""Lookup tables: what a source calls a thing, and what we call it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from onehook.core.jsontext import JsonScalar
from onehook.core.mapping.context import Context
from onehook.core.mapping.paths import MISSING, Found
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Scalar

_ROWS = 200  # of a table, whose fit with a field takes as long to check as a value to compile


@dataclass(slots=True)
class Table:
    """A lookup table: text to value."""

    name: str
    rows: dict[str, JsonScalar]
    node: Map
    used: bool = False  # by some value
    _folded: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def folded(self) -> Mapping[str, str]:
        """Each row's key as it is looked up without case, and as the file has it."""
        if not self._folded:  # once, however many values ask
            self._folded.append({key.lower(): key for key in self.rows})
        return self._folded[0]


def find_table(node: Map, tables: Mapping[str, Table], report: Report) -> Table | None:
    """The table that *node* names; None, and E104, if there is none."""
    name = node.get("table")
    if not isinstance(name, Scalar) or str(name.value) not in tables:
        at = name or node
        shown = repr(name.value) if isinstance(name, Scalar) else "named"
        report("E104", at.place, f"there is no table {shown}", nearest(shown, tables))
        return None
    table = tables[str(name.value)]
    table.used = True
    report.takes(node.place, len(table.rows) // _ROWS)
    return table


class Finder(NamedTuple):
    """How a table is asked.

    *find* gives the row of a key text. *form*, for generated code, is a condition on ``$v`` and
    ``$rows``: where it holds, ``${v}row`` is the row; where not, *find* is to be asked.
    """

    find: Callable[[str, Context], Found]
    rows: Mapping[str, JsonScalar]
    form: str


def finder(node: Map, table: Table) -> Finder:
    """How to find a row of *table* by its key text, without case if *node* says so."""
    flag = node.get("ignore_case")
    fold = isinstance(flag, Scalar) and flag.value is True
    rows = table.rows
    written: Mapping[str, str] = table.folded() if fold else {}

    def find(key: str, context: Context) -> Found:
        key = written.get(key.lower(), key) if fold else key
        row = rows.get(key, MISSING)
        if context.hits is not None and row is not MISSING:
            context.hits.add((table.name, key))
        return row

    key = "$v.lower()" if fold else "$v"
    row = f"(${{v}}row := $rows.get({key}, MISSING)) is not MISSING"
    return Finder(find, rows, f"type($v) is str and {row} and context.hits is None")
