"""Every row of docs/mappings.md's table of values, and how a field's kind reads its value."""

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted
from tests.core.mapping.building import HEAD, compiled, custom, events, field, run, ticket

P = "tables: {p: {High: high, Low: low, '1': critical, 'true': medium, 'null': low}}\n"
WORDS = "tables: {w: {a: Alpha, b: null, '1': One}}\n"
PERSON = "shapes: {person: {id: $.id, type: {const: user}, name: $.name}}\n"


# -- a bare string is a path, other scalars stand for themselves -----------------------------------


@pytest.mark.parametrize(
    ("value", "body", "expected"),
    [
        ("$.a", {"a": "x"}, "x"),
        ("$$.a", {"a": "x"}, "x"),
        ('"$.a.b[0]"', {"a": {"b": [7]}}, 7),
        ("$.nothing", {}, None),
        ("$.a", {"a": {"b": 1}}, None),
        ('"$.a[*]"', {"a": ["x", 1, None, {"no": 1}, True]}, ["x", 1, None, True]),
        ("5", {}, 5),
        ("-1.5", {}, -1.5),
        ("true", {}, True),
        ("null", {}, None),
        ("{const: text}", {}, "text"),
        ("{const: '5'}", {}, "5"),
        ("{const: [a, b]}", {}, ["a", "b"]),
        ("[$.a, $.b, {const: c}]", {"a": "x"}, ["x", "c"]),
        ('{each: "$.l[*].n"}', {"l": [{"n": 1}, {}, {"n": 2}]}, [1, 2]),
        ('{each: "$.l[*]", as: $.n}', {"l": [{"n": 1}, {"n": None}]}, [1]),
        ("{split: $.a}", {"a": " two  words "}, ["two", "words"]),
        ("{sum: [$.a, 5]}", {"a": 2}, 7),
        ("{coalesce: [$.a, $.b]}", {"b": False}, False),
        ("{if: {$.a: 1}, then: {const: y}, else: {const: n}}", {"a": 1}, "y"),
    ],
)
def test_a_value_where_any_scalar_may_stand(
    value: str, body: dict[str, JsonValue], expected: JsonValue
) -> None:
    """In ``custom`` a scalar or a list of scalars comes through as it is, objects do not."""
    assert custom(value, {"id": "1", **body}) == expected


# -- header, setting -------------------------------------------------------------------------------


def test_header_is_found_without_case_and_its_first_value_counts() -> None:
    """Names are as the vendor's page spells them; a missing one is null."""
    assert field("title", "{header: X-Name}", {}, headers={"x-name": "Ada"}) == "Ada"
    assert field("description", "{header: X-Name}", {}) is None


def test_header_bytes_that_are_no_utf_8_become_visible() -> None:
    """A lone surrogate could not be written out: U+FFFD (rule 13)."""
    found = field("title", "{header: X-Name}", {}, headers={"x-name": "a\udcff"})
    assert found == "a\ufffd"


def test_setting_is_the_integration_s() -> None:
    """A setting that is not set is null."""
    assert field("title", "{setting: site}", {}, settings={"site": "acme"}) == "acme"
    assert field("description", "{setting: site}", {}) is None


# -- template --------------------------------------------------------------------------------------


def test_template_sees_body_item_headers_and_settings() -> None:
    """Header names are lower case there."""
    mapping = compiled(
        HEAD
        + """
rules:
  - id: r
    foreach: {in: "$.l[*]", key: $.id}
    emit: ticketing.ticket.created
    data:
      urn: [$.id]
      id: $.id
      key: {const: K}
      title: {template: "{{ body.t }}/{{ item.n }}/{{ headers['x-a'] }}/{{ settings.s }}"}
      status_category: {const: todo}
"""
    )
    found = events(mapping, {"t": "b", "l": [{"id": "1", "n": 5}]}, {"X-A": "h"}, {"s": "set"})
    assert found[0].data["title"] == "b/5/h/set"


