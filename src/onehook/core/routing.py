"""Events to the subscriptions that want them: compiled once, looked up by type."""

from collections.abc import Iterable, Mapping

from onehook.core.model import Event, IntegrationInfo, Subscription, SubscriptionId
from onehook.core.schema.events import EVENT_TYPES


def pattern_problem(pattern: str) -> str | None:
    """Why *pattern* matches no event type; None if it matches some."""
    if pattern == "*" or pattern in EVENT_TYPES:
        return None
    if pattern.endswith(".*") and any(type_.startswith(pattern[:-1]) for type_ in EVENT_TYPES):
        return None
    return f"{pattern!r} matches no event type"


def _patterns(type_: str) -> list[str]:
    """Every pattern that matches *type_*: ``*``, ``a.*``, ``a.b.*``, ``a.b.c``."""
    parts = type_.split(".")
    return ["*", *(".".join(parts[:n]) + ".*" for n in range(1, len(parts))), type_]


class Routes:
    """A snapshot of the active subscriptions; the cost of a match is that of its result."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        index: dict[tuple[str, str], list[Subscription]] = {}
        for subscription in subscriptions:
            if not subscription.active:
                continue
            for pattern in subscription.events:
                for integration in subscription.integrations or ("",):
                    index.setdefault((pattern, integration), []).append(subscription)
        self._index: Mapping[tuple[str, str], list[Subscription]] = index
        self._by_type = {type_: _patterns(type_) for type_ in EVENT_TYPES}

    def match(self, event: Event, integration: IntegrationInfo) -> list[Subscription]:
        """The subscriptions that *event* of *integration* goes to, each once."""
        found: dict[SubscriptionId, Subscription] = {}
        for pattern in self._by_type.get(event.type) or _patterns(event.type):
            for source in ("", integration.id, integration.type):
                for subscription in self._index.get((pattern, source), ()):
                    found[subscription.id] = subscription
        return list(found.values())
