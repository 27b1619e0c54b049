"""What an event talks about: every row of `schema.md` §5, and what happens between the rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.context import Context
from onehook.core.model import Headers
from onehook.core.references import THRESHOLD, Knowledge, KnownIntegration, find
from onehook.core.references.search import MAX_MATCHES
from onehook.core.schema.base import MAX_TEXT
from onehook.core.schema.common import Reference
from onehook.core.schema.events import EVENT_TYPES
from tests.core.references.things import (
    ALL,
    GH,
    GITHUB,
    GL,
    JIRA,
    OTHER_JIRA,
    PAY_311,
    PLATFORMS,
    SERVICENOW,
    SHA,
    SN,
    SYS_ID,
    knowing,
)

KNOWN = knowing()

Found = dict[str, JsonValue]
PULL_REQUEST = "scm.pull_request.created"
PUSH = "scm.commit.pushed"


def pull_request(**fields: JsonValue) -> Found:
    """The data of a pull request of acme/payments on GitHub."""
    return {
        "urn": "oh:github:github.com:pull_request:acme/payments/42",
        "id": "279147437",
        "key": "acme/payments#42",
        "title": "",
        "url": "https://github.com/acme/payments/pull/42",
        "description": None,
        "source": {"branch": None},
        "target": {"branch": "main"},
        "repository": {"full_name": "acme/payments"},
        "references": [],
        **fields,
    }


def push(*messages: str, **fields: JsonValue) -> Found:
    """The data of a push to acme/payments: its own message is the last commit's."""
    return {
        "urn": "oh:github:github.com:branch:acme/payments/main",
        "message": messages[-1],
        "title": messages[-1].partition("\n")[0],
        "branch": "main",
        "commits": [{"message": m, "title": m.partition("\n")[0]} for m in messages],
        "repository": {"full_name": "acme/payments"},
        "references": [],
        **fields,
    }


def ticket(**fields: JsonValue) -> Found:
    """The data of PAY-1 in Jira."""
    return {
        "urn": "oh:jira:acme.atlassian.net:ticket:PAY-1",
        "id": "10001",
        "key": "PAY-1",
        "title": "",
        "url": "https://acme.atlassian.net/browse/PAY-1",
        "references": [],
        **fields,
    }


def native(key: str, type_: str = "ticket", **fields: JsonValue) -> Found:
    """A reference as a mapping states it."""
    return {
        "type": type_,
        "key": key,
        "urn": None,
        "url": None,
        "relation": "mentions",
        "method": "native",
        "found_in": [],
        "match": None,
        "confidence": 1,
        "verified": False,
        **fields,
    }


def talk(text: str, knowledge: Knowledge = KNOWN, threshold: float = THRESHOLD) -> list[Found]:
    """What a pull request with that description talks about."""
    return find(pull_request(description=text), PULL_REQUEST, knowledge, threshold)


def one(found: list[Found]) -> Found:
    """The only reference found, in the right form."""
    (reference,) = found
    Reference.model_validate(reference)
    assert list(reference) == list(Reference.model_fields)
    return reference


# -- the rows of the table -------------------------------------------------------------------------

PAGES = [
    ("https://acme.atlassian.net/browse/PAY-311", "ticket", "PAY-311", PAY_311),
    ("https://acme.atlassian.net/jira/browse/PAY-311", "ticket", "PAY-311", PAY_311),
    ("https://github.com/Acme/Shop/pull/7", "pull_request", "acme/shop#7", f"{GH}:pull_request:acme/shop/7"),  # noqa: E501
    ("https://github.com/acme/shop/issues/7", "ticket", "acme/shop#7", f"{GH}:ticket:acme/shop/7"),
    (f"https://github.com/acme/shop/commit/{SHA}", "commit", f"acme/shop@{SHA}", f"{GH}:commit:acme/shop/{SHA}"),  # noqa: E501
    ("https://github.com/acme/shop/commit/0123abc", "commit", "acme/shop@0123abc", None),
    ("https://gitlab.example.com/a/b/c/-/merge_requests/5", "pull_request", "a/b/c!5", f"{GL}:pull_request:a/b/c/5"),  # noqa: E501
    ("https://gitlab.example.com/a/b/-/issues/5", "ticket", "a/b#5", f"{GL}:ticket:a/b/5"),
    ("https://gitlab.example.com/a/b/-/work_items/5", "ticket", "a/b#5", f"{GL}:ticket:a/b/5"),
    (f"https://gitlab.example.com/a/b/-/commit/{SHA}", "commit", f"a/b@{SHA}", f"{GL}:commit:a/b/{SHA}"),  # noqa: E501
    ("https://acme.pagerduty.com/incidents/Q2PAY0042", "incident", "Q2PAY0042", "oh:pagerduty:acme.pagerduty.com:incident:Q2PAY0042"),  # noqa: E501
    (f"https://acme.service-now.com/nav_to.do?uri=incident.do%3Fsys_id%3D{SYS_ID}", "incident", SYS_ID, None),  # noqa: E501
    (f"https://acme.service-now.com/change_request.do?sys_id={SYS_ID}", "ticket", SYS_ID, None),
    (f"https://acme.service-now.com/cmdb_ci.do?sys_id={SYS_ID}", "unknown", SYS_ID, None),
]  # fmt: skip


