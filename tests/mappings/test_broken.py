"""Broken mapping files, one a slip: each begins with what is said of it, and that is what is said.

To change a message, change it in the head of the file too: a person reads it there as a user would.
"""

from pathlib import Path

import pytest

from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.problems import MappingError, Source

BROKEN = sorted(Path(__file__).with_name("broken").glob("*.yaml"))
ERRORS = {"E001", "E002", "E003", *(f"E10{n}" for n in range(1, 9))}


def said_of(path: Path) -> str:
    """The comment at the head of *path*, less its first line, which says what is wrong."""
    lines = path.read_text("utf-8").splitlines()
    head = lines[: next(at for at, line in enumerate(lines) if not line.startswith("#"))]
    return "\n".join(line.removeprefix("#   ") for line in head[2:])


def refusal(path: Path) -> MappingError:
    """The error that *path* is refused with."""
    with pytest.raises(MappingError) as caught:
        compile_mapping(Source(path.name, path.read_text("utf-8")))
    return caught.value


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_as_its_head_says(path: Path) -> None:
    """Code, line and column, the line, a caret and a hint, for each thing that is wrong."""
    error = refusal(path)

    assert str(error) == said_of(path)
    for problem in error.problems:
        assert problem.hint, problem
        assert problem.place.source.line(problem.place.line)[problem.place.column :].strip()
    assert path.stem == "several" or path.stem[:4].upper() in {p.code for p in error.problems}


def test_every_code_has_a_file() -> None:
    """E001 to E108, and the common slips."""
    assert {path.stem[:4].upper() for path in BROKEN} - {"SEVE"} == ERRORS
    assert len(BROKEN) >= 25
