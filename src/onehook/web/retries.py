"""What the API asks of whoever normalizes quarantined webhooks again."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from onehook.core.model import EventId
from onehook.store.quarantine import Position

Status: TypeAlias = Literal["accepted", "ignored", "quarantined"]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one webhook; *reason*, *detail* and *pointer* as ingest answers them."""

    webhook_id: str
    status: Status
    events: tuple[tuple[EventId, str], ...] = ()
    reason: str | None = None
    detail: str | None = None
    pointer: str | None = None


@dataclass(slots=True)
class RetriedMany:
    """What became of many. *next*: where to go on; None: all were tried."""

    accepted: int = 0
    ignored: int = 0
    quarantined: int = 0
    skipped: int = 0  # left meanwhile, or their integration has
    events: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])  # of those that stay
    next: Position | None = None

    def add(self, one: Retried) -> None:
        """Count *one*."""
        match one.status:
            case "accepted":
                self.accepted += 1
                self.events += len(one.events)
            case "ignored":
                self.ignored += 1
            case "quarantined":
                self.quarantined += 1
                reason = one.reason or ""
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


class Retrier(Protocol):
    """Normalizes quarantined webhooks again, with the mappings in use now."""

    def of(self, tenant: str) -> "Retrier":
        """Who does so with those of *tenant* alone."""
        ...

    async def retry(self, webhook_id: str) -> Retried:
        """Try one webhook.

        Raises:
            NotFoundError: it is not in quarantine.
            ConflictError: its integration, or the mapping of that, is gone.
            StoreUnavailableError: the outcome is unknown; to try again is safe.
        """
        ...

    async def retry_many(
        self, *, integration: str | None, reason: str | None, limit: int, after: Position | None
    ) -> RetriedMany:
        """Try up to *limit* webhooks, the oldest first, from after *after* on.

        Raises:
            StoreUnavailableError: part of them may be done; to try again is safe.
        """
        ...
