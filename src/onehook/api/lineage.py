"""``/v1/events/{id}/lineage``: where an event came from, who got it, who did not and why.

Nothing of this is written down while webhooks are taken. Deliveries and attempts are read from
the store; verification, rule and refusals are worked out anew from the stored webhook and event
with the configuration as it is now, and say so.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from onehook.api.events import get_event
from onehook.core.integration import Integration
from onehook.core.lineage import Refusal, refusal, stored_event
from onehook.core.mapping.normalize import Emitted, Ignored
from onehook.core.model import Event, IntegrationInfo, delivery_id
from onehook.core.notices import GATEWAY, STATUS
from onehook.errors import OnehookError
from onehook.store.attempts import AttemptRow
from onehook.store.deliveries import DeliveryState
from onehook.store.packing import Native
from onehook.store.records import SubscriptionRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

Basis = Literal["stored", "current"]


class ReceivedOut(BaseModel):
    """The webhook that the event came from; ``kept``: whether it still is."""

    at: datetime
    integration_id: str
    integration_type: str
    integration_name: str
    webhook_id: str
    content_type: str
    size: int
    kept: bool
    basis: Basis


class VerifiedOut(BaseModel):
    """How the sender was known.

    ``signature``: it was proven, by whatever the platform asks for; ``none``: the integration
    takes anything; ``own``: the gateway itself; ``unknown``: the integration is gone.
    """

    by: Literal["signature", "none", "own", "unknown"]
    basis: Basis


class RuleOut(BaseModel):
    """The rule that makes this event of its webhook; null ``id``: ``detail`` says why."""

    platform: str
    version: str | None
    id: str | None
    detail: str | None
    basis: Basis


class TryOut(BaseModel):
    """One attempt; ``/v1/deliveries/{id}`` has all of it."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None


class RoutedOut(BaseModel):
    """A subscription that the event went to; null ``name``: it has none, or is gone."""

    subscription_id: str
    name: str | None
    delivery_id: str
    status: str
    attempt_count: int
    last_status: int | None
    last_error: str | None
    attempts: list[TryOut]
    basis: Basis


class FilteredOut(BaseModel):
    """A subscription that the event did not go to.

    ``clause`` is the field that refuses it now and ``pointer`` the place in the subscription;
    ``created_at``: the subscription was made after the event came; ``updated_at``: it was changed
    since, and would get such an event now; ``itself``: nothing about a subscription is sent to
    itself; ``unknown``: none of these.
    """

    subscription_id: str
    name: str | None
    clause: str
    pointer: str
    detail: str
    changed_since: bool
    basis: Basis


class LineageOut(BaseModel):
    """Where an event came from and where it went."""

    event_id: str
    event_type: str
    received: ReceivedOut
    verified: VerifiedOut
    rule: RuleOut
    routed_to: list[RoutedOut]
    filtered_out: list[FilteredOut]


async def read(call: Call[NoBody, NoQuery]) -> LineageOut:
    """Tell where an event came from, who got it, and who did not and why."""
    gateway, event_id = call.gateway, call.path["id"]
    webhook_id, body = await get_event(gateway, event_id)
    event, integration = stored_event(body)
    native = await gateway.events.find_native(webhook_id)
    (states,) = await gateway.deliveries.states([event_id])
    return LineageOut(
        event_id=event_id,
        event_type=event.type,
        received=_received(event, integration, webhook_id, native),
        verified=_verified(gateway, integration),
        rule=await _rule(gateway, event, integration, native),
        routed_to=await _routed(gateway, event_id, states),
        filtered_out=_filtered(gateway, event, integration, states),
    )


def _received(
    event: Event, integration: IntegrationInfo, webhook_id: str, native: Native | None
) -> ReceivedOut:
    raw = event.data.get("raw")
    facts = raw if isinstance(raw, dict) else {}
    size = facts.get("size")
    return ReceivedOut(
        at=datetime.fromisoformat(str(event.envelope["received_at"])),
        integration_id=integration.id,
        integration_type=integration.type,
        integration_name=integration.name,
        webhook_id=webhook_id,
        content_type=str(facts.get("content_type")),
        size=size if isinstance(size, int) else 0,
        kept=native is not None,
        basis="stored",
    )


def _verified(gateway: Gateway, integration: IntegrationInfo) -> VerifiedOut:
    if integration.id == GATEWAY.id:
        return VerifiedOut(by="own", basis="stored")
    record = gateway.registry.snapshot.integrations.get(integration.id)
    if record is None:
        return VerifiedOut(by="unknown", basis="current")
    by: Literal["none", "signature"] = "none" if record.verify == "none" else "signature"
    return VerifiedOut(by=by, basis="current")


