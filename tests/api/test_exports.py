"""``/v1/deliveries.csv`` and ``.jsonl``: everything, line by line."""

import asyncio
import csv
import io
import json
import tracemalloc
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from onehook.api import exports, selection
from onehook.store.attempts import decode
from tests.builders import Reply, Running, Subscriber, issue, membership
from tests.conftest import StartGateway, StartSubscriber


async def export(gateway: Running, suffix: str, **query: str) -> str:
    """An export as text."""
    answer = await gateway.api.get(f"/v1/deliveries.{suffix}", **query)
    assert answer.status == 200, answer.body
    return answer.body.decode()


async def as_rows(gateway: Running, **query: str) -> list[dict[str, str]]:
    """The lines of the CSV export."""
    return list(csv.DictReader(io.StringIO(await export(gateway, "csv", **query), newline="")))


async def as_objects(gateway: Running, **query: str) -> list[Any]:
    """The lines of the JSONL export."""
    return [json.loads(line) for line in (await export(gateway, "jsonl", **query)).splitlines()]


async def make_some(gateway: Running, subscriber: Subscriber, count: int) -> dict[str, Any]:
    """Deliver *count* events; the subscription."""
    subscription = await gateway.subscribe(subscriber, retry=["1s"])
    sender = await gateway.integrate()
    await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(count)))
    await gateway.quiet(subscription["id"])
    return subscription


async def test_csv_has_what_the_list_has(gateway: Running, subscriber: Subscriber) -> None:
    """A line of the CSV says what the list says, under the same names, in the same order."""
    await make_some(gateway, subscriber, 3)
    listed = (await gateway.api.get("/v1/deliveries")).json["data"]

    answer = await gateway.api.get("/v1/deliveries.csv")

    assert answer.media_type == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="deliveries.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    wanted = [
        {name: "" if value is None else str(value) for name, value in one.items()} for one in listed
    ]
    assert rows == wanted


async def test_jsonl_has_what_the_details_have(gateway: Running, subscriber: Subscriber) -> None:
    """A line of the JSONL export is the delivery with all its attempts."""
    subscriber.script.append(Reply(503, body=b"later"))
    await make_some(gateway, subscriber, 1)
    (found,) = await as_objects(gateway)

    detail = await gateway.delivery(found["event_id"], found["subscription_id"])

    assert found == detail
    assert [attempt["status"] for attempt in found["attempts"]] == [503, 204]
    assert found["attempts"][0]["request"]["body"].startswith('{"id":"evt_')


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
async def test_filters_are_those_of_the_list(
    gateway: Running, start_subscriber: StartSubscriber, suffix: str
) -> None:
    """Every filter of the list narrows the export as it narrows the list."""
    good, bad = await start_subscriber(), await start_subscriber()
    bad.usual = Reply(500)
    one = await gateway.subscribe(good)
    two = await gateway.subscribe(bad, retry=[], events=["ticketing.*"])
    sender, other = await gateway.integrate(key="gh"), await gateway.integrate()
    (ticket,) = await gateway.accept(sender, issue())
    (group,) = await gateway.accept(other, membership())
    await gateway.settled(ticket, one["id"], status="delivered")
    await gateway.settled(group, one["id"], status="delivered")
    await gateway.settled(ticket, two["id"], status="dead")

    for query in (
        {},
        {"subscription": two["id"]},
        {"integration": "gh"},
        {"event": group},
        {"type": "identity.*"},
        {"status": "dead"},
        {"error": "status"},
        {"http_status": "204"},
        {"since": "2099-01-01T00:00:00Z"},
        {"until": "2099-01-01T00:00:00Z"},
    ):
        listed = (await gateway.api.get("/v1/deliveries", **query)).json["data"]
        lines = await (as_rows if suffix == "csv" else as_objects)(gateway, **query)
        assert [line["id"] for line in lines] == [one["id"] for one in listed], query


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
async def test_wrong_queries_are_refused(gateway: Running, suffix: str) -> None:
    """What is wrong is told before the first line."""
    for query, status in (
        ({"limit": "5"}, 422),
        ({"colour": "red"}, 422),
        ({"subscription": "sub_x"}, 404),
    ):
        answer = await gateway.api.get(f"/v1/deliveries.{suffix}", **query)
        assert (answer.status, answer.media_type) == (status, "application/problem+json")


