"""Poll and acknowledge: for subscribers that nothing can be sent to.

What is polled is leased, as a worker leases what it attempts: nobody else gets it until the lease
ends, and if it was not acknowledged by then, it comes again under the same ids.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, Field

from onehook.api.events import EventOut
from onehook.api.subscriptions import aliased, get_record
from onehook.core.durations import parse_duration
from onehook.core.jsontext import encode
from onehook.core.lineage import stored_event
from onehook.core.model import EventId, Subscription, delivery_id, split_delivery_id
from onehook.store.attempts import AttemptRow
from onehook.store.attempts import encode as encode_attempt
from onehook.store.deliveries import Leased, Record
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

LONGEST_WAIT = timedelta(seconds=30)
LARGEST = 4 * 1024 * 1024  # bytes of events in one answer; the first is in it whatever its size
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds between looks while a poll waits
_TRIES = 3  # of an acknowledgement that meets another poll


def _wait(value: object) -> timedelta:
    """Seconds, or a duration with its unit.

    Raises:
        ValueError: it is neither, or too long.
    """
    text = f"{value}s" if str(value).isdigit() else str(value)
    found = parse_duration(text)
    if found is None or found > LONGEST_WAIT:
        msg = "is a number of seconds up to 30, or a duration such as 20s"
        raise ValueError(msg)
    return found


class PollQuery(Form):
    """How many at most, and how long to wait until there is one."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    wait: Annotated[timedelta, BeforeValidator(_wait, json_schema_input_type=str)] = timedelta(0)


class PolledOut(BaseModel):
    """A delivery to be acknowledged."""

    delivery_id: str
    event: EventOut


class PolledList(BaseModel):
    """What was due; empty if nothing was."""

    data: list[PolledOut]


class AckIn(Form):
    """The deliveries that were taken."""

    delivery_ids: Annotated[
        list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=1000)
    ]


class RefusedOut(BaseModel):
    """A delivery that was not acknowledged.

    ``unknown``: this subscription has no such delivery on its way; ``not_polled``: nobody polled
    it yet; ``polled_again``: its lease had ended, and somebody else has it now.
    """

    delivery_id: str
    reason: Literal["unknown", "not_polled", "polled_again"]


class AckOut(BaseModel):
    """What became of an acknowledgement; what was acknowledged before is so again."""

    acked: list[str]
    refused: list[RefusedOut]


# -- poll -----------------------------------------------------------------------------------------


async def poll(call: Call[NoBody, PollQuery]) -> web.Response:
    """Lease what is due, and give it; wait for something if nothing is."""
    gateway, query = call.gateway, call.query
    id_ = get_record(gateway.registry.snapshot, call.path["id"]).id
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + query.wait.total_seconds(), _FIRST_PAUSE
    found: list[tuple[str, bytes]] = []
    while call.still_allowed:
        found = await _take(gateway, id_, query.limit)
        left = until - loop.time()
        if found or left <= 0 or gateway.readiness.stopping or _has_gone(call.request):
            break
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)
    rows = [b'{"delivery_id":' + encode(one) + b',"event":' + body + b"}" for one, body in found]
    body = b'{"data":[' + b",".join(rows) + b"]}"
    return web.Response(body=body, content_type="application/json")


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _take(gateway: Gateway, subscription_id: str, limit: int) -> list[tuple[str, bytes]]:
    """Delivery ids and events that are leased now; none while the subscription is held."""
    subscription = gateway.registry.snapshot.targets.get(subscription_id)
    if subscription is None or subscription.paused or not subscription.active:
        return []
    leased = await gateway.deliveries.lease(
        subscription_id, limit, subscription.lease, subscription.flow
    )
    events = await gateway.events.find_events([one.event_id for one in leased])
    found: list[tuple[str, bytes]] = []
    back: list[Record] = []
    size = 0
    for one, event in zip(leased, events, strict=True):
        if event is None:
            back.append(replace(_back(subscription, one, "", "cancelled"), error="expired"))
        elif found and size + len(event[1]) > LARGEST:
            back.append(_back(subscription, one, event[0], "again"))
        else:
            size += len(event[1])
            found.append((delivery_id(one.event_id, subscription_id), event[1]))
    if back:
        await gateway.deliveries.record(back)
    return found


