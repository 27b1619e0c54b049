"""Facts of the gateway's own: what is to be told, what was, and who was heard of.

A fact is written with what it tells of: a pause in the transaction of its record, a dead letter
and a quarantined webhook in their scripts. So neither is without the other after a crash. It
waits in a hash until its event is committed; a crash in between commits it again, as the same
event.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from onehook.core.notices import Claim, Notice, Telling, epoch_ms
from onehook.store.client import Client
from onehook.store.events import milliseconds
from onehook.store.keys import Keys
from onehook.store.scripts import CLAIM, SETTLE, Argument
from onehook.store.untold import Untold, notice_arguments, read_untold, write_down


class NoticeStore:
    """What is to be told, and what was."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys

    async def announce(self, notice: Notice) -> None:
        """Have *notice* told, within a second or two, to everyone who subscribed to its type.

        Once this returns it is durable. An equal notice is the same event, however often it is
        announced.

        Raises:
            redis.exceptions.RedisError: the outcome is then unknown; announce it again.
        """
        pipe = self.client.pipeline(transaction=True)
        write_down(pipe, self.keys, notice)
        await pipe.execute()

    async def claim(self, claim: Claim, notice: Notice | None = None) -> bool:
        """Take *claim* and, in the same script, have *notice* told; False: it was taken before.

        After an unknown outcome it may be repeated: if it was taken, its notice is written down.
        """
        keys = [self.keys.config("told"), self.keys.config("untold")]
        arguments: list[Argument] = [
            _name(claim.telling, claim.id),
            epoch_ms(claim.moment),
            "" if claim.apart is None else milliseconds(claim.apart),
            *notice_arguments(notice),
        ]
        return await CLAIM.run(self.client, keys, arguments) == [b"claimed"]

    async def untold(self) -> list[Untold]:
        """What waits to be told, in the order in which it happened."""
        names = (self.keys.untold, self.keys.config("untold"))
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        hashes: list[dict[bytes, bytes]] = await pipe.execute()
        found = [one for n, rows in zip(names, hashes, strict=True) for one in read_untold(n, rows)]
        return sorted(found, key=lambda one: one.notice.at)

    async def settle(self, told: Untold) -> None:
        """Take *told* off; facts of its topic that came since it was read stay."""
        await SETTLE.run(self.client, [told.key], [told.topic, told.count])

    async def hear(self, heard: Mapping[str, datetime]) -> None:
        """Write down when the last verified webhook of each integration came; never earlier."""
        scores = {id_: float(epoch_ms(at)) for id_, at in heard.items()}
        await self.client.zadd(self.keys.config("heard"), scores, gt=True)

    async def heard(self) -> dict[str, datetime]:
        """When the last verified webhook of each integration came, to within a minute."""
        rows = await self.client.zrange(self.keys.config("heard"), 0, -1, withscores=True)
        return {id_.decode(): datetime.fromtimestamp(score / 1000, UTC) for id_, score in rows}

    async def forget(self, id_: str) -> None:
        """Remove what is kept of a deleted integration or subscription."""
        await self.client.zrem(self.keys.config("heard"), id_)
        pipe = self.client.pipeline(transaction=False)
        for telling in Telling:
            pipe.hdel(self.keys.config("told"), _name(telling, id_))
        await pipe.execute()


def _name(telling: Telling, id_: str) -> str:
    return f"{telling} {id_}"