def test_a_template_is_null_if_anything_in_it_is() -> None:
    """No event says ``None#5``."""
    assert field("description", '{template: "{{ item.a }}#5"}', {"a": None}) is None


# -- lookup --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "priority", "native"),
    [
        ("High", "high", "High"),
        ("high", "unknown", "high"),
        (1, "critical", 1),
        ("1", "critical", "1"),
        (True, "medium", True),
        ("null", "low", "null"),
        ("Odd", "unknown", "Odd"),
        (None, None, None),
        ({"a": 1}, None, None),
        ([1], None, None),
    ],
)
def test_lookup_on_an_enum_is_the_row_or_unknown_and_keeps_the_source(
    source: JsonValue, priority: JsonValue, native: JsonValue
) -> None:
    """Keys compare as text; null and what is no scalar are no value."""
    data = events(ticket(P, priority="{lookup: $.p, table: p}"), {"id": "1", "p": source})[0].data
    assert data["priority"] == priority
    assert isinstance(data["native"], dict)
    assert data["native"].get("priority") == native


def test_lookup_can_ignore_case() -> None:
    """On both sides."""
    value = "{lookup: $.p, table: p, ignore_case: true}"
    assert field("priority", value, {"p": "hIGH"}, top=P) == "high"


def test_lookup_counts_what_nobody_mapped() -> None:
    """Field and value, for the console's page of unmapped values."""
    outcome = run(ticket(P, priority="{lookup: $.p, table: p}"), {"id": "1", "p": "Odd"})
    assert isinstance(outcome, Emitted)
    assert outcome.unmapped == (("priority", "Odd"),)


@pytest.mark.parametrize(
    ("source", "expected"), [("a", "Alpha"), ("b", None), ("z", "zed"), (1, "One"), (None, None)]
)
def test_lookup_elsewhere_is_the_row_or_the_default(source: JsonValue, expected: JsonValue) -> None:
    """The default is a value like any other; null has no row and no default."""
    value = "{lookup: $.p, table: w, default: $.d}"
    assert field("description", value, {"p": source, "d": "zed"}, top=WORDS) == expected


# -- coalesce, if ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "body", "expected"),
    [
        ("", {"a": None, "b": "y"}, "y"),
        ("", {"a": "", "b": "y"}, ""),
        ("", {"a": 0, "b": "y"}, 0),
        (", non_empty: true", {"a": "", "b": "y"}, "y"),
        (", non_empty: true", {"a": [], "b": "y"}, "y"),
        (", non_empty: true", {"a": False, "b": "y"}, False),
        (", non_empty: true", {"a": ""}, None),
    ],
)
def test_coalesce_is_the_first_that_is_something(
    flag: str, body: dict[str, JsonValue], expected: JsonValue
) -> None:
    """Null never counts, "" and [] not with non_empty; zero and false are something."""
    assert custom(f"{{coalesce: [$.a, $.b]{flag}}}", {"id": "1", **body}) == expected


def test_coalesce_of_enums_keeps_the_source_of_the_one_that_counts() -> None:
    """An unmapped value is one too: a later choice would hide it."""
    mapping = ticket(P, priority="{coalesce: [{lookup: $.a, table: p}, {const: low}]}")
    first = events(mapping, {"id": "1", "a": "High"})[0].data
    assert (first["priority"], first["native"]) == ("high", {"priority": "High"})
    assert events(mapping, {"id": "1"})[0].data["priority"] == "low"
    assert events(mapping, {"id": "1", "a": "Odd"})[0].data["priority"] == "unknown"


