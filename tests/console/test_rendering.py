"""How values read on a page."""

from datetime import UTC, datetime, timedelta

import pytest

from onehook.console.rendering import ago

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(milliseconds=400), "just now"),
        (timedelta(seconds=1), "1 second ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=92), "3 months ago"),
        (timedelta(days=366), "1 year ago"),
        (timedelta(days=2517 + 50), "7 years ago"),
        (-timedelta(hours=2), "in 2 hours"),
        (-timedelta(days=71), "in 2 months"),
    ],
)
def test_a_time_reads_as_people_say_it(before: timedelta, text: str) -> None:
    """In the largest unit that fits, up to years."""
    assert ago(NOW - before, NOW) == text
    assert ago((NOW - before).isoformat(), NOW) == text
