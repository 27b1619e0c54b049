"""A store that fills up frees what is delivered, and nothing that anybody still waits for."""

import itertools
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from onehook.core.model import EventId, Headers, Webhook, WebhookId
from onehook.core.receipts import Receipt
from onehook.core.references import Indexed
from onehook.store.archive import Archive
from onehook.store.connection import connect
from onehook.store.deliveries import DeliveryStore, Record
from onehook.store.events import CommitEvent, CommitWebhook, EventStore, Retention, Route
from onehook.store.history import History, is_pressed
from onehook.store.keys import Keys
from onehook.store.packing import pack_event, pack_native
from onehook.store.relief import Relief
from onehook.store.server import EmbeddedServer
from tests.builders import NOW, Native, Subscriber, acme, eventually, until, write_acme
from tests.conftest import StartGateway

MEMORY = 16 * 1024 * 1024
SUBSCRIPTION = "sub_1"
KEEP = Retention()
NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Store:
    """A server with little memory, and what fills it."""

    client: Redis
    relief: Relief
    history: History
    events: EventStore
    deliveries: DeliveryStore
    made: int = 0

    async def commit(
        self, count: int, *, native: int, event: int, quarantined: bool = False
    ) -> list[CommitWebhook]:
        """*count* webhooks of so many bytes that nothing packs, their events queued."""
        batch: list[CommitWebhook] = []
        for _ in range(count):
            self.made += 1
            webhook_id = WebhookId(f"whk_{self.made:0>26}")
            event_id = EventId(f"evt_{self.made:0>26}")
            one = CommitEvent(
                event_id,
                "scm.commit.pushed",
                pack_event(webhook_id, os.urandom(event)),
                [Route(SUBSCRIPTION, KEEP.native * 0, paused=False)],
                Indexed((f"entry of {event_id}".encode(),), (b"12345678",)),
            )
            packed = pack_native("int_1", "github", Webhook(Headers(), os.urandom(native), NOW), [])
            batch.append(
                CommitWebhook(
                    Receipt(webhook_id, "d" * 16, ((event_id, one.type),)),
                    "int_1",
                    [self.events.keys.marker("int_1", "id", [webhook_id])],
                    packed,
                    [] if quarantined else [one],
                    b"why" if quarantined else b"",
                )
            )
        await self.events.commit(batch)
        return batch

    async def end(self, batch: Sequence[CommitWebhook], outcome: str) -> None:
        """Lease all that is queued and let it end so."""
        leased = await self.deliveries.lease(SUBSCRIPTION, len(batch), KEEP.native)
        webhooks = {one.events[0].id: one.receipt.webhook_id for one in batch}
        records = [
            Record(SUBSCRIPTION, one.event_id, webhooks[EventId(one.event_id)], one.token, outcome)
            for one in leased
        ]
        assert len(records) == len(batch)
        assert all(await self.deliveries.record(records))

    async def fill(self, *, native: int, event: int) -> list[CommitWebhook]:
        """Delivered webhooks of so many bytes, until the store is too full."""
        found: list[CommitWebhook] = []
        while not await is_pressed(self.client):  # type: ignore[arg-type]
            batch = await self.commit(50, native=native, event=event)
            await self.end(batch, "delivered")
            found += batch
        return found

    async def relieve(self) -> None:
        """One round."""
        await self.relief.relieve(
            ["default"],
            {SUBSCRIPTION: "default"},
            lambda: self.history.trim([SUBSCRIPTION]),
        )

    async def natives(self, batch: Sequence[CommitWebhook]) -> int:
        """How many of the native webhooks are there."""
        keys = [self.events.keys.native(one.receipt.webhook_id) for one in batch]
        return int(await self.client.exists(*keys))

    async def bodies(self, batch: Sequence[CommitWebhook]) -> int:
        """How many of the events are there."""
        keys = [self.events.keys.event(one.events[0].id) for one in batch]
        return int(await self.client.exists(*keys))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store of this test's own."""
    server = EmbeddedServer(tmp_path / "small", maxmemory=MEMORY)
    keys = Keys("oh")
    try:
        async with connect(await server.start()) as client:
            archive = Archive(tmp_path / "archive")
            yield Store(
                client,
                Relief(client, keys, KEEP),  # type: ignore[arg-type]
                History(client, keys, KEEP, archive, "one"),  # type: ignore[arg-type]
                EventStore(client, keys, KEEP),  # type: ignore[arg-type]
                DeliveryStore(client, keys, KEEP),  # type: ignore[arg-type]
            )
    finally:
        await server.stop()


