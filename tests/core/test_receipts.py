"""The marker of a commit, from which a duplicate is answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.model import EventId, WebhookId
from onehook.core.receipts import Receipt

WEBHOOK, DIGEST = WebhookId("whk_1"), "0123456789abcdef"
EVENTS = ((EventId("evt_a"), "scm.tag.created"), (EventId("evt_b"), "scm.commit.pushed"))


@pytest.mark.parametrize(
    ("receipt", "marker"),
    [
        (Receipt(WEBHOOK, DIGEST), f"whk_1 {DIGEST}"),
        (
            Receipt(WEBHOOK, DIGEST, EVENTS),
            f"whk_1 {DIGEST} evt_a:scm.tag.created evt_b:scm.commit.pushed",
        ),
        (Receipt(WEBHOOK, DIGEST, (), "no_rule"), f"whk_1 {DIGEST} !no_rule"),
        (
            Receipt(WEBHOOK, DIGEST, EVENTS[:1], "no_rule"),
            f"whk_1 {DIGEST} !no_rule evt_a:scm.tag.created",
        ),
    ],
)
def test_a_marker_holds_all_that_an_answer_needs(receipt: Receipt, marker: str) -> None:
    """And reads back to the same receipt."""
    assert receipt.marker() == marker
    assert Receipt.of_marker(marker) == receipt


WORDS = st.from_regex(r"[a-z_.]{1,12}", fullmatch=True)


@given(
    WORDS.map(WebhookId),
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.lists(st.tuples(WORDS.map(EventId), WORDS), max_size=4).map(tuple),
    st.none() | WORDS,
)
def test_any_receipt_reads_back(
    webhook: WebhookId, digest: str, events: tuple[tuple[EventId, str], ...], reason: str | None
) -> None:
    """Ids, types and reasons hold no spaces."""
    receipt = Receipt(webhook, digest, events, reason)
    assert Receipt.of_marker(receipt.marker()) == receipt
