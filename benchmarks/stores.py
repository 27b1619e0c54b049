"""Stores that are full before a figure begins, and looks into them."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.filling import SUBSCRIPTIONS, fill
from benchmarks.gateways import KEY, gateway
from benchmarks.suite import Run
from onehook.store.server import EmbeddedServer

_SCAN = 1_000  # keys looked at in one round trip


def full_store(run: Run, count: int) -> Path:
    """A folder whose store holds *count* events, their deliveries and attempts; made once a run.

    Its subscriptions are switched off, so that what comes now goes only to those made for it.
    """
    folder = run.folder / f"store-{count}"
    if not folder.exists():
        folder.mkdir()
        begun = time.monotonic()
        asyncio.run(_fill(folder / "data", count))
        with gateway(folder) as server:
            listed = json.loads(server.api.call(f"/v1/subscriptions?limit={SUBSCRIPTIONS}"))
            for one in listed["data"]:
                server.api.call(f"/v1/subscriptions/{one['id']}", {"active": False}, "PATCH")
        took = time.monotonic() - begun
        print(f"a store of {count:,} events, filled in {took:.0f} s", file=sys.stderr, flush=True)
    return folder


async def _fill(data: Path, count: int) -> None:
    server = EmbeddedServer(data)
    store = await server.start()
    try:
        await fill(data, store, KEY, count)
    finally:
        await server.stop()


class Inside:
    """The store of a gateway that runs, looked at from beside it."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    @property
    def memory(self) -> int:
        """Bytes that the store uses for everything."""
        return int(self._info("memory")["used_memory"])

    @property
    def log_bytes(self) -> int:
        """Bytes of the store's log on disk, written since it was last rewritten."""
        return int(self._info("persistence")["aof_current_size"])

    @property
    def rewrites(self) -> int:
        """How often the store has begun to rewrite its log."""
        return int(self._info("stats")["total_forks"])

    def parts(self) -> Counter[str]:
        """Bytes of all keys, by the letter that stands for what they hold (`store/keys.py`)."""
        found: Counter[str] = Counter()
        cursor: int = 0
        while True:
            cursor, keys = self._client.scan(cursor, count=_SCAN)
            pipe = self._client.pipeline(transaction=False)
            for key in keys:
                pipe.memory_usage(key, samples=0)
            for key, size in zip(keys, pipe.execute(), strict=True):
                found[_part_of(str(key, "utf-8"))] += size or 0
            if not cursor:
                return found

    def _info(self, section: str) -> dict[str, Any]:
        return dict(self._client.info(section))


def _part_of(key: str) -> str:
    """``oh:{0}:w:whk_…`` is of part w; the configuration is of part cfg."""
    _, tag, name = key.split(":", 2)
    return "cfg" if tag == "{cfg}" else name.partition(":")[0]


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    """The store below *folder*, whose gateway runs."""
    client = redis.Redis(unix_socket_path=str(folder / "data" / "valkey.sock"))
    try:
        yield Inside(client)
    finally:
        client.close()