@pytest.mark.parametrize(("url", "type_", "key", "urn"), PAGES)
@pytest.mark.parametrize("around", ["{}", "see [it]({}).", "at <{}>, or", "({})", '"{}"'])
def test_a_link_to_a_configured_host(
    url: str, type_: str, key: str, urn: str | None, around: str
) -> None:
    """Row url: 0.95, wherever it stands in a text; the sys_id does not tell the number."""
    found = one(talk(around.format(url)))
    assert found == {
        "type": type_,
        "key": key,
        "urn": urn,
        "url": url,
        "relation": "mentions",
        "method": "url",
        "found_in": ["description"],
        "match": url,
        "confidence": 0.95,
        "verified": False,
    }


@pytest.mark.parametrize(
    "rest", ["/files", "#issuecomment-5", "?w=1", "/commits/" + SHA, "#7", ".", "/"]
)
def test_a_link_below_a_page_is_one_to_the_page(rest: str) -> None:
    """Tabs and anchors are cut off, and nothing is found in them."""
    found = one(talk("https://github.com:443/acme/shop/pull/7" + rest))
    assert (found["key"], found["url"]) == (
        "acme/shop#7",
        "https://github.com:443/acme/shop/pull/7",
    )


@pytest.mark.parametrize(
    ("page", "type_", "key"),
    [
        ("pull-requests/7/diff", "pull_request", "acme/shop#7"),
        (f"commits/{SHA}", "commit", f"acme/shop@{SHA}"),
    ],
)
def test_the_pages_of_bitbucket(page: str, type_: str, key: str) -> None:
    """Its own words for them."""
    known = KnownIntegration("int_bb", "bitbucket", ("bitbucket.org",), {}, "lower")
    found = one(talk(f"https://bitbucket.org/acme/shop/{page}", knowing(known)))
    assert (found["type"], found["key"]) == (type_, key)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.example/acme/shop/pull/7",
        "https://github.com.example/acme/shop/pull/7",
        "https://github.com/acme/shop/pull/x7",
        "https://github.com/acme/shop/pull/7a",
        "https://github.com/acme/shop/commit/012345",
        "https://github.com/pull/7",
        "https://acme.atlassian.net/browse/PAY",
        "https://x.example/a/b#7",
        "https://x.example/a/b!7",
        "https://github.com",
        "https://",
    ],
)
def test_other_links_say_nothing(url: str) -> None:
    """Hosts that nobody configured, pages of nothing we know, and signs in an address."""
    assert talk(url) == []


@pytest.mark.parametrize("word", ["fix", "Fixes", "fixed", "close", "closes", "CLOSED", "Resolve"])
@pytest.mark.parametrize("colon", [" ", ": ", ":  "])
def test_a_keyword_closes(word: str, colon: str) -> None:
    """Row keyword: with a key 0.95, with a bare number 0.90; `match` shows why."""
    found = one(talk(f"It {word}{colon}PAY-311."))
    assert (found["relation"], found["method"], found["confidence"]) == ("closes", "keyword", 0.95)
    assert found["match"] == f"{word}{colon}PAY-311"
    found = one(talk(f"{word}{colon}#97"))
    assert (found["relation"], found["method"], found["confidence"]) == ("closes", "keyword", 0.9)
    # GitHub closes tickets with it, never pull requests: so it tells which of the two it is.
    assert (found["type"], found["urn"]) == ("ticket", f"{GH}:ticket:acme/payments/97")


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("resolves acme/shop#7", 0.95),
        ("fixes CVE-2026-1234", 0.95),
        ("closes INC0010023", 0.95),
        ("fixes XYZ-5", 0.95),
    ],
)
def test_a_keyword_goes_with_any_key(text: str, confidence: float) -> None:
    """Also with one whose prefix nobody knows: why else would one close it?"""
    found = one(talk(text))
    assert (found["relation"], found["method"]) == ("closes", "keyword")
    assert found["confidence"] == confidence


def test_a_keyword_before_a_link() -> None:
    """The link stays what it was found by."""
    found = one(talk("Fixes https://acme.atlassian.net/browse/PAY-311"))
    assert (found["relation"], found["method"], found["confidence"]) == ("closes", "url", 0.95)


