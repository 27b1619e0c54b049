"""``/v1/events/{id}/origins``: the line of the mapping that made each field of an event.

Worked out anew from the stored webhook, with the mapping in use now. It says so where that would
make the event otherwise than it was made.
"""

from functools import partial
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

from onehook.api.events import get_event
from onehook.api.preview import SECONDS, OriginOut, Subject, explain_subject, show_trace
from onehook.core.jsontext import JsonValue, encode
from onehook.core.lineage import stored_event
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.explain import EventTrace, Explanation
from onehook.core.model import Event
from onehook.core.notices import STATUS
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

# Not the mapping's: references grow with what the gateway learns, and raw is cut to size.
_LATER = frozenset({"references", "raw", "truncated"})


class OriginsOut(BaseModel):
    """Where the fields of an event came from, the first 500.

    ``rule`` and ``place``: what makes the event now, and where that stands; null if nothing does,
    and then there are no ``fields``. ``detail``: why, or that the event was made otherwise; null:
    it was made just so.
    """

    event_id: str
    type: str
    rule: str | None
    place: str | None
    fields: list[OriginOut]
    detail: str | None
    basis: Literal["current"]


async def read(call: Call[NoBody, NoQuery]) -> web.Response:
    """Tell which line of the mapping made each field of an event."""
    gateway = call.gateway
    webhook_id, body = await get_event(gateway, call.path["id"])
    event, integration = stored_event(body)
    file = gateway.mappings.get(integration.type)
    kept = await gateway.events.find_native(webhook_id)
    if event.type in STATUS:
        shown = _none(event, "the gateway tells this of itself: no rule makes it")
    elif kept is None:
        shown = _none(event, "the webhook is no longer kept")
    elif file is None:
        shown = _none(event, "the platform's mapping is gone")
    else:
        record = gateway.registry.snapshot.integrations.get(integration.id)
        subject = Subject(kept.webhook, record, integration.id, {})
        shown = await _explained(gateway, file.mapping, subject, event)
    # Not by pydantic, which writes decimals otherwise than they are delivered.
    return web.Response(body=encode(shown.model_dump()), content_type="application/json")


async def _explained(
    gateway: Gateway, mapping: CompiledMapping, subject: Subject, event: Event
) -> OriginsOut:
    deadline = gateway.workbench.deadline(SECONDS)
    work = partial(explain_subject, gateway, mapping, subject, deadline)
    found = await gateway.workbench.run(work, deadline)
    trace = _find(found, event)
    if trace is None:
        return _none(event, "the mapping in use now would not make this event of its webhook")
    told = show_trace(trace)
    changed = _made(stored_event(trace.event.body)[0]) != _made(event)
    detail = "the mapping has changed since: it would make this event otherwise now"
    return OriginsOut(
        event_id=event.id,
        type=event.type,
        rule=told.rule,
        place=told.place,
        fields=told.fields,
        detail=detail if changed else None,
        basis="current",
    )


def _find(found: Explanation, event: Event) -> EventTrace | None:
    return next((trace for trace in found.events if trace.event.id == event.id), None)


def _made(event: Event) -> dict[str, JsonValue]:
    """What the mapping alone made of *event*."""
    return {name: value for name, value in event.data.items() if name not in _LATER}


def _none(event: Event, detail: str) -> OriginsOut:
    return OriginsOut(
        event_id=event.id,
        type=event.type,
        rule=None,
        place=None,
        fields=[],
        detail=detail,
        basis="current",
    )


OPERATIONS = (
    Operation("GET", "/v1/events/{id}/origins", "getOrigins",
              "Tell which line of the mapping made each field of an event", read,
              answer=OriginsOut, scopes=["subscriber"]),
)  # fmt: skip
