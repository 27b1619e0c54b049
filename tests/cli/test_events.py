"""``onehook events``: what came in is listed, shown and followed."""

import json
import signal

import pytest

from tests.builders import API_KEY, Running, Subscriber, github, issue, sample
from tests.cli.applying import Applying
from tests.cli.test_serve import finish, start


async def test_list_narrows_and_pages(applying: Applying) -> None:
    """Newest first, by type and time, as many as asked for across pages; plain when piped."""
    sender = await applying.gateway.integrate(name="Hub")
    ids = [(await applying.gateway.accept(sender, issue(n)))[0] for n in range(1, 4)]
    code, out, _ = await applying.say("events", "list", "--since", "1h")
    lines = out.splitlines()

    assert code == 0
    assert lines[0].split() == ["RECEIVED", "TYPE", "INTEGRATION", "TITLE", "ID"]
    assert [line.split()[-1] for line in lines[1:]] == list(reversed(ids))
    assert " Hub " in lines[1]
    assert [e["id"] for e in await applying.json("events", "list", "--limit", "2")] == ids[:0:-1]
    assert await applying.json("events", "list", "--type", "scm.*") == []
    assert await applying.json("events", "list", "--until", "1h") == []


async def test_show_tells_where_it_went_and_why_not(
    applying: Applying, subscriber: Subscriber
) -> None:
    """An event with its webhook, rule and data, who got it, and who did not and why."""
    sender = await applying.gateway.integrate()
    await applying.gateway.subscribe(subscriber, name="Takes it")
    elsewhere = {"url": "https://example.com/", "name": "Wants other", "events": ["scm.*"]}
    await applying.gateway.api.post("/v1/subscriptions", elsewhere)
    (id_,) = await applying.gateway.accept(sender, issue())
    await subscriber.wait()
    code, out, _ = await applying.say("events", "show", id_)
    both = await applying.json("events", "show", id_)

    assert code == 0
    went, _, did_not = out.partition("did not go to:")
    assert "ticketing.ticket.created" in went
    assert "Takes it" in went.partition("went to:")[2]
    assert "Wants other" in did_not
    assert "/events" in did_not
    assert both["event"]["id"] == both["lineage"]["event_id"] == id_


async def test_what_is_not_there_is_told(applying: Applying) -> None:
    """The gateway's own words, and exit code 1."""
    code, out, err = await applying.say("events", "show", "evt_none")
    assert (code, out) == (1, "")
    assert "evt_none" in err


@pytest.mark.parametrize("as_json", [False, True])
async def test_tail_follows(gateway: Running, *, as_json: bool) -> None:
    """Events are said as they come, those that are wanted; Ctrl-C ends it with 0."""
    words = ["events", "tail", "--type", "ticketing.*", *(["--json"] if as_json else [])]
    process = await start(*words, url=gateway.url, api_key=API_KEY)
    assert process.stderr is not None
    assert process.stdout is not None
    assert b"following" in await process.stderr.readline()
    sender = await gateway.integrate()
    (id_,) = await gateway.accept(sender, issue())
    line = (await process.stdout.readline()).decode()
    process.send_signal(signal.SIGINT)
    code, _, err = await finish(process)

    assert (code, "Traceback" in err) == (0, False)
    if as_json:
        assert json.loads(line)["event"]["id"] == id_
    else:
        assert "ticketing.ticket.created" in line
        assert id_ in line


async def test_tail_says_why_it_cannot(gateway: Running) -> None:
    """No gateway: 69; a key that is none: 78; a type that is none: 1."""
    nobody = await start("events", "tail", url="http://127.0.0.1:9", api_key=API_KEY)
    assert (await finish(nobody))[0] == 69
    stranger = await start("events", "tail", url=gateway.url, api_key="no-key-of-this-one")
    assert (await finish(stranger))[0] == 78
    wrong = await start("events", "tail", "--type", "sales.*", url=gateway.url, api_key=API_KEY)
    code, _, err = await finish(wrong)
    assert (code, "matches no event type" in err) == (1, True)


async def test_a_terminal_cannot_be_steered(applying: Applying) -> None:
    """What a vendor sends is printed without escape sequences."""
    sender = await applying.gateway.integrate()
    body = sample("github/issues.opened")
    told = {**body, "issue": {**body["issue"], "title": "a\x1b[2Jb"}}
    await applying.gateway.accept(sender, github("issues", told))
    _, out, _ = await applying.say("events", "list")
    assert "\x1b" not in out
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in out
