"""Times in: every format that vendors use. Times out: one."""

from datetime import UTC, datetime, tzinfo
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, decode
from onehook.core.mapping.dates import (
    day_parser,
    find_zone,
    is_format,
    parser,
    render,
    renderer,
    states_offset,
)

BERLIN = ZoneInfo("Europe/Berlin")


def read(value: JsonValue, *formats: str, tz: ZoneInfo | None = None) -> str | None:
    """*value* as we write it; iso8601 if no format is said."""
    moment = parser(formats or ("iso8601",), tz)(value)
    return None if moment is None else render(moment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00.000Z"),
        ("2026-11-22t10:15:00z", None),
        ("2026-11-22T10:15:00.5Z", "2026-11-22T10:15:00.500Z"),
        ("2026-11-22T10:15:00.98765Z", "2026-11-22T10:15:00.987Z"),
        ("2026-11-22T10:15:00.999999999Z", "2026-11-22T10:15:00.999Z"),
        ("2026-11-22T10:15:00,25Z", "2026-11-22T10:15:00.250Z"),
        ("2026-11-22T10:15Z", "2026-11-22T10:15:00.000Z"),
        ("2026-11-22T10:15:00+02:00", "2026-11-22T08:15:00.000Z"),
        ("2026-11-22T10:15:00+0200", "2026-11-22T08:15:00.000Z"),
        ("2026-11-22T10:15:00-0700", "2026-11-22T17:15:00.000Z"),
        ("2026-11-22T10:15:00.123-0700", "2026-11-22T17:15:00.123Z"),
        ("2026-11-22T10:15:00+02", "2026-11-22T08:15:00.000Z"),
        ("2026-11-22 10:15:00 +0300", "2026-11-22T07:15:00.000Z"),
        ("2026-11-22 10:15:00 UTC", "2026-11-22T10:15:00.000Z"),
        ("2026-11-22 10:15:00Z", "2026-11-22T10:15:00.000Z"),
        ("2026-11-22T10:15:00 UTC", "2026-11-22T10:15:00.000Z"),
        ("20261122T101500Z", "2026-11-22T10:15:00.000Z"),
        ("2026-11-22T00:00:00+14:00", "2026-11-21T10:00:00.000Z"),
        ("2026-11-22T10:15:00", None),
        ("2026-11-22", None),
        ("2026-11-31T10:15:00Z", None),
        ("2026-11-22T25:15:00Z", None),
        ("2026-11-22T10:15:60Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
        ("22.11.2026 10:15:00", None),
        ("1795342500", None),
        ("", None),
        ("x" * 30, None),
        ("٢٠٢٦-11-22T10:15:00Z", None),
    ],
)
def test_iso8601_is_rfc_3339_and_its_usual_variants(text: str, expected: str | None) -> None:
    """``-0700``, `` UTC``, a space for ``T``; finer digits are cut; without offset it is none."""
    shown = read(text)
    if text == "2026-11-22t10:15:00z":  # RFC 3339 §5.6 lets parsers take it; either is fine
        assert shown in (None, "2026-11-22T10:15:00.000Z")
    else:
        assert shown == expected


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], {}])
def test_iso8601_reads_text_only(value: JsonValue) -> None:
    """A number is an epoch, and has to be said to be one."""
    assert read(value) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T11:15:00", "2026-11-22T10:15:00.000Z"),
        ("2026-07-22T12:15:00", "2026-07-22T10:15:00.000Z"),
        ("2026-11-22 11:15:00.5", "2026-11-22T10:15:00.500Z"),
        ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00.000Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00.000Z"),
    ],
)
def test_a_zone_is_for_times_without_offset(text: str, expected: str) -> None:
    """Summer and winter; the hour that comes twice is the first, the one that never is moves on."""
    assert read(text, tz=BERLIN) == expected


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("epoch_s", 1795342500, "2026-11-22T10:15:00.000Z"),
        ("epoch_s", "1795342500", "2026-11-22T10:15:00.000Z"),
        ("epoch_s", 0, "1970-01-01T00:00:00.000Z"),
        ("epoch_s", 1795342500.9876, "2026-11-22T10:15:00.987Z"),
        ("epoch_ms", 1795342500123, "2026-11-22T10:15:00.123Z"),
        ("epoch_ms", "1795342500123", "2026-11-22T10:15:00.123Z"),
        ("epoch_ns", 1795342500123456789, "2026-11-22T10:15:00.123Z"),
        ("epoch_ns", "1795342500123999999", "2026-11-22T10:15:00.123Z"),
        ("epoch_ns", 253402300799999999999, "9999-12-31T23:59:59.999Z"),
        ("epoch_ns", 253402300800000000000, None),
        ("epoch_ns", 999_999, "1970-01-01T00:00:00.000Z"),
        ("epoch_ns", "9" * 23, None),
        ("epoch_s", 253402300799, "9999-12-31T23:59:59.000Z"),
        ("epoch_s", 253402300800, None),
        ("epoch_ms", 253402300800000, None),
        ("epoch_s", -1, None),
        ("epoch_s", 2**70, None),
        ("epoch_s", 10**400, None),
        ("epoch_s", True, None),
        ("epoch_s", None, None),
        ("epoch_s", "", None),
        ("epoch_s", "-5", None),
        ("epoch_s", "1_000", None),
        ("epoch_s", "1.5", None),
        ("epoch_s", "١٢٣", None),
        ("epoch_s", " 5", None),
        ("epoch_s", "9" * 5000, None),
        ("epoch_s", [], None),
    ],
)
def test_epochs_are_ascii_digits_or_numbers_of_our_era(
    unit: str, value: JsonValue, expected: str | None
) -> None:
    """threats.md A9 in spirit: no sign, no underscore, no other digits, nothing beyond 9999."""
    assert read(value, unit) == expected


