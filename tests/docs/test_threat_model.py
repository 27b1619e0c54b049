"""The page of threats: every row is on it, and every test that it names is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
ROWS = {"A": 14, "B": 8, "M": 8, "D": 16, "E": 6, "F": 9, "G": 10, "H": 9}  # how many of each
LINES = re.findall(r"^\| ([A-H]\d+|M\d+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)


def named_in_the_tree() -> set[str]:
    """The name of every test function in this repository."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_row_is_there_once() -> None:
    """In order, none left out."""
    expected = [f"{letter}{n}" for letter, count in ROWS.items() for n in range(1, count + 1)]

    assert [row for row, _, _ in LINES] == expected


def test_every_test_that_is_named_exists() -> None:
    """A test that was renamed or removed proves nothing."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))

    assert len(named) > 100
    assert named - named_in_the_tree() == set()


def test_every_row_names_its_own_tests_or_says_what_is_open() -> None:
    """The tests of a row carry its id, so that whoever breaks one sees which promise it was."""
    for row, _, proof in LINES:
        own = [name for name in re.findall(r"`(test_\w+)`", proof) if f"_{row.lower()}_" in name]
        assert own or "open: " in proof, row
