"""The key of the store's secrets is rotated: under a running gateway, and killed anywhere."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis

from onehook.errors import SettingsError
from onehook.store import rotation
from onehook.store.keys import Keys
from onehook.store.rotation import reseal, rotate
from onehook.store.sealing import Sealer, read_keys, write_keys
from tests.builders import Running, Sender, Subscriber, eventually, issue
from tests.conftest import StartGateway


class Killed(BaseException):
    """A death in the middle."""


async def sealed_values(client: Redis, keys: Keys) -> list[bytes]:
    """Everything in the configuration that is sealed: whatever begins as a Fernet token does."""
    found: list[bytes] = []
    for name in ("meta", "integrations", "subscriptions", "keys", "tenants"):
        for raw in (await client.hgetall(keys.config(name))).values():
            found += [part for part in raw.split(b'"') if part.startswith(b"gAAAA")]
    return found


async def opened_by(client: Redis, keys: Keys, key: bytes) -> tuple[int, int]:
    """How many of the sealed values *key* alone opens, and how many there are."""
    values, opened = await sealed_values(client, keys), 0
    for value in values:
        try:
            Fernet(key).decrypt(value)
        except InvalidToken:
            continue
        opened += 1
    return opened, len(values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The key file of the test's gateways."""
    return tmp_path / "data" / "secret.key"


async def fill(gateway: Running, subscriber: Subscriber) -> Sender:
    """One of each thing that is sealed."""
    sender = await gateway.integrate()
    rotated = await gateway.api.post(
        f"/v1/integrations/{sender.id}/rotate-secret", {"secret": "the-next-secret-of-it"}
    )
    assert rotated.status == 200, rotated.body
    made = await gateway.subscribe(
        subscriber,
        headers={"x-team": "a-secret-header"},
        auth={"type": "basic", "username": "u", "password": "a-secret-password"},
    )
    answer = await gateway.api.post(f"/v1/subscriptions/{made['id']}/rotate-secret", {})
    assert answer.status == 200, answer.body
    for body in (
        {"destination": "slack", "url": "https://hooks.slack.com/services/T0/B0/a-secret-path"},
        {"destination": "pagerduty-events", "settings": {"routing_key": "R0123456789"}},
    ):
        answer = await gateway.api.post("/v1/subscriptions", body)
        assert answer.status == 201, answer.body
    return sender


async def test_h1_rotation_seals_everything_anew_under_a_running_gateway(
    start_gateway: StartGateway, subscriber: Subscriber, client: Redis, keys: Keys, path: Path
) -> None:
    """Nothing is left that the old key opens; gateways run on, and start."""
    gateway = await start_gateway()
    sender = await fill(gateway, subscriber)
    (old,) = read_keys(path)
    _, count = await opened_by(client, keys, old)

    done = await rotate(client, keys, path, 0.1)

    (new,) = read_keys(path)
    assert new != old
    assert path.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240
    assert (done.resealed, done.resumed) == (5, False)  # the check, and four records
    assert count >= 9
    assert await opened_by(client, keys, new) == (count, count)
    for one in (gateway, await start_gateway()):
        (event_id,) = await one.accept(sender, issue(1 if one is gateway else 2))
        assert event_id
        more = await one.integrate()  # sealed now, with the new key
        assert (await one.send(more, issue(3))).status == 202
        ready = await one.api.get("/readyz")
        assert (ready.status, ready.json.get("warnings")) == (200, None)
    opened, count = await opened_by(client, keys, new)
    assert opened == count


async def test_changes_during_a_rotation_are_kept(
    start_gateway: StartGateway, client: Redis, keys: Keys, path: Path
) -> None:
    """What a gateway makes all the while is there afterwards, sealed with the new key."""
    gateway = await start_gateway()
    made: list[Sender] = []

    async def change() -> None:
        while True:
            made.append(await gateway.integrate(name=f"number {len(made)}"))
            await asyncio.sleep(0.01)

    changing = asyncio.create_task(change())
    await eventually(lambda: _is(len(made) > 3))
    done = await rotate(client, keys, path, 0.5)
    before = len(made)
    await eventually(lambda: _is(len(made) > before))
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)

    (new,) = read_keys(path)
    opened, count = await opened_by(client, keys, new)
    assert opened == count > before
    assert done.resealed > 3
    assert (await gateway.send(made[0], issue())).status == 202


async def _is(holds: bool) -> bool:
    return holds


