"""How the mapping compiler reads the models."""

from typing import get_args

import pytest
from pydantic import ValidationError

from onehook.core.schema.base import FieldSpec, Kind, Model, Number, Scalar, fields_of
from onehook.core.schema.common import Actor, Ref, Severity
from onehook.core.schema.scm import Commit, PullRequest
from onehook.core.schema.security import Vulnerability
from onehook.core.schema.ticketing import Ticket


@pytest.mark.parametrize(
    ("model", "name", "kind", "required"),
    [
        (Ticket, "id", Kind.TEXT, True),
        (Ticket, "url", Kind.TEXT, False),
        (Ticket, "description", Kind.LONG, False),
        (Ticket, "number", Kind.INTEGER, False),
        (PullRequest, "number", Kind.INTEGER, True),
        (PullRequest, "draft", Kind.BOOLEAN, False),
        (Ticket, "status_category", Kind.ENUM, True),
        (Ticket, "priority", Kind.ENUM, False),
        (Ticket, "created_at", Kind.TIMESTAMP, False),
        (Ticket, "due_date", Kind.DAY, False),
        (Ticket, "assignee", Kind.MODEL, False),
        (PullRequest, "repository", Kind.MODEL, True),
        (Ticket, "labels", Kind.LIST, False),
        (Ticket, "native", Kind.SCALARS, True),
        (Actor, "email", Kind.EMAIL, False),
        (Vulnerability, "cvss_score", Kind.NUMBER, False),
    ],
)
def test_a_field_s_kind_and_presence(
    model: type[Model], name: str, kind: Kind, *, required: bool
) -> None:
    """One row for each kind; ``| None`` is what makes a field optional."""
    spec = fields_of(model)[name]
    assert (spec.name, spec.kind, spec.required) == (name, kind, required)


def test_an_enum_knows_its_members() -> None:
    """Of its own and of a shared type."""
    assert fields_of(Ticket)["status_category"].members == {
        "todo",
        "in_progress",
        "done",
        "unknown",
    }
    assert fields_of(Vulnerability)["severity"].members == set(get_args(Severity))


def test_a_list_knows_its_items_and_an_object_its_model() -> None:
    """So that ``each`` can be checked when a file is loaded."""
    fields = fields_of(Ticket)
    assert fields["assignee"].model is Actor
    people, labels = fields["assignees"].item, fields["labels"].item
    assert isinstance(people, FieldSpec)
    assert (people.kind, people.model) == (Kind.MODEL, Actor)
    assert isinstance(labels, FieldSpec)
    assert labels.kind is Kind.TEXT


def test_fields_stand_in_the_order_in_which_they_are_written_out() -> None:
    """What every part has first, then the model's own."""
    assert list(fields_of(Ref)) == ["id", "urn", "key", "title", "url"]
    assert list(fields_of(Actor)) == ["native", "id", "type", "username", "name", "email", "url"]


REF: dict[str, object] = dict.fromkeys(("id", "urn", "key", "title", "url"))


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"id": 5}, {"url": True}],
    ids=["an undeclared key", "a number for text", "a truth value for text"],
)
def test_a_model_takes_nothing_undeclared_and_converts_nothing(change: dict[str, object]) -> None:
    """Rule 1; and every declared field must be there."""
    Ref.model_validate(REF)
    with pytest.raises(ValidationError):
        Ref.model_validate({**REF, **change})
    with pytest.raises(ValidationError):
        Ref.model_validate({"id": "1"})


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("2026-11-22T10:15:00.000Z", True), ("2026-11-22T10:15:00Z", False),
        ("2026-11-22T10:15:00.0000Z", False), ("2026-11-22T10:15:00.000+00:00", False),
        ("2026-11-22T10:15:00.000Z\n", False), ("", False),
    ],
)  # fmt: skip
def test_a_timestamp_has_three_decimals_and_z(text: str, *, valid: bool) -> None:
    """Rule 3."""
    empty: dict[str, object] = dict.fromkeys(fields_of(Commit))
    commit = {**empty, "native": {}, "urn": "u", "sha": "s", "message": "m", "title": "t"}
    if valid:
        Commit.model_validate({**commit, "authored_at": text})
    else:
        with pytest.raises(ValidationError):
            Commit.model_validate({**commit, "authored_at": text})


def test_a_number_may_be_text_and_a_scalar_is_never_a_list() -> None:
    """Rule 13, and CloudEvents' attributes."""
    assert set(get_args(get_args(Number)[0])) == {float, str}
    assert set(get_args(Scalar)) == {str, int, float, bool, type(None)}
