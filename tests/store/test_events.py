"""The commit: what it writes, that it writes it once, and when what it wrote ends."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.core.model import EventId, Headers, Webhook, WebhookId
from onehook.core.receipts import Receipt
from onehook.core.references import Indexed
from onehook.store import scripts
from onehook.store.deliveries import DeliveryStore, Record
from onehook.store.events import CommitEvent, CommitWebhook, EventStore, Retention, Route
from onehook.store.keys import Keys
from onehook.store.packing import pack_event, pack_native
from onehook.store.retention import sweep
from onehook.store.scripts import Script
from tests.builders import NOW

KEEP = Retention(
    event=timedelta(hours=7),
    native=timedelta(hours=3),
    marker=timedelta(hours=72),
    dead=timedelta(hours=30),
    history=timedelta(hours=20),
)
LEASE = timedelta(seconds=30)
AT_ONCE = timedelta(0)
HOUR_MS = 3_600_000


class Shelf:
    """The store as the gateway uses it, and what tests look at besides."""

    def __init__(self, client: Redis, keys: Keys, keep: Retention = KEEP) -> None:
        self.client, self.keys = client, keys
        self.events = EventStore(client, keys, keep)  # type: ignore[arg-type]
        self.deliveries = DeliveryStore(client, keys, keep)  # type: ignore[arg-type]

    def webhook(
        self,
        name: str,
        *subscriptions: str,
        events: int = 1,
        lease: timedelta = AT_ONCE,
        paused: bool = False,
        markers: Sequence[str] | None = None,
        quarantined: str | None = None,
    ) -> CommitWebhook:
        """A webhook of that *name* whose events go to *subscriptions*."""
        webhook_id = WebhookId(f"whk_{name:0>26}")
        ids = [EventId(f"evt_{f'{name}{n}':0>26}") for n in range(events)]
        native = pack_native("int_1", "github", Webhook(Headers(), name.encode(), NOW), [])
        held = b"" if quarantined is None else b"why"
        made = [
            CommitEvent(
                id_,
                "scm.commit.pushed",
                pack_event(webhook_id, f'{{"id":"{id_}"}}'.encode()),
                [Route(one, lease, paused) for one in subscriptions],
                Indexed((f"entry of {id_}".encode(),), (b"12345678",)),
            )
            for id_ in ids
        ]
        receipt = Receipt(
            webhook_id, "d" * 16, tuple((one.id, one.type) for one in made), quarantined
        )
        keys = [self.keys.marker("int_1", "id", [m]) for m in markers or [name]]
        return CommitWebhook(receipt, "int_1", keys, native, made, held)

    async def dump(self) -> dict[bytes, bytes]:
        """Every key of this test and its content; what time alone changes is left out."""
        return {
            key: (await self.client.execute_command("DUMP", key))[:-10]
            async for key in self.client.scan_iter(f"{self.keys.prefix}:*", count=1000)
        }

    async def ttl(self, key: str) -> float:
        """Hours that *key* has to live; -1: for ever."""
        left = await self.client.pttl(key)
        return round(left / HOUR_MS, 2) if left >= 0 else left

    async def commit_one(self, name: str, *subscriptions: str, **more: object) -> str:
        """Commit one webhook with one event; the event's id."""
        webhook = self.webhook(name, *subscriptions, **more)  # type: ignore[arg-type]
        await self.events.commit([webhook])
        return webhook.events[0].id

    async def lease(self, subscription: str) -> int:
        """Lease one delivery; its token."""
        (one,) = await self.deliveries.lease(subscription, 1, LEASE)
        return one.token

    def record(
        self, name: str, event_id: str, subscription: str, token: int, outcome: str
    ) -> Record:
        """A record of an attempt."""
        return Record(
            subscription,
            event_id,
            f"whk_{name:0>26}",
            token,
            outcome,
            timedelta(minutes=1) if outcome == "again" else AT_ONCE,
            b"[1]",
            500,
            None if outcome == "delivered" else "status",
        )


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


# -- what a commit writes -------------------------------------------------------------------------


