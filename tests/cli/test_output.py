"""What commands print: tables with colours on a terminal, plain columns elsewhere."""

import io
from typing import Any

import pytest
from rich.console import Console

from onehook.cli import output

ROWS: list[dict[str, Any]] = [
    {"name": "a", "status": "dead", "events": ["scm.*", "ci.*"], "at": "2026-11-22T10:15:00Z"},
    {"name": "[red]b", "status": "active", "events": [], "at": None},
]
COLUMNS: output.Columns = {
    "name": "name",
    "status": "status",
    "events": "events",
    "at": lambda row: output.moment(row["at"]),
}


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """The table as it is printed."""
    file = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    kind = {"force_terminal": terminal, "color_system": "standard" if terminal else None}
    console = Console(file=file, width=100, highlight=False, emoji=False, **kind)  # type: ignore[arg-type]
    monkeypatch.setattr(output, "out", console)
    output.show_table(ROWS, COLUMNS)
    return file.getvalue()


def test_a_pipe_gets_plain_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligned, whole, without markup or colour."""
    assert shown(monkeypatch, terminal=False).splitlines() == [
        "NAME    STATUS  EVENTS       AT",
        "a       dead    scm.*, ci.*  2026-11-22 10:15:00Z",
        "[red]b  active  -            -",
    ]


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that say how it fares are coloured; what looks like markup is not taken for it."""
    text = shown(monkeypatch, terminal=True)
    assert "\x1b[31mdead" in text
    assert "\x1b[32mactive" in text
    assert "[red]b" in text


def test_json_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Long values are not cut or wrapped."""
    output.show_json({"a": "x" * 500})
    assert "x" * 500 in capsys.readouterr().out


def test_a_terminal_that_is_too_narrow_gets_fields_below_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An id that is broken into pieces can be neither read nor copied."""
    id_ = "dlv_" + "0123456789abcdef" * 3
    rows = [{**row, "id": id_ + str(at)} for at, row in enumerate(ROWS)]
    file = io.StringIO()
    console = Console(
        file=file, width=60, force_terminal=True, color_system=None, highlight=False, soft_wrap=True
    )
    monkeypatch.setattr(output, "out", console)
    output.show_table(rows, {"name": "name", "status": "status", "id": "id"})
    assert file.getvalue().splitlines() == [
        *("name    a", "status  dead", f"id      {id_}0"),
        "",
        *("name    [red]b", "status  active", f"id      {id_}1"),
    ]
