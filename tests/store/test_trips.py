"""Round trips that several writers share."""

import asyncio
from collections.abc import Sequence

import pytest
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

from onehook.store.connection import StoreClient
from onehook.store.scripts import Script
from onehook.store.trips import Trips
from tests.builders import until


@pytest.fixture
def trips(client: StoreClient) -> Trips:
    """Trips to a store that runs."""
    return client.trips


@pytest.fixture
def cargo(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each trip took along."""
    seen: list[int] = []
    exchange = Trips._exchange

    async def counted(self: Trips, calls: Sequence[object]) -> None:
        seen.append(len(calls))
        await exchange(self, calls)  # type: ignore[arg-type]

    monkeypatch.setattr(Trips, "_exchange", counted)
    return seen


async def test_what_comes_while_a_trip_is_under_way_leaves_together(
    trips: Trips, cargo: list[int]
) -> None:
    """The first goes at once; each gets its own reply."""
    first = asyncio.create_task(trips.execute_command("ECHO", "0"))
    await until(lambda: bool(cargo))
    rest = await asyncio.gather(*(trips.execute_command("ECHO", f"{n}") for n in range(1, 8)))

    assert [await first, *rest] == [b"%d" % n for n in range(8)]
    assert cargo == [1, 7]


async def test_what_a_reply_leads_to_joins_the_next_trip(trips: Trips, cargo: list[int]) -> None:
    """Two writers that each have one call under way share every trip."""

    async def writer(name: str) -> None:
        for number in range(5):
            await trips.execute_command("ECHO", f"{name}{number}")

    await asyncio.gather(writer("a"), writer("b"))

    assert cargo == [2] * 5


async def test_who_is_told_of_a_trip_can_join_it(trips: Trips, cargo: list[int]) -> None:
    """Whatever waits for company goes along, without a trip of its own."""
    leaving = asyncio.Event()
    trips.on_leaving(leaving.set)

    async def patient() -> object:
        await leaving.wait()
        return await trips.execute_command("ECHO", "patient")

    waiting = asyncio.create_task(patient())
    await asyncio.sleep(0)
    assert await trips.execute_command("ECHO", "hasty") == b"hasty"

    assert await waiting == b"patient"
    assert cargo == [2]


async def test_one_error_is_nothing_to_the_others(trips: Trips) -> None:
    """Its caller gets it; the connection stays in use."""
    good, bad, other = await asyncio.gather(
        trips.execute_command("ECHO", "good"),
        trips.execute_command("EVAL", "return redis.error_reply('OOPS no')", 0),
        trips.execute_command("ECHO", "other" * 1000),
        return_exceptions=True,
    )

    assert (good, other) == (b"good", b"other" * 1000)
    assert isinstance(bad, ResponseError)


async def test_the_outcome_is_unknown_if_the_connection_is_lost(
    client: StoreClient, trips: Trips
) -> None:
    """All that was under way fails; the next trip connects anew."""
    number = await trips.execute_command("CLIENT", "ID")
    lost = asyncio.gather(
        trips.execute_command("BLPOP", "nothing", "4"),
        trips.execute_command("ECHO", "behind it"),
        return_exceptions=True,
    )
    await asyncio.sleep(0.05)
    await client.execute_command("CLIENT", "KILL", "ID", number)  # type: ignore[no-untyped-call]

    assert [type(error) for error in await lost] == [LostError, LostError]
    assert await trips.execute_command("ECHO", "again") == b"again"


async def test_what_a_loop_says_of_a_closed_socket_is_a_lost_connection(
    client: StoreClient, trips: Trips
) -> None:
    """A RuntimeError, where it is uvloop's: whoever writes must be told, not cancelled."""
    await trips.execute_command("ECHO", "first")

    async def closed(*_: object, **__: object) -> None:
        msg = "unable to perform operation on a transport; the handler is closed"
        raise RuntimeError(msg)

    connection = trips._connections[0]
    connection.send_packed_command = closed
    with pytest.raises(LostError):
        await trips.execute_command("ECHO", "lost")
    del connection.send_packed_command

    assert await trips.execute_command("ECHO", "again") == b"again"


async def test_a_caller_may_go(trips: Trips) -> None:
    """Its call is made all the same, and the others get their replies."""
    gone = asyncio.create_task(trips.execute_command("ECHO", "gone"))
    stays = asyncio.create_task(trips.execute_command("ECHO", "stays"))
    await asyncio.sleep(0)
    gone.cancel()

    assert await stays == b"stays"
    assert gone.cancelled()


async def test_scripts_are_loaded_on_demand(client: StoreClient, trips: Trips) -> None:
    """Also after the server has lost its cache."""
    await client.script_flush()
    script = Script("due")

    assert await script.run(trips, ["nobody"], [1]) == []
    await client.script_flush()
    assert await script.run(trips, ["nobody"], [1]) == []
