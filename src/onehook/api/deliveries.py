"""``/v1/deliveries``: what is on its way to whom, and every attempt made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from pydantic import BaseModel

from onehook.api.events import matches
from onehook.api.integrations import find_id
from onehook.api.pagination import POSITION, Pattern, TimedPage, decode_cursor, encode_cursor
from onehook.api.subscriptions import get_record
from onehook.core.model import delivery_id, split_delivery_id
from onehook.errors import NotFoundError
from onehook.store.attempts import AttemptRow
from onehook.store.deliveries import DeliveryState
from onehook.store.events import MAX_SCAN, SCAN
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

Status = Literal["pending", "delivered", "dead", "cancelled"]


class DeliveryQuery(TimedPage):
    """Which deliveries to list."""

    subscription: str | None = None
    integration: str | None = None
    event: str | None = None
    status: Status | None = None
    type: Pattern | None = None


class RequestOut(BaseModel):
    """What was sent; null ``body``: the event's retention has ended."""

    url: str
    headers: dict[str, str]
    body: str | None


class ResponseOut(BaseModel):
    """What came back: the first 4 KiB."""

    headers: dict[str, str]
    body: str


class AttemptOut(BaseModel):
    """One HTTP try."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str | None
    request: RequestOut
    response: ResponseOut


class DeliveryOut(BaseModel):
    """One event on its way to one subscription."""

    id: str
    subscription_id: str
    event_id: str
    event_type: str | None
    integration_id: str | None
    status: Status
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime | None
    finished_at: datetime | None
    last_status: int | None
    last_error: str | None
    attempts: list[AttemptOut] | None = None


class DeliveryList(BaseModel):
    """A page of deliveries."""

    data: list[DeliveryOut]
    next: str | None


class _Envelope(msgspec.Struct):
    """What deliveries show of an event."""

    type: str
    received_at: datetime
    integration: dict[str, str]


_read_envelope = msgspec.json.Decoder(_Envelope).decode


class _Row(msgspec.Struct):
    """A place in a list: enough to show a delivery, or to skip it."""

    position: str
    event_id: str
    type: str
    integration_id: str | None
    subscriptions: dict[str, DeliveryState]


async def listing(call: Call[NoBody, DeliveryQuery]) -> DeliveryList:
    """List deliveries, newest first. Those of one event are never split between two pages."""
    query, gateway = call.query, call.gateway
    snapshot = gateway.registry.snapshot
    subscription = get_record(snapshot, query.subscription).id if query.subscription else None
    integration = find_id(snapshot, query.integration) if query.integration else None
    position = decode_cursor(query.cursor, POSITION)
    found: list[DeliveryOut] = []
    seen, more = 0, True
    while more and len(found) < query.limit and seen < MAX_SCAN:
        rows = await _rows(gateway, query, subscription, position)
        more, seen = len(rows) == SCAN, seen + len(rows)
        for at, row in enumerate(rows):
            position = row.position
            if query.event is not None and row.event_id != query.event:
                continue
            if integration is not None and row.integration_id != integration:
                continue
            if query.type is not None and not matches(query.type, row.type):
                continue
            found += _shown(row, subscription, query.status)
            if len(found) >= query.limit:
                more = more or at < len(rows) - 1
                break
    await _add_moments(gateway, found)
    cursor = encode_cursor(position) if more and position else None
    return DeliveryList(data=found, next=cursor)


async def _rows(
    gateway: Gateway, query: DeliveryQuery, subscription: str | None, before: str | None
) -> list[_Row]:
    if subscription is None:
        entries = await gateway.events.index(
            since=query.since, until=query.until, before=before, count=SCAN
        )
        states = await gateway.deliveries.states([entry.event_id for entry in entries])
        return [
            _Row(e.position, e.event_id, e.type, e.integration_id, state)
            for e, state in zip(entries, states, strict=True)
        ]
    logged = await gateway.deliveries.log(
        subscription, since=query.since, until=query.until, before=before, count=SCAN
    )
    ids = [event_id for _, event_id, _ in logged]
    states = await gateway.deliveries.states(ids)
    sources = await _integrations(gateway, ids)
    return [
        _Row(position, event_id, type_, source, state)
        for (position, event_id, type_), state, source in zip(logged, states, sources, strict=True)
    ]


async def _integrations(gateway: Gateway, event_ids: Sequence[str]) -> list[str | None]:
    events = await gateway.events.find_events(event_ids)
    return [None if e is None else _read_envelope(e[1]).integration["id"] for e in events]


def _shown(row: _Row, subscription: str | None, status: Status | None) -> list[DeliveryOut]:
    return [
        _show(row, id_, state)
        for id_, state in row.subscriptions.items()
        if (subscription is None or id_ == subscription)
        and (status is None or state.status == status)
    ]


def _show(row: _Row, subscription_id: str, state: DeliveryState) -> DeliveryOut:
    created = datetime.fromtimestamp(int(row.position.partition("-")[0]) / 1000, UTC)
    return DeliveryOut(
        id=delivery_id(row.event_id, subscription_id),
        subscription_id=subscription_id,
        event_id=row.event_id,
        event_type=row.type,
        integration_id=row.integration_id,
        status=_status(state.status),
        attempt_count=state.attempt_count,
        next_attempt_at=None,
        created_at=created,
        finished_at=state.finished_at,
        last_status=state.last_status,
        last_error=state.last_error,
    )


def _status(text: str) -> Status:
    match text:
        case "delivered" | "dead" | "cancelled":
            return text
        case _:
            return "pending"


async def _add_moments(gateway: Gateway, found: Sequence[DeliveryOut]) -> None:
    pending = [delivery for delivery in found if delivery.status == "pending"]
    pairs = [(delivery.subscription_id, delivery.event_id) for delivery in pending]
    moments = await gateway.deliveries.next_moments(pairs) if pairs else []
    for delivery, moment in zip(pending, moments, strict=True):
        delivery.next_attempt_at = moment


async def read(call: Call[NoBody, NoQuery]) -> DeliveryOut:
    """Show one delivery with its attempts.

    Raises:
        NotFoundError: there is none, or its retention has ended.
    """
    gateway, id_ = call.gateway, call.path["id"]
    ids = split_delivery_id(id_)
    if ids is None:
        msg = f"there is no delivery {id_[:80]!r}"
        raise NotFoundError(msg)
    event_id, subscription_id = ids
    (states,) = await gateway.deliveries.states([event_id])
    state = states.get(subscription_id)
    if state is None:
        msg = f"there is no delivery {id_!r}, or its retention has ended"
        raise NotFoundError(msg)
    event = await gateway.events.find_event(event_id)
    envelope = None if event is None else _read_envelope(event[1])
    made = await gateway.deliveries.made_at(event_id)
    row = _Row(
        "0-0" if made is None else f"{round(made.timestamp() * 1000)}-0",
        event_id,
        "" if envelope is None else envelope.type,
        None if envelope is None else envelope.integration["id"],
        {},
    )
    shown = _show(row, subscription_id, state)
    rows = await gateway.deliveries.attempts(subscription_id, state.attempts)
    body = None if event is None else event[1].decode()
    shown.attempts = [_attempt(shown, attempt, body) for attempt in rows]
    await _add_moments(gateway, [shown])
    return shown


def _attempt(delivery: DeliveryOut, row: AttemptRow, body: str | None) -> AttemptOut:
    headers = {
        "content-type": "application/json",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(row.at.timestamp())),
        "webhook-signature": row.signature,
        "x-onehook-event": delivery.event_type or "",
        "x-onehook-delivery": delivery.id,
        "x-onehook-attempt": str(row.number),
    }
    return AttemptOut(
        number=row.number,
        at=row.at,
        duration_ms=row.duration_ms,
        status=row.status,
        error=row.error,
        detail=row.detail,
        request=RequestOut(url=row.url, headers=headers, body=body),
        response=ResponseOut(headers=row.response_headers, body=row.response_body),
    )


OPERATIONS = (
    Operation("GET", "/v1/deliveries", "listDeliveries", "List deliveries", listing,
              query=DeliveryQuery, answer=DeliveryList),
    Operation("GET", "/v1/deliveries/{id}", "getDelivery", "Show a delivery with its attempts",
              read, answer=DeliveryOut),
)  # fmt: skip
