"""The tests in a mapping file as webhooks: what each holds, and one for each row of a table."""

import json

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import SampleError, samples
from onehook.core.mapping.testing import normalize_sample, run
from tests.core.mapping.building import ticket

TABLES = """\
tables:
  priority: {1: critical, 2: high, "": null}
  label: {1: bug, Crash: bug, true: task}
"""
PRIORITY = "{table: priority, at: $.p, field: $.data.priority}"


def no_file(name: str) -> bytes:
    """A folder without files."""
    raise FileNotFoundError(2, "No such file", name)


def mapping(test: str, **fields: str) -> CompiledMapping:
    """A mapping of tickets with one test; ``p`` is the priority, by the table of that name."""
    chosen = {"priority": "{lookup: $.p, table: priority}", **fields}
    return ticket(f"{TABLES}tests:\n  - {test}\n", rest="when: {$.id: {exists: true}}", **chosen)


def bodies(test: str, **fields: str) -> list[JsonValue]:
    """The bodies that the one test stands for."""
    return [json.loads(sample.body) for sample in samples(mapping(test, **fields), no_file)]


def problems(test: str, **fields: str) -> dict[str, list[str]]:
    """What each row of the one test says; nothing of those that passed."""
    compiled = mapping(test, **fields)
    results = [run(compiled, sample) for sample in samples(compiled, no_file)]
    return {r.sample.name: list(r.problems) for r in results if r.problems}


# -- one webhook ---------------------------------------------------------------------------------


def test_headers_have_any_case_and_json_is_the_default_type() -> None:
    """A form body says so."""
    compiled = mapping(
        "{name: n, headers: {X-Abc: 1, Content-Type: application/x-www-form-urlencoded},"
        " body_text: 'payload=%7B%22id%22%3A1%7D', expect: [{}]}"
    )
    (sample,) = samples(compiled, no_file)
    assert dict(sample.headers) == {
        "content-type": "application/x-www-form-urlencoded",
        "x-abc": "1",
    }
    assert isinstance(normalize_sample(compiled, sample), Emitted)


def test_a_body_file_is_loaded_byte_for_byte() -> None:
    """By whoever knows where files lie."""
    compiled = mapping("{name: n, body_file: samples/a.json, expect: [{}]}")
    asked: list[str] = []

    def load(name: str) -> bytes:
        asked.append(name)
        return b'{"id": 1,  "t": "x"}'

    (sample,) = samples(compiled, load)
    assert (asked, sample.body) == (["samples/a.json"], b'{"id": 1,  "t": "x"}')


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("{body: {}, expect: ignored}", "a test needs name: and expect:"),
        ("{name: n, body: {}}", "a test needs name: and expect:"),
        ("{name: n, boddy: {}, expect: ignored}", "a test has no boddy; did you mean body?"),
        ("{name: n, body_file: gone.json, expect: ignored}", "gone.json"),
        ("{name: n, body_file: [a], expect: ignored}", "body_file: is a file name"),
    ],
)
def test_a_test_that_cannot_be_read_says_where(test: str, says: str) -> None:
    """File, line and column."""
    with pytest.raises(SampleError) as caught:
        samples(mapping(test), no_file)
    assert says in str(caught.value)
    assert str(caught.value).startswith("acme.yaml:")


# -- rows ----------------------------------------------------------------------------------------


def test_rows_makes_a_webhook_of_each_row() -> None:
    """The key stands where the payload has it; the rest of the body is as written."""
    assert bodies(f"{{name: n, body: {{id: 7, a: b}}, rows: {PRIORITY}}}") == [
        {"id": 7, "a": "b", "p": "1"},
        {"id": 7, "a": "b", "p": "2"},
        {"id": 7, "a": "b", "p": ""},
    ]


def test_several_tables_share_a_body() -> None:
    """A list of rows: each is tried alone, the others' places stay as they were written."""
    test = (
        f"{{name: n, body: {{id: 7, p: 1, t: [{{l: x}}]}},"
        f" rows: [{PRIORITY}, {{table: label, at: '$.t[0].l', field: $.data.type}}]}}"
    )
    found = bodies(test, type="{lookup: '$.t[0].l', table: label}")
    assert len(found) == 6
    assert found[-2] == {"id": 7, "p": 1, "t": [{"l": "Crash"}]}


@pytest.mark.parametrize(
    ("before", "keys"),
    [
        ("9", [1, "Crash", "true"]),
        ("false", ["1", "Crash", True]),
        ("x", ["1", "Crash", "true"]),
        ("null", ["1", "Crash", "true"]),
    ],
)
def test_a_key_is_of_the_kind_that_stood_there(before: str, keys: list[JsonValue]) -> None:
    """YAML's keys are texts, but a payload may hold numbers and truth values."""
    rows = "{table: label, at: $.k, field: $.data.type}"
    assert bodies(f"{{name: n, body: {{id: 7, k: {before}}}, rows: {rows}}}") == [
        {"id": 7, "k": key} for key in keys
    ]


def test_maps_on_the_way_are_made() -> None:
    """As most samples leave out, or say null, what they do not need."""
    rows = "{table: label, at: $.a.b.c, field: $.data.type, only: [1]}"
    assert bodies(f"{{name: n, body: {{id: 7, a: null}}, rows: {rows}}}") == [
        {"id": 7, "a": {"b": {"c": "1"}}}
    ]


def test_a_header_can_hold_the_key() -> None:
    """``at: header.x-kind``."""
    test = "{name: n, body: {id: 7}, rows: {table: label, at: header.X-Kind, field: $.data.type}}"
    found = samples(mapping(test, type="{lookup: {header: X-Kind}, table: label}"), no_file)
    assert [dict(sample.headers)["x-kind"] for sample in found] == ["1", "Crash", "true"]


