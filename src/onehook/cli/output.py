"""What commands print: data on stdout, talk on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# Without emoji: rich would show one for `:ticket:` in a urn, or line 100 of file.yaml:100:10.
out = Console(highlight=False, soft_wrap=True, emoji=False)
talk = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

# Words that say how something fares, and how they look on a terminal.
_STYLES: Mapping[str, str] = {
    **dict.fromkeys(("delivered", "active", "closed", "ok", "queued", "done", "created"), "green"),
    **dict.fromkeys(("pending", "paused", "probing", "warning", "changed", "running"), "yellow"),
    **dict.fromkeys(("dead", "open", "failed", "wrong", "removed"), "red"),
    **dict.fromkeys(("cancelled", "inactive"), "dim"),
}
_BOUNDLESS = 10_000  # columns, wider than any terminal
_STRANGE = "\N{REPLACEMENT CHARACTER}"
Row = Mapping[str, Any]
Columns = Mapping[str, str | Callable[[Row], object]]  # heading -> field, or what to show


def fail(message: str) -> None:
    """One sentence on stderr."""
    print(f"onehook: {message}", file=sys.stderr)  # noqa: T201 a command's own output


def say(text: str) -> None:
    """A line of data, as it is."""
    out.print(clean(text), markup=False)


def tell(text: str) -> None:
    """A line of talk, as it is."""
    talk.print(clean(text), markup=False)


def show_json(value: object) -> None:
    """*value* as JSON that people can read."""
    out.print(json.dumps(value, indent=2), markup=False)


def show_line(value: object) -> None:
    """*value* as JSON in one line, for what comes one after the other."""
    out.print(json.dumps(value), markup=False)


def clean(text: str) -> str:
    """*text* without what could steer a terminal: it may be a vendor's, or anybody's."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def show_rows(rows: Sequence[Row], columns: Columns, *, as_json: bool) -> None:
    """*rows* for scripts, or as a table of *columns*."""
    if as_json:
        show_json(rows)
    else:
        show_table(rows, columns)


def show_table(rows: Sequence[Row], columns: Columns) -> None:
    """*rows* as a table: with lines and colours on a terminal, else plain and never cut."""
    names = list(columns)
    if not rows and talk.is_terminal:
        tell("there are none")
        return
    cells = [[_cell(row, how) for how in columns.values()] for row in rows]
    if not out.is_terminal:
        _show_plain([[name.upper() for name in names], *cells])
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(names):
        one_word = not any(" " in row[at] for row in cells)  # rich would break ids before texts
        table.add_column(name, overflow="fold", no_wrap=one_word)
    for row in cells:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    if _least_width(table) > out.width:
        _show_records(names, cells)
    else:
        out.print(table, soft_wrap=False)


def _least_width(table: Table) -> int:
    """How wide a terminal has to be for *table* to break no word: an id in pieces is no id."""
    boundless = out.options.update(max_width=_BOUNDLESS)
    return Measurement.get(out, boundless, table).minimum


def _show_records(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """*rows* one below the other, each field on a line of its own."""
    for at, row in enumerate(rows):
        if at:
            out.print()
        show_fields(zip(names, row, strict=True))


def show_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other."""
    rows = [(name, _text(value)) for name, value in fields]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        line = Text(f"{name:{width}}  ")
        line.append(value, style=_STYLES.get(value, ""))
        out.print(line)


def _show_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        out.print("  ".join(cells).rstrip(), markup=False)


def _cell(row: Row, how: str | Callable[[Row], object]) -> str:
    return _text(row.get(how) if isinstance(how, str) else how(row)).replace("\n", " ")


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case [*items] if all(isinstance(item, str) for item in items):
            return clean(", ".join(map(str, items))) or "-"
        case [*_] | dict():
            return clean(json.dumps(value, ensure_ascii=False))
        case _:
            return clean(str(value))


def moment(text: object) -> str:
    """A time as the API gives it, to the second, in UTC."""
    if not isinstance(text, str):
        return "-"
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%SZ}"


def progress(what: str) -> Progress:
    """A bar on stderr that says how far *what* is; nothing where that is no terminal."""
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=talk,
        transient=True,
        disable=not talk.is_terminal,
    )
