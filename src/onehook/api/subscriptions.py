"""``/v1/subscriptions`` (also ``/v1/webhooks``, ``/webhooks``): who gets which events, where."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from onehook.api.defaults import defaults_of
from onehook.api.flow import FlowDefaults, flow_changes
from onehook.api.integrations import check_key
from onehook.api.pagination import IDENTIFIER, Page, decode_cursor, encode_cursor
from onehook.api.quotas import check_quota
from onehook.api.subscription_forms import (
    RotationIn,
    SubscriptionIn,
    SubscriptionList,
    SubscriptionOut,
    SubscriptionPatch,
    show,
)
from onehook.api.subscription_outlets import (
    answered_secret,
    changed_outlet,
    new_outlet,
    rotated_outlet,
    sealed_fields,
    warnings_of,
)
from onehook.core.destinations.document import Defaults, Destination
from onehook.core.filters import compile_filter
from onehook.core.flow import CLEAR, PAUSE_AFTER
from onehook.core.notices import GATEWAY, pause_changed
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.store.events import milliseconds
from onehook.store.records import SubscriptionRecord
from onehook.store.snapshot import Snapshot
from onehook.store.tenant_registry import TenantRegistry
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, NoBody, NoQuery, Operation


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


def _flow_defaults(gateway: Gateway, destination: Destination) -> FlowDefaults:
    """How deliveries to *destination* flow where a subscription says nothing."""
    own, says = defaults_of(gateway), destination.defaults
    return FlowDefaults(own.timeout, says.retry or own.retry, says.pause_after or PAUSE_AFTER)


def _moved(record: SubscriptionRecord, old: Defaults, new: Defaults) -> frozenset[str]:
    """What of a subscription's flow changes with its destination.

    That is what the new one's file sets, and what it has from the old one's.
    """
    names = {name for name in ("retry", "pause_after") if getattr(new, name) is not None}
    if old.retry is not None and record.retry_ms == list(map(milliseconds, old.retry.delays)):
        names.add("retry")
    if old.pause_after is not None and record.flow.pause_after == old.pause_after:
        names.add("pause_after")
    return frozenset(names)


def _sources(gateway: Gateway, names: list[str], assumed: Collection[str] = ()) -> list[str]:
    """Ids and platform slugs; keys become ids, so that a changed key does not unsubscribe.

    Those *assumed* are taken for keys that will be there.

    Raises:
        InvalidRequestError: one names nothing.
    """
    snapshot = gateway.registry.snapshot
    found: list[str] = []
    for at, name in enumerate(names):
        id_ = snapshot.by_key.get(name, name)
        ours = id_ in (GATEWAY.id, GATEWAY.type)
        known = id_ in snapshot.integrations or id_ in gateway.mappings or id_ in assumed
        if not ours and not known:
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
    registry, given = gateway.registry, given_fields(body)
    record, secret = new_record(gateway, body, given)
    await add(registry, record)
    snapshot = registry.snapshot
    warnings = warnings_of(given, target=snapshot.targets.get(record.id), snapshot=snapshot)
    answer = {"secret": secret, **warnings}
    return show(gateway.registry, record, CLEAR, record.created_at).model_copy(update=answer)


async def add(registry: TenantRegistry, record: SubscriptionRecord) -> None:
    """Save a new subscription.

    Raises:
        ConflictError: its key is taken, or the tenant may have no more.
    """

    def check() -> None:
        check_key(registry, record.key, record.id)
        check_quota(registry, "subscriptions")

    await registry.add("subscriptions", record, check)


def given_fields(body: SubscriptionIn) -> dict[str, Any]:
    """The fields of *body* that were given."""
    return body.model_dump(exclude_unset=True) | {"auth": body.auth}


def new_record(
    gateway: Gateway,
    body: SubscriptionIn,
    given: Mapping[str, Any],
    over: SubscriptionRecord | None = None,
    assumed: Collection[str] = (),
) -> tuple[SubscriptionRecord, str]:
    """The subscription that *body* asks for, not saved, and its secret as libraries take it.

    *given* are the fields of *body* that say what its receiver gets. *over* is the one that it
    replaces: it keeps its id, whether it is paused, and its secret where none is given. Keys of
    integrations that are *assumed* need not be there yet.

    Raises:
        AddressError: its URL may not be called.
        InvalidRequestError: it names what is not there, or something in it is wrong.
    """
    choices, destination = new_outlet(gateway, given, over)
    now = gateway.clock.now()
    id_, made_at = (new_id("sub", now), now) if over is None else (over.id, over.created_at)
    record = SubscriptionRecord(
        id=id_,
        tenant=gateway.registry.tenant,
        key=body.key,
        name=body.name,
        integrations=_sources(gateway, body.integrations, assumed),
        projects=tuple(body.projects),
        statuses=tuple(body.statuses),
        filter=_filter(body.filter),
        active=body.active,
        paused_reason=None if over is None else over.paused_reason,
        **flow_changes(body, None, _flow_defaults(gateway, destination)),
        created_at=made_at,
        updated_at=now,
        **sealed_fields(gateway, id_, choices, destination),
    )
    return record, answered_secret(choices, destination)


async def listing(call: Call[NoBody, Page]) -> SubscriptionList:
    """List subscriptions, newest first."""
    before = decode_cursor(call.query.cursor, IDENTIFIER)
    records = sorted(call.gateway.registry.snapshot.subscriptions.values(), key=lambda r: r.id)
    chosen = [r for r in reversed(records) if before is None or r.id < before]
    page = chosen[: call.query.limit]
    more = len(chosen) > len(page)
    gates = await call.gateway.deliveries.gates([record.id for record in page])
    registry, now = call.gateway.registry, call.gateway.clock.now()
    return SubscriptionList(
        data=[show(registry, record, gate, now) for record, gate in zip(page, gates, strict=True)],
        next=encode_cursor(page[-1].id) if more else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Show one subscription."""
    return await _shown(call.gateway, get_record(call.gateway.registry.snapshot, call.path["id"]))