def test_an_epoch_beyond_doubles_is_none() -> None:
    """``1e400`` is infinite as a float."""
    assert read(decode(b"1e400"), "epoch_s") is None
    assert read(decode(b"1.7953425e9"), "epoch_s") == "2026-11-22T10:15:00.000Z"


@pytest.mark.parametrize(
    ("format_", "tz", "text", "expected"),
    [
        ("%d.%m.%Y %H:%M:%S", BERLIN, "22.11.2026 11:15:00", "2026-11-22T10:15:00.000Z"),
        ("%Y%m%d%H%M%S", UTC, "20261122101500", "2026-11-22T10:15:00.000Z"),
        (
            "%a %b %d %H:%M:%S %Y %z",
            None,
            "Sun Nov 22 10:15:00 2026 +0100",
            "2026-11-22T09:15:00.000Z",
        ),
        ("%d.%m.%Y", UTC, "22.11.2026", "2026-11-22T00:00:00.000Z"),
        ("%d.%m.%Y", None, "22.11.2026", None),
        ("%d.%m.%Y", UTC, "22.11.26", None),
        ("%d.%m.%Y", UTC, "x" * 100, None),
        ("%d.%m.%Y", UTC, 5, None),
    ],
)
def test_strptime_formats(
    format_: str, tz: ZoneInfo | None, text: JsonValue, expected: str | None
) -> None:
    """With the offset in the text, or the zone that the mapping names."""
    assert read(text, format_, tz=tz) == expected


def test_formats_are_tried_in_order() -> None:
    """The first that reads the value counts."""
    both = ("iso8601", "epoch_s")
    assert read("2026-11-22T10:15:00Z", *both) == read(1795342500, *both)
    assert read("soon", *both) is None


