"""Events about one thing arrive in order, however often the gateway dies."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.builders import Subscriber, github, issue
from tests.e2e.gateways import Gateway, gateway, kill_often

SECRET = "a-secret-for-the-ordering-test"
ISSUES, REVISIONS = 20, 25
PACE = 0.3  # seconds between the revisions of one issue
SLOW = 0.1  # seconds that the subscriber takes: some attempts are in flight at every kill
WAIT = 120.0  # seconds until all has arrived


async def _edit(session: aiohttp.ClientSession, url: str, number: int) -> list[str]:
    """Send the revisions of one issue, each until it is taken; the ids of their events."""
    ids: list[str] = []
    for revision in range(REVISIONS):
        body = json.loads(issue(number).body)
        body["issue"]["title"] = f"revision {revision}"
        native = github("issues", body, f"delivery-{number}-{revision}")
        proof = hmac.new(SECRET.encode(), native.body, hashlib.sha256).hexdigest()
        headers = {**native.headers, "X-Hub-Signature-256": f"sha256={proof}"}
        deadline = time.monotonic() + WAIT
        while len(ids) == revision:
            assert time.monotonic() < deadline
            try:
                async with session.post(url, data=native.body, headers=headers) as response:
                    if response.status in (200, 202):
                        ids.append((await response.json())["events"][0]["id"])
                        continue
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        await asyncio.sleep(PACE)
    return ids


async def _slowly(_: web.Request) -> web.Response:
    await asyncio.sleep(SLOW)
    return web.Response()


def _arrived(subscriber: Subscriber, ids: list[str]) -> list[int]:
    """Which of *ids* arrived, in that order, by their places; repeats included."""
    places = {id_: at for at, id_ in enumerate(ids)}
    return [places[id_] for id_ in subscriber.ids if id_ in places]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_e1_e2_order_survives_kills(tmp_path: Path) -> None:
    """The gateway is killed every 1.5 s: nothing overtakes, a repeat comes before what follows."""
    subscriber = Subscriber()
    subscriber.behave = _slowly
    await subscriber.start()
    async with gateway(tmp_path / "data") as made:
        sent = await _survive(made, subscriber)
    wanted = {id_ for ids in sent for id_ in ids}
    times = Counter(subscriber.ids)
    repeats = sum(count - 1 for count in times.values())
    print(f"\n{len(wanted)} events, {len(made.kills)} kills, {repeats} repeats")
    await subscriber.stop()
    assert set(times) == wanted
    assert len(made.kills) >= 3
    assert repeats > 0, "no kill hit an attempt in flight"
    for ids in sent:
        arrived = _arrived(subscriber, ids)
        assert arrived == sorted(arrived)


async def _survive(made: Gateway, subscriber: Subscriber) -> list[list[str]]:
    integration = await made.call("/v1/integrations", {"type": "github", "secret": SECRET})
    wanted = {"events": ["ticketing.*"], "ordering": "key", "timeout": "1s"}
    await made.call("/v1/subscriptions", {"url": subscriber.url, **wanted})
    url = f"{made.url}/ingest/{integration['id']}"
    killer = asyncio.create_task(kill_often(made, every=1.5, store_every=1000))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        sent = await asyncio.gather(*(_edit(session, url, number) for number in range(ISSUES)))
    killer.cancel()
    await asyncio.gather(killer, return_exceptions=True)
    if made.process is None or made.process.returncode is not None:
        await made.restart()
    deadline = time.monotonic() + WAIT
    while len({*subscriber.ids}) < ISSUES * REVISIONS:
        assert time.monotonic() < deadline, "an event did not arrive"
        await asyncio.sleep(0.25)
    return sent
