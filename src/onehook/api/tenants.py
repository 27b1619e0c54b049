"""``/v1/tenants``: whose integrations, subscriptions, events and keys there are."""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
import structlog
from pydantic import BaseModel, Field

from onehook.api.flow import RetryGiven, Timeout
from onehook.api.integrations import Name
from onehook.api.pagination import Page, decode_cursor, encode_cursor
from onehook.api.subscription_forms import Prefix
from onehook.core.destinations.document import find_destination
from onehook.core.mapping.problems import nearest
from onehook.core.model import DEFAULT_TENANT
from onehook.core.profiles.table import ProfileName
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.store.records import Quotas, TenantDefaults, TenantRecord
from onehook.store.registry import Registry
from onehook.store.retention import forget_tenant
from onehook.store.tenant_registry import no_tenant
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

log = structlog.get_logger()
SLUG = r"^[a-z0-9][a-z0-9-]{0,31}$"
_POSITION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
Slug = Annotated[str, Field(pattern=SLUG)]
Most = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Rate = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]


class QuotasIn(Form):
    """How much the tenant may have; null: any number.

    ``events_per_minute`` is counted by each gateway for itself, at ingest.
    """

    max_subscriptions: Most | None = None
    max_integrations: Most | None = None
    events_per_minute: Rate | None = None


class DefaultsIn(Form):
    """What the tenant's new subscriptions have that say nothing; null: as the gateway has it."""

    profile: ProfileName | None = None
    prefix: Prefix | None = None
    destination: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    retry: RetryGiven | None = None
    timeout: Timeout | None = None


class TenantIn(Form):
    """A new tenant, under an id of the operator's choosing."""

    id: Slug
    name: Name | None = None
    quotas: QuotasIn = QuotasIn()
    defaults: DefaultsIn = DefaultsIn()


class TenantPatch(Form):
    """What to change (RFC 7396): fields left out stay, null clears."""

    name: Name | None = None
    quotas: QuotasIn | None = None
    defaults: DefaultsIn | None = None


class QuotasOut(BaseModel):
    """How much the tenant may have; null: any number."""

    max_subscriptions: int | None
    max_integrations: int | None
    events_per_minute: int | None


class DefaultsOut(BaseModel):
    """What the tenant's new subscriptions have; null: as the gateway has it."""

    profile: ProfileName | None
    prefix: str | None
    destination: str | None
    retry: str | list[str] | None
    timeout: str | None


class TenantOut(BaseModel):
    """A tenant. Null ``created_at``: it was always there."""

    id: str
    name: str
    quotas: QuotasOut
    defaults: DefaultsOut
    created_at: datetime | None
    updated_at: datetime | None


class TenantList(BaseModel):
    """A page of tenants, by their ids."""

    data: list[TenantOut]
    next: str | None


