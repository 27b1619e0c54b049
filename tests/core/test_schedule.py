"""What follows an attempt (threats.md G3, G4)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onehook.core.schedule import (
    DEFAULT_RETRY,
    JITTER,
    MAX_RETRY_AFTER,
    Again,
    Answer,
    Dead,
    Delivered,
    Step,
    hold,
    next_step,
    parse_retry_after,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def after(
    status: int | None = 500,
    *,
    attempt: int = 1,
    error: str | None = None,
    retry_after: str | None = None,
    jitter: float = 0.0,
    retry: tuple[timedelta, ...] = DEFAULT_RETRY,
) -> Step:
    """What follows an answer of *status*."""
    failed = None if status is not None and 200 <= status <= 299 else "status"
    return next_step(Answer(status, error or failed, retry_after), attempt, retry, jitter, NOW)


def test_g3_the_default_steps_are_1m_5m_30m_2h_12h_then_dead() -> None:
    """After each failure, counted from it."""
    steps = [after(attempt=n) for n in range(1, 7)]
    minutes = [step.delay / timedelta(minutes=1) for step in steps[:5] if isinstance(step, Again)]
    assert minutes == [1, 5, 30, 120, 720]
    assert steps[5] == Dead()
    assert after(attempt=99) == Dead()


@given(st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_g3_jitter_is_never_early_and_at_most_ten_percent_late(attempt: int, jitter: float) -> None:
    """So that a herd of failed deliveries spreads out."""
    step = after(attempt=attempt, jitter=jitter)
    assert isinstance(step, Again)
    planned = DEFAULT_RETRY[attempt - 1]
    assert planned <= step.delay <= planned * (1 + JITTER)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    """Also on the last attempt."""
    assert after(status) == Delivered()
    assert after(status, attempt=6) == Delivered()


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 308, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    """A redirect is no success, and no 4xx is for ever."""
    step = after(status)
    assert isinstance(step, Again)
    assert not step.pause


def test_a_2xx_whose_answer_broke_off_is_a_failure() -> None:
    """The subscriber may not have it."""
    assert isinstance(after(200, error="bad_answer"), Again)


def test_f1_a_blocked_address_is_dead_at_once() -> None:
    """No retry can help, and none is made."""
    assert after(None, error="blocked_address") == Dead()


@pytest.mark.parametrize("attempt", [1, 5, 6, 50])
def test_g4_410_pauses_and_the_delivery_stays(attempt: int) -> None:
    """Also on its last attempt: it is not dead, it waits for the resume."""
    assert after(410, attempt=attempt) == Again(timedelta(0), pause=True)


def test_without_steps_the_first_failure_is_dead() -> None:
    """A subscription may ask for no retries."""
    assert after(retry=()) == Dead()
    assert after(attempt=2, retry=(timedelta(seconds=1),)) == Dead()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", timedelta(0)),
        ("120", timedelta(minutes=2)),
        (" 120 ", timedelta(minutes=2)),
        ("007", timedelta(seconds=7)),
        ("86400", MAX_RETRY_AFTER),
        ("86401", MAX_RETRY_AFTER),
        ("99999999999", MAX_RETRY_AFTER),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Sun, 22 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Sunday, 22-Nov-26 12:01:00 GMT", timedelta(minutes=1)),
        ("Sun Nov 22 12:01:00 2026", timedelta(minutes=1)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("Sat, 01 Jan 0001 00:00:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER),
        (None, None),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("1_000", None),
        ("٣٠", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 12:01:00 GMT", None),
        ("5 minutes", None),
    ],
)
def test_g4_retry_after_in_seconds_or_as_a_date(
    value: str | None, expected: timedelta | None
) -> None:
    """RFC 9110 §10.2.3, at most 24 h, never negative; garbage is ignored."""
    assert parse_retry_after(value, NOW) == expected


@pytest.mark.parametrize(
    ("status", "value", "minutes"),
    [
        (429, "600", 10), (503, "600", 10), (429, "10", 1), (429, "-5", 1), (429, "soon", 1),
        (429, "999999", 24 * 60), (500, "600", 1), (200 + 99 + 5, "600", 1), (404, "600", 1),
        (429, "Sun, 22 Nov 2026 12:30:00 GMT", 30),
    ],
)  # fmt: skip
def test_g4_429_and_503_wait_for_the_longer_of_step_and_retry_after(
    status: int, value: str, minutes: int
) -> None:
    """It can only make the wait longer; other statuses do not ask."""
    assert after(status, retry_after=value) == Again(timedelta(minutes=minutes))


def test_g4_retry_after_is_no_way_round_the_last_attempt() -> None:
    """The sixth failure is dead whatever it asks for."""
    assert after(429, attempt=6, retry_after="60") == Dead()


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="0123456789:, +-GMTJanSu", max_size=40))
@example("Mon, 01 Jan 2024 00:00:00")
def test_g4_any_retry_after_is_a_wait_or_nothing(value: str) -> None:
    """Nothing that a subscriber answers makes the schedule raise."""
    found = parse_retry_after(value, NOW)
    assert found is None or timedelta(0) <= found <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    ],
)
def test_g4_a_date_of_too_many_digits_is_garbage(value: str) -> None:
    """Any subscriber can send it: the attempt would never be recorded."""
    assert parse_retry_after(value, NOW) is None


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, None, 1), (502, None, 1), (504, None, 1), (429, "0", 1), (429, "soon", 1),
        (429, "90", 90), (502, "90", 90), (504, "Sun, 22 Nov 2026 12:01:30 GMT", 90),
        (429, "999999", 24 * 3600), (503, "90", 0), (500, "90", 0), (200, "90", 0), (410, "90", 0),
        (None, None, 0),
    ],
)  # fmt: skip
def test_g4_429_502_and_504_slow_the_subscription_down(
    status: int | None, retry_after: str | None, seconds: int
) -> None:
    """For as long as Retry-After asks, a second at least, 24 h at most; nothing else does."""
    error = None if status == 200 else "status"
    assert hold(Answer(status, error, retry_after), NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_g4_who_may_ask_for_time_is_waited_for(status: int) -> None:
    """The delivery itself waits, too."""
    assert after(status, retry_after="600") == Again(timedelta(minutes=10))
