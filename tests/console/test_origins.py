"""The lines of a body, and which of them a field came from."""

from onehook.console.origins import MAX_LINES, leaves, lines_of, resolve, unified_fields

BODY = {"a": {"b": [{"c": 1}, {"c": 2}]}, "x/y": "text", "empty": {}, "n": None}
STATED = {"place": "m.yaml:1:1", "source": "$.c", "note": "", "headers": []}


def test_a_pattern_is_resolved_to_places() -> None:
    """A star is any item; a name may hold a slash; what is not there is no place."""
    assert resolve(BODY, "/a/b/*/c") == [("/a/b/0/c", 1), ("/a/b/1/c", 2)]
    assert resolve(BODY, "/x~1y") == [("/x~1y", "text")]
    assert resolve(BODY, "/none") == []
    assert resolve(BODY, "") == [("", BODY)]


def test_the_item_that_gives_the_value_is_chosen() -> None:
    """Of many places the one that holds this value; where none does, all."""
    field = {
        "pointer": "/data/c",
        "place": "m.yaml:1:1",
        "source": "$.c",
        "note": "",
        "headers": [],
    }
    trace = {"fields": [{**field, "native": ["/a/b/*/c"]}]}
    (one,) = unified_fields({"data": {"c": 2}}, trace, BODY)
    assert one.origin is not None
    assert one.origin.native == ["/a/b/1/c"]
    (two,) = unified_fields({"data": {"c": 3}}, trace, BODY)
    assert two.origin is not None
    assert two.origin.native == ["/a/b/0/c", "/a/b/1/c"]


def test_what_is_inside_a_traced_field_is_from_there() -> None:
    """An object that is stated as one whole is the origin of all in it."""
    field = {
        "pointer": "/data/native",
        "place": "m.yaml:1:1",
        "source": "",
        "note": "",
        "headers": [],
    }
    trace = {"fields": [{**field, "native": []}]}
    (one,) = unified_fields({"data": {"native": {"deep": 1}}}, trace, BODY)
    assert one.origin is not None
    assert one.name == "data.native.deep"


def test_lists_of_plain_values_stay_together() -> None:
    """One row, not one for each label."""
    assert dict(leaves({"a": ["x", "y"], "b": [{"c": 1}]})) == {"/a": ["x", "y"], "/b/0/c": 1}


def test_a_body_is_laid_out_with_an_id_for_each_place() -> None:
    """Only what closes has none; what the mapping reads is told."""
    lines, more = lines_of(BODY, {"/a/b/1/c"})
    assert more == 0
    by_id = {line.id: line for line in lines if line.id}
    assert by_id["n/a/b/1/c"].text == "2"
    assert by_id["n/a/b/1/c"].read
    assert not by_id["n/x~1y"].read
    assert [line.text for line in lines if line.id is None] == ["}", "}", "]", "}", "}"]


def test_of_a_huge_body_what_is_read_is_kept() -> None:
    """The page stays small, and says how much is left out."""
    body = {"many": [{"value": number} for number in range(3000)]}
    lines, more = lines_of(body, {"/many/2999/value"})
    assert len(lines) < MAX_LINES
    assert more > 0
    assert any(line.pointer == "/many/2999/value" for line in lines)
