"""Records that nobody waits for: those of what a quick subscriber took."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from onehook.core.flow import CONCURRENCY
from onehook.deliver.worker import UNRECORDED
from onehook.store.scripts import RECORD
from tests.builders import Running, Sender, Subscriber, issue, until


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """While it is not set no record is written."""
    go, run = asyncio.Event(), RECORD.run

    async def held(*given: object) -> object:
        await go.wait()
        return await run(*given)  # type: ignore[arg-type]

    go.set()
    monkeypatch.setattr(RECORD, "run", held)
    return go


async def known_as_quick(
    gateway: Running, subscriber: Subscriber
) -> tuple[Sender, dict[str, Any], str]:
    """A sender, a subscription that has answered at once, and the event that it took."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    (first,) = await gateway.accept(sender, issue(0))
    await gateway.settled(first, subscription["id"])
    return sender, subscription, first


async def test_attempts_go_on_while_records_wait_and_stop_where_too_many_do(
    gateway: Running, subscriber: Subscriber, hold: asyncio.Event
) -> None:
    """As many as are repeated at most after a crash; once they are written all goes on."""
    sender, subscription, first = await known_as_quick(gateway, subscriber)
    hold.clear()

    many = range(1, UNRECORDED + 2 * CONCURRENCY)
    sent = [(await gateway.accept(sender, issue(number)))[0] for number in many]
    await until(lambda: len(subscriber.ids) == 1 + UNRECORDED + CONCURRENCY)
    await asyncio.sleep(0.2)
    assert len(subscriber.ids) == 1 + UNRECORDED + CONCURRENCY

    hold.set()
    await gateway.quiet(subscription["id"])
    assert Counter(subscriber.ids) == dict.fromkeys([first, *sent], 1)
    for one in sent:
        assert (await gateway.delivery(one, subscription["id"]))["attempt_count"] == 1


async def test_a_stop_writes_what_is_not_recorded_yet(
    gateway: Running, subscriber: Subscriber, hold: asyncio.Event
) -> None:
    """Another gateway finds nothing to repeat."""
    sender, subscription, _ = await known_as_quick(gateway, subscriber)
    hold.clear()
    for number in range(1, 11):
        await gateway.accept(sender, issue(number))
    await until(lambda: len(subscriber.ids) == 11)

    asyncio.get_running_loop().call_later(0.2, hold.set)
    await gateway.runtime.stop()

    assert await gateway.runtime.gateway.deliveries.backlog(subscription["id"]) == 0
