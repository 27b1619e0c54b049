"""``onehook deliveries``: listed, shown, tried again."""

from datetime import timedelta

from tests.builders import Reply, Subscriber, issue
from tests.cli.applying import Applying

DEAD = {"retry": []}


async def test_dead_letters_are_listed_shown_and_retried(
    applying: Applying, subscriber: Subscriber
) -> None:
    """Those that are wanted are listed and, with --yes, all attempted again."""
    gateway = applying.gateway
    subscriber.usual = Reply(500, body=b"no room")
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber, key="orders", retry=[])
    ids = [(await gateway.accept(sender, issue(n)))[0] for n in (1, 2)]
    for id_ in ids:
        await gateway.settled(id_, sub["id"], status="dead")
    listed = await applying.json("deliveries", "list", "--status", "dead")
    _, out, _ = await applying.say("deliveries", "show", listed[0]["id"])
    words = ("deliveries", "retry", "--status", "dead", "--subscription", "orders")
    refused = await applying.say(*words)
    subscriber.usual = Reply()
    code, said, _ = await applying.say(*words, "--yes")
    for id_ in ids:
        await gateway.settled(id_, sub["id"], status="delivered")

    assert {one["event_id"] for one in listed} == set(ids)
    assert "no room" in out
    assert (refused[0], "say --yes" in refused[2]) == (2, True)
    assert code == 0
    assert sorted(line.split()[1] for line in said.splitlines()) == ["queued", "queued"]
    assert await applying.json("deliveries", "list", "--status", "dead") == []


async def test_what_cannot_be_retried_is_told(applying: Applying) -> None:
    """Each that fails says why; exit code 1. None named, or named and wanted: 2."""
    found = await applying.json("deliveries", "retry", "dlv_none", code=1)
    assert "dlv_none" in found[0]["outcome"]
    assert (await applying.say("deliveries", "retry"))[0] == 2
    assert (await applying.say("deliveries", "retry", "dlv_a", "--status", "dead"))[0] == 2


async def test_pending_ones_say_when(applying: Applying, subscriber: Subscriber) -> None:
    """The table has the next moment of what is pending, and how the last attempt went."""
    gateway = applying.gateway
    subscriber.usual = Reply(503)
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber)
    (id_,) = await gateway.accept(sender, issue())
    await gateway.settled(id_, sub["id"])
    _, out, _ = await applying.say("deliveries", "list", "--since", "1m")

    row = out.splitlines()[1].split("  ")
    assert "pending" in out.splitlines()[1]
    assert "503" in [cell.strip() for cell in row]
    await gateway.age(sub["id"], timedelta(minutes=2))
    await subscriber.wait(2)
