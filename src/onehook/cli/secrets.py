"""``onehook secrets``: the key that seals what is secret in the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

from cryptography.fernet import Fernet
from cyclopts import App, Parameter

from onehook import log
from onehook.cli.output import say, show_json
from onehook.errors import SettingsError
from onehook.settings import Settings, load
from onehook.store.client import Client
from onehook.store.connection import connect, store_errors
from onehook.store.keys import Keys
from onehook.store.rotation import IN_HAND, Rotated, find_stores, reseal, rotate
from onehook.store.sealing import make_sealer
from onehook.store.server import EmbeddedServer

app = App(name="secrets", help="See to the key that seals the secrets in the store.")


@app.command
def generate() -> int:
    """Print a new key, for ONEHOOK_SECRET_KEY."""
    say(Fernet.generate_key().decode())
    return 0


@app.command(name="rotate")
def rotate_key(
    *,
    data: Path | None = None,
    redis_url: str | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Have a new key seal every secret in the store, and drop the one before.

    Works on the store itself, whether a gateway runs or not. The gateways of the data folder run
    on. It may be killed at any moment, and be called again: then it goes on.

    Where ONEHOOK_SECRET_KEY is set, that is not changed: its first key seals every secret anew,
    and the others may be dropped. Exit codes: 0 done, 69 the store is away, 78 the keys are not
    those of this store.

    Args:
        data: the gateway's data folder (./data), with its secret.key.
        redis_url: its store, if that is not the embedded one.
        json_: print JSON.
    """
    settings = load(data=data, redis_url=redis_url)
    log.configure("warning")  # that a store was started is nobody's business here
    done = asyncio.run(_rotate(settings))
    if json_:
        show_json(asdict(done))
        return 0
    if done.resumed:
        say("a rotation that had begun was ended")
    say(f"{done.resealed} records were sealed anew")
    if settings.secret_key is None:
        say(f"the new key is in {settings.key_ring}: put it to your backups, and to all gateways")
    else:
        say("only the first key of ONEHOOK_SECRET_KEY is needed any more")
    return 0


async def _rotate(settings: Settings) -> Rotated:
    given, keys = settings.secret_key, Keys(settings.key_prefix)
    if given is None and not settings.key_ring.exists():
        msg = f"there is no {settings.key_ring}: name the gateway's data folder by --data"
        raise SettingsError(msg)
    with store_errors():
        async with _store(settings) as (client, idle):
            if given is None:
                return await rotate(client, keys, settings.key_ring, 0 if idle else IN_HAND)
            sealer = make_sealer(given.get_secret_value())
            stores = await find_stores(client, keys, sealer)
            return Rotated(await reseal(client, stores, sealer), resumed=False)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[tuple[Client, bool]]:
    """A client of the store; whether we started that ourselves, so no gateway is at work on it."""
    if settings.redis_url is not None:
        async with connect(settings.redis_url.get_secret_value()) as client:
            yield cast("Client", client), False
        return
    server = EmbeddedServer(settings.data, maxmemory=settings.store_memory)
    try:
        async with connect(await server.start()) as client:
            yield cast("Client", client), server.owned
    finally:
        await server.stop()
