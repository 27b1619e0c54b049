"""``/console/replays``: deliver again in bulk, count first, watch, cancel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from onehook.console.filters import given, narrowed, says, utc
from onehook.console.names import integration_names, subscription_names
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.core.schema.events import EVENT_TYPES
from onehook.errors import FieldError, InvalidRequestError

_FIELDS = ("since", "until", "integration", "subscription", "type", "status", "per_minute")
_USUAL = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReplaysPage:
    """Bulk replays, the newest first."""

    title: str
    filters: Mapping[str, str]
    replays: Sequence[Any]
    next: str | None
    names: Mapping[str, str]
    subscriptions: Sequence[tuple[str, str]]


async def listing(visit: Visit) -> Outcome:
    """The bulk replays there were, or those that the filters mean."""
    filters = given(visit.query, "q", "state", "subscription")
    found, next_ = await narrowed(
        visit, "listReplays", partial(_fits, filters) if filters else None
    )
    subscriptions = subscription_names(visit)
    names = dict([*subscriptions, *integration_names(visit)])
    page = ReplaysPage("Replays", filters, found, next_, names, subscriptions)
    return Page("replays.html", page)


def _fits(filters: Mapping[str, str], one: Any) -> bool:
    return (
        says(filters.get("q", ""), one["id"], one["type"])
        and filters.get("state", one["status"]) == one["status"]
        and filters.get("subscription", one["subscription"]) == one["subscription"]
    )


@dataclass(frozen=True, slots=True)
class NewReplayPage:
    """The form of a bulk replay, and what it would do if that was counted."""

    title: str
    values: Mapping[str, str]
    counted: Any
    detail: str | None
    errors: Sequence[FieldError]
    types: Sequence[str]
    integrations: Sequence[tuple[str, str]]
    subscriptions: Sequence[tuple[str, str]]


def _page(
    visit: Visit,
    values: Mapping[str, str],
    counted: Any = None,
    error: InvalidRequestError | None = None,
) -> Page:
    page = NewReplayPage(
        title="Replay in bulk",
        values=values,
        counted=counted,
        detail=None if error is None else error.detail,
        errors=() if error is None else error.errors,
        types=sorted(EVENT_TYPES),
        integrations=integration_names(visit),
        subscriptions=subscription_names(visit),
    )
    return Page("replay_new.html", page, status=200 if error is None else error.status)


async def form(visit: Visit) -> Outcome:
    """The form, filled with what the address says."""
    values = given(visit.query, *_FIELDS)
    if values.get("status") not in (None, "delivered", "dead"):
        del values["status"]
    if "since" not in values:
        since = visit.gateway.clock.now() - _USUAL
        values["since"] = since.strftime("%Y-%m-%dT%H:%M:%S")
    return _page(visit, values)


async def create(visit: Visit) -> Outcome:
    """Count what the form means, or begin."""
    values = given(visit.form, *_FIELDS)
    body: dict[str, Any] = dict(values)
    for name in ("since", "until"):
        if name in body:
            body[name] = utc(body[name])
    if "per_minute" in body and body["per_minute"].isdigit():
        body["per_minute"] = int(body["per_minute"])
    body["dry_run"] = visit.form.get("do") == "count"
    try:
        made = await visit.call("createReplay", body=body)
    except InvalidRequestError as error:
        return _page(visit, values, error=error)
    if body["dry_run"] and made["status"] == "done":
        return _page(visit, values, counted=made)
    return Redirect(f"{PATH}/replays/{made['id']}")


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """One bulk replay. *share*: how much of it is done, 0 to 100; null: it still counts."""

    title: str
    replay: Any
    share: int | None
    names: Mapping[str, str]


async def show(visit: Visit) -> Outcome:
    """How far a bulk replay is."""
    replay = await visit.call("getReplay", {"id": visit.path["id"]})
    names = dict([*subscription_names(visit), *integration_names(visit)])
    return Page("replay.html", ReplayPage("Replay", replay, _share(replay), names), "progress")


def _share(replay: Any) -> int | None:
    if replay["status"] != "running":
        return 100
    if replay["phase"] == "count":
        return None
    done: int = replay["queued"] + replay["skipped"]
    return min(99, 100 * done // max(int(replay["matched"]), 1))


async def cancel(visit: Visit) -> Outcome:
    """Stop a bulk replay."""
    id_ = visit.path["id"]
    await visit.call("cancelReplay", {"id": id_})
    return Redirect(f"{PATH}/replays/{id_}", "The replay is cancelled.")