@pytest.mark.parametrize(
    "text", ["prefix PAY-311", "un-fix PAY-311", "fix\nPAY-311", "fixing PAY-311", "fix (PAY-311)"]
)
def test_what_is_no_keyword(text: str) -> None:
    """Other words, and lines of their own."""
    assert one(talk(text))["relation"] == "mentions"


PLACES: list[tuple[str, Found, str, float]] = [
    (PULL_REQUEST, pull_request(title="PAY-311 Retry"), "title", 0.9),
    (PULL_REQUEST, pull_request(source={"branch": "fix/PAY-311"}), "source.branch", 0.9),
    (PULL_REQUEST, pull_request(source={"branch": "fix/pay-311-x"}), "source.branch", 0.9),
    (PULL_REQUEST, pull_request(target={"branch": "PAY-311"}), "target.branch", 0.9),
    (PULL_REQUEST, pull_request(description="As PAY-311 says"), "description", 0.75),
    (PUSH, push("PAY-311 Retry", "Tests"), "commits.message", 0.85),
    (PUSH, push("x", branch="Pay-311"), "branch", 0.9),
    (PUSH, push("x", message="PAY-311"), "message", 0.85),
    ("scm.branch.created", {"name": "pay-311"}, "name", 0.9),
    ("scm.tag.created", {"name": "PAY-9", "message": "PAY-311"}, "message", 0.85),
    ("scm.release.published", {"description": "PAY-311"}, "description", 0.75),
    ("scm.pull_request.reviewed", {"body": "PAY-311"}, "body", 0.75),
    ("ticketing.ticket.updated", ticket(title="Like PAY-311"), "title", 0.9),
    ("ticketing.comment.added", {"body": "PAY-311"}, "body", 0.75),
    ("incidents.incident.resolved", {"resolution_note": "PAY-311"}, "resolution_note", 0.75),
    ("incidents.note.added", {"body": "PAY-311"}, "body", 0.75),
    ("security.vulnerability.detected", {"title": "PAY-311"}, "title", 0.9),
    ("ci.build.started", {"branch": "pay-311"}, "branch", 0.9),
    ("ci.deployment.started", {"description": "PAY-311"}, "description", 0.75),
]


@pytest.mark.parametrize(("event_type", "data", "field", "confidence"), PLACES)
def test_a_known_prefix_by_its_place(
    event_type: str, data: Found, field: str, confidence: float
) -> None:
    """Row key: branch and title 0.90, commit message 0.85, description and comment 0.75."""
    found = one(find(data, event_type, KNOWN))
    assert (found["key"], found["urn"]) == ("PAY-311", PAY_311)
    assert (found["found_in"], found["confidence"]) == ([field], confidence)
    assert (found["type"], found["method"]) == ("ticket", "key")


@pytest.mark.parametrize(
    ("event_type", "data", "key"),
    [
        ("ci.build.failed", {"url": "https://github.com/acme/shop/pull/7/checks"}, "acme/shop#7"),
        ("security.alert.triggered", {"url": "https://acme.atlassian.net/browse/PAY-3"}, "PAY-3"),
        ("ci.deployment.started", {"environment_url": "https://github.com/a/b/pull/7"}, "a/b#7"),
    ],
)
def test_a_field_that_links(event_type: str, data: Found, key: str) -> None:
    """Where the model's own page is no ticket and no pull request."""
    assert one(find(data, event_type, KNOWN))["key"] == key
    assert find({"url": "PAY-311 acme/shop#7"}, event_type, KNOWN) == []


def test_an_unknown_prefix_is_not_shown_unless_asked_for() -> None:
    """0.40, and the threshold is 0.60."""
    assert talk("XYZ-5") == []
    found = one(talk("XYZ-5", threshold=0.4))
    assert (found["key"], found["urn"], found["confidence"]) == ("XYZ-5", None, 0.4)
    assert talk("XYZ-5", threshold=0.41) == []


@pytest.mark.parametrize(
    "text",
    ["UTF-8", "SHA-256", "MD-5", "AES-128", "RSA-2048", "TLS-1", "HTTP-2", "ISO-8601", "RFC-9110",
     "IEEE-754", "EN-301", "DIN-476", "CVE-2026", "CWE-79", "GPT-4", "COVID-19", "UTC-5"],
)  # fmt: skip
def test_never_keys(text: str) -> None:
    """Standards and the like are keys only if a tracker has that prefix."""
    assert talk(f"{text}, fixes {text}", threshold=0) == []
    known = KnownIntegration("i", "jira", ("h",), {text.partition("-")[0].lower(): None}, "keep")
    assert one(talk(text, knowing(known)))["key"] == text


@pytest.mark.parametrize(
    "text", ["XYZ-12-3", "XYZ-0", "XYZ-12345678", "xyz-5", "X-5", "ABCDEFGHIJK-5", "A-XYZ-5x"]
)
def test_what_is_no_key_of_an_unknown_prefix(text: str) -> None:
    """Dates, part numbers, words."""
    assert talk(text, threshold=0) == []