@pytest.mark.parametrize("where", ["key is written", "one is sealed", "two are", "all are sealed"])
async def test_a_rotation_that_is_killed_loses_nothing_and_goes_on(
    where: str,
    start_gateway: StartGateway,
    subscriber: Subscriber,
    client: Redis,
    keys: Keys,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever it ends a gateway starts and verifies; to do it again ends it, with one key left."""
    gateway = await start_gateway()
    sender = await fill(gateway, subscriber)
    await gateway.close()
    (old,) = read_keys(path)
    steps = {"key is written": 0, "one is sealed": 1, "two are": 2}
    with monkeypatch.context() as patch:
        if where in steps:
            patch.setattr(rotation.RESEAL, "run", _dying(rotation.RESEAL.run, steps[where]))
        else:
            patch.setattr(rotation.asyncio, "sleep", _dying(asyncio.sleep, 0))
        with pytest.raises(Killed):
            await rotate(client, keys, path, 0)

    assert len(read_keys(path)) == 2
    opened, count = await opened_by(client, keys, old)
    if where == "key is written":
        assert opened == count
    elif where == "all are sealed":
        assert opened == 0
    else:
        assert 0 < opened < count
    again = await start_gateway()
    assert (await again.send(sender, issue())).status == 202
    done = await rotate(client, keys, path, 0.1)
    (new,) = read_keys(path)
    assert done.resumed
    assert await opened_by(client, keys, new) == (count, count)
    assert (await again.send(sender, issue(2))).status == 202
    assert [one.name for one in path.parent.glob("secret.key*")] == ["secret.key"]


def _dying(act: Callable[..., Awaitable[Any]], after: int) -> Callable[..., Awaitable[Any]]:
    """*act*, which ends everything when it is called once more than *after* times."""
    calls = 0

    async def acted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Killed
        return await act(*args)

    return acted


async def test_h1_other_keys_are_refused_and_nothing_is_changed(
    start_gateway: StartGateway, client: Redis, keys: Keys, path: Path
) -> None:
    """Of another store, or of none: the key that opens what there is stays where it is."""
    gateway = await start_gateway()
    await gateway.close()
    kept = await sealed_values(client, keys)
    with pytest.raises(SettingsError, match="no gateway has used this store with the prefix none"):
        await rotate(client, Keys("none"), path, 0)
    assert len(read_keys(path)) == 1

    wrong = [Fernet.generate_key()]
    write_keys(path, wrong)
    with pytest.raises(SettingsError, match="sealed with another key: put that"):
        await rotate(client, keys, path, 0)

    assert read_keys(path) == wrong
    assert await sealed_values(client, keys) == kept


async def test_one_rotation_at_a_time(
    gateway: Running, client: Redis, keys: Keys, path: Path
) -> None:
    """A second one is told so, and the first one ends well."""
    assert gateway.url
    first = asyncio.create_task(rotate(client, keys, path, 0.3))
    await eventually(lambda: _is(len(read_keys(path)) == 2))

    with pytest.raises(SettingsError, match="is being rotated already"):
        await rotate(client, keys, path, 0)

    assert not (await first).resumed
    assert len(read_keys(path)) == 1


async def test_all_prefixes_of_one_key_are_sealed_anew(
    start_gateway: StartGateway, client: Redis, keys: Keys, path: Path, prefix: str
) -> None:
    """Gateways of one data folder may have prefixes of their own: no one's secrets are left."""
    await start_gateway()
    other = await start_gateway(key_prefix=f"{prefix}b")
    sender = await other.integrate()

    await rotate(client, keys, path, 0.1)

    (new,) = read_keys(path)
    assert await opened_by(client, Keys(f"{prefix}b"), new) == (2, 2)
    assert (await other.send(sender, issue())).status == 202


async def test_keys_of_the_environment_are_used_and_rotated_by_their_order(
    start_gateway: StartGateway, client: Redis, keys: Keys, path: Path
) -> None:
    """The first seals, each opens; no file is made. One that is missing is told, and mended."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    gateway = await start_gateway(secret_key=old)
    sender = await gateway.integrate()
    assert not path.exists()  # noqa: ASYNC240
    await gateway.close()
    both = await start_gateway(secret_key=f"{new}, {old}")
    assert (await both.send(sender, issue(1))).status == 202
    assert await opened_by(client, keys, new.encode()) == (0, 2)

    assert await reseal(client, [keys], Sealer([new.encode(), old.encode()])) == 2

    assert await opened_by(client, keys, new.encode()) == (2, 2)
    with pytest.raises(SettingsError, match="ONEHOOK_SECRET_KEY"):
        await start_gateway(secret_key=old)
    alone = await start_gateway(secret_key=new)
    assert (await alone.send(sender, issue(2))).status == 202


async def test_a_gateway_without_the_new_key_runs_on_and_says_so(
    start_gateway: StartGateway, client: Redis, keys: Keys
) -> None:
    """It takes webhooks as it knows them, and /readyz warns until it is started with the key."""
    old, new = Fernet.generate_key(), Fernet.generate_key()
    gateway = await start_gateway(secret_key=old.decode())
    sender = await gateway.integrate()

    await reseal(client, [keys], Sealer([new, old]))

    async def warned() -> bool:
        return "configuration_unreadable" in (await gateway.api.get("/readyz")).json.get(
            "warnings", ()
        )

    await eventually(warned)
    ready = await gateway.api.get("/readyz")
    assert ready.status == 200
    assert "sealed with another key" in str(ready.json["details"])
    assert (await gateway.send(sender, issue())).status == 202
