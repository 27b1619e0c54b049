"""The gateway's clock may be wrong: what has a moment goes by the store's."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import Reply, Subscriber, issue, until
from tests.conftest import StartGateway

HOUR = timedelta(hours=1)
RETRY = 2.0  # seconds


class Jumping:
    """The machine's clock, *ahead* of itself."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """The time, as wrong as it is."""
        return datetime.now(UTC) + self.ahead


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_d15_a_clock_that_jumps_moves_no_retry(
    step: timedelta, start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """A step of an hour between two attempts: the second is not early, and not an hour late."""
    clock = Jumping()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate("github")
    await gateway.subscribe(subscriber, retry=[f"{RETRY:g}s"] * 3)
    subscriber.script.append(Reply(500))
    before = await gateway.accept(sender, issue(1))
    await until(lambda: len(subscriber.ids) == 1)
    failed = time.monotonic()
    clock.ahead = step
    after = await gateway.accept(sender, issue(2))

    await until(lambda: len(subscriber.ids) == 3, within=60)

    assert sorted(subscriber.ids) == sorted([*before, *before, *after])
    again = len(subscriber.ids) - 1 - subscriber.ids[::-1].index(before[0])
    assert again == 2
    assert time.monotonic() - failed >= RETRY - 0.1
