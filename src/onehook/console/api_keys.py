"""``/console/settings/keys``: who may sign in and call the API, to do what, for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onehook.console.filters import given, narrowed, says, utc
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.errors import FieldError, OnehookError
from onehook.store.records import Scope

# Each scope, and what it is for.
SCOPES: Mapping[Scope, str] = {
    "read": "see everything, change nothing",
    "subscriber": "subscriptions, deliveries, replays and events",
    "ingest-admin": "integrations, mappings and the quarantine",
    "admin": "everything",
}


@dataclass(frozen=True, slots=True)
class KeysPage:
    """A page of API keys, the newest first. *mine*: the id of the one that signed in."""

    title: str
    filters: Mapping[str, str]
    keys: Sequence[Any]
    next: str | None
    mine: str
    scopes: Mapping[Scope, str]
    values: Mapping[str, Any]
    detail: str | None = None
    errors: Sequence[FieldError] = ()


async def listing(visit: Visit) -> Outcome:
    """The API keys of the tenant."""
    return await _page(visit, {"scopes": ["read"]})


async def _page(visit: Visit, values: Mapping[str, Any], error: OnehookError | None = None) -> Page:
    filters = given(visit.query, "q", "scope")
    found, next_ = await narrowed(visit, "listKeys", partial(_fits, filters) if filters else None)
    page = KeysPage(
        title="API keys",
        filters=filters,
        keys=found,
        next=next_,
        mine=visit.access.key_id,
        scopes=SCOPES,
        values=values,
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    return Page("keys.html", page, status=200 if error is None else error.status)


def _fits(filters: Mapping[str, str], one: Any) -> bool:
    scope = filters.get("scope")
    return says(filters.get("q", ""), one["name"], one["id"]) and scope in (None, *one["scopes"])


@dataclass(frozen=True, slots=True)
class KeyMadePage:
    """A new API key, shown this once."""

    title: str
    key: Any


async def create(visit: Visit) -> Outcome:
    """Make one, and show it this once."""
    form = visit.form
    values = {**form, "scopes": form.getall("scopes", [])}
    body: dict[str, Any] = {"name": form.get("name", ""), "scopes": values["scopes"]}
    if form.get("expires_at"):
        body["expires_at"] = utc(form["expires_at"])
    try:
        made = await visit.call("createKey", body=body)
    except OnehookError as error:
        return await _page(visit, values, error)
    return Page("key_made.html", KeyMadePage(f"{made['name']} is made", made))


async def revoke(visit: Visit) -> Outcome:
    """Revoke one; whoever signed in with it is out."""
    await visit.call("revokeKey", {"id": visit.path["id"]})
    return Redirect(f"{PATH}/settings/keys", "The key is revoked: nothing takes it any more.")
