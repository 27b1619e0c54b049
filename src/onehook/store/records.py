"""What the configuration is made of, as it lies in the store.

A record of before there were tenants names none, and is of ``default``.
"""

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from onehook.core.flow import USUAL, Flow, RateLimit
from onehook.core.model import DEFAULT_TENANT
from onehook.core.profiles.table import ProfileName
from onehook.store.outlets import OutletRecord
from onehook.store.sealing import SealedSecret

Scope: TypeAlias = Literal["admin", "read", "ingest-admin", "subscriber"]
FIRST_KEY = "key_first"  # the id of the admin key that a gateway starts with


class IntegrationRecord(msgspec.Struct, kw_only=True):
    """An integration as it lies in the store."""

    id: str
    tenant: str = DEFAULT_TENANT
    key: str | None = None
    type: str
    name: str
    settings: dict[str, str] = {}
    secrets: dict[str, list[SealedSecret]] = {}
    verify: str = "signature"  # or none
    active: bool = True
    silent_after_ms: int | None = None  # None: it may be silent for ever
    allow_from: tuple[str, ...] = ()  # addresses and networks; none: from anywhere
    rate_limit: RateLimit | None = None
    created_at: datetime
    updated_at: datetime


class SubscriptionRecord(OutletRecord, kw_only=True):
    """A subscription as it lies in the store. Durations are in ms."""

    id: str
    tenant: str = DEFAULT_TENANT
    key: str | None = None
    name: str | None = None
    integrations: list[str]
    filter: dict[str, Any] | None = None  # conditions, as they were given
    projects: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    active: bool = True
    paused_reason: str | None = None  # None: not paused
    timeout_ms: int
    retry_ms: list[int]
    retry_preset: str | None = None  # its name, where it was given by one
    flow: Flow = USUAL
    created_at: datetime
    updated_at: datetime


class KeyRecord(msgspec.Struct, kw_only=True):
    """An API key as it lies in the store: never the key itself."""

    id: str
    tenant: str = DEFAULT_TENANT
    name: str
    digest: str
    scopes: list[Scope] = msgspec.field(default_factory=lambda: list[Scope](["admin"]))
    created_at: datetime
    expires_at: datetime | None = None  # None: it holds until it is revoked

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired at *now* (aware UTC)."""
        return self.expires_at is None or now < self.expires_at


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """How much a tenant may have; None: any number."""

    max_subscriptions: int | None = None
    max_integrations: int | None = None
    events_per_minute: int | None = None


class TenantDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant's new subscriptions have that say nothing, as it was given.

    None: as the gateway has it.
    """

    profile: ProfileName | None = None
    prefix: str | None = None
    destination: str | None = None
    retry: str | list[str] | None = None  # a preset, or durations
    timeout: str | None = None


class TenantRecord(msgspec.Struct, kw_only=True):
    """A tenant as it lies in the store; ``default`` is there without a record, too."""

    id: str
    name: str
    quotas: Quotas = Quotas()
    defaults: TenantDefaults = TenantDefaults()
    created_at: datetime | None = None  # None: it was always there
    updated_at: datetime | None = None
