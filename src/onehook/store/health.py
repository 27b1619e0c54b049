"""How the store fares: what an operator asks of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from onehook.store.client import Client


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """*used_bytes* of *max_bytes* (0: no limit)."""

    server: str
    version: str
    used_bytes: int
    max_bytes: int
    aof: bool
    aof_ok: bool  # the last write of the log succeeded
    clients: int
    uptime_seconds: int

    @property
    def share(self) -> float | None:
        """How full it is, 0 to 1; None without a limit."""
        return self.used_bytes / self.max_bytes if self.max_bytes else None


async def store_health(client: Client) -> StoreHealth:
    """Ask the store.

    Raises:
        redis.exceptions.RedisError: it does not answer.
    """
    info: dict[str, Any] = await client.execute_command("INFO")
    valkey = "valkey_version" in info
    return StoreHealth(
        server="Valkey" if valkey else "Redis",
        version=str(info.get("valkey_version" if valkey else "redis_version", "")),
        used_bytes=int(info.get("used_memory", 0)),
        max_bytes=int(info.get("maxmemory", 0)),
        aof=str(info.get("aof_enabled", "0")) == "1",
        aof_ok=str(info.get("aof_last_write_status", "ok")) == "ok",
        clients=int(info.get("connected_clients", 0)),
        uptime_seconds=int(info.get("uptime_in_seconds", 0)),
    )


async def clock_skew(client: Client, now: Callable[[], datetime]) -> timedelta:
    """How far the store's clock is ahead of ours, *now*, to within the time that asking takes.

    Raises:
        redis.exceptions.RedisError: it does not answer.
    """
    before = now()
    seconds, micros = await client.time()
    theirs = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
    # Of what fits both, the least: an answer that took long is no skew.
    return max(theirs - now(), timedelta(0)) or min(theirs - before, timedelta(0))
