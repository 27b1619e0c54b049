"""``/v1/keys`` (also ``/v1/api-keys``): who may call this API, to do what, for how long."""

from datetime import datetime
from typing import Annotated

import structlog
from pydantic import BaseModel, Field

from onehook.api.integrations import Name
from onehook.api.pagination import IDENTIFIER, Moment, Page, decode_cursor, encode_cursor
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.store.records import FIRST_KEY, KeyRecord, Scope
from onehook.store.tenant_registry import TenantRegistry, no_tenant
from onehook.web.access import ADMIN, Access, make_key
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

log = structlog.get_logger()


class KeyIn(Form):
    """A new API key of ``tenant``: the caller's own, unless an admin of ``default`` names another.

    ``scopes``: ``admin`` may do everything, ``read`` may GET everything, ``ingest-admin`` has
    integrations, mappings and the quarantine, ``subscriber`` has subscriptions, deliveries,
    replays and events.
    """

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] = ["read"]
    tenant: Annotated[str, Field(max_length=64)] | None = None
    expires_at: Moment | None = None


class KeyOut(BaseModel):
    """An API key, not the key itself. ``last_used_at``: to within a minute."""

    id: str
    name: str
    tenant: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class KeyMadeOut(KeyOut):
    """A new API key; ``key`` is shown this once."""

    key: str


class KeyList(BaseModel):
    """A page of API keys."""

    data: list[KeyOut]
    next: str | None


async def create(call: Call[KeyIn, NoQuery]) -> KeyMadeOut:
    """Make an API key; it is shown this once, and only its hash is kept.

    Raises:
        InvalidRequestError: its tenant is not there, or it would have expired already.
    """
    gateway, body = call.gateway, call.body
    registry = _owner(gateway.registry, call.access, body.tenant)
    now = gateway.clock.now()
    if body.expires_at is not None and body.expires_at <= now:
        detail = "expires_at is not in the future"
        raise InvalidRequestError(detail, errors=[FieldError("/expires_at", detail)])
    key = make_key()
    record = KeyRecord(
        id=new_id("key", now),
        tenant=registry.tenant,
        name=body.name,
        digest=registry.whole.digest(key),
        scopes=list(dict.fromkeys(body.scopes)),
        created_at=now,
        expires_at=body.expires_at,
    )
    await registry.add("keys", record, _no_check)
    log.info("api_key.made", key_id=record.id, tenant=record.tenant, by=call.access.key_id)
    return KeyMadeOut(**_show(record, None).model_dump(), key=key)


def _no_check() -> None:
    """Any number of keys may be made."""


def _owner(registry: TenantRegistry, access: Access, tenant: str | None) -> TenantRegistry:
    """The part of the configuration that a new key belongs to.

    Raises:
        InvalidRequestError: there is no such tenant, or it is none of the caller's business.
    """
    if tenant is None or tenant == registry.tenant:
        return registry
    if not access.manages_tenants or tenant not in registry.whole.snapshot.tenants:
        detail = no_tenant(tenant)
        raise InvalidRequestError(detail, errors=[FieldError("/tenant", detail)])
    return registry.of(tenant)


def _show(record: KeyRecord, used: datetime | None) -> KeyOut:
    return KeyOut(
        id=record.id,
        name=record.name,
        tenant=record.tenant,
        scopes=record.scopes,
        created_at=record.created_at,
        last_used_at=used,
        expires_at=record.expires_at,
    )


async def listing(call: Call[NoBody, Page]) -> KeyList:
    """List the tenant's API keys, newest first; the one that the gateway came with is the last."""
    before = decode_cursor(call.query.cursor, IDENTIFIER)
    keys = call.gateway.registry.api_keys
    first = [FIRST_KEY] if FIRST_KEY in keys else []
    ids = sorted((id_ for id_ in keys if id_ != FIRST_KEY), reverse=True)  # ids sort by time
    chosen = [*(id_ for id_ in ids if before is None or id_ < before), *first]
    page = chosen[: call.query.limit]
    used = await call.gateway.key_uses.last()
    return KeyList(
        data=[_show(keys[id_], used.get(id_)) for id_ in page],
        next=encode_cursor(page[-1]) if len(chosen) > len(page) else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> KeyOut:
    """Show one API key."""
    record = _get(call.gateway.registry, call.path["id"])
    return _show(record, (await call.gateway.key_uses.last()).get(record.id))


def _get(registry: TenantRegistry, id_: str) -> KeyRecord:
    """The API key of that id.

    Raises:
        NotFoundError: there is none.
    """
    found = registry.api_keys.get(id_)
    if found is None:
        msg = f"there is no API key {id_[:80]!r}"
        raise NotFoundError(msg)
    return found


async def revoke(call: Call[NoBody, NoQuery]) -> None:
    """Revoke an API key: at once here, within a second at other gateways.

    Raises:
        ConflictError: nobody could do anything without it, or it would come back.
    """
    gateway, removed = call.gateway, False
    registry = gateway.registry
    while not removed:
        record = _get(registry, call.path["id"])
        _check_revocable(gateway, record)
        removed = await registry.whole.delete_if_current("keys", record.id)
    await gateway.key_uses.forget(call.path["id"])
    log.info("api_key.revoked", key_id=call.path["id"], by=call.access.key_id)


def _check_revocable(gateway: Gateway, record: KeyRecord) -> None:
    settings, now = gateway.settings, gateway.clock.now()
    if record.id == FIRST_KEY and (settings.api_key is not None or settings.key_file.exists()):
        msg = (
            "this key is the one of ONEHOOK_API_KEY or of api-key in the data folder, and would "
            "come back at the next start: change it there, or take it away, and start again"
        )
        raise ConflictError(msg)
    admins = [key for key in gateway.registry.api_keys.values() if ADMIN in key.scopes]
    last = not any(key.id != record.id and key.holds(now) for key in admins)
    if gateway.registry.is_default and record in admins and last:
        msg = "this is the last admin key of the default tenant: make another one first"
        raise ConflictError(msg)


_ALL, _ALL_TOO = "/v1/keys", ("/v1/api-keys",)
_ONE, _ONE_TOO = "/v1/keys/{id}", ("/v1/api-keys/{id}",)
OPERATIONS = (
    Operation("POST", _ALL, "createKey", "Make an API key", create, body=KeyIn, answer=KeyMadeOut,
              status=201, aliases=_ALL_TOO),
    Operation("GET", _ALL, "listKeys", "List API keys", listing, query=Page, answer=KeyList,
              aliases=_ALL_TOO),
    Operation("GET", _ONE, "getKey", "Show an API key", read, answer=KeyOut, aliases=_ONE_TOO),
    Operation("DELETE", _ONE, "revokeKey", "Revoke an API key", revoke, status=204,
              problems=(409,), aliases=_ONE_TOO),
)  # fmt: skip
