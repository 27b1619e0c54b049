"""The Lua scripts: one atomic operation each, documented at the head of each file."""

from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from onehook.store.client import Runner

Argument = str | bytes | int


class Script:
    """One script; loaded on demand, also after the server lost its cache."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = files("onehook.store.scripts").joinpath(f"{name}.lua").read_text("utf-8")
        self._sha: str | None = None

    async def run(self, runner: Runner, keys: list[str], arguments: list[Argument]) -> list[Any]:
        """Run it with every key declared; *runner* is a client, or its trips.

        Raises:
            redis.exceptions.RedisError: as the server or the connection gives it.
        """
        for _ in range(2):
            if self._sha is None:
                self._sha = await runner.script_load(self.text)
            try:
                return await _call(runner, "EVALSHA", self._sha, keys, arguments)
            except NoScriptError:
                self._sha = None
        return await _call(runner, "EVAL", self.text, keys, arguments)


async def _call(
    runner: Runner, command: str, script: str, keys: list[str], arguments: list[Argument]
) -> list[Any]:
    reply: list[Any] = await runner.execute_command(command, script, len(keys), *keys, *arguments)
    return reply


CLAIM = Script("claim")
COMMIT = Script("commit")
DISCARD = Script("discard")
DRIFT = Script("drift")
DUE = Script("due")
FANOUT = Script("fanout")
FORGET = Script("forget")
GATHER = Script("gather")
EXPEDITE = Script("expedite")
LEASE = Script("lease")
POSTPONE = Script("postpone")
RECORD = Script("record")
REPLAY = Script("replay")
REPLAY_CLAIM = Script("replay_claim")
REPLAY_END = Script("replay_end")
RESEAL = Script("reseal")
RESTATE = Script("restate")
RESTORE = Script("restore")
RESUME = Script("resume")
SETTLE = Script("settle")
SWAP = Script("swap")
SIGHTINGS = Script("sightings")
TRIM = Script("trim")
WITHDRAW = Script("withdraw")
