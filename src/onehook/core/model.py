"""The values that walk the line: a webhook as it came, its identity, who gets its events."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NewType

import msgspec

from onehook.core.flow import USUAL, Flow
from onehook.core.jsontext import JsonValue
from onehook.core.profiles.outlet import Outlet

IntegrationId = NewType("IntegrationId", str)
SubscriptionId = NewType("SubscriptionId", str)
EventId = NewType("EventId", str)
WebhookId = NewType("WebhookId", str)
DeliveryId = NewType("DeliveryId", str)

DEFAULT_TENANT = "default"  # whose everything is that names no tenant


def clean_text(value: str) -> str:
    """*value* with bytes that were no UTF-8, and lone surrogates, shown as U+FFFD."""
    if value.isascii():
        return value
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raw = value.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "replace")


class Headers:
    """Request headers: names without case, every value of a repeated one kept in order.

    Values are text with bytes beyond UTF-8 as lone surrogates (``surrogateescape``), so that
    ``value.encode("utf-8", "surrogateescape")`` gives the bytes that came.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.lower(), []).append(value)
        self._values = values

    @classmethod
    def of_bytes(cls, pairs: Iterable[tuple[bytes, bytes]]) -> "Headers":
        """Read what an HTTP parser gives."""
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(_name(name), []).append(value.decode("utf-8", "surrogateescape"))
        made = cls()
        made._values = values
        return made

    def get(self, name: str) -> str | None:
        """The first value of *name*, which must be in lower case; None if it was not sent."""
        values = self._values.get(name)
        return None if values is None else values[0]

    def all(self, name: str) -> Sequence[str]:
        """Every value of *name* (lower case), in the order of the request."""
        return self._values.get(name, ())

    def pairs(self) -> list[tuple[str, str]]:
        """All headers, names in lower case."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def first_values(self) -> Mapping[str, str]:
        """Name to first value, for templates."""
        return FirstValues(self._values)


@lru_cache(1024)  # senders have few, and each sends its own every time
def _name(raw: bytes) -> str:
    return raw.decode("ascii", "replace").lower()


class FirstValues(Mapping[str, str]):
    """The first value of each header, made fit to be shown when it is asked for."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return clean_text(self._values[name][0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Webhook(msgspec.Struct, frozen=True):
    """One native HTTP request from a vendor. *body* is what came, before any decoding."""

    headers: Headers
    body: bytes
    received_at: datetime  # aware UTC
    method: str = "POST"
    url: str = ""  # as the sender called it, public origin, path and query
    query: Sequence[tuple[str, str]] = ()  # decoded, in order

    def query_value(self, name: str) -> str | None:
        """The first query parameter of that name, or None."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class IntegrationInfo:
    """What an event says of its integration: ``{id, type, name}`` of the envelope."""

    id: IntegrationId
    type: str  # the platform's slug
    name: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])  # secrets left out
    tenant: str = DEFAULT_TENANT  # not in the envelope: an event is only shown to its own


class Event(msgspec.Struct, frozen=True):
    """A unified event: the columns we route by, and the JSON that is delivered."""

    id: EventId
    type: str
    data: Mapping[str, JsonValue]
    envelope: Mapping[str, JsonValue]
    body: bytes  # the envelope as compact JSON: what is stored, signed and sent
    rule: str = ""  # the id of the mapping's rule that made it


@dataclass(frozen=True, slots=True)
class Subscription:
    """What routing and delivery need to know of a subscription."""

    id: SubscriptionId
    url: str  # empty: nothing is sent to it, it pulls
    events: tuple[str, ...]  # patterns: *, scm.*, scm.pull_request.*, a type, an alias
    integrations: tuple[str, ...]  # ids or platform slugs; empty: all
    active: bool
    paused: bool
    filter: Callable[[Mapping[str, JsonValue]], bool] | None  # on the event as delivered
    outlet: Outlet  # what its receiver gets
    timeout: timedelta
    retry: tuple[timedelta, ...]
    name: str | None = None
    flow: Flow = USUAL
    projects: tuple[str, ...] = ()  # globs; empty: all
    statuses: tuple[str, ...] = ()  # to which a status may change; empty: all
    tenant: str = DEFAULT_TENANT

    @property
    def held(self) -> bool:
        """Whether what it gets waits in its queue: nothing is attempted now."""
        return self.paused or not self.active or not self.url

    @property
    def lease(self) -> timedelta:
        """How long a delivery is ours: no attempt outlives it."""
        return self.timeout + timedelta(seconds=20)


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way to one subscription, leased to this process.

    *token* proves the lease; *attempt* is the number of the attempt to make, from 1. A *replay*
    was delivered, or died, before; a *test* is nothing that happened.
    """

    subscription: Subscription
    event_id: EventId
    event_type: str
    webhook_id: WebhookId
    body: bytes
    token: int
    attempt: int
    replay: bool = False
    integration_id: str = ""
    test: bool = False

    @property
    def again(self) -> bool:
        """Whether it is among the retries, behind first attempts: so is what is replayed."""
        return self.attempt > 1 or self.replay

    @property
    def id(self) -> DeliveryId:
        """The delivery's id: both ids in one, so that nothing has to be stored to find it."""
        return delivery_id(self.event_id, self.subscription.id)


def delivery_id(event_id: str, subscription_id: str) -> DeliveryId:
    """``dlv_`` + the event's 26 characters + the subscription's."""
    event, subscription = event_id.removeprefix("evt_"), subscription_id.removeprefix("sub_")
    return DeliveryId(f"dlv_{event}{subscription}")


def split_delivery_id(text: str) -> tuple[EventId, SubscriptionId] | None:
    """Event and subscription of a delivery id; None if it is none."""
    body = text.removeprefix("dlv_")
    if len(body) != 52 or body == text:
        return None
    return EventId(f"evt_{body[:26]}"), SubscriptionId(f"sub_{body[26:]}")
