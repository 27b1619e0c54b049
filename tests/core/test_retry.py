"""Retry schedules (threats.md G3): each step of each preset, to the millisecond."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from onehook.core.retry import MAX_RETRIES, PRESETS, Retry, make_retry
from onehook.core.schedule import MAX_RETRY_AFTER, Again, Answer, Dead, next_step

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
S, M, H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

# Written out, not taken from the code: this is what senders promise in their documents.
STEPS: dict[str, list[timedelta]] = {
    "default": [1 * M, 5 * M, 30 * M, 2 * H, 12 * H],
    "quick": [2 * S, 4 * S],
    "three": [1 * M, 5 * M, 30 * M],
    "standard-webhooks": [5 * S, 5 * M, 30 * M, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H],
}
ROWS = [(name, n) for name, steps in STEPS.items() for n in range(1, len(steps) + 1)]


def schedule(name: str) -> Retry:
    """The schedule of that name; the default has none."""
    return Retry() if name == "default" else make_retry(name)


def delay(name: str, attempt: int, jitter: float, answer: Answer | None = None) -> timedelta:
    """How long after the failure of *attempt* the next one is."""
    answer = answer or Answer(500, "status")
    step = next_step(answer, attempt, schedule(name).delays, jitter, NOW)
    assert isinstance(step, Again)
    return step.delay


def test_every_preset_is_in_the_table() -> None:
    """A preset that is added is tested."""
    assert set(PRESETS) | {"default"} == set(STEPS)


@pytest.mark.parametrize(("name", "attempt"), ROWS)
def test_g3_each_step_is_exact_and_at_most_ten_percent_late(name: str, attempt: int) -> None:
    """With jitter 0 a step is the schedule's, with jitter 1 it is 10 % later."""
    planned = STEPS[name][attempt - 1]

    assert delay(name, attempt, 0) == planned
    assert delay(name, attempt, 1) == planned * 1.1


@pytest.mark.parametrize("name", STEPS)
def test_g3_after_the_last_step_it_is_dead(name: str) -> None:
    """One attempt more than there are steps."""
    attempts = len(STEPS[name]) + 1
    assert next_step(Answer(500, "status"), attempts, schedule(name).delays, 0, NOW) == Dead()


@pytest.mark.parametrize(("name", "attempt"), ROWS)
@pytest.mark.parametrize("asked", [3 * S, 7 * M, 11 * H, 48 * H])
@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_g4_no_step_comes_before_retry_after(
    name: str, attempt: int, asked: timedelta, as_date: bool
) -> None:
    """The longer of step and Retry-After, at most 24 h of it; jitter comes on top."""
    value = format_datetime(NOW + asked, usegmt=True) if as_date else str(int(asked / S))
    answer = Answer(429, "status", value)
    longest = max(STEPS[name][attempt - 1], min(asked, MAX_RETRY_AFTER))

    assert delay(name, attempt, 0, answer) == longest
    assert delay(name, attempt, 1, answer) == longest * 1.1


def test_a_list_of_durations_is_a_schedule() -> None:
    """Also an empty one: then one attempt is all."""
    assert make_retry(["500ms", "3s", "7d"]).delays == (S / 2, 3 * S, 7 * 24 * H)
    assert make_retry([]) == Retry(())
    assert next_step(Answer(500, "status"), 1, make_retry([]).delays, 0, NOW) == Dead()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("slow", "quick, three, standard-webhooks"),
        ("", "quick"),
        ("1m", "list of durations"),
        (["1m", "8d"], "up to 7d"),
        (["60"], "30s, 5m or 2h"),
        (["quick"], "is a duration"),
        (["1s"] * (MAX_RETRIES + 1), "at most 20"),
    ],
)
def test_what_is_no_schedule_is_refused_with_what_would_be(
    given: str | list[str], said: str
) -> None:
    """The message names what may be written."""
    with pytest.raises(ValueError, match=said):
        make_retry(given)
