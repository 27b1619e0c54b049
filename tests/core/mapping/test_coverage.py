"""Which fields a mapping fills: read off its rules, and true of what they make."""

import pytest

from onehook.core.mapping.coverage import Coverage, coverage, table_uses
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import normalize_sample
from onehook.core.schema.base import fields_of
from tests.builders import shipped
from tests.core.mapping.building import HEAD, compiled

TICKETS = """\
tables: {phase: {New: todo}, kind: {b: bot}, unused: {a: b}}
shapes:
  person: {id: $.id, type: {lookup: $.kind, table: kind}}
rules:
  - id: ticket
    actor: {use: person, with: $.by}
    data:
      urn: [$.id]
      id: $.id
      key: $.id
      title: $.title
      status_category: {lookup: $.phase, table: phase}
      description: null
      resolution: {const: null}
      assignee: {coalesce: [{use: person, with: $.who}, {username: $.name, type: {const: user}}]}
      assignees:
        concat:
          - [{id: $.a, type: {const: user}}]
          - {each: "$.more[*]", as: {name: $.n, type: {const: bot}}}
      labels: {each: "$.labels[*]"}
      project: {if: {$.p: {exists: true}}, then: {id: $.p}}
      native: {weight: $.weight}
    rules:
      - {id: new, when: {$.a: new}, emit: ticketing.ticket.created}
      - id: old
        when: {$.a: old}
        emit: ticketing.ticket.created
        data: {url: $.url, custom: {pit: $.pit}}
      - {id: gone, when: {$.a: gone}, emit: ticketing.ticket.deleted, actor: null}
"""


def of(text: str) -> dict[str, Coverage]:
    """The coverage of a mapping file, by event type."""
    return {found.event_type: found for found in coverage(compiled(HEAD + text))}


def test_every_field_is_filled_partly_or_never() -> None:
    """The three lists of a type together are its model's fields and the actor, each once."""
    for found in of(TICKETS).values():
        top = [p for p in (*found.filled, *found.partly, *found.never) if "." not in p]
        names = set(fields_of(found.model)) - {"native", "custom"} | {"actor"}
        parts = {p.partition(".")[0] for p in found.never if "." in p}
        assert len(set(top)) == len(top)
        assert set(top) == names
        assert parts <= set(found.filled) | set(found.partly)


def test_what_is_stated_is_filled() -> None:
    """By every rule, by some, by none; a literal null fills nothing; branches all count."""
    created = of(TICKETS)["ticketing.ticket.created"]

    assert {"actor.id", "actor.type", "title", "labels", "project.id"} <= set(created.filled)
    assert {"assignee.id", "assignee.username"} <= set(created.filled)
    assert {"assignees.id", "assignees.name"} <= set(created.filled)
    assert created.partly == ("url",)
    assert {"description", "resolution", "priority", "project.urn"} <= set(created.never)
    assert {"actor.email", "assignee.email"} <= set(created.never)
    assert not [path for path in created.never if path.startswith("parent.")]
    assert (created.native, created.custom) == (("weight",), ("pit",))


def test_a_rule_may_take_back_what_its_group_says() -> None:
    """``actor: null`` in the rule: nobody is named."""
    assert "actor" in of(TICKETS)["ticketing.ticket.deleted"].never


def test_types_come_in_the_order_of_the_schema() -> None:
    """Whatever the order of the rules."""
    assert list(of(TICKETS)) == ["ticketing.ticket.created", "ticketing.ticket.deleted"]


def test_tables_know_the_fields_that_they_fill() -> None:
    """Also through shapes and branches; a table that nothing looks up fills none."""
    assert table_uses(compiled(HEAD + TICKETS)) == {
        "phase": ["Ticket.status_category"],
        "kind": ["Actor.type"],
    }


def test_what_a_name_stands_for_is_filled_by_it() -> None:
    """Tables, the fields of objects, and what is null."""
    text = HEAD + TICKETS.replace(
        "shapes:",
        """\
let:
  phase: {lookup: $.p, table: phase}
  by: {use: person, with: $.by}
  none: null
shapes:""",
        1,
    )
    text = text.replace("actor: {use: person, with: $.by}", "actor: {let: by}")
    plain = compiled(HEAD + TICKETS)
    named = compiled(text)
    assert table_uses(named)["kind"] == ["Actor.type"]
    assert coverage(named) == coverage(plain)


def paths_of(data: object, prefix: str = "") -> set[str]:
    """Dotted paths of what has a value in *data*, lists looked through."""
    if isinstance(data, list):
        return {path for item in data for path in paths_of(item, prefix)}
    if not isinstance(data, dict):
        return set()
    found: set[str] = set()
    for name, value in data.items():
        if value not in (None, [], "unknown"):
            found |= {prefix + name} | paths_of(value, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("name", sorted(shipped()))
def test_what_is_never_filled_is_null_in_every_sample(name: str) -> None:
    """Of every shipped mapping: no event of its tests has a field that the page calls empty."""
    file = shipped()[name]
    never = {found.event_type: set(found.never) for found in coverage(file.mapping)}
    seen = 0
    for sample in samples(file.mapping, file.load_sample):
        outcome = normalize_sample(file.mapping, sample)
        for event in outcome.events if isinstance(outcome, Emitted) else ():
            seen += 1
            assert not paths_of(dict(event.data)) & never[event.type], (sample.name, event.type)
    assert seen