async def test_export_goes_beyond_one_page(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages it takes, each delivery is exported once, newest first."""
    monkeypatch.setattr(selection, "SCAN", 7)
    monkeypatch.setattr(exports, "WITH_ATTEMPTS", 3)
    subscription = await make_some(gateway, subscriber, 30)
    pages = (await gateway.api.get("/v1/deliveries", limit="200")).json
    wanted = [one["id"] for one in pages["data"]]

    assert [row["id"] for row in await as_rows(gateway)] == wanted
    assert [one["id"] for one in await as_objects(gateway)] == wanted
    by_subscription = await as_objects(gateway, subscription=subscription["id"])
    assert [one["id"] for one in by_subscription] == wanted
    assert all(len(one["attempts"]) == 1 for one in by_subscription)
    assert len(wanted) == 30


async def test_export_reads_the_archive(gateway: Running, subscriber: Subscriber) -> None:
    """Attempts that went to disk are exported and shown as if they were in memory."""
    subscription = await make_some(gateway, subscriber, 5)
    before = await as_objects(gateway)
    history, stream = gateway.runtime.gateway.history, gateway.keys.attempts(subscription["id"])
    rows = await gateway.store.xrange(stream)
    history.archive.write(
        subscription["id"],
        [(at.decode(), fields[b"e"].decode(), decode(fields[b"a"])) for at, fields in rows],
    )
    await gateway.store.delete(stream)

    assert await as_objects(gateway) == before
    detail = await gateway.delivery(before[0]["event_id"], subscription["id"])
    assert detail == before[0]


async def test_export_that_fails_is_broken_off(
    start_gateway: StartGateway, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export during which the store fails does not end as if it were complete."""
    gateway = await start_gateway()
    monkeypatch.setattr(selection, "SCAN", 2)
    await make_some(gateway, subscriber, 6)
    events, seen = gateway.runtime.gateway.events, []
    index = events.index

    async def fail_later(**query: Any) -> Any:
        seen.append(query)
        if len(seen) > 2:
            raise ConnectionError
        return await index(**query)

    monkeypatch.setattr(events, "index", fail_later)

    with pytest.raises(aiohttp.ClientPayloadError):
        await gateway.api.get("/v1/deliveries.csv")

    assert len(seen) == 3


@pytest.mark.slow
async def test_export_is_flat_in_memory(gateway: Running, subscriber: Subscriber) -> None:
    """Of many deliveries no more than a page is in memory at once."""
    subscription = await gateway.subscribe(subscriber)
    keys, count = gateway.keys, 20_000
    for start in range(0, count, 1000):
        async with gateway.store.pipeline(transaction=False) as pipe:
            for number in range(start, start + 1000):
                event_id = f"evt_{number:026}"
                entry = {"e": event_id, "t": "scm.commit.pushed", "i": "int_1"}
                pipe.xadd(keys.index, entry)  # type: ignore[arg-type]
                state = "delivered|1|1764000000000|200||"
                pipe.hset(keys.deliveries(event_id), subscription["id"], state)
            await pipe.execute()
    call: Any = SimpleNamespace(gateway=gateway.runtime.gateway)
    chosen = selection.resolve(call.gateway, selection.DeliveryFilter())
    lines, peak = 0, 0
    tracemalloc.start()
    try:
        async for part in exports._csv(call.gateway, chosen):
            lines += part.count(b"\n")
            peak = max(peak, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()

    assert lines == count + 1
    assert peak < 12_000_000
