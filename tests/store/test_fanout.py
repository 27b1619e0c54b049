"""The fan-out: queues that are filled behind the commit."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.store.bands import PAUSED_LOOK
from onehook.store.events import FAN_OUT, CommitWebhook
from onehook.store.fanout import Block, FanOutStore
from onehook.store.keys import Keys
from onehook.store.replays import ReplayStore
from tests.store.test_events import KEEP, Shelf
from tests.store.test_replays import item

SUBS = ["sub_1", "sub_2", "sub_3"]


class FanShelf(Shelf):
    """A store with a fan-out."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        super().__init__(client, keys)
        self.fan_out = FanOutStore(client, keys)  # type: ignore[arg-type]

    def later(self, name: str, *subscriptions: str, now: str | None = None) -> CommitWebhook:
        """A webhook with an event for *subscriptions* by the fan-out, and for *now* at once."""
        webhook = self.webhook(name, *([] if now is None else [now]))
        return replace(webhook, events=[replace(webhook.events[0], later=subscriptions)])

    async def gather(self) -> list[Block]:
        """All that commits left for later."""
        return (await self.fan_out.gather(100, 100))[1]

    async def spread(self, block: Block, held: Collection[str] = ()) -> bool:
        """All of *block*, in one script."""
        return await self.fan_out.spread(block, 0, FAN_OUT, held)

    async def queued(self, *subscriptions: str) -> list[int]:
        """How many deliveries the queue of each has."""
        return [await self.deliveries.backlog(one) for one in subscriptions]


async def looked_at_in_a_while(shelf: Shelf, *subscriptions: str) -> bool:
    """Whether each is looked at, and none before nearly `PAUSED_LOOK` from now."""
    waits = [await shelf.deliveries.due_in(one) for one in subscriptions]
    return all(wait is not None and PAUSED_LOOK / 2 < wait <= PAUSED_LOOK for wait in waits)


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> FanShelf:
    """An empty store."""
    return FanShelf(client, keys)


async def test_deliveries_are_made_with_the_commit_and_queued_by_the_fan_out(
    shelf: FanShelf,
) -> None:
    """They are pending at once; the queues, the logs and what is due come with the fan-out."""
    webhook = shelf.later("a", *SUBS, now="sub_0")
    before = datetime.now(UTC) - timedelta(seconds=1)
    await shelf.events.commit([webhook])

    (event_id,) = [event.id for event in webhook.events]
    (states,) = await shelf.deliveries.states([event_id])
    assert {id_: state.status for id_, state in states.items()} == dict.fromkeys(
        ["sub_0", *SUBS], "pending"
    )
    assert await shelf.queued("sub_0", *SUBS) == [1, 0, 0, 0]
    assert await shelf.deliveries.due() == ["sub_0"]

    (block,) = await shelf.gather()
    assert (block.subscriptions, block.members[1]) == (tuple(SUBS), event_id.encode())
    assert await shelf.spread(block)

    assert await shelf.queued("sub_0", *SUBS) == [1, 1, 1, 1]
    assert sorted(await shelf.deliveries.due()) == ["sub_0", *SUBS]
    assert await shelf.gather() == []
    for id_ in SUBS:
        (entry,) = await shelf.deliveries.log(id_, since=before, until=None, before=None, count=9)
        assert (entry.event_id, entry.type) == (event_id, "scm.commit.pushed")
        made = await shelf.deliveries.made_at(event_id)
        assert made is not None
        assert await shelf.deliveries.find_logged(id_, event_id, made) == entry
        token = await shelf.lease(id_)
        await shelf.deliveries.record([shelf.record("a", event_id, id_, token, "delivered")])
    await shelf.deliveries.record(
        [shelf.record("a", event_id, "sub_0", await shelf.lease("sub_0"), "delivered")]
    )
    assert await shelf.ttl(shelf.keys.event(event_id)) > 0  # the last delivery has ended


async def test_each_entry_is_done_once(shelf: FanShelf) -> None:
    """Two gateways may find the same blocks; what was delivered meanwhile is not queued again."""
    await shelf.events.commit([shelf.later("a", *SUBS)])
    (block,) = await shelf.gather()
    assert await shelf.gather() == [block]
    await shelf.spread(block)
    event_id = block.members[1].decode()
    token = await shelf.lease("sub_1")
    await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", token, "delivered")])
    await shelf.events.commit([shelf.later("b", *SUBS)])

    assert not await shelf.spread(block)
    for one in await shelf.gather():
        await shelf.spread(one)

    assert await shelf.queued(*SUBS) == [1, 2, 2]
    logged = await shelf.deliveries.log("sub_1", since=None, until=None, before=None, count=9)
    assert len(logged) == 2


async def test_events_to_the_same_subscriptions_come_together(shelf: FanShelf) -> None:
    """Each block is of those that name the same; of many, as many as are asked for."""
    two = [shelf.later(name, *SUBS[:2]) for name in "abc"]
    await shelf.events.commit([two[0], shelf.later("d", *SUBS), *two[1:]])

    found, blocks = await shelf.fan_out.gather(3, 1)
    assert (found, [len(one) for one in blocks]) == (3, [2])
    found, blocks = await shelf.fan_out.gather(100, 100)
    assert (found, [(one.subscriptions, len(one)) for one in blocks]) == (
        1,
        [(tuple(SUBS[:2]), 2), (tuple(SUBS), 1), (tuple(SUBS[:2]), 1)],
    )
    for one in blocks:
        await shelf.spread(one)
    assert await shelf.queued(*SUBS) == [4, 4, 1]


