"""How large an event may be, and what is cut first (`schema.md` §2 rule 10)."""

import pytest

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.limits import MAX_EVENT, MAX_REFERENCES, shrink, trim
from onehook.core.schema.base import MAX_CUSTOM, MAX_ITEMS, MAX_TEXT
from tests.core.mapping.building import events, ticket


def test_a_text_is_cut_at_its_limit_and_named() -> None:
    """The limit itself is fine; the pointer says what was cut."""
    data: dict[str, JsonValue] = {
        "title": "t" * MAX_TEXT,
        "description": "d" * (MAX_TEXT + 1),
        "a": {"b/c~d": ["x" * 20_000]},
    }
    assert trim(data) == ["/description", "/a/b~1c~0d/0"]
    assert data["title"] == "t" * MAX_TEXT
    assert data["description"] == "d" * MAX_TEXT


def test_a_list_is_cut_at_its_limit_and_named() -> None:
    """And what is beyond the cut is not looked at any more."""
    data: dict[str, JsonValue] = {
        "labels": ["l"] * MAX_ITEMS,
        "assignees": ["x" * 20_000] * (MAX_ITEMS + 1),
    }
    cut = trim(data)
    assert cut[0] == "/assignees"
    assert len(cut) == 1 + MAX_ITEMS
    assert [len(data["labels"]), len(data["assignees"])] == [MAX_ITEMS, MAX_ITEMS]  # type: ignore[arg-type]


def test_references_and_custom_have_limits_of_their_own() -> None:
    """Fifty each, and the first are kept."""
    data: dict[str, JsonValue] = {
        "references": list(range(MAX_REFERENCES + 1)),
        "custom": {f"k{n}": n for n in range(MAX_CUSTOM + 1)},
    }
    assert trim(data) == ["/references", "/custom"]
    assert data["references"] == list(range(MAX_REFERENCES))
    assert data["custom"] == {f"k{n}": n for n in range(MAX_CUSTOM)}


def test_raw_and_truncated_are_left_alone() -> None:
    """They are ours."""
    data: dict[str, JsonValue] = {"raw": {"ref": "r" * 20_000}, "truncated": ["x"] * 300}
    assert trim(data) == []


def test_an_event_that_is_too_large_loses_its_longest_texts_first() -> None:
    """The longest are cut to one length, which halves until it fits; short ones stay whole."""
    data: dict[str, JsonValue] = {
        "title": "short",
        "description": "d" * 200_000,
        "body": "b" * 150_000,
        "truncated": [],
    }
    shrink(data)
    assert len(encode(data)) <= MAX_EVENT
    assert data["title"] == "short"
    assert data["truncated"] == ["/description", "/body"]
    assert len(str(data["description"])) == len(str(data["body"])) == 100_000


def test_thousands_of_short_texts_lose_the_end_of_their_list() -> None:
    """The last resort."""
    data: dict[str, JsonValue] = {"files": ["f" * 200] * 5000, "labels": ["a"], "truncated": []}
    shrink(data)
    assert len(encode(data)) <= MAX_EVENT
    assert (data["truncated"], data["labels"]) == (["/files"], ["a"])


def test_an_event_within_its_limits_is_left_as_it_is() -> None:
    """Nothing is named, nothing changes."""
    data: dict[str, JsonValue] = {"a": "x" * 1000, "l": [1, 2], "truncated": []}
    shrink(data)
    assert trim(data) == []
    assert data == {"a": "x" * 1000, "l": [1, 2], "truncated": []}


@pytest.mark.parametrize(
    ("fields", "body", "truncated"),
    [
        ({"description": "$.a"}, {"a": "x" * 20_000}, ["/description"]),
        ({"labels": "$.l"}, {"l": ["x"] * 300}, ["/labels"]),
        ({"description": "$.a"}, {"a": "é" * MAX_TEXT}, []),
        ({"labels": '{each: "$.l[*]"}'}, {"l": ["x"] * 251}, ["/labels"]),
    ],
)
def test_an_event_names_what_was_cut(
    fields: dict[str, str], body: dict[str, JsonValue], truncated: list[str]
) -> None:
    """As JSON pointers into its data, which stays valid by its model."""
    (event,) = events(ticket(**fields), {"id": "1", **body})
    assert event.data["truncated"] == truncated


def test_no_normal_event_is_beyond_256_kib() -> None:
    """Even if every text and list is as large as it may be."""
    fields = dict.fromkeys(("title", "description", "url", "status"), "$.a")
    body: JsonValue = {"id": "1", "a": "\U0001f600" * 30_000, "l": ["é" * 30_000] * 300}
    (event,) = events(ticket(labels="$.l", components="$.l", **fields), body)
    assert len(event.body) <= MAX_EVENT


@pytest.mark.parametrize(("name", "keys"), [("custom", 50), ("native", 120)])
def test_many_long_texts_are_brought_below_the_limit_too(name: str, keys: int) -> None:
    """Fifty custom values of 200 KB each are 10 MB; the event must be 256 KiB."""
    values = "{" + ", ".join(f"k{n}: $.a" for n in range(keys)) + "}"
    (event,) = events(ticket(**{name: values}), {"id": "1", "a": "x" * 200_000})
    assert len(event.body) <= MAX_EVENT


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"labels": "{concat: [$.l, $.l]}"}, "/labels"),
        ({"custom": "{x: $.m}"}, "/custom/x"),
        ({"custom": "{x: $.t}"}, "/custom/x"),
    ],
)
def test_lists_and_texts_are_cut_wherever_they_come_from(
    fields: dict[str, str], pointer: str
) -> None:
    """Rule 10 makes no difference between kinds of value."""
    body: JsonValue = {"id": "1", "l": ["a"] * 200, "m": ["a"] * 300, "t": "x" * 20_000}
    (event,) = events(ticket(**fields), body)
    assert event.data["truncated"] == [pointer]
