"""What commits left for later: deliveries that are made, and in no queue yet."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from onehook.store.client import Client
from onehook.store.events import IndexEntry, index_entry
from onehook.store.keys import Keys
from onehook.store.scripts import FANOUT, Argument


@dataclass(frozen=True, slots=True)
class Pending:
    """The deliveries of one event to *subscriptions*, ids with commas between them.

    The queues of the first *done* of them have it already.
    """

    entry: IndexEntry
    subscriptions: str
    done: int


class FanOutStore:
    """The fan-out stream; every gateway may work on it."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys

    def on_leaving(self, tell: Callable[[], object]) -> None:
        """Call *tell* when something leaves for the store: what is spread then leaves with it."""
        self.client.trips.on_leaving(tell)

    async def pending(self, count: int) -> list[Pending]:
        """The *count* oldest entries."""
        pipe = self.client.pipeline(transaction=False)
        pipe.hgetall(self.keys.fan_out_progress)
        pipe.xrange(self.keys.fan_out, count=count)
        progress, rows = await pipe.execute()
        return [
            Pending(index_entry(*row), row[1][b"s"].decode(), int(progress.get(row[0], 0)))
            for row in rows
        ]

    async def spread(
        self,
        group: Sequence[Pending],
        first: int,
        count: int,
        held: Collection[str],
        company: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Put the deliveries of *group* into *count* queues from the *first*; whether one is due.

        All of *group* name the same subscriptions, and have come as far as *first*. Those that are
        *held* are not made due. May be repeated, and another gateway may do it at the same time:
        each is done once. When all is ready, *company* is awaited first.
        """
        names, ids = self.keys, group[0].subscriptions.split(",")
        some = ids[first : first + count]
        keys = [names.fan_out, names.fan_out_progress, names.due]
        last = "1" if first + count >= len(ids) else "0"
        arguments: list[Argument] = [len(some), len(group), first, last]
        for id_ in some:
            keys += [names.queue(id_), names.log(id_), names.gate(id_)]
            arguments += [id_, "1" if id_ in held else "0"]
        for one in group:
            entry = one.entry
            arguments += [entry.position, entry.event_id, entry.type, entry.integration_id]
        if company is not None:
            await company()
        _, due = await FANOUT.run(self.client.trips, keys, arguments)
        return bool(due)
