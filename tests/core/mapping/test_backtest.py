"""What differs between what two mappings make of the same webhooks."""

import pytest

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.backtest import (
    MAX_FIELDS,
    MAX_LENGTH,
    FieldChange,
    Made,
    Tally,
    compare,
    shorten,
)


def event(id_: str = "evt_1", type_: str = "a.b.c", **data: JsonValue) -> bytes:
    """An event as it lies in the store."""
    return encode({"id": id_, "type": type_, "data": data})


def made(*bodies: bytes) -> Made:
    """What became of a webhook that gave these events."""
    return Made.of_bodies(bodies)


def changes(before: bytes, after: bytes) -> list[FieldChange]:
    """The changes of one event."""
    (change,) = compare(made(before), made(after)).changed
    return list(change.fields)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"a": 1}, {"a": 2}, [("/data/a", 1, 2)]),
        ({"a": 1}, {"a": "1"}, [("/data/a", 1, "1")]),
        ({"a": True}, {"a": 1}, [("/data/a", True, 1)]),
        ({"a": None}, {"a": False}, [("/data/a", None, False)]),
        ({}, {"a": 1}, [("/data/a", "(absent)", 1)]),
        ({"a": 1}, {}, [("/data/a", 1, "(absent)")]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("/data/a/c", 2, 3)]),
        ({"a": {"b": 1}}, {"a": None}, [("/data/a", {"b": 1}, None)]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [("/data/a/1", 2, 3)]),
        ({"a": [1]}, {"a": [1, 2]}, [("/data/a/1", "(absent)", 2)]),
        ({"a": [1]}, {"a": {"0": 1}}, [("/data/a", [1], {"0": 1})]),
        ({"x/y~": 1}, {"x/y~": 2}, [("/data/x~1y~0", 1, 2)]),
    ],
)
def test_fields_that_differ(
    before: dict[str, JsonValue],
    after: dict[str, JsonValue],
    wanted: list[tuple[str, JsonValue, JsonValue]],
) -> None:
    """Each field that is another is named by its pointer, with both values."""
    found = changes(event(**before), event(**after))

    assert found == [FieldChange(*row) for row in wanted]


@pytest.mark.parametrize("value", [1, 1.5, "x", None, [], {}, [{"a": [1.0]}], True])
def test_equal_events_are_the_same(value: JsonValue) -> None:
    """An event that is as it was is no change."""
    found = compare(made(event(a=value)), made(event(a=value)))

    assert found.same
    assert not found.lost


def test_events_are_matched_by_id() -> None:
    """What is only there after is added, what was only there before removed, in order."""
    before = made(event("evt_1"), event("evt_2"), event("evt_3"))
    after = made(event("evt_4", "d.e.f"), event("evt_2"), event("evt_3", x=1))

    found = compare(before, after)

    assert found.added == (("evt_4", "d.e.f"),)
    assert found.removed == (("evt_1", "a.b.c"),)
    assert [change.id for change in found.changed] == ["evt_3"]


def test_outcomes_that_differ() -> None:
    """Another outcome or another reason is a change, also without events."""
    held, ignored = Made("quarantined", "no_rule"), Made("ignored", "ping")

    assert not compare(held, ignored).same
    assert not compare(held, Made("quarantined", "schema_violation")).same
    assert compare(held, held).same
    assert not compare(held, made(event())).lost
    assert compare(made(event()), held).lost


def test_changes_are_bounded() -> None:
    """Of very many changed fields the first are named, and the rest is counted."""
    before = event(**{f"f{n}": n for n in range(MAX_FIELDS + 7)})
    after = event(**{f"f{n}": -1 for n in range(MAX_FIELDS + 7)})

    (change,) = compare(made(before), made(after)).changed

    assert (len(change.fields), change.more) == (MAX_FIELDS, 7)


def test_long_values_are_cut() -> None:
    """A value too long to show is the beginning of its JSON, as text."""
    assert shorten("x" * 999) == "x" * MAX_LENGTH + "…"
    assert shorten(["x" * 999]) == '["' + "x" * (MAX_LENGTH - 2) + "…"
    assert shorten({"a": [1, None]}) == {"a": [1, None]}


def test_tally_adds_up() -> None:
    """Webhooks, events, outcomes and fields are counted, fields without their indexes."""
    tally = Tally()
    held = Made("quarantined", "no_rule")
    pairs = [
        (made(event()), made(event())),
        (held, made(event(), event("evt_2"))),
        (made(event()), held),
        (made(event(a=[{"b": 1}, {"b": 2}])), made(event(a=[{"b": 3}, {"b": 4}]))),
    ]
    for before, after in pairs:
        tally.add(compare(before, after))

    assert (tally.same, tally.changed, tally.lost) == (1, 3, 1)
    assert tally.events == {"same": 1, "added": 2, "removed": 1, "changed": 1}
    accepted, quarantined = ("accepted", None), ("quarantined", "no_rule")
    assert tally.outcomes == {(quarantined, accepted): 1, (accepted, quarantined): 1}
    assert tally.fields == {("a.b.c", "/data/a/*/b"): 1}
