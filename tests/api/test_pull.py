"""Poll and acknowledge: at least once, whatever becomes of who polls."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from onehook.api import pull
from tests.api.test_integrations import pointers
from tests.builders import FOREIGN, Running, Subscriber, issue
from tests.conftest import StartGateway

LEASED = timedelta(seconds=31)  # the usual timeout, 20 s, and a little more


async def subscribe(gateway: Running, **fields: object) -> dict[str, Any]:
    """A subscription without a url."""
    answer = await gateway.api.post("/v1/subscriptions", {"events": FOREIGN, **fields})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def poll(gateway: Running, subscription: dict[str, Any], **query: str) -> list[Any]:
    """What is due."""
    answer = await gateway.api.get(f"/v1/subscriptions/{subscription['id']}/poll", **query)
    assert answer.status == 200, answer.body
    found: list[Any] = answer.json["data"]
    return found


async def ack(gateway: Running, subscription: dict[str, Any], *ids: str) -> Any:
    """Acknowledge deliveries."""
    path = f"/v1/subscriptions/{subscription['id']}/ack"
    answer = await gateway.api.post(path, {"delivery_ids": list(ids)})
    assert answer.status == 200, answer.body
    return answer.json


async def accept(gateway: Running, count: int) -> list[str]:
    """Accept *count* events, one after the other; their ids."""
    sender = await gateway.integrate()
    return [(await gateway.accept(sender, issue(n)))[0] for n in range(count)]


async def test_polled_and_acknowledged_is_delivered(gateway: Running) -> None:
    """What is polled is the event as it would be delivered; acknowledged, it is done."""
    subscription = await subscribe(gateway)
    assert (subscription["url"], subscription["status"]) == (None, "active")
    (event_id,) = await accept(gateway, 1)

    (polled,) = await poll(gateway, subscription)

    assert polled["event"] == (await gateway.api.get(f"/v1/events/{event_id}")).json
    id_ = f"dlv_{event_id[4:]}{subscription['id'][4:]}"
    assert polled["delivery_id"] == id_
    assert await poll(gateway, subscription) == []
    assert await ack(gateway, subscription, id_) == {"acked": [id_], "refused": []}
    found = await gateway.delivery(event_id, subscription["id"])
    assert (found["status"], found["attempt_count"], found["last_error"]) == ("delivered", 1, None)
    (attempt,) = found["attempts"]
    assert (attempt["status"], attempt["detail"]) == (None, "acknowledged")
    assert (attempt["request"]["url"], attempt["request"]["headers"]) == ("", {})
    assert await ack(gateway, subscription, id_, id_) == {"acked": [id_], "refused": []}
    stats = (await gateway.api.get(f"/v1/subscriptions/{subscription['id']}/stats")).json
    assert (stats["total"], stats["successful"]) == (1, 1)
    assert stats["latency_ms"] == {"p50": None, "p95": None}


async def test_nothing_is_sent_to_who_pulls(gateway: Running) -> None:
    """A worker leaves a queue alone that is polled from, however much is in it."""
    subscription = await subscribe(gateway)
    ids = await accept(gateway, 3)
    await gateway.runtime.worker._tick()
    await gateway.runtime.worker._tick()

    assert await gateway.runtime.gateway.deliveries.due() == []
    polled = await poll(gateway, subscription)

    assert [one["event"]["id"] for one in polled] == ids


async def test_what_a_dead_puller_took_comes_again(gateway: Running) -> None:
    """Without an acknowledgement a delivery is due again when its lease ends: nothing is lost."""
    subscription = await subscribe(gateway)
    (event_id,) = await accept(gateway, 1)
    for _ in range(8):  # however often: a puller's death is no poison
        (polled,) = await poll(gateway, subscription)
        assert polled["event"]["id"] == event_id
        assert await poll(gateway, subscription) == []
        await gateway.age(subscription["id"], LEASED)

    (polled,) = await poll(gateway, subscription)
    await ack(gateway, subscription, polled["delivery_id"])

    assert (await gateway.delivery(event_id, subscription["id"]))["status"] == "delivered"


async def test_late_acknowledgement_counts(gateway: Running) -> None:
    """Who acknowledges after the lease ended did take it, whoever has it now."""
    subscription = await subscribe(gateway)
    (event_id,) = await accept(gateway, 1)
    (polled,) = await poll(gateway, subscription)
    await gateway.age(subscription["id"], LEASED)
    await poll(gateway, subscription)  # somebody else has it

    found = await ack(gateway, subscription, polled["delivery_id"])

    assert found["acked"] == [polled["delivery_id"]]
    assert (await gateway.delivery(event_id, subscription["id"]))["status"] == "delivered"


async def test_pullers_do_not_share(gateway: Running) -> None:
    """However many poll at once, each delivery is leased to one; limit is the most."""
    subscription = await subscribe(gateway)
    ids = await accept(gateway, 12)

    found = await asyncio.gather(*(poll(gateway, subscription, limit="3") for _ in range(6)))

    assert all(len(some) <= 3 for some in found)
    assert sorted(one["event"]["id"] for some in found for one in some) == sorted(ids)


async def test_poll_waits_for_something(gateway: Running) -> None:
    """A poll that waits is answered when something comes, and not before."""
    subscription = await subscribe(gateway)
    sender = await gateway.integrate()
    loop = asyncio.get_running_loop()
    polling = asyncio.ensure_future(poll(gateway, subscription, wait="20s"))
    await asyncio.sleep(0.3)
    assert not polling.done()
    started = loop.time()

    (event_id,) = await gateway.accept(sender, issue())
    (polled,) = await polling

    assert polled["event"]["id"] == event_id
    assert loop.time() - started < 5


@pytest.mark.parametrize("wait", ["1", "1s", "500ms"])
async def test_poll_that_waits_in_vain_is_empty(gateway: Running, wait: str) -> None:
    """When the wait is over the answer is an empty list; seconds need no unit."""
    subscription = await subscribe(gateway)
    loop = asyncio.get_running_loop()
    started = loop.time()

    assert await poll(gateway, subscription, wait=wait) == []

    assert loop.time() - started >= 0.4


async def test_stop_ends_what_waits(start_gateway: StartGateway) -> None:
    """A gateway that stops does not keep its pollers waiting."""
    gateway = await start_gateway()
    subscription = await subscribe(gateway)
    polling = asyncio.ensure_future(poll(gateway, subscription, wait="30s"))
    await asyncio.sleep(0.2)

    await gateway.runtime.stop()

    assert await polling == []


@pytest.mark.parametrize("how", ["pause", "inactive"])
async def test_held_is_held_for_pullers_too(gateway: Running, how: str) -> None:
    """A paused or inactive subscription gives nothing; what it holds is there afterwards."""
    subscription = await subscribe(gateway)
    (event_id,) = await accept(gateway, 1)
    path = f"/v1/subscriptions/{subscription['id']}"
    if how == "pause":
        await gateway.api.post(f"{path}/pause")
    else:
        await gateway.api.patch(path, {"active": False})

    assert await poll(gateway, subscription) == []

    if how == "pause":
        await gateway.api.post(f"{path}/resume")
    else:
        await gateway.api.patch(path, {"active": True})
    (polled,) = await poll(gateway, subscription)
    assert polled["event"]["id"] == event_id


async def test_url_given_later_is_sent_to(gateway: Running, subscriber: Subscriber) -> None:
    """What queued while it pulled is sent once it has a URL, and the other way round."""
    subscription = await subscribe(gateway)
    path = f"/v1/subscriptions/{subscription['id']}"
    sender = await gateway.integrate()
    (first,) = await gateway.accept(sender, issue(1))

    await gateway.api.patch(path, {"url": subscriber.url})
    await gateway.settled(first, subscription["id"], status="delivered")
    await gateway.api.patch(path, {"url": None})
    (second,) = await gateway.accept(sender, issue(2))

    (polled,) = await poll(gateway, subscription)
    assert polled["event"]["id"] == second
    assert subscriber.ids == [first]


async def test_refusals_name_their_reason(gateway: Running) -> None:
    """What was not polled, or is none of this subscription, is not acknowledged."""
    one, two = await subscribe(gateway), await subscribe(gateway)
    first, second = await accept(gateway, 2)
    (polled,) = await poll(gateway, one, limit="1")
    taken = polled["event"]["id"]
    other = first if taken == second else second
    theirs = f"dlv_{taken[4:]}{two['id'][4:]}"
    waiting = f"dlv_{other[4:]}{one['id'][4:]}"

    found = await ack(gateway, one, "dlv_x", theirs, waiting, polled["delivery_id"])

    assert found == {
        "acked": [polled["delivery_id"]],
        "refused": [
            {"delivery_id": "dlv_x", "reason": "unknown"},
            {"delivery_id": theirs, "reason": "unknown"},
            {"delivery_id": waiting, "reason": "not_polled"},
        ],
    }
    assert len(await poll(gateway, two)) == 2


async def test_large_events_come_in_parts(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer has a size; what does not fit is due again at once, and counts as no attempt."""
    monkeypatch.setattr(pull, "LARGEST", 10)
    subscription = await subscribe(gateway)
    ids = await accept(gateway, 3)

    found = [(await poll(gateway, subscription))[0]["event"]["id"] for _ in range(3)]

    assert sorted(found) == sorted(ids)
    assert await poll(gateway, subscription) == []


