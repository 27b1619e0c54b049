"""When API keys were last used: noted in memory, written down once a minute."""

from collections.abc import Mapping
from datetime import UTC, datetime

from onehook.core.notices import epoch_ms
from onehook.store.client import Client
from onehook.store.keys import Keys


class KeyUses:
    """What a gateway that is killed has not written yet is lost: a minute at most."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client, self._key = client, keys.config("used")
        self._noted: dict[str, datetime] = {}

    def note(self, key_id: str, at: datetime) -> None:
        """The key was used at *at* (aware UTC)."""
        self._noted[key_id] = at

    async def write(self, known: Mapping[str, object]) -> None:
        """Write down what was noted of keys that are *known* still; never an earlier moment.

        Raises:
            redis.exceptions.RedisError: the store is away; nothing is forgotten.
        """
        noted, self._noted = self._noted, {}
        scores = {id_: float(epoch_ms(at)) for id_, at in noted.items() if id_ in known}
        try:
            if scores:
                await self._client.zadd(self._key, scores, gt=True)
        except BaseException:
            self._noted = noted | self._noted  # the next call tries again
            raise

    async def last(self) -> dict[str, datetime]:
        """When each key was used last, here or elsewhere; those that never were are left out."""
        rows = await self._client.zrange(self._key, 0, -1, withscores=True)
        found = {id_.decode(): datetime.fromtimestamp(ms / 1000, UTC) for id_, ms in rows}
        for id_, at in self._noted.items():
            found[id_] = max(at, found.get(id_, at))
        return found

    async def forget(self, key_id: str) -> None:
        """Remove what is kept of a revoked key."""
        self._noted.pop(key_id, None)
        await self._client.zrem(self._key, key_id)
