"""An attempt as the history keeps it."""

from datetime import timedelta

from msgspec.structs import replace

from onehook.core.model import Delivery, EventId, Subscription, SubscriptionId, WebhookId
from onehook.core.schedule import Answer, Reply
from onehook.deliver.history import attempt_row
from onehook.store.attempts import sent_body
from tests.builders import NOW

SUBSCRIPTION = Subscription(
    id=SubscriptionId(f"sub_{'s' * 26}"),
    url="https://example.com/hook",
    events=("*",),
    integrations=(),
    active=True,
    paused=False,
    filter=None,
    secret=b"s",
    timeout=timedelta(seconds=10),
    retry=(),
)
DELIVERY = Delivery(
    SUBSCRIPTION, EventId(f"evt_{'e' * 26}"), "scm.commit.pushed", WebhookId("whk_1"), b"{}", 1, 3
)
HEADERS = {"webhook-signature": "v1,s", "X-Onehook-Replay": "true"}
REPLY = Reply(Answer(503, "status"), 12, None, {"X-Why": "later", "Set-Cookie": "canary"}, "no")


def test_attempt_says_what_was_sent_and_came_back() -> None:
    """A row has the attempt's number, moment, answer, and the URL as it was then."""
    row = attempt_row(DELIVERY, NOW, HEADERS, REPLY)

    assert (row.number, row.at, row.duration_ms) == (3, NOW, 12)
    assert (row.status, row.error, row.url) == (503, "status", "https://example.com/hook")
    assert row.response_headers == {"X-Why": "later", "Set-Cookie": "[redacted]"}
    assert (row.response_body, row.signature) == ("no", "v1,s")


def test_request_is_kept_only_where_it_does_not_follow() -> None:
    """The event is stored once; a replay keeps the headers that say so."""
    assert attempt_row(DELIVERY, NOW, HEADERS, REPLY).sent is None

    sent = attempt_row(replace(DELIVERY, replay=True), NOW, HEADERS, REPLY).sent

    assert sent is not None
    assert sent.headers == {"webhook-signature": "v1,s", "x-onehook-replay": "true"}
    assert sent_body(sent) == "{}"
