"""Test events: a shipped example of any type, sent at once, of which nothing is counted."""

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, Field

from onehook.api.subscription_forms import SubscriptionIn
from onehook.api.subscriptions import aliased, get_record, given_fields, new_record
from onehook.core.model import Event, Subscription
from onehook.core.samples import sample_event
from onehook.core.schedule import Answer
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoQuery, Operation

EventType = Annotated[str, Field(min_length=1, max_length=80)]


class TestIn(Form):
    """Of which type or alias the test event is to be."""

    event_type: EventType


class UnsavedTestIn(SubscriptionIn):
    """A subscription to be tried before it is saved, or ``webhook_id``: one that is saved."""

    event_type: EventType
    webhook_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class TestResponseOut(BaseModel):
    """What came back: the first 4 KiB."""

    headers: dict[str, str]
    body: str


class TestOut(BaseModel):
    """What became of a test event.

    ``delivered``: the receiver took it. ``error`` is the class of failure, as in the history of
    deliveries, and ``detail`` a sentence where there was no answer.
    """

    delivered: bool
    status: int | None
    duration_ms: int
    error: str | None
    detail: str | None
    event_id: str
    response: TestResponseOut


async def saved(call: Call[TestIn, NoQuery]) -> TestOut:
    """Send a test event to a subscription, also to one that is paused or not active."""
    gateway = call.gateway
    record = get_record(gateway.registry.snapshot, call.path["id"])
    target = gateway.registry.snapshot.targets[record.id]
    return await _send(gateway, target, call.body.event_type)


async def unsaved(call: Call[UnsavedTestIn, NoQuery]) -> TestOut:
    """Send a test event to a subscription that is not saved, or to the one that is named.

    Raises:
        InvalidRequestError: neither is there.
    """
    gateway, body = call.gateway, call.body
    if body.webhook_id is not None:
        return await _send(gateway, _named(gateway, body), body.event_type)
    if body.url is None:
        detail = "is required: a subscription without url pulls, and nothing is sent to it"
        raise InvalidRequestError(_wrong("/url", detail), errors=[FieldError("/url", detail)])
    record, _ = new_record(gateway, body, _fields(body))
    return await _send(gateway, gateway.registry.target(record), body.event_type)


def _fields(body: UnsavedTestIn) -> dict[str, Any]:
    """The fields of *body* that are a subscription's, those that were given."""
    given = given_fields(body)
    return {name: given[name] for name in given if name not in TestIn.model_fields}


def _wrong(pointer: str, detail: str) -> str:
    return f"the body is wrong: {pointer} {detail}"


def _named(gateway: Gateway, body: UnsavedTestIn) -> Subscription:
    """The saved subscription that *body* names.

    Raises:
        InvalidRequestError: there is none, or more is given, which would not count.
    """
    more = sorted(body.model_fields_set - {"webhook_id", "event_type"})
    if more:
        detail = "is not taken beside webhook_id: the subscription is tried as it is saved"
        errors = [FieldError(f"/{name}", detail) for name in more]
        raise InvalidRequestError(_wrong(errors[0].pointer, detail), errors=errors)
    try:
        record = get_record(gateway.registry.snapshot, body.webhook_id or "")
    except NotFoundError as error:
        where = FieldError("/webhook_id", error.detail)
        raise InvalidRequestError(error.detail, errors=[where]) from None
    return gateway.registry.snapshot.targets[record.id]


async def _send(gateway: Gateway, subscription: Subscription, name: str) -> TestOut:
    """Send a test event; what the receiver makes of it is the answer, not an error.

    Raises:
        ConflictError: nothing can be sent to a subscription that pulls.
    """
    if not subscription.url:
        msg = "the subscription has no url: it pulls, and nothing is sent to it"
        raise ConflictError(msg)
    event = await _event(gateway, name)
    made = await gateway.tester.send(subscription, event)
    return TestOut(
        delivered=Answer(made.status, made.error).ok,
        status=made.status,
        duration_ms=made.duration_ms,
        error=made.error,
        detail=made.detail,
        event_id=event.id,
        response=TestResponseOut(headers=made.response_headers, body=made.response_body),
    )


async def _event(gateway: Gateway, name: str) -> Event:
    """A test event of that type or alias.

    Raises:
        InvalidRequestError: there is no such type.
    """
    sources = [(file.mapping, file.load_sample) for file in gateway.mappings.values()]
    now = gateway.clock.now()
    # Off the loop: it reads files, and normalizes as many as it takes to find one.
    found = await asyncio.to_thread(sample_event, sources, name, now, new_id("tst", now))
    if found is None:
        detail = f"{name!r} is no event type and no alias; /v1/event-types lists them"
        raise InvalidRequestError(detail, errors=[FieldError("/event_type", detail)])
    return found


_SAVED, _SAVED_TOO = aliased("/{id}/test")
_UNSAVED, _UNSAVED_TOO = aliased("/test")
OPERATIONS = (
    Operation("POST", _UNSAVED, "testUnsavedSubscription",
              "Send a test event to a subscription that is not saved, or by webhook_id", unsaved,
              body=UnsavedTestIn, answer=TestOut, problems=(409,), aliases=_UNSAVED_TOO,
              scopes=["subscriber"]),
    Operation("POST", _SAVED, "testSubscription", "Send a test event to a subscription", saved,
              body=TestIn, answer=TestOut, problems=(409,), aliases=_SAVED_TOO,
              scopes=["subscriber"]),
)  # fmt: skip
