"""The index of references: what the commit writes there, what is read, and when it ends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from onehook.core.model import DEFAULT_TENANT, Event, EventId
from onehook.core.references import Knowledge, Sightings, index, ranges
from onehook.core.references.sightings import fingerprint
from onehook.store.events import Retention
from onehook.store.keys import LIVE_TURNS, Keys
from onehook.store.references import CHUNK, ReferenceIndex
from onehook.store.retention import sweep
from tests.store.test_events import KEEP, Shelf

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME = "pay-1"


def event(number: int, at: datetime = AT, key: str = "PAY-1", host: str = "h") -> Event:
    """A ticket's event."""
    urn = f"oh:jira:{host}:ticket:{key}"
    data = {"urn": urn, "key": key, "id": str(number)}
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    envelope = {"timestamp": stamp, "data": data}
    id_ = EventId(f"evt_{number:0>26}")
    return Event(id_, "ticketing.ticket.updated", data, envelope, b"{}")


class Index(Shelf):
    """A store with an index of references."""

    def __init__(self, client: Redis, keys: Keys, keep: Retention = KEEP) -> None:
        super().__init__(client, keys, keep)
        self.references = ReferenceIndex(client, keys)  # type: ignore[arg-type]

    async def add(self, *events: Event, turn_marker: str = "") -> None:
        """Commit *events*, each of a webhook of its own."""
        webhooks = []
        for one in events:
            webhook = self.webhook(f"{turn_marker}{one.id[-9:]}")
            (made,) = webhook.events
            indexed = index(one, Knowledge())
            webhooks.append(replace(webhook, events=[replace(made, id=one.id, indexed=indexed)]))
        await self.events.commit(webhooks)

    async def ids(self, *names: str, count: int = 99, **where: object) -> list[int]:
        """The numbers of the events that name one of *names*."""
        found = await self.references.find(ranges(names, **where), count)  # type: ignore[arg-type]
        return [int(entry.event_id[4:]) for entry in found]

    async def turns(self) -> list[str]:
        """The parts of the index that hold something."""
        return [key for key in self.keys.references if await self.client.exists(key)]


@pytest.fixture
def shelf(client: Redis, keys: Keys) -> Index:
    """A store of this test's own."""
    return Index(client, keys)


async def test_a_name_s_events_are_found_in_order_of_their_time(shelf: Index) -> None:
    """Not of their commit; up to a count, and from a position on."""
    hours = [timedelta(hours=n) for n in (3, 1, 2)]
    await shelf.add(*[event(n, AT + by) for n, by in enumerate(hours)], event(7, key="PAY-2"))

    assert await shelf.ids(NAME) == [1, 2, 0]
    assert await shelf.ids(NAME, "pay-2") == [7, 1, 2, 0]
    assert await shelf.ids(NAME, count=2) == [1, 2]
    (first, *_) = await shelf.references.find(ranges([NAME]), 1)
    assert await shelf.ids(NAME, after=first.position) == [2, 0]
    assert await shelf.ids(NAME, since=AT + hours[2]) == [2, 0]
    assert await shelf.ids(NAME, until=AT + hours[2]) == [1]
    assert await shelf.ids("pay-3") == []


async def test_an_event_of_two_names_that_are_asked_for_is_found_once(shelf: Index) -> None:
    """Some things have two."""
    await shelf.add(event(1))

    assert await shelf.ids(NAME, NAME) == [1]