@pytest.mark.parametrize(
    "text", ["1PAY-311", "_PAY-311", "-PAY-311", "PAY-311x", "PAY-311_", "PAY-0311"]
)
def test_the_edges_of_a_key(text: str) -> None:
    """No letter, digit, _ or - before it; no letter, digit or _ after it."""
    assert talk(text, threshold=0) == []


@pytest.mark.parametrize("text", ["PAY-311", "(PAY-311)", "PAY-311-2", "PAY-311: x", "é PAY-311,"])
def test_a_key_between_other_characters(text: str) -> None:
    """A known prefix may be followed by ``-digit``."""
    assert one(talk(text))["match"] == "PAY-311"


def test_lower_case_is_for_branches_and_known_prefixes() -> None:
    """Prose is full of words like ``top-10``."""
    assert talk("pay-311") == []
    branch: Found = {"branch": "feature/xyz-5-and-utf-8"}
    assert find(pull_request(source=branch), PULL_REQUEST, KNOWN, 0) == []
    assert (
        one(find(pull_request(source={"branch": "x/pay-311"}), PULL_REQUEST, KNOWN))["match"]
        == "pay-311"
    )


OTHER_KEYS = [
    ("INC0010023", "incident", "INC0010023", f"{SN}:incident:INC0010023", 0.9),
    ("CHG0030017", "ticket", "CHG0030017", f"{SN}:ticket:CHG0030017", 0.9),
    ("PRB0040051", "ticket", "PRB0040051", f"{SN}:ticket:PRB0040051", 0.9),
    ("RITM0010001", "ticket", "RITM0010001", f"{SN}:ticket:RITM0010001", 0.9),
    ("REQ0010001", "ticket", "REQ0010001", f"{SN}:ticket:REQ0010001", 0.9),
    ("SCTASK0010001", "ticket", "SCTASK0010001", f"{SN}:ticket:SCTASK0010001", 0.9),
    ("CVE-2026-12345", "vulnerability", "CVE-2026-12345", None, 0.95),
    ("GHSA-ABCD-ef23-gh45", "vulnerability", "GHSA-abcd-ef23-gh45", None, 0.95),
    ("acme/shop#7", "unknown", "acme/shop#7", None, 0.9),
    ("Acme/Shop#7", "unknown", "acme/shop#7", None, 0.9),
    ("group/sub/shop!7", "pull_request", "group/sub/shop!7", f"{GL}:pull_request:group/sub/shop/7", 0.9),  # noqa: E501
    ("#7", "unknown", "acme/payments#7", None, 0.6),
]  # fmt: skip


@pytest.mark.parametrize(("text", "type_", "key", "urn", "confidence"), OTHER_KEYS)
@pytest.mark.parametrize("around", ["{}", "see {}.", "({})", "{}, and"])
def test_other_keys(
    text: str, type_: str, key: str, urn: str | None, confidence: float, around: str
) -> None:
    """The last row of the table."""
    found = one(talk(around.format(text)))
    assert (found["type"], found["key"], found["urn"]) == (type_, key, urn)
    assert (found["match"], found["confidence"]) == (text, confidence)
    assert (found["relation"], found["method"]) == ("mentions", "key")


@pytest.mark.parametrize(
    "text",
    [
        "INC001002",
        "INCX0010023",
        "inc0010023",
        "XINC0010023",
        "FOO0010023",
        "CVE-2026-123",
        "GHSA-abcd-ef23",
        "and#7",
        "&#39;",
        "a//b#7",
        "/a/b#7",
        "a/b#x",
        "a/b#0",
        "##7",
        "#7a",
        "!7",
        "x" * 300 + "/y#7",
    ],
)
def test_what_is_no_other_key(text: str) -> None:
    """Too short, another prefix, an HTML entity, no path."""
    assert talk(text, threshold=0) == []


def test_a_number_in_a_branch_s_lower_case() -> None:
    """As with keys: only if somebody has such numbers."""
    data = pull_request(source={"branch": "fix/inc0010023"})
    assert one(find(data, PULL_REQUEST, KNOWN))["key"] == "INC0010023"
    assert find(data, PULL_REQUEST, knowing(GITHUB), 0) == []


GITLAB_TICKET: Found = {
    "urn": f"{GL}:ticket:a/b/1",
    "key": "a/b#1",
    "project": {"key": "a/b", "urn": f"{GL}:repository:a/b"},
}


