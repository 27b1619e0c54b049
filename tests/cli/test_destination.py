"""``onehook destination test``: what it prints, and its exit codes."""

from pathlib import Path

import pytest

from onehook.cli.destination import test as command
from onehook.destinations import shipped_folder

GOOD = """\
onehook: destination/v1
name: own
body: {t: "{{ event_type }}"}
tests:
  - {name: fine, event: {type: scm.tag.created}, expect: {body: {t: scm.tag.created}}}
"""


def written(folder: Path, text: str, name: str = "own.yaml") -> Path:
    """A file with *text*."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_files_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name all of them are run."""
    assert command() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(shipped_folder().glob("*.yaml")))
    assert all(" 0 failed" in line for line in lines)


def test_a_failing_test_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1."""
    bad = written(tmp_path, GOOD.replace("{t: scm.tag.created}", "{t: other}"))
    assert command(bad) == 1
    out = capsys.readouterr().out
    assert f"{bad}:5:5: fine" in out
    assert 'body/t: expected "other", got "scm.tag.created"' in out
    assert "own: 0 passed, 1 failed" in out


def test_a_file_that_is_wrong_is_shown_as_a_mapping_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line, column, caret; exit code 78, and the others are run all the same."""
    bad = written(tmp_path, GOOD + "colour: red\n", "bad.yaml")
    assert command(bad, written(tmp_path, GOOD)) == 78
    captured = capsys.readouterr()
    assert f"{bad}:6:1: E002 unknown key 'colour'" in captured.err
    assert "own: 1 passed, 0 failed" in captured.out


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 78."""
    assert command(tmp_path / "gone.yaml") == 78
    assert "No such file" in capsys.readouterr().err
