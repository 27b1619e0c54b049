"""``onehook replay``: one event, or what came in a time."""

import pytest

from tests.builders import Subscriber, issue
from tests.cli.applying import Applying


async def test_named_events_go_again(applying: Applying, subscriber: Subscriber) -> None:
    """To all that it went to, with the same id."""
    gateway = applying.gateway
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber, key="orders")
    (id_,) = await gateway.accept(sender, issue())
    await gateway.settled(id_, sub["id"], status="delivered")
    found = await applying.json("replay", id_, "--to", "orders")
    await subscriber.wait(2)

    assert [one["outcome"] for one in found] == ["queued"]
    assert subscriber.ids == [id_, id_]
    assert subscriber.received[1].headers["x-onehook-replay"] == "true"


async def test_a_time_goes_again_once_counted(applying: Applying, subscriber: Subscriber) -> None:
    """A dry run counts; without it all are delivered, and the replay is listed as done."""
    gateway = applying.gateway
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber)
    for number in range(1, 4):
        (id_,) = await gateway.accept(sender, issue(number))
        await gateway.settled(id_, sub["id"], status="delivered")
    code, out, _ = await applying.say("replay", "--since", "1h", "--dry-run")
    done = await applying.json("replay", "--since", "1h", "--type", "ticketing.*")
    await subscriber.wait(6)
    shown = await applying.json("replay", "show", done["id"])
    listed = await applying.json("replay", "list")

    assert (code, out) == (0, "3 events would be delivered again\n")
    assert (done["status"], done["matched"], done["queued"]) == ("done", 3, 3)
    assert shown == done
    assert [one["dry_run"] for one in listed] == [False, True]
    cancelled = await applying.say("replay", "cancel", done["id"])
    assert (cancelled[0], "is done" in cancelled[2]) == (1, True)


@pytest.mark.parametrize(
    "words",
    [(), ("evt_a", "--since", "1h"), ("evt_a", "--dry-run"), ("evt_a", "--type", "scm.*"),
     ("--since", "1h", "--to", "orders")],
)  # fmt: skip
async def test_what_does_not_go_together_is_refused(
    applying: Applying, words: tuple[str, ...]
) -> None:
    """Exit code 2, and a sentence; nothing is asked of the gateway."""
    code, out, err = await applying.say("replay", *words)
    assert (code, out) == (2, "")
    assert "--since" in err
