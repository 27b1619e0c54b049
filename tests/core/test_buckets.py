"""How often something may happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.buckets import Bucket
from onehook.core.flow import RateLimit


def test_a_burst_and_then_the_rate() -> None:
    """A full bucket gives its burst at once, then one token in so many seconds."""
    bucket = Bucket(RateLimit(60, 3), 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert bucket.wait(0.4) == pytest.approx(0.6)
    assert [bucket.take(1.0), bucket.take(1.0)] == [0.0, 1.0]


def test_waiting_takes_nothing_and_fills_no_further_than_the_burst() -> None:
    """To ask costs no token; an hour gives no more than the burst."""
    bucket = Bucket(RateLimit(60, 2), 0.0)
    assert (bucket.wait(0.0), bucket.is_full(0.0)) == (0.0, True)
    bucket.take(0.0)
    assert not bucket.is_full(0.5)
    assert bucket.is_full(3600.0)

    assert [bucket.take(3600.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time that seems to run backwards neither fills the bucket nor empties it."""
    bucket = Bucket(RateLimit(60, 1), 100.0)
    bucket.take(100.0)

    assert bucket.take(50.0) == 1.0


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.integers(1, 300))
def test_never_more_than_burst_and_rate(gaps: list[float], burst: int, per_minute: int) -> None:
    """In any stretch of time no more is taken than the burst and what the rate gives."""
    bucket, now, taken = Bucket(RateLimit(per_minute, burst), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        taken += not bucket.take(now)

    assert taken <= burst + now * per_minute / 60 + 1e-6
