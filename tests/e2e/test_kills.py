"""Nothing that was answered 202 is lost, whatever dies."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sized
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import Answer, Patience, run_load
from benchmarks.payloads import make_webhooks
from benchmarks.subscriber import Behaviour, Subscriber
from tests.e2e.gateways import Gateway, gateway, kill_often

SECRET = "a-secret-for-the-kill-test"
WANTED = {"events": ["scm.*"], "retry": ["1s"] * 20}  # nothing that no webhook was answered with
PER_SUBSCRIPTION = 16  # attempts that one subscription may have in flight


async def _arrive(subscriber: Subscriber, wanted: set[str], seconds: float) -> set[str]:
    """Wait until every one of *wanted* arrived; what is missing when time is up."""
    deadline = time.monotonic() + seconds
    while missing := wanted - {id_ for id_, _ in subscriber.received.ids}:
        if time.monotonic() > deadline:
            return missing
        await asyncio.sleep(0.25)
    return set()


async def _established(made: Gateway) -> list[str]:
    """The integrations whose first webhook was told of, once for each telling."""
    path = "/v1/events?type=integration.connection.established"
    found: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        page = await made.call(f"{path}&cursor={page['next']}" if page["next"] else path)
        found += [event["data"]["id"] for event in page["data"]]
    return found


async def _kill_by_progress(made: Gateway, answered: Sized, each: int) -> None:
    """Kill the gateway and the store by turns, whenever *each* more webhooks are answered."""
    for victim in cycle((made.kill, made.kill_store)):
        goal = len(answered) + each
        while len(answered) < goal:  # noqa: ASYNC110 - the load sets no Event
            await asyncio.sleep(0.01)
        await victim()
        if made.process is None or made.process.returncode is not None:
            await made.restart()


async def _survive(made: Gateway, count: int, connections: int, each: int | None = None) -> None:
    """*each*: kill by so many answers, for a load that is over before long; None: by the clock."""
    subscriber = Subscriber(Behaviour(keep_ids=True))
    await subscriber.start()
    integration = await made.call("/v1/integrations", {"type": "github", "secret": SECRET})
    await made.call("/v1/subscriptions", WANTED | {"url": subscriber.url})
    statuses: Counter[int] = Counter()
    answered: set[str] = set()

    def take(answer: Answer) -> None:
        statuses[answer.status] += 1
        if answer.status in (200, 202):
            answered.update(event["id"] for event in json.loads(answer.body)["events"])

    killing = (
        kill_often(made, every=2, store_every=7)
        if each is None
        else _kill_by_progress(made, answered, each)
    )
    killer = asyncio.create_task(killing)
    patience = Patience(timeout=15, retry_for=240, retry_statuses=(503,))
    path = f"{made.url}/ingest/{integration['id']}"
    try:
        await run_load(path, make_webhooks(count, SECRET), connections, take, patience)
    finally:
        assert not killer.done() or killer.cancelled(), killer.exception()
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
    if made.process is None or made.process.returncode is not None:
        await made.restart()
    missing = await _arrive(subscriber, answered, 120)
    times = Counter(id_ for id_, _ in subscriber.received.ids)
    established = await _established(made)
    repeats = sum(n - 1 for n in times.values())
    killed = Counter(what for what, _ in made.kills)
    print(
        f"\n{count} webhooks, {dict(statuses)}, kills {dict(killed)}: "
        f"{len(answered)} events answered, {len(times)} arrived, {repeats} repeats"
    )
    await subscriber.stop()
    assert not missing, f"{len(missing)} acknowledged events never arrived"
    assert set(times) == answered, "an event arrived that nobody was told of"
    assert len(answered) == count, "a webhook got no answer, or two got one id"
    assert established == [integration["id"]], "its first webhook is told of, and once"
    assert killed["gateway"] >= 2
    assert repeats <= PER_SUBSCRIPTION * len(made.kills)


async def test_e1_e2_a_killed_gateway_loses_nothing(tmp_path: Path) -> None:
    """What was answered 202 arrives, once unless an attempt was in flight at a kill."""
    async with gateway(tmp_path / "data") as made:
        await _survive(made, 3_000, 8, each=600)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_d1_e2_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    """20,000 webhooks, the gateway killed every 2 s and the store every 7 s: none is lost."""
    async with gateway(tmp_path / "data") as made:
        await _survive(made, 20_000, 32)
