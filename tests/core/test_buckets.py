"""Buckets that fill steadily."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.buckets import Bucket


def test_a_full_bucket_gives_a_minutes_worth_at_once() -> None:
    """As many as a minute's are there at once, then one every so many seconds."""
    bucket = Bucket.full(6, now=100)

    assert [bucket.take(100) for _ in range(6)] == [0] * 6
    assert bucket.take(100) == 10
    assert bucket.take(104) == pytest.approx(6)
    assert bucket.take(110) == 0
    assert bucket.take(110) == pytest.approx(10)


def test_a_refusal_takes_nothing() -> None:
    """Whoever asks too early, however often, waits no longer for it."""
    bucket = Bucket(60, level=0, at=0)

    assert [bucket.take(0.5) for _ in range(5)] == [pytest.approx(0.5)] * 5
    assert bucket.take(1) == 0


def test_it_holds_no_more_than_a_minutes_worth() -> None:
    """Whoever takes nothing for an hour saves up nothing."""
    bucket = Bucket.full(2, now=0)

    assert [bucket.take(3600) for _ in range(3)] == [0, 0, 30]


def test_what_is_owed_is_waited_for_and_what_is_given_back_is_not() -> None:
    """A charge below zero has to fill up first; a negative one gives back."""
    bucket = Bucket.full(60, now=0)
    bucket.take(0)

    bucket.charge(69)
    assert bucket.take(0) == pytest.approx(11)
    bucket.charge(-11)
    assert bucket.take(0) == 0


def test_a_burst_and_then_the_rate() -> None:
    """A full bucket gives its burst at once, then one token in so many seconds."""
    bucket = Bucket.full(60, 0.0, 3)

    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert bucket.wait(0.4) == pytest.approx(0.6)
    assert [bucket.take(1.0), bucket.take(1.0)] == [0.0, 1.0]


def test_waiting_takes_nothing_and_fills_no_further_than_the_burst() -> None:
    """To ask costs no token; an hour gives no more than the burst."""
    bucket = Bucket.full(60, 0.0, 2)
    assert (bucket.wait(0.0), bucket.is_full(0.0)) == (0.0, True)
    bucket.take(0.0)
    assert not bucket.is_full(0.5)
    assert bucket.is_full(3600.0)

    assert [bucket.take(3600.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time that seems to run backwards neither fills the bucket nor empties it."""
    bucket = Bucket.full(60, 100.0, 1)
    bucket.take(100.0)

    assert bucket.take(50.0) == 1.0


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.integers(1, 300))
def test_never_more_than_burst_and_rate(gaps: list[float], burst: int, per_minute: int) -> None:
    """In any stretch of time no more is taken than the burst and what the rate gives."""
    bucket, now, taken = Bucket.full(per_minute, 0.0, burst), 0.0, 0
    for gap in gaps:
        now += gap
        taken += not bucket.take(now)

    assert taken <= burst + now * per_minute / 60 + 1e-6
