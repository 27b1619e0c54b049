"""JSON in and out: exact numbers, ECMAScript's bytes, and what is refused where (threats.md M2)."""

import json
import math
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import (
    MAX_DEPTH,
    JsonSyntaxError,
    JsonValue,
    Num,
    decode,
    decoder,
    ecmascript,
    encode,
    number,
    position,
    too_deep,
)
from tests.core.javascript import round_trip

# A number as a source wrote it, and as we write it (rule 13); text where it is in quotes.
NUMBERS = [
    ("0", "0"),
    ("-0", "0"),
    ("-0.0", "0"),
    ("0e5", "0"),
    ("1", "1"),
    ("-1", "-1"),
    ("1.00", "1"),
    ("1e2", "100"),
    ("1E+2", "100"),
    ("10.1", "10.1"),
    ("10.10", "10.1"),
    ("-10.50", "-10.5"),
    ("0.1", "0.1"),
    ("1.5e3", "1500"),
    ("123456789.125", "123456789.125"),
    ("0.000001", "0.000001"),
    ("0.0000001", "1e-7"),
    ("1.5e-7", "1.5e-7"),
    ("9007199254740991", "9007199254740991"),
    ("9007199254740992", '"9007199254740992"'),
    ("9007199254740993", '"9007199254740993"'),
    ("-9007199254740991", "-9007199254740991"),
    ("-9007199254740992", '"-9007199254740992"'),
    ("12345678901234567890", '"12345678901234567890"'),
    ("9007199254740991.0", "9007199254740991"),
    ("9007199254740993.0", '"9007199254740993.0"'),
    ("100000000000000000000", '"100000000000000000000"'),
    ("1e20", '"1e20"'),
    ("1e21", "1e+21"),
    ("1.5e300", "1.5e+300"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("5e-324", "5e-324"),
    ("2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("1e400", '"1e400"'),
    ("-1e400", '"-1e400"'),
    ("0.1000000000000000055511151231257827", '"0.1000000000000000055511151231257827"'),
    ("3.141592653589793", "3.141592653589793"),
    ("3.14159265358979323846", '"3.14159265358979323846"'),
    ("0.30000000000000004", "0.30000000000000004"),
]


@pytest.mark.parametrize(("source", "written"), NUMBERS)
def test_a_number_is_written_as_javascript_would_or_is_text(source: str, written: str) -> None:
    """What a double cannot give back keeps its digits as text."""
    value = decode(source.encode())
    assert isinstance(value, int | float)
    assert encode(number(value)).decode() == written


def test_javascript_agrees_with_the_table() -> None:
    """Each written form survives ``JSON.stringify(JSON.parse(…))``."""
    bodies = [written.encode() for _, written in NUMBERS]
    assert round_trip(bodies) == bodies


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.5, "0.5"), (1e21, "1e+21"), (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"), (1e-6, "0.000001"), (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"), (-0.0, "0"), (-1.25, "-1.25"), (5e-324, "5e-324"),
    ],
)  # fmt: skip
def test_ecmascript_writes_a_float_as_number_to_string(value: float, text: str) -> None:
    """ECMA-262 §6.1.6.1.20, both ends of the range without exponent."""
    assert ecmascript(value) == text


@pytest.mark.parametrize("text", ["1.50", "1e5", "123.456e-7", "0.1"])
def test_a_decimal_keeps_its_text_and_compares_as_a_float(text: str) -> None:
    """Until it is written."""
    value = decode(text.encode())
    assert isinstance(value, Num)
    assert (value.text, value) == (text, float(text))


