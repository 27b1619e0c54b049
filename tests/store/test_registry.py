"""Configuration in the store: round trips, snapshots, sealed secrets, API keys."""

import gc
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from redis.asyncio import Redis
from redis.exceptions import RedisError

from onehook.core.model import DEFAULT_TENANT
from onehook.core.references import Lesson
from onehook.destinations import read_all
from onehook.errors import SettingsError
from onehook.store.connection import connect
from onehook.store.keys import Keys
from onehook.store.records import IntegrationRecord, KeyRecord, SubscriptionRecord
from onehook.store.registry import Registry
from onehook.store.sealing import SealedSecret, Sealer
from onehook.store.snapshot import Snapshot
from tests.builders import API_KEY, NOW, SECRET, shipped

SEALER = Sealer([Fernet.generate_key()])


def registry_of(client: Redis, keys: Keys, sealer: Sealer = SEALER) -> Registry:
    """A registry with the shipped mappings."""
    mappings = {name: file.mapping for name, file in shipped().items()}
    return Registry(client, keys, sealer, mappings, read_all(None))  # type: ignore[arg-type]


@pytest.fixture
async def registry(client: Redis, keys: Keys) -> Registry:
    """A registry, opened."""
    made = registry_of(client, keys)
    await made.open()
    return made


def integration(id_: str = "int_1", **fields: Any) -> IntegrationRecord:
    """An integration of GitHub with one secret."""
    secrets = {"secret": [SealedSecret(SEALER.seal(id_, SECRET))]}
    return IntegrationRecord(
        **{"id": id_, "type": "github", "name": "n", "secrets": secrets}
        | {"created_at": NOW, "updated_at": NOW}
        | fields
    )


def subscription(id_: str = "sub_1", **fields: Any) -> SubscriptionRecord:
    """A subscription to everything."""
    return SubscriptionRecord(
        **{"id": id_, "url": "https://example.com", "events": ["*"], "integrations": []}
        | {"secret": SEALER.seal(id_, SECRET), "timeout_ms": 10_000, "retry_ms": [60_000]}
        | {"created_at": NOW, "updated_at": NOW}
        | fields
    )


async def test_records_come_back(registry: Registry, client: Redis, keys: Keys) -> None:
    """What one gateway saved another one reads, field by field."""
    one = integration(key="gh", settings={"a": "b"}, verify="none", active=False)
    two = subscription(key="hook", name="n", active=False, paused_reason="manual")
    await registry.save("integrations", one)
    await registry.save("subscriptions", two)

    other = registry_of(client, keys)
    await other.open()

    assert other.snapshot.integrations == {"int_1": one}
    assert other.snapshot.subscriptions == {"sub_1": two}
    assert other.snapshot.of(DEFAULT_TENANT).by_key == {"gh": "int_1", "hook": "sub_1"}
    target = other.snapshot.targets["sub_1"]
    assert (target.paused, target.active) == (True, False)
    assert target.outlet.keys.current == SECRET.encode()
    assert target.lease == timedelta(seconds=30)


