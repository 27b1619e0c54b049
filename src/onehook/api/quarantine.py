"""``/v1/quarantine``: webhooks that are kept and not normalized, and how they leave."""

import re
from datetime import datetime
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, Field

from onehook.api.integrations import find_id
from onehook.api.natives import NativeOut, describe
from onehook.api.pagination import TimedPage, decode_cursor, encode_cursor
from onehook.errors import NotFoundError
from onehook.store.events import MAX_SCAN, SCAN
from onehook.store.quarantine import Entry, Position, absent
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation
from onehook.web.retries import Status

log = structlog.get_logger()
Reason = Literal["no_rule", "mapping_error", "schema_violation", "unparsable", "empty_body"]
_POSITION = re.compile(r"[0-9]{1,20}-whk_[0-9a-z]{26}")


class QuarantineQuery(TimedPage):
    """Which webhooks to list; *since* and *until* are of their coming here."""

    integration: str | None = None
    reason: Reason | None = None


class QuarantinedOut(BaseModel):
    """A webhook in quarantine. ``pointer``: the field of the event that had no value.

    ``event`` is the vendor's own name of it, ``size`` its body's in bytes.
    """

    id: str
    integration_id: str
    platform: str
    reason: Reason
    detail: str
    pointer: str | None
    event: str | None
    size: int
    received_at: datetime
    quarantined_at: datetime


class QuarantineList(BaseModel):
    """A page of webhooks in quarantine."""

    data: list[QuarantinedOut]
    next: str | None


class QuarantinedWebhookOut(QuarantinedOut):
    """A webhook in quarantine, and itself as it was kept: proofs blanked."""

    native: NativeOut


class DeleteQuery(Form):
    """Why a webhook may be lost: it goes into the log."""

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class EventRef(BaseModel):
    """An event that was made."""

    id: str
    type: str


class RetriedOut(BaseModel):
    """What became of a webhook, in the words of ingest."""

    id: str
    status: Status
    events: list[EventRef]
    reason: str | None
    detail: str | None
    pointer: str | None


class RetryIn(Form):
    """Which webhooks to try again: the oldest first, up to *limit*, from *cursor* on."""

    integration: str | None = None
    reason: Reason | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    cursor: str | None = None


class RetriedManyOut(BaseModel):
    """What became of them. ``reasons``: why those that stay do.

    ``skipped`` have left meanwhile, or have no integration any more. ``next``: pass it as
    ``cursor`` to go on; null: all were tried.
    """

    accepted: int
    ignored: int
    quarantined: int
    skipped: int
    events: int
    reasons: dict[str, int]
    next: str | None


def _fields(entry: Entry) -> dict[str, object]:
    held = entry.held
    return {
        "id": entry.webhook_id,
        "integration_id": held.integration_id,
        "platform": held.platform,
        "reason": held.reason,
        "detail": held.detail,
        "pointer": held.pointer,
        "event": held.event,
        "size": held.size,
        "received_at": held.received_at,
        "quarantined_at": entry.position.at,
    }


async def listing(call: Call[NoBody, QuarantineQuery]) -> QuarantineList:
    """List webhooks in quarantine, newest first."""
    query, gateway = call.query, call.gateway
    integration = None
    if query.integration is not None:
        integration = find_id(gateway.registry.snapshot, query.integration)
    cursor = decode_cursor(query.cursor, _POSITION)
    position = None if cursor is None else Position.parse(cursor)
    found: list[Entry] = []
    seen, more = 0, True
    while more and len(found) < query.limit and seen < MAX_SCAN:
        places = await gateway.quarantine.newest(
            since=query.since, until=query.until, before=position, count=SCAN
        )
        more, seen = len(places) == SCAN, seen + len(places)
        position = places[-1] if places else position
        for entry in await gateway.quarantine.entries(places):
            if integration not in (None, entry.held.integration_id):
                continue
            if query.reason not in (None, entry.held.reason):
                continue
            found.append(entry)
            if len(found) == query.limit:
                more = more or entry.position != places[-1]
                position = entry.position
                break
    return QuarantineList(
        data=[QuarantinedOut.model_validate(_fields(entry)) for entry in found],
        next=encode_cursor(str(position)) if more and position else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> QuarantinedWebhookOut:
    """Show a webhook in quarantine.

    Raises:
        NotFoundError: it left a moment ago.
    """
    id_ = call.path["id"]
    entry = await call.gateway.quarantine.get(id_)
    kept = await call.gateway.events.find_native(id_)
    if kept is None:
        raise NotFoundError(absent(id_))
    return QuarantinedWebhookOut.model_validate(
        {**_fields(entry), "native": describe(kept.webhook)}
    )


async def delete(call: Call[NoBody, DeleteQuery]) -> None:
    """Drop a webhook for good."""
    id_ = call.path["id"]
    await call.gateway.quarantine.discard(id_)
    log.warning("quarantine.discarded", webhook_id=id_, reason=call.query.reason)


async def retry(call: Call[NoBody, NoQuery]) -> RetriedOut:
    """Normalize a webhook again with the mapping in use now."""
    one = await call.gateway.retrier.retry(call.path["id"])
    return RetriedOut(
        id=one.webhook_id,
        status=one.status,
        events=[EventRef(id=id_, type=type_) for id_, type_ in one.events],
        reason=one.reason,
        detail=one.detail,
        pointer=one.pointer,
    )


async def retry_many(call: Call[RetryIn, NoQuery]) -> RetriedManyOut:
    """Normalize many webhooks again."""
    body, gateway = call.body, call.gateway
    integration = None
    if body.integration is not None:
        integration = find_id(gateway.registry.snapshot, body.integration)
    cursor = decode_cursor(body.cursor, _POSITION)
    done = await gateway.retrier.retry_many(
        integration=integration,
        reason=body.reason,
        limit=body.limit,
        after=None if cursor is None else Position.parse(cursor),
    )
    return RetriedManyOut(
        accepted=done.accepted,
        ignored=done.ignored,
        quarantined=done.quarantined,
        skipped=done.skipped,
        events=done.events,
        reasons=done.reasons,
        next=None if done.next is None else encode_cursor(str(done.next)),
    )


_ONE = "/v1/quarantine/{id}"
OPERATIONS = (
    Operation("GET", "/v1/quarantine", "listQuarantine", "List webhooks in quarantine", listing,
              query=QuarantineQuery, answer=QuarantineList, problems=(404,),
              scopes=["ingest-admin"]),
    Operation("POST", "/v1/quarantine/retry", "retryQuarantine",
              "Normalize many webhooks in quarantine again", retry_many, body=RetryIn,
              answer=RetriedManyOut, problems=(404,), scopes=["ingest-admin"]),
    Operation("GET", _ONE, "getQuarantinedWebhook", "Show a webhook in quarantine", read,
              answer=QuarantinedWebhookOut, scopes=["ingest-admin"]),
    Operation("DELETE", _ONE, "deleteQuarantinedWebhook", "Drop a webhook in quarantine", delete,
              query=DeleteQuery, status=204, scopes=["ingest-admin"]),
    Operation("POST", _ONE + "/retry", "retryQuarantinedWebhook",
              "Normalize a webhook in quarantine again", retry, answer=RetriedOut,
              problems=(409,), scopes=["ingest-admin"]),
)  # fmt: skip
