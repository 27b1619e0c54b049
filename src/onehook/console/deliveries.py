"""``/console/deliveries``: what is on its way to whom, every attempt, and sending it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.filters import LIMIT, given, moments
from onehook.console.names import called, integration_names, subscription_names
from onehook.console.rendering import Page, Redirect, url
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit, own_path
from onehook.core.schema.events import EVENT_TYPES
from onehook.errors import OnehookError

FILTERS = (
    "subscription",
    "integration",
    "status",
    "type",
    "error",
    "http_status",
    "event",
    "since",
    "until",
)
STATUSES = ("pending", "delivered", "dead", "cancelled")
_AT_ONCE = 200  # deliveries of one form


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """A page of deliveries; *names*: of subscriptions, by id."""

    title: str
    filters: Mapping[str, str]
    deliveries: Sequence[Any]
    next: str | None
    types: Sequence[str]
    statuses: Sequence[str]
    integrations: Sequence[tuple[str, str]]
    subscriptions: Sequence[tuple[str, str]]
    names: Mapping[str, str]
    export: str


async def listing(visit: Visit) -> Outcome:
    """The deliveries that the filters mean."""
    filters = given(visit.query, *FILTERS)
    query = {**moments(filters), "cursor": visit.query.get("cursor", ""), "limit": LIMIT}
    answer = await visit.call("listDeliveries", query=query)
    subscriptions = subscription_names(visit)
    page = DeliveriesPage(
        title="Deliveries",
        filters=filters,
        deliveries=answer["data"],
        next=answer["next"],
        types=sorted(EVENT_TYPES),
        statuses=STATUSES,
        integrations=integration_names(visit),
        subscriptions=subscriptions,
        names=dict(subscriptions),
        export=url("", filters),
    )
    return Page("deliveries.html", page, fragment="results")


async def export(visit: Visit) -> Outcome:
    """All deliveries that the filters mean, as a file."""
    kinds = {"csv": "exportDeliveriesCsv", "jsonl": "exportDeliveriesJsonl"}
    return await visit.stream(kinds[visit.path["kind"]], moments(given(visit.query, *FILTERS)))


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One delivery with its attempts, the last first."""

    title: str
    delivery: Any
    attempts: Sequence[Any]
    name: str


async def show(visit: Visit) -> Outcome:
    """One delivery."""
    delivery = await visit.call("getDelivery", {"id": visit.path["id"]})
    page = DeliveryPage(
        title=f"Delivery of {delivery['event_type'] or delivery['event_id']}",
        delivery=delivery,
        attempts=list(reversed(delivery["attempts"] or [])),
        name=called(visit, delivery["subscription_id"]),
    )
    return Page("delivery.html", page)


async def retry(visit: Visit) -> Outcome:
    """Attempt one delivery at once."""
    id_ = visit.path["id"]
    await visit.call("retryDelivery", {"id": id_})
    return Redirect(f"{PATH}/deliveries/{id_}", "It is attempted now. Load the page to see how.")


async def retry_many(visit: Visit) -> Outcome:
    """Attempt the deliveries that were selected."""
    ids = visit.form.getall("delivery", [])[:_AT_ONCE]
    done, refused = 0, ""
    for id_ in ids:
        try:
            await visit.call("retryDelivery", {"id": id_})
            done += 1
        except OnehookError as error:
            refused = error.detail
    noun = "delivery is" if done == 1 else "deliveries are"
    notice = f"{done} {noun} attempted now." if ids else "Select deliveries first."
    if refused:
        notice += f" {len(ids) - done} could not be: {refused}."
    return Redirect(own_path(visit.form.get("to", f"{PATH}/deliveries")), notice)