async def _rule(
    gateway: Gateway, event: Event, integration: IntegrationInfo, native: Native | None
) -> RuleOut:
    running = gateway.registry.snapshot.running.get(integration.id)
    id_ = None
    if event.type in STATUS:
        detail = "the gateway tells this of itself: no rule makes it"
    elif running is None:
        detail = "the integration, or its platform's mapping, is gone"
    elif native is None:
        detail = "the webhook is no longer kept"
    else:
        most = gateway.settings.max_body
        id_, detail = await asyncio.to_thread(_find_rule, running, native, event, most)
    return RuleOut(
        platform=integration.type,
        version=None if running is None else running.mapping.version,
        id=id_,
        detail=None if id_ is not None else detail,
        basis="current",
    )


def _find_rule(
    running: Integration, native: Native, event: Event, max_bytes: int
) -> tuple[str | None, str]:
    """The rule that makes *event* of its webhook now; else None, and what happens instead."""
    try:
        outcome = running.normalize(native.webhook, max_bytes).outcome
    except OnehookError as error:
        return None, f"now its webhook would be refused: {error.detail}"
    match outcome:
        case Emitted(events=events):
            rule = next((made.rule for made in events if made.id == event.id), None)
            types = ", ".join(made.type for made in events)
            return rule, f"now its webhook would make {types} instead"
        case Ignored(reason=reason):
            return None, f"now its webhook would be ignored: {reason}"
        case _:
            return None, f"now its webhook would be quarantined: {outcome.detail}"


async def _routed(
    gateway: Gateway, event_id: str, states: Mapping[str, DeliveryState]
) -> list[RoutedOut]:
    places = [(id_, at) for id_, state in states.items() for at in state.attempts]
    rows = await gateway.history.find(places)
    known = gateway.registry.snapshot.subscriptions
    return [
        RoutedOut(
            subscription_id=id_,
            name=known[id_].name if id_ in known else None,
            delivery_id=delivery_id(event_id, id_),
            status=state.status,
            attempt_count=state.attempt_count,
            last_status=state.last_status,
            last_error=state.last_error,
            attempts=_tries([rows.get((id_, at)) for at in state.attempts]),
            basis="stored",
        )
        for id_, state in states.items()
    ]


def _tries(rows: Sequence[AttemptRow | None]) -> list[TryOut]:
    return [
        TryOut(
            number=row.number,
            at=row.at,
            duration_ms=row.duration_ms,
            status=row.status,
            error=row.error,
        )
        for row in rows
        if row is not None
    ]


def _filtered(
    gateway: Gateway,
    event: Event,
    integration: IntegrationInfo,
    states: Mapping[str, DeliveryState],
) -> list[FilteredOut]:
    snapshot = gateway.registry.snapshot
    received = datetime.fromisoformat(str(event.envelope["received_at"]))
    found: list[FilteredOut] = []
    for id_, record in snapshot.subscriptions.items():
        if id_ in states:
            continue
        why = refusal(snapshot.targets[id_], record.filter, event, integration)
        why = _timely(record, received) or why or _unwritten(record, event, received)
        found.append(
            FilteredOut(
                subscription_id=id_,
                name=record.name,
                clause=why.clause,
                pointer=why.pointer,
                detail=why.detail,
                changed_since=record.updated_at > received,
                basis="current",
            )
        )
    return found


def _timely(record: SubscriptionRecord, received: datetime) -> Refusal | None:
    if record.created_at <= received:
        return None
    detail = f"it was made at {record.created_at.isoformat()}, after the event came"
    return Refusal("created_at", "/created_at", detail)


def _unwritten(record: SubscriptionRecord, event: Event, received: datetime) -> Refusal:
    """Why there is no delivery, where no clause of today refuses the event."""
    if event.type in STATUS and event.data.get("id") == record.id:
        return Refusal("itself", "", "nothing about a subscription is sent to itself")
    if record.updated_at > received:
        since = record.updated_at.isoformat()
        detail = f"it was changed at {since}, after the event came, and would get such an event now"
        return Refusal("updated_at", "/updated_at", detail)
    detail = (
        "it would get such an event now: another gateway took this one, and did not know it yet"
    )
    return Refusal("unknown", "", detail)


OPERATIONS = (
    Operation("GET", "/v1/events/{id}/lineage", "getLineage",
              "Tell where an event came from, who got it, who did not and why", read,
              answer=LineageOut, scopes=["subscriber"]),
)  # fmt: skip
