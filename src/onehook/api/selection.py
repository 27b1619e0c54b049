"""Which deliveries a query means, and the walk over them, newest first, a page at a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from onehook.api.integrations import find_id
from onehook.api.pagination import Pattern, Period
from onehook.api.subscriptions import get_record
from onehook.core.routing import matches
from onehook.store.deliveries import DeliveryState
from onehook.store.events import SCAN
from onehook.web.gateway import Gateway

Status = Literal["pending", "delivered", "dead", "cancelled"]


class DeliveryFilter(Period):
    """Which deliveries are meant.

    ``error`` and ``http_status`` are those of the last attempt; what was made in the time from
    ``since`` until ``until``.
    """

    subscription: str | None = None
    integration: str | None = None
    event: str | None = None
    status: Status | None = None
    type: Pattern | None = None
    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None


class Row(msgspec.Struct):
    """A place in a list: an event and its deliveries."""

    position: str
    event_id: str
    type: str
    integration_id: str | None
    deliveries: dict[str, DeliveryState]  # by subscription


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter with its names resolved to ids."""

    subscription: str | None
    integration: str | None
    event: str | None
    status: str | None
    type: str | None
    error: str | None
    http_status: int | None
    since: datetime | None
    until: datetime | None

    def chosen(self, row: Row) -> dict[str, DeliveryState]:
        """The deliveries of *row* that are meant, by subscription."""
        if (
            (self.event is not None and row.event_id != self.event)
            or (self.integration is not None and row.integration_id != self.integration)
            or (self.type is not None and not matches(self.type, row.type))
        ):
            return {}
        return {id_: s for id_, s in row.deliveries.items() if self._takes(id_, s)}

    def _takes(self, subscription_id: str, state: DeliveryState) -> bool:
        return (
            (self.subscription is None or subscription_id == self.subscription)
            and (self.status is None or state.status == self.status)
            and (self.error is None or state.last_error == self.error)
            and (self.http_status is None or state.last_status == self.http_status)
        )


def resolve(gateway: Gateway, query: DeliveryFilter) -> Selection:
    """What *query* means.

    Raises:
        NotFoundError: it names a subscription or integration that is not there.
    """
    snapshot = gateway.registry.snapshot
    return Selection(
        get_record(snapshot, query.subscription).id if query.subscription else None,
        find_id(snapshot, query.integration) if query.integration else None,
        query.event,
        query.status,
        query.type,
        query.error,
        query.http_status,
        query.since,
        query.until,
    )


async def pages(
    gateway: Gateway, selection: Selection, before: str | None
) -> AsyncIterator[list[Row]]:
    """The rows among which *selection* is, `SCAN` at once; fewer are the last."""
    while True:
        rows = await _page(gateway, selection, before)
        yield rows
        if len(rows) < SCAN:
            return
        before = rows[-1].position


async def _page(gateway: Gateway, selection: Selection, before: str | None) -> list[Row]:
    """Where one subscription is meant, what it got is listed by itself."""
    since, until, one = selection.since, selection.until, selection.subscription
    if one is None:
        found = await gateway.events.index(since=since, until=until, before=before, count=SCAN)
    else:
        found = await gateway.deliveries.log(
            one, since=since, until=until, before=before, count=SCAN
        )
    states = await gateway.deliveries.states([entry.event_id for entry in found])
    return [
        Row(entry.position, entry.event_id, entry.type, entry.integration_id, state)
        for entry, state in zip(found, states, strict=True)
    ]
