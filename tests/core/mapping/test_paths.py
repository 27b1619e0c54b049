"""The subset of RFC 9535: what each path finds, and what is refused at which column."""

from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, decode
from onehook.core.mapping.paths import (
    MAX_LENGTH,
    MAX_STEPS,
    MISSING,
    PathError,
    compile_path,
    is_path,
)

BODY: JsonValue = {
    "a": {"b": {"c": 1}, "list": [10, 20, 30, 40]},
    "x-y": "dash",
    "x y": "space",
    "it's": "quote",
    "é": "accent",
    "null": None,
    "true": True,
    "0": "digit",
    "things": [
        {"id": 1, "field": "status", "tags": ["p", "q"], "n": {"m": "x"}},
        {"id": 2, "field": "title", "tags": [], "n": None},
        {"id": "3", "field": "status", "x-y": 5, "on": True},
        "no object",
        {"id": 2.5, "field": None},
    ],
    "map": {"one": {"v": 1}, "two": {"v": 2}, "three": {}},
    "nested": [[1, 2], [3], []],
}


def found(path: str) -> object:
    """What *path* finds in BODY."""
    return compile_path(path).lookup(BODY)


def ids(path: str) -> list[object]:
    """The ids of the things that *path* finds."""
    things = found(path)
    assert isinstance(things, list)
    return [thing["id"] if isinstance(thing, dict) else thing for thing in things]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", BODY),
        ("$$", BODY),
        ("$.a.b.c", 1),
        ("$['a']['b'].c", 1),
        ('$["x-y"]', "dash"),
        ("$.x-y", "dash"),
        ("$['x y']", "space"),
        (r"$['it\'s']", "quote"),
        ("$.é", "accent"),
        ("$['0']", "digit"),
        ("$.null", None),
        ("$.true", True),
        ("$.a.list[0]", 10),
        ("$.a.list[-1]", 40),
        ("$.a.list[-4]", 10),
        ("$.things[0].tags[1]", "q"),
        ("$.a.list[*]", [10, 20, 30, 40]),
        ("$.a.list.*", [10, 20, 30, 40]),
        ("$.a.list[1:3]", [20, 30]),
        ("$.a.list[:2]", [10, 20]),
        ("$.a.list[-2:]", [30, 40]),
        ("$.a.list[::2]", [10, 30]),
        ("$.a.list[9:]", []),
        ("$.things[*].id", [1, 2, "3", 2.5]),
        ("$.things[*].n.m", ["x"]),
        ("$.things[*].n", [{"m": "x"}, None]),
        ("$.map.*.v", [1, 2]),
        ("$.map[*].v", [1, 2]),
        ("$.nested[*][*]", [1, 2, 3]),
        ("$.nested[*][0]", [1, 3]),
        ("$.things[*].tags[*]", ["p", "q"]),
        ("$.things[0:2].id", [1, 2]),
        ("$.things[?@.field == 'status'].id", [1, "3"]),
    ],
)
def test_a_path_finds(path: str, expected: JsonValue) -> None:
    """Names, indexes, wildcards, slices and filters, in each spelling."""
    assert found(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "$.nothing",
        "$.a.nothing.more",
        "$.a.b.c.d",
        "$.x-y.z",
        "$.null.a",
        "$.a.list[4]",
        "$.a.list[-5]",
        "$.a[0]",
        "$.a.list.a",
        "$.a.list['0']",
        "$[0]",
        "$.true[*]",
        "$.x-y[*]",
        "$.x-y[0]",
        "$.a.b[0:1]",
        "$.a[?@.b == 1]",
        "$.nothing[*].a",
    ],
)
def test_a_path_that_leads_nowhere_is_missing(path: str) -> None:
    """Whatever stands in the way, nothing raises; a text is no list of characters."""
    assert found(path) is MISSING


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("@.field == 'status'", [1, "3"]),
        ('@.field == "title"', [2]),
        ("@.field != 'status'", [2, "no object", 2.5]),
        ("@.id == 2", [2]),
        ("@.id == '3'", ["3"]),
        ("@.id > 1", [2, 2.5]),
        ("@.id >= 2.5", [2.5]),
        ("@.id < 2", [1]),
        ("@.id <= 2", [1, 2]),
        ("@.on == true", ["3"]),
        ("@.n.m == 'x'", [1]),
        ("@.x-y == 5", ["3"]),
        ("@['x-y'] == 5", ["3"]),
        ("@.n", [1, 2]),
        pytest.param("@.field == 'status' && @.id == 1", [1]),
        pytest.param("(@.field == 'status' && @.id == 1)", [1]),
        ("(@.id == 2)", [2]),
        ("@.id == -1", []),
    ],
)
def test_a_filter_keeps_what_compares(test: str, expected: list[object]) -> None:
    """By value and kind, as RFC 9535 §2.3.5.2.2 compares; what is no object never matches ==."""
    assert ids(f"$.things[?{test}]") == expected