def _back(subscription: Subscription, one: Leased, webhook_id: str, outcome: str) -> Record:
    """What becomes of a delivery that is leased and not given."""
    id_, tenant = subscription.id, subscription.tenant
    return Record(id_, one.event_id, webhook_id, one.token, outcome, tenant=tenant)


# -- acknowledge ----------------------------------------------------------------------------------


async def ack(call: Call[AckIn, NoQuery]) -> AckOut:
    """Take deliveries off the queue: they are delivered."""
    gateway = call.gateway
    id_ = get_record(gateway.registry.snapshot, call.path["id"]).id
    target = gateway.registry.snapshot.targets[id_]
    wanted = list(dict.fromkeys(call.body.delivery_ids))
    outcomes: dict[str, str] = {}
    for _ in range(_TRIES):
        left = [text for text in wanted if outcomes.get(text) in (None, "polled_again")]
        if left:
            outcomes |= await _acknowledge(gateway, target, left)
    return AckOut(
        acked=[text for text in wanted if outcomes[text] == "acked"],
        refused=[
            RefusedOut(delivery_id=text, reason=_reason(outcomes[text]))
            for text in wanted
            if outcomes[text] != "acked"
        ],
    )


def _reason(outcome: str) -> Literal["unknown", "not_polled", "polled_again"]:
    match outcome:
        case "not_polled" | "polled_again":
            return outcome
        case _:
            return "unknown"


@dataclass(frozen=True, slots=True)
class _Acked:
    """A delivery that can be acknowledged."""

    text: str
    event_id: EventId
    token: int
    attempts: int


async def _acknowledge(
    gateway: Gateway, subscription: Subscription, texts: Sequence[str]
) -> dict[str, str]:
    """What becomes of each: acked, unknown, not_polled or polled_again."""
    outcomes = dict.fromkeys(texts, "unknown")
    split = {text: split_delivery_id(text) for text in texts}
    ours = {text: ids[0] for text, ids in split.items() if ids and ids[1] == subscription.id}
    states = await gateway.deliveries.states(list(ours.values()))
    leases = await gateway.deliveries.leases(subscription.id, list(ours.values()))
    ready: list[_Acked] = []
    for (text, event_id), state, lease in zip(ours.items(), states, leases, strict=True):
        mine = state.get(subscription.id)
        if mine is not None and mine.status == "delivered":
            outcomes[text] = "acked"
        elif mine is None or lease is None:
            continue
        elif not lease.polled:
            outcomes[text] = "not_polled"
        else:
            ready.append(_Acked(text, event_id, lease.token, mine.attempt_count))
    records = await _records(gateway, subscription, ready)
    recorded = await gateway.deliveries.record(records) if records else []
    for one, done in zip(ready, recorded, strict=True):
        outcomes[one.text] = "acked" if done else "polled_again"
    return outcomes


async def _records(
    gateway: Gateway, subscription: Subscription, ready: Sequence[_Acked]
) -> list[Record]:
    """An acknowledgement is an attempt that succeeded."""
    events = await gateway.events.find_events([one.event_id for one in ready])
    now = gateway.clock.now()
    records: list[Record] = []
    for one, event in zip(ready, events, strict=True):
        webhook_id, type_, integration_id = "", "", ""
        if event is not None:
            webhook_id = event[0]
            made, integration = stored_event(event[1])
            type_, integration_id = made.type, integration.id
        records.append(
            Record(
                subscription.id,
                one.event_id,
                webhook_id,
                one.token,
                "delivered",
                attempt=encode_attempt(_pulled(one.attempts + 1, now)),
                event_type=type_,
                integration_id=integration_id,
                tenant=subscription.tenant,
            )
        )
    return records


def _pulled(number: int, now: datetime) -> AttemptRow:
    """The attempt that an acknowledgement is: nothing was sent, so there is no url."""
    return AttemptRow(number, now, 0, None, None, "acknowledged", "", "", {}, "")


_POLL, _POLL_TOO = aliased("/{id}/poll")
_ACK, _ACK_TOO = aliased("/{id}/ack")
OPERATIONS = (
    Operation("GET", _POLL, "pollSubscription", "Lease what is due, for a while", poll,
              query=PollQuery, answer=PolledList, aliases=_POLL_TOO, scopes=["subscriber"]),
    Operation("POST", _ACK, "acknowledgeDeliveries", "Acknowledge what was polled", ack,
              body=AckIn, answer=AckOut, aliases=_ACK_TOO, scopes=["subscriber"]),
)  # fmt: skip