async def test_entries_lie_in_the_turn_of_their_commit(shelf: Index) -> None:
    """One part of ten is written, for an eighth of the events' life; it outlives them all."""
    before = shelf.client.time
    seconds, micros = await before()
    await shelf.add(event(1), event(2, AT - timedelta(days=400)))

    (turn,) = await shelf.turns()
    span = KEEP.event.total_seconds() * 1000 / LIVE_TURNS
    number = (seconds * 1000 + micros // 1000) // span
    assert turn == shelf.keys.references[int(number) % len(shelf.keys.references)]
    expected = (number + 1.5) * span + KEEP.event.total_seconds() * 1000
    assert await shelf.client.pexpiretime(turn) == pytest.approx(expected, abs=1)
    assert await shelf.ttl(turn) > 7


async def test_every_turn_is_read(shelf: Index) -> None:
    """Whatever part an entry lies in; in two of them it is one."""
    await shelf.add(event(1))
    (turn,) = await shelf.turns()
    for other in shelf.keys.references:
        if other != turn:
            await shelf.client.copy(turn, other)

    assert await shelf.ids(NAME) == [1]
    for key in shelf.keys.references[:-1]:
        await shelf.client.delete(key)
    assert await shelf.ids(NAME) == [1]


async def test_the_index_ends_with_what_it_points_to(client: Redis, keys: Keys) -> None:
    """When the last event of a turn is gone, so is the turn: by itself, with nothing swept."""
    shelf = Index(client, keys, Retention(event=timedelta(milliseconds=80)))
    await shelf.add(event(1))
    (turn,) = await shelf.turns()
    assert 0 < await client.pttl(turn) <= 80 * (1 + 1.5 / LIVE_TURNS)

    while await client.exists(keys.event(event(1).id)):
        assert await shelf.turns() == [turn]
    while await shelf.turns():
        pass
    assert await shelf.ids(NAME) == []


async def test_a_sweep_frees_a_turn_whose_events_are_gone(shelf: Index) -> None:
    """Before the server has to, and only then."""
    await shelf.add(event(1))
    (turn,) = await shelf.turns()
    spare = round(KEEP.event.total_seconds() * 1000) // (2 * LIVE_TURNS)

    for left, stays in ((spare + 60_000, True), (spare - 60_000, False)):
        await shelf.client.pexpire(turn, left)
        await sweep(shelf.client, shelf.keys, KEEP, [])  # type: ignore[arg-type]
        assert bool(await shelf.turns()) is stays


async def test_a_late_redelivery_adds_no_second_entry(shelf: Index) -> None:
    """The same event committed again after its markers ended has the same entries."""
    await shelf.add(event(1))
    (turn,) = await shelf.turns()
    size = await shelf.client.zcard(turn)

    await shelf.add(event(1), turn_marker="again")

    assert sum([await shelf.client.zcard(key) for key in await shelf.turns()]) == size


# -- what was seen --------------------------------------------------------------------------------


def held(sightings: Sightings, numbers: Sequence[int]) -> list[int]:
    """Which of the tickets of those numbers are known to be there."""
    return [n for n in numbers if sightings.holds(f"oh:jira:h:ticket:PAY-{n}")]


async def test_a_start_recalls_what_was_seen_before_it(shelf: Index) -> None:
    """As far as there is room, the latest first."""
    await shelf.add(*[event(n, key=f"PAY-{n}") for n in range(1, 10)])

    everything, few = Sightings(), Sightings(limit=4)
    await shelf.references.recall(DEFAULT_TENANT, everything, KEEP.event)
    await shelf.references.recall(DEFAULT_TENANT, few, KEEP.event)

    assert held(everything, range(1, 12)) == list(range(1, 10))
    assert {8, 9} <= set(held(few, range(1, 12))) <= {6, 7, 8, 9}


async def test_a_start_recalls_nothing_older_than_events_are_kept(shelf: Index) -> None:
    """An event is listed for longer than it is kept, and then proves nothing any more."""
    seconds, _ = await shelf.client.time()
    ended = (seconds - int(KEEP.event.total_seconds()) - 1) * 1000
    thing = fingerprint("oh:jira:h:ticket:PAY-1")
    row = {"e": "evt", "t": "t", "i": "int", "u": thing}
    await shelf.client.xadd(shelf.keys.index, row, id=f"{ended}-0")
    await shelf.add(event(2, key="PAY-2"))

    sightings = Sightings()
    await shelf.references.recall(DEFAULT_TENANT, sightings, KEEP.event)

    assert held(sightings, [1, 2]) == [2]


async def test_gateways_tell_each_other_what_they_see(shelf: Index) -> None:
    """Each look takes what came since the last one, from whatever gateway."""
    await shelf.add(event(1, key="PAY-1"))
    sightings = Sightings()
    await shelf.references.recall(DEFAULT_TENANT, sightings, KEEP.event)
    await shelf.add(event(2, key="PAY-2"))
    assert held(sightings, [1, 2]) == [1]

    await shelf.references.catch_up({DEFAULT_TENANT: sightings})
    assert held(sightings, [1, 2]) == [1, 2]

    later = Sightings()
    await shelf.references.catch_up({DEFAULT_TENANT: later})
    assert held(later, [1, 2]) == []  # nothing has come since


async def test_a_look_takes_more_than_one_chunk(shelf: Index) -> None:
    """However much came since the last look; rows of an earlier release have no things."""
    await shelf.references.recall(DEFAULT_TENANT, Sightings(), KEEP.event)
    pipe = shelf.client.pipeline(transaction=False)
    for _ in range(CHUNK):
        pipe.xadd(shelf.keys.index, {"e": "evt", "t": "t", "i": "int"})
    await pipe.execute()
    await shelf.add(event(3, key="PAY-3"))

    sightings = Sightings()
    await shelf.references.catch_up({DEFAULT_TENANT: sightings})

    assert held(sightings, [3]) == [3]
