"""What ids are called: names of integrations and subscriptions as they are now."""

from onehook.console.visits import Visit


def integration_names(visit: Visit) -> list[tuple[str, str]]:
    """Every integration's id and name, by name."""
    records = visit.gateway.registry.snapshot.integrations.values()
    return sorted(((one.id, one.name) for one in records), key=_by_name)


def subscription_names(visit: Visit) -> list[tuple[str, str]]:
    """Every subscription's id and what it is called, by that."""
    records = visit.gateway.registry.snapshot.subscriptions.values()
    return sorted(((one.id, one.name or one.key or one.id) for one in records), key=_by_name)


def called(visit: Visit, id_: str) -> str:
    """What the subscription or integration *id_* is called; what is gone by its id."""
    snapshot = visit.gateway.registry.snapshot
    subscription, integration = snapshot.subscriptions.get(id_), snapshot.integrations.get(id_)
    if subscription is not None:
        return subscription.name or subscription.key or id_
    return id_ if integration is None else integration.name


def _by_name(pair: tuple[str, str]) -> str:
    return pair[1].lower()


async def addresses(visit: Visit) -> list[str] | None:
    """Where deliveries come from; empty: it is not fixed, None: the visitor may not ask."""
    if not visit.allows("listAddresses"):
        return None
    found: list[str] = (await visit.call("listAddresses"))["addresses"]
    return found
