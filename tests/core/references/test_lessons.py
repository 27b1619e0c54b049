"""What webhooks teach: only what is new, and never without bound."""

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.references import Learnt, Lesson
from onehook.core.references.lessons import MAX_HOST, MAX_HOSTS, MAX_PREFIXES, MAX_STEM
from tests.core.references.things import event

STEM = "oh:jira:acme.atlassian.net:ticket:"
CREATED = "ticketing.ticket.created"


def ticket(key: str, stem: str = STEM) -> dict[str, JsonValue]:
    """A ticket's data."""
    return {"key": key, "urn": stem + key}


def learn(learnt: Learnt, key: str, stem: str = STEM) -> Lesson | None:
    """What the ticket *key* teaches."""
    return learnt.learn_ticket(event(CREATED, ticket(key, stem)))


def test_a_host_is_learnt_once() -> None:
    """The present one is the last that was new."""
    learnt = Learnt()
    assert learnt.learn_host("a", 1) == Lesson("host", "a", "1")
    assert learnt.learn_host("b", 2) == Lesson("host", "b", "2")
    assert learnt.learn_host("a", 3) is None
    assert list(learnt.hosts) == ["a", "b"]


def test_hosts_are_bounded() -> None:
    """In number and in length."""
    learnt = Learnt()
    assert learnt.learn_host("x" * (MAX_HOST + 1), 1) is None
    lessons = [learnt.learn_host(f"h{n}", n) for n in range(MAX_HOSTS + 1)]
    assert [lesson is None for lesson in lessons] == [False] * MAX_HOSTS + [True]


def test_a_ticket_teaches_its_prefix_and_how_its_urn_is_made() -> None:
    """Once; a comment teaches the same of the ticket it is on."""
    learnt = Learnt()
    assert learn(learnt, "PAY-1") == Lesson("prefix", "PAY", STEM)
    assert learn(learnt, "PAY-2") is None
    comment = event("ticketing.comment.added", {"urn": "oh:x", "ticket": ticket("OPS-1")})
    assert learnt.learn_ticket(comment) == Lesson("prefix", "OPS", STEM)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("scm.pull_request.created", ticket("PAY-1")),
        (CREATED, ticket("acme/shop#1")),
        (CREATED, ticket("INC0010023")),
        (CREATED, {"key": "PAY-1", "urn": "oh:sentry:h:ticket:6114207731"}),
        (CREATED, {"key": "PAY-1", "urn": None}),
        (CREATED, {"key": None, "urn": STEM + "PAY-1"}),
        (CREATED, ticket("PAY-1", "oh:" + "x" * MAX_STEM)),
        ("ticketing.comment.added", {"ticket": None}),
    ],
)
def test_what_teaches_nothing(type_: str, data: dict[str, JsonValue]) -> None:
    """Other events, other keys, and urns that do not end with the key."""
    learnt = Learnt()
    assert learnt.learn_ticket(event(type_, data)) is None
    assert learnt.lessons() == []


def test_prefixes_are_bounded() -> None:
    """A tracker with more projects teaches some of them."""
    learnt = Learnt()
    lessons = [learn(learnt, f"P{n}-1") for n in range(MAX_PREFIXES + 1)]
    assert [lesson is None for lesson in lessons] == [False] * MAX_PREFIXES + [True]


def test_of_two_urns_that_take_turns_the_first_stays() -> None:
    """Else every webhook would be news, and be written down."""
    learnt, other = Learnt(), STEM.replace("acme", "beta")
    assert learn(learnt, "PAY-1") is not None
    for _ in range(3):
        for stem in (other, STEM):
            learnt.learn_host("acme.atlassian.net", 1)
            assert learn(learnt, "PAY-1", stem) is None
    assert learnt.prefixes == {"PAY": STEM}


def test_a_renamed_site_is_learnt_anew() -> None:
    """Its new name is new once; then its tickets' urns are."""
    learnt, other = Learnt(), STEM.replace("acme", "beta")
    learnt.learn_host("acme.atlassian.net", 1)
    learn(learnt, "PAY-1")
    assert learnt.learn_host("beta.atlassian.net", 2) is not None
    assert learn(learnt, "PAY-1", other) == Lesson("prefix", "PAY", other)
    assert learn(learnt, "PAY-1", STEM) is None


def test_what_was_written_down_is_taken_up() -> None:
    """Hosts in the order in which they were learnt, whatever order they lie in."""
    learnt = Learnt()
    learnt.take([Lesson("host", "b", "2"), Lesson("prefix", "PAY", STEM), Lesson("host", "a", "1")])
    assert list(learnt.hosts) == ["a", "b"]
    again = Learnt()
    again.take(learnt.lessons())
    assert again == learnt
    again.take(
        [Lesson("host", "c", "nonsense"), *(Lesson("host", f"h{n}", "3") for n in range(99))]
    )
    assert len(again.hosts) == MAX_HOSTS
