"""What is written down of a delivery."""

from datetime import timedelta

from onehook.core.model import Delivery
from onehook.core.notices import Notice
from onehook.core.schedule import Again, Dead, Delivered, Step
from onehook.store.deliveries import Record


def outcome_of(step: Step) -> str:
    """The word of `record.lua` for *step*."""
    match step:
        case Delivered():
            return "delivered"
        case Again():
            return "again"
        case Dead():
            return "dead"


def make_record(
    delivery: Delivery,
    outcome: str,
    *,
    delay: timedelta = timedelta(0),
    attempt: bytes = b"",
    status: int | None = None,
    error: str | None = None,
    notice: Notice | None = None,
    held: timedelta = timedelta(0),
) -> Record:
    """The record of what became of *delivery*. *attempt* empty: none was made."""
    return Record(
        delivery.subscription.id,
        delivery.event_id,
        delivery.webhook_id,
        delivery.token,
        outcome,
        delay,
        attempt,
        status,
        error,
        notice,
        delivery.event_type,
        delivery.integration_id,
        held,
        delivery.subscription.tenant,
    )
