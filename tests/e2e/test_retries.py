"""Webhooks leave the quarantine once, whatever dies while they do."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from onehook.core.identity import event_id
from tests.builders import ACME, Subscriber, eventually, write_acme
from tests.e2e.gateways import gateway

COUNT = 600
STEP = 60  # webhooks tried in one call
TYPE = "ticketing.ticket.created"
MENDED = ACME.replace("kind: tickets", "kind: [tickets, batch]")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_e1_kills_amid_retries_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Gateway and store are killed while many are retried: each event is made once, and arrives."""
    folder = write_acme(tmp_path / "mappings")
    async with gateway(tmp_path / "data", ONEHOOK_MAPPINGS=str(folder)) as made:
        subscriber = Subscriber()
        await subscriber.start()
        integration = await made.call("/v1/integrations", {"type": "acme", "verify": "none"})
        wanted = {"url": subscriber.url, "events": ["ticketing.*"], "retry": ["1s"] * 20}
        await made.call("/v1/subscriptions", wanted)
        async with aiohttp.ClientSession(made.url) as session:
            for number in range(COUNT):
                body = {"kind": "batch", "tickets": [{"id": str(number), "title": "x"}]}
                path = f"/ingest/{integration['id']}"
                headers = {"X-Acme-Id": f"delivery-{number}"}
                async with session.post(path, json=body, headers=headers) as response:
                    assert (await response.json())["status"] == "quarantined"
        write_acme(folder, MENDED)
        await made.kill()
        await made.restart()

        for turn in range(6):
            call = asyncio.create_task(made.call("/v1/quarantine/retry", {"limit": STEP}))
            await asyncio.sleep(0.03 * (turn % 4))
            if turn % 2:
                await made.kill_store()
            await made.kill()
            with suppress(aiohttp.ClientError, AssertionError):
                await call
            await made.restart()
        while (await made.call("/v1/quarantine/retry", {"limit": STEP}))["next"] is not None:
            pass

        parts = ([f"delivery-{number}"] for number in range(COUNT))
        ids = {event_id(integration["id"], part, TYPE, str(n)) for n, part in enumerate(parts)}

        async def arrived() -> bool:
            return len(set(subscriber.ids)) >= COUNT

        await eventually(arrived, within=60)
        assert set(subscriber.ids) == ids
        assert (await made.call("/v1/quarantine"))["data"] == []
        listed: list[str] = []
        cursor = ""
        while True:
            page = await made.call(f"/v1/events?type={TYPE}&limit=200{cursor}")
            listed += [event["id"] for event in page["data"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert sorted(listed) == sorted(ids)
        await subscriber.stop()
