"""The Lua scripts: one atomic operation each, documented at the head of each file."""

from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

Argument = str | bytes | int


class Script:
    """One script; loaded on demand, also after the server lost its cache."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = files(__package__).joinpath(f"{name}.lua").read_text("utf-8")
        self._sha: str | None = None

    async def run(
        self, client: Redis, keys: list[str], arguments: list[Argument]
    ) -> list[Any]:
        """Run it with every key declared.

        Raises:
            redis.exceptions.RedisError: as the server or the connection gives it.
        """
        for _ in range(2):
            if self._sha is None:
                self._sha = await client.script_load(self.text)
            try:
                return await client.execute_command(
                    "EVALSHA", self._sha, len(keys), *keys, *arguments
                )
            except NoScriptError:
                self._sha = None
        return await client.execute_command("EVAL", self.text, len(keys), *keys, *arguments)


COMMIT = Script("commit")
DUE = Script("due")
LEASE = Script("lease")
RECORD = Script("record")
