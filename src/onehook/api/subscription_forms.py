"""Bodies and answers of ``/v1/subscriptions``."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from onehook.api.flow import FlowIn, FlowOut, FlowPatch, show_flow
from onehook.api.integrations import Key, Name
from onehook.api.pagination import Pattern
from onehook.core.destinations.document import Defaults
from onehook.core.destinations.outlets import AuthType
from onehook.core.flow import Gate
from onehook.core.profiles.headers import HIDDEN
from onehook.core.profiles.outlet import LEAST_BODY, MAX_BODY, MOST_BODY, TypeNames
from onehook.core.profiles.table import (
    DEFAULT_PREFIX,
    DEFAULT_PROFILE,
    PREFIX_PATTERN,
    PROFILES,
    ProfileName,
)
from onehook.store.outlets import AuthRecord
from onehook.store.records import SubscriptionRecord
from onehook.store.sealing import SealedSecret
from onehook.store.tenant_registry import TenantRegistry
from onehook.web.operations import Form


def _given(text: str) -> str:
    if text == HIDDEN:
        msg = f"{HIDDEN} is what a hidden value is shown as: send the value, or leave it out"
        raise ValueError(msg)
    return text


Active = Annotated[bool, Field(strict=True)]
Events = Annotated[list[Pattern], Field(min_length=1, max_length=100)]
Sources = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=100)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]
SigningSecret = Annotated[str, Field(min_length=1, max_length=512)]
Hidden = Annotated[str, Field(max_length=4096), AfterValidator(_given)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Prefix = Annotated[str, Field(pattern=PREFIX_PATTERN)]
BodySize = Annotated[int, Field(ge=LEAST_BODY, le=MOST_BODY)]
Template = Annotated[str, Field(min_length=1, max_length=65_536)]


class AuthIn(Form):
    """How the receiver wants to be shown who calls.

    ``bearer`` takes ``token``; ``basic`` ``username`` and ``password``; ``header`` ``name`` and
    ``value``.
    """

    type: AuthType
    token: Hidden | None = None
    username: Text | None = None
    password: Hidden | None = None
    name: Text | None = None
    value: Hidden | None = None


class OutletIn(Form):
    """What a receiver gets. Left out, a field is as the destination's file or the gateway says."""

    destination: Text | None = None
    type: Text | None = None  # as other senders call the destination
    settings: dict[str, Hidden] = {}
    profile: ProfileName | None = None
    prefix: Prefix | None = None
    type_names: TypeNames | None = None
    headers: dict[str, Hidden] = {}
    auth: AuthIn | None = None
    body_template: Template | None = None
    include_raw: bool = False
    max_body_bytes: BodySize = MAX_BODY


class SubscriptionIn(OutletIn, FlowIn):
    """A new subscription.

    ``integrations`` takes ids, keys or platform slugs; empty: all. ``projects`` holds globs over
    the id, key or name of an event's repository, ticket project or service; ``statuses`` words
    that a status may change to. ``filter`` holds conditions of the mapping language; ``$`` is the
    event as delivered. ``url`` may be left out where the
    destination's file has one; without one nothing is sent, and the subscription pulls.
    """

    url: str | None = None
    name: Name | None = None
    key: Key | None = None
    events: Events | None = None
    integrations: Sources = []
    projects: Words = []
    statuses: Words = []
    filter: dict[str, Any] | None = None
    active: Active = True
    secret: SigningSecret | None = None


class SubscriptionPatch(FlowPatch):
    """What to change (RFC 7396): fields left out stay, null clears or gives the default.

    ``settings`` and ``headers`` change name by name; ``auth`` is replaced as a whole.
    """

    url: str | None = None
    name: Name | None = None
    key: Key | None = None
    events: Events | None = None
    integrations: Sources | None = None
    projects: Words | None = None
    statuses: Words | None = None
    filter: dict[str, Any] | None = None
    active: Active | None = None
    secret: SigningSecret | None = None
    destination: Text | None = None
    type: Text | None = None
    settings: dict[str, Hidden | None] | None = None
    profile: ProfileName | None = None
    prefix: Prefix | None = None
    type_names: TypeNames | None = None
    headers: dict[str, Hidden | None] | None = None
    auth: AuthIn | None = None
    body_template: Template | None = None
    include_raw: bool | None = None
    max_body_bytes: BodySize | None = None


