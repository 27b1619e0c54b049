"""What the history keeps of an attempt's headers."""

import pytest

from onehook.store.attempts import AttemptRow, kept_answer, kept_headers, sent_headers
from tests.builders import NOW

EVENT, SUBSCRIPTION = f"evt_{'e' * 26}", f"sub_{'s' * 26}"
OURS = {
    "Content-Type": "application/json",
    "webhook-id": EVENT,
    "webhook-signature": "v1,abc",
    "x-onehook-event": "scm.commit.pushed",
    "x-onehook-delivery": f"dlv_{'e' * 26}{'s' * 26}",
    "x-onehook-attempt": "2",
    "x-acme-signature": "sha256=abc",
}


def row(headers: dict[str, str]) -> AttemptRow:
    """An attempt that kept these headers."""
    return AttemptRow(2, NOW, 1, 200, None, None, "https://x", headers, {}, "")


def test_headers_come_back_as_they_were_sent() -> None:
    """What follows from the ids is not kept, and still shown."""
    kept = kept_headers(OURS, EVENT, "scm.commit.pushed", SUBSCRIPTION, 2)

    assert set(kept) == {"content-type", "webhook-signature", "x-acme-signature"}
    shown = sent_headers(row(kept), EVENT, "scm.commit.pushed", SUBSCRIPTION)
    assert shown == {name.lower(): value for name, value in OURS.items()}


def test_header_that_does_not_follow_is_kept() -> None:
    """A type sent under another name is shown as it was sent."""
    sent = {**OURS, "x-onehook-event": "vulnerability.detected"}

    kept = kept_headers(sent, EVENT, "security.vulnerability.detected", SUBSCRIPTION, 2)

    shown = sent_headers(row(kept), EVENT, "security.vulnerability.detected", SUBSCRIPTION)
    assert shown["x-onehook-event"] == "vulnerability.detected"


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Cookie", "x-acme-token"])
def test_h2_headers_of_the_operators_own_are_blanked(name: str) -> None:
    """Only what a profile writes is kept; any other header may hold a secret."""
    kept = kept_headers({**OURS, name: "canary"}, EVENT, "t", SUBSCRIPTION, 2)

    assert kept[name.lower()] == "[redacted]"


def test_h2_answers_are_kept_without_cookies_and_challenges() -> None:
    """A header of an answer stays as it came, unless it is a secret of the receiver."""
    answer = {"Set-Cookie": "a=b", "WWW-Authenticate": "Bearer x", "X-Request-Id": "1"}

    assert kept_answer(answer) == {
        "Set-Cookie": "[redacted]",
        "WWW-Authenticate": "[redacted]",
        "X-Request-Id": "1",
    }