async def test_commit_writes_all_parts(shelf: Shelf) -> None:
    """A commit writes markers, native, event, index, log, queue and what is due, at once."""
    webhook = shelf.webhook("a", "sub_1", markers=["m1", "m2"])

    now, receipts, _ = await shelf.events.commit([webhook])

    assert receipts == [(webhook.receipt, False)]
    (event,) = webhook.events
    keys, client = shelf.keys, shelf.client
    for marker in webhook.markers:
        assert Receipt.of_marker((await client.get(marker)).decode()) == webhook.receipt
    native = await shelf.events.find_native(webhook.receipt.webhook_id)
    assert native is not None
    assert native.webhook.body == b"a"
    found = await shelf.events.find_event(event.id)
    assert found == (webhook.receipt.webhook_id, f'{{"id":"{event.id}"}}'.encode())
    (entry,) = await shelf.events.index(since=None, until=None, before=None, count=9)
    assert (entry.event_id, entry.type, entry.integration_id) == (event.id, event.type, "int_1")
    assert await client.zrange(keys.queue("sub_1"), 0, -1, withscores=True) == [
        [event.id.encode(), now]
    ]
    assert await client.zrange(keys.due, 0, -1) == [b"sub_1"]
    (row,) = await shelf.deliveries.log("sub_1", since=None, until=None, before=None, count=9)
    assert (row.event_id, row.type, row.integration_id) == (event.id, event.type, "int_1")
    (state,) = await shelf.deliveries.states([event.id])
    assert (state["sub_1"].status, state["sub_1"].attempt_count) == ("pending", 0)


async def test_commit_leases_to_itself(shelf: Shelf) -> None:
    """A delivery that the committer takes along is nobody else's until the lease ends."""
    event_id = await shelf.commit_one("a", "sub_1", lease=LEASE)

    assert await shelf.deliveries.due() == []
    assert await shelf.deliveries.lease("sub_1", 9, LEASE) == []
    ((queued, _),) = await shelf.deliveries.queued("sub_1", 9)
    assert queued == event_id


async def test_commit_to_a_paused_subscription_is_not_due(shelf: Shelf) -> None:
    """What a paused subscription gets is queued, and not among what is due."""
    await shelf.commit_one("a", "sub_1", paused=True)

    assert await shelf.deliveries.due() == []
    assert await shelf.deliveries.backlog("sub_1") == 1


async def test_duplicate_writes_nothing(shelf: Shelf) -> None:
    """A webhook one of whose markers was seen writes nothing, and gets the first's receipt."""
    first = shelf.webhook("a", "sub_1", markers=["id-1", "bytes-1"])
    await shelf.events.commit([first])
    before = await shelf.dump()

    for markers in (["id-1", "bytes-2"], ["id-2", "bytes-1"]):
        second = shelf.webhook("b", "sub_1", markers=markers)
        _, ((receipt, duplicate),), _ = await shelf.events.commit([second])
        assert (receipt, duplicate) == (first.receipt, True)

    assert await shelf.dump() == before


async def test_d3_commit_twice_is_the_same_state(shelf: Shelf) -> None:
    """A commit that is repeated, its outcome unknown, writes nothing and finds its own receipt."""
    batch = [shelf.webhook("a", "sub_1", "sub_2", events=2), shelf.webhook("b")]
    await shelf.events.commit(batch)
    before = await shelf.dump()

    _, receipts, _ = await shelf.events.commit(batch)

    assert receipts == [(one.receipt, False) for one in batch]
    assert await shelf.dump() == before


async def test_same_webhook_twice_in_one_batch_is_one(shelf: Shelf) -> None:
    """Of two copies in one batch the first is committed, the second a duplicate of it."""
    first, second = shelf.webhook("a", "sub_1", markers=["m"]), shelf.webhook("b", markers=["m"])
    other = shelf.webhook("c", "sub_1")

    _, receipts, _ = await shelf.events.commit([first, second, other])

    assert receipts == [
        (first.receipt, False),
        (first.receipt, True),
        (other.receipt, False),
    ]
    assert await shelf.deliveries.backlog("sub_1") == 2
    assert await shelf.events.find_event(second.events[0].id) is None


async def test_commit_order_is_the_order_of_the_index(shelf: Shelf) -> None:
    """The index lists events in the order of their commits, also inside a batch."""
    batch = [shelf.webhook(name, "sub_1") for name in "abcdef"]
    await shelf.events.commit(batch[:3])
    await shelf.events.commit(batch[3:])

    entries = await shelf.events.index(since=None, until=None, before=None, count=9)

    assert [e.event_id for e in reversed(entries)] == [w.events[0].id for w in batch]
    leased = await shelf.deliveries.lease("sub_1", 9, LEASE)
    assert [one.event_id for one in leased] == [w.events[0].id for w in batch]


async def test_quarantined_webhook_is_listed_and_kept(shelf: Shelf) -> None:
    """A quarantined webhook has no events, a place in the quarantine, and 30 days to live."""
    webhook = shelf.webhook("a", events=0, quarantined="no_rule")

    await shelf.events.commit([webhook])
    _, ((receipt, duplicate),), _ = await shelf.events.commit(
        [replace(webhook, receipt=replace(webhook.receipt, webhook_id=WebhookId("whk_other")))]
    )

    assert (receipt.quarantined, duplicate) == ("no_rule", True)
    assert await shelf.client.zrange(shelf.keys.quarantine, 0, -1) == [
        webhook.receipt.webhook_id.encode()
    ]
    assert await shelf.ttl(shelf.keys.native(webhook.receipt.webhook_id)) == 30