def test_coalesce_of_enums_can_pass_over_empty_text() -> None:
    """``non_empty`` means the same on every field."""
    value = "{coalesce: [$.a, {const: bug}], non_empty: true}"
    assert field("type", value, {"a": ""}) == "bug"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("title", "{if: {$.a: 1}, then: $.t, else: {const: other}}", "other"),
        ("description", "{if: {$.a: 1}, then: $.t}", None),
        ("description", "{if: {$.a: 2}, else: $.t}", None),
        ("created_at", "{if: {$.a: 2}, then: $.when}", "2026-11-22T10:15:00.000Z"),
        ("type", "{if: {$.a: 2}, then: {const: bug}}", "bug"),
        ("type", "{if: {$.a: 1}, then: {const: bug}}", None),
        ("labels", "{if: {$.a: 2}, then: $.tags}", ["x"]),
    ],
)
def test_if_takes_the_branch_as_the_field_would(name: str, value: str, expected: JsonValue) -> None:
    """Without ``else`` it is null; a path in a branch on a time field is read as a time."""
    body: dict[str, JsonValue] = {
        "a": 2, "t": "T", "when": "2026-11-22T10:15:00Z", "tags": ["x"],
    }  # fmt: skip
    assert field(name, value, body) == expected


# -- date ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        ("$.a", "2026-11-22T10:15:00Z", "2026-11-22T10:15:00.000Z"),
        ("{date: $.a}", "2026-11-22T10:15:00+02:00", "2026-11-22T08:15:00.000Z"),
        ("{date: $.a, format: epoch_s}", 1795342500, "2026-11-22T10:15:00.000Z"),
        ("{date: $.a, format: epoch_ms}", 1795342500123, "2026-11-22T10:15:00.123Z"),
        ("{date: $.a, format: [iso8601, epoch_s]}", 1795342500, "2026-11-22T10:15:00.000Z"),
        (
            '{date: $.a, format: "%d.%m.%Y %H:%M:%S", tz: Europe/Berlin}',
            "22.11.2026 11:15:00",
            "2026-11-22T10:15:00.000Z",
        ),
        ("{date: $.a, tz: UTC}", "2026-11-22 10:15:00", "2026-11-22T10:15:00.000Z"),
        ("$.a", "2026-11-22 10:15:00", None),
        ("$.a", "yesterday", None),
        ("$.a", None, None),
        ("$.a", "", None),
        ('{match: $.a, pattern: "on (.*)"}', "on 2026-11-22T10:15:00Z", "2026-11-22T10:15:00.000Z"),
        ('{template: "{{ item.a }}T00:00:00Z"}', "2026-11-22", "2026-11-22T00:00:00.000Z"),
    ],
)
def test_a_time_field_reads_times(value: str, source: JsonValue, expected: JsonValue) -> None:
    """A path, template or match there means ``{date: …}``."""
    assert field("created_at", value, {"a": source}) == expected


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        ("$.a", "2026-12-01", "2026-12-01"),
        ("$.a", "2026-12-01T23:30:00-05:00", "2026-12-01"),
        ('{date: $.a, format: "%d.%m.%Y"}', "01.12.2026", "2026-12-01"),
        ("$.a", "soon", None),
        ("$.a", 5, None),
    ],
)
def test_a_day_field_reads_days(value: str, source: JsonValue, expected: JsonValue) -> None:
    """Of a time its day where it was; a day needs no zone."""
    assert field("due_date", value, {"a": source}) == expected


@pytest.mark.parametrize(("unit", "source"), [("epoch_s", 1796083200), ("epoch_ms", 1796083200000)])
def test_a_day_field_reads_epochs(unit: str, source: int) -> None:
    """Or is refused: the format is one of ours."""
    value = f"{{date: $.a, format: {unit}}}"
    assert field("due_date", value, {"a": source}) == "2026-12-01"


def test_a_time_that_cannot_be_read_is_counted() -> None:
    """Null in the event, and named among the misfits."""
    outcome = run(ticket(created_at="$.a"), {"id": "1", "a": "yesterday"})
    assert isinstance(outcome, Emitted)
    assert outcome.misfits == ("created_at",)


