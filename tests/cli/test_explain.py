"""``onehook mapping explain``: which rule, which line, and what was missing."""

import json
from pathlib import Path

import pytest

from onehook.cli.mapping import explain
from onehook.mappings import shipped_folder
from tests.builders import ACME, write_acme

GITHUB = shipped_folder() / "github.yaml"
OPENED = shipped_folder() / "samples" / "github" / "pull_request.opened.json"


def test_each_field_names_its_rule_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule that matched is named, and every field has its line and what the file says there."""
    headers = tmp_path / "headers"
    headers.write_text("X-GitHub-Event: pull_request\n")

    assert explain(GITHUB, body=OPENED, headers=headers) == 0

    shown = capsys.readouterr().out
    assert "scm.pull_request.created by rule pull-request-opened" in shown
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["/data/merged_by"]]
    assert "github.yaml:" in line
    assert "nothing there in this webhook" in line


def test_a_urn_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its ``:ticket:`` is no emoji."""
    headers = tmp_path / "headers"
    headers.write_text("X-GitHub-Event: issues\n")

    explain(GITHUB, body=OPENED.with_name("issues.opened.json"), headers=headers)

    assert "oh:github:github.com:ticket:" in capsys.readouterr().out


def test_a_webhook_without_a_rule_is_one(tmp_path: Path) -> None:
    """What would be quarantined ends with exit code 1."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"action": "made up"}))

    assert explain(GITHUB, body=body) == 1


def test_missing_field_names_the_line_that_states_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a webhook without a required field, the field's place in the file is told."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"kind": "tickets", "tickets": [{"id": "1"}]}))
    path = write_acme(tmp_path / "mappings") / "acme.yaml"

    assert explain(path, body=body) == 1

    line = next(n for n, text in enumerate(ACME.splitlines(), 1) if "title: $.title" in text)
    assert f"acme.yaml:{line}:" in capsys.readouterr().out


def test_the_actor_has_its_lines_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stands beside the data in a rule, and inside it in an event."""
    headers = tmp_path / "headers"
    headers.write_text("X-GitHub-Event: pull_request\n")

    assert explain(GITHUB, body=OPENED, headers=headers) == 0

    shown = capsys.readouterr().out
    (line,) = [x for x in shown.splitlines() if x.split()[:1] == ["/data/actor/username"]]
    assert "$.login" in line