@pytest.mark.parametrize(
    ("text", "type_", "key"),
    [
        ("#7", "ticket", "a/b#7"),
        ("!7", "pull_request", "a/b!7"),
        ("c/d#7", "ticket", "c/d#7"),
    ],
)
def test_gitlab_counts_issues_and_merge_requests_apart(text: str, type_: str, key: str) -> None:
    """So the sign says which it is; a ticket's project is its repository."""
    data = {**GITLAB_TICKET, "description": text}
    found = one(find(data, "ticketing.ticket.created", KNOWN))
    assert (found["type"], found["key"]) == (type_, key)
    path = key.replace("#", "/").replace("!", "/")
    assert found["urn"] == f"{GL}:{type_}:{path}"


def test_a_bare_number_needs_a_repository() -> None:
    """In a comment on a ticket of a tracker it says nothing."""
    assert find(ticket(description="#7, fixes #8, !9"), "ticketing.ticket.created", KNOWN, 0) == []
    elsewhere: Found = {"repository": {"full_name": "a/B"}, "description": "#7, fixes #8, !9"}
    keys = [(r["key"], r["type"], r["urn"]) for r in find(elsewhere, PULL_REQUEST, KNOWN)]
    assert keys == [("a/B#8", "ticket", None), ("a/B#7", "unknown", None)]


def test_without_integrations() -> None:
    """What needs none is found, without urns."""
    text = "CVE-2026-1234 INC0010023 c/d#7 https://github.com/a/b/pull/1"
    found = talk(text, Knowledge((), PLATFORMS))
    assert [(r["key"], r["urn"]) for r in found] == [
        ("CVE-2026-1234", None),
        ("INC0010023", None),
        ("c/d#7", None),
    ]


# -- whose it is -----------------------------------------------------------------------------------


def test_claimed_by_two() -> None:
    """No urn, and 0.20 off."""
    both = knowing(*ALL, OTHER_JIRA)
    found = one(find(pull_request(title="PAY-311"), PULL_REQUEST, both))
    assert (found["key"], found["urn"], found["confidence"]) == ("PAY-311", None, 0.7)
    found = one(talk("fixes PAY-311", both))
    assert (found["urn"], found["confidence"]) == (None, 0.75)
    assert talk("PAY-311", both) == []  # 0.55
    assert one(talk("PAY-311", both, 0.55))["confidence"] == 0.55


def test_numbers_and_paths_claimed_by_two() -> None:
    """ServiceNow twice; GitHub and GitLab, seen from elsewhere."""
    other = KnownIntegration("i", "servicenow", ("beta.service-now.com",), {}, "keep")
    assert one(talk("INC0010023", knowing(SERVICENOW, other)))["confidence"] == 0.7
    data = ticket(description="a/b#7")
    found = one(find(data, "ticketing.ticket.created", KNOWN))
    assert (found["type"], found["confidence"]) == ("unknown", 0.7)
    data = ticket(description="closes a/b#7")
    found = one(find(data, "ticketing.ticket.created", KNOWN))
    assert (found["type"], found["urn"], found["confidence"]) == ("ticket", None, 0.75)
    found = one(find(data, "ticketing.ticket.created", knowing(JIRA, GITHUB)))
    assert found["urn"] == f"{GH}:ticket:a/b/7"


def test_a_host_of_two_platforms() -> None:
    """A link to it is to the one that has such a page, and to neither for sure if both have."""
    desk = KnownIntegration("i", "desk", ("acme.atlassian.net",))
    link = "https://acme.atlassian.net/browse/PAY-311"
    assert one(talk(link, knowing(desk, JIRA)))["urn"] == PAY_311
    both = Knowledge([desk, JIRA], {**PLATFORMS, "desk": PLATFORMS["jira"]})
    found = one(talk(link, both))
    assert (found["urn"], found["confidence"]) == (None, 0.75)


def test_two_integrations_of_one_place_are_one_claimant() -> None:
    """Both mean the same thing."""
    twin = KnownIntegration("int_twin", "jira", ("ACME.atlassian.net",), {"pay": None}, "keep")
    assert one(talk("PAY-311", knowing(JIRA, twin)))["urn"] == PAY_311


def test_a_text_means_its_own_place_first() -> None:
    """A ticket of one of two trackers that have the prefix."""
    both = knowing(JIRA, OTHER_JIRA)
    found = one(find(ticket(title="PAY-311"), "ticketing.ticket.created", both))
    assert (found["urn"], found["confidence"]) == (PAY_311, 0.9)


def test_no_urn_without_a_host() -> None:
    """The integration is known and its host is not: a made-up urn would join nothing."""
    jira = KnownIntegration("int_j", "jira", (), {"PAY": None}, "keep")
    found = one(talk("PAY-311", knowing(jira)))
    assert (found["urn"], found["confidence"]) == (None, 0.75)


