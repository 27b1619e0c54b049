"""``onehook listen``: what comes is forwarded, signed, and said."""

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from standardwebhooks import Webhook

from onehook.cli.following import frames
from tests.builders import API_KEY, Reply, Running, Subscriber, issue, membership
from tests.cli.test_serve import finish, start

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1saXN0ZW5lcg=="


async def listening(gateway: Running, *words: str) -> Process:
    """A listener that follows the stream."""
    process = await start("listen", *words, url=gateway.url, api_key=API_KEY)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while b"->" not in await process.stderr.readline():
            pass
    return process


async def line(process: Process) -> str:
    """The next line that it says."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode()


async def stop(process: Process) -> tuple[int, str, str]:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
    return await finish(process)


async def test_events_are_forwarded_and_said(gateway: Running, subscriber: Subscriber) -> None:
    """What comes is posted, signed as a subscription's events are, and a line says so."""
    process = await listening(
        gateway, "--forward", subscriber.url, "--type", "ticketing.*", "--secret", SECRET
    )
    sender = await gateway.integrate()
    await gateway.accept(sender, membership())
    (event_id,) = await gateway.accept(sender, issue())

    (got,) = await subscriber.wait()
    said = await line(process)
    code, _, err = await stop(process)

    Webhook(SECRET).verify(got.body, dict(got.headers))
    assert got.id == event_id
    assert got.headers["x-onehook-event"] == "ticketing.ticket.created"
    assert got.body == (await gateway.api.get(f"/v1/events/{event_id}")).body
    assert f"ticketing.ticket.created  {event_id}  -> 204 No Content" in said
    assert code == 0
    assert "Traceback" not in err


async def test_failures_are_said_and_the_next_comes(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What the server answers is said, also that it did not; with --json as an object."""
    subscriber.usual = Reply(500)
    process = await listening(gateway, "--forward", subscriber.url, "--json")
    sender = await gateway.integrate()
    (first,) = await gateway.accept(sender, issue(1))
    said = [json.loads(await line(process))]
    await subscriber.stop()
    (second,) = await gateway.accept(sender, issue(2))
    said.append(json.loads(await line(process)))
    await stop(process)

    assert [(one["event_id"], one["status"]) for one in said] == [(first, 500), (second, None)]
    assert [one["error"] for one in said] == [None, "no connection"]
    resumed = await start(
        *("listen", "--forward", subscriber.url, "--since", said[0]["position"], "--json"),
        url=gateway.url,
        api_key=API_KEY,
    )
    assert json.loads(await line(resumed))["event_id"] == second
    await stop(resumed)


async def test_lost_stream_is_taken_up(gateway: Running, subscriber: Subscriber) -> None:
    """When the stream breaks off, it is asked for again from where it was."""
    process = await listening(gateway, "--forward", subscriber.url)
    sender = await gateway.integrate()
    (first,) = await gateway.accept(sender, issue(1))
    await subscriber.wait(1)
    server: Any = gateway.runtime._runner.server
    (stream,) = [c for c in server.connections if c._current_request is not None]
    stream.transport.abort()
    (second,) = await gateway.accept(sender, issue(2))

    await subscriber.wait(2)
    await stop(process)

    assert subscriber.ids == [first, second]


async def test_refusals_end_it(gateway: Running) -> None:
    """A wrong filter ends it with 1, a wrong key with 78, in the gateway's words; none with 69."""
    words = ("listen", "--forward", "http://127.0.0.1:9/")
    refused = await start(*words, url=gateway.url, api_key="a-key-that-is-none")
    code, _, err = await finish(refused)
    assert (code, "this API key is not known" in err) == (78, True)
    refused = await start(*words, "--type", "sales.*", url=gateway.url, api_key=API_KEY)
    code, _, err = await finish(refused)
    assert (code, "matches no event type" in err) == (1, True)
    nobody = await start(*words, url="http://127.0.0.1:9", api_key=API_KEY)
    code, _, err = await finish(nobody)
    assert (code, "cannot be reached" in err) == (69, True)


async def parts(texts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Texts as they come from a socket."""
    for text in texts:
        yield text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_frames_are_read_however_they_are_cut(size: int) -> None:
    """Wherever a network cuts it, the stream has the same events."""
    text = (
        b"retry: 2000\nid: 1-0\n\n"
        b": hello\nid: 2-0\n\n"
        b'id: 3-0\nevent: a.b\ndata: {"x":\ndata: 1}\n\n'
        b"id: 4"
    )
    cut = [text[at : at + size] for at in range(0, len(text), size)]

    found = [frame async for frame in frames(parts(cut))]

    assert [(f.id, f.type, f.data) for f in found] == [
        ("1-0", "", b""),
        ("2-0", "", b""),
        ("3-0", "a.b", b'{"x":\n1}'),
    ]
