"""Facts of the gateway's own."""

from typing import Literal

from onehook.core.schema.base import Integer, LongText, Model, Thing, Timestamp


class NoticeCounts(Model):
    """How much a notice speaks of."""

    events: Integer | None
    failed: Integer | None


class Notice(Thing):
    """A fact of the gateway's own, about an integration, subscription, replay or webhook."""

    id: str
    name: str | None
    status: Literal[
        "established", "failed", "completed", "paused", "resumed", "received", "unknown"
    ]
    reason: LongText | None
    url: str | None
    counts: NoticeCounts | None
    created_at: Timestamp | None
