"""The configuration as one tenant sees and changes it."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from onehook.core.destinations.document import Destination
from onehook.core.integration import Integration
from onehook.core.mapping.document import CompiledMapping
from onehook.core.model import DEFAULT_TENANT, Subscription
from onehook.core.notices import Notice
from onehook.errors import ConflictError, NotFoundError
from onehook.store.records import IntegrationRecord, KeyRecord, SubscriptionRecord, TenantRecord
from onehook.store.registry import Registry
from onehook.store.sealing import Sealer
from onehook.store.snapshot import Snapshot

Changeable: TypeAlias = IntegrationRecord | SubscriptionRecord


class TenantRegistry:
    """What of the registry is *tenant*'s; *whole* is all of it, for who acts for all."""

    def __init__(self, whole: Registry, tenant: str) -> None:
        self.whole, self.tenant = whole, tenant

    def of(self, tenant: str) -> "TenantRegistry":
        """What of the registry is that *tenant*'s."""
        return self if tenant == self.tenant else TenantRegistry(self.whole, tenant)

    @property
    def snapshot(self) -> Snapshot:
        """The tenant's part of the configuration as it is now."""
        return self.whole.snapshot.of(self.tenant)

    @property
    def record(self) -> TenantRecord:
        """The tenant itself.

        Raises:
            NotFoundError: it is gone.
        """
        found = self.whole.snapshot.tenants.get(self.tenant)
        if found is None:
            raise NotFoundError(no_tenant(self.tenant))
        return found

    @property
    def is_default(self) -> bool:
        """Whether it is the tenant whose admins manage all of them."""
        return self.tenant == DEFAULT_TENANT

    @property
    def api_keys(self) -> dict[str, KeyRecord]:
        """The tenant's API keys, by id."""
        keys = self.whole.snapshot.keys.values()
        return {key.id: key for key in keys if key.tenant == self.tenant}

    @property
    def mappings(self) -> Mapping[str, CompiledMapping]:
        """The mappings by platform; they are everybody's."""
        return self.whole.mappings

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """The destinations by name; they are everybody's."""
        return self.whole.destinations

    @property
    def sealer(self) -> Sealer:
        """What seals secrets."""
        return self.whole.sealer

    def target(self, record: SubscriptionRecord) -> Subscription:
        """See :meth:`Registry.target`."""
        return self.whole.target(record)

    def trial(self, record: IntegrationRecord, mapping: CompiledMapping) -> Integration:
        """See :meth:`Registry.trial`."""
        return self.whole.trial(record, mapping)

    async def add(
        self,
        name: str,
        record: IntegrationRecord | SubscriptionRecord | KeyRecord,
        check: Callable[[], None],
    ) -> None:
        """Write a new *record* into *name* and take it up.

        *check* raises where it may not be added. Nothing changes between that and the writing,
        whatever others add at the same time, so a name is given once and a quota holds exactly.

        Raises:
            NotFoundError: the tenant is gone.
        """
        saved = False
        while not saved:
            _ = self.record
            check()
            saved = await self.whole.save_if_current(name, record)

    async def replace(
        self, name: str, was: Changeable, record: Changeable, notice: Notice | None = None
    ) -> None:
        """Write *record* into *name* in place of *was*; *notice* is written down with it.

        Raises:
            ConflictError: somebody changed it since *was* was read; nothing is written.
            NotFoundError: somebody removed it.
        """
        saved = False
        while not saved:
            records: Mapping[str, Changeable] = getattr(self.snapshot, name)
            present = records.get(was.id)
            if present is None:
                msg = f"{was.id} was removed meanwhile"
                raise NotFoundError(msg)
            if present != was:
                msg = f"{was.id} was changed meanwhile: read it again, and change what it is now"
                raise ConflictError(msg)
            saved = await self.whole.save_if_current(name, record, notice)

    async def delete(self, name: str, id_: str) -> None:
        """See :meth:`Registry.delete`."""
        await self.whole.delete(name, id_)


def no_tenant(name: str) -> str:
    """What to say of a tenant that is not there, or is none of the caller's business."""
    return f"there is no tenant {name[:40]!r}"
