"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.durations import parse_duration, render_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1.5h", timedelta(minutes=90)),
        ("0.001s", timedelta(milliseconds=1)),
        ("0s", timedelta(0)),
        (" 30 s ", timedelta(seconds=30)),
        ("999999999d", timedelta(days=999999999)),
    ],
)
def test_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    """Milliseconds to days."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "30 sec", "30S", "-5s", "+5s", "1e3s", "5m30s", ".5s", "5.s", "1.2345s", "٣s",
     "1_0s", "9999999999d", "5 minutes", "1w"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    """A bare number above all: nobody knows its unit."""
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0ms"), (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(seconds=90), "90s"), (timedelta(minutes=90), "90m"), (timedelta(hours=24), "1d"),
        (timedelta(hours=25), "25h"), (timedelta(days=7), "7d"),
    ],
)  # fmt: skip
def test_a_duration_is_written_in_its_largest_whole_unit(duration: timedelta, text: str) -> None:
    """As people would."""
    assert render_duration(duration) == text


@given(st.integers(0, 10**12))
def test_what_is_written_reads_back(ms: int) -> None:
    """To the millisecond."""
    duration = timedelta(milliseconds=ms)
    text = render_duration(duration)
    if len(text.rstrip("mshd")) <= 9:  # as many digits as are read
        assert parse_duration(text) == duration


@given(st.text(max_size=15) | st.from_regex(r"[0-9.]{1,12} ?(ms|s|m|h|d)", fullmatch=True))
def test_any_text_is_a_duration_or_none(text: str) -> None:
    """And one that can be written again."""
    found = parse_duration(text)
    if found is not None:
        render_duration(found)
