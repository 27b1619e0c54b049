"""Sends a test event: one POST as a delivery would make it, of which nothing is written down."""

from onehook import __version__
from onehook.clock import Clock
from onehook.core.model import Delivery, Event, Subscription, WebhookId
from onehook.core.profiles import headers
from onehook.core.schedule import Reply
from onehook.deliver.client import DeliveryClient


class Tester:
    """Sends test events, past queue, filter and pause."""

    def __init__(self, client: DeliveryClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def send(self, subscription: Subscription, event: Event) -> Reply:
        """Send *event* to *subscription*, whatever state that is in; what came back."""
        delivery = Delivery(
            subscription, event.id, event.type, WebhookId(""), event.body, 0, 1, test=True
        )
        sent = headers(delivery, self._clock.now(), f"onehook/{__version__}")
        return await self._client.post(subscription.url, sent, event.body, subscription.timeout)
