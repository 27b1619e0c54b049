"""``/console/integrations``: which platforms may send, what came, and connecting one."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from onehook.console.filters import given, narrowed, says
from onehook.console.integration_forms import changed, created, values_in, values_of
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.summaries import EventRow, event_row
from onehook.console.visits import Outcome, Visit
from onehook.core.notices import STATUS
from onehook.core.profiles.secrets import make_secret
from onehook.errors import FieldError, OnehookError
from onehook.store.events import SCAN
from onehook.store.statistics import Intake

_RECENT = 10
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """An integration, when its last webhook came, and how many ever."""

    integration: Any
    heard: datetime | None
    intake: Intake


@dataclass(frozen=True, slots=True)
class IntegrationsPage:
    """A page of integrations, the newest first."""

    title: str
    rows: Sequence[IntegrationRow]
    next: str | None
    filters: Mapping[str, str]
    types: Sequence[str]


async def listing(visit: Visit) -> Outcome:
    """All integrations, or those that the filters mean."""
    filters = given(visit.query, "q", "type", "state")
    found, next_ = await narrowed(
        visit, "listIntegrations", partial(_fits, filters) if filters else None
    )
    heard = await visit.gateway.notices.heard()
    totals = await visit.gateway.statistics.intake_totals()
    rows = [
        IntegrationRow(one, heard.get(one["id"]), totals.get(f"i:{one['id']}", Intake()))
        for one in found
    ]
    records = visit.gateway.registry.snapshot.integrations.values()
    types = sorted({one.type for one in records})
    page = IntegrationsPage("Integrations", rows, next_, filters, types)
    return Page("integrations.html", page)


def _fits(filters: Mapping[str, str], one: Any) -> bool:
    state = "active" if one["active"] else "inactive"
    return (
        says(filters.get("q", ""), one["name"], one["key"], one["id"])
        and filters.get("type", one["type"]) == one["type"]
        and filters.get("state", state) == state
    )


@dataclass(frozen=True, slots=True)
class NewIntegrationPage:
    """Choosing a platform, then its settings; null *platform*: it is yet to be chosen."""

    title: str
    platforms: Sequence[Any]
    platform: Any
    values: Mapping[str, str]
    detail: str | None
    errors: Sequence[FieldError]


async def new(visit: Visit) -> Outcome:
    """The platforms, or the form of one."""
    return await _new_page(visit, visit.query.get("type", ""), {})


async def _new_page(
    visit: Visit, type_: str, values: Mapping[str, str], error: OnehookError | None = None
) -> Page:
    platforms = (await visit.call("listPlatforms"))["data"]
    platform = next((one for one in platforms if one["type"] == type_), None)
    page = NewIntegrationPage(
        title="Add an integration" if platform is None else f"Connect {type_}",
        platforms=platforms,
        platform=platform,
        values=values,
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    return Page("integration_new.html", page, status=200 if error is None else error.status)


async def create(visit: Visit) -> Outcome:
    """Make it, then show what to do at the platform's side."""
    type_, body = visit.form.get("type", ""), created(visit.form)
    made_secret = _made_secret(visit, type_, body)
    try:
        made = await visit.call("createIntegration", body=body)
    except OnehookError as error:
        return await _new_page(visit, type_, dict(visit.form), error)
    return await _connect_page(visit, made, made_secret)


def _made_secret(visit: Visit, type_: str, body: dict[str, Any]) -> str | None:
    """A secret for a platform that lets us choose it, where none was typed."""
    file = visit.gateway.mappings.get(type_)
    spec = None if file is None else file.mapping.settings.get("secret")
    if spec is None or not spec.required or "secret" in body["settings"] or "verify" in body:
        typed: str | None = body["settings"].get("secret")
        return typed
    if visit.form.get("make_secret") != "1":
        return None
    body["settings"]["secret"] = make_secret(secrets.token_bytes(_SECRET_BYTES))
    return str(body["settings"]["secret"])


@dataclass(frozen=True, slots=True)
class ConnectPage:
    """What to do at the platform's side; *secret*: shown this once."""

    title: str
    integration: Any
    platform: Any
    secret: str | None
    heard: datetime | None
    first: EventRow | None


async def connect(visit: Visit) -> Outcome:
    """The steps again, and whether the first webhook came."""
    integration = await visit.call("getIntegration", {"id": visit.path["id"]})
    return await _connect_page(visit, integration, None)


