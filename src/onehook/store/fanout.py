"""What commits left for later: deliveries that are made, and in no queue yet."""

from collections.abc import Collection
from dataclasses import dataclass

from onehook.store.client import Client
from onehook.store.keys import Keys
from onehook.store.scripts import FANOUT, GATHER, Argument


@dataclass(frozen=True, slots=True)
class Block:
    """Deliveries of one or several events, all to the same *subscriptions*.

    The queues of the first *done* of them have it already.
    """

    position: bytes
    subscriptions: tuple[str, ...]
    members: tuple[bytes, ...]  # milliseconds and event id of each, as a queue has them
    rows: bytes  # as a log has them
    done: int

    def __len__(self) -> int:
        """How many events."""
        return len(self.members) // 2


class FanOutStore:
    """The fan-out stream, and the blocks that are made of it; every gateway may work on them."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys

    async def gather(self, count: int, most: int) -> tuple[int, list[Block]]:
        """Make blocks of the *count* oldest entries; how many there were, and the oldest blocks.

        At most *most* blocks.
        """
        names = self.keys
        keys = [names.fan_out, names.fan_out_blocks, names.fan_out_progress]
        found, blocks = await GATHER.run(self.client.trips, keys, [count, most])
        return int(found), [_block(*block) for block in blocks]

    async def spread(self, block: Block, first: int, count: int, held: Collection[str]) -> bool:
        """Put the deliveries of *block* into *count* queues from the *first*; whether one is due.

        Those that are *held* are not made due. May be repeated, and another gateway may do it at
        the same time: each is done once.
        """
        names, some = self.keys, block.subscriptions[first : first + count]
        last = first + count >= len(block.subscriptions)
        keys = [names.fan_out_blocks, names.fan_out_progress, names.due]
        arguments: list[Argument] = [block.position, first, int(last), len(some), block.rows]
        for id_ in some:
            keys += [names.queue(id_), names.log(id_), names.gate(id_)]
            arguments += [id_, int(id_ in held)]
        arguments += block.members
        _, due = await FANOUT.run(self.client.trips, keys, arguments)
        return bool(due)


def _block(position: bytes, fields: list[bytes], done: bytes) -> Block:
    """One as `gather.lua` answers it."""
    _, subscriptions, _, members, _, rows = fields
    ids = tuple(subscriptions.decode().split(","))
    return Block(position, ids, tuple(members.split(b" ")), rows, int(done))
