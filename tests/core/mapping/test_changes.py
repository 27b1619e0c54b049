"""``changes`` and native ``references``: what each line of a mapping gives."""

import time

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.changes import find_field
from onehook.core.schema.base import MAX_ITEMS, Kind
from onehook.core.schema.scm import PullRequest
from tests.core.mapping.building import events, problems, ticket, ticket_text

P = "tables: {p: {High: high, Low: low}}\n"


def changes(lines: str, body: dict[str, JsonValue], *, top: str = "") -> JsonValue:
    """The changes of a ticket made of *body*."""
    (event,) = events(ticket(top, rest=f"changes: [{lines}]"), {"id": "1", **body})
    return event.data["changes"]


def change(field: str, before: JsonValue, after: JsonValue, *, known: bool = True) -> JsonValue:
    """One entry for a field that is no list."""
    return [{"field": field, "from": before, "to": after, "from_known": known}]


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        ("{field: title, from: $.a, to: $.b}", {"a": "x", "b": "y"}, change("title", "x", "y")),
        ("{field: title, from: $.a, to: $.b}", {"a": None, "b": "y"}, change("title", None, "y")),
        (
            "{field: title, from: $.a, to: $.b}",
            {"b": "y"},
            change("title", None, "y", known=False),
        ),
        ("{field: title, to: $.b}", {"b": "y"}, change("title", None, "y", known=False)),
        ("{field: title, from: {const: x}, to: $.b}", {"b": "y"}, change("title", "x", "y")),
        ("{field: number, from: $.a, to: $.b}", {"a": 1, "b": 2}, change("number", 1, 2)),
        (
            "{field: assignee, from: $.a, to: $.b}",
            {"a": "ada", "b": 5},
            change("assignee", "ada", "5"),
        ),
        (
            "{field: due_date, from: $.a, to: $.b}",
            {"a": "2026-01-01", "b": "2026-01-02T00:00:00Z"},
            change("due_date", "2026-01-01", "2026-01-02"),
        ),
        (
            "{field: resolved_at, from: null, to: $.b}",
            {"b": "2026-01-02T00:00:00+01:00"},
            change("resolved_at", None, "2026-01-01T23:00:00.000Z"),
        ),
        (
            "{field: parent.key, from: $.a, to: $.b}",
            {"a": "P-1", "b": "P-2"},
            change("parent.key", "P-1", "P-2"),
        ),
        (
            "{field: native.points, from: $.a, to: $.b}",
            {"a": 1, "b": 2.5},
            change("native.points", 1, 2.5),
        ),
        (
            '{field: {template: "native.{{ item.f }}"}, from: $.a, to: $.b}',
            {"f": "rank", "a": "1", "b": "2"},
            change("native.rank", "1", "2"),
        ),
        (
            '{field: {template: "{{ item.f }}"}, from: $.a, to: $.b}',
            {"f": "title", "a": "1", "b": "2"},
            [],
        ),
        ('{field: {template: "native.{{ item.f }}"}, to: $.b}', {"b": "2"}, []),
    ],
)
def test_a_field_s_change(line: str, body: dict[str, JsonValue], expected: JsonValue) -> None:
    """Values are read as the field's own; ``from_known`` is false if the source gave no old one."""
    assert changes(line, body) == expected


