"""``/v1/integrations``: which vendors may send to us, and how they prove themselves."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, Field

from onehook.api.flow import RateLimitIn, RateLimitOut, RateLimitPatch, merge_rate_limit
from onehook.api.pagination import IDENTIFIER, Page, decode_cursor, encode_cursor
from onehook.api.quotas import check_quota
from onehook.core.durations import parse_duration, render_duration
from onehook.core.integration import check_settings
from onehook.core.mapping.document import CompiledMapping
from onehook.core.notices import GATEWAY
from onehook.core.senders import parse_senders
from onehook.core.signatures import secret_problem
from onehook.errors import ConflictError, FieldError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.store.records import IntegrationRecord
from onehook.store.sealing import SealedSecret
from onehook.store.snapshot import Snapshot
from onehook.store.tenant_registry import TenantRegistry
from onehook.web.gateway import Gateway
from onehook.web.operations import Call, Form, NoBody, NoQuery, Operation

MAX_SECRETS = 3  # active at once, of one setting; threats.md A11
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
Secret = Annotated[str, Field(min_length=1, max_length=4096)]
Value = Annotated[str, Field(max_length=2048, pattern=r"^[^\x00-\x1f\x7f]*$")]
_SHORTEST_SILENCE, _LONGEST_SILENCE = timedelta(minutes=1), timedelta(days=365)


def _silence(text: str) -> str:
    found = parse_duration(text)
    if found is None or not _SHORTEST_SILENCE <= found <= _LONGEST_SILENCE:
        msg = "is a duration from 1m to 365d, such as 1d"
        raise ValueError(msg)
    return text


def _senders(text: str) -> str:
    parse_senders(text)
    return text


Silence = Annotated[str, AfterValidator(_silence)]
AllowFrom = Annotated[list[Annotated[str, AfterValidator(_senders)]], Field(max_length=256)]


class IntegrationIn(Form):
    """A new integration. ``verify: none`` takes anything that arrives: only by explicit choice.

    ``silent_after``: how long no webhook may come until that is told as
    ``integration.connection.failed``; null: for ever. ``allow_from``: addresses and networks that
    may send; empty: all. ``rate_limit``: of verified webhooks, in each gateway.
    """

    type: str
    name: Name | None = None
    key: Key | None = None
    secret: Secret | None = None
    settings: dict[str, Value] = {}
    verify: Literal["signature", "none"] = "signature"
    active: bool = True
    silent_after: Silence | None = None
    allow_from: AllowFrom = []
    rate_limit: RateLimitIn | None = None


class IntegrationPatch(Form):
    """What to change (RFC 7396): fields left out stay, null clears."""

    name: Name | None = None
    key: Key | None = None
    secret: Secret | None = None
    settings: dict[str, Value | None] | None = None
    verify: Literal["signature", "none"] | None = None
    active: bool | None = None
    silent_after: Silence | None = None
    allow_from: AllowFrom | None = None
    rate_limit: RateLimitPatch | None = None


class IntegrationOut(BaseModel):
    """An integration. Its secrets go in, never out."""

    id: str
    key: str | None
    type: str
    name: str
    settings: dict[str, str]
    verify: Literal["signature", "none"]
    active: bool
    silent_after: str | None
    allow_from: list[str]
    rate_limit: RateLimitOut | None
    ingest_url: str
    created_at: datetime
    updated_at: datetime


class IntegrationList(BaseModel):
    """A page of integrations."""

    data: list[IntegrationOut]
    next: str | None


class Rotation(Form):
    """A new secret; the one before it stays valid for *overlap*."""

    secret: Secret
    setting: str = "secret"
    overlap: str = "24h"


def show(gateway: Gateway, record: IntegrationRecord) -> IntegrationOut:
    """*record* as the API shows it."""
    silence = record.silent_after_ms
    return IntegrationOut(
        id=record.id,
        key=record.key,
        type=record.type,
        name=record.name,
        settings=record.settings,
        verify="none" if record.verify == "none" else "signature",
        active=record.active,
        silent_after=None if silence is None else render_duration(timedelta(milliseconds=silence)),
        allow_from=list(record.allow_from),
        rate_limit=None if record.rate_limit is None else RateLimitOut(**asdict(record.rate_limit)),
        ingest_url=gateway.ingest_url(record.id),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def get_record(snapshot: Snapshot, id_or_key: str) -> IntegrationRecord:
    """The integration of that id or key.

    Raises:
        NotFoundError: there is none.
    """
    found = snapshot.integrations.get(id_or_key) or snapshot.integrations.get(
        snapshot.by_key.get(id_or_key, "")
    )
    if found is None:
        msg = f"there is no integration {id_or_key[:80]!r}"
        raise NotFoundError(msg)
    return found


def find_id(snapshot: Snapshot, id_or_key: str) -> str:
    """The id of an integration, by id or key; the gateway itself has one too, for its own facts.

    Raises:
        NotFoundError: there is none.
    """
    return id_or_key if id_or_key == GATEWAY.id else get_record(snapshot, id_or_key).id


# Words that stand in URLs where a key could.
RESERVED = frozenset({"preview", "test"})


def check_key(registry: TenantRegistry, key: str | None, own_id: str) -> None:
    """Refuse a key that another object has, that is a platform's name, or a word of our URLs.

    Raises:
        ConflictError: naming the object.
        InvalidRequestError: 422, it could not be reached by that key.
    """
    if key in RESERVED:
        detail = f"{key!r} is a word of this API's URLs: choose another, such as {key}-1"
        raise InvalidRequestError(detail, errors=[FieldError("/key", detail)])
    snapshot = registry.snapshot
    holder = snapshot.by_key.get(key or "")
    taken = any(key in some for some in (snapshot.integrations, snapshot.subscriptions))
    taken = taken or key in registry.mappings or key in (GATEWAY.id, GATEWAY.type)
    if (holder is not None and holder != own_id) or taken:
        msg = f"the key {key!r} is taken by {holder or key}"
        raise ConflictError(msg)


def _mapping(gateway: Gateway, platform: str, *, new: bool = False) -> CompiledMapping:
    """The mapping of *platform*; *new*: for an integration that is yet to be made.

    Raises:
        InvalidRequestError: 422, there is none, or its file is gone.
    """
    file = gateway.mappings.get(platform)
    if file is not None and new and gateway.mappings.status(platform) == "removed":
        detail = f"the mapping file of {platform} is gone: {file.name} is kept for others only"
        raise InvalidRequestError(detail, errors=[FieldError("/type", detail)])
    if file is None:
        detail = f"there is no platform {platform[:40]!r}; there are {', '.join(gateway.mappings)}"
        raise InvalidRequestError(detail, errors=[FieldError("/type", detail)])
    return file.mapping


def _split(
    mapping: CompiledMapping, settings: Mapping[str, str], secret: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Plain settings, and secrets by setting."""
    hidden = {name for name, spec in mapping.settings.items() if spec.secret} | {"secret"}
    plain = {name: value for name, value in settings.items() if name not in hidden}
    secrets = {name: value for name, value in settings.items() if name in hidden}
    if secret is not None:
        secrets["secret"] = secret
    return plain, secrets


