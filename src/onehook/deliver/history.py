"""An attempt as the history keeps it: everything that was sent and came back, no secret."""

from collections.abc import Mapping
from datetime import datetime

from onehook.core.model import Delivery
from onehook.core.schedule import Reply
from onehook.store.attempts import AttemptRow, kept_answer, kept_headers


def attempt_row(
    delivery: Delivery, at: datetime, sent: Mapping[str, str], body: bytes, reply: Reply
) -> AttemptRow:
    """The attempt made *at* (aware UTC) with these headers and *body*, and its *reply*.

    A body that is the event itself is not kept a second time.
    """
    subscription, number = delivery.subscription, delivery.attempt
    return AttemptRow(
        number,
        at,
        reply.duration_ms,
        reply.answer.status,
        reply.answer.error,
        reply.detail,
        subscription.url,
        kept_headers(sent, delivery.event_id, delivery.event_type, subscription.id, number),
        kept_answer(reply.headers),
        reply.body,
        None if body == delivery.body else body.decode("utf-8", "replace"),
    )