def test_only_some_keys_and_put_in_words() -> None:
    """``only`` for rows that another test reaches, ``put`` for keys that are part of a text."""
    rows = "{table: label, at: $.k, put: 'KIND-{{ key }}', field: $.data.type, only: [Crash]}"
    (found,) = bodies(f"{{name: n, body: {{id: 7}}, rows: {rows}}}")
    assert found == {"id": 7, "k": "KIND-Crash"}


def test_rows_that_come_out_as_the_table_says_pass() -> None:
    """Each row is looked up, its value stands in the field, null as well."""
    assert problems(f"{{name: n, body: {{id: 7}}, rows: {PRIORITY}}}") == {}


def test_a_row_that_comes_out_as_something_else_fails() -> None:
    """With the value expected, and the value found."""
    other = "{if: {$.p: '2'}, then: {const: low}, else: {lookup: $.p, table: priority}}"
    found = problems(f"{{name: n, body: {{id: 7}}, rows: {PRIORITY}}}", priority=other)
    assert found == {
        "n [priority: 2]": [
            "the row '2' of priority was not looked up",
            '$.data.priority: expected "high", got "low"',
        ]
    }


def test_a_row_that_is_not_looked_up_fails_though_the_value_is_right() -> None:
    """A constant that happens to be the same proves nothing of the table."""
    test = f"{{name: n, body: {{id: 7}}, rows: {PRIORITY.replace('}', ', only: [2]}')}}}"
    assert problems(test, priority="{const: high}") == {
        "n [priority: 2]": ["the row '2' of priority was not looked up"]
    }


def test_a_row_fails_where_anything_else_is_unmapped() -> None:
    """A sample whose other values nobody mapped is no good sample."""
    test = f"{{name: n, body: {{id: 7, t: huh}}, rows: {PRIORITY.replace('}', ', only: [1]}')}}}"
    assert problems(test, type="{lookup: $.t, table: label}") == {
        "n [priority: 1]": ["unmapped: type = 'huh'"]
    }


def test_a_row_fails_where_there_is_no_event() -> None:
    """Ignored or quarantined: the reason is said."""
    test = f"{{name: n, body: {{x: 7}}, rows: {PRIORITY.replace('}', ', only: [1]}')}}}"
    ((_, (problem,)),) = problems(test).items()
    assert problem.startswith("expected an event, got none: no rule of acme")


def test_a_field_that_no_event_has_fails() -> None:
    """A slip in ``field`` is not a pass."""
    rows = "{table: priority, at: $.p, field: $.data.prio, only: [1]}"
    found = problems(f"{{name: n, body: {{id: 7}}, rows: {rows}}}")
    assert found == {"n [priority: 1]": ["no event has $.data.prio"]}


def test_an_expectation_may_stand_for_the_field() -> None:
    """Of tables whose values never leave the mapping: that the row is looked up, and what comes."""
    rows = "{table: label, at: $.k, only: [Crash, 1]}"
    title = "{if: {let.kind: bug}, then: {const: Broken}, else: {const: Fine}}"
    top = "let: {kind: {lookup: $.k, table: label}}\n"
    test = f"{{name: n, body: {{id: 7}}, rows: {rows}, expect: [{{data: {{title: Broken}}}}]}}"
    compiled = ticket(f"{TABLES}{top}tests:\n  - {test}\n", title=title)
    results = [run(compiled, sample) for sample in samples(compiled, no_file)]
    assert [list(r.problems) for r in results] == [[], []]


def test_expect_holds_for_every_row() -> None:
    """It says what all of them have in common."""
    test = f"{{name: n, body: {{id: 7}}, rows: {PRIORITY}, expect: [{{data: {{title: U}}}}]}}"
    assert problems(test) == {
        f"n [priority: {key}]": ['/0/data/title: expected "U", got "T"'] for key in ("1", "2", "")
    }


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("⟨⟩priority", "rows: is {table, at, field}"),
        ("{table: ⟨⟩prioriti, at: $.p, field: $.a}", "no table 'prioriti'; did you mean"),
        ("⟨⟩{at: $.p, field: $.a}", "rows: needs table:"),
        ("⟨⟩{table: priority, at: $.p}", "rows: needs field:"),
        ("{table: priority, ⟨⟩to: $.p, field: $.a}", "rows: has no to"),
        ("{table: priority, at: ⟨⟩p, field: $.a}", "at: is a path of names"),
        ("{table: priority, at: ⟨⟩'$.p[*]', field: $.a}", "at: is a path of names"),
        ("{table: priority, at: ⟨⟩$..p, field: $.a}", "'..' is not allowed"),
        ("{table: priority, at: ⟨⟩'$.q[0]', field: $.a}", "no such place in the body"),
        ("{table: priority, at: $.p, field: ⟨⟩data.x}", "field: is a path of the event"),
        ("{table: priority, at: $.p, field: $.a, only: ⟨⟩1}", "only: is a list"),
        ("{table: priority, at: $.p, field: $.a, only: [⟨⟩9]}", "has no row '9'"),
        ("{table: priority, at: $.p, field: $.a, put: ⟨⟩'{{ item }}'}", "no variable here"),
    ],
)
def test_rows_that_cannot_be_read_say_where(rows: str, says: str) -> None:
    """The place of what is wrong, not that of the test."""
    before = "{name: n, body: {id: 7}, rows: "
    with pytest.raises(SampleError) as caught:
        samples(mapping(f"{before}{rows.replace('⟨⟩', '')}}}"), no_file)
    assert says in str(caught.value)
    place = str(caught.value).split(": ", 1)[0]
    assert int(place.rpartition(":")[2]) == 5 + len(before) + rows.index("⟨⟩")
