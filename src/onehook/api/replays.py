"""Deliver again: one delivery, one event, or in bulk (``/v1/replays``).

Whatever is delivered again has the ids that it had, the whole schedule of retries before it, and
the header ``x-onehook-replay: true``.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from onehook.api.deliveries import DeliveryOut, describe, get_ids
from onehook.api.events import get_event
from onehook.api.integrations import find_id
from onehook.api.pagination import (
    IDENTIFIER,
    Moment,
    Page,
    Pattern,
    decode_cursor,
    encode_cursor,
)
from onehook.api.subscriptions import get_record
from onehook.core.lineage import stored_event
from onehook.core.model import Subscription, delivery_id
from onehook.errors import (
    ConflictError,
    FieldError,
    GoneError,
    InvalidRequestError,
    NotFoundError,
)
from onehook.ids import new_id
from onehook.store.deliveries import DeliveryState
from onehook.store.events import IndexEntry
from onehook.store.replays import Replay, ReplaySpec, to_replay
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

COUNTING = 20.0  # seconds that the answer to a new replay waits for its count
_PAUSE = 0.05


class EventReplay(Form):
    """To whom an event is to go again; without ``subscriptions`` to all that it went to.

    One that is named gets it whatever its own wishes are.
    """

    subscriptions: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=64)]],
            Field(min_length=1, max_length=100),
        ]
        | None
    ) = None


class ReplayedOut(BaseModel):
    """What became of one delivery of a replayed event.

    ``pending``: it is on its way anyway; ``inactive``: nothing is routed to the subscription;
    ``cancelled``: the subscription it was for is gone.
    """

    subscription_id: str
    delivery_id: str
    outcome: Literal["queued", "pending", "inactive", "cancelled"]


class ReplayedList(BaseModel):
    """What became of a replayed event; the list has one page."""

    data: list[ReplayedOut]
    next: str | None


class ReplayIn(Form):
    """A bulk replay: deliver again what came from ``since`` until ``until`` (now).

    Without ``subscription`` every delivery is made again; with it those to that subscription, and
    what it wants as it is now and never got. ``status`` takes only what was ``delivered``, or is
    ``dead``. ``dry_run`` counts. ``per_minute``: deliveries made due a minute; without it, as
    many as the subscribers take.
    """

    since: Moment
    until: Moment | None = None
    integration: str | None = None
    subscription: str | None = None
    type: Pattern | None = None
    status: Literal["delivered", "dead"] | None = None
    dry_run: bool = False
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class ReplayOut(BaseModel):
    """A bulk replay.

    ``matched`` counts events, and grows first, while ``phase`` is ``count``; ``queued`` and
    ``skipped`` count deliveries: made due, and left as they are because they were on their way
    anyway or their event expired meanwhile.
    """

    id: str
    status: Literal["running", "done", "cancelled"]
    phase: Literal["count", "queue", "finish"]
    matched: int
    queued: int
    skipped: int
    since: datetime | None
    until: datetime
    integration: str | None
    subscription: str | None
    type: str | None
    filter_status: Literal["delivered", "dead"] | None
    dry_run: bool
    per_minute: int | None
    created_at: datetime
    finished_at: datetime | None


class ReplayList(BaseModel):
    """A page of bulk replays."""

    data: list[ReplayOut]
    next: str | None


# -- one delivery, one event ----------------------------------------------------------------------


async def retry(call: Call[NoBody, NoQuery]) -> DeliveryOut:
    """Attempt a delivery at once: bring a pending one forward, make an ended one again.

    Raises:
        ConflictError: it was cancelled, or its subscription is gone or not active.
        GoneError: its event has expired.
        NotFoundError: there is none.
    """
    gateway = call.gateway
    event_id, subscription_id = get_ids(call.path["id"])
    shown = await describe(gateway, event_id, subscription_id)
    subscription = gateway.registry.snapshot.targets.get(subscription_id)
    if subscription is None or shown.status == "cancelled":
        msg = "the delivery was cancelled: its subscription is gone, or its event expired"
        raise ConflictError(msg)
    if not subscription.active:
        msg = "the subscription is not active, so nothing is sent to it: activate it first"
        raise ConflictError(msg)
    found = await gateway.events.find_event(event_id)
    outcome = "gone"
    if found is not None:
        entry = _entry(found[1])
        item = to_replay(subscription, entry, found[0], hurry=True)
        (outcome,) = await gateway.replays.replay([item])
    if outcome == "gone":
        msg = "the event is no longer kept; only what became of it is"
        raise GoneError(msg)
    return await describe(gateway, event_id, subscription_id)


def _entry(body: bytes) -> IndexEntry:
    event, integration = stored_event(body)
    return IndexEntry("", event.id, event.type, integration.id)


async def replay_event(call: Call[EventReplay, NoQuery]) -> ReplayedList:
    """Deliver an event again, to all that it went to or to those named.

    Raises:
        ConflictError: it is on its way anyway, or went to nobody.
        GoneError: it has expired.
        NotFoundError: there is none.
    """
    gateway, event_id = call.gateway, call.path["id"]
    (states,) = await gateway.deliveries.states([event_id])
    try:
        webhook_id, body = await get_event(gateway, event_id)
    except NotFoundError:
        if not states:
            raise
        msg = "the event is no longer kept; only what became of it is"
        raise GoneError(msg) from None
    targets = _targets(gateway, call.body.subscriptions, states)
    entry = _entry(body)
    active = [one for one in targets if one.active]
    items = [to_replay(one, entry, webhook_id) for one in active]
    outcomes = dict(
        zip((one.id for one in active), await gateway.replays.replay(items), strict=True)
    )
    found = [_replayed(event_id, one, outcomes.get(one.id, "inactive")) for one in targets]
    if not any(one.outcome == "queued" for one in found):
        said = ", ".join(f"{one.subscription_id}: {one.outcome}" for one in found)
        msg = f"nothing is delivered again ({said})"
        if not found:
            msg = "the event went to nobody who is still there: name subscriptions"
        raise ConflictError(msg)
    return ReplayedList(data=found, next=None)


def _targets(
    gateway: Gateway, names: list[str] | None, states: dict[str, DeliveryState]
) -> list[Subscription]:
    """The subscriptions that are named, or those that there are deliveries to.

    Raises:
        InvalidRequestError: one is named that is not there.
    """
    snapshot = gateway.registry.snapshot
    if names is None:
        return [snapshot.targets[id_] for id_ in states if id_ in snapshot.targets]
    found: dict[str, Subscription] = {}
    for at, name in enumerate(names):
        try:
            id_ = get_record(snapshot, name).id
        except NotFoundError as error:
            where = FieldError(f"/subscriptions/{at}", error.detail)
            raise InvalidRequestError(error.detail, errors=[where]) from None
        found[id_] = snapshot.targets[id_]
    return list(found.values())


def _replayed(event_id: str, subscription: Subscription, outcome: str) -> ReplayedOut:
    shown: Literal["queued", "pending", "inactive", "cancelled"]
    match outcome:
        case "queued" | "inactive" | "cancelled":
            shown = outcome
        case _:
            shown = "pending"
    return ReplayedOut(
        subscription_id=subscription.id,
        delivery_id=delivery_id(event_id, subscription.id),
        outcome=shown,
    )


# -- in bulk --------------------------------------------------------------------------------------


async def create(call: Call[ReplayIn, NoQuery]) -> ReplayOut:
    """Begin a bulk replay; answered once its events are counted, or after some seconds.

    Raises:
        InvalidRequestError: it names what is not there, or a time that ends before it begins.
    """
    gateway, body = call.gateway, call.body
    now = gateway.clock.now()
    latest = await gateway.replays.now() + timedelta(milliseconds=1)  # what came up to now
    until = latest if body.until is None else min(body.until, latest)
    if until <= body.since:
        detail = "since is not before until and now"
        raise InvalidRequestError(detail, errors=[FieldError("/since", detail)])
    spec = ReplaySpec(
        id=new_id("rpl", now),
        since=body.since,
        until=until,
        integration=_integration(gateway, body.integration),
        subscription=_subscription(gateway, body.subscription),
        type=body.type,
        status=body.status,
        dry_run=body.dry_run,
        per_minute=body.per_minute,
        created_at=now,
    )
    await gateway.replays.create(spec)
    gateway.replay_began()
    loop = asyncio.get_running_loop()
    patience = loop.time() + COUNTING
    replay = await _get(gateway, spec.id)
    while _is_counting(replay) and loop.time() < patience:
        await asyncio.sleep(_PAUSE)
        replay = await _get(gateway, spec.id)
    return show(replay)


def _is_counting(replay: Replay) -> bool:
    """Whether what the answer is waited for is still to come: for a dry run that is all of it."""
    return replay.status == "running" and (replay.place.phase == "count" or replay.spec.dry_run)


def _integration(gateway: Gateway, name: str | None) -> str | None:
    try:
        return None if name is None else find_id(gateway.registry.snapshot, name)
    except NotFoundError as error:
        where = FieldError("/integration", error.detail)
        raise InvalidRequestError(error.detail, errors=[where]) from None


def _subscription(gateway: Gateway, name: str | None) -> str | None:
    try:
        return None if name is None else get_record(gateway.registry.snapshot, name).id
    except NotFoundError as error:
        where = FieldError("/subscription", error.detail)
        raise InvalidRequestError(error.detail, errors=[where]) from None


async def _get(gateway: Gateway, replay_id: str) -> Replay:
    """A bulk replay.

    Raises:
        NotFoundError: there is none.
    """
    found = await gateway.replays.find(replay_id)
    if found is None:
        msg = f"there is no replay {replay_id[:80]!r}, or it ended long ago"
        raise NotFoundError(msg)
    return found


def show(replay: Replay) -> ReplayOut:
    """*replay* as the API shows it."""
    spec = replay.spec
    return ReplayOut(
        id=spec.id,
        status=replay.status,
        phase=replay.place.phase,
        matched=replay.matched,
        queued=replay.queued,
        skipped=replay.skipped,
        since=spec.since,
        until=spec.until,
        integration=spec.integration,
        subscription=spec.subscription,
        type=spec.type,
        filter_status=spec.status,
        dry_run=spec.dry_run,
        per_minute=spec.per_minute,
        created_at=spec.created_at,
        finished_at=None if replay.status == "running" else replay.finished_at,
    )


async def listing(call: Call[NoBody, Page]) -> ReplayList:
    """List bulk replays, newest first."""
    before, limit = decode_cursor(call.query.cursor, IDENTIFIER), call.query.limit
    found = await call.gateway.replays.listing(before, limit + 1)
    page = found[:limit]
    return ReplayList(
        data=[show(replay) for replay in page],
        next=encode_cursor(page[-1].spec.id) if len(found) > limit else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> ReplayOut:
    """Show how far a bulk replay is."""
    return show(await _get(call.gateway, call.path["id"]))


async def cancel(call: Call[NoBody, NoQuery]) -> ReplayOut:
    """Stop a bulk replay; what it has queued and nobody attempts yet is taken back.

    Raises:
        ConflictError: it is done.
        NotFoundError: there is none.
    """
    gateway, replay_id = call.gateway, call.path["id"]
    if await gateway.replays.end(replay_id, "cancelled") == "done":
        msg = "the replay is done: there is nothing left to cancel"
        raise ConflictError(msg)
    return show(await _get(gateway, replay_id))


OPERATIONS = (
    Operation("POST", "/v1/deliveries/{id}/retry", "retryDelivery", "Attempt a delivery at once",
              retry, answer=DeliveryOut, problems=(409, 410), scopes=["subscriber"]),
    Operation("POST", "/v1/events/{id}/replay", "replayEvent", "Deliver an event again",
              replay_event, body=EventReplay, answer=ReplayedList, problems=(409, 410),
              scopes=["subscriber"]),
    Operation("POST", "/v1/replays", "createReplay", "Deliver events again in bulk", create,
              body=ReplayIn, answer=ReplayOut, status=202, scopes=["subscriber"]),
    Operation("GET", "/v1/replays", "listReplays", "List bulk replays", listing, query=Page,
              answer=ReplayList, scopes=["subscriber"]),
    Operation("GET", "/v1/replays/{id}", "getReplay", "Show how far a bulk replay is", read,
              answer=ReplayOut, scopes=["subscriber"]),
    Operation("POST", "/v1/replays/{id}/cancel", "cancelReplay", "Stop a bulk replay", cancel,
              answer=ReplayOut, problems=(409,), scopes=["subscriber"]),
)  # fmt: skip