# -- match, split, sum -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "source", "expected"),
    [
        ("é(.)ß", "xéüßy", "ü"),
        ("(a)?b", "éb", None),
        (r"(\d+)$", "ticket 42", "42"),
        (r"\d+", "ticket 42 of 43", "42"),
        (r"^a(b)?c", "ac", None),
        (r"(?i)KEY-(\d+)", "key-7", "7"),
        (r"(é+)", "caféé", "éé"),
        (r"\d", "none", None),
        (r"\d", 5, None),
        (r"\d", None, None),
        (r".*", "", ""),
    ],
)
def test_match_gives_the_first_group(pattern: str, source: JsonValue, expected: JsonValue) -> None:
    """Or the whole of what a pattern without groups finds; only text matches."""
    value = f"{{match: $.a, pattern: '{pattern}'}}"
    assert field("description", value, {"a": source}) == expected


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        ("{join: $.a}", ["x", "y"], "x, y"),
        ("{join: $.a, on: ' '}", ["x", 5, None, {"z": 1}, True], "x 5 true"),
        ("{join: $.a, on: ''}", ["x", "y"], "xy"),
        ("{join: $.a}", "x", "x"),
        ("{join: $.a}", [], None),
        ("{join: $.a}", [None], None),
        ("{join: $.a}", None, None),
        ("{join: '$.a[*].n', on: '; '}", [{"n": "x"}, {}, {"n": "y"}], "x; y"),
        (
            "{join: {each: '$.a[*]', as: $.n, where: {$.n: {not: x}}}}",
            [{"n": "x"}, {"n": "y"}],
            "y",
        ),
        ("{join: [$.b, $.c, {const: d}], on: /}", None, "b/c/d"),
    ],
)
def test_join_makes_one_text_of_a_list(value: str, source: JsonValue, expected: JsonValue) -> None:
    """Of what it holds of scalars; null where there is nothing to join."""
    assert field("description", value, {"a": source, "b": "b", "c": "c"}) == expected


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        ("{split: $.a}", "a  b\tc\n", ["a", "b", "c"]),
        ("{split: $.a, on: ','}", "a, b,,c ,", ["a", "b", "c"]),
        ("{split: $.a, on: ', '}", "a, b,c", ["a", "b,c"]),
        ("{split: $.a}", "", []),
        ("{split: $.a}", None, None),
        ("{split: $.a}", 5, None),
    ],
)
def test_split_gives_texts_without_white_space(
    value: str, source: JsonValue, expected: JsonValue
) -> None:
    """Empty parts are none."""
    assert field("labels", value, {"a": source}) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"a": 1, "b": 2}, 3),
        ({"a": 1}, 1),
        ({}, None),
        ({"a": "1", "b": True}, None),
        ({"a": -5, "b": 5}, 0),
    ],
)
def test_sum_adds_whole_numbers(body: dict[str, JsonValue], expected: JsonValue) -> None:
    """What is no number is left out; of none the sum is null."""
    assert field("number", "{sum: [$.a, $.b]}", body) == expected


def test_a_sum_beyond_doubles_is_text() -> None:
    """Rule 13: JavaScript could not hold it."""
    assert field("number", "{sum: [$.a, 1]}", {"a": 2**53 - 1}) == str(2**53)


# -- count, integer, scale -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        ("{count: $.a}", [1, None, 3], 3),
        ("{count: $.a}", [], 0),
        ("{count: $.a}", None, None),
        ("{count: $.a}", "text", None),
        ("{count: $.a}", {"x": 1}, None),
        ("{integer: $.a}", "42", 42),
        ("{integer: $.a}", "007", 7),
        ("{integer: $.a}", 42, 42),
        ("{integer: $.a}", "9" * 18, None),
        ("{integer: $.a}", "9" * 19, None),
        ("{integer: $.a}", "4 2", None),
        ("{integer: $.a}", "٤٢", None),
        ("{integer: $.a}", "1_0", None),
        ("{integer: $.a}", "", None),
        ("{integer: $.a}", None, None),
        ("{integer: $.a}", True, None),
        ("{scale: $.a, by: 1000}", 3, 3000),
        ("{scale: $.a, by: 1000}", 1.2345, 1234),
        ("{scale: $.a, by: 0.001}", 1500, 2),
        ("{scale: $.a, by: 1000}", "3", None),
        ("{scale: $.a, by: 1000}", True, None),
        ("{scale: $.a, by: 1000}", None, None),
    ],
)
def test_whole_numbers_from_lists_texts_and_other_units(
    value: str, source: JsonValue, expected: JsonValue
) -> None:
    """What cannot be counted, read or multiplied is null."""
    if source == "9" * 18:  # read, and then text by rule 13, which an integer field refuses
        assert field("custom", f"{{x: {value}}}", {"a": source}) == {"x": "9" * 18}
    else:
        assert field("number", value, {"a": source}) == expected