# -- what ends, and when --------------------------------------------------------------------------


async def test_expiry_of_what_nobody_wants_is_set_at_once(shelf: Shelf) -> None:
    """An event without a subscription, its webhook and the markers expire from the commit on."""
    webhook = shelf.webhook("a")

    await shelf.events.commit([webhook])

    assert await shelf.ttl(shelf.keys.event(webhook.events[0].id)) == 7
    assert await shelf.ttl(shelf.keys.native(webhook.receipt.webhook_id)) == 3
    assert await shelf.ttl(webhook.markers[0]) == 72


@pytest.mark.parametrize("outcome", ["delivered", "cancelled"])
async def test_expiry_is_set_when_the_last_delivery_ended(shelf: Shelf, outcome: str) -> None:
    """No part of an event expires before its last delivery ended; from then on all do.

    What became of its deliveries is history, and is kept as long as that.
    """
    webhook = shelf.webhook("a", "sub_1", "sub_2")
    await shelf.events.commit([webhook])
    event_id, whk = webhook.events[0].id, webhook.receipt.webhook_id
    parts = [shelf.keys.event(event_id), shelf.keys.deliveries(event_id), shelf.keys.native(whk)]
    assert [await shelf.ttl(part) for part in parts] == [-1, -1, -1]

    for subscription, step, ttls in (
        ("sub_1", "again", [-1, -1, -1]),
        ("sub_2", outcome, [-1, -1, -1]),
        ("sub_1", outcome, [7, 20, 3]),
    ):
        queue = shelf.keys.queue(subscription)
        await shelf.client.zadd(queue, {event_id: 1}, xx=True)  # due
        token = await shelf.lease(subscription)
        assert await shelf.deliveries.record(
            [shelf.record("a", event_id, subscription, token, step)]
        ) == [True]
        assert [await shelf.ttl(part) for part in parts] == ttls


async def test_native_lives_until_its_last_event_ended(shelf: Shelf) -> None:
    """A webhook of two events expires only when both have no delivery left."""
    webhook = shelf.webhook("a", "sub_1", events=2)
    await shelf.events.commit([webhook])
    native = shelf.keys.native(webhook.receipt.webhook_id)

    ttls = []
    for event in webhook.events:
        token = await shelf.lease("sub_1")
        await shelf.deliveries.record([shelf.record("a", event.id, "sub_1", token, "delivered")])
        ttls.append(await shelf.ttl(native))

    assert ttls == [-1, 3]


async def test_dead_letter_keeps_event_and_webhook_longer(shelf: Shelf) -> None:
    """Once one of its deliveries died an event is kept for 30 days, whatever ends last."""
    event_id = await shelf.commit_one("a", "sub_1", "sub_2")
    for subscription, outcome in (("sub_1", "dead"), ("sub_2", "delivered")):
        token = await shelf.lease(subscription)
        await shelf.deliveries.record([shelf.record("a", event_id, subscription, token, outcome)])

    assert await shelf.ttl(shelf.keys.event(event_id)) == 30
    assert await shelf.ttl(shelf.keys.deliveries(event_id)) == 30
    assert await shelf.ttl(shelf.keys.native(f"whk_{'a':0>26}")) == 30
    assert await shelf.client.zrange(shelf.keys.dead("sub_1"), 0, -1) == [event_id.encode()]
    assert await shelf.client.zcard(shelf.keys.dead("sub_2")) == 0


async def test_redelivery_after_the_markers_ended_leaves_nothing_for_ever(shelf: Shelf) -> None:
    """A webhook that comes again after its markers ended leaves nothing without an expiry."""
    first = shelf.webhook("a", "sub_1")
    again = replace(first, receipt=replace(first.receipt, webhook_id=WebhookId(f"whk_{'b':0>26}")))
    again = replace(
        again,
        events=[replace(first.events[0], packed=pack_event(again.receipt.webhook_id, b"{}"))],
    )
    await shelf.events.commit([first])
    await shelf.client.delete(*first.markers)
    await shelf.events.commit([again])

    token = await shelf.lease("sub_1")
    await shelf.deliveries.record(
        [shelf.record("a", first.events[0].id, "sub_1", token, "delivered")]
    )

    assert await shelf.ttl(shelf.keys.native(first.receipt.webhook_id)) == 3
    assert await shelf.ttl(shelf.keys.native(again.receipt.webhook_id)) > 0


