"""``let``: a value by a name of its own, read as if it were written where it is used."""

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted
from tests.core.mapping.building import (
    HEAD,
    compiled,
    events,
    field,
    marked,
    places,
    problems,
    run,
    ticket,
    ticket_text,
)

TABLES = "tables: {p: {High: high}}\nshapes: {person: {id: $.id, type: {const: user}}}\n"


@pytest.mark.parametrize(
    ("name", "named", "source", "expected"),
    [
        ("description", "$.a", "x", "x"),
        ("description", "$.a", 5, "5"),
        ("number", "$.a", 5, 5),
        ("created_at", "$.a", "2026-11-22T10:15:00+01:00", "2026-11-22T09:15:00.000Z"),
        ("due_date", "$.a", "2026-11-22T10:15:00+01:00", "2026-11-22"),
        ("priority", "{lookup: $.a, table: p}", "High", "high"),
        ("priority", "{lookup: $.a, table: p}", "Odd", "unknown"),
        ("priority", "$.a", "low", "low"),
        ("labels", "$.a", ["x", "y"], ["x", "y"]),
        ("labels", "{each: '$.a[*].n'}", [{"n": "x"}], ["x"]),
        ("description", "{join: $.a}", ["x", "y"], "x, y"),
        ("description", "{let: other}", "x", "x!"),
        ("description", "{coalesce: [$.gone, {let: other}]}", "x", "x!"),
        ("custom", "$.a", "x", {"c": "x"}),
    ],
)
def test_a_name_is_read_as_its_field_asks(
    name: str, named: str, source: JsonValue, expected: JsonValue
) -> None:
    """Text, number, time, day, enum, list: as the value itself would be."""
    other = "other: {template: '{{ item.a }}!'}"
    top = f"{TABLES}let: {{named: {named}, {other}}}\n"
    value = "{let: named}" if name != "custom" else "{c: {let: named}}"
    assert field(name, value, {"a": source}, top=top) == expected


def test_an_object_may_be_named() -> None:
    """For one person, and for a list of one."""
    top = f"{TABLES}let: {{owner: {{use: person, with: $.u}}}}\n"
    mapping = ticket(top, assignee="{let: owner}", assignees="[{let: owner}]")
    data = events(mapping, {"id": "1", "u": {"id": 7}})[0].data
    assert data["assignee"] == data["assignees"][0]  # type: ignore[index]  # tests/ is not checked
    assert data["assignee"]["id"] == "7"  # type: ignore[index]


def test_a_dollar_is_what_it_is_where_the_name_is_used() -> None:
    """In a shape the shape's own, in ``each`` the item, with two dollars always the body."""
    top = """
    let: {label: {template: "{{ item.n }}/{{ body.n }}"}, all: $$.n}
    shapes: {person: {id: {let: label}, name: {let: all}, type: {const: user}}}
    """
    mapping = ticket(
        top,
        title="{let: label}",
        assignee="{use: person, with: $.u}",
        labels="{each: '$.l[*]', as: {let: label}}",
    )
    data = events(mapping, {"id": "1", "n": "a", "u": {"n": "b"}, "l": [{"n": "c"}]})[0].data
    assert data["title"] == "a/a"
    assert (data["assignee"]["id"], data["assignee"]["name"]) == ("b/a", "a")  # type: ignore[index]
    assert data["labels"] == ["c/a"]


@pytest.mark.parametrize(
    ("when", "body", "matches"),
    [
        ("let.state: open", {"state": "open"}, True),
        ("let.state: open", {"state": {"value": "open"}}, True),
        ("let.state: open", {"state": "closed"}, False),
        ("let.state: null", {}, True),
        ("let.state: {exists: true}", {}, False),
        ("let.state: {present: true}", {}, False),
        ("let.state: {not: [open, new]}", {"state": "closed"}, True),
        ("let.state: {matches: '^o'}", {"state": "open"}, True),
        ("let.state: {equals: $.was}", {"state": "open", "was": "open"}, True),
        ("$.was: {equals: let.state}", {"state": "open", "was": "new"}, False),
        ("let.done: true", {"state": "closed"}, True),
        ("let.done: true", {"state": "open"}, False),
        ("let.rest: {exists: true}", {"l": ["sys_a", "b"]}, True),
        ("let.rest: {exists: true}", {"l": ["sys_a"]}, False),
    ],
)
def test_conditions_ask_for_names(when: str, body: dict[str, JsonValue], *, matches: bool) -> None:
    """``let.name`` stands where a path may: one home for what several rules ask."""
    top = """
    let:
      state: {coalesce: [$.state.value, $.state]}
      done: {if: {let.state: [closed, gone]}, then: true, else: false}
      rest: {coalesce: [{each: "$.l[*]", where: {$: {not: {matches: "^sys_"}}}}], non_empty: true}
      spare: [{let: done}, {let: rest}, {let: state}]
    """
    mapping = ticket(top, rest=f"when: {{{when}}}", custom="{s: {let: spare}}")
    assert isinstance(run(mapping, {"id": "1", **body}), Emitted) is matches