async def _connect_page(visit: Visit, integration: Any, secret: str | None) -> Page:
    platforms = (await visit.call("listPlatforms"))["data"]
    heard = (await visit.gateway.notices.heard()).get(integration["id"])
    first = await _latest(visit, integration["id"])
    page = ConnectPage(
        title=f"Connect {integration['name']}",
        integration=integration,
        platform=next((one for one in platforms if one["type"] == integration["type"]), None),
        secret=secret,
        heard=heard,
        first=first,
    )
    return Page("integration_connect.html", page, fragment="waiting")


async def _latest(visit: Visit, id_: str) -> EventRow | None:
    """Its latest event, if that is among the newest of all: what waits asks again and again."""
    store = visit.gateway.events
    newest = await store.index(since=None, until=None, before=None, count=SCAN)
    # What the gateway tells of the integration carries its name, and is no webhook.
    mine = (one for one in newest if one.integration_id == id_ and one.type not in STATUS)
    event_id = next((one.event_id for one in mine), None)
    if event_id is None or not visit.allows("getEvent"):
        return None
    return event_row(await visit.call("getEvent", {"id": event_id}))


@dataclass(frozen=True, slots=True)
class Recent:
    """A webhook that came lately: an event of it, or what the quarantine tells of it."""

    at: datetime
    event: EventRow | None = None
    held: Any = None


async def _recent(visit: Visit, id_: str, held: Sequence[Any]) -> list[Recent]:
    """The latest webhooks of an integration, the newest first; *held*: those in quarantine."""
    found = [Recent(one["received_at"], held=one) for one in held]
    if visit.allows("listEvents"):
        answer = await visit.call("listEvents", query={"integration": id_, "limit": 2 * _RECENT})
        rows = [event_row(event) for event in answer["data"] if event["type"] not in STATUS]
        found += [Recent(row.received_at, event=row) for row in rows[:_RECENT]]
    return sorted(found, key=lambda one: one.at, reverse=True)


@dataclass(frozen=True, slots=True)
class IntegrationPage:
    """One integration and what came of it. *values*: what stands in its form."""

    title: str
    integration: Any
    values: Mapping[str, Any]
    platform: Any
    heard: datetime | None
    intake: Intake
    recent: Sequence[Recent]
    quarantined: int
    detail: str | None = None
    errors: Sequence[FieldError] = ()


async def show(visit: Visit) -> Outcome:
    """One integration."""
    return await _page(visit)


async def _page(
    visit: Visit, values: Mapping[str, Any] | None = None, error: OnehookError | None = None
) -> Page:
    integration = await visit.call("getIntegration", {"id": visit.path["id"]})
    id_ = integration["id"]
    platforms = (await visit.call("listPlatforms"))["data"]
    totals = await visit.gateway.statistics.intake_totals()
    held = await visit.call("listQuarantine", query={"integration": id_, "limit": _RECENT})
    page = IntegrationPage(
        title=integration["name"],
        integration=integration,
        values=values_of(integration) if values is None else values,
        platform=next((one for one in platforms if one["type"] == integration["type"]), None),
        heard=(await visit.gateway.notices.heard()).get(id_),
        intake=totals.get(f"i:{id_}", Intake()),
        recent=await _recent(visit, id_, held["data"]),
        quarantined=len(held["data"]),
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
    )
    return Page("integration.html", page, status=200 if error is None else error.status)


async def update(visit: Visit) -> Outcome:
    """Save what was changed."""
    id_ = visit.path["id"]
    saved = await visit.call("getIntegration", {"id": id_})
    try:
        await visit.call("updateIntegration", {"id": id_}, body=changed(visit.form, saved))
    except OnehookError as error:
        return await _page(visit, values_in(visit.form), error)
    return Redirect(f"{PATH}/integrations/{id_}", "It is saved.")


async def rotate(visit: Visit) -> Outcome:
    """Give it a new secret."""
    form, id_ = visit.form, visit.path["id"]
    body = {n: form[n] for n in ("secret", "setting", "overlap") if form.get(n)}
    try:
        await visit.call("rotateIntegrationSecret", {"id": id_}, body=body)
    except OnehookError as error:
        return await _page(visit, error=error)
    notice = (
        "The new secret is in use; set it at the platform now, the old one ends with the overlap."
    )
    return Redirect(f"{PATH}/integrations/{id_}", notice)


async def delete(visit: Visit) -> Outcome:
    """Remove it."""
    await visit.call("deleteIntegration", {"id": visit.path["id"]})
    return Redirect(f"{PATH}/integrations", "The integration is gone; its events stay.")
