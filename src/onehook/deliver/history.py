"""An attempt as the history keeps it: what was sent and came back, no secret."""

from collections.abc import Mapping
from datetime import datetime

from onehook.core.model import Delivery
from onehook.core.schedule import Reply
from onehook.store.attempts import AttemptRow, kept_answer, pack_sent


def attempt_row(
    delivery: Delivery, at: datetime, sent: Mapping[str, str], reply: Reply
) -> AttemptRow:
    """The attempt made *at* (aware UTC) with these headers, and its *reply*.

    What follows from the event is not kept a second time; a replay says that it is one.
    """
    named = {name.lower(): value for name, value in sent.items()}
    return AttemptRow(
        delivery.attempt,
        at,
        reply.duration_ms,
        reply.answer.status,
        reply.answer.error,
        reply.detail,
        delivery.subscription.url,
        named["webhook-signature"],
        kept_answer(reply.headers),
        reply.body,
        pack_sent(named, delivery.body.decode()) if delivery.replay else None,
    )
