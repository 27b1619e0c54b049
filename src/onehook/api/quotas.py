"""How many of something a tenant may have."""

from typing import Literal

from onehook.errors import ConflictError
from onehook.store.tenant_registry import TenantRegistry


def check_quota(registry: TenantRegistry, of: Literal["integrations", "subscriptions"]) -> None:
    """Refuse one more of what the tenant has.

    Raises:
        ConflictError: quota_exceeded, naming the quota and its number.
    """
    quotas, snapshot = registry.record.quotas, registry.snapshot
    if of == "integrations":
        most, present = quotas.max_integrations, len(snapshot.integrations)
    else:
        most, present = quotas.max_subscriptions, len(snapshot.subscriptions)
    if most is not None and present >= most:
        msg = f"the quota max_{of} of the tenant {registry.tenant} is {most}, and it has {present}"
        raise ConflictError(msg, code="quota_exceeded")