def _silence_ms(text: str | None) -> int | None:
    found = None if text is None else parse_duration(text)
    return None if found is None else round(found.total_seconds() * 1000)


def _seal(
    registry: TenantRegistry, id_: str, secrets: Mapping[str, str]
) -> dict[str, list[SealedSecret]]:
    return {
        name: [SealedSecret(registry.sealer.seal(id_, value))] for name, value in secrets.items()
    }


async def create(call: Call[IntegrationIn, NoQuery]) -> IntegrationOut:
    """Make an integration."""
    gateway, body = call.gateway, call.body
    record = new_record(gateway, body)
    await add(gateway.registry, record)
    return show(gateway, record)


def new_record(
    gateway: Gateway, body: IntegrationIn, over: IntegrationRecord | None = None
) -> IntegrationRecord:
    """The integration that *body* asks for, not saved.

    *over* is the one it replaces: it keeps its id, and its ``secret`` where *body* has none.

    Raises:
        InvalidRequestError: 422, with a pointer to each thing wrong.
    """
    registry = gateway.registry
    mapping = _mapping(gateway, body.type, new=over is None)
    plain, secrets = _split(mapping, body.settings, body.secret)
    now = gateway.clock.now()
    id_, made_at = (new_id("int", now), now) if over is None else (over.id, over.created_at)
    sealed = {} if over is None else _kept(registry, over, secrets)
    raw = {name: value.encode() for name, value in secrets.items()}
    for name in sealed.keys() - secrets.keys():
        raw[name] = registry.sealer.open(id_, sealed[name][0].sealed).encode()
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    check_settings(mapping, {**defaults, **plain}, raw, unsigned=body.verify == "none")
    new = {name: value for name, value in secrets.items() if name not in sealed}
    return IntegrationRecord(
        id=id_,
        tenant=registry.tenant,
        key=body.key,
        type=body.type,
        name=body.name or body.type,
        settings=plain,
        secrets={**sealed, **_seal(registry, id_, new)},
        verify=body.verify,
        active=body.active,
        silent_after_ms=_silence_ms(body.silent_after),
        allow_from=tuple(body.allow_from),
        rate_limit=merge_rate_limit(body.rate_limit, None),
        created_at=made_at,
        updated_at=now,
    )


