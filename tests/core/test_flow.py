"""What a subscription asks of its deliveries' flow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from onehook.core.flow import (
    CONCURRENCY,
    PAUSE_AFTER,
    USUAL,
    Flow,
    Gate,
    PauseAfter,
    RateLimit,
    order_key,
    parse_timeout,
)


def test_g5_by_default_ten_deliveries_in_a_row_pause_and_no_attempts() -> None:
    """However many attempts fail in a row: that is what retries are for."""
    assert USUAL.pause_after == PAUSE_AFTER == PauseAfter(deliveries=10)
    assert not PAUSE_AFTER.reached(Gate(failed=1_000_000, used_up=9))
    assert PAUSE_AFTER.reached(Gate(failed=60, used_up=10))


@pytest.mark.parametrize(
    ("limit", "failed", "used_up", "reached"),
    [
        (PauseAfter(attempts=10), 9, 9, False),
        (PauseAfter(attempts=10), 10, 0, True),
        (PauseAfter(attempts=10), 11, 0, True),  # a crash came between count and pause
        (PauseAfter(deliveries=3, attempts=10), 5, 2, False),
        (PauseAfter(deliveries=3, attempts=10), 5, 3, True),
        (PauseAfter(deliveries=3, attempts=10), 10, 0, True),
        (PauseAfter(), 99, 99, False),
    ],
)
def test_g5_whichever_comes_first_pauses(
    limit: PauseAfter, failed: int, used_up: int, reached: bool
) -> None:
    """Deliveries, attempts, or both may be counted."""
    assert limit.reached(Gate(failed=failed, used_up=used_up)) is reached


@pytest.mark.parametrize(
    "change",
    [
        {"ordered": True},
        {"rate_limit": RateLimit(60, 1)},
        {"concurrency": CONCURRENCY},
        {"max_backlog": 1},
    ],
)
def test_what_has_to_be_counted_goes_by_the_gate(change: dict[str, object]) -> None:
    """Nothing else does: a plain subscription keeps the short way."""
    assert replace(USUAL, **change).gated  # type: ignore[arg-type]
    assert not USUAL.gated
    assert not Flow(pause_after=None).gated


def test_width_is_what_was_asked_for_or_sixteen() -> None:
    """Attempts at once in one gateway."""
    assert (USUAL.width, Flow(concurrency=1).width, Flow(concurrency=64).width) == (16, 1, 64)


def body(urn: str) -> bytes:
    """An event about the thing of that *urn*, a JSON value."""
    return f'{{"id":"evt_1","data":{{"title":"urn","urn":{urn}}},"type":"x"}}'.encode()


def test_events_about_one_thing_have_one_key() -> None:
    """Whatever else they say; things that differ in anything have another."""
    one, other = order_key(body('"oh:a:b:ticket:1"')), order_key(body('"oh:a:b:ticket:12"'))
    again = order_key(b'{"data":{"urn":"oh:a:b:ticket:1","id":7,"x":[{"urn":"other"}]}}')

    assert one == again != other
    assert set(one) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("urn", ["null", '""'])
def test_an_event_about_nothing_has_no_key(urn: str) -> None:
    """Then nothing waits for it, and it waits for nothing."""
    assert order_key(body(urn)) == ""
    assert order_key(b'{"data":{}}') == ""


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30s", 30), ("0.5m", 30), ("2500ms", 2.5)]
)
def test_timeouts_from_one_to_thirty_seconds(text: str, seconds: float) -> None:
    """In any unit."""
    assert parse_timeout(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["999ms", "31s", "10", "", "1h", "-5s"])
def test_other_timeouts_are_refused(text: str) -> None:
    """With the range."""
    with pytest.raises(ValueError, match="1s to 30s"):
        parse_timeout(text)
