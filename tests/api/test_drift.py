"""``/v1/platforms/{name}/drift``, as webhooks fill it."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ACME, Running, acme, write_acme
from tests.conftest import StartGateway

_serial = itertools.count(1)
DRIFT = "/v1/platforms/acme/drift"
# States by a table that names one of them, and a number that may be none.
STATES = ACME.replace(
    "status_category: {const: todo}",
    "status_category: {lookup: $.state, table: states}, number: $.count",
).replace("rules:", "tables: {states: {New: todo}}\nrules:")


async def drift(gateway: Running, **query: str) -> list[dict[str, Any]]:
    """What is listed, without its times."""
    answer = await gateway.api.get(DRIFT, **query)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["data"]
    for one in found:
        assert one.pop("first_seen") <= one.pop("last_seen")
    return sorted(found, key=lambda one: (one["kind"], str(one["value"])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the mapping."""
    return write_acme(tmp_path / "mappings", STATES)


@pytest.fixture
async def running(start_gateway: StartGateway, folder: Path) -> Running:
    """A gateway with it."""
    return await start_gateway(mappings=folder)


def ticket(state: str, **more: object) -> Any:
    """A webhook with one ticket in that state."""
    title = f"Ticket {next(_serial)}"  # no two webhooks have the same bytes
    return acme("tickets", tickets=[{"id": "1", "title": title, "state": state, **more}])


async def test_each_kind_is_listed_with_a_sample(running: Running) -> None:
    """Unknown values, misfits, ignored and quarantined webhooks, each with where to look."""
    sender = await running.integrate("acme")
    await running.accept(sender, ticket("New"))
    for state in ("Parked", "Parked", "Lost"):
        (event,) = await running.accept(sender, ticket(state))
        data = (await running.api.get(f"/v1/events/{event}")).json["data"]
        assert data["status_category"] == "unknown"
        assert data["native"]["status_category"] == state
    (misfit,) = await running.accept(sender, ticket("New", count="many"))
    await running.send(sender, acme("ping", hook="h"))
    held = (await running.send(sender, acme("new-thing"))).json["id"]

    found = await drift(running)

    same: dict[str, Any] = {"field": None, "value": None, "reason": None, "event": None,
                            "pointer": None, "count": 1}  # fmt: skip
    samples = [one.pop("sample") for one in found]
    assert found == [
        {**same, "kind": "ignored", "reason": "ping", "event": "ping"},
        {**same, "kind": "misfit", "field": "number"},
        {**same, "kind": "quarantined", "reason": "no_rule", "event": "new-thing"},
        {**same, "kind": "value", "field": "status_category", "value": "Lost"},
        {**same, "kind": "value", "field": "status_category", "value": "Parked", "count": 2},
    ]
    assert samples[0] == {"webhook_id": None, "members": {"kind": "string", "hook": "string"}}
    webhook_id, _ = await running.runtime.gateway.events.find_event(misfit)  # type: ignore[misc]
    assert samples[1] == {"webhook_id": webhook_id, "members": None}
    assert samples[2] == {"webhook_id": held, "members": None}
    assert [one["value"] for one in await drift(running, kind="value")] == ["Lost", "Parked"]


async def test_schema_violation_names_the_field(running: Running) -> None:
    """A webhook without a required field is counted under that field's pointer."""
    sender = await running.integrate("acme")
    await running.send(sender, acme("tickets", tickets=[{"id": "1"}]))

    (found,) = await drift(running)

    assert (found["reason"], found["pointer"]) == ("schema_violation", "/data/title")


async def test_duplicates_are_not_counted(running: Running) -> None:
    """A redelivery says nothing new of the mapping."""
    sender, native = await running.integrate("acme"), ticket("Parked")
    await running.accept(sender, native)
    assert (await running.send(sender, native)).json["status"] == "duplicate"

    (found,) = await drift(running)

    assert found["count"] == 1


async def test_survives_a_restart(start_gateway: StartGateway, folder: Path) -> None:
    """What was counted is there after a restart, and goes on from there."""
    gateway = await start_gateway(mappings=folder)
    sender = await gateway.integrate("acme")
    await gateway.accept(sender, ticket("Parked"))
    await gateway.close()

    again = await start_gateway(mappings=folder)

    assert [one["count"] for one in await drift(again)] == [1]
    await again.accept(sender, ticket("Parked"))
    assert [one["count"] for one in await drift(again)] == [2]


async def test_counted_anew(running: Running) -> None:
    """After a mend the counts can be dropped; what does not fit then is news."""
    sender = await running.integrate("acme")
    await running.accept(sender, ticket("Parked"))
    assert len(await drift(running)) == 1

    assert (await running.api.delete(DRIFT)).status == 204

    assert await drift(running) == []
    await running.accept(sender, ticket("Lost"))
    assert [one["value"] for one in await drift(running)] == ["Lost"]


async def test_unknown_platform_is_404(running: Running) -> None:
    """A platform that does not exist has no drift; one without any has an empty list."""
    for method in ("GET", "DELETE"):
        answer = await running.api.call(method, "/v1/platforms/nobody/drift")
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert await drift(running) == []
    assert (await running.api.get(DRIFT, kind="odd")).status == 422


async def test_clean_webhooks_are_not_counted(running: Running) -> None:
    """Where all fits nothing is listed."""
    sender = await running.integrate("acme")
    await running.accept(sender, ticket("New", count=3))

    assert await drift(running) == []
