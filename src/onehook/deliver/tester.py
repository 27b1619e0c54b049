"""Sends a test event: one attempt as a delivery would make it, of which nothing is written down."""

from onehook.clock import Clock
from onehook.core.model import Delivery, Event, Subscription, WebhookId
from onehook.deliver.courier import Courier
from onehook.store.attempts import AttemptRow


class Tester:
    """Sends test events, past queue, filter and pause."""

    def __init__(self, courier: Courier, clock: Clock) -> None:
        self._courier, self._clock = courier, clock

    async def send(self, subscription: Subscription, event: Event) -> AttemptRow:
        """Send *event* to *subscription*, whatever state that is in; the attempt, no secret."""
        delivery = Delivery(
            subscription, event.id, event.type, WebhookId(""), event.body, 0, 1, test=True
        )
        made = await self._courier.attempt(delivery, self._clock.now())
        return made.row
