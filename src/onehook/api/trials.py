"""Test events: a shipped example of any type, sent at once, of which nothing is counted."""

import asyncio
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, ValidationError, model_validator

from onehook import __version__
from onehook.api.events import get_event
from onehook.api.subscription_forms import SubscriptionIn, SubscriptionPatch
from onehook.api.subscription_outlets import changed_outlet, sealed_fields
from onehook.api.subscriptions import aliased, get_record, given_fields, new_record
from onehook.core.lineage import stored_event
from onehook.core.model import Delivery, Event, Subscription, WebhookId
from onehook.core.profiles.outlet import RenderError
from onehook.core.profiles.request import make_request, shown_headers
from onehook.core.samples import sample_event
from onehook.core.schedule import Answer
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.store.records import SubscriptionRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoQuery, Operation, refusal

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


class PreviewIn(SubscriptionPatch):
    """A subscription as it may become: a new one, or what to change of the one *webhook_id* names.

    What is to be rendered is an example of ``event_type``, or the stored event ``event_id``.
    """

    event_type: EventType | None = None
    event_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    webhook_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.event_type is None) == (self.event_id is None):
            msg = "give either event_type or event_id"
            raise ValueError(msg)
        return self


class RenderedOut(BaseModel):
    """The request that would be sent, secrets blanked; null ``url``: nothing is sent, it pulls.

    ``error``: why the event cannot be rendered; headers and body are empty then.
    """

    url: str | None
    headers: dict[str, str]
    body: str
    error: str | None


async def preview(call: Call[PreviewIn, NoQuery]) -> RenderedOut:
    """Render an event as a subscription would send it; nothing is sent, nothing written.

    Raises:
        NotFoundError: there is no such subscription or event.
        InvalidRequestError: something in it is wrong, or there is no such type.
    """
    gateway, body = call.gateway, call.body
    event = await _sample(gateway, body)
    target = gateway.registry.target(_unsaved(gateway, body))
    outlet = target.outlet
    delivery = Delivery(target, event.id, event.type, WebhookId(""), event.body, 0, 1, test=True)
    url = outlet.shown_url or target.url or None
    try:
        request = make_request(delivery, gateway.clock.now(), f"onehook/{__version__}")
    except RenderError as error:
        return RenderedOut(url=url, headers={}, body="", error=outlet.blank(str(error)))
    headers = shown_headers(outlet, request.headers)
    return RenderedOut(
        url=url, headers=headers, body=outlet.blank(request.body.decode()), error=None
    )


async def _sample(gateway: Gateway, body: PreviewIn) -> Event:
    if body.event_id is None:
        return await _event(gateway, body.event_type or "")
    event, _ = stored_event((await get_event(gateway, body.event_id))[1])
    return event


def _unsaved(gateway: Gateway, body: PreviewIn) -> SubscriptionRecord:
    """The subscription that *body* means, not saved."""
    given = body.model_dump(exclude_unset=True, exclude={"event_type", "event_id", "webhook_id"})
    if body.webhook_id is None:
        try:
            new = SubscriptionIn.model_validate({n: v for n, v in given.items() if v is not None})
        except ValidationError as error:
            wrong = refusal(error, "body", SubscriptionIn)
            raise wrong from None
        return new_record(gateway, new, given_fields(new))[0]
    record = get_record(gateway.registry.snapshot, body.webhook_id)
    if "auth" in given:
        given["auth"] = body.auth
    choices, destination = changed_outlet(gateway, record, given)
    changes = sealed_fields(gateway, record.id, choices, destination)
    return msgspec.structs.replace(record, **changes)


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
    Operation("POST", "/v1/subscriptions/preview", "previewSubscription",
              "Render an event as a subscription would send it", preview, body=PreviewIn,
              answer=RenderedOut, problems=(404,), scopes=["subscriber"]),
    Operation("POST", _UNSAVED, "testUnsavedSubscription",
              "Send a test event to a subscription that is not saved, or by webhook_id", unsaved,
              body=UnsavedTestIn, answer=TestOut, problems=(409,), aliases=_UNSAVED_TOO,
              scopes=["subscriber"]),
    Operation("POST", _SAVED, "testSubscription", "Send a test event to a subscription", saved,
              body=TestIn, answer=TestOut, problems=(409,), aliases=_SAVED_TOO,
              scopes=["subscriber"]),
)  # fmt: skip