def _show(record: TenantRecord) -> TenantOut:
    return TenantOut(
        id=record.id,
        name=record.name,
        quotas=QuotasOut(**msgspec.structs.asdict(record.quotas)),
        defaults=DefaultsOut(**msgspec.structs.asdict(record.defaults)),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _get(registry: Registry, id_: str) -> TenantRecord:
    """The tenant of that id.

    Raises:
        NotFoundError: there is none.
    """
    found = registry.snapshot.tenants.get(id_)
    if found is None:
        raise NotFoundError(no_tenant(id_))
    return found


def _defaults(registry: Registry, form: DefaultsIn) -> dict[str, Any]:
    """The defaults that *form* sets, the destination by its own name.

    Raises:
        InvalidRequestError: there is no such destination.
    """
    given = form.model_dump(exclude_unset=True)
    name = given.get("destination")
    if name is not None:
        found = find_destination(registry.destinations, name)
        if found is None:
            detail = f"there is no destination {name!r}; {nearest(name, registry.destinations)}"
            where = FieldError("/defaults/destination", detail)
            raise InvalidRequestError(detail, errors=[where])
        given["destination"] = found.name
    return given


async def create(call: Call[TenantIn, NoQuery]) -> TenantOut:
    """Make a tenant.

    Raises:
        ConflictError: its id is taken.
    """
    registry, body, now = call.gateway.registry.whole, call.body, call.gateway.clock.now()
    record = TenantRecord(
        id=body.id,
        name=body.name or body.id,
        quotas=Quotas(**body.quotas.model_dump()),
        defaults=TenantDefaults(**_defaults(registry, body.defaults)),
        created_at=now,
        updated_at=now,
    )
    saved = False
    while not saved:
        if record.id in registry.snapshot.tenants:
            msg = f"there is a tenant {record.id!r} already"
            raise ConflictError(msg)
        saved = await registry.save_if_current("tenants", record)
    log.info("tenant.made", tenant=record.id, by=call.access.key_id)
    return _show(record)


async def listing(call: Call[NoBody, Page]) -> TenantList:
    """List tenants by their ids."""
    after = decode_cursor(call.query.cursor, _POSITION)
    tenants = call.gateway.registry.whole.snapshot.tenants
    chosen = [id_ for id_ in sorted(tenants) if after is None or id_ > after]
    page = chosen[: call.query.limit]
    return TenantList(
        data=[_show(tenants[id_]) for id_ in page],
        next=encode_cursor(page[-1]) if len(chosen) > len(page) else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> TenantOut:
    """Show one tenant."""
    return _show(_get(call.gateway.registry.whole, call.path["id"]))


async def update(call: Call[TenantPatch, NoQuery]) -> TenantOut:
    """Change a tenant. What two change at the same time is both kept, field by field."""
    registry, now = call.gateway.registry.whole, call.gateway.clock.now()
    while True:
        record = _get(registry, call.path["id"])
        changes = _changes(registry, record, call.body)
        changed = msgspec.structs.replace(record, updated_at=now, **changes)
        if await registry.save_if_current("tenants", changed):
            return _show(changed)


def _changes(registry: Registry, record: TenantRecord, body: TenantPatch) -> dict[str, Any]:
    """The fields of *record* that *body* changes."""
    given, changes = body.model_fields_set, dict[str, Any]()
    if "name" in given:
        changes["name"] = body.name or record.id
    if "quotas" in given:
        changes["quotas"] = Quotas()
        if body.quotas is not None:
            quotas = body.quotas.model_dump(exclude_unset=True)
            changes["quotas"] = msgspec.structs.replace(record.quotas, **quotas)
    if "defaults" in given:
        changes["defaults"] = TenantDefaults()
        if body.defaults is not None:
            defaults = _defaults(registry, body.defaults)
            changes["defaults"] = msgspec.structs.replace(record.defaults, **defaults)
    return changes


async def delete(call: Call[NoBody, NoQuery]) -> None:
    """Remove a tenant that has nothing any more; its events end with their retention.

    Raises:
        ConflictError: it is the default one, or still has something.
    """
    gateway, id_, removed = call.gateway, call.path["id"], False
    registry = gateway.registry.whole
    while not removed:
        _get(registry, id_)
        _check_empty(registry, id_)
        removed = await registry.delete_if_current("tenants", id_)
    await forget_tenant(registry.client, registry.keys.of(id_), registry.mappings)
    log.info("tenant.removed", tenant=id_, by=call.access.key_id)


def _check_empty(registry: Registry, id_: str) -> None:
    if id_ == DEFAULT_TENANT:
        msg = f"the tenant {DEFAULT_TENANT} cannot be removed"
        raise ConflictError(msg)
    snapshot = registry.snapshot
    own, keys = snapshot.of(id_), [key for key in snapshot.keys.values() if key.tenant == id_]
    counts = {
        "integration": len(own.integrations),
        "subscription": len(own.subscriptions),
        "API key": len(keys),
    }
    owned = [f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items() if n]
    if owned:
        msg = f"the tenant {id_!r} still has {', '.join(owned)}: remove them first"
        raise ConflictError(msg)


_ALL, _ONE = "/v1/tenants", "/v1/tenants/{id}"
OPERATIONS = (
    Operation("POST", _ALL, "createTenant", "Make a tenant", create, body=TenantIn,
              answer=TenantOut, status=201, problems=(409,), manages_tenants=True),
    Operation("GET", _ALL, "listTenants", "List tenants", listing, query=Page, answer=TenantList,
              manages_tenants=True),
    Operation("GET", _ONE, "getTenant", "Show a tenant", read, answer=TenantOut,
              manages_tenants=True),
    Operation("PATCH", _ONE, "updateTenant", "Change a tenant", update, body=TenantPatch,
              answer=TenantOut, manages_tenants=True),
    Operation("DELETE", _ONE, "deleteTenant", "Remove a tenant", delete, status=204,
              problems=(409,), manages_tenants=True),
)  # fmt: skip