async def test_expired_events_end_as_cancelled(gateway: Running) -> None:
    """A delivery whose event is gone is not given to anybody."""
    subscription = await subscribe(gateway)
    (event_id,) = await accept(gateway, 1)
    await gateway.store.delete(gateway.keys.event(event_id))

    assert await poll(gateway, subscription) == []

    found = await gateway.delivery(event_id, subscription["id"])
    assert (found["status"], found["last_error"]) == ("cancelled", "expired")


async def test_paths_have_their_aliases(gateway: Running) -> None:
    """By key, and under the names that other senders use."""
    await subscribe(gateway, key="inbox")
    for path in ("/v1/subscriptions", "/v1/webhooks", "/webhooks"):
        answer = await gateway.api.get(f"{path}/inbox/poll")
        assert (answer.status, answer.json) == (200, {"data": []})
        answer = await gateway.api.post(f"{path}/inbox/ack", {"delivery_ids": ["dlv_x"]})
        assert answer.json["refused"] == [{"delivery_id": "dlv_x", "reason": "unknown"}]
    assert (await gateway.api.get("/v1/subscriptions/sub_x/poll")).status == 404


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "201"}, "/limit"),
        ({"wait": "31"}, "/wait"),
        ({"wait": "soon"}, "/wait"),
        ({"wait": "-1"}, "/wait"),
        ({"lease": "1h"}, "/lease"),
    ],
)
async def test_wrong_polls_are_422(gateway: Running, query: dict[str, str], pointer: str) -> None:
    """What is wrong in a poll is refused by name."""
    subscription = await subscribe(gateway)

    answer = await gateway.api.get(f"/v1/subscriptions/{subscription['id']}/poll", **query)

    assert (answer.status, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/delivery_ids"), ({"delivery_ids": []}, "/delivery_ids"), ({"ids": []}, "/ids")],
)
async def test_wrong_acknowledgements_are_422(
    gateway: Running, body: dict[str, object], pointer: str
) -> None:
    """So is what is wrong in an acknowledgement."""
    subscription = await subscribe(gateway)

    answer = await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/ack", body)

    assert answer.status == 422
    assert pointer in pointers(answer)
