"""Finding references in whatever texts: never an exception, and time in proportion."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.limits import MAX_REFERENCES
from onehook.core.references import find, index
from onehook.core.schema.base import MAX_TEXT
from onehook.core.schema.common import Reference
from tests.core.references.things import ALL, GH, event, knowing

KNOWN = knowing()
PUSH, TICKET = "scm.commit.pushed", "ticketing.ticket.created"
WORDS = (
    "A", "A_", "A-", "PAY-", "PAY-1 ", "XYZ-5 ", "-1", "1", "INC", "INC0000001 ", "CVE-2026-",
    "CVE-2026-12345 ", "GHSA-aaaa-", "GHSA-aaaa-bbbb-cccc ", "fixes ", "fixes: PAY-1 ", "#", "#1 ",
    "!1 ", "a/", "a/#1", "a/b#1 ", "/", ".", "?", "https://", "http://a", "é", "\n", "\ud800", "\0",
)  # fmt: skip
PATHS = (
    "a/", "a", "a/pull/", "a/b/pull/1 ", "pull/1/", "-/", "a/b/-/issues/1 ", "browse/",
    "browse/PAY-", "/browse/PAY-1 ", "incidents/Q", "incident.do?", "sys_id=", "incident.do?sys_id",
    "record/incident/", "%3D", "incident.do%3Fsys_id%3D", "commit/0123abc/",
)  # fmt: skip
HOSTS = [host for known in ALL for host in known.hosts]
HOSTILE = [
    *WORDS,
    *[f"https://{host}/{path}" for host in HOSTS for path in PATHS],
    *[f"https://{host}/{path * (1900 // len(path))} " for host in HOSTS for path in PATHS],
]


def push(piece: str, texts: int) -> dict[str, JsonValue]:
    """A push of *texts* commits, the message of each as long as it may be: *piece* on and on."""
    message = (piece * (MAX_TEXT // len(piece) + 1))[: MAX_TEXT - 4]
    commits: list[JsonValue] = [{"message": f"{n:03d} {message}"} for n in range(texts)]
    return {
        "urn": f"{GH}:branch:a/b/main",
        "commits": commits,
        "repository": {"full_name": "a/b"},
        "references": [],
    }


def work(piece: str, texts: int) -> float:
    """Seconds of the processor that a push takes, the quickest of three."""
    data = push(piece, texts)
    taken: list[float] = []
    for _ in range(3):
        started = time.process_time()
        find(data, PUSH, KNOWN)
        taken.append(time.process_time() - started)
    return min(taken)


@pytest.mark.parametrize("pieces", [HOSTILE[n::8] for n in range(8)])
def test_m3_hostile_texts_cost_in_proportion(pieces: Sequence[str]) -> None:
    """Texts made to cost time: eight times the text takes no more than some eight times as long.

    A pattern that tries again from every place would take 64 times as long. What takes a few
    milliseconds in all is not compared: 256 KiB is the most that is searched.
    """
    for piece in pieces:
        most = work(piece, 16)
        if most > 0.02:
            assert most < 24 * work(piece, 2), piece[:80]
        assert most < 1, piece[:80]


@given(st.lists(st.sampled_from(HOSTILE), max_size=6), st.text(max_size=30), st.integers(1, 3))
def test_m3_hostile_texts_give_references_or_none(pieces: list[str], text: str, texts: int) -> None:
    """Whatever they are made of: valid references, no more than there may be, and an index."""
    data = push(text.join(pieces) or " ", texts)

    found = find(data, PUSH, KNOWN)

    assert len(found) <= MAX_REFERENCES
    for reference in found:
        Reference.model_validate(reference)
    index(event(PUSH, {**data, "references": list(found)}), KNOWN)


@pytest.mark.parametrize("piece", WORDS)
def test_m3_a_name_is_no_longer_than_an_entry(piece: str) -> None:
    """However long the keys and addresses are that an event states."""
    long = piece * 5000
    stated: list[JsonValue] = [
        {"method": "native", "type": "ticket", "key": f"{n}{long}", "url": f"https://h/{n}{long}"}
        for n in range(200)
    ]
    data: dict[str, JsonValue] = {"urn": "oh:a:b:ticket:c", "key": long, "references": stated}
    found = find(data, TICKET, KNOWN)

    entries, _ = index(event(TICKET, {**data, "references": list(found)}), KNOWN)

    assert sum(map(len, entries)) <= 60 * 41
