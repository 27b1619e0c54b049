"""What of an integration or subscription its operator sets, as JSON, its secrets beside it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onehook.api import integrations, subscriptions
from onehook.api.integrations import IntegrationIn
from onehook.api.subscription_forms import SubscriptionIn, SubscriptionOut, show
from onehook.api.subscription_outlets import AUTH_FIELDS
from onehook.core.destinations.document import find_destination
from onehook.core.flow import CLEAR
from onehook.core.profiles.headers import HIDDEN
from onehook.store.outlets import open_choices
from onehook.store.records import IntegrationRecord, SubscriptionRecord
from onehook.web.gateway import Gateway

_SECRET = "/secret"  # noqa: S105 the pointer to it
# Fields of a body that the answer calls otherwise.
_OTHER_NAMES = {"type": "destination"}
# What it is about first, then how it flows.
_ORDER = tuple(dict.fromkeys([*SubscriptionIn.__annotations__, *SubscriptionIn.model_fields]))


@dataclass(frozen=True, slots=True)
class View:
    """The *fields* as the API shows them, and by pointer the *secrets* that it does not show."""

    fields: Mapping[str, Any]
    secrets: Mapping[str, str]

    def only(self, names: Collection[str]) -> "View":
        """The part that a body with these fields gives."""
        kept = {*names, *(_OTHER_NAMES.get(name, name) for name in names)}
        return View(
            {name: value for name, value in self.fields.items() if name in kept},
            {at: value for at, value in self.secrets.items() if at.split("/")[1] in kept},
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; None where there is nothing."""

    pointer: str
    before: Any
    after: Any


def differences(before: View, after: View) -> list[Difference]:
    """What differs. A secret that does has *before* and *after* hidden."""
    found = list(_differences(before.fields, after.fields, ""))
    told = [one.pointer for one in found]
    for pointer in sorted(before.secrets.keys() | after.secrets.keys()):
        old, new = before.secrets.get(pointer), after.secrets.get(pointer)
        covered = any(pointer == at or pointer.startswith(f"{at}/") for at in told)
        if old != new and not covered:
            shown = [None if value is None else HIDDEN for value in (old, new)]
            found.append(Difference(pointer, *shown))
    return found


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], at: str
) -> Iterator[Difference]:
    """Member by member; lists, and what is a map on one side only, as a whole."""
    for name in {**before, **after}:
        old, new, pointer = before.get(name), after.get(name), f"{at}/{escaped(name)}"
        if isinstance(old, dict) and isinstance(new, dict) and name != "filter":
            yield from _differences(_members(old), _members(new), pointer)
        elif old != new:
            yield Difference(pointer, old, new)


def _members(value: Any) -> Mapping[str, Any]:
    members: Mapping[str, Any] = value
    return members


def escaped(name: str) -> str:
    """*name* as a step of a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


def integration_view(gateway: Gateway, record: IntegrationRecord) -> View:
    """What of *record* its operator sets."""
    shown = integrations.show(gateway, record).model_dump(mode="json")
    opened = {
        _pointer(name): gateway.registry.sealer.open(record.id, some[0].sealed)
        for name, some in record.secrets.items()
        if some
    }
    settings = {name: HIDDEN for name in record.secrets if name != "secret"}
    fields = {name: shown[name] for name in IntegrationIn.model_fields if name in shown}
    return View({**fields, "settings": {**record.settings, **settings}}, opened)


def _pointer(name: str) -> str:
    return _SECRET if name == "secret" else f"/settings/{escaped(name)}"


def subscription_view(gateway: Gateway, record: SubscriptionRecord) -> View:
    """What of *record* its operator sets; its integrations by key, where they have one."""
    out = show(gateway.registry, record, CLEAR, record.updated_at)
    shown = out.model_dump(mode="json", exclude_unset=True)
    names = SubscriptionIn.model_fields.keys() & SubscriptionOut.model_fields.keys() - {"secret"}
    fields = {name: shown[name] for name in _ORDER if name in names}
    known = gateway.registry.snapshot.integrations
    keys = {id_: one.key for id_, one in known.items() if one.key}
    fields["integrations"] = [keys.get(name, name) for name in record.integrations]
    return View(fields, _secrets(gateway, record))


def _secrets(gateway: Gateway, record: SubscriptionRecord) -> dict[str, str]:
    choices = open_choices(record.id, record, gateway.registry.sealer)
    found = {_SECRET: choices.secret}
    found |= {f"/headers/{escaped(name)}": value for name, value in choices.headers.items()}
    found |= {f"/settings/{escaped(n)}": choices.settings[n] for n in record.secret_settings}
    if choices.auth is not None:
        _, field = AUTH_FIELDS[choices.auth.type]
        found[f"/auth/{field}"] = choices.auth.value
    if record.sealed_url is not None:
        found["/url"] = choices.url
    return found


def integration_declaration(gateway: Gateway, record: IntegrationRecord) -> View:
    """Of `integration_view` what is not at its default."""
    view = integration_view(gateway, record)
    defaults = {name: field.default for name, field in IntegrationIn.model_fields.items()}
    defaults["name"] = record.type
    fields = {name: value for name, value in view.fields.items() if value != defaults[name]}
    return View(fields | _placeholder(view), view.secrets)


def subscription_declaration(gateway: Gateway, record: SubscriptionRecord) -> View:
    """Of `subscription_view` what is not at its default, for its destination at this gateway.

    Raises:
        InvalidRequestError: its destination is gone, or wants what it does not have.
    """
    view = subscription_view(gateway, record)
    choices = open_choices(record.id, record, gateway.registry.sealer)
    given: dict[str, Any] = {"destination": record.destination, "settings": dict(choices.settings)}
    if choices.url:
        given["url"] = choices.url
    plain, _ = subscriptions.new_record(gateway, SubscriptionIn(**given), given, record)
    usual = subscription_view(gateway, plain).fields
    fields = {n: value for n, value in view.fields.items() if value != usual[n]}
    for name in ("url", "settings"):
        if view.fields[name]:
            fields[name] = view.fields[name]
    destinations = gateway.registry.destinations
    default = find_destination(destinations, gateway.settings.default_destination)
    if default is None or record.destination != default.name:
        fields["destination"] = record.destination
    fields = {name: fields[name] for name in view.fields if name in fields}
    return View(fields | _placeholder(view), view.secrets)


def _placeholder(view: View) -> dict[str, str]:
    """``secret`` itself, which no answer shows: that there is one."""
    return {"secret": HIDDEN} if _SECRET in view.secrets else {}
