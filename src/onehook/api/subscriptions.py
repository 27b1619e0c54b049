"""``/v1/subscriptions`` (also ``/v1/webhooks``, ``/webhooks``): who gets which events, where."""

import secrets as random
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, Field

from onehook.api.flow import FlowIn, FlowOut, FlowPatch, flow_changes, show_flow
from onehook.api.integrations import Key, Name, check_key
from onehook.api.pagination import IDENTIFIER, Page, Pattern, decode_cursor, encode_cursor
from onehook.core.addresses import check_url
from onehook.core.filters import compile_filter
from onehook.core.flow import CLEAR, Gate
from onehook.core.notices import GATEWAY, pause_changed
from onehook.core.profiles import make_secret, secret_key
from onehook.errors import AddressError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.store.registry import Snapshot, SubscriptionRecord
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation

SECRET_BYTES = 32


def _secret(text: str) -> str:
    if len(secret_key(text)) < 8:
        msg = "is too short to sign with: use 24 random bytes or more"
        raise ValueError(msg)
    return text


Active = Annotated[bool, Field(strict=True)]
Events = Annotated[list[Pattern], Field(min_length=1, max_length=100)]
Sources = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=100)]
SigningSecret = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_secret)]


class SubscriptionIn(FlowIn):
    """A new subscription.

    ``integrations`` takes ids, keys or platform slugs; empty: all. ``filter`` holds conditions of
    the mapping language; ``$`` is the event as delivered.
    """

    url: str
    name: Name | None = None
    key: Key | None = None
    events: Events = ["*"]
    integrations: Sources = []
    filter: dict[str, Any] | None = None
    active: Active = True
    secret: SigningSecret | None = None


class SubscriptionPatch(FlowPatch):
    """What to change (RFC 7396): fields left out stay, null clears or gives the default."""

    url: str | None = None
    name: Name | None = None
    key: Key | None = None
    events: Events | None = None
    integrations: Sources | None = None
    filter: dict[str, Any] | None = None
    active: Active | None = None
    secret: SigningSecret | None = None


class SubscriptionOut(FlowOut):
    """A subscription. ``secret`` only in the answer that makes it."""

    id: str
    key: str | None
    name: str | None
    url: str
    events: list[str]
    integrations: list[str]
    filter: dict[str, Any] | None
    active: bool
    status: Literal["active", "inactive", "paused"]
    paused_reason: str | None
    created_at: datetime
    updated_at: datetime
    secret: str | None = None


class SubscriptionList(BaseModel):
    """A page of subscriptions."""

    data: list[SubscriptionOut]
    next: str | None