# -- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "commit",
        "due",
        "lease",
        "record",
        "replay",
        "replay_claim",
        "replay_end",
        "sightings",
        "withdraw",
    ],
)
async def test_every_script_loads(client: Redis, name: str) -> None:
    """The server compiles every script."""
    assert await client.script_load(Script(name).text)


def test_every_lua_file_is_a_known_script() -> None:
    """No script lies about that nothing calls."""
    found = {
        entry.name.removesuffix(".lua")
        for entry in files("onehook.store.scripts").iterdir()
        if entry.name.endswith(".lua")
    }
    known = {value.name for value in vars(scripts).values() if isinstance(value, Script)}
    assert found == known


async def test_d14_flushed_scripts_are_loaded_again(shelf: Shelf) -> None:
    """When the server has lost its scripts, every call loads its own again and succeeds."""
    for name in "ab":
        await shelf.client.script_flush()
        event_id = await shelf.commit_one(name, "sub_1")
        await shelf.client.script_flush()
        assert await shelf.deliveries.due() == ["sub_1"]
        await shelf.client.script_flush()
        token = await shelf.lease("sub_1")
        await shelf.client.script_flush()
        record = shelf.record(name, event_id, "sub_1", token, "delivered")
        assert await shelf.deliveries.record([record]) == [True]


async def test_scripts_declare_every_key(shelf: Shelf) -> None:
    """All keys of one partition carry one hash tag."""
    await shelf.commit_one("a", "sub_1")

    names = [key.decode() async for key in shelf.client.scan_iter(f"{shelf.keys.prefix}:*")]

    assert {name.partition("{")[2].partition("}")[0] for name in names} == {"0"}


# -- time -----------------------------------------------------------------------------------------


async def test_a_packed_webhook_costs_little_beside_its_bytes(shelf: Shelf) -> None:
    """The embedded store keeps the hash of a webhook of usual size as a list, not as a table."""
    webhook = replace(shelf.webhook("a"), native=os.urandom(3000))

    await shelf.events.commit([webhook])

    native = shelf.keys.native(webhook.receipt.webhook_id)
    assert await shelf.client.execute_command("OBJECT", "ENCODING", native) == b"listpack"


async def test_index_is_read_by_time_and_position(shelf: Shelf) -> None:
    """`since` is inclusive, `until` exclusive, `before` continues after what was seen."""
    await shelf.events.commit([shelf.webhook(name) for name in "abc"])
    entries = await shelf.events.index(since=None, until=None, before=None, count=9)
    moments = [datetime.fromtimestamp(int(e.position.split("-")[0]) / 1000, UTC) for e in entries]

    async def ids(**given: object) -> list[str]:
        asked = {"since": None, "until": None, "before": None, "count": 9, **given}
        return [e.event_id for e in await shelf.events.index(**asked)]  # type: ignore[arg-type]

    everything = [entry.event_id for entry in entries]
    assert await ids(since=min(moments)) == everything
    assert await ids(until=min(moments)) == []
    assert await ids(since=max(moments) + timedelta(milliseconds=1)) == []
    assert await ids(before=entries[0].position) == everything[1:]
    assert await ids(count=2) == everything[:2]


async def test_sweep_ends_what_time_ends(shelf: Shelf) -> None:
    """A sweep drops old rows of the lists, dead letters and quarantine, and nothing pending."""
    keys, client = shelf.keys, shelf.client
    old, new = 1, 4_102_444_800_000  # 1970, 2100
    for stream in (keys.index, keys.log("sub_2"), keys.attempts("sub_2")):
        for _ in range(300):  # trimmed by whole nodes of 100
            await client.xadd(stream, {"e": "old"}, id=f"{old}-*")
    event_id = await shelf.commit_one("a", "sub_1", "sub_2")
    for name in (keys.dead("sub_2"), keys.quarantine):
        await client.zadd(name, {"old": old, "new": new})

    await sweep(client, keys, KEEP, ["sub_1", "sub_2"])  # type: ignore[arg-type]

    for stream in (keys.index, keys.log("sub_2"), keys.attempts("sub_2")):
        assert await client.xlen(stream) < 150
    for stream in (keys.index, keys.log("sub_2")):
        ((_, fields),) = await client.xrevrange(stream, count=1)
        assert fields[b"e"].decode() == event_id
    for name in (keys.dead("sub_2"), keys.quarantine):
        assert await client.zrange(name, 0, -1) == [b"new"]
    assert await shelf.deliveries.backlog("sub_1") == 1
    assert await shelf.events.find_event(event_id) is not None