# -- what is refused, and what becomes of the odd (M2) ---------------------------------------------


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"", 1, 1),
        (b"{", 1, 2),
        (b'{"a":1,}', 1, 8),
        (b'{"a" 1}', 1, 6),
        (b"[1 2]", 1, 4),
        (b'{\n  "a": trub\n}', 2, None),
        (b"[NaN]", 1, 2),
        (b"[Infinity]", 1, 2),
        (b"[-Infinity]", 1, None),
        (b"{'a':1}", 1, 2),
        (b"[01]", 1, None),
        (b"[.5]", 1, 2),
        (b"[+1]", 1, 2),
        (b"1 2", 1, None),
        (b'"\x01"', 1, None),
        (b'"\x00"', 1, None),
        (b'"a', 1, 3),
        (b"\xef\xbb\xbf{}", 1, 1),
        ('{"a":1}'.encode("utf-16"), 1, 1),
        (b'{"a":"\xff"}', 1, 7),
        (b'\n\n{"a":"\xc3("}', 3, 7),
        (b'"\xed\xa0\x80"', 1, 2),
        (b'["\\ud800", NaN]', 1, None),
        (b'["\\ud800", 1', 1, 13),
        (b'["\\ud800", "\xff"]', 1, 13),
    ],
)
def test_m2_what_is_no_json_is_refused_with_line_and_column(
    body: bytes, line: int, column: int | None
) -> None:
    """Both count from 1, the column in bytes; None where msgspec's own place is as good."""
    with pytest.raises(JsonSyntaxError) as caught:
        decode(body)
    assert caught.value.line == line
    assert column in (None, caught.value.column)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"1e" + b"9" * 5000,
    ],
    ids=["open", "lists", "objects", "digits", "exponent"],
)
def test_m2_a_hundred_thousand_levels_or_digits_do_not_raise_anything_else(body: bytes) -> None:
    """Refused, or read; never the interpreter's own error."""
    try:
        decode(body)
    except JsonSyntaxError:
        return


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00x"', "\ufffdx"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'{"\ud800": [1.50, "\uDfff"]}', {"\ufffd": [1.5, "\ufffd"]}),
        (rb'"\\ud800"', r"\ud800"),
        (rb'"\u0000"', "\x00"),
        (b" \r\n\t[ ] ", []),
        (b"null", None),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_m2_what_javascript_takes_is_read_as_it_reads_it(body: bytes, value: JsonValue) -> None:
    """Of duplicate keys the last wins; a lone surrogate becomes U+FFFD (rule 13)."""
    assert decode(body) == value


def test_decimals_keep_their_text_also_beside_a_lone_surrogate() -> None:
    """The slow way in gives the same kinds of value."""
    (_, value) = decode(rb'["\ud800", 1.50]')  # type: ignore[misc]
    assert isinstance(value, Num)
    assert value.text == "1.50"


@pytest.mark.parametrize(
    ("body", "at", "place"),
    [(b"abc", 0, (1, 1)), (b"a\nbc", 2, (2, 1)), (b"a\nbc", 3, (2, 2)), (b"\n\n", 2, (3, 1))],
)
def test_a_position_counts_lines_and_columns_from_one(
    body: bytes, at: int, place: tuple[int, int]
) -> None:
    """As editors do."""
    assert position(body, at) == place


def test_too_deep_is_more_than_64_levels() -> None:
    """A scalar is no level."""
    value: JsonValue = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert not too_deep(value)
    assert too_deep([value])
    assert too_deep({"a": {"b": 1}}, limit=1)
    assert not too_deep({"a": [], "b": 1}, limit=2)


def test_encode_is_compact_and_keeps_what_is_not_ascii() -> None:
    """As JSON.stringify does; only control characters are escaped."""
    value: JsonValue = {"é": [None, True, '\x7f\x01\n"\\/', "\u2028"], "e": {}}
    body = encode(value)
    assert body == '{"é":[null,true,"\x7f\\u0001\\n\\"\\\\/","\u2028"],"e":{}}'.encode()
    assert round_trip([body]) == [body]


# -- properties ------------------------------------------------------------------------------------

DECIMALS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.builds(
        lambda whole, fraction, exponent: f"{whole}.{fraction}E{exponent:+d}",
        st.integers(-(10**24), 10**24) | st.integers(-9, 9),
        st.integers(0, 10**24),
        st.integers(-330, 330),
    ),
    st.integers().map(str),
)


