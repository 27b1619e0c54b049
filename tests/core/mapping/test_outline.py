"""Rules as the file states them."""

from onehook.core.mapping.outline import leaves, outline
from onehook.core.mapping.source import plain
from tests.core.mapping.building import HEAD, compiled

TEXT = """\
rules:
  - id: tickets
    when: {$.kind: tickets}
    foreach: {in: "$.tickets[*]", key: $.id}
    actor: {id: $.by, type: {const: user}}
    changes: [{field: title}]
    data: {urn: [$.id], id: $.id, key: $.id, title: $.t, status_category: {const: todo}}
    rules:
      - {id: new, when: {$.a: new}, emit: ticketing.ticket.created, changes: []}
      - {id: old, emit: ticketing.ticket.updated}
"""


def test_a_leaf_has_what_its_group_says_and_its_own() -> None:
    """Own parts are told from inherited ones; conditions and loops stay where they stand."""
    (group,) = outline(compiled(HEAD + TEXT))
    new, old = group.below

    assert group.rule is None
    assert group.foreach is not None
    assert plain(group.when) == {"$.kind": "tickets"}  # type: ignore[arg-type]
    assert set(new.own) == {"emit", "changes"}
    assert plain(new.parts["changes"]) == []
    assert set(old.own) == {"emit"}
    assert plain(old.parts["changes"]) == [{"field": "title"}]
    assert set(old.parts) == {"actor", "emit", "changes"}
    assert old.when is None


def test_leaves_are_the_rules_that_emit() -> None:
    """In the file's order, each with its compiled rule."""
    found = leaves(outline(compiled(HEAD + TEXT)))

    assert [rule.id for rule, _ in found] == ["new", "old"]
