"""Under which names an event stands in the timeline, and what is asked for there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.references import Asked, index, proof_of, ranges, read_asked, read_entry
from onehook.core.references.naming import named_in, names_of
from onehook.core.references.timeline import MAX_ENTRIES
from onehook.core.schema.events import EVENT_TYPES
from onehook.errors import InvalidRequestError
from tests.core.references.test_finding import DATA, TEXTS, native, pull_request, push, ticket
from tests.core.references.things import GH, GL, PAY_311, SHA, SN, SYS_ID, event, knowing

KNOWN = knowing()
PULL_REQUEST, PUSH = "scm.pull_request.created", "scm.commit.pushed"
TICKET, INCIDENT = "ticketing.ticket.created", "incidents.incident.created"
BUILD, FINDING = "ci.build.failed", "security.vulnerability.detected"
SYS_PAGE = "https://acme.service-now.com/nav_to.do?uri=incident.do%3Fsys_id%3D" + SYS_ID
RUN = "https://github.com/acme/shop/actions/runs/9"


def names(type_: str, data: dict[str, JsonValue]) -> list[str]:
    """The names of an event, in order, each once."""
    found = [name for named in named_in(data, type_) for name in names_of(named, KNOWN)]
    return list(dict.fromkeys(found))


def reference(key: str, urn: str | None = None, type_: str = "ticket") -> dict[str, JsonValue]:
    """A reference as an event has it."""
    return {**native(key, type_), "urn": urn}


NAMES: list[tuple[str, dict[str, JsonValue], list[str]]] = [
    (TICKET, ticket(), ["pay-1"]),
    (PULL_REQUEST, pull_request(), ["acme/payments/42"]),
    (
        PULL_REQUEST,
        pull_request(
            source={"sha": SHA}, merge_commit_sha="F" * 40, references=[reference("PAY-2")]
        ),
        ["acme/payments/42", "f" * 7, SHA[:7], "pay-2"],
    ),
    (
        PUSH,
        push("x", sha=SHA, commits=[{"sha": SHA, "urn": f"{GH}:commit:acme/payments/{SHA}"}]),
        ["acme/payments/main", SHA[:7]],
    ),
    (INCIDENT, {"urn": f"{SN}:incident:INC1", "key": "INC1", "id": SYS_ID}, ["inc1", SYS_ID]),
    (INCIDENT, {"urn": "oh:opsgenie:h:incident:a-b", "key": "1042", "id": "a-b"}, ["a-b"]),
    (TICKET, {"urn": "oh:linear:l:ticket:acme/ENG-1", "key": "ENG-1"}, ["acme/eng-1", "eng-1"]),
    (TICKET, {"urn": "oh:x:h:ticket:caf%C3%A9/1", "key": None}, ["café/1"]),
    (TICKET, {"urn": None, "key": "x" * 600}, []),
    (
        BUILD,
        {"urn": f"{GH}:build:acme/shop/9", "url": RUN, "sha": SHA,
         "pull_requests": [{"key": "a/b#1", "urn": None}]},
        ["acme/shop/9", RUN, "a/b/1", SHA[:7]],
    ),
    (
        "ticketing.comment.added",
        {"urn": "oh:x:h:comment:5", "url": "https://h/5", "ticket": {"key": "PAY-1"}},
        ["5", "pay-1"],
    ),
    (
        FINDING,
        {"urn": f"{GH}:vulnerability:acme/shop/dependabot/3", "key": "GHSA-2222-3333-4444",
         "identifiers": [{"type": "cve", "value": "CVE-2026-1"}, {"type": "cwe", "value": "C-7"}]},
        ["acme/shop/dependabot/3", "ghsa-2222-3333-4444", "cve-2026-1"],
    ),
    ("identity.user.created", {"urn": "oh:okta:h:user:1", "key": "ada"}, []),
    ("integration.webhook.received", {"references": [reference("PAY-1")]}, ["pay-1"]),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "data", "expected"), NAMES)
def test_the_names_of_an_event(type_: str, data: dict[str, JsonValue], expected: list[str]) -> None:
    """One for each thing, whatever else it is called; numbers alone are none."""
    assert names(type_, data) == expected


def test_a_reference_stands_under_urn_key_and_what_else_leads_to_it() -> None:
    """Without a urn also under its page."""
    stated = {**native("b-7", "build"), "url": "https://ci.example/b/7#log"}
    data = ticket(references=[reference("PAY-2", PAY_311), stated])
    assert names(TICKET, data) == ["pay-1", "pay-311", "pay-2", "b-7", "https://ci.example/b/7"]


def test_entries_are_small_and_few() -> None:
    """41 bytes each, 60 at most, its own first, whatever an event holds."""
    many = [reference(f"PAY-{n}" * 50) for n in range(200)]
    entries, things = index(event(TICKET, ticket(references=list(many))), KNOWN)
    assert len(entries) == MAX_ENTRIES
    assert {len(entry) for entry in entries} == {41}
    assert len(things) == 1
    first = 1 << 30
    commits: list[JsonValue] = [
        {"sha": f"{n:040x}", "urn": f"oh:c:{n}"} for n in range(first, first + 250)
    ]
    entries, things = index(event(PUSH, push("x", commits=commits)), KNOWN)
    assert len(things) == MAX_ENTRIES >= len(entries)


def test_entries_sort_by_time() -> None:
    """Also before 1970 and in the far future, as the source may say."""
    moments = ["1601-01-01", "1970-01-01", "2026-11-22", "2026-11-23", "9999-12-31"]
    stamps = [f"{day}T00:00:00.000Z" for day in moments]
    found = [index(event(TICKET, ticket(), at), KNOWN).entries[0] for at in stamps]
    assert found == sorted(found)
    assert [read_entry(entry).at_ms for entry in found[:3]] == [0, 0, 1795305600000]
    ((first, behind),) = ranges(["pay-1"], itself=True)
    assert all(first <= entry < behind for entry in found)
    ((_, other),) = ranges(["pay-2"], itself=True)
    assert not all(entry < other and entry >= ranges(["pay-2"])[0][0] for entry in found)


# -- what is asked for -----------------------------------------------------------------------------

OWN_URN = f"{GH}:pull_request:acme/payments/42"
OWN_PR = (PULL_REQUEST, pull_request())
REFERS = (
    TICKET,
    ticket(references=[reference("acme/payments#42", OWN_URN, "pull_request")]),
)
VAGUE = (TICKET, ticket(references=[reference("acme/payments#42", None, "unknown")]))
MR_PAGE = "https://gitlab.example.com/acme/payments/-/merge_requests/42"
MR_URN = f"{GL}:pull_request:acme/payments/42"
MR = (PULL_REQUEST, {"urn": MR_URN, "key": "acme/payments!42", "url": MR_PAGE})
ISSUE = (TICKET, {"urn": f"{GL}:ticket:acme/payments/42", "key": "acme/payments#42"})
SN_INCIDENT = (
    INCIDENT,
    {"urn": f"{SN}:incident:INC0010023", "key": "INC0010023", "id": SYS_ID, "url": SYS_PAGE},
)
LINKS_SN = (PULL_REQUEST, pull_request(references=[reference(SYS_ID, None, "incident")]))
COMMITTED = (PUSH, push("x", commits=[{"sha": SHA, "urn": f"{GH}:commit:acme/payments/{SHA}"}]))
BUILT = (BUILD, {"urn": f"{GH}:build:acme/shop/9", "url": RUN, "sha": SHA})
NAMES_SHA = (TICKET, ticket(references=[reference(f"acme/payments@{SHA}", None, "commit")]))

ASKED = [
    (f"{GH}:pull_request:acme/payments/42", [OWN_PR, REFERS, VAGUE], [MR, ISSUE]),
    ("Acme/Payments#42", [OWN_PR, REFERS, VAGUE, ISSUE], [MR]),
    ("acme/payments!42", [MR], [OWN_PR, REFERS, VAGUE, ISSUE]),
    ("https://github.com/acme/payments/pull/42/files", [OWN_PR, REFERS, VAGUE], [MR, ISSUE]),
    ("https://github.com/acme/payments/issues/42", [OWN_PR, REFERS, VAGUE], [MR, ISSUE]),
    (MR_PAGE, [MR, VAGUE], [OWN_PR, ISSUE]),
    ("INC0010023", [SN_INCIDENT], [LINKS_SN]),
    (f"https://acme.service-now.com/incident.do?sys_id={SYS_ID}", [SN_INCIDENT, LINKS_SN], []),
    (SYS_ID, [SN_INCIDENT, LINKS_SN], [COMMITTED]),
    (SHA, [COMMITTED, BUILT, NAMES_SHA], [OWN_PR]),
    (SHA[:9].upper(), [COMMITTED, BUILT, NAMES_SHA], []),
    (SHA[:9] + "0", [], [COMMITTED, BUILT, NAMES_SHA]),
    (f"acme/payments@{SHA[:7]}", [COMMITTED, BUILT, NAMES_SHA], []),
    (f"{GH}:commit:acme/payments/{SHA}", [COMMITTED, BUILT, NAMES_SHA], []),
    (f"https://github.com/acme/payments/commit/{SHA}", [COMMITTED, BUILT, NAMES_SHA], []),
    (RUN + "#step:1", [BUILT], []),
    (f"{GH}:build:acme/shop/9", [BUILT], []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meant", "others"), ASKED)
def test_what_is_asked_for(
    text: str,
    meant: list[tuple[str, dict[str, JsonValue]]],
    others: list[tuple[str, dict[str, JsonValue]]],
) -> None:
    """What is meant lies under a name that is looked at; what is only called alike is not it."""
    asked = read_asked(text, KNOWN)
    for type_, data in meant:
        assert set(names(type_, data)) & set(asked.names), data
        assert asked.find_in(data, type_) is not None, data
    for type_, data in others:
        assert asked.find_in(data, type_) is None, data


def test_a_page_of_a_host_that_nobody_configured() -> None:
    """The integration may be gone: what has that page itself is found still."""
    asked = read_asked("https://gone.example/acme/payments/pull/42#top", KNOWN)
    here = {**pull_request(), "url": "https://gone.example/acme/payments/pull/42"}
    assert asked.find_in(here, PULL_REQUEST) is not None
    assert set(names(PULL_REQUEST, here)) & set(asked.names)
    assert asked.find_in(*reversed(OWN_PR)) is None


@pytest.mark.parametrize(
    "text", ["", " ", "7", "1234567x 8", "a\nb", "\ud800", "oh:a:b", "http://"]
)
def test_what_names_nothing_is_refused(text: str) -> None:
    """With a pointer."""
    with pytest.raises(InvalidRequestError) as caught:
        read_asked(text, KNOWN)
    assert (caught.value.status, caught.value.errors[0].pointer) == (422, "/key")


def test_the_closest_way_of_naming_comes_first() -> None:
    """A push that carries a commit and refers to it, too, is about it."""
    data = {**COMMITTED[1], "references": [reference(f"acme/payments@{SHA}", None, "commit")]}
    named = read_asked(SHA, KNOWN).find_in(data, PUSH)
    assert named is not None
    assert named.role == "itself"


# -- the proof ------------------------------------------------------------------------------------


def prove(text: str, *events: tuple[str, dict[str, JsonValue]]) -> tuple[bool, Asked]:
    """Whether *events* prove what *text* asks for."""
    asked = read_asked(text, KNOWN)
    return bool(proof_of(asked, [(data, type_) for type_, data in events])), asked


def test_only_events_about_the_thing_itself_prove_it() -> None:
    """Not those that talk of it, nor those that something else is on."""
    assert prove("acme/payments#42", OWN_PR)[0] is True
    assert prove("acme/payments#42", REFERS, VAGUE)[0] is False
    assert prove(SHA, BUILT)[0] is False
    assert prove(SHA, COMMITTED)[0] is True


def test_a_reference_is_verified_by_its_urn() -> None:
    """One that nobody can place is not, except for numbers that mean the same everywhere."""
    asked = read_asked("acme/payments#42", KNOWN)
    proof = proof_of(asked, [(OWN_PR[1], OWN_PR[0])])
    sure = proof.verify({**reference("acme/payments#42", OWN_URN), "confidence": 0.6})
    assert (sure["verified"], sure["confidence"]) == (True, 0.95)
    assert proof.verify({**sure, "confidence": 1})["confidence"] == 1
    assert proof.verify(reference("acme/payments#42"))["verified"] is False
    finding: dict[str, JsonValue] = {"urn": "oh:x:h:vulnerability:1",
        "identifiers": [{"type": "cve", "value": "CVE-2026-1"}]}  # fmt: skip
    asked = read_asked("CVE-2026-1", KNOWN)
    proof = proof_of(asked, [(finding, FINDING)])
    assert proof.verify(reference("CVE-2026-1", None, "vulnerability"))["verified"] is True


# -- whatever comes -------------------------------------------------------------------------------


@given(DATA, st.sampled_from(sorted(EVENT_TYPES)))
def test_whatever_comes_has_names(data: dict[str, JsonValue], type_: str) -> None:
    """Never an exception; entries of one size, each once, within the bound."""
    entries, things = index(event(type_, data), KNOWN)
    assert len(set(entries)) == len(entries) <= MAX_ENTRIES
    assert {len(entry) for entry in entries} <= {41}
    assert {len(thing) for thing in things} <= {8}


@given(TEXTS, DATA, st.sampled_from(sorted(EVENT_TYPES)))
def test_whatever_is_asked_for_is_read_or_refused(
    text: str, data: dict[str, JsonValue], type_: str
) -> None:
    """And compared with whatever events hold."""
    try:
        asked = read_asked(text, KNOWN)
    except InvalidRequestError:
        return
    assert 1 <= len(asked.names) <= 4
    asked.find_in(data, type_)
