"""The clauses of a subscription that look into an event: ``projects`` and ``statuses``."""

import pytest

from onehook.core.clauses import new_statuses, projects_clause, projects_of, statuses_clause
from onehook.core.jsontext import JsonValue

REPOSITORY: dict[str, JsonValue] = {
    "id": "42",
    "name": "shop",
    "full_name": "Acme/shop",
    "default_branch": "main",
}
PULL: dict[str, JsonValue] = {"id": "7", "title": "PAY", "repository": REPOSITORY}
TICKET: dict[str, JsonValue] = {
    "key": "PAY-311",
    "project": {"id": "10000", "urn": None, "key": "PAY", "title": "Payments", "url": None},
}
INCIDENT: dict[str, JsonValue] = {"service": {"id": "PSVC1", "key": None, "title": "Checkout API"}}
COMMENT: dict[str, JsonValue] = {"ticket": {"key": "PAY-311"}, "repository": None}


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (PULL, ["42", "shop", "Acme/shop"]),
        (REPOSITORY, ["42", "shop", "Acme/shop"]),
        (TICKET, ["10000", "PAY", "Payments"]),
        (INCIDENT, ["PSVC1", "Checkout API"]),
        (COMMENT, ["PAY"]),
        ({"ticket": {"key": "INC0010023"}}, []),
        ({"ticket": None, "project": "PAY", "service": []}, []),
        ({"id": "u1", "name": "ada"}, []),
    ],
)
def test_an_event_names_what_it_happened_in(data: dict[str, JsonValue], names: list[str]) -> None:
    """By id, key and name; its own id or title is none of these."""
    assert list(projects_of(data)) == names


@pytest.mark.parametrize(
    ("patterns", "data", "wanted"),
    [
        ((), {}, True),
        (("acme/*",), PULL, True),
        (("ACME/SHOP",), PULL, True),
        (("acme/sho",), PULL, False),
        (("shop", "x"), PULL, True),
        (("*hop",), PULL, True),
        (("a?me/shop",), PULL, True),
        (("7",), PULL, False),
        (("pay",), PULL, False),
        (("PAY",), TICKET, True),
        (("pay*",), TICKET, True),
        (("P[BA]Y",), TICKET, True),
        (("checkout*",), INCIDENT, True),
        (("PAY",), COMMENT, True),
        (("*",), {"id": "u1"}, False),
    ],
)
def test_projects_are_globs(
    patterns: tuple[str, ...], data: dict[str, JsonValue], *, wanted: bool
) -> None:
    """Over whole names, in any case; what has no project fits no list."""
    clause = projects_clause(patterns)
    assert (clause is None or clause(data)) is wanted


def changed(field: str, to: JsonValue, **native: JsonValue) -> dict[str, JsonValue]:
    """An event in which a field changed."""
    return {
        "changes": [{"field": "title", "to": "done"}, {"field": field, "to": to}],
        "native": native,
    }


@pytest.mark.parametrize(
    ("words", "data", "wanted"),
    [
        ((), changed("status", "Done"), True),
        (("done",), changed("status", "Done"), True),
        (("in_progress",), changed("status", "In Progress"), True),
        (("in-progress",), changed("status_category", "in_progress"), True),
        (("todo",), changed("status_category", "in_progress"), False),
        (("merged", "closed"), changed("state", "closed"), True),
        (("auto_dismissed",), changed("state", "dismissed", state="auto_dismissed"), True),
        (("auto_dismissed",), changed("state", "dismissed", status="auto_dismissed"), False),
        (("open",), changed("priority", "high"), True),
        (("open",), {"changes": []}, True),
        (("open",), {}, True),
        (("open",), changed("state", None), True),
    ],
)
def test_statuses_are_what_a_status_changes_to(
    words: tuple[str, ...], data: dict[str, JsonValue], *, wanted: bool
) -> None:
    """In unified words or the vendor's; what changes no status passes."""
    clause = statuses_clause(words)
    assert (clause is None or clause(data)) is wanted


def test_words_of_a_change_are_both() -> None:
    """The unified one first."""
    assert list(new_statuses(changed("state", "fixed", state="resolved"))) == ["fixed", "resolved"]