@pytest.mark.parametrize(
    ("line", "body", "count"),
    [
        ("{field: title, from: $.a, to: $.b}", {"a": "x", "b": "x"}, 0),
        ("{field: title, from: $.a, to: $.b}", {"a": None, "b": None}, 0),
        ("{field: title, from: $.a, to: $.b}", {"b": None}, 1),
        ("{field: title, to: $.b}", {"b": None}, 1),
        ("{field: priority, from: {lookup: $.a, table: p}, to: {lookup: $.b, table: p}}",
         {"a": "High", "b": "HIGH"}, 1),
        ("{field: native.n, from: $.a, to: $.b}", {"a": 1, "b": True}, 1),
        ("{field: native.n, from: $.a, to: $.b}", {"a": 0, "b": False}, 1),
        ("{field: native.n, from: $.a, to: $.b}", {"a": 1, "b": 1.0}, 0),
        ("{field: native.n, from: $.a, to: $.b}", {"a": 1, "b": "1"}, 1),
    ],
)  # fmt: skip
def test_what_is_as_it_was_is_no_change(line: str, body: dict[str, JsonValue], count: int) -> None:
    """If the old value is known: two codes may be one value of ours."""
    found = changes(line, body, top=P)
    assert isinstance(found, list)
    assert len(found) == count


@pytest.mark.parametrize(
    ("before", "body", "known"),
    [
        ("$.a", {"a": None}, True),
        ("$.a", {}, False),
        ("null", {}, True),
        ("{const: x}", {}, True),
        ("{coalesce: [$.a], non_empty: true}", {"a": ""}, True),
        ("{coalesce: [$.a], non_empty: true}", {}, False),
        ("{coalesce: [$.a, $.c]}", {"c": "x"}, True),
        ("{coalesce: [$.a, null]}", {}, True),
        ("{match: $.a, pattern: x}", {"a": "y"}, True),
        ("{match: $.a, pattern: x}", {}, False),
        ("{join: $.a}", {}, False),
        ("{if: {$.k: 1}, then: $.a}", {"k": 1, "a": "x"}, True),
        ("{if: {$.k: 1}, then: $.a}", {"k": 1}, False),
        ("{if: {$.k: 1}, then: $.a}", {"a": "x"}, False),
        ("{if: {$.k: 1}, then: $.a, else: {const: x}}", {}, True),
        ("{let: before}", {"a": "x"}, True),
        ("{let: before}", {}, False),
    ],
)
def test_an_old_value_is_known_where_its_path_leads_somewhere(
    before: str, body: dict[str, JsonValue], *, known: bool
) -> None:
    """Whatever is done to it on the way; a literal is always known."""
    found = changes(
        f"{{field: title, from: {before}, to: {{const: new}}}}", body, top="let: {before: $.a}\n"
    )
    assert isinstance(found, list)
    assert isinstance(found[0], dict)
    assert found[0]["from_known"] is known


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("field: native.watchers, added: $.a, removed: $.b", (["x"], ["y", "z"])),
        ("field: native.watchers, added: $.a", (["x"], [])),
        ('field: {template: "native.{{ item.f }}"}, removed: $.b', ([], ["y", "z"])),
        ("field: native.watchers, added: $.gone", None),
        ('field: {template: "{{ item.f }}"}, removed: $.b', None),
    ],
)
def test_a_vendor_s_list_has_added_and_removed(line: str, expected: JsonValue) -> None:
    """As a list field of ours does; ``from`` and ``to`` would say it in one text."""
    found = changes(f"{{{line}}}", {"a": "x", "b": ["y", "z"], "f": "watchers"})
    if expected is None:
        assert found == []
        return
    added, removed = expected  # type: ignore[misc]  # tests/ is not type-checked
    assert found == [
        {"field": "native.watchers", "added": added, "removed": removed, "from_known": True}
    ]


def test_enums_are_normalized_on_both_sides() -> None:
    """As in the model, and unknown values as ``unknown``."""
    line = "{field: priority, from: {lookup: $.a, table: p}, to: {lookup: $.b, table: p}}"
    assert changes(line, {"a": "High", "b": "Odd"}, top=P) == change("priority", "high", "unknown")
    assert changes(line, {"b": "Low"}, top=P) == change("priority", None, "low", known=False)


