"""YAML to nodes: core schema, places, and what is refused (threats.md M6)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.problems import MappingError, Source
from onehook.core.mapping.source import (
    MAX_DEPTH,
    MAX_FILE,
    MAX_NODES,
    Map,
    Scalar,
    merge,
    parse,
    plain,
)
from tests.core.mapping.building import places


def read(text: str) -> Map:
    """Parse *text* as the file m.yaml."""
    return parse(Source("m.yaml", text))


def value(text: str) -> JsonValue:
    """What ``x: text`` holds."""
    return plain(read(f"x: {text}\n").items["x"])


def refused(text: str) -> MappingError:
    """The error that *text* is refused with."""
    with pytest.raises(MappingError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("NO", "NO"),
        ("y", "y"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("017", 17),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("12345678901234567890", 12345678901234567890),
        ('"true"', "true"),
        ("'5'", "5"),
        ('"\\u00e9"', "é"),
        ("! 5", "5"),
        ("[a, 1, null]", ["a", 1, None]),
        ("{a: {b: no}}", {"a": {"b": "no"}}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">\n  one\n  line\n", "one line\n"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, expected: JsonValue) -> None:
    """``on``, ``no`` and dates stay text, octal and hexadecimal are text; quotes make text."""
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_a_key_is_always_text_as_written() -> None:
    """``5:``, ``true:`` and ``null:`` are the words, so that tables can name what vendors send."""
    assert list(read("5: a\ntrue: b\nnull: c\n1.50: d\n").items) == ["5", "true", "null", "1.50"]


def test_every_node_and_key_knows_its_place() -> None:
    """Line and column count from 0, and are those of the first character."""
    top = read("a:\n  b: [1,\n      two]\n")
    inner = top.items["a"]
    assert isinstance(inner, Map)
    assert (inner.keys["b"].line, inner.keys["b"].column) == (1, 2)
    two = inner.items["b"].items[1]  # type: ignore[union-attr]  # tests/ is not type-checked
    assert isinstance(two, Scalar)
    assert (two.place.line, two.place.column) == (2, 6)
    assert str(two.place) == "m.yaml:3:7"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_any_line_break_counts_lines_alike(line_break: str) -> None:
    """A file from Windows shows the same places."""
    assert read(f"a: 1{line_break}b: 2{line_break}").keys["b"].line == 1


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Editors on Windows write one."""
    assert list(read("\ufeffa: 1\n").items) == ["a"]


def test_a_duplicate_key_names_both_places() -> None:
    """The second is pointed at, the first's line is said."""
    error = refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert places(error.problems) == [("E001", "5:3")]
    assert error.problems[0].message == "'c' stands twice, first at line 3"


def test_anchors_aliases_tags_and_duplicates_are_all_said_at_once() -> None:
    """Nothing is expanded, and each is pointed at."""
    error = refused("a: &x [1]\nb: *x\nc: !!set {d}\nc: 1\n")
    assert places(error.problems) == [
        ("E001", "1:4"),
        ("E001", "2:4"),
        ("E001", "3:4"),
        ("E001", "4:1"),
    ]


@pytest.mark.parametrize("text", ["a: &x 1\n*x : 2\n", "*x : 2\n", "? *x\n: 1\n"])
def test_an_alias_as_a_key_is_refused(text: str) -> None:
    """Also where ruamel gives an event without a value."""
    assert "the alias *x is not allowed" in str(refused(text))


def test_a_merge_key_is_refused_with_its_alias() -> None:
    """``<<: *base`` belongs to YAML 1.1; shapes do its work."""
    error = refused("base: &base {a: 1}\nx:\n  <<: *base\n")
    assert places(error.problems) == [("E001", "1:7"), ("E001", "3:7")]


def test_a_billion_laughs_is_refused_unread() -> None:
    """Aliases are not followed, so a small file stays small."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert len(refused("\n".join(lines)).problems) == 30 + 29 * 9


@pytest.mark.parametrize(
    "text",
    ["a: !!python/object/apply:os.system [id]", "a: !!binary aGk=", "a: !mine x", "!!map {a: 1}"],
)
def test_object_tags_are_refused(text: str) -> None:
    """No tag makes anything but text, number, list or map."""
    assert "the tag" in str(refused(text + "\n"))


def test_a_file_beyond_a_megabyte_is_refused_before_it_is_read() -> None:
    """The cap itself is fine, one character more is not."""
    assert value("'" + "x" * (MAX_FILE - 6) + "'") == "x" * (MAX_FILE - 6)
    error = refused("x: '" + "x" * (MAX_FILE - 5) + "'\n")
    assert places(error.problems) == [("E001", "1:1")]
    assert f"longer than {MAX_FILE} characters" in str(error)


def test_a_file_may_nest_forty_deep() -> None:
    """Deeper is refused, before the interpreter's own limit is near."""
    assert read("x: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "\n")
    error = refused("a: 1\nx: " + "[" * 5000 + "]" * 5000)
    assert f"deeper than {MAX_DEPTH} levels" in str(error)
    assert places(error.problems) == [("E001", f"2:{4 + MAX_DEPTH}")]


def test_m6_a_file_may_hold_a_hundred_thousand_values() -> None:
    """One more is pointed at: a small file of empty values would take a hundred times its size."""
    assert read(f"x: [{'1,' * (MAX_NODES - 3)}]\n")  # the file, its key and the list are three
    error = refused(f"x:\n  [{'1,' * (MAX_NODES - 3)}\n   2]\n")
    assert f"more than {MAX_NODES} values" in str(error)
    assert places(error.problems) == [("E001", "3:4")]


@pytest.mark.parametrize("text", ["1e400", "-1e999", "+9.9e9999"])
def test_a_number_beyond_a_double_is_refused_at_its_place(text: str) -> None:
    """It would be infinite, and JSON has no such number; quoted it is a text."""
    error = refused(f"a: [1, {text}]\n")
    assert places(error.problems) == [("E001", "1:8")]
    assert f"{text} is beyond what a number can hold" in str(error)
    assert value(f"'{text}'") == text


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "just words\n", "5\n", "[]\n"])
def test_a_file_that_is_no_map_is_refused(text: str) -> None:
    """There is nothing in it that could be a mapping."""
    assert "a mapping file is a map of keys to values" in str(refused(text))


def test_control_characters_are_refused() -> None:
    """YAML does not have them."""
    assert refused("a: \x00\n").problems[0].code == "E001"


def test_maps_merge_key_by_key_and_everything_else_replaces() -> None:
    """The later map's values win, and its places are shown."""
    under, over = read("a: 1\nb: {c: 1}\n"), read("\nb: {d: 2}\n")
    both = merge(under, over)
    assert plain(both) == {"a": 1, "b": {"d": 2}}
    assert plain(merge(under.items["a"], over)) == {"b": {"d": 2}}


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="ab:-?[]{}&*!|>%@`'\"# \n\t,.<~0", max_size=40),
)


def lines_of(text: str) -> list[int]:
    """The lines of what is wrong in *text*; none if it is read."""
    try:
        read(text)
    except MappingError as error:
        return [problem.place.line for problem in error.problems]
    return []


@settings(max_examples=300)
@given(TEXTS)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    """Nothing that YAML raises gets through, and every problem points into the file."""
    breaks = sum(text.count(char) for char in "\n\r\x85\u2028\u2029")
    assert [line for line in lines_of(text) if not 0 <= line <= breaks + 1] == []
