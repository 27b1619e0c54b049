"""Whose a host, a key, a number or a sign is."""

from onehook.core.references import Knowledge, KnownIntegration
from tests.core.references.things import GITHUB, JIRA, OTHER_JIRA, PLATFORMS, SERVICENOW, knowing

STEM = "oh:linear:linear.app:ticket:acme/"
LINEAR = KnownIntegration("int_l", "linear", ("linear.app",), {"ENG": STEM})


def urns(knowledge: Knowledge, prefix: str, key: str) -> list[str | None]:
    """The urns that *key* may have."""
    return [claim.urn(key) for claim in knowledge.with_prefix(prefix) or ()]


def test_a_urn_has_what_the_platform_s_own_have() -> None:
    """A workspace stands in Linear's, which no text says: it was seen on the tickets."""
    assert urns(knowing(LINEAR), "ENG", "ENG-7") == ["oh:linear:linear.app:ticket:acme/ENG-7"]
    assert urns(knowing(JIRA), "PAY", "PAY-1") == ["oh:jira:acme.atlassian.net:ticket:PAY-1"]


def test_what_was_seen_stands_in_place_of_what_was_stated() -> None:
    """An operator states the prefix; the first ticket says how its urn is made."""
    stated = KnownIntegration("int_l", "linear", ("linear.app",), {"ENG": None})
    both = knowing(stated, LINEAR)
    assert urns(both, "ENG", "ENG-7") == [STEM + "ENG-7"]
    assert urns(knowing(LINEAR, stated), "ENG", "ENG-7") == [STEM + "ENG-7"]
    later = knowing(stated)
    later.learn_prefix(LINEAR, "ENG")
    assert urns(later, "ENG", "ENG-7") == [STEM + "ENG-7"]


def test_two_workspaces_on_one_host_are_two() -> None:
    """They share nothing but the prefix."""
    beta = KnownIntegration("int_b", "linear", ("linear.app",), {"ENG": STEM.replace("acme", "b")})
    assert len(urns(knowing(LINEAR, beta), "ENG", "ENG-7")) == 2
    assert len(urns(knowing(LINEAR, LINEAR), "ENG", "ENG-7")) == 1


def test_one_more_prefix() -> None:
    """It counts from then on, in any case."""
    knowledge = knowing(JIRA)
    assert knowledge.with_prefix("OPS") is None
    learnt = KnownIntegration("int_j", "jira", JIRA.hosts, {"ops": None})
    knowledge.learn_prefix(learnt, "ops")
    assert urns(knowledge, "OPS", "OPS-1") == ["oh:jira:acme.atlassian.net:ticket:OPS-1"]


def test_an_integration_of_two_hosts_builds_urns_with_the_present_one() -> None:
    """A site got a new name; links to the old one still lead to it."""
    moved = KnownIntegration("int_j", "jira", ("new.example", "old.example"), {"PAY": None})
    knowledge = knowing(moved)
    assert urns(knowledge, "PAY", "PAY-1") == ["oh:jira:new.example:ticket:PAY-1"]
    for host in ("new.example", "old.example"):
        page, (site,) = knowledge.pages(host, "/browse/PAY-1")
        assert page is not None
        assert site.urn("ticket", "PAY-1") == f"oh:jira:{host}:ticket:PAY-1"


def test_numbers_are_known_without_anybody_who_has_them() -> None:
    """An incident of nobody's is one still; other prefixes are none."""
    assert Knowledge((), PLATFORMS).with_number("INC") == ("incident", ())
    assert Knowledge((), PLATFORMS).with_number("ABC") is None
    type_, (site,) = knowing(SERVICENOW).with_number("CHG") or ("", ())
    assert (type_, site.platform) == ("ticket", "servicenow")


def test_signs_are_those_of_the_configured_platforms() -> None:
    """A tracker without signs has none."""
    knowledge = knowing(GITHUB, JIRA, OTHER_JIRA)
    assert [site.platform for site in knowledge.with_sign("#")] == ["github"]
    assert knowledge.with_sign("!") == ()
