"""The group commit under one webhook sent many times at once, and under many webhooks."""

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp

from tests.builders import Api, Running, Subscriber, issue, tickets, write_acme
from tests.conftest import StartGateway, StartSubscriber


async def test_fifty_at_once_are_one_commit(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """50 copies at once by 10 connections: one commit, 49 duplicates, one delivery to each."""
    sender, native = await gateway.integrate(), issue()
    subscribers = [await start_subscriber() for _ in range(2)]
    subscriptions = [await gateway.subscribe(one) for one in subscribers]
    ten = Api(gateway.url, None)
    await ten.session.connector.close()  # type: ignore[union-attr]
    ten.session._connector = aiohttp.TCPConnector(limit=10)
    async with ten.session:
        answers = await asyncio.gather(*(gateway.send(sender, native, via=ten) for _ in range(50)))

    assert Counter(answer.status for answer in answers) == {202: 1, 200: 49}
    assert Counter(a.json["status"] for a in answers) == {"accepted": 1, "duplicate": 49}
    assert len({answer.json["events"][0]["id"] for answer in answers}) == 1
    event_id = answers[0].json["events"][0]["id"]
    for one, subscription in zip(subscribers, subscriptions, strict=True):
        await gateway.settled(event_id, subscription["id"], status="delivered")
        assert one.ids == [event_id]


async def test_many_at_once_share_commits_and_all_arrive(
    gateway: Running, subscriber: Subscriber
) -> None:
    """200 webhooks at once need far fewer than 200 commits; each is delivered exactly once."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)

    answers = await asyncio.gather(*(gateway.send(sender, issue(number)) for number in range(200)))

    assert {answer.status for answer in answers} == {202}
    ids = {answer.json["events"][0]["id"] for answer in answers}
    await subscriber.wait(200)
    await gateway.quiet(subscription["id"])
    assert Counter(subscriber.ids) == dict.fromkeys(ids, 1)
    metrics = (await gateway.api.get("/metrics")).body.decode()
    count = next(
        line for line in metrics.splitlines() if line.startswith("onehook_commit_batch_size_count")
    )
    assert float(count.split()[1]) < 150


async def test_events_of_a_batch_are_delivered_each(
    start_gateway: StartGateway, tmp_path: Path, subscriber: Subscriber
) -> None:
    """Every event of one webhook reaches the subscriber."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    sender = await gateway.integrate("acme")
    await gateway.subscribe(subscriber)

    ids = await gateway.accept(sender, tickets("A-1", "A-2"))

    await subscriber.wait(2)
    assert sorted(subscriber.ids) == sorted(ids)


async def test_only_who_asked_gets_it(gateway: Running, start_subscriber: StartSubscriber) -> None:
    """An event goes to the subscriptions whose patterns and integrations fit, and to no other."""
    sender = await gateway.integrate()
    wanted = {
        "type": {"events": ["ticketing.ticket.created"]},
        "pattern": {"events": ["ticketing.*"], "integrations": ["github"]},
        "integration": {"integrations": [sender.id]},
        "other type": {"events": ["scm.*"]},
        "other platform": {"integrations": ["gitlab"]},
        "inactive": {"active": False},
    }
    subscribers = {name: await start_subscriber() for name in wanted}
    made = {
        name: await gateway.subscribe(subscribers[name], **fields)
        for name, fields in wanted.items()
    }

    (event_id,) = await gateway.accept(sender, issue())

    for name in ("type", "pattern", "integration"):
        await gateway.settled(event_id, made[name]["id"], status="delivered")
    got = {name: len(one.received) for name, one in subscribers.items()}
    assert got == {"type": 1, "pattern": 1, "integration": 1} | dict.fromkeys(
        ("other type", "other platform", "inactive"), 0
    )
    listed = await gateway.api.get("/v1/deliveries", event=event_id)
    assert len(listed.json["data"]) == 3


async def test_other_platforms_events_do_not_share_ids(gateway: Running) -> None:
    """The same delivery id at two integrations is two webhooks."""
    one, two = await gateway.integrate(), await gateway.integrate()

    first = await gateway.accept(one, issue(1, "delivery-1"))
    second = await gateway.accept(two, issue(1, "delivery-1"))

    assert first != second