async def test_another_gateway_sees_changes_at_its_next_look(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """A change counts the version up; who looks takes it up, and only then."""
    other = registry_of(client, keys)
    await other.open()
    await registry.save("integrations", integration())
    assert other.snapshot.integrations == {}

    assert await other.refresh() is True

    assert set(other.snapshot.running) == {"int_1"}
    assert await other.refresh() is False
    await registry.delete("integrations", "int_1")
    await other.refresh()
    assert other.snapshot.running == {}


async def test_snapshots_are_replaced_whole(registry: Registry) -> None:
    """Who holds a snapshot is not disturbed by a later change."""
    before = registry.snapshot

    await registry.save("integrations", integration())

    assert before.integrations == {}
    assert set(registry.snapshot.integrations) == {"int_1"}


async def test_a_snapshot_that_was_replaced_leaves_nothing_to_the_collector(
    registry: Registry,
) -> None:
    """Each change makes another: garbage of many at once would hold up everybody."""
    await registry.save("integrations", integration())
    gc.collect()
    before = {id(found) for found in _snapshots()}
    gc.disable()
    try:
        for number in range(3):
            await registry.save("subscriptions", subscription(f"sub_{number}"))
        left = [found for found in _snapshots() if id(found) not in before]
    finally:
        gc.enable()
    assert len(left) == 1  # the one in use


def _snapshots() -> list[Snapshot]:
    return [found for found in gc.get_objects() if isinstance(found, Snapshot)]


async def test_secrets_lie_sealed_in_the_store(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """No secret can be read from the store."""
    await registry.save("integrations", integration())
    await registry.save("subscriptions", subscription())
    await registry.ensure_first_key(API_KEY, NOW)

    async for key in client.scan_iter(f"{keys.prefix}:*"):
        dump = await client.execute_command("DUMP", key)
        assert SECRET.encode() not in dump
        assert API_KEY.encode() not in dump


async def test_h1_swapped_secrets_are_refused(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """A secret that was moved from one integration to another stops who reads it."""
    await registry.save("integrations", integration("int_1"))
    stolen = integration("int_1").secrets
    raw = msgspec.json.encode(integration("int_2", secrets=stolen))
    await client.hset(keys.config("integrations"), "int_2", raw)
    await client.incr(keys.config("ver"))

    with pytest.raises(SettingsError, match="belongs to another object"):
        await registry.refresh()
    assert set(registry.snapshot.integrations) == {"int_1"}  # the one from before still runs


async def test_h1_another_secret_key_is_refused(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """A gateway with another ``secret.key`` does not start on this store."""
    assert registry.snapshot.version >= 0
    other = registry_of(client, keys, Sealer([Fernet.generate_key()]))

    with pytest.raises(SettingsError, match=r"secret\.key"):
        await other.open()


@pytest.mark.parametrize(("name", "value"), [("schema", "99"), ("partitions", "16")])
async def test_d16_another_schema_is_refused(
    client: Redis, keys: Keys, name: str, value: str
) -> None:
    """A store that another release made is refused, with what to do."""
    await client.hset(keys.config("meta"), name, value)

    with pytest.raises(SettingsError, match=f"{value}.*start the release that made it"):
        await registry_of(client, keys).open()


async def test_unknown_platform_does_not_stop_the_others(
    registry: Registry,
) -> None:
    """An integration whose mapping is gone does not run; the others do."""
    await registry.save("integrations", integration("int_1", type="vanished"))
    await registry.save("integrations", integration("int_2"))

    assert set(registry.snapshot.running) == {"int_2"}
    assert set(registry.snapshot.integrations) == {"int_1", "int_2"}


async def test_api_keys_are_found_by_themselves_alone(registry: Registry) -> None:
    """The key itself is found, anything else is not; the store has only its digest."""
    await registry.ensure_first_key(API_KEY, NOW)

    found = registry.find_key(API_KEY)

    assert isinstance(found, KeyRecord)
    assert found.digest == registry.digest(API_KEY) != API_KEY
    for wrong in ("", API_KEY[:-1], API_KEY + "x", found.digest, "é", "\udcff"):
        assert registry.find_key(wrong) is None


async def test_first_key_replaces_the_one_before(registry: Registry) -> None:
    """A start with another admin key puts it in place of the old one."""
    await registry.ensure_first_key(API_KEY, NOW)
    version = registry.snapshot.version
    await registry.ensure_first_key(API_KEY, NOW)
    assert registry.snapshot.version == version  # nothing was written

    await registry.ensure_first_key("another-key-of-16-characters", NOW)

    assert registry.find_key(API_KEY) is None
    assert registry.find_key("another-key-of-16-characters") is not None


# -- what webhooks teach --------------------------------------------------------------------------

STEM = "oh:jira:acme.atlassian.net:ticket:"
LESSONS = [Lesson("host", "acme.atlassian.net", "1"), Lesson("prefix", "PAY", STEM)]


def teach(registry: Registry, *lessons: Lesson, id_: str = "int_1") -> None:
    """Let an integration learn *lessons* from its webhooks."""
    one = registry.snapshot.running[id_]
    one.learnt.take(lessons)
    for lesson in lessons:
        one.teach(one, lesson)


def urns(registry: Registry, key: str = "PAY-1") -> list[str | None]:
    """The urns that the ticket *key* may have, as a gateway knows it."""
    claims = registry.snapshot.of(DEFAULT_TENANT).knowledge.with_prefix(key.partition("-")[0])
    return [claim.urn(key) for claim in claims or ()]


async def test_lessons_count_at_once_and_are_kept(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """Here from the next webhook on, elsewhere after the next look, and after a restart."""
    await registry.save("integrations", integration(type="jira"))
    other = registry_of(client, keys)
    await other.open()

    teach(registry, *LESSONS)
    assert urns(registry) == [STEM + "PAY-1"]
    assert await registry.refresh() is False  # nothing is written on the way of a webhook
    assert urns(other) == []

    await registry.keep_lessons()
    await other.refresh()
    again = registry_of(client, keys)
    await again.open()

    for one in (registry, other, again):
        assert urns(one) == [STEM + "PAY-1"]
        assert one.snapshot.running["int_1"].known().hosts == ("acme.atlassian.net",)


async def test_nothing_is_written_when_nothing_is_new(registry: Registry, keys: Keys) -> None:
    """A round without a lesson, and one that repeats what was kept."""
    await registry.save("integrations", integration(type="jira"))
    teach(registry, *LESSONS)
    await registry.keep_lessons()
    await registry.refresh()
    version = await registry.client.get(keys.config("ver"))

    await registry.keep_lessons()
    assert registry.snapshot.running["int_1"].learnt.learn_host("acme.atlassian.net", 9) is None

    assert await registry.client.get(keys.config("ver")) == version


async def test_lessons_of_two_gateways_add_up(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """Neither overwrites what the other learnt at the same time."""
    await registry.save("integrations", integration(type="jira"))
    other = registry_of(client, keys)
    await other.open()
    teach(registry, *LESSONS)
    teach(other, Lesson("prefix", "OPS", STEM))

    for one in (registry, other, registry, other):
        await one.keep_lessons()
        await one.refresh()

    for one in (registry, other):
        assert urns(one) == [STEM + "PAY-1"]
        assert urns(one, "OPS-1") == [STEM + "OPS-1"]
    assert len(await client.hgetall(keys.config("learnt"))) == 3


async def test_lessons_outlive_another_change(registry: Registry) -> None:
    """The configuration is read again before they were written: they are known still."""
    await registry.save("integrations", integration(type="jira"))
    teach(registry, *LESSONS)

    await registry.save("integrations", integration("int_2"))

    assert urns(registry) == [STEM + "PAY-1"]
    await registry.keep_lessons()
    assert len(await registry.client.hgetall(registry.keys.config("learnt"))) == 2


async def test_lessons_wait_for_a_store_that_is_away(registry: Registry, tmp_path: Path) -> None:
    """The next round writes them."""
    await registry.save("integrations", integration(type="jira"))
    teach(registry, *LESSONS)
    there = registry.client

    async with connect(f"{tmp_path}/nobody.sock") as away:
        registry.client = away  # type: ignore[assignment]
        with pytest.raises(RedisError):
            await registry.keep_lessons()
    registry.client = there
    await registry.keep_lessons()

    assert len(await there.hgetall(registry.keys.config("learnt"))) == 2


async def test_lessons_end_with_their_integration(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """Also those that were not written yet."""
    await registry.save("integrations", integration(type="jira"))
    await registry.save("integrations", integration("int_2", type="jira"))
    teach(registry, *LESSONS)
    teach(registry, Lesson("prefix", "OPS", STEM), id_="int_2")
    await registry.keep_lessons()
    teach(registry, Lesson("prefix", "LATE", STEM))

    await registry.delete("integrations", "int_1")
    await registry.keep_lessons()

    assert urns(registry) == []
    assert await client.hgetall(keys.config("learnt")) == {b"int_2 prefix OPS": STEM.encode()}


async def test_lessons_of_another_release_are_passed_over(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """A row that says something else stops nobody."""
    await registry.save("integrations", integration(type="jira"))
    rows = {"int_1": "x", "int_1 colour red": "1", "int_9 host h": "1", "int_1 prefix PAY": STEM}
    await client.hset(keys.config("learnt"), mapping=rows)

    again = registry_of(client, keys)
    await again.open()

    assert urns(again) == [STEM + "PAY-1"]


async def test_d1_a_store_that_came_back_empty_gets_the_configuration_again(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """Also where somebody wrote into it first, and counts anew: that is kept beside it."""
    one, two = integration(type="jira"), subscription()
    await registry.save("integrations", one)
    await registry.save("subscriptions", two)
    teach(registry, *LESSONS)

    await client.flushdb()
    await registry.keep_lessons()  # counts from 1 again
    assert await registry.refresh()

    assert registry.snapshot.integrations == {one.id: one}
    assert registry.snapshot.subscriptions == {two.id: two}
    assert urns(registry) == [STEM + "PAY-1"]
    other = registry_of(client, keys)
    await other.open()
    assert other.snapshot.subscriptions == {two.id: two}
    assert not await registry.refresh()


async def test_d1_of_two_gateways_the_first_one_restores(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """What was deleted and written meanwhile is not undone by the second one."""
    for id_ in ("sub_1", "sub_2"):
        await registry.save("subscriptions", subscription(id_))
    late = registry_of(client, keys)
    await late.open()
    early = registry_of(client, keys)
    await early.open()

    await client.flushdb()
    await early.refresh()
    await early.delete("subscriptions", "sub_1")
    await early.save("subscriptions", subscription("sub_3"))
    await late.refresh()

    assert sorted(late.snapshot.subscriptions) == ["sub_2", "sub_3"]


async def test_d1_a_gateway_that_starts_on_the_empty_store_does_not_hide_the_loss(
    registry: Registry, client: Redis, keys: Keys
) -> None:
    """It begins another life there; the one that knows the earlier one puts it back."""
    await registry.save("subscriptions", subscription("sub_1"))

    await client.flushdb()
    fresh = registry_of(client, keys)
    await fresh.open()
    await fresh.save("subscriptions", subscription("sub_2"))
    await registry.refresh()

    assert sorted(registry.snapshot.subscriptions) == ["sub_1", "sub_2"]
    await fresh.refresh()
    assert fresh.snapshot.subscriptions == registry.snapshot.subscriptions
