"""Bulk replays at size, by a real process: counted, stopped, killed half-way, flat in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from benchmarks.subscriber import Behaviour, Subscriber
from onehook.core.jsontext import encode
from onehook.store.keys import Keys
from onehook.store.packing import pack_event
from tests.e2e.gateways import Gateway, gateway

EVENTS = 50_000
SINCE = "2020-01-01T00:00:00Z"
KEYS = Keys("oh")


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    """A subscriber that takes everything and keeps the ids."""
    made = Subscriber(Behaviour(keep_ids=True))
    await made.start()
    yield made
    await made.stop()


def event(number: int) -> tuple[str, bytes]:
    """An event that was delivered once: its id, and itself as it is stored."""
    event_id = f"evt_{number:026}"
    envelope = {
        "id": event_id,
        "type": "scm.commit.pushed",
        "integration": {"id": "int_1", "type": "acme", "name": "acme"},
        "data": {"title": "x" * 200},
    }
    return event_id, pack_event(f"whk_{number:026}", encode(envelope))


async def fill(made: Gateway, subscription_id: str, count: int) -> None:
    """Write *count* delivered events into the gateway's store."""
    client = Redis(unix_socket_path=str(made.data / "valkey.sock"))
    for start in range(0, count, 500):
        async with client.pipeline(transaction=False) as pipe:
            for number in range(start, min(count, start + 500)):
                event_id, packed = event(number)
                entry: Any = {"e": event_id, "t": "scm.commit.pushed", "i": "int_1"}
                state: Any = {"n": 0, "at": 1, subscription_id: "delivered|1|1|200||"}
                pipe.set(KEYS.event(event_id), packed)
                pipe.hset(KEYS.deliveries(event_id), mapping=state)
                pipe.xadd(KEYS.index, entry)
            await pipe.execute()
    await client.aclose()


def memory(made: Gateway) -> float:
    """The gateway's resident memory in MB; 0 where the system does not say."""
    assert made.process is not None
    status = Path(f"/proc/{made.process.pid}/status")
    if not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


async def until(made: Gateway, replay_id: str, least: int, seconds: float = 60) -> Any:
    """A replay once it has queued so many."""
    deadline = time.monotonic() + seconds
    while True:
        found = await made.call(f"/v1/replays/{replay_id}")
        if found["queued"] >= least:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_g8_fifty_thousand_events(tmp_path: Path, subscriber: Subscriber) -> None:
    """A dry run counts all; progress moves; a cancel stops within 2 s; memory stays flat."""
    async with gateway(tmp_path / "data") as made:
        subscription = await made.call("/v1/subscriptions", {"url": subscriber.url})
        await fill(made, subscription["id"], EVENTS)
        before = memory(made)

        dry = await made.call("/v1/replays", {"since": SINCE, "dry_run": True})
        assert (dry["matched"], dry["queued"]) == (EVENTS, 0)

        begun = await made.call("/v1/replays", {"since": SINCE})
        first = await until(made, begun["id"], 500)
        second = await until(made, begun["id"], first["queued"] + 500)
        assert first["matched"] == second["matched"] == EVENTS
        assert subscriber.received.posts > 0

        asked = time.monotonic()
        await made.call(f"/v1/replays/{begun['id']}/cancel", {})
        await asyncio.sleep(max(0, asked + 2 - time.monotonic()))
        sent = subscriber.received.posts
        await asyncio.sleep(1)
        stopped = await made.call(f"/v1/replays/{begun['id']}")

        assert stopped["status"] == "cancelled"
        assert subscriber.received.posts == sent == stopped["queued"] < EVENTS
        grown = memory(made) - before
    print(f"\n{sent} of {EVENTS} sent when cancelled; memory grew by {grown:.1f} MB")
    assert grown < 60


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_g8_kill_during_a_bulk_replay(tmp_path: Path, subscriber: Subscriber) -> None:
    """A gateway that is killed over and over during a replay makes every delivery again once."""
    count = 3000
    async with gateway(tmp_path / "data") as made:
        subscription = await made.call("/v1/subscriptions", {"url": subscriber.url})
        await fill(made, subscription["id"], count)
        begun = await made.call("/v1/replays", {"since": SINCE, "per_minute": 12_000})
        kills = 0
        for part in range(1, 4):
            await until(made, begun["id"], part * count // 5)
            await made.kill()
            await made.restart()
            kills += 1
        done = await until(made, begun["id"], count)
        deadline = time.monotonic() + 60
        while len({id_ for id_, _ in subscriber.received.ids}) < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)

    assert (done["matched"], done["queued"], done["skipped"]) == (count, count, 0)
    repeated = len(subscriber.received.ids) - count
    print(f"\n{kills} kills, {repeated} deliveries repeated")
    assert repeated <= kills * 16  # what was in flight when it died
