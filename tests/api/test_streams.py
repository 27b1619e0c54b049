"""``/v1/stream``: events as they come, from where a client left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from onehook.cli.following import Frame, frames
from onehook.web import streaming
from tests.api.test_integrations import pointers
from tests.builders import Running, github, issue, membership
from tests.conftest import StartGateway


class Stream:
    """A stream that is being read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._frames = frames(response.content.iter_any())

    async def next(self) -> Frame:
        """The next frame."""
        async with asyncio.timeout(15):
            return await anext(self._frames)

    async def events(self, count: int) -> list[Any]:
        """The next *count* events."""
        found: list[Any] = []
        while len(found) < count:
            frame = await self.next()
            if frame.data:
                event = json.loads(frame.data)
                assert frame.type == event["type"]
                found.append({"position": frame.id, **event})
        return found


@asynccontextmanager
async def opened(
    gateway: Running, headers: dict[str, str] | None = None, **query: str
) -> AsyncIterator[Stream]:
    """A stream, once it has begun."""
    async with gateway.api.session.get(
        "/v1/stream", params=query, headers=headers or {}
    ) as response:
        assert response.status == 200, await response.read()
        yield Stream(response)


async def test_events_come_as_they_are_delivered(gateway: Running) -> None:
    """A frame has the event, byte for byte, its type and the place to go on from."""
    sender = await gateway.integrate()
    await gateway.accept(sender, issue(1))  # before anybody listened
    async with opened(gateway) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"
        first = await stream.next()
        assert (first.data, first.type) == (b"", "")
        assert first.id
        (event_id,) = await gateway.accept(sender, issue(2))

        frame = await stream.next()

        assert frame.data == (await gateway.api.get(f"/v1/events/{event_id}")).body
        assert frame.type == "ticketing.ticket.created"


async def test_stream_is_resumed(gateway: Running) -> None:
    """With Last-Event-ID nothing is missed and nothing comes twice; as a parameter, too."""
    sender = await gateway.integrate()
    async with opened(gateway) as stream:
        ids = [(await gateway.accept(sender, issue(n)))[0] for n in range(3)]
        seen = await stream.events(2)
    ids += [(await gateway.accept(sender, issue(n)))[0] for n in range(3, 6)]
    last = seen[-1]["position"]

    async with opened(gateway, {"Last-Event-ID": last}) as stream:
        again = await stream.events(4)
    async with opened(gateway, last_event_id=last) as stream:
        by_parameter = await stream.events(4)

    assert [one["id"] for one in seen + again] == ids
    assert by_parameter == again


async def test_place_of_an_empty_stream_is_resumed(gateway: Running) -> None:
    """Who lost a stream before anything came misses nothing either."""
    async with opened(gateway) as stream:
        place = (await stream.next()).id
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())

    async with opened(gateway, {"Last-Event-ID": place}) as stream:
        (found,) = await stream.events(1)

    assert found["id"] == event_id


async def test_filters_narrow_the_stream(gateway: Running) -> None:
    """By type or pattern, and by integration."""
    one, two = await gateway.integrate(key="gh"), await gateway.integrate()
    async with (
        opened(gateway, type="identity.*") as by_type,
        opened(gateway, integration="gh") as by_integration,
        opened(gateway, type="ticketing.ticket.created", integration=two.id) as by_both,
    ):
        await gateway.accept(one, issue(1))
        await gateway.accept(one, membership())
        await gateway.accept(two, issue(2))
        await gateway.accept(two, membership())

        groups = await by_type.events(2)
        first = await by_integration.events(2)
        (ticket,) = await by_both.events(1)

    assert {event["type"] for event in groups} == {"identity.group.membership.changed"}
    assert {event["integration"]["id"] for event in first} == {one.id}
    assert ticket["integration"]["id"] == two.id


async def test_silence_is_broken_by_heartbeats(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client hears now and then that we are there, and where it is by now."""
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.3)
    async with opened(gateway, type="scm.*") as stream:
        before = (await stream.next()).id
        await gateway.accept(await gateway.integrate(), issue())  # not wanted

        beat = await stream.next()
        while beat.id == before:
            beat = await stream.next()

    assert beat.data == b""
    assert beat.id > before


async def test_slow_client_costs_no_memory(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client does not take is not read from the store for it."""
    events, rounds = gateway.runtime.gateway.events, 0
    walk = events.walk

    async def counted(*arguments: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return await walk(*arguments)

    monkeypatch.setattr(events, "walk", counted)
    sender = await gateway.integrate()
    body = json.loads(issue().body)
    body["issue"]["body"] = "x" * 16_000
    count = 600  # some 10 MB
    for start in range(0, count, 50):
        natives = [
            github("issues", {**body, "issue": {**body["issue"], "number": number}})
            for number in range(start, start + 50)
        ]
        await asyncio.gather(*(gateway.accept(sender, native) for native in natives))

    async with opened(gateway, last_event_id="0-0") as stream:
        seen = -1
        while seen != rounds:  # until it does not go on by itself
            seen = rounds
            await asyncio.sleep(0.5)
        assert rounds < count / streaming.AT_ONCE
        found = await stream.events(count)

    assert len({one["id"] for one in found}) == count


async def test_expired_events_are_passed_over(gateway: Running) -> None:
    """A stream that is resumed goes on after what is no longer kept."""
    sender = await gateway.integrate()
    ids = [(await gateway.accept(sender, issue(n)))[0] for n in range(3)]
    await gateway.store.delete(gateway.keys.event(ids[1]))

    async with opened(gateway, last_event_id="0-0") as stream:
        found = await stream.events(2)

    assert [one["id"] for one in found] == [ids[0], ids[2]]


async def test_stop_ends_the_stream(start_gateway: StartGateway) -> None:
    """A gateway that stops ends its streams properly, so that clients come back."""
    gateway = await start_gateway()
    async with opened(gateway) as stream:
        await stream.next()
        await gateway.runtime.stop()

        with pytest.raises(StopAsyncIteration):
            await stream.next()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"type": "sales.*"}, 422),
        ({"last_event_id": "yesterday"}, 422),
        ({"limit": "5"}, 422),
        ({"integration": "int_x"}, 404),
    ],
)
async def test_wrong_queries_are_refused(
    gateway: Running, query: dict[str, str], status: int
) -> None:
    """What is wrong is a problem, not an empty stream."""
    answer = await gateway.api.get("/v1/stream", **query)

    assert (answer.status, answer.media_type) == (status, "application/problem+json")
    if status == 422:
        assert pointers(answer) == [f"/{next(iter(query))}"]


async def test_wrong_header_is_refused(gateway: Running) -> None:
    """So is a Last-Event-ID that is none of ours."""
    answer = await gateway.api.call("GET", "/v1/stream", headers={"Last-Event-ID": "x"})

    assert (answer.status, pointers(answer)) == (422, ["/Last-Event-ID"])
