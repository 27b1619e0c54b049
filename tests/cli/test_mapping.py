"""``onehook mapping test``: exit codes, and where it says what is wrong."""

import json
from pathlib import Path

import pytest

from onehook.cli.mapping import run_tests, schema
from onehook.core.mapping.jsonschema import mapping_schema
from onehook.errors import ConflictError
from onehook.mappings import write_file
from tests.builders import ACME, write_acme
from tests.cli.test_serve import finish, start

TESTS = """\
tests:
  - name: two of a batch
    body: {kind: tickets, tickets: [{id: "1", title: One}, {id: "2", title: Two}]}
    expect:
      - {type: ticketing.ticket.created, data: {id: "1", title: One}}
      - {type: ticketing.ticket.created, data: {id: "2"}}
  - {name: ping, body: {kind: ping}, expect: ignored}
"""


def mapping_file(folder: Path, text: str) -> Path:
    """A mapping file."""
    return write_acme(folder, text) / "acme.yaml"


def test_tests_that_pass_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All tests passed: 0, and how many."""
    assert run_tests(mapping_file(tmp_path, ACME + TESTS)) == 0

    assert "acme: 2 passed, 0 failed" in capsys.readouterr().out


def test_test_that_fails_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test failed: 1, with its place, its name and what differs."""
    text = ACME + TESTS.replace("title: One}}", "title: Other}}")

    assert run_tests(mapping_file(tmp_path, text)) == 1

    out = capsys.readouterr().out
    assert "two of a batch" in out
    assert "acme.yaml:" in out
    assert "Other" in out
    assert "acme: 1 passed, 1 failed" in out


def test_file_that_cannot_be_used_exits_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mapping that does not compile: 78, with file, line and column; the others still run."""
    good = mapping_file(tmp_path / "good", ACME + TESTS)
    bad = mapping_file(tmp_path / "bad", ACME.replace("title: $.title", "title: title"))

    assert run_tests(good, bad) == 78

    captured = capsys.readouterr()
    assert "acme: 2 passed" in captured.out
    assert "E101" in captured.err


def test_file_that_is_not_there_exits_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be read: 78, and its name."""
    assert run_tests(tmp_path / "none.yaml") == 78

    assert "none.yaml" in capsys.readouterr().err


def test_accept_writes_what_came_and_shows_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The expectation becomes what the test gave; nothing else in the file moves."""
    right = ACME + TESTS
    path = mapping_file(tmp_path, right.replace("title: One}}\n", "title: Other}}  # seen\n"))
    path.chmod(0o640)

    assert run_tests(path, accept=True) == 0

    assert path.read_text() == right.replace("title: One}}\n", "title: One}}  # seen\n")
    assert path.stat().st_mode & 0o777 == 0o640
    out = capsys.readouterr().out
    assert '-      - {type: ticketing.ticket.created, data: {id: "1", title: Other}}  # seen' in out
    assert '+      - {type: ticketing.ticket.created, data: {id: "1", title: One}}  # seen' in out
    assert "acme: 2 passed, 0 failed" in out
    assert [p.name for p in path.parent.iterdir()] == ["acme.yaml"]


def test_accept_leaves_a_file_alone_that_passes(tmp_path: Path) -> None:
    """Not even written anew."""
    path = mapping_file(tmp_path, ACME + TESTS)
    before = path.stat()

    assert run_tests(path, accept=True) == 0

    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_accept_refuses_a_file_that_changed_meanwhile(tmp_path: Path) -> None:
    """Somebody saved it in an editor: their text stays."""
    path = mapping_file(tmp_path, ACME)

    with pytest.raises(ConflictError, match="has changed meanwhile"):
        write_file(path, ACME + "# as it was read\n", "new")

    assert path.read_text() == ACME
    assert [p.name for p in path.parent.iterdir()] == ["acme.yaml"]


def test_accept_of_a_link_writes_what_it_leads_to(tmp_path: Path) -> None:
    """The link stays one."""
    path = mapping_file(tmp_path / "there", ACME + TESTS.replace("One}}", "Other}}"))
    link = tmp_path / "link.yaml"
    link.symlink_to(path)

    assert run_tests(link, accept=True) == 0

    assert link.is_symlink()
    assert path.read_text() == ACME + TESTS


async def test_exit_code_reaches_the_shell(tmp_path: Path) -> None:
    """What the command returns is what the process exits with."""
    path = mapping_file(tmp_path, ACME + TESTS.replace("expect: ignored", "expect: quarantined"))

    code, out, err = await finish(await start("mapping", "test", str(path)))

    assert code == 1, err
    assert "1 failed" in out


def test_schema_prints_what_editors_need(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON on stdout, nothing else: it is meant to go into a file."""
    assert schema() == 0

    assert json.loads(capsys.readouterr().out) == mapping_schema()