@pytest.mark.parametrize("source", [b"1" + b"0" * 400, b"1e308"], ids=["integer", "decimal"])
def test_a_number_too_large_to_scale_is_null(source: bytes) -> None:
    """Whatever a sender writes, nothing raises and nothing is called inf."""
    assert custom("{scale: $.a, by: 10.5}", b'{"id":"1","a":' + source + b"}") is None


# -- lists -----------------------------------------------------------------------------------------

PEOPLE: JsonValue = [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}, {}, None, "x"]


def names(found: JsonValue) -> list[object]:
    """The names in a list of actors."""
    assert isinstance(found, list)
    return [person["name"] for person in found if isinstance(person, dict)]


@pytest.mark.parametrize(
    "value",
    [
        '{each: "$.l[*]", use: person}',
        '{each: "$.l[*]", as: {id: $.id, type: {const: user}, name: $.name}}',
    ],
)
def test_each_makes_objects_by_shape_or_in_place(value: str) -> None:
    """An item of which nothing is found makes none."""
    assert names(field("assignees", value, {"l": PEOPLE}, top=PERSON)) == ["Ada", None]


def test_each_takes_only_the_items_where_its_condition_holds() -> None:
    """``$`` of the condition is the item."""
    value = '{each: "$.l[*]", where: {$.name: {exists: true}}, use: person}'
    assert names(field("assignees", value, {"l": PEOPLE}, top=PERSON)) == ["Ada"]


def test_each_can_set_fields_of_the_shape() -> None:
    """``set`` goes over the shape, for every item."""
    value = '{each: "$.l[*]", use: person, set: {name: {const: Someone}, username: $.name}}'
    found = field("assignees", value, {"l": PEOPLE}, top=PERSON)
    assert names(found) == ["Someone", "Someone"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"l": ["a", 1, None, {"x": 1}, True]}, ["a", "1"]), ({"l": []}, []), ({}, None)],
)
@pytest.mark.parametrize("value", ['{each: "$.l[*]"}', '"$.l[*]"', "$.l"])
def test_a_list_of_texts_takes_what_is_text(
    value: str, body: dict[str, JsonValue], expected: JsonValue
) -> None:
    """Null if the list is not there, ``[]`` if it is empty; whole numbers become text."""
    if value == "$.l" or body:
        assert field("labels", value, body) == expected


def test_concat_joins_lists_and_is_null_only_if_all_are() -> None:
    """One list of several."""
    value = '{concat: ["$.a[*]", {split: $.b}, [{const: z}]]}'
    assert field("labels", value, {"a": ["x"], "b": "y y2"}) == ["x", "y", "y2", "z"]
    assert field("labels", '{concat: ["$.a[*]", "$.b[*]"]}', {}) is None
    assert field("labels", '{concat: ["$.a[*]", "$.b[*]"]}', {"b": []}) == []


def test_a_list_of_values_leaves_nulls_out_and_is_null_if_all_are() -> None:
    """``[]`` itself is an empty list."""
    assert field("labels", "[$.a, $.b]", {"b": "y"}) == ["y"]
    assert field("labels", "[$.a, $.b]", {}) is None
    assert field("labels", "[]", {}) == []
    assert field("labels", "null", {}) is None


# -- objects ---------------------------------------------------------------------------------------


