"""What the store tells of itself."""

from redis.asyncio import Redis

from onehook.store.health import store_health


async def test_health_is_what_the_server_says(client: Redis) -> None:
    """Its memory and the state of its log."""
    health = await store_health(client)  # type: ignore[arg-type]
    assert health.server == "Valkey"
    assert health.version.startswith("9.")
    assert health.aof
    assert health.aof_ok
    assert health.max_bytes == 256 * 1024 * 1024
    assert health.share is not None
    assert 0 < health.share < 1
