"""API keys and scopes: who may call which operation of the management API, and for which tenant."""

import asyncio
import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from aiohttp import web

from onehook.core.model import DEFAULT_TENANT
from onehook.errors import ForbiddenError, NotFoundError
from onehook.store.records import KeyRecord, Scope
from onehook.store.registry import Registry
from onehook.store.tenant_registry import no_tenant
from onehook.web.gateway import Gateway
from onehook.web.guesses import site

KEY_PREFIX = "ohk_"  # by which scanners for leaked secrets know an API key
ADMIN: Scope = "admin"  # may do everything
READ: Scope = "read"  # may GET everything
TENANT_HEADER = "x-onehook-tenant"


@dataclass(frozen=True, slots=True)
class Access:
    """What an API key lets its holder do: *scopes* in what is *tenant*'s."""

    key: KeyRecord
    tenant: str

    @property
    def key_id(self) -> str:
        """The id of the API key."""
        return self.key.id

    @property
    def scopes(self) -> Collection[Scope]:
        """What the key was made for."""
        return self.key.scopes

    @property
    def manages_tenants(self) -> bool:
        """Whether the key is an admin's of the default tenant, who acts for all of them."""
        return self.key.tenant == DEFAULT_TENANT and ADMIN in self.scopes

    def holds(self, registry: Registry, now: datetime) -> bool:
        """Whether the key is still good at *now*: for what goes on for long."""
        present = registry.snapshot.keys.get(self.key.id)
        return present is not None and present.digest == self.key.digest and present.holds(now)


ACCESS = web.RequestKey("access", Access)  # of a request that carries no key, but a session


def make_key() -> str:
    """A new API key: 256 bits of chance, in letters and digits that a double click selects."""
    text = base64.b32encode(secrets.token_bytes(32)).decode()
    return KEY_PREFIX + text.rstrip("=").lower()


def find_access(registry: Registry, text: str, now: datetime) -> Access | None:
    """What the API key *text* lets its holder do at *now*; None: it is not known, or expired."""
    key = registry.find_key(text)
    return None if key is None or not key.holds(now) else Access(key, key.tenant)


def act_for(access: Access, registry: Registry, tenant: str) -> Access:
    """*access* to *tenant*, which is another one for the default tenant's admins alone.

    Raises:
        NotFoundError: there is no such tenant, or it is none of the caller's business.
    """
    if tenant == access.tenant:
        return access
    if not access.manages_tenants or tenant not in registry.snapshot.tenants:
        raise NotFoundError(no_tenant(tenant))
    return replace(access, tenant=tenant)


def authenticate(request: web.Request, gateway: Gateway) -> Access:
    """What the API key of *request* lets its sender do, in the tenant that it names.

    Raises:
        ForbiddenError: 401, there is no key, or it is not known, revoked or expired.
        NotFoundError: it names a tenant that is not there for it.
        RateLimitedError: 429, too many wrong keys came from its address.
    """
    text = _sent(request)
    now = gateway.clock.now()
    registry = gateway.registry.whole
    found = None if text is None else find_access(registry, text, now)
    if found is None:
        if text is not None:
            sender = site(request, gateway.settings.trusted_proxies)
            gateway.guesses.count(sender, asyncio.get_running_loop().time())
        what = "send Authorization: Bearer <api key>"
        if text is not None:
            what = "this API key is not known, was revoked or has expired"
        raise ForbiddenError(what, code="unauthorized", status=401)
    gateway.key_uses.note(found.key_id, now)
    return act_for(found, registry, request.headers.get(TENANT_HEADER, found.tenant))


def sees_all(request: web.Request, gateway: Gateway) -> bool:
    """Whether *request* has a key to what is about the gateway as a whole.

    That is one of the default tenant that may read everything.
    """
    text = _sent(request)
    found = None if text is None else find_access(gateway.registry.whole, text, gateway.clock.now())
    return found is not None and sees_whole(found)


def sees_whole(access: Access) -> bool:
    """Whether *access* is to what is about the gateway as a whole, too."""
    return access.key.tenant == DEFAULT_TENANT and not {ADMIN, READ}.isdisjoint(access.scopes)


def check_sees_all(access: Access) -> None:
    """Refuse who may not see what is about the gateway as a whole.

    Raises:
        ForbiddenError: naming what is needed.
    """
    if not sees_whole(access):
        msg = "this needs an API key of the default tenant with the scope admin or read"
        raise ForbiddenError(msg)


def _sent(request: web.Request) -> str | None:
    """The API key that was sent; None if none was."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key else None