def test_use_builds_a_shape_from_what_with_finds() -> None:
    """And is null if that is not there, or nothing in it is found."""
    value = "{use: person, with: $.by}"
    assert field("assignee", value, {"by": {"id": 7, "name": "Ada"}}, top=PERSON) == {
        "native": {}, "id": "7", "type": "user", "username": None, "name": "Ada", "email": None,
        "url": None,
    }  # fmt: skip
    assert field("assignee", value, {}, top=PERSON) is None
    assert field("assignee", value, {"by": {}}, top=PERSON) is None
    assert field("assignee", value, {"by": "Ada"}, top=PERSON) is None


def test_set_adds_and_replaces_fields_and_its_dollar_is_what_with_found() -> None:
    """``$$`` is still the body."""
    value = "{use: person, with: $.by, set: {name: $.alias, username: $$.login}}"
    body: dict[str, JsonValue] = {"by": {"id": 1, "alias": "A."}, "login": "ada"}
    found = field("assignee", value, body, top=PERSON)
    assert isinstance(found, dict)
    assert (found["name"], found["username"]) == ("A.", "ada")


def test_constants_alone_make_no_object() -> None:
    """An actor of nothing but its type would stand for someone."""
    assert field("assignee", "{type: {const: user}, name: $.n}", {}) is None
    assert field("assignee", "{type: {const: user}, name: {const: x}}", {"n": 1}) is None


def test_an_object_may_be_chosen_by_if_and_coalesce() -> None:
    """Each branch is an object."""
    value = (
        "{coalesce: [{use: person, with: $.a}, "
        "{if: {$.bot: true}, then: {type: {const: bot}, name: $.b}}]}"
    )
    found = field("assignee", value, {"bot": True, "b": "CI"}, top=PERSON)
    assert isinstance(found, dict)
    assert (found["type"], found["name"]) == ("bot", "CI")
    assert field("assignee", value, {"b": "CI"}, top=PERSON) is None


def test_same_takes_fields_of_the_same_name() -> None:
    """``same: [number, url]`` is ``number: $.number`` and so on."""
    data = events(ticket(same="[number, url]"), {"id": "1", "number": 4, "url": "https://a.b"})[0]
    assert (data.data["number"], data.data["url"]) == (4, "https://a.b")


# -- what a field is decides how its value is read -------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x", "x"), ("", ""), (5, "5"), (-1, "-1"), (2**70, str(2**70)), (1.5, None),
        (True, None), (None, None), ([], None), ({}, None),
    ],
)  # fmt: skip
def test_a_text_field_takes_text_and_whole_numbers(source: JsonValue, expected: JsonValue) -> None:
    """Integers of any size keep all their digits; nothing else converts."""
    assert field("description", "$.a", {"a": source}) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"5", 5), (b"5.0", 5), (b"5.5", None), (b'"5"', None), (b"true", None), (b"null", None),
        (b"9007199254740991", 9007199254740991), (b"9007199254740992", "9007199254740992"),
        (b"-9007199254740992", "-9007199254740992"), (b"[5]", None),
    ],
)  # fmt: skip
def test_an_integer_field_takes_whole_numbers(source: bytes, expected: JsonValue) -> None:
    """Beyond 2^53-1 they are text (rule 13)."""
    assert field("number", "$.a", b'{"id":"1","a":' + source + b"}") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [("Ada@Acme.Example", "ada@acme.example"), ("", None), (5, None), (None, None)],
)
def test_an_email_is_lower_case(source: JsonValue, expected: JsonValue) -> None:
    """It joins people across platforms."""
    found = field(
        "assignee", "{type: {const: user}, name: $.n, email: $.e}", {"n": "A", "e": source}
    )
    assert isinstance(found, dict)
    assert found["email"] == expected


@pytest.mark.parametrize(
    ("source", "expected", "native"),
    [
        ("bug", "bug", {"type": "bug"}),
        ("unknown", "unknown", {"type": "unknown"}),
        ("Bug", "unknown", {"type": "Bug"}),
        (5, "unknown", {"type": 5}),
        (True, "unknown", {"type": True}),
        (None, None, {}),
    ],
)
def test_a_path_on_an_enum_passes_only_a_member(
    source: JsonValue, expected: JsonValue, native: JsonValue
) -> None:
    """Anything else is unknown; the source's own value is kept, mapped or not."""
    data = events(ticket(type="$.a"), {"id": "1", "a": source})[0].data
    assert (data["type"], data["native"]) == (expected, native)


