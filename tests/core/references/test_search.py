"""What was seen, and whose a name is: how it changes what a text is read as."""

import pytest

from onehook.core.references import KnownIntegration, find
from tests.core.references.test_finding import PULL_REQUEST, native, one, pull_request, ticket
from tests.core.references.things import ALL, GH, GL, JIRA, OTHER_JIRA, PAY_311, SHA, knowing

STEM = "oh:linear:linear.app:ticket:acme/"
LINEAR = KnownIntegration("int_l", "linear", ("linear.app",), {"ENG": STEM})
BETA = KnownIntegration("int_b", "linear", ("linear.app",), {"ENG": STEM.replace("acme", "beta")})
CREATED = "ticketing.ticket.created"


# -- what was seen --------------------------------------------------------------------------------


def test_what_was_seen_is_verified_and_surer() -> None:
    """At least 0.95; what is surer stays as it is."""
    data = pull_request(description="as PAY-311 says", references=[native("PAY-312")])
    seen = knowing(seen=(PAY_311, PAY_311.replace("311", "312")))
    stated, found = find(data, PULL_REQUEST, seen)
    assert (found["key"], found["verified"], found["confidence"]) == ("PAY-311", True, 0.95)
    assert (stated["key"], stated["verified"], stated["confidence"]) == ("PAY-312", True, 1)
    unseen = find(data, PULL_REQUEST, knowing(seen=(PAY_311.replace("acme", "beta"),)))
    assert [r["verified"] for r in unseen] == [False, False]


def test_a_number_of_a_catalogue_is_verified_without_a_urn() -> None:
    """It means the same everywhere; the key of a ticket does not."""
    data = pull_request(description="CVE-2026-1234, PAY-311")
    both = knowing(*ALL, OTHER_JIRA, seen=("CVE-2026-1234", "PAY-311"))
    found = {r["key"]: r["verified"] for r in find(data, PULL_REQUEST, both, 0)}
    assert found == {"CVE-2026-1234": True, "PAY-311": False}


@pytest.mark.parametrize("type_", ["pull_request", "ticket"])
@pytest.mark.parametrize("text", ["#7", "acme/payments#7", "see acme/payments#7."])
def test_a_number_that_may_be_either_is_what_was_seen(type_: str, text: str) -> None:
    """Where tickets and pull requests are counted together."""
    urn = f"{GH}:{type_}:acme/payments/7"
    found = one(find(pull_request(description=text), PULL_REQUEST, knowing(seen=(urn,))))
    assert (found["type"], found["urn"], found["verified"]) == (type_, urn, True)


def test_a_page_that_may_be_of_either_is_what_was_seen() -> None:
    """GitLab's incidents have the page of an issue, and its sign."""
    urn = f"{GL}:incident:a/b/5"
    text = "https://gitlab.example.com/a/b/-/issues/5"
    found = one(find(pull_request(description=text), PULL_REQUEST, knowing(seen=(urn,))))
    assert (found["type"], found["urn"]) == ("incident", urn)
    unseen = one(find(pull_request(description=text), PULL_REQUEST, knowing()))
    assert (unseen["type"], unseen["urn"]) == ("ticket", urn.replace("incident", "ticket"))


def test_a_closing_word_means_a_ticket_unless_one_was_seen() -> None:
    """Nobody closes a pull request so."""
    urn = f"{GH}:pull_request:acme/payments/7"
    data = pull_request(description="fixes #7")
    found = one(find(data, PULL_REQUEST, knowing(seen=(urn,))))
    assert (found["type"], found["urn"]) == ("ticket", urn.replace("pull_request", "ticket"))


# -- whose it is -----------------------------------------------------------------------------------


def test_a_key_gets_the_urn_that_its_tracker_gives_it() -> None:
    """With the workspace, which only the tickets themselves tell."""
    data = pull_request(title="ENG-7 Retry", source={"branch": "mira/eng-8-retry"})
    found = find(data, PULL_REQUEST, knowing(LINEAR))
    assert {r["key"]: r["urn"] for r in found} == {
        "ENG-7": STEM + "ENG-7",
        "ENG-8": STEM + "ENG-8",
    }
    link = "https://linear.app/beta/issue/ENG-9/some-title"
    found = find(pull_request(description=link), PULL_REQUEST, knowing(LINEAR))
    assert one(found)["urn"] == "oh:linear:linear.app:ticket:beta/ENG-9"


def test_of_two_workspaces_a_ticket_means_its_own() -> None:
    """Elsewhere nobody can tell."""
    both = knowing(LINEAR, BETA)
    own = ticket(urn=BETA.prefixes["ENG"] + "ENG-1", key="ENG-1", title="Like ENG-7")  # type: ignore[operator]
    assert one(find(own, CREATED, both))["urn"] == "oh:linear:linear.app:ticket:beta/ENG-7"
    found = one(find(pull_request(title="ENG-7"), PULL_REQUEST, both))
    assert (found["urn"], found["confidence"]) == (None, 0.7)


def test_a_stated_commit_gets_its_urn_from_its_page() -> None:
    """Where the page tells all of it."""
    url = f"https://github.com/acme/shop/commit/{SHA}"
    stated = {**native(SHA, "commit"), "url": url}
    found = one(find(ticket(references=[stated]), CREATED, knowing()))
    assert (found["key"], found["urn"]) == (SHA, f"{GH}:commit:acme/shop/{SHA}")
    short = {**native(SHA[:8], "commit"), "url": url.replace(SHA, SHA[:8])}
    assert one(find(ticket(references=[short]), CREATED, knowing()))["urn"] is None


def test_a_faint_key_counts_beside_a_surer_word() -> None:
    """An unknown prefix alone stays below the threshold; found twice it says where else it is."""
    knowledge = knowing(JIRA)
    assert find(pull_request(title="XYZ-5", description="XYZ-5"), PULL_REQUEST, knowledge) == []
    data = pull_request(title="XYZ-5", description="fixes XYZ-5, ABC-1")
    found = one(find(data, PULL_REQUEST, knowledge))
    assert (found["key"], found["found_in"]) == ("XYZ-5", ["description", "title"])
    assert found["confidence"] == 0.97