async def add(registry: TenantRegistry, record: IntegrationRecord) -> None:
    """Save a new integration.

    Raises:
        ConflictError: its key is taken, or the tenant may have no more.
    """

    def check() -> None:
        check_key(registry, record.key, record.id)
        check_quota(registry, "integrations")

    await registry.add("integrations", record, check)


def _kept(
    registry: TenantRegistry, over: IntegrationRecord, secrets: Mapping[str, str]
) -> dict[str, list[SealedSecret]]:
    """The secrets of *over* that stay as they are: given again, or ``secret`` and not given."""
    return {
        name: some
        for name, some in over.secrets.items()
        if (name in secrets or name == "secret")
        and secrets.get(name) in (None, registry.sealer.open(over.id, some[0].sealed))
    }


async def listing(call: Call[NoBody, Page]) -> IntegrationList:
    """List integrations, newest first."""
    before = decode_cursor(call.query.cursor, IDENTIFIER)
    records = sorted(call.gateway.registry.snapshot.integrations.values(), key=lambda r: r.id)
    chosen = [r for r in reversed(records) if before is None or r.id < before]
    page = chosen[: call.query.limit]
    more = len(chosen) > len(page)
    return IntegrationList(
        data=[show(call.gateway, record) for record in page],
        next=encode_cursor(page[-1].id) if more else None,
    )


async def read(call: Call[NoBody, NoQuery]) -> IntegrationOut:
    """Show one integration."""
    return show(call.gateway, get_record(call.gateway.registry.snapshot, call.path["id"]))