def test_an_enum_filled_by_a_constant_has_no_source_value() -> None:
    """``native`` holds what came from the payload; the mapping may state it."""
    data = events(ticket(type="{const: bug}"), {"id": "1"})[0].data
    assert (data["type"], data["native"]) == ("bug", {})
    stated = events(ticket(type="{const: bug}", native="{type: $.k}"), {"id": "1", "k": "Defect"})
    assert stated[0].data["native"] == {"type": "Defect"}


def test_a_value_that_does_not_fit_is_null_and_counted() -> None:
    """An optional field; a required one quarantines (test_normalize)."""
    outcome = run(ticket(description="$.a", number="$.b"), {"id": "1", "a": [], "b": "x"})
    assert isinstance(outcome, Emitted)
    assert sorted(outcome.misfits) == ["description", "number"]


def test_a_key_of_digits_alone_gets_an_underscore() -> None:
    """Rule 13: JavaScript would sort it to the front."""
    data = events(ticket(custom="{5: $.a, 5a: $.a}", native="{7: $.a}"), {"id": "1", "a": 1})[
        0
    ].data
    assert (data["custom"], data["native"]) == ({"_5": 1, "5a": 1}, {"_7": 1})


@pytest.mark.parametrize(
    ("value", "top"),
    [("5", ""), ("{const: 5}", ""), ("{lookup: $.id, table: t}", "tables: {t: {'1': 5}}\n")],
)
def test_a_whole_number_stated_for_a_text_field_becomes_text(value: str, top: str) -> None:
    """As one from the payload does; the model takes nothing else."""
    assert field("title", value, {}, top=top) == "5"


def test_an_integer_field_takes_no_decimal_however_large() -> None:
    """A model's integer is an int or text."""
    assert field("number", "$.a", b'{"id":"1","a":9.5e35}') in ("9.5e35", None)


@pytest.mark.parametrize("value", ["9007199254740993", "{const: 9007199254740993}"])
def test_a_literal_obeys_rule_13_too(value: str) -> None:
    """A number that JavaScript cannot hold is text, wherever it comes from."""
    assert custom(value, {"id": "1"}) == "9007199254740993"


@pytest.mark.parametrize(("value", "written"), [("1e22", b"1e+22"), ("{const: 1e16}", b'"1e+16"')])
def test_a_literal_decimal_is_written_as_ecmascript_writes_it(value: str, written: bytes) -> None:
    """Or a receiver that signs over JSON.stringify finds other bytes."""
    (event,) = events(ticket(custom=f"{{x: {value}}}"), {"id": "1"})
    assert b'"custom":{"x":' + written + b"}" in event.body


def test_the_default_of_a_lookup_is_a_value_on_an_enum_field_too() -> None:
    """docs/mappings.md says ``default: value``, and a bare string is always a path."""
    value = "{lookup: $.p, table: p, default: {const: low}}"
    assert field("priority", value, {"p": "Odd"}, top=P) == "low"


def test_m3_a_list_is_not_made_much_longer_than_it_may_be() -> None:
    """Of ten thousand items those that fit are made, and one more, so that the cut is told."""
    value = '{each: "$.l[*]", as: $.name}'
    fit: list[JsonValue] = [{"name": "ops"}] * 251
    misfit: list[JsonValue] = [{"name": {"no": "text"}}] * 10_000

    few = run(ticket(labels=value), {"id": "1", "l": fit[:250] + misfit})
    many = run(ticket(labels=value), {"id": "1", "l": fit + misfit})

    assert isinstance(few, Emitted)
    assert isinstance(many, Emitted)
    assert (len(few.misfits) > 0, len(many.misfits)) == (True, 0)
    (event,) = many.events
    assert event.data["labels"] == ["ops"] * 250
    assert "/labels" in str(event.data["truncated"])