class RotationIn(Form):
    """A new secret, made if none is given; *overlap* is the profile's usual one if left out."""

    secret: SigningSecret | None = None
    overlap: str | None = None


class RotationOut(BaseModel):
    """A rotation under way: what signs until *ends_at*, when the new secret alone does."""

    ends_at: datetime
    signs: Literal["both", "old"]


class WarningOut(BaseModel):
    """What was taken, and may not be meant."""

    pointer: str
    detail: str


class AuthOut(BaseModel):
    """As it was set, its secret hidden."""

    type: AuthType
    token: str | None = None
    username: str | None = None
    password: str | None = None
    name: str | None = None
    value: str | None = None


class SubscriptionOut(FlowOut):
    """A subscription; secret values are hidden, and null ``url``: it pulls.

    ``secret`` only in the answer that makes or rotates it, ``warnings`` only where there are any.
    """

    id: str
    key: str | None
    name: str | None
    url: str | None
    events: list[str]
    integrations: list[str]
    projects: list[str]
    statuses: list[str]
    filter: dict[str, Any] | None
    active: bool
    destination: str
    settings: dict[str, str]
    profile: ProfileName
    prefix: str
    type_names: TypeNames
    headers: dict[str, str]
    auth: AuthOut | None
    body_template: str | None
    include_raw: bool
    max_body_bytes: int
    rotation: RotationOut | None
    status: Literal["active", "inactive", "paused"]
    paused_reason: str | None
    created_at: datetime
    updated_at: datetime
    secret: str | None = None
    warnings: list[WarningOut] | None = None


class SubscriptionList(BaseModel):
    """A page of subscriptions."""

    data: list[SubscriptionOut]
    next: str | None


def show(
    registry: TenantRegistry, record: SubscriptionRecord, gate: Gate, now: datetime
) -> SubscriptionOut:
    """*record* as the API shows it at *now*, and how it fares by its *gate*."""
    status: Literal["active", "inactive", "paused"] = "active"
    if not record.active:
        status = "inactive"
    elif record.paused_reason is not None:
        status = "paused"
    destination = registry.destinations.get(record.destination)
    defaults = Defaults() if destination is None else destination.defaults
    profile = record.profile or defaults.profile or DEFAULT_PROFILE
    return SubscriptionOut(
        id=record.id,
        key=record.key,
        name=record.name,
        url=record.url or None,
        events=record.events,
        integrations=record.integrations,
        projects=list(record.projects),
        statuses=list(record.statuses),
        filter=record.filter,
        active=record.active,
        destination=record.destination,
        settings=record.settings | dict.fromkeys(record.secret_settings, HIDDEN),
        profile=profile,
        prefix=record.prefix or defaults.prefix or DEFAULT_PREFIX,
        type_names=record.type_names or defaults.type_names or "unified",
        headers=dict.fromkeys(record.headers, HIDDEN),
        auth=_auth(record.auth),
        body_template=record.body_template,
        include_raw=record.include_raw,
        max_body_bytes=record.max_body_bytes,
        rotation=_rotation(record.old_secret, profile, now),
        **show_flow(record, gate, now),
        status=status,
        paused_reason=record.paused_reason,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _auth(auth: AuthRecord | None) -> AuthOut | None:
    match auth:
        case None:
            return None
        case AuthRecord(type="basic", name=name):
            return AuthOut(type="basic", username=name, password=HIDDEN)
        case AuthRecord(type="header", name=name):
            return AuthOut(type="header", name=name, value=HIDDEN)
        case AuthRecord():
            return AuthOut(type="bearer", token=HIDDEN)


def _rotation(old: SealedSecret | None, profile: ProfileName, now: datetime) -> RotationOut | None:
    if old is None or old.expires_at is None or old.expires_at <= now:
        return None
    return RotationOut(ends_at=old.expires_at, signs="both" if PROFILES[profile].both else "old")