async def update(call: Call[IntegrationPatch, NoQuery]) -> IntegrationOut:
    """Change an integration.

    Raises:
        InvalidRequestError: 422, with it nothing could be verified.
    """
    gateway, body = call.gateway, call.body
    registry = gateway.registry
    record = get_record(registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    mapping = _mapping(gateway, record.type)
    given = body.model_fields_set
    changes: dict[str, Any] = {
        n: getattr(body, n) for n in ("name", "verify", "active") if n in given
    }
    if any(value is None for value in changes.values()):
        name = next(name for name, value in changes.items() if value is None)
        detail = f"{name} cannot be null"
        raise InvalidRequestError(detail, errors=[FieldError(f"/{name}", "cannot be null")])
    merged = dict(record.settings)
    for name, value in (body.settings or {}).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    plain, secrets = _split(mapping, merged, body.secret if "secret" in given else None)
    opened = {
        name: registry.sealer.open(record.id, some[0].sealed)
        for name, some in record.secrets.items()
        if name not in (body.settings or {}) and not (name == "secret" and "secret" in given)
    }
    raw = {name: value.encode() for name, value in {**opened, **secrets}.items()}
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    unsigned = changes.get("verify", record.verify) == "none"
    check_settings(mapping, {**defaults, **plain}, raw, unsigned=unsigned)
    if "key" in given:
        check_key(registry, body.key, record.id)
        changes["key"] = body.key
    if "silent_after" in given:
        changes["silent_after_ms"] = _silence_ms(body.silent_after)
    if "allow_from" in given:
        changes["allow_from"] = tuple(body.allow_from or ())
    if "rate_limit" in given:
        changes["rate_limit"] = merge_rate_limit(body.rate_limit, record.rate_limit)
    kept = {name: some for name, some in record.secrets.items() if name in opened}
    changes["secrets"] = {**kept, **_seal(registry, record.id, secrets)}
    changes["settings"] = plain
    updated = msgspec.structs.replace(record, updated_at=gateway.clock.now(), **changes)
    await registry.replace("integrations", record, updated)
    return show(gateway, updated)


async def delete(call: Call[NoBody, NoQuery]) -> None:
    """Remove an integration; its events stay until their retention ends."""
    registry = call.gateway.registry
    record = get_record(registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    id_ = record.id
    await registry.delete("integrations", id_)
    await call.gateway.notices.forget(id_)


async def rotate(call: Call[Rotation, NoQuery]) -> IntegrationOut:
    """Give an integration a new secret; the old one stays valid during the overlap.

    Raises:
        ConflictError: too many secrets are active.
        InvalidRequestError: the setting, secret or overlap cannot be used.
    """
    gateway, body = call.gateway, call.body
    registry = gateway.registry
    record = get_record(registry.snapshot, call.path["id"])
    call.check_match(record.updated_at)
    mapping = _mapping(gateway, record.type)
    spec = mapping.settings.get(body.setting)
    if body.setting != "secret" and (spec is None or not spec.secret):
        detail = f"{body.setting[:40]!r} is no secret setting of {record.type}"
        raise InvalidRequestError(detail, errors=[FieldError("/setting", detail)])
    overlap = parse_duration(body.overlap)
    if overlap is None or overlap > timedelta(days=30):
        detail = "overlap is a duration up to 30d, such as 24h or 0s"
        raise InvalidRequestError(detail, errors=[FieldError("/overlap", detail)])
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    scheme = mapping.verify.scheme({**defaults, **record.settings})
    problem = secret_problem(scheme, body.setting, body.secret.encode())
    if problem is not None:
        raise InvalidRequestError(problem, errors=[FieldError("/secret", problem)])
    now = gateway.clock.now()
    before = [
        s for s in record.secrets.get(body.setting, []) if not s.expires_at or s.expires_at > now
    ]
    if overlap and len(before) >= MAX_SECRETS:
        msg = f"{MAX_SECRETS} secrets are active already: wait until one has ended"
        raise ConflictError(msg)
    ends = now + overlap
    older = (
        [SealedSecret(s.sealed, min(s.expires_at or ends, ends)) for s in before] if overlap else []
    )
    new = SealedSecret(registry.sealer.seal(record.id, body.secret))
    secrets = {**record.secrets, body.setting: [new, *older]}
    updated = msgspec.structs.replace(record, secrets=secrets, updated_at=now)
    await registry.replace("integrations", record, updated)
    return show(gateway, updated)


_ONE = "/v1/integrations/{id}"
OPERATIONS = (
    Operation("POST", "/v1/integrations", "createIntegration", "Make an integration", create,
              body=IntegrationIn, answer=IntegrationOut, status=201, problems=(409,),
              scopes=["ingest-admin"]),
    Operation("GET", "/v1/integrations", "listIntegrations", "List integrations", listing,
              query=Page, answer=IntegrationList, scopes=["ingest-admin"]),
    Operation("GET", _ONE, "getIntegration", "Show an integration", read, answer=IntegrationOut,
              scopes=["ingest-admin"]),
    Operation("PATCH", _ONE, "updateIntegration", "Change an integration", update,
              body=IntegrationPatch, answer=IntegrationOut, problems=(409, 412),
              scopes=["ingest-admin"]),
    Operation("DELETE", _ONE, "deleteIntegration", "Remove an integration", delete, status=204,
              problems=(412,),
              scopes=["ingest-admin"]),
    Operation("POST", _ONE + "/rotate-secret", "rotateIntegrationSecret",
              "Give an integration a new secret", rotate, body=Rotation, answer=IntegrationOut,
              problems=(409, 412), scopes=["ingest-admin"]),
)  # fmt: skip