def test_siblings_that_ask_for_one_name_are_found_by_its_value() -> None:
    """The index over sibling rules holds for names as well."""
    data = "{urn: [$.id], id: $.id, key: $.id, title: $.t, status_category: null}"
    rule = "{{id: r{0}, when: {{let.kind: k{0}}}, emit: ticketing.ticket.created, data: {1}}}"
    rules = "\n".join(f"  - {rule.format(n, data)}" for n in range(6))
    mapping = compiled(f"{HEAD}let: {{kind: {{coalesce: [$.k.v, $.k]}}}}\nrules:\n{rules}\n")
    outcome = run(mapping, {"id": "1", "t": "x", "k": {"v": "k4"}})
    assert isinstance(outcome, Emitted)
    assert [event.rule for event in outcome.events] == ["r4"]


def test_each_item_has_its_own_value_of_a_name() -> None:
    """What a name is of one item, however often it was asked, it is not of the next."""
    mapping = ticket(
        "let: {open: {if: {$.s: [new, open]}, then: true}}\n",
        rest="""
        foreach: {in: "$.l[*]", key: $.id}
        changes: [{field: title, each: "$.c[*]", when: {let.open: true}, to: $.n}]
        """,
    )
    body: JsonValue = {
        "l": [
            {"id": str(n), "c": [{"n": "x", "s": "new"}, {"n": "y", "s": "gone"}] * 3}
            for n in range(5)
        ]
    }
    found = events(mapping, body)
    assert [[c["to"] for c in event.data["changes"]] for event in found] == [["x"] * 3] * 5  # type: ignore[index]


REFUSED = {
    "unknown name": ("let: {state: $.s}\n", "title", "{let: ⟨E104⟩stat}", "did you mean state?"),
    "no names at all": ("", "title", "{let: ⟨E104⟩state}", "name it under let:"),
    "something beside it": (
        "let: {state: $.s}\n",
        "title",
        "{let: state, ⟨E002⟩default: x}",
        "{let: name} stands alone",
    ),
    "what it names is wrong": ("let: {state: ⟨E101⟩s}\n", "title", "{let: state}", "$.s"),
    "what it names does not fit": (
        "let: {state: ⟨E106⟩true}\n",
        "title",
        "{let: state}",
        "title takes text",
    ),
    "a name of itself": ("let: {⟨E104⟩a: {let: a}}\n", "title", "$.t", "a -> a"),
    "a name of itself by another": (
        "let: {⟨E104⟩a: {coalesce: [{let: b}]}, b: [{if: {let.a: 1}, then: ⟨E104⟩x}]}\n".replace(
            "⟨E104⟩x", "$.x"
        ),
        "title",
        "$.t",
        "a -> b -> a",
    ),
    "section that is no map": ("let: ⟨E002⟩[a]\n", "title", "$.t", "let: is a map"),
}


@pytest.mark.parametrize(("top", "name", "value", "says"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_name_is_refused(top: str, name: str, value: str, says: str) -> None:
    """At the name, or at what it names."""
    clean, expected = marked(ticket_text(top, **{name: value}))
    found = problems(clean)
    assert [p for p in places(found) if p in expected] == expected
    assert says in "\n".join(map(str, found))


def test_a_name_that_nothing_uses_is_a_warning() -> None:
    """W205, as of tables and shapes."""
    clean, expected = marked(
        ticket_text("let: {⟨W205⟩spare: $.s, used: $.t}\n", title="{let: used}")
    )
    warnings = list(compiled(clean).warnings)
    assert places(warnings) == expected


def test_a_child_names_anew_what_its_parent_named() -> None:
    """``extends``: names merge like tables; all that uses the name follows."""
    top = "let: {state: $.s, other: $.o}\n"
    parent = ticket_text(top, title="{let: state}", description="{let: other}")
    child = "onehook: mapping/v1\nextends: base\nplatform: acme\nlet: {state: $.z}\n"
    body: JsonValue = {"id": "1", "s": "old", "z": "new", "o": "x"}
    data = events(compiled(child, base=parent), body)[0].data
    assert (data["title"], data["description"]) == ("new", "x")