def show(record: SubscriptionRecord, gate: Gate, now: datetime) -> SubscriptionOut:
    """*record* as the API shows it, and how it fares by its *gate*."""
    status: Literal["active", "inactive", "paused"] = "active"
    if not record.active:
        status = "inactive"
    elif record.paused_reason is not None:
        status = "paused"
    return SubscriptionOut(
        id=record.id,
        key=record.key,
        name=record.name,
        url=record.url,
        events=record.events,
        integrations=record.integrations,
        filter=record.filter,
        active=record.active,
        **show_flow(record, gate, now),
        status=status,
        paused_reason=record.paused_reason,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


async def shown(gateway: Gateway, record: SubscriptionRecord) -> SubscriptionOut:
    """*record* as the API shows it, and how it fares now."""
    (gate,) = await gateway.deliveries.gates([record.id])
    return show(record, gate, gateway.clock.now())


def get_record(snapshot: Snapshot, id_or_key: str) -> SubscriptionRecord:
    """The subscription of that id or key.

    Raises:
        NotFoundError: there is none.
    """
    found = snapshot.subscriptions.get(id_or_key) or snapshot.subscriptions.get(
        snapshot.by_key.get(id_or_key, "")
    )
    if found is None:
        msg = f"there is no subscription {id_or_key[:80]!r}"
        raise NotFoundError(msg)
    return found


def _check_url(gateway: Gateway, url: str) -> None:
    try:
        check_url(url, gateway.settings.delivery_allow)
    except AddressError as error:
        raise AddressError(error.detail, errors=[FieldError("/url", error.detail)]) from None


def _sources(gateway: Gateway, names: list[str]) -> list[str]:
    """Ids and platform slugs; keys become ids, so that a changed key does not unsubscribe.

    Raises:
        InvalidRequestError: one names nothing.
    """
    snapshot = gateway.registry.snapshot
    found: list[str] = []
    for at, name in enumerate(names):
        id_ = snapshot.by_key.get(name, name)
        ours = id_ in (GATEWAY.id, GATEWAY.type)
        if not ours and id_ not in snapshot.integrations and id_ not in gateway.mappings:
            detail = f"there is no integration or platform {name[:80]!r}"
            raise InvalidRequestError(detail, errors=[FieldError(f"/integrations/{at}", detail)])
        found.append(id_)
    return found


def _filter(conditions: dict[str, Any] | None) -> dict[str, Any] | None:
    """*conditions*, once they compile."""
    if conditions is not None:
        compile_filter(conditions)
    return conditions


async def create(call: Call[SubscriptionIn, NoQuery]) -> SubscriptionOut:
    """Make a subscription; its secret is shown this once."""
    gateway, body = call.gateway, call.body
    registry = gateway.registry
    _check_url(gateway, body.url)
    now = gateway.clock.now()
    id_ = new_id("sub", now)
    check_key(registry, body.key, id_)
    secret = body.secret or make_secret(random.token_bytes(SECRET_BYTES))
    record = SubscriptionRecord(
        id=id_,
        key=body.key,
        name=body.name,
        url=body.url,
        events=list(dict.fromkeys(body.events)),
        integrations=_sources(gateway, body.integrations),
        filter=_filter(body.filter),
        active=body.active,
        secret=registry.sealer.seal(id_, secret),
        **flow_changes(body, None, gateway.settings),
        created_at=now,
        updated_at=now,
    )
    await registry.save("subscriptions", record)
    return show(record, CLEAR, now).model_copy(update={"secret": secret})


async def listing(call: Call[NoBody, Page]) -> SubscriptionList:
    """List subscriptions, newest first."""
    before = decode_cursor(call.query.cursor, IDENTIFIER)
    records = sorted(call.gateway.registry.snapshot.subscriptions.values(), key=lambda r: r.id)
    chosen = [r for r in reversed(records) if before is None or r.id < before]
    page = chosen[: call.query.limit]
    more = len(chosen) > len(page)
    gates = await call.gateway.deliveries.gates([record.id for record in page])
    now = call.gateway.clock.now()
    return SubscriptionList(
        data=[show(record, gate, now) for record, gate in zip(page, gates, strict=True)],
        next=encode_cursor(page[-1].id) if more else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Show one subscription."""
    return await shown(call.gateway, get_record(call.gateway.registry.snapshot, call.path["id"]))


_DEFAULTS = SubscriptionIn(url="https://example.com")


async def update(call: Call[SubscriptionPatch, NoQuery]) -> SubscriptionOut:
    """Change a subscription; the next attempt of what is queued already goes by it.

    Raises:
        InvalidRequestError: the URL is null.
    """
    gateway, body = call.gateway, call.body
    registry = gateway.registry
    record = get_record(registry.snapshot, call.path["id"])
    given = {
        name: getattr(body, name) if getattr(body, name) is not None else getattr(_DEFAULTS, name)
        for name in body.model_fields_set
    }
    if given.get("url") == _DEFAULTS.url and body.url is None:
        detail = "url cannot be null"
        raise InvalidRequestError(detail, errors=[FieldError("/url", detail)])
    changes = flow_changes(body, record, gateway.settings)
    changes |= {n: given[n] for n in ("name", "key", "events", "active") if n in given}
    if "url" in given:
        _check_url(gateway, given["url"])
        changes["url"] = given["url"]
    if "key" in given:
        check_key(registry, given["key"], record.id)
    if "integrations" in given:
        changes["integrations"] = _sources(gateway, given["integrations"])
    if "filter" in given:
        changes["filter"] = _filter(given["filter"])
    if given.get("secret"):
        changes["secret"] = registry.sealer.seal(record.id, given["secret"])
    if changes.get("url", record.url) != record.url:  # what failed was the old one
        await gateway.deliveries.resume(record.id)
    return await shown(gateway, await save(gateway, record, **changes))


async def save(gateway: Gateway, record: SubscriptionRecord, **changes: Any) -> SubscriptionRecord:
    """Write *record* with *changes*; what it holds back becomes due where it runs again."""
    now = gateway.clock.now()
    updated = msgspec.structs.replace(record, updated_at=now, **changes)
    notice = pause_changed(
        record.id, updated.name, record.paused_reason, updated.paused_reason, now
    )
    await gateway.registry.save("subscriptions", updated, notice)
    if updated.active and updated.paused_reason is None:
        await gateway.deliveries.expedite(updated.id)
    else:
        await gateway.deliveries.hold(updated.id)
    return updated


async def delete(call: Call[NoBody, NoQuery]) -> None:
    """Remove a subscription; what it has queued is recorded as cancelled."""
    gateway = call.gateway
    record = get_record(gateway.registry.snapshot, call.path["id"])
    await gateway.registry.delete("subscriptions", record.id)
    await gateway.notices.forget(record.id)
    await gateway.deliveries.expedite(record.id)  # the worker finds it due, and cancels


async def pause(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Hold a subscription: events queue, none is attempted."""
    record = get_record(call.gateway.registry.snapshot, call.path["id"])
    reason = record.paused_reason or "manual"
    return await shown(call.gateway, await save(call.gateway, record, paused_reason=reason))


async def resume(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Let a subscription go on with what it has queued: one delivery first, then the rest.

    Its failures are forgotten, so it may also be called to probe at once what is not paused.
    """
    record = get_record(call.gateway.registry.snapshot, call.path["id"])
    await call.gateway.deliveries.resume(record.id)
    return await shown(call.gateway, await save(call.gateway, record, paused_reason=None))


def _paths(rest: str) -> tuple[str, tuple[str, str]]:
    return f"/v1/subscriptions{rest}", (f"/v1/webhooks{rest}", f"/webhooks{rest}")


_ALL, _ALL_TOO = _paths("")
_ONE, _ONE_TOO = _paths("/{id}")
_PAUSE, _PAUSE_TOO = _paths("/{id}/pause")
_RESUME, _RESUME_TOO = _paths("/{id}/resume")
OPERATIONS = (
    Operation("POST", _ALL, "createSubscription", "Make a subscription", create,
              body=SubscriptionIn, answer=SubscriptionOut, status=201, problems=(409,),
              aliases=_ALL_TOO),
    Operation("GET", _ALL, "listSubscriptions", "List subscriptions", listing, query=Page,
              answer=SubscriptionList, aliases=_ALL_TOO),
    Operation("GET", _ONE, "getSubscription", "Show a subscription", read, answer=SubscriptionOut,
              aliases=_ONE_TOO),
    Operation("PATCH", _ONE, "updateSubscription", "Change a subscription", update,
              body=SubscriptionPatch, answer=SubscriptionOut, problems=(409,), aliases=_ONE_TOO),
    Operation("DELETE", _ONE, "deleteSubscription", "Remove a subscription", delete, status=204,
              aliases=_ONE_TOO),
    Operation("POST", _PAUSE, "pauseSubscription", "Pause a subscription", pause,
              answer=SubscriptionOut, aliases=_PAUSE_TOO),
    Operation("POST", _RESUME, "resumeSubscription", "Resume a subscription", resume,
              answer=SubscriptionOut, aliases=_RESUME_TOO),
)  # fmt: skip
