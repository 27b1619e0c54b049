"""Tenants in the store: one batch of several, each under its own names."""

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.core.model import DEFAULT_TENANT
from onehook.store.keys import Keys
from onehook.store.retention import forget_tenant
from onehook.store.statistics import Statistics, Tally
from tests.store.test_events import LEASE, Shelf


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Shelf:
    """A store of this test's own."""
    return Shelf(client, keys)


def test_default_names_are_those_of_before() -> None:
    """The names of the default tenant are what they were; no two tenants share a name."""
    keys = Keys("oh")
    assert (keys.index, keys.event("e"), keys.totals) == ("oh:{0}:ix", "oh:{0}:e:e", "oh:{0}:st")
    assert (keys.drift("github"), keys.due) == ("oh:{cfg}:drift:github", "oh:{0}:due")
    assert keys.of(DEFAULT_TENANT) is keys
    seen: set[str] = set()
    for tenant in (DEFAULT_TENANT, "a", "b", "t", "e", "default-2"):
        own = keys.of(tenant)
        names = {own.index, own.quarantine, own.totals, own.replays, own.minute(1), own.event("1")}
        names |= {own.deliveries("1"), own.native("1"), own.replay("1"), *own.references}
        names.add(own.drift("x"))
        assert not names & seen
        seen |= names
        assert (own.due, own.queue("s"), own.untold) == (keys.due, keys.queue("s"), keys.untold)
    assert keys.of("a").of("b") == keys.of("b")


async def test_one_commit_for_several_tenants(shelf: Shelf) -> None:
    """A batch of several tenants' webhooks lists, keeps and finds each where its tenant looks."""
    webhooks = [
        replace(shelf.webhook("a", "sub_1"), tenant="one"),
        shelf.webhook("b", "sub_2"),
        replace(shelf.webhook("c", quarantined="no_rule", events=0), tenant="two"),
        replace(shelf.webhook("d", "sub_1"), tenant="one"),
    ]

    _, receipts, _ = await shelf.events.commit(webhooks)

    assert [seen for _, seen in receipts] == [False] * 4
    whose = {"a": "one", "b": DEFAULT_TENANT, "d": "one"}
    for tenant in ("one", "two", DEFAULT_TENANT):
        own, keys = shelf.events.of(tenant), shelf.keys.of(tenant)
        listed = await own.index(since=None, until=None, before=None, count=9)
        wanted = {w.events[0].id for w in webhooks if w.events and w.tenant == tenant}
        assert {entry.event_id for entry in listed} == wanted
        for webhook, name in ((webhooks[0], "a"), (webhooks[1], "b"), (webhooks[3], "d")):
            found = await own.find_event(webhook.events[0].id)
            assert (found is not None) is (whose[name] == tenant)
        assert await shelf.client.zcard(keys.quarantine) == (tenant == "two")
        parts = [await shelf.client.zcard(key) for key in keys.references]
        assert sum(parts) == len(wanted)
    assert await shelf.deliveries.due() == ["sub_1", "sub_2"]


async def test_a_repeated_commit_of_several_tenants_changes_nothing(shelf: Shelf) -> None:
    """A batch that is sent again after a lost reply is found again, whosever it is."""
    webhooks = [replace(shelf.webhook("a", "sub_1"), tenant="one"), shelf.webhook("b", "sub_2")]
    await shelf.events.commit(webhooks)
    before = await shelf.dump()

    _, receipts, _ = await shelf.events.commit(webhooks)

    assert [receipt for receipt, _ in receipts] == [webhook.receipt for webhook in webhooks]
    assert await shelf.dump() == before


async def test_one_record_for_several_tenants(shelf: Shelf) -> None:
    """A batch of several tenants' records ends each one's event, and counts for each alone."""
    theirs = replace(shelf.webhook("a", "sub_1"), tenant="one")
    ours = shelf.webhook("b", "sub_2")
    await shelf.events.commit([theirs, ours])
    records = []
    for webhook, subscription, outcome in ((theirs, "sub_1", "delivered"), (ours, "sub_2", "dead")):
        (leased,) = await shelf.deliveries.lease(subscription, 1, LEASE)
        name = webhook.receipt.webhook_id[-1]
        made = shelf.record(name, leased.event_id, subscription, leased.token, outcome)
        records.append(changed(made, tenant=webhook.tenant))

    assert await shelf.deliveries.record(records) == [True, True]

    for webhook, tally in ((theirs, Tally(1, 0, 0)), (ours, Tally(0, 1, 1))):
        keys, id_ = shelf.keys.of(webhook.tenant), webhook.events[0].id
        (states,) = await shelf.deliveries.of(webhook.tenant).states([id_])
        assert len(states) == 1
        assert await shelf.client.pttl(keys.event(id_)) > 0
        statistics = Statistics(shelf.deliveries.client, keys)
        assert (await statistics.totals())["a"] == tally
    other = shelf.keys.deliveries(theirs.events[0].id)
    assert await shelf.client.exists(other) == 0


async def test_a_forgotten_tenant_is_listed_nowhere(shelf: Shelf) -> None:
    """What a tenant's events were listed in goes; the others' stays."""
    await shelf.events.commit(
        [replace(shelf.webhook("a", "sub_1"), tenant="one"), shelf.webhook("b", "sub_2")]
    )

    await forget_tenant(shelf.events.client, shelf.keys.of("one"), ["github"])

    for tenant, count in (("one", 0), (DEFAULT_TENANT, 1)):
        own = shelf.events.of(tenant)
        assert len(await own.index(since=None, until=None, before=None, count=9)) == count
