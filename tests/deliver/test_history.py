"""An attempt as the history keeps it."""

from datetime import timedelta

from onehook.core.model import Delivery, EventId, Subscription, SubscriptionId, WebhookId
from onehook.core.schedule import Answer, Reply
from onehook.deliver.history import attempt_row
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
REPLY = Reply(Answer(503, "status"), 12, None, {"X-Why": "later"}, "no")


def test_attempt_says_what_was_sent_and_came_back() -> None:
    """A row has the attempt's number, moment, answer, and the URL as it was then."""
    row = attempt_row(DELIVERY, NOW, {"X-Key": "canary"}, b"{}", REPLY)

    assert (row.number, row.at, row.duration_ms) == (3, NOW, 12)
    assert (row.status, row.error, row.url) == (503, "status", "https://example.com/hook")
    assert (row.response_headers, row.response_body) == ({"X-Why": "later"}, "no")
    assert row.request_headers == {"x-key": "[redacted]"}


def test_body_is_kept_only_where_it_is_not_the_event() -> None:
    """The event is stored once; a body made from it is kept with the attempt."""
    assert attempt_row(DELIVERY, NOW, {}, b"{}", REPLY).request_body is None
    assert attempt_row(DELIVERY, NOW, {}, b'{"text":"hi"}', REPLY).request_body == '{"text":"hi"}'
