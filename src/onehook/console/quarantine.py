"""``/console/quarantine``: webhooks that could not be normalized, by cause, and how they leave."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onehook.console.filters import given, moments
from onehook.console.names import called, integration_names
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit

LIMIT = 200  # webhooks of a page: they are shown in groups
REASONS = ("no_rule", "mapping_error", "schema_violation", "unparsable", "empty_body")
REMEDIES: Mapping[str, str] = {
    "no_rule": "No rule of the mapping takes it: write one, or an ignore, in the playground.",
    "mapping_error": "The mapping could not make an event of it: try it in the playground.",
    "schema_violation": "A required field came out empty: mend its line in the mapping.",
    "unparsable": "The body is not what the platform sends: look at it, and at proxies between.",
    "empty_body": "The sender left the body out: tick the option there that includes it.",
}


@dataclass(slots=True)
class Group:
    """Webhooks that are here for the same cause."""

    platform: str
    integration_id: str
    reason: str
    detail: str
    event: str | None
    webhooks: list[Any] = field(default_factory=list[Any])


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """A page of the quarantine, grouped by cause, the largest group first."""

    title: str
    filters: Mapping[str, str]
    groups: Sequence[Group]
    count: int
    next: str | None
    reasons: Sequence[str]
    remedies: Mapping[str, str]
    integrations: Sequence[tuple[str, str]]
    names: Mapping[str, str]


async def listing(visit: Visit) -> Outcome:
    """What is in quarantine, by cause."""
    filters = given(visit.query, "integration", "reason", "since", "until")
    query = {**moments(filters), "cursor": visit.query.get("cursor", ""), "limit": LIMIT}
    answer = await visit.call("listQuarantine", query=query)
    integrations = integration_names(visit)
    page = QuarantinePage(
        title="Quarantine",
        filters=filters,
        groups=group(answer["data"]),
        count=len(answer["data"]),
        next=answer["next"],
        reasons=REASONS,
        remedies=REMEDIES,
        integrations=integrations,
        names=dict(integrations),
    )
    return Page("quarantine.html", page, fragment="results")


def group(webhooks: Sequence[Any]) -> list[Group]:
    """*webhooks* by integration, reason, the vendor's event, and detail."""
    groups: dict[tuple[str, ...], Group] = {}
    for one in webhooks:
        event, detail = one["event"], one["detail"]
        key = (one["integration_id"], one["reason"], event or "", detail)
        new = Group(one["platform"], one["integration_id"], one["reason"], detail, event)
        groups.setdefault(key, new).webhooks.append(one)
    return sorted(groups.values(), key=lambda one: -len(one.webhooks))


@dataclass(frozen=True, slots=True)
class QuarantinedPage:
    """One webhook in quarantine: why, and itself."""

    title: str
    webhook: Any
    body: str
    remedy: str
    name: str


async def show(visit: Visit) -> Outcome:
    """One webhook in quarantine."""
    webhook = await visit.call("getQuarantinedWebhook", {"id": visit.path["id"]})
    body = base64.b64decode(webhook["native"]["body_base64"]).decode("utf-8", "replace")
    page = QuarantinedPage(
        title="Webhook in quarantine",
        webhook=webhook,
        body=body,
        remedy=REMEDIES[webhook["reason"]],
        name=called(visit, webhook["integration_id"]),
    )
    return Page("quarantined.html", page)


async def retry(visit: Visit) -> Outcome:
    """Normalize one again with the mapping in use now."""
    id_ = visit.path["id"]
    done = await visit.call("retryQuarantinedWebhook", {"id": id_})
    if done["status"] == "quarantined":
        return Redirect(f"{PATH}/quarantine/{id_}", f"It stays here: {done['detail']}.")
    if done["events"]:
        made = done["events"][0]
        return Redirect(f"{PATH}/events/{made['id']}", f"It left quarantine as {made['type']}.")
    return Redirect(f"{PATH}/quarantine", f"It left quarantine: {done['status']}.")


async def retry_many(visit: Visit) -> Outcome:
    """Normalize all again, or those of an integration and reason."""
    body: dict[str, Any] = given(visit.form, "integration", "reason", "cursor")
    done = await visit.call("retryQuarantine", body=body)
    notice = (
        f"{done['accepted']} left quarantine as {done['events']} events, {done['ignored']} as "
        f"ignored; {done['quarantined']} stay."
    )
    if done["next"] is not None:
        notice += " There are more: press it again."
    return Redirect(f"{PATH}/quarantine", notice)


async def discard(visit: Visit) -> Outcome:
    """Drop one for good."""
    reason = visit.form.get("reason", "").strip()
    query = {"reason": reason}
    await visit.call("deleteQuarantinedWebhook", {"id": visit.path["id"]}, query=query)
    return Redirect(f"{PATH}/quarantine", "The webhook is gone.")