async def _shown(gateway: Gateway, record: SubscriptionRecord) -> SubscriptionOut:
    """*record* as the API shows it, and how it fares now."""
    (gate,) = await gateway.deliveries.gates([record.id])
    return show(gateway.registry, record, gate, gateway.clock.now())


_DEFAULTS: dict[str, Any] = {
    "name": None,
    "key": None,
    "integrations": [],
    "projects": [],
    "statuses": [],
    "filter": None,
    "active": True,
}


async def update(call: Call[SubscriptionPatch, NoQuery]) -> SubscriptionOut:
    """Change a subscription; the next attempt of what is queued already goes by it."""
    gateway, body = call.gateway, call.body
    registry = gateway.registry
    record = get_record(registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    sent = body.model_dump(exclude_unset=True)
    if "auth" in sent:
        sent["auth"] = body.auth
    choices, destination = changed_outlet(gateway, record, sent)
    given = {
        n: default if sent[n] is None else sent[n] for n, default in _DEFAULTS.items() if n in sent
    }
    anew: frozenset[str] = frozenset()
    if destination.name != record.destination:
        old = registry.destinations.get(record.destination)
        anew = _moved(record, Defaults() if old is None else old.defaults, destination.defaults)
    changes = flow_changes(body, record, _flow_defaults(gateway, destination), anew=anew)
    changes |= {n: given[n] for n in ("name", "key", "active") if n in given}
    if "projects" in given:
        changes["projects"] = tuple(given["projects"])
    if "statuses" in given:
        changes["statuses"] = tuple(given["statuses"])
    if "key" in given:
        check_key(registry, given["key"], record.id)
    if "integrations" in given:
        changes["integrations"] = _sources(gateway, given["integrations"])
    if "filter" in given:
        changes["filter"] = _filter(given["filter"])
    changes |= sealed_fields(gateway, record.id, choices, destination)
    target = registry.snapshot.targets.get(record.id)
    updated = await save(gateway, record, **changes)
    if target is None or target.url != choices.url:  # what failed was the old one, known no more
        await gateway.deliveries.resume(record.id)
    snapshot = registry.snapshot
    warnings = warnings_of(sent, target=snapshot.targets.get(record.id), snapshot=snapshot)
    return (await _shown(gateway, updated)).model_copy(update=warnings)


async def rotate(call: Call[RotationIn, NoQuery]) -> SubscriptionOut:
    """Give a subscription a new secret; ``rotation`` says how long the old one signs."""
    gateway, body = call.gateway, call.body
    record = get_record(gateway.registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    choices, destination = rotated_outlet(
        gateway, record, body.secret, body.overlap, gateway.clock.now()
    )
    changes = sealed_fields(gateway, record.id, choices, destination)
    updated = await save(gateway, record, **changes)
    answer = {
        "secret": answered_secret(choices, destination),
        **warnings_of({"secret": body.secret}),
    }
    return (await _shown(gateway, updated)).model_copy(update=answer)


def _only_paused(was: SubscriptionRecord, present: SubscriptionRecord) -> bool:
    """Whether nothing but its pause has changed."""
    unpaused = msgspec.structs.replace(
        present, paused_reason=was.paused_reason, updated_at=was.updated_at
    )
    return unpaused == was


async def save(gateway: Gateway, record: SubscriptionRecord, **changes: Any) -> SubscriptionRecord:
    """Write *record* with *changes*; what it holds back becomes due where it runs again.

    A pause that came meanwhile, by itself perhaps, stays, unless *changes* are about that.

    Raises:
        ConflictError: somebody else changed it since *record* was read; nothing is written.
    """
    while True:
        now = gateway.clock.now()
        updated = msgspec.structs.replace(record, updated_at=now, **changes)
        notice = pause_changed(
            record.id, updated.name, record.paused_reason, updated.paused_reason, now, record.tenant
        )
        try:
            await gateway.registry.replace("subscriptions", record, updated, notice)
            break
        except ConflictError:
            present = gateway.registry.snapshot.subscriptions[record.id]
            if "paused_reason" in changes or not _only_paused(record, present):
                raise
            record = present
    if updated.active and updated.paused_reason is None and updated.url:
        await gateway.deliveries.expedite(updated.id)
    else:
        await gateway.deliveries.hold(updated.id)
    return updated


async def delete(call: Call[NoBody, NoQuery]) -> None:
    """Remove a subscription; what it has queued is recorded as cancelled."""
    gateway = call.gateway
    record = get_record(gateway.registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    await gateway.registry.delete("subscriptions", record.id)
    await gateway.notices.forget(record.id)
    await gateway.deliveries.expedite(record.id)  # the worker finds it due, and cancels


async def pause(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Hold a subscription: events queue, none is attempted."""
    return await _shown(call.gateway, await _restate(call, "manual"))


async def resume(call: Call[NoBody, NoQuery]) -> SubscriptionOut:
    """Let a subscription go on with what it has queued: one delivery first, then the rest.

    Its failures are forgotten, so it may also be called to probe at once what is not paused.
    """
    record = get_record(call.gateway.registry.snapshot, call.path["id"])
    await call.gateway.deliveries.resume(record.id)
    return await _shown(call.gateway, await _restate(call, None))


async def _restate(call: Call[NoBody, NoQuery], reason: str | None) -> SubscriptionRecord:
    """Pause a subscription for *reason*, or let it go on, whatever else is changed meanwhile."""
    while True:
        record = get_record(call.gateway.registry.snapshot, call.path["id"])
        wanted = reason and (record.paused_reason or reason)
        try:
            return await save(call.gateway, record, paused_reason=wanted)
        except ConflictError:
            continue  # it is read anew


def aliased(rest: str) -> tuple[str, tuple[str, str]]:
    """A path below subscriptions, and the same under the names that other senders use."""
    return f"/v1/subscriptions{rest}", (f"/v1/webhooks{rest}", f"/webhooks{rest}")


_ALL, _ALL_TOO = aliased("")
_ONE, _ONE_TOO = aliased("/{id}")
_PAUSE, _PAUSE_TOO = aliased("/{id}/pause")
_RESUME, _RESUME_TOO = aliased("/{id}/resume")
_ROTATE, _ROTATE_TOO = aliased("/{id}/rotate-secret")
OPERATIONS = (
    Operation("POST", _ALL, "createSubscription", "Make a subscription", create,
              body=SubscriptionIn, answer=SubscriptionOut, status=201, problems=(409,),
              aliases=_ALL_TOO, scopes=["subscriber"]),
    Operation("GET", _ALL, "listSubscriptions", "List subscriptions", listing, query=Page,
              answer=SubscriptionList, aliases=_ALL_TOO, scopes=["subscriber"]),
    Operation("GET", _ONE, "getSubscription", "Show a subscription", read, answer=SubscriptionOut,
              aliases=_ONE_TOO, scopes=["subscriber"]),
    Operation("PATCH", _ONE, "updateSubscription", "Change a subscription", update,
              body=SubscriptionPatch, answer=SubscriptionOut, problems=(409, 412), aliases=_ONE_TOO,
              scopes=["subscriber"]),
    Operation("DELETE", _ONE, "deleteSubscription", "Remove a subscription", delete, status=204,
              problems=(412,),
              aliases=_ONE_TOO, scopes=["subscriber"]),
    Operation("POST", _PAUSE, "pauseSubscription", "Pause a subscription", pause,
              answer=SubscriptionOut, aliases=_PAUSE_TOO, scopes=["subscriber"]),
    Operation("POST", _RESUME, "resumeSubscription", "Resume a subscription", resume,
              answer=SubscriptionOut, aliases=_RESUME_TOO, scopes=["subscriber"]),
    Operation("POST", _ROTATE, "rotateSubscriptionSecret", "Give a subscription a new secret",
              rotate, body=RotationIn, answer=SubscriptionOut, problems=(409, 412),
              aliases=_ROTATE_TOO, scopes=["subscriber"]),
)  # fmt: skip
