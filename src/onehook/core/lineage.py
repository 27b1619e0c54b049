"""Why a subscription does not get an event: the first clause of it that refuses.

What :func:`refusal` does not refuse, :class:`onehook.core.routing.Routes` matches, and the other
way round: a test holds them together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from onehook.core.clauses import new_statuses, projects_clause, projects_of, statuses_clause
from onehook.core.filters import compile_filter
from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.mapping.paths import MISSING, compile_path
from onehook.core.model import Event, EventId, IntegrationId, IntegrationInfo, Subscription
from onehook.core.routing import patterns_of
from onehook.core.schema.aliases import ALIASES, Alias

_SHOWN = 80  # characters of a value in a sentence


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which clause refuses: its field, an RFC 6901 pointer into the subscription, a sentence."""

    clause: str
    pointer: str
    detail: str


def stored_event(body: bytes) -> tuple[Event, IntegrationInfo]:
    """An event as routing sees it, and its integration, from the JSON that is delivered."""
    envelope = _object(decode(body))
    about = {name: str(value) for name, value in _object(envelope["integration"]).items()}
    integration = IntegrationInfo(IntegrationId(about["id"]), about["type"], about["name"])
    data = _object(envelope["data"])
    event = Event(EventId(str(envelope["id"])), str(envelope["type"]), data, envelope, body)
    return event, integration


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def refusal(
    subscription: Subscription,
    conditions: JsonValue,
    event: Event,
    integration: IntegrationInfo,
) -> Refusal | None:
    """The first clause of *subscription* that *event* does not pass; None: it wants it.

    *conditions* is its filter as it was written.
    """
    if not subscription.active:
        return Refusal("active", "/active", "it is not active: nothing is routed to it")
    return (
        _type_refusal(subscription, event)
        or _integration_refusal(subscription, integration)
        or _projects_refusal(subscription, event)
        or _statuses_refusal(subscription, event)
        or _filter_refusal(conditions, event)
    )


def _type_refusal(subscription: Subscription, event: Event) -> Refusal | None:
    patterns = set(patterns_of(event.type))
    narrower: Refusal | None = None
    for at, name in enumerate(subscription.events):
        alias = ALIASES.get(name)
        if alias is None and name in patterns:
            return None
        if alias is not None and patterns.intersection(alias.types):
            if alias.fits(event.data):
                return None
            detail = f"{name} takes only events {_narrowed(alias)}"
            narrower = narrower or Refusal("events", f"/events/{at}", detail)
    asked = ", ".join(subscription.events)
    return narrower or Refusal("events", "/events", f"{event.type} is none of {asked}")


def _narrowed(alias: Alias) -> str:
    if alias.severity is not None:
        return f"whose severity is {alias.severity}"
    return f"whose changes hold {alias.changed}"


def _integration_refusal(
    subscription: Subscription, integration: IntegrationInfo
) -> Refusal | None:
    wanted = subscription.integrations
    if not wanted or integration.id in wanted or integration.type in wanted:
        return None
    detail = f"{integration.id} ({integration.type}) is none of {', '.join(wanted)}"
    return Refusal("integrations", "/integrations", detail)


def _projects_refusal(subscription: Subscription, event: Event) -> Refusal | None:
    takes = projects_clause(subscription.projects)
    if takes is None or takes(event.data):
        return None
    found = ", ".join(dict.fromkeys(projects_of(event.data))) or "an event of no project"
    detail = f"{_cut(found)} fits none of {_cut(', '.join(subscription.projects))}"
    return Refusal("projects", "/projects", detail)


def _statuses_refusal(subscription: Subscription, event: Event) -> Refusal | None:
    takes = statuses_clause(subscription.statuses)
    if takes is None or takes(event.data):
        return None
    found = _cut(", ".join(dict.fromkeys(new_statuses(event.data))))
    detail = f"it changed to {found}, which is none of {_cut(', '.join(subscription.statuses))}"
    return Refusal("statuses", "/statuses", detail)


def _filter_refusal(conditions: JsonValue, event: Event) -> Refusal | None:
    if not isinstance(conditions, dict):
        return None
    for name, wanted in conditions.items():
        if compile_filter({name: wanted})(event.envelope):
            continue
        pointer = f"/filter/{name.replace('~', '~0').replace('/', '~1')}"
        if name in ("any", "not"):
            holds = "none of its conditions holds" if name == "any" else "its condition holds"
            return Refusal("filter", pointer, f"{name}: {holds}")
        found = compile_path(name).lookup(dict(event.envelope))
        value = "is not there" if found is MISSING else f"is {_short(found)}"
        return Refusal("filter", pointer, f"{name} {value}, and it wants {_short(wanted)}")
    return None


def _short(value: object) -> str:
    return _cut(encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