@pytest.mark.parametrize(
    ("value", "formats", "expected"),
    [
        ("2026-12-01", ("iso8601",), "2026-12-01"),
        ("2026-12-01T23:30:00-05:00", ("iso8601",), "2026-12-01"),
        ("01.12.2026", ("%d.%m.%Y",), "2026-12-01"),
        ("01.12.2026", ("iso8601", "%d.%m.%Y"), "2026-12-01"),
        ("2026-02-30", ("iso8601",), None),
        ("20261201", ("iso8601",), None),
        ("x", ("iso8601",), None),
        ("٢٠٢٦-12-01", ("iso8601",), None),
        (None, ("iso8601",), None),
        (20261201, ("iso8601",), None),
    ],
)
def test_days(value: JsonValue, formats: tuple[str, ...], expected: str | None) -> None:
    """YYYY-MM-DD, of a time the day where it was."""
    assert day_parser(formats)(value) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 22, 10, 15, tzinfo=UTC), "2026-11-22T10:15:00.000Z"),
        (datetime(2026, 11, 22, 10, 15, 0, 999999, tzinfo=UTC), "2026-11-22T10:15:00.999Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_in_utc_is_written_with_three_decimals(moment: datetime, expected: str) -> None:
    """It sorts as text; finer digits are cut, not rounded (rule 3)."""
    assert render(moment) == expected


@pytest.mark.parametrize(
    ("format_", "one", "offset"),
    [
        ("iso8601", True, True), ("epoch_s", True, True), ("epoch_ms", True, True),
        ("epoch_ns", True, True),
        ("%d.%m.%Y", True, False), ("%d.%m.%Y %z", True, True), ("rfc822", False, False),
        ("%Q", False, False), ("", False, False), ("%", False, False), ("%Y %", False, False),
        ("%Y\x00", False, False), ("%Y \ud800", False, False),
    ],
)  # fmt: skip
def test_what_is_a_format_and_which_states_its_offset(
    format_: str, *, one: bool, offset: bool
) -> None:
    """The rest needs a zone, or is refused at load."""
    assert is_format(format_) is one
    assert states_offset(format_) is offset


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("UTC", True), ("Europe/Berlin", True), ("America/New_York", True), ("Z", True),
        ("Europe/Atlantis", False), ("", False), ("../etc/passwd", False),
        ("/etc/localtime", False),
        ("\x00", False), ("Europe", False), ("x" * 5000, False), ("\ud800", False),
    ],
)  # fmt: skip
def test_zones_are_iana_names(name: str, *, known: bool) -> None:
    """And never paths."""
    assert (find_zone(name) is not None) is known


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=45),
    st.text(alphabet="0123456789-:.,TZ+ UC", max_size=45),
    st.datetimes().map(str),
    st.builds(lambda d, o: f"{d.isoformat()}{o}", st.datetimes(), st.sampled_from(
        ["Z", "+14:00", "-23:59", " UTC", "+0530", " -0700", "", "+24:00", "-00:00", "+01:02:03"]
    )),
)  # fmt: skip
FORMATS = st.sampled_from(
    [
        "iso8601",
        "epoch_s",
        "epoch_ms",
        "%d.%m.%Y",
        "%Y%m%d%H%M%S",
        "%d.%m.%Y %H:%M %z",
        "%j %y",
        "%c",
    ]
)
ZONES = st.sampled_from(
    [None, UTC, BERLIN, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Asia/Kathmandu")]
)


@settings(max_examples=300)
@given(VALUES, st.lists(FORMATS, min_size=1, max_size=3), ZONES)
def test_no_value_makes_a_date_parser_raise(
    value: JsonValue, formats: list[str], tz: ZoneInfo | None
) -> None:
    """A time that we can write, or None."""
    moment = parser(formats, tz)(value)
    if moment is not None:
        assert len(render(moment)) == len("2026-11-22T10:15:00.000Z")
    day = day_parser(formats)(value)
    assert day is None or len(day) == len("2026-11-22")


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_reads_back(moment: datetime) -> None:
    """To the millisecond."""
    assert read(render(moment)) == render(moment)


@settings(max_examples=300)
@given(st.text(max_size=12) | st.text(alphabet="%YmdHMSzZfjUWcxX .-", max_size=12))
def test_any_text_is_a_format_or_not(text: str) -> None:
    """And one that is never makes the parser raise."""
    if is_format(text):
        parser((text,), UTC)("2026-11-22")


@pytest.mark.parametrize("format_", ["%d.%d.%Y", "%H:%H", "%x %d"])
def test_a_format_that_names_a_part_twice_is_none(format_: str) -> None:
    """A slip of the pen must be E107, not a crash."""
    assert not is_format(format_)


TAILS = ["Z", " UTC", "+00:00", " +0000", "+0000", "", "+01:00", "-00:00", "UTC", " Z", "z"]
TAILS += ["-0330", "+02", "+05:30:15", "+05:30:15.123", " +05:30", "-12:00", "Z ", "+0000Z"]
FRACTIONS = ["", ".1", ".12", ".123", ".1234", ".123456789", ".12345678901", ",5", "."]
CLOCKS = ["10:15:00", "23:59:59", "24:00:00", "10:60:00", "10:15"]


@pytest.mark.parametrize("tz", [None, UTC, ZoneInfo("Europe/Berlin")])
@pytest.mark.parametrize(
    "day",
    [
        "2026-11-22T",
        "2026-11-22 ",
        "2026-11-22t",
        "2026-W47-7T",
        "20261122T",
        "0001-01-01T",
        "9999-12-31T",
        "2026-13-22T",
        "2026-02-30T",
    ],
)
def test_a_time_that_is_written_as_it_stands_is_what_reading_it_gives(
    day: str, tz: tzinfo | None
) -> None:
    """Of every form that is passed on unread, and of those beside it."""
    parse, rendered = parser(["iso8601"], tz), renderer(["iso8601"], tz)
    for clock, fraction, tail in product(CLOCKS, FRACTIONS, TAILS):
        text = f"{day}{clock}{fraction}{tail}"
        moment = parse(text)
        assert rendered(text) == (None if moment is None else render(moment)), text