async def test_d9_natives_go_first_and_oldest_first(store: Store) -> None:
    """Of what is delivered the native webhooks go, as many as have to; the events stay."""
    done = await store.fill(native=8_000, event=500)

    await store.relieve()

    assert not await is_pressed(store.client)  # type: ignore[arg-type]
    kept = await store.natives(done)
    assert 0 < kept < len(done)
    assert await store.natives(done[-kept:]) == kept, "the oldest went"
    assert await store.bodies(done) == len(done)


async def test_d9_then_delivered_history_goes(store: Store) -> None:
    """Where natives are not enough the oldest events go, with what lists them."""
    done = await store.fill(native=10, event=4_000)

    await store.relieve()

    keys = store.events.keys
    assert not await is_pressed(store.client)  # type: ignore[arg-type]
    kept = await store.bodies(done)
    assert 0 < kept < len(done)
    assert await store.bodies(done[-kept:]) == kept
    assert await store.client.xlen(keys.index) == kept
    assert await store.client.xlen(keys.log(SUBSCRIPTION)) == kept


async def test_d9_what_is_waited_for_never_goes(store: Store) -> None:
    """Pending, dead and quarantined webhooks outlive everything, though they are the oldest."""
    dead = await store.commit(50, native=8_000, event=4_000)
    await store.end(dead, "dead")
    held = await store.commit(50, native=8_000, event=10, quarantined=True)
    pending = await store.commit(50, native=8_000, event=4_000)
    done = await store.commit(400, native=2_000, event=4_000)
    await store.deliveries.lease(SUBSCRIPTION, 50, KEEP.native)  # the first are in flight
    await store.end(done, "delivered")
    for _ in range(3):
        await store.client.config_set("maxmemory", 1024 * 1024)  # less than it holds

        await store.relieve()

    assert await store.natives(done) == await store.bodies(done) == 0
    assert await store.natives(pending) == await store.bodies(pending) == 50
    assert await store.natives(dead) == await store.bodies(dead) == 50
    assert await store.natives(held) == 50
    assert await store.client.xlen(store.events.keys.index) == 100


async def test_b7_d9_a_full_store_refuses_and_recovers_by_itself(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Path
) -> None:
    """Full of what is pending it is 503 with Retry-After; delivered, that makes room again."""
    server = EmbeddedServer(tmp_path / "small", maxmemory=3 * 1024 * 1024)
    try:
        mappings = write_acme(tmp_path / "mappings")
        gateway = await start_gateway(redis_url=await server.start(), mappings=mappings)
        sender = await gateway.integrate("acme")
        subscription = await gateway.subscribe(subscriber)
        path = f"/v1/subscriptions/{subscription['id']}"
        assert (await gateway.api.post(f"{path}/pause", {})).status == 200
        ids: list[str] = []
        while (answer := await gateway.send(sender, _large())).status == 202:
            ids += [event["id"] for event in answer.json["events"]]
        assert (answer.status, answer.json["code"]) == (503, "store_full")
        assert int(answer.headers["Retry-After"]) > 0
        assert (await gateway.vendor.get("/healthz")).status == 200
        again = await start_gateway(redis_url=await server.start(), mappings=mappings)
        assert (await again.vendor.get("/readyz")).status == 200, "it starts on a full store"
        assert (await gateway.api.post(f"{path}/resume", {})).status == 200
        await until(lambda: len({*subscriber.ids}) == len(ids), within=60)
        assert {*subscriber.ids} == {*ids}

        async def taken() -> bool:
            found = await gateway.send(sender, _large())
            return found.status in (200, 202)

        await eventually(taken, 30)
    finally:
        await server.stop()


def _large() -> Native:
    """A webhook that packs to 16 kB."""
    return acme(
        "tickets", tickets=[{"id": f"A-{next(NUMBERS)}", "title": os.urandom(16_000).hex()}]
    )
