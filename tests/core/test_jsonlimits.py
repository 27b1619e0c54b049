"""How deep and how wide JSON may be; row M3 of the threats."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsonlimits import MAX_NODES, excess
from onehook.core.jsontext import MAX_DEPTH, JsonValue, too_deep

MIB = 1024 * 1024
DEEP, WIDE = "nested deeper than 64 levels", "more than 100000 values"
SHORT = 200  # what is shorter is not looked at


def nodes(value: JsonValue) -> int:
    """How many values *value* is."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(nodes(item) for item in below)


@pytest.mark.parametrize("text", ["[]", '"]"', '"\\\\"', '"[{\\""', "1"])
def test_m3_64_levels_and_no_more(text: str) -> None:
    """Brackets and quotes inside of strings count for nothing, wherever they stand."""
    pad = json.dumps("x" * SHORT)
    for depth in (MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1):
        body = "[" * depth + f"{pad}, {text}" + "]" * depth
        assert excess(body.encode()) == (DEEP if too_deep(json.loads(body)) else None)


@pytest.mark.parametrize(
    ("before", "after"),
    [('"]"', '"["'), ('"a\\"]"', '"["'), ('"\\\\","]"', '"["'), ('"},]"', '"[{"')],
)
def test_m3_strings_close_nothing(before: str, after: str) -> None:
    """Brackets in strings on both sides made up for those that nest."""
    for depth in (MAX_DEPTH, MAX_DEPTH + 1):
        body = f"[{before}," * depth + "1" + f",{after}]" * depth
        assert excess(body.encode()) == (DEEP if too_deep(json.loads(body)) else None)


@pytest.mark.parametrize(
    "item", ["1", "[]", "{}", '""', '{"a,[":"]"}', "[ ]", '"\\\\\\","', "[[],2]"]
)
def test_m3_so_many_values_and_no_more(item: str) -> None:
    """The count is exact: each value counts, and nothing else does."""
    each = nodes(json.loads(item))
    pad = json.dumps("x," * MAX_NODES)
    fits = (MAX_NODES - 2) // each
    for times in (fits, fits + 1):
        body = f"[{pad}, " + ",\n".join([item] * times) + "]"
        wide = nodes(json.loads(body)) > MAX_NODES
        assert excess(body.encode()) == (WIDE if wide else None)


@pytest.mark.parametrize("text", ['{"a": [1, 2', "]" * 300, '{"a": "' + "[" * 300, "[" * 300])
def test_m3_what_is_no_json_is_left_to_the_parser(text: str) -> None:
    """It says where the text breaks off, which is of more use."""
    assert excess(b" " * SHORT + text.encode()) is None


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda below: st.lists(below) | st.dictionaries(st.text(max_size=8), below),
)


BESIDE = st.lists(st.text('[]{}",\\a', max_size=4), max_size=2)


@given(JSON, st.lists(BESIDE | st.none(), min_size=55, max_size=70), BESIDE, st.booleans())
def test_m3_agrees_with_the_parsed_value(
    value: JsonValue, levels: list[list[str] | None], before: list[str], ascii_only: bool
) -> None:
    """For any JSON the answer is that of looking at what was parsed."""
    for after in levels:
        value = {"[": value} if after is None else [*before, value, *after]
    value = [value, "x" * SHORT]

    text = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert (excess(text) is not None) == too_deep(value)


WORST = {
    "deep": b"[" * (12 * MIB) + b"]" * (12 * MIB),
    "brackets in a string": b'["' + b"[" * (24 * MIB) + b'"]',
    "numbers": b"[" + b"1," * (12 * MIB) + b"1]",
    "empty": b"[" + b"[]," * (8 * MIB) + b"1]",
    "wide and deep": b"[" + (b"[" * 60 + b"]" * 60 + b",") * (MIB // 5) + b"1]",
    "strings": b"[" + b'"",' * (8 * MIB) + b"1]",
    "escapes": b'["' + b'\\"' * (12 * MIB) + b'"]',
    "backslashes": b'["' + b"\\" * (24 * MIB) + b'"]',
    "closings": b"]" * (24 * MIB),
    "crossed": b"[{]}" * (6 * MIB),
}


@pytest.mark.slow
@pytest.mark.parametrize("body", WORST.values(), ids=WORST)
def test_m3_the_worst_body_is_judged_soon(body: bytes) -> None:
    """A few passes over 24 MiB, at most a second on a slow machine; it took 10 seconds."""
    started = time.process_time()

    excess(body)

    assert time.process_time() - started < 2
