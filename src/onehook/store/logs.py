"""A subscription's log: what was delivered to it, or is to be, in the order in which it was queued.

A row of the stream is one delivery, as commits write it, or several that were queued together, as
`fanout.lua` writes them: one row for each would be most of what their queueing costs.
"""

from collections.abc import Mapping

from onehook.store.client import Client
from onehook.store.events import IndexEntry, index_entry

_NEAR = 1000  # rows read at once


def deliveries_of(position: bytes, fields: Mapping[bytes, bytes]) -> list[IndexEntry]:
    """The deliveries of a row, oldest first; those of several have its position and a number."""
    packed = fields.get(b"m")
    if packed is None:
        return [index_entry(position, fields)]
    row = position.decode()
    return [
        IndexEntry(f"{row}.{number}", *one.split(" "))
        for number, one in enumerate(packed.decode().split("\n"))
    ]


async def newest(
    client: Client, log: str, first: str, last: str, before: str | None, count: int
) -> list[IndexEntry]:
    """Up to *count* deliveries of the rows from *first* to *last*, newest first.

    *before* is the position of the last one already seen. Fewer than *count*: there are no more.
    """
    row, _, number = (before or "").partition(".")
    if row:
        last = row if number else f"({row}"
    rows = await client.xrevrange(log, last, first, count=count + 1)
    found = [entry for one in rows for entry in reversed(deliveries_of(*one))]
    if number and rows and rows[0][0] == row.encode():
        found = found[max(0, len(deliveries_of(*rows[0])) - int(number)) :]
    return found[:count]


async def find(client: Client, log: str, event_id: str, first: str, last: str) -> IndexEntry | None:
    """The delivery of an event, among the rows from *first* to *last*."""
    while rows := await client.xrange(log, first, last, count=_NEAR):
        for row in rows:
            for entry in deliveries_of(*row):
                if entry.event_id == event_id:
                    return entry
        first = f"({rows[-1][0].decode()}"
    return None
