"""``/v1/deliveries``: what is on its way to whom, and every attempt made."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from pydantic import BaseModel

from onehook.api.pagination import LOG_POSITION, Page, decode_cursor, encode_cursor
from onehook.api.selection import DeliveryFilter, Row, Status, pages, resolve
from onehook.core.model import EventId, SubscriptionId, delivery_id, split_delivery_id
from onehook.errors import NotFoundError
from onehook.store.archive import ArchiveReader
from onehook.store.attempts import AttemptRow, sent_body
from onehook.store.deliveries import DeliveryState
from onehook.store.events import SCAN
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

MAX_SEEN = 2000  # events looked at for one page, however few fit: each costs a read of its states


class DeliveryQuery(DeliveryFilter, Page):
    """Which deliveries to list."""


class RequestOut(BaseModel):
    """What was sent, secrets blanked; empty ``url``: it was pulled.

    Null ``body``: the event's retention has ended.
    """

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
    integration: dict[str, str]


_read_envelope = msgspec.json.Decoder(_Envelope).decode


async def listing(call: Call[NoBody, DeliveryQuery]) -> DeliveryList:
    """List deliveries, newest first. Those of one event are never split between two pages."""
    query, gateway = call.query, call.gateway
    selection = resolve(gateway, query)
    position = decode_cursor(query.cursor, LOG_POSITION)
    found: list[DeliveryOut] = []
    seen, more = 0, True
    async for rows in pages(gateway, selection, position):
        more, seen = len(rows) == SCAN, seen + len(rows)
        for at, row in enumerate(rows):
            position = row.position
            found += [show(row, id_, s) for id_, s in selection.chosen(row).items()]
            if len(found) >= query.limit:
                more = more or at < len(rows) - 1
                break
        if len(found) >= query.limit or seen >= MAX_SEEN:
            break
    await add_moments(gateway, found)
    cursor = encode_cursor(position) if more and position else None
    return DeliveryList(data=found, next=cursor)


def show(row: Row, subscription_id: str, state: DeliveryState) -> DeliveryOut:
    """The delivery of *row* to that subscription, without its next moment and its attempts."""
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


async def add_moments(gateway: Gateway, found: Sequence[DeliveryOut]) -> None:
    """Say of those that are pending when they are acted on next."""
    pending = [delivery for delivery in found if delivery.status == "pending"]
    pairs = [(delivery.subscription_id, delivery.event_id) for delivery in pending]
    moments = await gateway.deliveries.next_moments(pairs) if pairs else []
    for delivery, moment in zip(pending, moments, strict=True):
        delivery.next_attempt_at = moment


async def add_attempts(
    gateway: Gateway,
    found: Sequence[tuple[DeliveryOut, DeliveryState, bytes | None]],
    reader: ArchiveReader | None = None,
) -> None:
    """Add the attempts of each delivery; with it its event's JSON, None once that expired."""
    places = [(d.subscription_id, at) for d, state, _ in found for at in state.attempts]
    rows = await gateway.history.find(places, reader)
    for delivery, state, event in found:
        body = None if event is None else event.decode()
        some = (rows.get((delivery.subscription_id, at)) for at in state.attempts)
        delivery.attempts = [_attempt(delivery, row, body) for row in some if row is not None]


def _attempt(delivery: DeliveryOut, row: AttemptRow, body: str | None) -> AttemptOut:
    if not row.url:  # it was pulled: nothing was sent
        request = RequestOut(url="", headers={}, body=body)
    elif row.sent is None:
        request = RequestOut(url=row.url, headers=_usual_headers(delivery, row), body=body)
    else:
        request = RequestOut(url=row.url, headers=row.sent.headers, body=sent_body(row.sent))
    return AttemptOut(
        number=row.number,
        at=row.at,
        duration_ms=row.duration_ms,
        status=row.status,
        error=row.error,
        detail=row.detail,
        request=request,
        response=ResponseOut(headers=row.response_headers, body=row.response_body),
    )


def _usual_headers(delivery: DeliveryOut, row: AttemptRow) -> dict[str, str]:
    """What the default profile sent: all of it follows from the ids and the signature."""
    return {
        "content-type": "application/json",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(int(row.at.timestamp())),
        "webhook-signature": row.signature,
        "x-onehook-event": delivery.event_type or "",
        "x-onehook-delivery": delivery.id,
        "x-onehook-attempt": str(row.number),
    }


def get_ids(text: str) -> tuple[EventId, SubscriptionId]:
    """Event and subscription of a delivery id.

    Raises:
        NotFoundError: it is none.
    """
    ids = split_delivery_id(text)
    if ids is None:
        msg = f"there is no delivery {text[:80]!r}"
        raise NotFoundError(msg)
    return ids


async def read(call: Call[NoBody, NoQuery]) -> DeliveryOut:
    """Show one delivery with its attempts.

    Raises:
        NotFoundError: there is none, or its retention has ended.
    """
    return await describe(call.gateway, *get_ids(call.path["id"]))


async def describe(
    gateway: Gateway, event_id: EventId, subscription_id: SubscriptionId
) -> DeliveryOut:
    """A delivery with its attempts.

    Raises:
        NotFoundError: there is none, or its retention has ended.
    """
    (states,) = await gateway.deliveries.states([event_id])
    state = states.get(subscription_id)
    if state is None:
        id_ = delivery_id(event_id, subscription_id)
        msg = f"there is no delivery {id_!r}, or its retention has ended"
        raise NotFoundError(msg)
    event = await gateway.events.find_event(event_id)
    body = None if event is None else event[1]
    made = await gateway.deliveries.made_at(event_id)
    position = "0-0" if made is None else f"{round(made.timestamp() * 1000)}-0"
    row = Row(position, event_id, "", None, states)
    if body is not None:
        envelope = _read_envelope(body)
        row.type, row.integration_id = envelope.type, envelope.integration["id"]
    elif made is not None:
        logged = await gateway.deliveries.find_logged(subscription_id, event_id, made)
        if logged is not None:
            row.type, row.integration_id = logged.type, logged.integration_id
    shown = show(row, subscription_id, state)
    await add_attempts(gateway, [(shown, state, body)])
    await add_moments(gateway, [shown])
    return shown


OPERATIONS = (
    Operation("GET", "/v1/deliveries", "listDeliveries", "List deliveries", listing,
              query=DeliveryQuery, answer=DeliveryList, scopes=["subscriber"]),
    Operation("GET", "/v1/deliveries/{id}", "getDelivery", "Show a delivery with its attempts",
              read, answer=DeliveryOut, scopes=["subscriber"]),
)  # fmt: skip
