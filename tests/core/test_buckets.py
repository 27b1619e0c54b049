"""Buckets that fill steadily."""

import pytest

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
