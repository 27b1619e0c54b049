"""``onehook subscriptions`` and ``onehook integrations``: everything the API does, by hand."""

import pytest

from tests.builders import SECRET, Reply, Subscriber
from tests.cli.applying import Applying


async def test_a_subscription_from_create_to_delete(
    applying: Applying, subscriber: Subscriber
) -> None:
    """Fields are JSON or text, dots lead into them, @ reads a file; null clears."""
    (applying.folder / "token").write_text("the-token\n")
    made = await applying.json(
        *("subscriptions", "create", f"url={subscriber.url}", "key=orders", "timeout=5s"),
        *('events=["scm.*"]', "rate_limit.per_minute=600", "auth.type=bearer"),
        f"auth.token=@{applying.folder / 'token'}",
    )
    changed = await applying.json("subscriptions", "update", "orders", "rate_limit=null")
    await applying.say("subscriptions", "pause", "orders")
    paused = await applying.json("subscriptions", "show", "orders")
    _, table, _ = await applying.say("subscriptions", "list")
    resumed = await applying.json("subscriptions", "resume", "orders")
    rotated = await applying.json("subscriptions", "rotate-secret", "orders", "overlap=1h")
    stats = await applying.json("subscriptions", "stats", "orders")
    asked = await applying.say("subscriptions", "delete", "orders")
    removed = await applying.json("subscriptions", "delete", "orders", "--yes")

    assert (made["events"], made["timeout"], made["auth"]["type"]) == (["scm.*"], "5s", "bearer")
    assert (made["rate_limit"]["per_minute"], changed["rate_limit"]) == (600, None)
    assert (paused["status"], resumed["status"]) == ("paused", "active")
    assert table.splitlines()[1].split()[0] == "orders"
    assert "paused" in table
    assert rotated["secret"] != made["secret"]
    assert stats["total"] == 0
    assert asked[0] == 2
    assert removed == {"removed": ["orders"]}
    assert (await applying.say("subscriptions", "show", "orders"))[0] == 1


async def test_a_test_event_tells_what_the_receiver_says(
    applying: Applying, subscriber: Subscriber
) -> None:
    """0 where it was taken, 1 where it was not."""
    await applying.gateway.subscribe(subscriber, key="orders")
    words = ("subscriptions", "test", "orders", "--event-type", "scm.tag.created")
    taken = await applying.say(*words)
    subscriber.usual = Reply(418, body=b"a teapot")
    refused = await applying.say(*words)

    assert taken[0] == 0
    assert (refused[0], "a teapot" in refused[1]) == (1, True)


async def test_an_integration_from_create_to_delete(applying: Applying) -> None:
    """Its secret goes in from a file, and out of no answer."""
    (applying.folder / "s").write_text(SECRET)
    words = ("type=github", "key=hub", f"secret=@{applying.folder / 's'}")
    code, out, err = await applying.say("integrations", "create", *words)
    _, table, _ = await applying.say("integrations", "list")
    rotated = await applying.say("integrations", "rotate-secret", "hub", f"secret={SECRET}2")
    removed = await applying.say("integrations", "delete", "hub", "--yes")

    assert code == 0, err
    assert "ingest url" in out
    assert SECRET not in out + err
    assert table.splitlines()[1].split()[:2] == ["hub", "github"]
    assert rotated[0] == 0
    assert removed[1] == "integrations/hub removed\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("timeout",), "no name=value"),
        (("a=1", "a.b=2"), "has a value already"),
        (("secret=@/nowhere",), "cannot be read"),
    ],
)
async def test_words_that_make_no_body_are_refused(
    applying: Applying, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and a sentence."""
    code, _, err = await applying.say("subscriptions", "create", *words)
    assert (code, said in err) == (2, True), err


async def test_every_problem_of_a_refusal_is_told(applying: Applying) -> None:
    """The gateway's sentence, and what else it points to; exit code 1."""
    code, _, err = await applying.say("subscriptions", "create", "urll=x", "timeout=9h")
    assert code == 1
    assert "did you mean url?" in err
    assert "/timeout is a duration from 1s to 30s" in err
