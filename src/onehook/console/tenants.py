"""``/console/settings/tenants``: whose integrations, subscriptions, events and keys there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.filters import given, narrowed, says
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.subscription_forms import number_in, retry_in
from onehook.console.visits import Outcome, Visit
from onehook.core.profiles.table import PROFILES
from onehook.core.retry import PRESETS
from onehook.errors import FieldError, OnehookError

_QUOTAS = ("max_subscriptions", "max_integrations", "events_per_minute")
_DEFAULTS = ("profile", "prefix", "destination", "retry", "timeout")
_TENANTS = f"{PATH}/settings/tenants"


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant, and how much it has."""

    tenant: Any
    integrations: int
    subscriptions: int
    keys: int


@dataclass(frozen=True, slots=True)
class TenantsPage:
    """A page of tenants by their ids, and the form of a new one."""

    title: str
    filters: Mapping[str, str]
    rows: Sequence[TenantRow]
    next: str | None
    values: Mapping[str, str]
    profiles: Sequence[str]
    destinations: Sequence[str]
    presets: Sequence[str]
    detail: str | None = None
    errors: Sequence[FieldError] = ()


@dataclass(frozen=True, slots=True)
class TenantPage:
    """One tenant, and the form that changes it."""

    title: str
    row: TenantRow
    values: Mapping[str, str]
    profiles: Sequence[str]
    destinations: Sequence[str]
    presets: Sequence[str]
    detail: str | None = None
    errors: Sequence[FieldError] = ()


async def listing(visit: Visit) -> Outcome:
    """All tenants."""
    return await _list(visit, dict.fromkeys(("id", "name", *_QUOTAS, *_DEFAULTS), ""))


async def _list(visit: Visit, values: Mapping[str, str], error: OnehookError | None = None) -> Page:
    filters = given(visit.query, "q")
    words = filters.get("q", "")
    found, next_ = await narrowed(
        visit,
        "listTenants",
        (lambda one: says(words, one["name"], one["id"])) if filters else None,
    )
    page = TenantsPage(
        title="Tenants",
        filters=filters,
        rows=[_row(visit, one) for one in found],
        next=next_,
        values=values,
        profiles=list(PROFILES),
        destinations=sorted(visit.gateway.registry.destinations),
        presets=list(PRESETS),
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    return Page("tenants.html", page, status=200 if error is None else error.status)


def _row(visit: Visit, tenant: Any) -> TenantRow:
    registry = visit.gateway.registry.of(tenant["id"])
    snapshot = registry.snapshot
    counts = len(snapshot.integrations), len(snapshot.subscriptions), len(registry.api_keys)
    return TenantRow(tenant, *counts)


async def create(visit: Visit) -> Outcome:
    """Make one."""
    body = _body(visit.form)
    body["id"] = visit.form.get("id", "")
    try:
        made = await visit.call("createTenant", body=body)
    except OnehookError as error:
        return await _list(visit, dict(visit.form), error)
    notice = "The tenant is made. Act for it to give it an API key of its own."
    return Redirect(f"{_TENANTS}/{made['id']}", notice)


async def show(visit: Visit) -> Outcome:
    """One tenant."""
    return await _one(visit)


async def _one(
    visit: Visit, values: Mapping[str, str] | None = None, error: OnehookError | None = None
) -> Page:
    tenant = await visit.call("getTenant", {"id": visit.path["id"]})
    page = TenantPage(
        title=tenant["name"],
        row=_row(visit, tenant),
        values=_values(tenant) if values is None else values,
        profiles=list(PROFILES),
        destinations=sorted(visit.gateway.registry.destinations),
        presets=list(PRESETS),
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    return Page("tenant.html", page, status=200 if error is None else error.status)


async def update(visit: Visit) -> Outcome:
    """Save what was changed."""
    id_ = visit.path["id"]
    try:
        await visit.call("updateTenant", {"id": id_}, body=_body(visit.form))
    except OnehookError as error:
        return await _one(visit, dict(visit.form), error)
    return Redirect(f"{_TENANTS}/{id_}", "It is saved.")


async def delete(visit: Visit) -> Outcome:
    """Remove one that has nothing any more."""
    await visit.call("deleteTenant", {"id": visit.path["id"]})
    return Redirect(_TENANTS, "The tenant is gone; its events end with their retention.")


def _values(tenant: Any) -> dict[str, str]:
    """What stands in the form of a saved *tenant*."""
    defaults = {name: tenant["defaults"][name] for name in _DEFAULTS}
    retry: str | list[str] | None = defaults["retry"]
    if isinstance(retry, list):
        defaults["retry"] = ", ".join(retry)
    given = {"name": tenant["name"], **tenant["quotas"], **defaults}
    return {name: "" if value is None else str(value) for name, value in given.items()}


def _body(form: Mapping[str, str]) -> dict[str, Any]:
    """The API's fields that *form* means; null where one is empty."""
    defaults: dict[str, Any] = {name: form.get(name) or None for name in _DEFAULTS}
    defaults["retry"] = retry_in(form.get("retry"))
    return {
        "name": form.get("name") or None,
        "quotas": {name: number_in(form.get(name)) for name in _QUOTAS},
        "defaults": defaults,
    }