@pytest.mark.parametrize(
    ("line", "body", "count"),
    [
        ("{field: title, if: $.c.title, to: $.t}", {"c": {"title": {}}}, 1),
        ("{field: title, if: $.c.title, to: $.t}", {"c": {"title": None}}, 1),
        ("{field: title, if: $.c.title, to: $.t}", {"c": {}}, 0),
        ("{field: title, when: {$.k: 1}, to: $.t}", {"k": 1}, 1),
        ("{field: title, when: {$.k: 1}, to: $.t}", {"k": 2}, 0),
        ('{each: "$.l[*]", field: title, to: $.t}', {"l": [{"t": "a"}, {"t": "b"}]}, 2),
        (
            '{each: "$.l[*]", when: {$.t: a}, field: title, to: $.t}',
            {"l": [{"t": "a"}, {"t": "b"}]},
            1,
        ),
        ('{each: "$.l[*]", if: $.t, field: title, to: $.t}', {"l": [{"t": "a"}, {}]}, 1),
        ('{each: "$.l[*]", field: title, to: $.t}', {}, 0),
        ("{field: title, to: $.t}, {field: number, to: $.n}", {}, 2),
    ],
)
def test_an_entry_is_dropped_or_repeated(line: str, body: dict[str, JsonValue], count: int) -> None:
    """``if``: the path leads somewhere; ``when``: the condition holds; ``each``: one for each."""
    found = changes(line, body)
    assert isinstance(found, list)
    assert len(found) == count


def test_entries_stand_in_the_order_of_the_source() -> None:
    """Rule 9."""
    line = '{each: "$.l[*]", field: {template: "native.{{ item.f }}"}, from: $.a, to: $.b}'
    body: dict[str, JsonValue] = {"l": [{"f": "z", "a": 1, "b": 2}, {"f": "a", "a": 3, "b": 4}]}
    assert changes(line, body) == change("native.z", 1, 2) + change("native.a", 3, 4)  # type: ignore[operator]


def moved(added: list[JsonValue], removed: list[JsonValue], *, known: bool = True) -> JsonValue:
    """One entry for the list field ``labels``."""
    return [{"field": "labels", "added": added, "removed": removed, "from_known": known}]


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        ("added: $.l.name", {"l": {"name": "bug"}}, moved(["bug"], [])),
        ("removed: $.l.name", {"l": {"name": "bug"}}, moved([], ["bug"])),
        ("added: $.l.name", {}, []),
        (
            'added: "$.l[*]", removed: "$.m[*]"',
            {"l": ["a"], "m": ["b", "c"]},
            moved(["a"], ["b", "c"]),
        ),
        ('from: "$.l[*]", to: "$.m[*]"', {"l": ["a", "b"], "m": ["b", "c"]}, moved(["c"], ["a"])),
        ('from: "$.l[*]", to: "$.m[*]"', {"l": ["a"], "m": ["a"]}, []),
        ('from: "$.l[*]", to: "$.m[*]"', {"m": ["a"]}, moved(["a"], [], known=False)),
        ('from: "$.l[*]", to: "$.m[*]"', {"l": [], "m": ["a"]}, moved(["a"], [])),
        ('to: "$.m[*]"', {"m": ["a"]}, moved(["a"], [], known=False)),
        ("from: {split: $.l}, to: {split: $.m}", {"l": "a b", "m": "b c"}, moved(["c"], ["a"])),
        (
            'added: {each: "$.l[*]", as: $.n}',
            {"l": [{"n": "a"}, {}, {"n": 5}]},
            moved(["a", "5"], []),
        ),
    ],
)
def test_a_list_field_s_change(line: str, body: dict[str, JsonValue], expected: JsonValue) -> None:
    """``added`` and ``removed`` as stated, or as the difference; nothing moved is no change."""
    assert changes(f"{{field: labels, {line}}}", body) == expected


def test_a_path_to_a_list_is_that_list() -> None:
    """As on the field itself, where ``labels: $.labels`` works."""
    line = "{field: labels, from: $.l, to: $.m}"
    assert changes(line, {"l": ["a"], "m": ["b"]}) == moved(["b"], ["a"])