async def test_what_waits_for_the_fan_out_is_not_made_anew(shelf: FanShelf) -> None:
    """A replay finds its delivery pending, as any other; one that was never made is made."""
    webhook = shelf.later("a", *SUBS[:2])
    await shelf.events.commit([webhook])
    replays = ReplayStore(shelf.client, shelf.keys, KEEP)  # type: ignore[arg-type]
    items = [item("a", webhook.events[0].id, one) for one in SUBS]
    assert await replays.replay(items) == ["pending", "pending", "queued"]
    for block in await shelf.gather():
        await shelf.spread(block)
    assert await shelf.queued(*SUBS) == [1, 1, 1]
    assert await replays.replay(items) == ["pending"] * 3


async def test_a_repeated_commit_leaves_nothing_twice(shelf: FanShelf) -> None:
    """Its outcome was unknown: its markers say that it is done."""
    webhook = shelf.later("a", *SUBS)
    for _ in range(2):
        await shelf.events.commit([webhook])
    assert [len(one) for one in await shelf.gather()] == [1]


async def test_who_is_held_is_not_due(shelf: FanShelf) -> None:
    """A paused subscription's queue fills all the same."""
    await shelf.events.commit([shelf.later("a", *SUBS)])

    (block,) = await shelf.gather()
    due = await shelf.spread(block, SUBS[:2])

    assert due
    assert await shelf.queued(*SUBS) == [1, 1, 1]
    assert await shelf.deliveries.due() == ["sub_3"]
    assert await looked_at_in_a_while(shelf, *SUBS[:2])
    await shelf.events.commit([shelf.later("b", *SUBS[:2])])
    (block,) = await shelf.gather()
    assert not await shelf.spread(block, SUBS)


async def test_who_only_seems_to_be_held_is_not_forgotten(shelf: FanShelf) -> None:
    """Another gateway may have let it go a moment ago: whatever is queued is looked at again."""
    await shelf.commit_one("a", "sub_1", paused=True)
    assert await looked_at_in_a_while(shelf, "sub_1")
    await shelf.deliveries.expedite("sub_1")
    assert await shelf.deliveries.due() == ["sub_1"]

    await shelf.deliveries.postpone("sub_1")

    assert await looked_at_in_a_while(shelf, "sub_1")
    await shelf.deliveries.postpone("sub_2")  # has nothing queued
    assert await shelf.client.zcard(shelf.keys.due) == 1


async def test_nothing_is_due_before_the_gate_opens(shelf: FanShelf) -> None:
    """A breaker's probe, and what a subscriber asked for, hold for what the fan-out queues."""
    await shelf.events.commit([shelf.later("a", *SUBS)])
    soon = round((datetime.now(UTC) + timedelta(seconds=60)).timestamp() * 1000)
    await shelf.client.hset(shelf.keys.gate("sub_1"), mapping={"s": "open", "u": soon})
    await shelf.client.hset(shelf.keys.gate("sub_2"), "h", soon)

    (block,) = await shelf.gather()
    assert await shelf.spread(block)

    assert await shelf.deliveries.due() == ["sub_3"]
    assert await shelf.client.zscore(shelf.keys.due, "sub_1") == soon
    assert await shelf.client.zscore(shelf.keys.due, "sub_2") == soon


async def test_many_are_several_entries(shelf: FanShelf) -> None:
    """Each is small enough for one script."""
    many = [f"sub_{n:04d}" for n in range(2 * FAN_OUT + 1)]
    await shelf.events.commit([shelf.later("a", *many)])

    blocks = await shelf.gather()

    assert [len(one.subscriptions) for one in blocks] == [FAN_OUT, FAN_OUT, 1]
    for one in blocks:
        await shelf.spread(one)
    assert await shelf.queued(*many) == [1] * len(many)


async def test_nobody_is_forgotten_with_something_queued(shelf: FanShelf) -> None:
    """What the fan-out queued for a deleted subscription is cancelled before that is forgotten."""
    event_id = await shelf.commit_one("a", "sub_1")

    assert not await shelf.deliveries.forget("sub_1")
    assert await shelf.queued("sub_1") == [1]
    assert await shelf.deliveries.due() == ["sub_1"]

    token = await shelf.lease("sub_1")
    await shelf.deliveries.record([shelf.record("a", event_id, "sub_1", token, "cancelled")])
    assert await shelf.deliveries.forget("sub_1")
    assert await shelf.client.exists(shelf.keys.queue("sub_1"), shelf.keys.due) == 0


async def test_some_of_the_queues_at_a_time(shelf: FanShelf) -> None:
    """Whoever comes later goes on where it was left, and none gets anything twice."""
    await shelf.events.commit([shelf.later("a", *SUBS), shelf.later("b", *SUBS)])
    (block,) = await shelf.gather()
    await shelf.fan_out.spread(block, 0, 1, ())
    assert await shelf.queued(*SUBS) == [2, 0, 0]

    await shelf.fan_out.spread(block, 0, 2, ())  # another gateway, which has not heard of that
    await shelf.fan_out.spread(block, 2, 1, ())
    assert await shelf.queued(*SUBS) == [2, 0, 0]

    (left,) = await shelf.gather()
    assert left.done == 1
    await shelf.fan_out.spread(left, 1, 2, ())
    assert await shelf.queued(*SUBS) == [2, 2, 2]
    assert await shelf.gather() == []
    assert await shelf.client.exists(shelf.keys.fan_out_progress, shelf.keys.fan_out_blocks) <= 1
    for id_ in SUBS:
        logged = await shelf.deliveries.log(id_, since=None, until=None, before=None, count=9)
        ids = [event_id.decode() for event_id in block.members[1::2]]
        assert [one.event_id for one in logged] == ids[::-1]
