"""Rotation of the key that seals the store's secrets.

The new key is in ``secret.key`` before anything is sealed with it, and the old one until nothing
is: whenever it ends half-way, the file opens all there is, and to do it again goes on from there.
Gateways of the same data folder follow the file (:class:`~onehook.store.sealing.Sealer`), so they
run on, and may change the configuration meanwhile.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet
from msgspec import structs

from onehook.errors import SettingsError
from onehook.store.client import Client
from onehook.store.keys import Keys
from onehook.store.outlets import reseal_outlet
from onehook.store.records import IntegrationRecord, SubscriptionRecord
from onehook.store.scripts import RESEAL
from onehook.store.sealing import Sealer, read_keys, write_keys

# Seconds for which a gateway may have in hand what it sealed with the key before: longer than a
# request to the store takes to succeed or fail.
IN_HAND = 15.0


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: *resealed* records; *resumed*: it went on with an earlier one."""

    resealed: int
    resumed: bool


async def rotate(client: Client, keys: Keys, path: Path, in_hand: float = IN_HAND) -> Rotated:
    """Have a new key seal everything in the store, and drop those in *path* before it.

    *in_hand*: seconds that gateways may take to write what they have sealed; 0 if none runs.

    Raises:
        SettingsError: the keys in *path* are not those of this store, or another rotation runs.
        redis.exceptions.RedisError: the store does not answer; do it again.
    """
    with _alone(path):
        held = read_keys(path)
        stores = await find_stores(client, keys, Sealer(held))
        resumed = len(held) > 1
        if not resumed:
            held = [Fernet.generate_key(), *held]
            write_keys(path, held)
        sealer = Sealer(held)
        resealed = await reseal(client, stores, sealer)
        await asyncio.sleep(in_hand)
        while late := await reseal(client, stores, sealer):
            resealed += late
            await asyncio.sleep(in_hand)
        write_keys(path, held[:1])
    return Rotated(resealed, resumed)


async def reseal(client: Client, stores: Sequence[Keys], sealer: Sealer) -> int:
    """Seal anew, with the first key of *sealer*, what another one sealed; how many records.

    Gateways may change the configuration meanwhile. May be repeated.

    Raises:
        SettingsError: something is there that none of the keys opens.
        redis.exceptions.RedisError: the store does not answer.
    """
    done = 0
    for keys in stores:
        while stale := await _stale(client, keys, sealer):
            for row in stale:
                names = [keys.config(row.name), keys.config("ver")]
                saved = await RESEAL.run(client, names, [row.id, row.found, row.renewed])
                done += saved == [b"saved"]  # else a gateway changed it: the next look finds it
    return done


async def find_stores(client: Client, keys: Keys, sealer: Sealer) -> list[Keys]:
    """The prefixes, that of *keys* among them, under which *sealer*'s keys sealed.

    Gateways may share a data folder, and so its key: none may be left behind.

    Raises:
        SettingsError: there is nothing under the prefix of *keys*, or other keys sealed it.
    """
    check = await client.hget(keys.config("meta"), "check")
    if check is None:
        msg = (
            f"no gateway has used this store with the prefix {keys.prefix}: name its own by "
            "--data or --redis-url, and ONEHOOK_KEY_PREFIX"
        )
        raise SettingsError(msg)
    sealer.open("meta", check.decode())
    found, cursor = [keys], 0
    while True:
        words = ("SCAN", cursor, "MATCH", Keys("*").config("meta"), "COUNT", 1000)
        cursor, names = await client.execute_command(*words)
        for name in names:
            other = Keys(name.decode().partition(":")[0])
            sealed = await client.hget(other.config("meta"), "check")
            with contextlib.suppress(SettingsError):  # another gateway's, with a key of its own
                if other not in found and sealed is not None:
                    sealer.open("meta", sealed.decode())
                    found.append(other)
        if cursor == 0:
            return found


@dataclass(frozen=True, slots=True)
class _Row:
    """A record of the hash *name* as it was *found*, and sealed anew."""

    name: str
    id: str
    found: bytes
    renewed: bytes


async def _stale(client: Client, keys: Keys, sealer: Sealer) -> list[_Row]:
    """What has yet to be sealed anew."""
    pipe = client.pipeline(transaction=True)
    for name in ("meta", "integrations", "subscriptions"):
        pipe.hgetall(keys.config(name))
    meta, integrations, subscriptions = await pipe.execute()
    rows = [*_check(meta, sealer)]
    rows += [row for id_, raw in integrations.items() if (row := _integration(id_, raw, sealer))]
    rows += [row for id_, raw in subscriptions.items() if (row := _subscription(id_, raw, sealer))]
    return rows


def _check(meta: Mapping[bytes, bytes], sealer: Sealer) -> Iterator[_Row]:
    sealed = meta.get(b"check", b"").decode()
    if sealed and (renewed := sealer.renew("meta", sealed)) != sealed:
        yield _Row("meta", "check", sealed.encode(), renewed.encode())


def _integration(id_: bytes, raw: bytes, sealer: Sealer) -> _Row | None:
    renew = partial(sealer.renew, id_.decode())
    record = msgspec.json.decode(raw, type=IntegrationRecord)
    renewed = structs.replace(
        record,
        secrets={
            name: [structs.replace(one, sealed=renew(one.sealed)) for one in some]
            for name, some in record.secrets.items()
        },
    )
    if renewed == record:
        return None
    return _Row("integrations", record.id, raw, msgspec.json.encode(renewed))


def _subscription(id_: bytes, raw: bytes, sealer: Sealer) -> _Row | None:
    record = msgspec.json.decode(raw, type=SubscriptionRecord)
    renewed = reseal_outlet(record, partial(sealer.renew, id_.decode()))
    if renewed == record:
        return None
    return _Row("subscriptions", record.id, raw, msgspec.json.encode(renewed))


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    """One rotation at a time; clear away what a killed one was about to write.

    Raises:
        SettingsError: another one runs, or the folder cannot be used.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        msg = f"the data folder {path.parent} cannot be used: {error.strerror}"
        raise SettingsError(msg) from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"the key in {path.parent} is being rotated already: wait for the end of that"
            raise SettingsError(msg) from None
        for left in path.parent.glob(f"{path.name}.*.new"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(folder)
