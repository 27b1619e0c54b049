"""``/v1/deliveries``: what is on its way to whom, and every attempt made."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.test_integrations import pointers
from tests.builders import Reply, Running, Subscriber, issue, membership
from tests.conftest import StartSubscriber


async def ids(gateway: Running, **query: str) -> list[str]:
    """The ids of one page of deliveries."""
    answer = await gateway.api.get("/v1/deliveries", **query)
    assert answer.status == 200, answer.body
    return [delivery["id"] for delivery in answer.json["data"]]


async def test_detail_tells_everything_of_an_attempt(
    gateway: Running, subscriber: Subscriber
) -> None:
    """By id a delivery has its attempts: what was sent, what came back, how long it took."""
    subscriber.script.append(Reply(503, {"X-Why": "maintenance"}, b"later"))
    subscription = await gateway.subscribe(subscriber, retry=["1h"])
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    await gateway.settled(event_id, subscription["id"])
    await gateway.age(subscription["id"], timedelta(hours=2))

    found = await gateway.settled(event_id, subscription["id"], status="delivered")

    assert found["id"] == f"dlv_{event_id[4:]}{subscription['id'][4:]}"
    assert found["event_id"] == event_id
    assert found["event_type"] == "ticketing.ticket.created"
    assert found["integration_id"] == sender.id
    assert found["subscription_id"] == subscription["id"]
    assert (found["attempt_count"], found["last_status"], found["last_error"]) == (2, 204, None)
    first, second = found["attempts"]
    assert (first["number"], first["status"], first["error"]) == (1, 503, "status")
    assert (first["response"]["headers"]["X-Why"], first["response"]["body"]) == (
        "maintenance",
        "later",
    )
    assert (second["number"], second["status"], second["error"]) == (2, 204, None)
    for attempt, got in zip(found["attempts"], subscriber.received, strict=True):
        assert attempt["request"]["url"] == subscription["url"]
        assert attempt["request"]["body"].encode() == got.body
        sent = {name.lower(): value for name, value in got.headers.items()}
        assert attempt["request"]["headers"].items() <= sent.items()
        assert attempt["duration_ms"] >= 0


async def test_list_has_no_attempts_and_agrees_with_the_detail(
    gateway: Running, subscriber: Subscriber
) -> None:
    """What the list shows of a delivery is what its own page shows, attempts aside."""
    subscriber.usual = Reply(500)
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    detail = await gateway.settled(event_id, subscription["id"])

    (listed,) = (await gateway.api.get("/v1/deliveries")).json["data"]

    detail.pop("attempts")
    detail.pop("created_at")
    assert "attempts" not in listed
    assert abs(datetime.fromisoformat(listed.pop("created_at")) - datetime.now(UTC)) < timedelta(
        minutes=1
    )
    assert listed == detail


async def test_created_at_is_the_same_everywhere(gateway: Running, subscriber: Subscriber) -> None:
    """List and detail agree on when a delivery was made."""
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    pairs = []
    for number in range(20):
        (event_id,) = await gateway.accept(sender, issue(number))
        detail = await gateway.delivery(event_id, subscription["id"])
        (listed,) = (await gateway.api.get("/v1/deliveries", event=event_id)).json["data"]
        pairs.append((detail["created_at"], listed["created_at"]))

    assert all(one == two for one, two in pairs)


async def test_filters_narrow_the_list(gateway: Running, start_subscriber: StartSubscriber) -> None:
    """By subscription, integration, event, type and status; together they narrow further."""
    good, bad = await start_subscriber(), await start_subscriber()
    bad.usual = Reply(500)
    one = await gateway.subscribe(good, key="good")
    two = await gateway.subscribe(bad, retry=[], events=["ticketing.*"])
    sender, other = await gateway.integrate(key="gh"), await gateway.integrate()
    (ticket,) = await gateway.accept(sender, issue())
    (group,) = await gateway.accept(other, membership())
    await gateway.settled(ticket, one["id"], status="delivered")
    await gateway.settled(group, one["id"], status="delivered")
    await gateway.settled(ticket, two["id"], status="dead")

    def named(event_id: str, subscription_id: str) -> str:
        return f"dlv_{event_id[4:]}{subscription_id[4:]}"

    to_good = [named(group, one["id"]), named(ticket, one["id"])]
    dead = named(ticket, two["id"])
    assert sorted(await ids(gateway)) == sorted([*to_good, dead])
    assert await ids(gateway, subscription=one["id"]) == to_good
    assert await ids(gateway, subscription="good") == to_good
    assert await ids(gateway, status="dead") == [dead]
    assert await ids(gateway, status="pending") == []
    assert await ids(gateway, type="identity.*") == to_good[:1]
    assert sorted(await ids(gateway, integration="gh")) == sorted([to_good[1], dead])
    assert await ids(gateway, error="status") == await ids(gateway, http_status="500") == [dead]
    assert sorted(await ids(gateway, http_status="204")) == sorted(to_good)
    assert await ids(gateway, http_status="204", error="status") == []
    assert await ids(gateway, subscription="good", error="status") == []
    assert await ids(gateway, event=group) == to_good[:1]
    assert await ids(gateway, subscription="good", integration=sender.id) == to_good[1:]
    assert await ids(gateway, subscription="good", status="dead") == []
    now = datetime.now(UTC)
    soon = (now + timedelta(minutes=1)).isoformat()
    assert await ids(gateway, since=soon) == []
    assert len(await ids(gateway, until=soon)) == 3
    assert len(await ids(gateway, subscription="good", until=soon)) == 2


@pytest.mark.parametrize("by_subscription", [True, False])
async def test_pages_hold_every_delivery_once(
    gateway: Running,
    subscriber: Subscriber,
    by_subscription: bool,
) -> None:
    """Paging shows each delivery exactly once, newest first."""
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    events = [(await gateway.accept(sender, issue(n)))[0] for n in range(7)]
    query = {"limit": "3"}
    if by_subscription:
        query["subscription"] = subscription["id"]
    seen: list[str] = []
    for _ in range(5):
        page = (await gateway.api.get("/v1/deliveries", **query)).json
        seen += [one["event_id"] for one in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == events[::-1]
    assert page["next"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"status": "lost"}, 422),
        ({"type": "sales.*"}, 422),
        ({"since": "now"}, 422),
        ({"colour": "red"}, 422),
        ({"error": "Not Found"}, 422),
        ({"http_status": "99"}, 422),
        ({"http_status": "ok"}, 422),
        ({"subscription": "sub_x"}, 404),
        ({"integration": "int_x"}, 404),
    ],
)
async def test_wrong_queries_are_refused(
    gateway: Running, query: dict[str, str], status: int
) -> None:
    """An unknown subscription or integration is 404, what is wrong otherwise 422."""
    answer = await gateway.api.get("/v1/deliveries", **query)

    assert answer.status == status
    if status == 422:
        assert pointers(answer) == [f"/{next(iter(query))}"]


async def test_detail_outlives_the_event(gateway: Running, subscriber: Subscriber) -> None:
    """When the event has expired, history still says what became of it, and by which attempts."""
    subscription = await gateway.subscribe(subscriber)
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    before = await gateway.settled(event_id, subscription["id"], status="delivered")
    await gateway.store.delete(gateway.keys.event(event_id))

    found = await gateway.delivery(event_id, subscription["id"])

    before["attempts"][0]["request"]["body"] = None
    assert found == before
    assert (found["event_type"], found["integration_id"]) == ("ticketing.ticket.created", sender.id)
    assert await ids(gateway, subscription=subscription["id"], integration=sender.id) == [
        found["id"]
    ]


async def test_h2_history_shows_no_secret_of_the_receiver(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Cookies and challenges of an answer are blanked, the rest of its headers is kept."""
    subscriber.usual = Reply(401, {"Set-Cookie": "session=canary", "X-Trace": "r1"})
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())

    found = await gateway.settled(event_id, subscription["id"])

    headers = found["attempts"][0]["response"]["headers"]
    assert (headers["Set-Cookie"], headers["X-Trace"]) == ("[redacted]", "r1")
    stream = await gateway.store.xrange(gateway.keys.attempts(subscription["id"]))
    assert b"canary" not in stream[0][1][b"a"]


@pytest.mark.parametrize("id_", ["dlv_", "dlv_" + "0" * 52, "dlv_" + "0" * 51, "evt_x", "%00"])
async def test_what_is_no_delivery_is_404(gateway: Running, id_: str) -> None:
    """An id that names no delivery is 404, however it looks."""
    answer = await gateway.api.get(f"/v1/deliveries/{id_}")

    assert (answer.status, answer.json["code"]) == (404, "not_found")
