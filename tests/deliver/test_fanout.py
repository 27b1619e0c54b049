"""Many subscriptions that cannot have an event now delay nobody, and get it all the same."""

import asyncio
from typing import Any

import pytest

from onehook.deliver import fanout
from onehook.ingest.committer import FEW
from tests.builders import SECRET, Running, Subscriber, eventually, issue
from tests.conftest import StartGateway

MANY = FEW + 4


async def _paused(gateway: Running, subscriber: Subscriber, count: int = MANY) -> list[str]:
    """So many paused subscriptions."""
    made = [
        await gateway.subscribe(subscriber, name=f"paused {n}", secret=SECRET) for n in range(count)
    ]
    for one in made:
        answer = await gateway.api.post(f"/v1/subscriptions/{one['id']}/pause")
        assert answer.status == 200
    return [one["id"] for one in made]


async def _backlogs(gateway: Running, ids: list[str]) -> list[int]:
    return [await gateway.runtime.gateway.deliveries.backlog(id_) for id_ in ids]


async def _filled(gateway: Running, ids: list[str], count: int) -> None:
    async def filled() -> bool:
        return await _backlogs(gateway, ids) == [count] * len(ids)

    await eventually(filled)


async def test_many_paused_get_everything_once(gateway: Running, subscriber: Subscriber) -> None:
    """What is published while they are paused arrives once at each when they are resumed."""
    sender = await gateway.integrate()
    ids = await _paused(gateway, subscriber)
    events = [(await gateway.accept(sender, issue(n)))[0] for n in range(5)]
    await _filled(gateway, ids, len(events))
    assert subscriber.received == []

    for id_ in ids:
        await gateway.api.post(f"/v1/subscriptions/{id_}/resume")

    for id_ in ids:
        await gateway.quiet(id_)
    assert sorted(subscriber.ids) == sorted(events * MANY)


async def test_the_listing_shows_what_waits(gateway: Running, subscriber: Subscriber) -> None:
    """Deliveries that the fan-out made are listed as any others."""
    sender = await gateway.integrate()
    ids = await _paused(gateway, subscriber)
    (event_id,) = await gateway.accept(sender, issue(1))
    await _filled(gateway, ids, 1)

    for id_ in ids:
        answer = await gateway.api.get("/v1/deliveries", subscription=id_)
        (row,) = answer.json["data"]
        assert (row["event_id"], row["status"]) == (event_id, "pending")


async def test_what_a_crash_left_is_found_at_the_next_start(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is durable before any queue is filled: whoever comes next fills them."""
    gateway = await start_gateway()
    sender = await gateway.integrate()
    ids = await _paused(gateway, subscriber)

    async def cut(_: fanout.FanOut) -> bool:
        await asyncio.sleep(0)
        return False

    with monkeypatch.context() as patch:  # as if the process ended between the two
        patch.setattr(fanout.FanOut, "_some", cut)
        (event_id,) = await gateway.accept(sender, issue(1))
        assert await _backlogs(gateway, ids) == [0] * MANY
        await gateway.close()

    again = await start_gateway()

    await _filled(again, ids, 1)
    found: dict[str, Any] = await again.delivery(event_id, ids[0])
    assert found["status"] == "pending"


async def test_what_is_left_to_a_deleted_subscription_is_cancelled(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deleted between commit and fan-out: its delivery ends, and the event with it."""
    sender = await gateway.integrate()
    ids = await _paused(gateway, subscriber)
    real = fanout.FanOut._some
    go = asyncio.Event()

    async def later(self: fanout.FanOut) -> bool:
        await go.wait()
        return await real(self)

    monkeypatch.setattr(fanout.FanOut, "_some", later)
    await asyncio.sleep(fanout.GATHER)
    (event_id,) = await gateway.accept(sender, issue(1))
    answer = await gateway.api.delete(f"/v1/subscriptions/{ids[0]}")
    assert answer.status == 204, answer.body
    go.set()

    async def cancelled() -> bool:
        states = (await gateway.runtime.gateway.deliveries.states([event_id]))[0]
        return states[ids[0]].status == "cancelled"

    await eventually(cancelled)
    await _filled(gateway, ids[1:], 1)