@pytest.mark.parametrize(
    ("case", "parts", "text"),
    [
        ("lower", ["acme/shop", "7"], "https://h.example/Acme/Shop/pull/7"),
        ("upper", ["ACME/SHOP", "7"], "https://h.example/Acme/Shop/pull/7"),
        ("keep", ["Acme/Shop", "7"], "https://h.example/Acme/Shop/pull/7"),
    ],
)
def test_urns_are_those_of_the_mappings(case: str, parts: list[str], text: str) -> None:
    """The same rule, so that links join."""
    forge = {"forge": PLATFORMS["github"]}
    known = Knowledge([KnownIntegration("i", "forge", ("h.example",), {}, case)], forge)
    context = Context(None, Headers(), {}, "forge", "h.example", case)
    assert one(talk(text, known))["urn"] == context.urn("pull_request", "/".join(parts))


# -- merging ---------------------------------------------------------------------------------------


def test_one_reference_per_target() -> None:
    """Fields in one list, the best method, +0.05 for a second field."""
    data = pull_request(
        title="PAY-311 Retry",
        description="PAY-311 PAY-311, see PAY-311",
        source={"branch": "pay-311"},
    )
    found = one(find(data, PULL_REQUEST, KNOWN))
    assert found["found_in"] == ["title", "description", "source.branch"]
    assert (found["method"], found["confidence"], found["match"]) == ("key", 0.95, "PAY-311")


@pytest.mark.parametrize(
    ("title", "description", "confidence", "method", "relation"),
    [
        ("PAY-311", "fixes PAY-311", 0.97, "keyword", "closes"),
        ("fixes PAY-311", "https://acme.atlassian.net/browse/PAY-311", 0.97, "url", "closes"),
        ("XYZ-5", "fixes XYZ-5", 0.97, "keyword", "closes"),
        ("XYZ-5", "XYZ-5", 0.45, "key", "mentions"),
        ("#7", "#7", 0.65, "key", "mentions"),
        ("", "PAY-311, fixes PAY-311", 0.95, "keyword", "closes"),
    ],
)
def test_the_best_of_two_fields(
    title: str, description: str, confidence: float, method: str, relation: str
) -> None:
    """At most 0.97; one field is one field however often."""
    data = pull_request(title=title, description=description)
    found = one(find(data, PULL_REQUEST, KNOWN, 0))
    assert (found["confidence"], found["method"]) == (confidence, method)
    assert found["relation"] == relation


def test_a_link_says_which_of_two_is_meant() -> None:
    """The bare key is the linked one, unless both are linked."""
    both = knowing(JIRA, OTHER_JIRA)
    mine, theirs = (f"https://{h}.atlassian.net/browse/PAY-311" for h in ("acme", "beta"))
    found = one(find(pull_request(title="PAY-311", description=mine), PULL_REQUEST, both))
    assert (found["urn"], found["url"], found["confidence"]) == (PAY_311, mine, 0.97)
    data = pull_request(title="PAY-311", description=f"{mine} {theirs}")
    found_ = find(data, PULL_REQUEST, both)
    assert [(r["url"], r["confidence"]) for r in found_] == [
        (mine, 0.95),
        (theirs, 0.95),
        (None, 0.7),
    ]


def test_a_link_says_whether_a_number_is_a_pull_request() -> None:
    """GitHub's ``#7`` alone does not."""
    found = one(talk("https://github.com/acme/payments/pull/7, #7"))
    assert (found["type"], found["urn"]) == ("pull_request", f"{GH}:pull_request:acme/payments/7")


def test_the_same_text_twice_is_no_second_field() -> None:
    """A push repeats its head's message, and a title its message's first line."""
    found = one(find(push("PAY-311 Retry\n\nMore"), PUSH, KNOWN))
    assert (found["found_in"], found["confidence"]) == (["commits.message"], 0.85)
    found = one(find(push("x", commits=None, message="PAY-311 Retry", title=None), PUSH, KNOWN))
    assert (found["found_in"], found["confidence"]) == (["message"], 0.85)
    shown = push("Retry", branch="pay-311", title="PAY-311")
    assert one(find(shown, PUSH, KNOWN))["found_in"] == ["title", "branch"]


def test_the_surest_first() -> None:
    """Then in the order of the text."""
    data = pull_request(
        description="#7 PAY-3 CVE-2026-1234 PAY-2", references=[native("PAY-9"), native("PAY-8")]
    )
    keys = [r["key"] for r in find(data, PULL_REQUEST, KNOWN)]
    assert keys == ["PAY-9", "PAY-8", "CVE-2026-1234", "PAY-3", "PAY-2", "acme/payments#7"]


# -- what the mapping states -----------------------------------------------------------------------

