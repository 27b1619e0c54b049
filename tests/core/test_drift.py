"""What of a webhook is counted as not fitting."""

import pytest

from onehook.core.drift import MAX_MEMBERS, MAX_VALUE, Oddity, members, oddities
from onehook.core.integration import Normalized
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted, Ignored, Outcome, Quarantined


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (Emitted(()), []),
        (
            Emitted((), (("state", "Parked"), ("state", "Parked")), ("number",)),
            [
                Oddity("value", "state", "Parked"),
                Oddity("value", "state", "Parked"),
                Oddity("misfit", "number"),
            ],
        ),
        (Ignored("not mapped"), [Oddity("ignored", "not mapped", "hello")]),
        (
            Quarantined("schema_violation", "why", "/data/id"),
            [Oddity("quarantined", "schema_violation", "hello", "/data/id")],
        ),
        (Quarantined("no_rule", "why"), [Oddity("quarantined", "no_rule", "hello")]),
    ],
)
def test_oddities_of_each_outcome(outcome: Outcome, found: list[Oddity]) -> None:
    """Each outcome gives the names that it is counted under; a clean one gives none."""
    assert list(oddities(Normalized(outcome, ("1",), None, "", "hello"))) == found


def test_without_a_name_of_the_vendors() -> None:
    """A mapping that tells no event name leaves it empty."""
    made = Normalized(Ignored("ping"), ("1",), None, "", None)

    assert list(oddities(made)) == [Oddity("ignored", "ping", "")]


def test_long_values_are_cut() -> None:
    """A value of any length takes a bounded name."""
    (oddity,) = oddities(Normalized(Emitted((), (("state", "x" * 999),)), ("1",), None, "", None))

    assert oddity.value == "x" * (MAX_VALUE - 1) + "…"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"a": 1, "b": "secret", "c": None, "d": [1], "e": {}, "f": True, "g": 1.5},
         {"a": "number", "b": "string", "c": "null", "d": "array", "e": "object", "f": "boolean",
          "g": "number"}),
        ([1, 2], {"$": "array"}),
        ("text", {"$": "string"}),
        ({}, {}),
        ({"k" * 99: 1}, {"k" * 39 + "…": "number"}),
    ],
)  # fmt: skip
def test_members_name_kinds_and_no_values(body: JsonValue, found: dict[str, str]) -> None:
    """A sample of a body is its members' names and kinds; no value of it is given away."""
    assert members(body) == found


def test_members_are_bounded() -> None:
    """A body of very many members gives the first ones."""
    assert len(members({str(n): n for n in range(1000)})) == MAX_MEMBERS
