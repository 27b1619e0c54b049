"""What a commit answers, and the marker that lets a duplicate be answered alike."""

from collections.abc import Sequence

import msgspec

from onehook.core.model import EventId, WebhookId

GONE = "gone"  # where a reason stands: it was deleted before it could come out of the quarantine


class Receipt(msgspec.Struct, frozen=True):
    """One committed webhook: its events, or why it is in quarantine."""

    webhook_id: WebhookId
    body_digest: str  # first 16 hex digits of the body's SHA-256: tells two bodies of one id apart
    events: Sequence[tuple[EventId, str]] = ()
    quarantined: str | None = None  # the reason

    def marker(self) -> str:
        """The text that the dedupe markers hold."""
        words = [self.webhook_id, self.body_digest]
        if self.quarantined is not None:
            words.append(f"!{self.quarantined}")
        words += [f"{id_}:{type_}" for id_, type_ in self.events]
        return " ".join(words)

    @classmethod
    def of_marker(cls, text: str) -> "Receipt":
        """Read what :meth:`marker` wrote."""
        webhook_id, digest, *words = text.split(" ")
        reason = words[0][1:] if words and words[0].startswith("!") else None
        events = [word.partition(":") for word in words if not word.startswith("!")]
        return cls(
            WebhookId(webhook_id),
            digest,
            tuple((EventId(id_), type_) for id_, _, type_ in events),
            reason,
        )
