"""Every operator of a condition, against values of every kind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.mapping.conditions import compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.problems import Source
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import parse
from onehook.core.model import Headers


def holds(
    text: str,
    item: JsonValue,
    *,
    body: JsonValue = None,
    headers: dict[str, str] | None = None,
    settings: dict[str, str] | None = None,
) -> bool:
    """Whether the condition *text* holds of *item*."""
    report = Report()
    node = parse(Source("c.yaml", f"when: {text}\n")).items["when"]
    condition = compile_condition(node, report)
    assert report.problems == []
    context = Context(body, Headers((headers or {}).items()), settings or {}, "p", "h", "keep")
    return condition(item, context)


@pytest.mark.parametrize(
    ("test", "same", "others"),
    [
        ("opened", ["opened", ["a", "opened"]], ["Opened", "", None, 1, [], {"opened": 1}]),
        ("''", [""], [None, " ", [], 0, False]),
        ("1", [1, 1.0], ["1", True, None, [1], 2]),
        ("0", [0, 0.0], [False, None, "", "0"]),
        ("1.5", [1.5], [1, 2, "1.5"]),
        ("true", [True], [1, "true", None, [True]]),
        ("false", [False], [0, "", None, "false"]),
        ("'1'", ["1", ["1"]], [1, True]),
        ("null", [None], [0, "", False, [], {}, "null"]),
        ("[a, b, 1]", ["a", "b", 1, ["b"]], ["c", True, None, "1"]),
        ("[a, null]", ["a", None], ["", "b"]),
        ("{exists: true}", [0, "", False, [], {}, "x"], [None]),
        ("{exists: false}", [None], [0, "", False, []]),
        ("{not: a}", ["b", None, 1], ["a"]),
        ("{not: [a, b]}", ["c", None], ["a", "b"]),
        ("{not: {exists: true}}", [None], [0, ""]),
        ("{not: null}", ["", 0], [None]),
        ("{matches: '^v[0-9]+'}", ["v1", "v22x"], ["xv1", "v", None, 1, ["v1"], {}]),
        ("{matches: x}", ["axb"], ["X"]),
        ("{matches: '^.é$'}", ["üé", "日é"], ["é", "aüé"]),
        ("{matches: ''}", ["", "anything"], [None, 1]),
        ("{gt: 5}", [6, 5.1, 2**70], [5, 4, "6", True, None, [6]]),
        ("{lt: 5}", [4, -1, 4.9], [5, 6, "4", False, None]),
        ("{gt: m}", ["n", "mm"], ["m", "a", 5, None]),
        ("{lt: '2026-01-01'}", ["2025-12-31"], ["2026-01-01", 5, None]),
        ("{gt: 0, lt: 10}", [5], [0, 10, -1]),
        ("{exists: true, not: {matches: '^0+$'}}", ["f00"], ["000", None]),
        ("{}", [None, 1, "x", [], {}], []),
    ],
)
def test_each_test_of_a_value(test: str, same: list[JsonValue], others: list[JsonValue]) -> None:
    """Equal means equal and of the same kind; a list of texts holds its members."""
    assert [v for v in same if not holds(f"{{$.x: {test}}}", {"x": v})] == []
    assert [v for v in others if holds(f"{{$.x: {test}}}", {"x": v})] == []


def test_present_tells_null_from_absent() -> None:
    """An update that sets a field to null names it; one that leaves it alone does not."""
    assert holds("{$.x: {present: true}}", {"x": None})
    assert holds("{$.x: {present: true}}", {"x": 1})
    assert not holds("{$.x: {present: true}}", {})
    assert holds("{$.x: {present: false}}", {})
    assert holds("{$.x: {present: true, exists: false}}", {"x": None})
    assert not holds("{$.x: {present: true, exists: false}}", {})
    assert not holds("{header.x: {present: true}}", {})


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a", "a", True), ("a", "b", False), (1, 1.0, True), (1, True, False), (0, False, False),
        ("1", 1, False), (None, None, False), (None, "a", False), ([1], [1], True),
        ({"a": 1}, {"a": 1}, True), ("a", ["a"], False), (True, True, True),
    ],
)  # fmt: skip
def test_equals_compares_with_what_stands_elsewhere(
    left: JsonValue, right: JsonValue, *, expected: bool
) -> None:
    """Of one kind, whole; and nothing equals null."""
    assert holds("{$.x: {equals: $.y}}", {"x": left, "y": right}) is expected
    assert holds("{$.x: {not: {equals: $.y}}}", {"x": left, "y": right}) is not expected
    assert holds("{$.x: {equals: $$.y}}", {"x": left}, body={"y": right}) is expected


def test_equals_looks_at_headers_and_settings_too() -> None:
    """Whatever a condition can look at."""
    headers, settings = {"X-Team": "blue"}, {"team": "blue"}
    assert holds("{$.t: {equals: header.x-team}}", {"t": "blue"}, headers=headers)
    assert holds("{header.x-team: {equals: setting.team}}", {}, headers=headers, settings=settings)
    assert not holds("{$.t: {equals: $.gone}}", {"t": "blue"})
    assert not holds("{$.gone: {equals: $.lost}}", {})


@pytest.mark.parametrize(
    ("test", "code", "says"),
    [
        ("{equals: 5}", "E101", "names a path such as $.a.b"),
        ("{equals: y}", "E101", "'y' is not a path"),
        ("{equals: $..y}", "E102", "'..' is not allowed"),
        ("{equals: let.y}", "E104", "there is no value named 'y'"),
        ("{present: 1}", "E106", "present: is true or false"),
        ("{equal: $.y}", "E002", "there is no test 'equal'"),
    ],
)
def test_a_wrong_test_is_refused(test: str, code: str, says: str) -> None:
    """With its code, where it stands."""
    report = Report()
    node = parse(Source("c.yaml", f"when: {{$.x: {test}}}\n")).items["when"]
    compile_condition(node, report)
    (problem,) = report.problems
    assert (problem.code, problem.place.line) == (code, 0)
    assert says in problem.message


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("null", True), ("{exists: false}", True), ("{exists: true}", False), ("{not: a}", True),
        ("a", False), ("1", False), ("false", False), ("[a, null]", True), ("{gt: 0}", False),
        ("{lt: 0}", False), ("{matches: ''}", False), ("{not: {gt: 0}}", True),
    ],
)  # fmt: skip
def test_what_is_absent_counts_as_null(test: str, *, expected: bool) -> None:
    """Of a path, a header and a setting alike."""
    assert holds(f"{{$.x.y: {test}}}", {"x": 5}) is expected
    assert holds(f"{{header.x-y: {test}}}", {}) is expected
    assert holds(f"{{setting.y: {test}}}", {}) is expected


def test_all_tests_of_a_condition_are_anded() -> None:
    """An empty condition holds always."""
    text = "{$.a: 1, $.b: 2, $.c: 3}"
    assert holds(text, {"a": 1, "b": 2, "c": 3})
    for missing in "abc":
        assert not holds(text, {k: v for k, v in {"a": 1, "b": 2, "c": 3}.items() if k != missing})
    assert holds("{}", None)
    assert holds("{$.a: 1, $.b: 2}", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("text", "item", "expected"),
    [
        ("{any: [{$.a: 1}, {$.b: 2}]}", {"b": 2}, True),
        ("{any: [{$.a: 1}, {$.b: 2}]}", {"a": 2, "b": 1}, False),
        ("{$.c: 3, any: [{$.a: 1}, {$.b: 2}]}", {"b": 2}, False),
        ("{not: {$.a: 1}}", {"a": 2}, True),
        ("{not: {$.a: 1, $.b: 2}}", {"a": 1, "b": 3}, True),
        ("{not: {$.a: 1, $.b: 2}}", {"a": 1, "b": 2}, False),
        ("{not: {any: [{$.a: 1}, {$.b: 2}]}}", {}, True),
        ("{not: {not: {$.a: 1}}}", {"a": 1}, True),
        ("{any: [{not: {$.a: {exists: true}}}, {$.a: {gt: 5}}]}", {"a": 6}, True),
    ],
)
def test_any_and_not_combine(text: str, item: JsonValue, *, expected: bool) -> None:
    """To any depth."""
    assert holds(text, item) is expected


def test_a_header_is_named_without_case() -> None:
    """As HTTP has it; its value keeps its case."""
    headers = {"X-GitHub-Event": "push"}
    assert holds("{header.x-github-event: push}", {}, headers=headers)
    assert holds("{header.X-GitHub-Event: push}", {}, headers=headers)
    assert not holds("{header.x-github-event: Push}", {}, headers=headers)


def test_a_setting_is_compared_as_text() -> None:
    """An integration's settings are texts."""
    assert holds("{setting.mode: bearer}", {}, settings={"mode": "bearer"})
    assert not holds("{setting.mode: 1}", {}, settings={"mode": "1"})


