"""Every shipped mapping: its own tests pass, and they reach every rule and every table row."""

from pathlib import Path

import pytest

from onehook.core.mapping.lint import strict_problems
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import run
from onehook.mappings import read_file, shipped_folder

SHIPPED = sorted(shipped_folder().glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_its_own_tests_pass_and_reach_all_of_it(path: Path) -> None:
    """What ``onehook mapping test --strict`` says: nothing failed, nothing wanting."""
    file = read_file(path)
    results = [run(file.mapping, s) for s in samples(file.mapping, file.load_sample)]

    assert [f"{r.sample.name}: {p}" for r in results for p in r.problems] == []
    wanting = [*file.mapping.warnings, *strict_problems(file.mapping, results)]
    assert [str(problem) for problem in wanting] == []


def test_there_are_fifteen() -> None:
    """None was lost on the way."""
    assert len(SHIPPED) == 15