def test_a_filter_does_not_convert_between_kinds() -> None:
    """``1`` is neither ``"1"`` nor ``true`` nor 1.9."""
    body = decode(b'{"l":[{"a":"1"},{"a":1.9},{"a":true},{"a":1},{"a":1e400},{"a":null}]}')
    assert compile_path("$.l[?@.a == 1]").lookup(body) == [{"a": 1}]


def test_a_filter_over_odd_numbers_does_not_raise() -> None:
    """A number beyond doubles, a null, a list: compared, and no match."""
    body = decode(b'{"l":[{"a":1e400},{"a":null},{"a":[]},{"a":{}},{"a":"x"},{"a":3}]}')
    assert compile_path("$.l[?@.a < 5]").lookup(body) == [{"a": 3}]


def test_a_filter_may_name_any_field() -> None:
    """A field called ``where`` is as good as another."""
    body: JsonValue = {"l": [{"where": "a"}, {"where": "b"}]}
    assert compile_path("$.l[?@.where == 'a']").lookup(body) == [{"where": "a"}]


@pytest.mark.parametrize(
    ("path", "column", "says"),
    [
        ("$..a", 1, "'..' is not allowed"),
        ("$.a..b", 3, "'..' is not allowed"),
        ("$.", 2, "expected a name"),
        ("$.1a", 2, "expected a name"),
        ("$.a.", 4, "expected a name"),
        ("$. a", 2, "expected a name"),
        ("$a", 1, "expected '.' or '['"),
        ("$.a b", 3, "expected '.' or '['"),
        ("$.a + $.b", 3, "expected '.' or '['"),
        ("$.a|$.b", 3, "expected '.' or '['"),
        ("$.length()", 8, "functions are not allowed"),
        ("$[", 2, "expected an index"),
        ("$[]", 2, "expected an index"),
        ("$[a]", 2, "expected an index"),
        ("$['a'", 5, "expected ']'"),
        ("$['a", 2, "expected an index"),
        ("$[01]", 3, "expected ']'"),
        ("$[1.5]", 3, "expected ']'"),
        ("$[0,1]", 3, "expected ']'"),
        ("$['a','b']", 5, "expected ']'"),
        ("$[::-1]", 2, "goes forward"),
        ("$[::0]", 2, "goes forward"),
        ("$[?]", 3, "expected a comparison"),
        ("$[?a == 1]", 3, "expected a comparison"),
        ("$[?@.a == ]", 7, "expected ']'"),
        ("$[?@.a == x]", 7, "expected ']'"),
        ("$[?@.a == 'x' || @.b == 'y']", 14, "expected ']'"),
        ("$[?!@.a]", 3, "expected a comparison"),
        ("$[?length(@.a) > 1]", 3, "expected a comparison"),
        ("$[?@..a == 1]", 3, "expected a comparison"),
        ("$[?(@.a == 1]", 12, "expected ')' or '&&'"),
        ("$[?@.a == $.b]", 7, "expected ']'"),
        ("$`this`", 1, "expected '.' or '['"),
        ("$$$", 2, "expected '.' or '['"),
    ],
)
def test_what_is_outside_the_subset_is_refused_with_its_column(
    path: str, column: int, says: str
) -> None:
    """No recursion, function, arithmetic, union, negation or script; the column counts from 0."""
    with pytest.raises(PathError) as caught:
        compile_path(path)
    assert caught.value.column == column
    assert says in caught.value.message


def test_a_path_is_at_most_256_characters_and_64_steps_long() -> None:
    """threats.md M3: the bound itself is fine."""
    compile_path("$" + ".a" * MAX_STEPS)
    compile_path("$." + "a" * (MAX_LENGTH - 2))
    with pytest.raises(PathError, match=f"more than {MAX_STEPS} steps"):
        compile_path("$" + ".a" * (MAX_STEPS + 1))
    with pytest.raises(PathError, match=f"longer than {MAX_LENGTH}"):
        compile_path("$." + "a" * (MAX_LENGTH - 1))