def test_two_dollars_look_at_the_body() -> None:
    """And one at the item."""
    assert holds("{$$.a: 1, $.a: 2}", {"a": 2}, body={"a": 1})


def test_a_wildcard_path_is_a_list_and_holds_its_texts() -> None:
    """One label of many."""
    item: JsonValue = {"labels": [{"name": "bug"}, {"name": "urgent"}]}
    assert holds('{"$.labels[*].name": bug}', item)
    assert holds('{"$.labels[*].name": [x, urgent]}', item)
    assert not holds('{"$.labels[*].name": feature}', item)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("{$.x: 10.1}", b"10.1"),
        ("{$.x: 10.1}", b"10.10"),
        ("{$.x: 1}", b"1.0"),
        ("{$.x: 100}", b"1e2"),
    ],
)
def test_decimals_compare_by_value(text: str, number: bytes) -> None:
    """However the sender wrote them."""
    assert holds(text, decode(b'{"x":' + number + b"}"))


@pytest.mark.parametrize("value", ["a\udcff", "\udcff", "é\udcc3"])
def test_a_header_that_is_no_utf_8_is_matched_without_raising(value: str) -> None:
    """RE2 takes UTF-8 only."""
    assert holds("{header.x: {matches: '.'}}", {}, headers={"x": value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text("ab1 é", max_size=4)
TESTS = st.one_of(
    SCALARS,
    st.lists(SCALARS, min_size=1, max_size=3),
    st.fixed_dictionaries({"exists": st.booleans()}),
    st.fixed_dictionaries({"gt": st.integers() | st.text("ab", max_size=2)}),
    st.fixed_dictionaries({"lt": st.integers() | st.text("ab", max_size=2)}),
    st.fixed_dictionaries({"matches": st.sampled_from(["", "a", "^b", "[0-9]+$", "é"])}),
)


@settings(max_examples=300)
@given(TESTS, JSON)
def test_a_test_and_its_negation_never_agree(test: object, value: JsonValue) -> None:
    """For any value of any kind, and neither raises."""
    text = encode(test).decode()
    item: JsonValue = {"x": value}
    assert holds(f'{{"$.x": {text}}}', item) is not holds(f'{{"$.x": {{"not": {text}}}}}', item)
    assert holds(f'{{"$.x": {text}}}', item) is not holds(f'{{not: {{"$.x": {text}}}}}', item)
