"""``/console/subscriptions/new`` and ``…/{id}/settings``: making and changing a subscription.

A preview shows what it would send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.names import addresses, integration_names
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.subscription_forms import changed, created, values_in, values_of
from onehook.console.visits import Outcome, Visit
from onehook.core.profiles.table import DEFAULT_DESTINATION, PROFILES
from onehook.core.retry import PRESETS
from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES
from onehook.errors import FieldError, OnehookError

_USUAL_SAMPLE = "ticketing.ticket.created"
# What stands in the form of a new one.
_NEW: Mapping[str, Any] = {
    "name": "",
    "key": "",
    "url": "",
    "events": "",
    "integrations": (),
    "projects": "",
    "statuses": "",
    "filter": "",
    "profile": "",
    "prefix": "",
    "type_names": "",
    "body_template": "",
    "include_raw": "",
    "active": "1",
    "timeout": "",
    "retry": "",
    "ordering": "none",
    "concurrency": "",
    "max_backlog": "",
    "max_body_bytes": "",
    "rate_per_minute": "1000",
    "rate_burst": "",
    "pause_deliveries": "10",
    "pause_attempts": "",
    "headers": "",
    "auth_type": "",
    "auth_username": "",
    "auth_name": "",
    "settings": {},
    "sample": _USUAL_SAMPLE,
}
# The same with nothing in it: what a form that was sent leaves out.
_EMPTY: Mapping[str, Any] = {**dict.fromkeys(_NEW, ""), "integrations": (), "settings": {}}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A sample event as it would be sent; or why it cannot be."""

    request: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class FormPage:
    """The form; null *id*: of a new subscription."""

    title: str
    id: str | None
    saved: Any
    values: Mapping[str, Any]
    destination: Any
    destinations: Sequence[str]
    profiles: Sequence[str]
    presets: Sequence[str]
    types: Sequence[str]
    integrations: Sequence[tuple[str, str]]
    platforms: Sequence[str]
    preview: Rendered
    addresses: Sequence[str] | None  # where deliveries come from
    detail: str | None = None
    errors: Sequence[FieldError] = ()


async def new(visit: Visit) -> Outcome:
    """An empty form, or one that is filled from the address."""
    settings = visit.gateway.settings
    destination = visit.query.get("destination") or settings.default_destination
    values = {**_NEW, "destination": destination}
    values |= {n: v for n, v in visit.query.items() if n in ("name", "url", "events")}
    return await _page(visit, values)


async def create(visit: Visit) -> Outcome:
    """Make it, or show a preview."""
    values = {**_EMPTY, **values_in(visit.form)}
    if visit.form.get("do") == "preview":
        return await _page(visit, values)
    try:
        made = await visit.call("createSubscription", body=created(values))
    except OnehookError as error:
        return await _page(visit, values, error=error)
    return Page("subscription_secret.html", SecretPage(f"{_called(made)} is made", made, new=True))


async def edit(visit: Visit) -> Outcome:
    """The form of a saved one."""
    saved = await visit.call("getSubscription", {"id": visit.path["id"]})
    return await _page(visit, {**values_of(saved), "sample": _USUAL_SAMPLE}, saved)


async def update(visit: Visit) -> Outcome:
    """Save it, or show a preview."""
    id_ = visit.path["id"]
    saved = await visit.call("getSubscription", {"id": id_})
    values = {**_EMPTY, **values_in(visit.form)}
    if visit.form.get("do") == "preview":
        return await _page(visit, values, saved)
    try:
        made = await visit.call("updateSubscription", {"id": id_}, body=changed(values, saved))
    except OnehookError as error:
        return await _page(visit, values, saved, error)
    warned: Sequence[Any] = made["warnings"] or ()
    warnings = "".join(f" {one['pointer']} {one['detail']}." for one in warned)
    return Redirect(f"{PATH}/subscriptions/{made['id']}/settings", f"It is saved.{warnings}")


async def _page(
    visit: Visit, values: Mapping[str, Any], saved: Any = None, error: OnehookError | None = None
) -> Page:
    registry = visit.gateway.registry
    name = saved["destination"] if saved is not None else values.get("destination", "")
    fallback = registry.destinations[visit.gateway.settings.default_destination]
    page = FormPage(
        title="Add a subscription" if saved is None else _called(saved),
        id=None if saved is None else saved["id"],
        saved=saved,
        values=values,
        destination=registry.destinations.get(name, fallback),
        destinations=sorted(registry.destinations, key=_generic_first),
        profiles=list(PROFILES),
        presets=list(PRESETS),
        types=sorted({*EVENT_TYPES, *ALIASES}),
        integrations=integration_names(visit),
        platforms=list(visit.gateway.mappings),
        preview=await _preview(visit, values, saved),
        addresses=await addresses(visit),
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    status = 200 if error is None else error.status
    return Page("subscription_form.html", page, fragment="preview", status=status)


def _generic_first(name: str) -> tuple[bool, str]:
    return name != DEFAULT_DESTINATION, name


async def _preview(visit: Visit, values: Mapping[str, Any], saved: Any) -> Rendered:
    sample = str(values.get("sample") or _USUAL_SAMPLE)
    which = "event_id" if sample.startswith("evt_") else "event_type"
    try:
        if saved is None:
            body = created(values)
            if not body.get("url"):
                body["url"] = "https://receiver.example.com/"
        else:
            body = {**changed(values, saved), "webhook_id": saved["id"]}
        body = {**body, which: sample}
        # Only what the request is made of; the rest may be half typed.
        for name in ("rate_limit", "pause_after", "key", "name", "retry", "timeout", "filter"):
            body.pop(name, None)
        rendered = await visit.call("previewSubscription", body=body)
    except OnehookError as error:
        return Rendered(None, error.detail)
    return Rendered(rendered, rendered["error"])


@dataclass(frozen=True, slots=True)
class SecretPage:
    """A subscription whose secret can be read this once. *new*: it was just made."""

    title: str
    subscription: Any
    new: bool


async def rotate(visit: Visit) -> Outcome:
    """Give it a new secret, and show that."""
    body = {n: visit.form[n] for n in ("secret", "overlap") if visit.form.get(n)}
    made = await visit.call("rotateSubscriptionSecret", {"id": visit.path["id"]}, body=body)
    return Page("subscription_secret.html", SecretPage("A new secret", made, new=False))


def _called(subscription: Any) -> str:
    return str(subscription["name"] or subscription["key"] or subscription["id"])