@pytest.mark.parametrize(
    ("text", "is_one"), [("$.a", True), ("$", True), ("a.b", False), ("", False), (" $.a", False)]
)
def test_a_path_begins_with_a_dollar(text: str, *, is_one: bool) -> None:
    """Everything else is told to say const."""
    assert is_path(text) is is_one


def test_two_dollars_start_at_the_body() -> None:
    """And one at the current item: the path says which."""
    assert (compile_path("$$.a").absolute, compile_path("$.a").absolute) == (True, False)


def test_a_path_knows_whether_it_can_find_several() -> None:
    """Wildcards, slices and filters give lists; an index one value."""
    many = [p for p in ("$.a", "$[0]", "$[*]", "$.*", "$[0:1]", "$[?@.a]") if compile_path(p).many]
    assert many == ["$[*]", "$.*", "$[0:1]", "$[?@.a]"]


def test_values_tells_an_empty_list_from_none() -> None:
    """``each`` needs both: null if the list is not there, ``[]`` if it is empty."""
    body: JsonValue = {"l": [], "n": None, "one": 5}
    assert compile_path("$.l[*]").values(body) == []
    assert compile_path("$.m[*]").values(body) is None
    assert compile_path("$.n").values(body) is None
    assert compile_path("$.one").values(body) == [5]


@pytest.mark.parametrize(("path", "name"), [(r"$['\u0041']", "A"), (r"$['\n']", "\n")])
def test_a_quoted_name_has_the_escapes_of_the_rfc(path: str, name: str) -> None:
    r"""``\uXXXX`` and ``\n`` as in JSON, or a refusal; not another name."""
    assert compile_path(path).lookup({name: 1}) == 1


@pytest.mark.parametrize(
    "path",
    ["$.l[*]" + "[*]" * 40, "$.l[?@.a == 'x'].c", "$.l[::1].a", "$" + ".*" * 60],
)
def test_m3_the_worst_path_over_the_worst_body_ends_soon(path: str) -> None:
    """A hundred thousand nodes are walked once; the bound is generous, its growth is not."""
    body: JsonValue = {"l": [{"a": "x", "b": 1, "c": [n]} for n in range(20_000)]}
    compiled = compile_path(path)
    started = perf_counter()
    compiled.lookup(body)
    assert perf_counter() - started < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "x y", "é", ""]), inner, max_size=4)
    ),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [".a", ".b", "['x y']", "[0]", "[-1]", "[*]", ".*", "[0:2]", "[1:]", "[?@.a]", "[?@.a == 1]",
     "[?@.b > 'x']", "[?@.a != null]", "[?@.b == true]", "..", "[", "()", "[?@.a < 1.5]", "[?"]
)  # fmt: skip


def column_of(path: str) -> int:
    """Where *path* is wrong; 0 if it is not."""
    try:
        compile_path(path)
    except PathError as error:
        return error.column
    return 0


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="$.[]*?@'\"=<>!&|()ab01: -\\`", max_size=40))
def test_any_text_after_a_dollar_compiles_or_is_refused(text: str) -> None:
    """Nothing of the path library's own errors gets out."""
    for path in (f"${text}", f"$.a[?@.{text}]", f"$[?@.a == {text}]", f"$['{text}']"):
        assert 0 <= column_of(path) <= len(path)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=5).map(lambda parts: "$" + "".join(parts)), JSON)
def test_a_path_that_compiles_never_raises(path: str, body: JsonValue) -> None:
    """Over any body: what cannot be compared or entered is no match."""
    try:
        compiled = compile_path(path)
    except PathError:
        return
    found = compiled.lookup(body)
    assert not compiled.many or found is MISSING or isinstance(found, list)


def by_hand(keys: list[str | int], value: object) -> object:
    """What a path of names and indexes finds, the slow way."""
    for key in keys:
        try:
            if not isinstance(value, dict if isinstance(key, str) else list):
                return MISSING
            value = value[key]  # type: ignore[index]
        except (LookupError, TypeError):
            return MISSING
    return value


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["a", "b", 0, 1, -1]), max_size=5), JSON)
def test_plain_paths_equal_lookups_by_hand(keys: list[str | int], body: JsonValue) -> None:
    """The paths written out by length find what a loop finds."""
    path = "$" + "".join(f".{k}" if isinstance(k, str) else f"[{k}]" for k in keys)
    assert compile_path(path).lookup(body) is by_hand(keys, body)
