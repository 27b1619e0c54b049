"""docs/mappings.md tells the whole language: what the compiler takes, and all that it says."""

import re
from pathlib import Path

import pytest

from onehook.core.mapping.compiler import IGNORE, REPLY, SETTING, TOP
from onehook.core.mapping.conditions import OPERATORS
from onehook.core.mapping.dates import EPOCHS
from onehook.core.mapping.kinds import COALESCE, CONCAT, EACH, IF, KINDS
from onehook.core.mapping.lets import LET
from onehook.core.mapping.rules import FOREACH, RULE
from onehook.core.mapping.samples import ROWS, TEST
from onehook.core.mapping.template_filters import FILTERS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "mappings.md").read_text("utf-8")
WORDS = set(re.findall(r"[A-Za-z_0-9]+", GUIDE))
TABLES = {
    "sections": TOP,
    "settings": SETTING,
    "reply": REPLY,
    "ignore": IGNORE,
    "rules": RULE,
    "foreach": FOREACH,
    "tests": TEST,
    "rows": ROWS,
    "kinds of value": {key: None for row in KINDS.values() for key in row.keys},
    "structures": {**COALESCE, **CONCAT, **EACH, **IF, **LET},
    "tests of a condition": OPERATORS,
    "date formats": EPOCHS,
    "filters": FILTERS,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_guide_names_all_that_may_be_written(name: str) -> None:
    """Every key of every table of the compiler."""
    assert [key for key in TABLES[name] if key not in WORDS] == []


def test_the_guide_names_every_code() -> None:
    """And no code that is never said."""
    source = ROOT / "src" / "onehook" / "core" / "mapping"
    said = {
        code
        for path in source.glob("*.py")
        for code in re.findall(r'"([EW]\d{3})"', path.read_text("utf-8"))
    }
    assert set(re.findall(r"\b[EW]\d{3}\b", GUIDE)) == said