def test_added_is_for_list_fields_only() -> None:
    """A title has from and to."""
    found = problems(ticket_text(rest="changes: [{field: title, added: $.a}]"))
    assert [p.code for p in found] == ["E002"]
    assert "one has from: and to:" in found[0].message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("title", Kind.TEXT),
        ("target.branch", Kind.TEXT),
        ("repository.visibility", Kind.ENUM),
        ("author.email", Kind.EMAIL),
        ("labels", Kind.LIST),
        ("titel", None),
        ("title.x", None),
        ("labels.x", None),
        ("target.", None),
        ("", None),
    ],
)
def test_a_dotted_name_leads_to_a_field_of_the_model(name: str, kind: Kind | None) -> None:
    """Or to none."""
    spec = find_field(PullRequest, name)
    if name == "target.":  # an empty rest: taken for the object itself
        assert spec is None or spec.kind is Kind.MODEL
    else:
        assert (spec.kind if spec else None) == kind


# -- references ------------------------------------------------------------------------------------


def references(lines: str, body: dict[str, JsonValue]) -> list[JsonValue]:
    """The references of a ticket made of *body*."""
    (event,) = events(ticket(rest=f"references: [{lines}]"), {"id": "1", **body})
    found = event.data["references"]
    assert isinstance(found, list)
    return found


def test_a_stated_reference_is_native_and_certain() -> None:
    """`schema.md` §5: confidence 1.00."""
    line = "{type: pull_request, key: $.k, url: $.u, relation: implements}"
    assert references(line, {"k": "acme/payments#42", "u": "https://a.b/42"}) == [
        {
            "type": "pull_request",
            "key": "acme/payments#42",
            "urn": None,
            "url": "https://a.b/42",
            "relation": "implements",
            "method": "native",
            "found_in": [],
            "match": None,
            "confidence": 1,
            "verified": False,
        }
    ]


@pytest.mark.parametrize(
    ("line", "body", "keys"),
    [
        ("{type: ticket, key: $.k}", {"k": "A-1"}, ["A-1"]),
        ("{type: ticket, key: $.k}", {}, []),
        ("{type: ticket, key: $.k, if: $.yes}", {"k": "A-1"}, []),
        ("{type: ticket, key: $.k, when: {$.k: A-1}}", {"k": "A-1"}, ["A-1"]),
        (
            '{type: ticket, each: "$.l[*]", key: $.k}',
            {"l": [{"k": "A-1"}, {}, {"k": 7}]},
            ["A-1", "7"],
        ),
    ],
)
def test_a_reference_needs_its_key(line: str, body: dict[str, JsonValue], keys: list[str]) -> None:
    """``if``, ``when`` and ``each`` work as in changes."""
    assert [r["key"] for r in references(line, body) if isinstance(r, dict)] == keys


def test_relation_and_type_have_defaults() -> None:
    """A link of which nothing is said mentions a URL."""
    (found,) = references("{key: $.k}", {"k": "https://a.b"})
    assert isinstance(found, dict)
    assert (found["type"], found["relation"]) == ("url", "mentions")


def test_m3_changes_are_not_made_in_order_to_be_cut() -> None:
    """Of 20,000 those that fit are made, and one more so that the cut is told: it took seconds."""
    slow = '"{{ ' + " ~ ".join(["item.name"] * 100) + ' }}"'
    lines = f'[{{each: "$.l[*]", field: {{template: "native.x"}}, from: {{template: {slow}}}}}]'
    body: JsonValue = {"id": "1", "l": [{"name": "n"}] * 20_000}
    begun = time.thread_time()

    (event,) = events(ticket(rest=f"changes: {lines}"), body)

    assert time.thread_time() - begun < 1
    changes = event.data["changes"]
    assert isinstance(changes, list)
    assert len(changes) == MAX_ITEMS
    assert "/changes" in str(event.data["truncated"])
