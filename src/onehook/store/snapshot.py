"""The configuration that this process works on: all of it, and each tenant's part."""

from dataclasses import dataclass, field

from onehook.core.integration import Integration
from onehook.core.model import DEFAULT_TENANT, Subscription
from onehook.core.references import Knowledge
from onehook.core.routing import Routes
from onehook.store.records import IntegrationRecord, KeyRecord, SubscriptionRecord, TenantRecord

Integrations = dict[str, IntegrationRecord]
Subscriptions = dict[str, SubscriptionRecord]


@dataclass(slots=True)
class Snapshot:
    """The configuration of one tenant; what is routed, named or known here is nobody else's."""

    integrations: Integrations = field(default_factory=Integrations)
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    running: dict[str, Integration] = field(default_factory=dict[str, Integration])
    targets: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    routes: Routes = field(default_factory=lambda: Routes(()))
    by_key: dict[str, str] = field(default_factory=dict[str, str])  # the operator's key -> id
    knowledge: Knowledge = field(default_factory=Knowledge)  # of all that run


@dataclass(slots=True)
class Configuration:
    """The configuration of all tenants, for what goes by id alone: ingest and deliveries."""

    version: int = -1
    integrations: Integrations = field(default_factory=Integrations)
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    keys: dict[str, KeyRecord] = field(default_factory=dict[str, KeyRecord])
    tenants: dict[str, TenantRecord] = field(default_factory=dict[str, TenantRecord])
    running: dict[str, Integration] = field(default_factory=dict[str, Integration])
    targets: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    parts: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    def __post_init__(self) -> None:
        default = TenantRecord(id=DEFAULT_TENANT, name=DEFAULT_TENANT)
        self.tenants.setdefault(DEFAULT_TENANT, default)

    def of(self, tenant: str) -> Snapshot:
        """The part that is *tenant*'s; an empty one if nothing is."""
        return self.parts.get(tenant) or Snapshot()
