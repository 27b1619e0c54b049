"""The native body beside an event, for subscriptions that ask for it."""

from collections.abc import Callable

import msgspec

from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import JsonValue, canonical
from onehook.core.mapping.document import CompiledMapping
from onehook.core.model import Delivery
from onehook.core.profiles.shaping import MAX_RAW, raw_size
from onehook.errors import OnehookError
from onehook.store.events import EventStore


class _Integration(msgspec.Struct):
    type: str


class _Envelope(msgspec.Struct):
    integration: _Integration


_envelope = msgspec.json.Decoder(_Envelope).decode


class RawBodies:
    """Fetches native bodies; *mapping_of* gives the mapping of a platform, None if it is gone."""

    def __init__(
        self, events: EventStore, mapping_of: Callable[[str], CompiledMapping | None]
    ) -> None:
        self._events, self._mapping_of = events, mapping_of

    async def find(self, delivery: Delivery) -> JsonValue:
        """The body of the webhook that *delivery*'s event came from, redacted.

        None where it is too large, no longer kept, no JSON, or where nobody knows any more what
        in it has to be redacted.

        Raises:
            redis.exceptions.RedisError: the store is away.
        """
        mapping = self._mapping_of(_envelope(delivery.body).integration.type)
        if mapping is None or raw_size(delivery.body) > MAX_RAW:
            return None
        events = self._events.of(delivery.subscription.tenant)
        native = await events.find_native(delivery.webhook_id)
        if native is None:
            return None
        try:
            body = parse_body(native.webhook, MAX_RAW)
        except (BodyError, OnehookError):
            return None
        mapping.redact(body)
        return canonical(body)