NATIVE = [
    ("ci.build.failed", {}, native("Acme/Payments#42", "pull_request", url="https://github.com/acme/payments/pull/42"), "acme/payments#42", f"{GH}:pull_request:acme/payments/42"),  # noqa: E501
    (PULL_REQUEST, pull_request(), native("acme/payments#9", "ticket"), "acme/payments#9", f"{GH}:ticket:acme/payments/9"),  # noqa: E501
    (PULL_REQUEST, pull_request(), native("pay-311"), "PAY-311", PAY_311),
    (PULL_REQUEST, pull_request(), native("XYZ-5"), "XYZ-5", None),
    ("ticketing.ticket.updated", ticket(), native("XYZ-5"), "XYZ-5", "oh:jira:acme.atlassian.net:ticket:XYZ-5"),  # noqa: E501
    (PULL_REQUEST, pull_request(), native("PRB0040051"), "PRB0040051", f"{SN}:ticket:PRB0040051"),
    (PULL_REQUEST, pull_request(), native("P1", "incident", url="https://acme.pagerduty.com/incidents/P1"), "P1", "oh:pagerduty:acme.pagerduty.com:incident:P1"),  # noqa: E501
    ("ci.build.failed", {}, native("P1", "incident"), "P1", None),
    (PULL_REQUEST, pull_request(), native("x", "build", url="https://github.com/x"), "x", None),
    (PULL_REQUEST, pull_request(), native("PAY-2", url="https://nowhere.example/PAY-2"), "PAY-2", None),  # noqa: E501
    ("ticketing.ticket.created", ticket(urn="oh:jira:new.example:ticket:PAY-1"), native("PAY-2", url="https://new.example/browse/PAY-2"), "PAY-2", "oh:jira:new.example:ticket:PAY-2"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("event_type", "data", "stated", "key", "urn"), NATIVE)
def test_a_native_reference_gets_its_urn(
    event_type: str, data: Found, stated: Found, key: str, urn: str | None
) -> None:
    """By its link, else its key, else because a tracker means its own tickets."""
    found = one(find({**data, "references": [stated]}, event_type, KNOWN))
    assert found == {**stated, "key": key, "urn": urn}


def test_a_native_reference_found_again_stays_certain() -> None:
    """It learns where else it stands, and keeps what the source says of it."""
    data = ticket(title="After PAY-96", references=[native("PAY-96", relation="parent")])
    found = one(find(data, "ticketing.ticket.created", KNOWN))
    assert (found["method"], found["confidence"]) == ("native", 1)
    assert (found["relation"], found["found_in"], found["match"]) == ("parent", ["title"], "PAY-96")
    data = pull_request(title="fixes PAY-311 ", references=[native("PAY-311")])
    assert one(find(data, PULL_REQUEST, KNOWN))["relation"] == "closes"


def test_what_was_found_before_is_found_anew() -> None:
    """So a second search gives the same as the first."""
    data = pull_request(title="PAY-311", description="#7", references=[native("PAY-311")])
    first = find(data, PULL_REQUEST, KNOWN)
    again = find({**data, "references": [dict(r) for r in first]}, PULL_REQUEST, KNOWN)
    assert again == first
    gone = find(
        {**data, "title": "", "description": "", "references": [dict(first[1])]}, PUSH, KNOWN
    )
    assert gone == []


def test_people_and_the_gateway_itself_are_not_searched() -> None:
    """The title of a person is no text; what is stated stays."""
    for event_type in ("identity.user.created", "integration.webhook.received", "no.such.type"):
        data: Found = {"title": "PAY-311", "references": [native("PAY-2")]}
        assert one(find(data, event_type, KNOWN))["key"] == "PAY-2"


# -- itself ----------------------------------------------------------------------------------------

ITSELF = [
    (PULL_REQUEST, pull_request(description="#42, acme/payments#42, Acme/Payments#42")),
    (PULL_REQUEST, pull_request(description="https://github.com/acme/payments/pull/42/files")),
    (PULL_REQUEST, pull_request(references=[native("acme/payments#42", "pull_request")])),
    ("ticketing.ticket.created", ticket(title="PAY-1", description="fixes PAY-1")),
    ("ticketing.ticket.created", ticket(title="https://acme.atlassian.net/browse/PAY-1?x=1")),
    (
        "incidents.incident.created",
        {"id": SYS_ID, "title": f"https://acme.service-now.com/incident.do?sys_id={SYS_ID}"},
    ),
    ("security.vulnerability.detected", {"key": "CVE-2026-1234", "title": "CVE-2026-1234 in x"}),
    (
        "security.vulnerability.detected",
        {
            "key": "GHSA-2222-3333-4444",
            "identifiers": [{"type": "cve", "value": "CVE-2026-1234"}],
            "title": "CVE-2026-1234",
        },
    ),
    (
        "ticketing.comment.added",
        {"ticket": {"key": "PAY-1", "urn": None, "url": None}, "body": "PAY-1 again"},
    ),
    (
        "scm.pull_request.commented",
        {
            "pull_request": {"key": "a/b#1", "urn": f"{GH}:pull_request:a/b/1", "url": None},
            "repository": {"full_name": "a/b"},
            "body": "#1, https://github.com/a/b/pull/1",
        },
    ),
]


@pytest.mark.parametrize(("event_type", "data"), ITSELF)
def test_nothing_refers_to_itself(event_type: str, data: Found) -> None:
    """Nor a comment to what it is on: it stands under that anyway."""
    assert find(data, event_type, KNOWN, 0) == []


def test_the_same_key_elsewhere_is_another_thing() -> None:
    """If a link says so."""
    known = knowing(JIRA, OTHER_JIRA)
    data = ticket(description="PAY-1, https://beta.atlassian.net/browse/PAY-1")
    found = one(find(data, "ticketing.ticket.created", known))
    assert found["urn"] == "oh:jira:beta.atlassian.net:ticket:PAY-1"


# -- limits ----------------------------------------------------------------------------------------


def test_at_most_50_the_surest() -> None:
    """Bare numbers go first."""
    text = " ".join(f"#{n}" for n in range(100, 200)) + " CVE-2026-1234"
    found = talk(text)
    assert len(found) == 50
    assert found[0]["key"] == "CVE-2026-1234"


def test_a_text_is_searched_as_far_as_it_may_reach() -> None:
    """16,384 characters, so not one that nobody cut either; then comes the next text."""
    data = pull_request(
        title="x" * (MAX_TEXT - 3) + " PAY-2", description=" " * (MAX_TEXT - 5) + "PAY-3"
    )
    assert one(find(data, PULL_REQUEST, KNOWN))["key"] == "PAY-3"
    data = pull_request(title="x" * (2 * MAX_TEXT), description="PAY-4")
    assert one(find(data, PULL_REQUEST, KNOWN))["found_in"] == ["description"]


def test_matches_and_texts_have_a_limit() -> None:
    """A text made to cost time costs a little."""
    assert talk("UTF-8 " * MAX_MATCHES + "PAY-311") == []
    many = [str(n) + "x" * MAX_TEXT for n in range(30)]
    assert find(push(*many, "PAY-311"), PUSH, KNOWN) == []


# -- whatever comes --------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(url for url, *_ in PAGES),
        *(text for text, *_ in OTHER_KEYS),
        *["PAY-311", "XYZ-5", "fixes ", "closes: ", " ", "\n", "#", "!", "/", "-", "https://", "é"],
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))
REFS = st.fixed_dictionaries({"key": TEXTS, "urn": TEXTS, "url": TEXTS, "title": TEXTS})
WHATEVER: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(TEXTS, below, max_size=3)),
    max_leaves=5,
)
NATIVES = st.builds(
    native,
    TEXTS,
    st.one_of(TEXTS, st.sampled_from(["ticket", "pull_request", "incident", "commit"])),
    url=st.one_of(st.none(), TEXTS),
    relation=TEXTS,
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ["title", "description", "body", "message", "branch", "name", "key", "id", "url"],
            st.one_of(TEXTS, WHATEVER),
        ),
        "urn": st.one_of(TEXTS, st.sampled_from([PAY_311, f"{GH}:pull_request:a/b/1", "oh:a:b"])),
        "source": st.one_of(st.fixed_dictionaries({"branch": TEXTS}), WHATEVER),
        "commits": st.one_of(
            st.lists(st.fixed_dictionaries({"message": TEXTS, "title": TEXTS}), max_size=3),
            WHATEVER,
        ),
        "repository": st.one_of(st.fixed_dictionaries({"full_name": TEXTS}), WHATEVER),
        "ticket": st.one_of(REFS, WHATEVER),
        "references": st.one_of(st.lists(NATIVES, max_size=3), WHATEVER),
    },
)


@given(DATA, st.sampled_from(sorted(EVENT_TYPES)), st.sampled_from([0, THRESHOLD]))
def test_whatever_comes_gives_references(data: Found, event_type: str, threshold: float) -> None:
    """Never an exception; each of the right form, sure enough, the only one of its target."""
    found = find(data, event_type, knowing(*ALL, OTHER_JIRA), threshold)
    for reference in found:
        Reference.model_validate(reference)
        confidence = reference["confidence"]
        assert isinstance(confidence, int | float)
        assert threshold <= confidence <= (1 if reference["method"] == "native" else 0.97)
        encode(reference["confidence"])
    names = [(str(r["key"]).lower(), r["urn"], r["type"], r["url"]) for r in found]
    assert len(set(names)) == len(names) <= 50


@given(DATA, st.sampled_from([PULL_REQUEST, PUSH, "ticketing.ticket.created"]))
def test_a_second_search_gives_the_same(data: Found, event_type: str) -> None:
    """A replay through the same gateway adds nothing."""
    found = find(data, event_type, KNOWN)
    again = find({**data, "references": [dict(r) for r in found]}, event_type, KNOWN)
    assert again == found