def place_of(body: bytes) -> tuple[int, int]:
    """Where *body* stops being JSON; its start if it is."""
    try:
        decode(body)
    except JsonSyntaxError as error:
        return error.line, error.column
    return 1, 1


@settings(max_examples=300)
@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]",:0123456789.eE-+\\udnl truefas', max_size=60).map(str.encode)
)
@example(b'"\\ud800')
@example(b"\\ud800")
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """With a place inside the body."""
    line, column = place_of(body)
    assert 1 <= line <= body.count(b"\n") + 1
    assert 1 <= column <= len(body) + 2


@settings(max_examples=10, phases=[Phase.generate])  # node is too slow to shrink with
@given(st.lists(DECIMALS, min_size=60, max_size=120))
def test_any_number_comes_out_as_javascript_writes_it(texts: list[str]) -> None:
    """Whatever the source wrote: JSON.stringify(JSON.parse(…)) gives the same bytes."""
    values = [decode(_json_number(text)) for text in texts]
    bodies = [encode(number(value)) for value in values if isinstance(value, int | float)]
    assert len(bodies) == len(texts)
    assert round_trip(bodies) == bodies


def _json_number(text: str) -> bytes:
    """*text* without what JSON does not have: a plus, a missing digit."""
    value = Decimal(text)
    if "E" in text.upper() or "." in text:
        shown = f"{value:E}" if abs(value.adjusted()) > 30 else text
        return shown.replace("E+", "e+").lower().encode()
    return text.encode()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_encoded_decodes_to_itself(value: JsonValue) -> None:
    """And equals what Python's own module writes, compact and without ASCII escapes."""
    body = encode(value)
    assert decode(body) == value
    assert json.loads(body) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_reads_back_to_itself(value: float) -> None:
    """Shortest digits, but minus zero, which JSON.stringify writes as 0."""
    assert float(ecmascript(value)) == value
    assert not math.copysign(1, float(ecmascript(value))) < 0 or value < 0


def test_empty_lists_are_levels_too() -> None:
    """65 brackets are 65 levels, whatever the innermost holds."""
    value: JsonValue = []
    for _ in range(MAX_DEPTH):
        value = [value]
    assert too_deep(value)


@pytest.mark.parametrize(
    "text", ["1.00000000000000000001", "4503599627370497.1", "1e-400", "9007199254740990.9999"]
)
def test_a_decimal_whose_double_is_whole_keeps_its_digits(text: str) -> None:
    """Rule 13: a decimal that a double cannot give back is text, not another number."""
    assert number(decode(text.encode())) == text  # type: ignore[arg-type]


def test_m2_an_exponent_of_thousands_of_zeros_does_not_raise() -> None:
    """``1.5e000…0`` is 1.5."""
    assert number(decode(b"1.5e" + b"0" * 5000)) == 1.5  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [0, 1, 2000, 4299, 4300, 6001])
@pytest.mark.parametrize("digits", [4299, 4300, 4301, 9000])
@pytest.mark.parametrize("form", ["{}", "-{}", "{}.5", '"{}"'])
def test_m2_a_reader_that_passes_over_a_number_refuses_the_same_ones(
    at: int, digits: int, form: str
) -> None:
    """An integer that nothing can hold is a fault wherever it stands, and whoever reads."""
    read = decoder(msgspec.defstruct("Some", [("a", int)]), least=0)
    body = b'{"b":"%b","c":%b,"a":1}' % (b"x" * at, form.format("1" * digits).encode())

    def refused(reader: Callable[[bytes], object]) -> bool:
        try:
            reader(body)
        except JsonSyntaxError:
            return True
        return False

    assert refused(read) == refused(decode)
    assert refused(decode) == (
        (form == "{}" and digits > 4300) or (form == "-{}" and digits >= 4300)
    )


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" * 400 + ".5"])
def test_what_no_double_holds_is_written_as_text(text: str) -> None:
    """Else it would be ``inf``, which is no JSON."""
    assert encode([decode(text.encode())]) == f'["{text}"]'.encode()
