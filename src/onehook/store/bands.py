"""Where a delivery is in its subscription's queue: bands of one sorted set.

A score is a moment in ms plus the band it counts in. So first attempts, retries and what is in
flight are each found in order of time, and one set still holds all that a subscription has yet to
get: nothing has to be kept in step with it. The scripts have the same numbers.
"""

from datetime import UTC, datetime, timedelta

WIDTH = 4_000_000_000_000  # ms: the year 2096; four bands stay exact in Lua's 14 digits
FRESH = 0  # not attempted; due then
RETRY = WIDTH  # failed, or replayed; due then
LEASED = 2 * WIDTH  # in flight; the lease ends then, and this score is its token
LINE = 3 * WIDTH  # waits for an earlier delivery about the same thing; since then
BANDS = (FRESH, RETRY, LEASED, LINE)

# A gateway may think that a subscription is paused that another has just let go: what it queues is
# looked at after this time all the same.
PAUSED_LOOK = timedelta(seconds=10)


def lease_token(now_ms: int, lease: timedelta) -> int:
    """The token of a lease that a script made at *now_ms*."""
    return LEASED + now_ms + round(lease.total_seconds() * 1000)


def next_moment(score: float) -> datetime | None:
    """When a delivery is acted on next; None: not before another one has ended."""
    if score >= LINE:
        return None
    return datetime.fromtimestamp(score % WIDTH / 1000, UTC)
