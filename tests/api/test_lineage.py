"""``/v1/events/{id}/lineage``: why did I get it, and why did I not."""

from datetime import datetime, timedelta
from typing import Any

from tests.builders import SECRET, FixedClock, Reply, Running, Subscriber, eventually, issue
from tests.conftest import StartGateway, StartSubscriber


async def lineage(gateway: Running, event_id: str) -> Any:
    """The lineage of an event."""
    answer = await gateway.api.get(f"/v1/events/{event_id}/lineage")
    assert answer.status == 200, answer.body
    return answer.json


async def test_event_knows_where_it_came_from(gateway: Running) -> None:
    """Received, verified and rule: also for an event that nobody wanted."""
    sender = await gateway.integrate(name="acme on GitHub")
    native = issue()
    (event_id,) = await gateway.accept(sender, native)
    event = (await gateway.api.get(f"/v1/events/{event_id}")).json

    found = await lineage(gateway, event_id)

    assert (found["event_id"], found["event_type"]) == (event_id, "ticketing.ticket.created")
    received = found["received"]
    assert datetime.fromisoformat(received["at"]) == datetime.fromisoformat(event["received_at"])
    assert (received["integration_id"], received["integration_name"]) == (
        sender.id,
        "acme on GitHub",
    )
    assert (received["content_type"], received["size"]) == ("application/json", len(native.body))
    assert (received["kept"], received["basis"]) == (True, "stored")
    assert found["verified"] == {"by": "signature", "basis": "current"}
    mapping = gateway.runtime.gateway.mappings["github"].mapping
    assert found["rule"]["platform"] == "github"
    assert found["rule"]["version"] == mapping.version
    assert found["rule"]["id"] in {rule.id for rule in mapping.leaves()}
    assert "issue" in found["rule"]["id"]
    assert (found["routed_to"], found["filtered_out"]) == ([], [])


async def test_routed_to_has_every_attempt(gateway: Running, subscriber: Subscriber) -> None:
    """Who got it is told with state and attempts, as they were recorded."""
    subscriber.script.append(Reply(503))
    subscription = await gateway.subscribe(subscriber, name="billing", retry=["1s"])
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    delivery = await gateway.settled(event_id, subscription["id"], status="delivered")

    (routed,) = (await lineage(gateway, event_id))["routed_to"]

    assert (routed["subscription_id"], routed["name"]) == (subscription["id"], "billing")
    assert (routed["delivery_id"], routed["status"]) == (delivery["id"], "delivered")
    assert (routed["attempt_count"], routed["basis"]) == (2, "stored")
    assert [one["status"] for one in routed["attempts"]] == [503, 204]
    assert routed["attempts"] == [
        {name: one[name] for name in ("number", "at", "duration_ms", "status", "error")}
        for one in delivery["attempts"]
    ]


async def test_why_did_i_not_get_it(gateway: Running, start_subscriber: StartSubscriber) -> None:
    """Each subscription that did not get it is told with the clause that refused."""
    somewhere = await start_subscriber()
    other = await gateway.integrate()
    wrong = {
        "events": {"events": ["scm.*"]},
        "integrations": {"integrations": [other.id]},
        "filter": {"filter": {"$.data.priority": "critical"}},
        "active": {"active": False},
    }
    made = {
        clause: await gateway.subscribe(somewhere, name=clause, **fields)
        for clause, fields in wrong.items()
    }
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    made["created_at"] = await gateway.subscribe(somewhere, name="created_at")

    found = await lineage(gateway, event_id)

    assert found["routed_to"] == []
    told = {one["subscription_id"]: one for one in found["filtered_out"]}
    assert {told[one["id"]]["clause"] for one in made.values()} == set(made)
    for clause, one in made.items():
        assert told[one["id"]]["clause"] == told[one["id"]]["name"] == clause
        assert told[one["id"]]["basis"] == "current"
        assert told[one["id"]]["changed_since"] is (clause == "created_at")
    assert told[made["filter"]["id"]]["pointer"] == "/filter/$.data.priority"
    assert told[made["events"]["id"]]["detail"] == "ticketing.ticket.created is none of scm.*"


async def test_changed_since_is_told(start_gateway: StartGateway, subscriber: Subscriber) -> None:
    """A subscription that wants it only since a change is told as that."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    subscription = await gateway.subscribe(subscriber, events=["scm.*"])
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    clock.advance(timedelta(minutes=1))
    path = f"/v1/subscriptions/{subscription['id']}"
    await gateway.api.patch(path, {"events": ["ticketing.*"]})

    (told,) = (await lineage(gateway, event_id))["filtered_out"]

    assert (told["clause"], told["changed_since"]) == ("updated_at", True)
    assert "changed at 2026-11-22T12:01:00" in told["detail"]


async def test_what_is_gone_is_told_as_gone(gateway: Running) -> None:
    """Without webhook or integration the rest is still told, and why a part is not."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    (native,) = [key for key in await gateway.own_keys() if ":w:" in key]
    await gateway.store.delete(native)

    found = await lineage(gateway, event_id)
    assert found["received"]["kept"] is False
    assert (found["rule"]["id"], found["rule"]["detail"]) == (
        None,
        "the webhook is no longer kept",
    )

    await gateway.api.delete(f"/v1/integrations/{sender.id}")
    found = await lineage(gateway, event_id)
    assert found["verified"]["by"] == "unknown"
    assert "gone" in found["rule"]["detail"]


async def test_unsigned_integration_is_told(gateway: Running) -> None:
    """An integration that takes anything proves nothing, and lineage says so."""
    sender = await gateway.integrate(verify="none", secret=SECRET)
    (event_id,) = await gateway.accept(sender, issue())

    assert (await lineage(gateway, event_id))["verified"]["by"] == "none"


async def test_own_facts_have_a_lineage(gateway: Running, subscriber: Subscriber) -> None:
    """What the gateway tells of itself has no rule, and is not sent to whom it is about."""
    subscription = await gateway.subscribe(subscriber, events=["*"])
    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    found: list[Any] = []

    async def told() -> bool:
        answer = await gateway.api.get("/v1/events", type="integration.subscription.paused")
        found[:] = answer.json["data"]
        return bool(found)

    await eventually(told)
    made = await lineage(gateway, found[0]["id"])

    assert made["verified"]["by"] == "own"
    assert "tells this of itself" in made["rule"]["detail"]
    (told_of,) = made["filtered_out"]
    assert (told_of["subscription_id"], told_of["clause"]) == (subscription["id"], "itself")


async def test_lineage_of_nothing_is_404(gateway: Running) -> None:
    """An event that is not there has no lineage."""
    answer = await gateway.api.get("/v1/events/evt_x/lineage")

    assert (answer.status, answer.json["code"]) == (404, "not_found")
