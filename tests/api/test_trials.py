"""Test events: sent whatever the state of a subscription, told as they went, counted nowhere."""

import asyncio
import json
import re
from typing import Any

import pytest
from standardwebhooks import Webhook

from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES
from tests.api.test_integrations import pointers
from tests.builders import Answer, Reply, Running, Subscriber, issue
from tests.conftest import StartGateway

TYPE = "scm.pull_request.merged"


async def send(gateway: Running, path: str, **body: object) -> Any:
    """Send a test event; what became of it."""
    answer = await gateway.api.post(path, {"event_type": TYPE, **body})
    assert answer.status == 200, answer.body
    return answer.json


async def test_test_event_arrives_signed_and_marked(
    gateway: Running, subscriber: Subscriber
) -> None:
    """It is an event like any other, verifies, and says twice that it is a test."""
    subscriber.usual = Reply(201, {"X-Trace": "t1", "Set-Cookie": "canary"}, b"thanks")
    subscription = await gateway.subscribe(subscriber, name="crm")

    found = await send(gateway, f"/v1/subscriptions/{subscription['id']}/test")

    (got,) = subscriber.received
    Webhook(subscriber.secret).verify(got.body, dict(got.headers))
    assert got.headers["x-onehook-test"] == "true"
    assert got.headers["x-onehook-event"] == got.json["type"] == TYPE
    assert got.id == got.json["id"] == found["event_id"]
    assert got.json["data"]["custom"]["test"] is True
    assert (found["delivered"], found["status"], found["error"]) == (True, 201, None)
    assert (found["response"]["body"], found["response"]["headers"]["X-Trace"]) == ("thanks", "t1")
    assert found["response"]["headers"]["Set-Cookie"] == "[redacted]"
    assert found["duration_ms"] >= 0


@pytest.mark.parametrize(
    "state",
    [
        {"active": False},
        {"events": ["ticketing.*"]},
        {"filter": {"$.type": "never"}},
        {"paused": True},
    ],
    ids=str,
)
async def test_state_and_wishes_do_not_matter(
    gateway: Running, subscriber: Subscriber, state: dict[str, Any]
) -> None:
    """A paused or inactive subscription is tried, too, and so is one that would not want it."""
    paused = state.pop("paused", False)
    subscription = await gateway.subscribe(subscriber, **state)
    path = f"/v1/subscriptions/{subscription['id']}"
    if paused:
        await gateway.api.post(f"{path}/pause")

    found = await send(gateway, f"{path}/test")

    assert found["delivered"] is True
    assert len(subscriber.received) == 1


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (Reply(500, body=b"oops"), 500, "status"),
        (Reply(410), 410, "status"),
        (Reply(302, {"Location": "http://127.0.0.1:1/"}), 302, "redirect"),
    ],
)
async def test_failure_is_the_answer(
    gateway: Running, subscriber: Subscriber, reply: Reply, status: int, error: str
) -> None:
    """When the receiver fails, that is what the test found: the call itself is 200."""
    subscriber.usual = reply
    subscription = await gateway.subscribe(subscriber)

    found = await send(gateway, f"/v1/subscriptions/{subscription['id']}/test")

    assert (found["delivered"], found["status"], found["error"]) == (False, status, error)
    assert found["response"]["body"] == reply.body.decode()


async def test_no_answer_is_an_answer(gateway: Running, subscriber: Subscriber) -> None:
    """Nobody listening, or nobody answering in time, is told with a sentence."""
    subscriber.usual = Reply(hold=asyncio.Event())
    subscription = await gateway.subscribe(subscriber, timeout="1s")
    path = f"/v1/subscriptions/{subscription['id']}/test"

    found = await send(gateway, path)
    assert (found["delivered"], found["status"], found["error"]) == (False, None, "timeout")
    assert "1 s" in found["detail"]
    await subscriber.stop()
    found = await send(gateway, path)
    assert (found["status"], found["error"]) == (None, "connection")
    assert found["response"] == {"headers": {}, "body": ""}


async def test_tests_change_nothing(gateway: Running, subscriber: Subscriber) -> None:
    """No statistic, no streak, no state, no event, no delivery, no key in the store."""
    subscriber.usual = Reply(410)
    subscription = await gateway.subscribe(subscriber)
    path = f"/v1/subscriptions/{subscription['id']}"
    before = await gateway.own_keys()
    shown = (await gateway.api.get(path)).json

    for _ in range(12):
        await send(gateway, f"{path}/test")

    assert await gateway.own_keys() == before
    assert (await gateway.api.get(path)).json == shown
    stats = (await gateway.api.get(f"{path}/stats")).json
    assert (stats["total"], stats["consecutive_failures"], stats["last_triggered_at"]) == (
        0,
        0,
        None,
    )
    assert (await gateway.api.get("/v1/events")).json["data"] == []
    assert (await gateway.api.get("/v1/deliveries")).json["data"] == []
    assert b"onehook_delivery_attempts_total{" not in (await gateway.api.get("/metrics")).body


async def test_aliases_of_the_call(gateway: Running, subscriber: Subscriber) -> None:
    """By key, by webhook_id, and under the paths that other senders have."""
    subscription = await gateway.subscribe(subscriber, key="wh_123")
    for path, body in (
        ("/v1/subscriptions/wh_123/test", {}),
        ("/v1/webhooks/wh_123/test", {}),
        ("/webhooks/wh_123/test", {}),
        ("/v1/webhooks/test", {"webhook_id": "wh_123"}),
        ("/v1/subscriptions/test", {"webhook_id": subscription["id"]}),
    ):
        assert (await send(gateway, path, **body))["delivered"] is True
    assert len(subscriber.received) == 5


@pytest.mark.parametrize("name", ["issue.critical", "issue.status_changed", "user.login"])
async def test_alias_is_tried_with_what_it_means(
    gateway: Running, subscriber: Subscriber, name: str
) -> None:
    """An alias that narrows its type is tried with an event that it lets through."""
    subscription = await gateway.subscribe(subscriber)

    await send(gateway, f"/v1/subscriptions/{subscription['id']}/test", event_type=name)

    (got,) = subscriber.received
    assert got.json["type"] in ALIASES[name].types
    assert ALIASES[name].fits(got.json["data"])


async def test_every_type_can_be_sent(gateway: Running, subscriber: Subscriber) -> None:
    """There is a test event of every type of the event-types page, aliases included."""
    subscription = await gateway.subscribe(subscriber)
    for name in (*EVENT_TYPES, *ALIASES):
        path = f"/v1/subscriptions/{subscription['id']}/test"
        assert (await send(gateway, path, event_type=name))["delivered"] is True
    assert {got.json["type"] for got in subscriber.received} == set(EVENT_TYPES)


async def test_unsaved_subscription_is_tried_as_it_is(
    gateway: Running, subscriber: Subscriber
) -> None:
    """A body that could be saved is tried with its own secret, and nothing is saved."""
    secret = "whsec_" + "c2VjcmV0LW9mLXRoZS1zdWJzY3JpYmVy"

    found = await send(
        gateway, "/v1/subscriptions/test", url=subscriber.url, secret=secret, timeout="2s"
    )

    (got,) = subscriber.received
    Webhook(secret).verify(got.body, dict(got.headers))
    assert found["delivered"] is True
    assert (await gateway.api.get("/v1/subscriptions")).json["data"] == []


async def test_unsaved_destination_gets_what_it_would_get(
    gateway: Running, subscriber: Subscriber
) -> None:
    """A destination, its headers and its raw body are tried as a delivery would be made."""
    subscriber.usual = Reply(200, body=b"ok")
    outlet = {"destination": "slack", "headers": {"X-Key": "canary"}, "include_raw": True}

    found = await send(gateway, "/v1/subscriptions/test", url=subscriber.url, **outlet)

    (got,) = subscriber.received
    assert found["delivered"] is True
    assert got.headers["X-Key"] == "canary"
    assert got.headers["x-onehook-test"] == "true"
    assert "text" in got.json
    subscriber.usual = Reply(200, body=b"no_service canary")
    refused = await send(gateway, "/v1/subscriptions/test", url=subscriber.url, **outlet)
    assert (refused["delivered"], refused["status"], refused["error"]) == (False, 200, "rejected")
    assert "canary" not in str(refused)


async def test_f1_unsaved_subscription_is_no_way_inside(start_gateway: StartGateway) -> None:
    """A test goes nowhere that a delivery could not go."""
    gateway = await start_gateway(delivery_allow="")

    answer = await gateway.api.post(
        "/v1/subscriptions/test", {"event_type": TYPE, "url": "http://127.0.0.1:9/x"}
    )

    assert (answer.status, answer.json["code"]) == (422, "blocked_address")
    assert pointers(answer) == ["/url"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"event_type": TYPE}, "/url"),
        ({"url": "http://127.0.0.1:9/"}, "/event_type"),
        ({"event_type": "sales.order.created", "url": "http://127.0.0.1:9/"}, "/event_type"),
        ({"event_type": TYPE, "url": "http://127.0.0.1:9/", "colour": "red"}, "/colour"),
        ({"event_type": TYPE, "url": "http://127.0.0.1:9/", "timeout": "1h"}, "/timeout"),
        ({"event_type": TYPE, "url": "http://127.0.0.1:9/", "filter": {"x": 1}}, "/filter/x"),
        ({"event_type": TYPE, "webhook_id": "sub_x"}, "/webhook_id"),
        ({"event_type": TYPE, "webhook_id": "w", "url": "http://127.0.0.1:9/"}, "/url"),
    ],
)
async def test_wrong_bodies_are_refused(
    gateway: Running, body: dict[str, object], pointer: str
) -> None:
    """What could not be saved cannot be tried; every refusal points."""
    answer = await gateway.api.post("/v1/subscriptions/test", body)

    assert (answer.status, pointers(answer)) == (422, [pointer]), answer.body


async def test_what_pulls_is_not_sent_to(gateway: Running) -> None:
    """A subscription without url gets no test event; 404 what is not there."""
    made = (await gateway.api.post("/v1/subscriptions", {})).json

    answer = await gateway.api.post(f"/v1/subscriptions/{made['id']}/test", {"event_type": TYPE})

    assert (answer.status, answer.json["code"]) == (409, "conflict")
    answer = await gateway.api.post("/v1/subscriptions/sub_x/test", {"event_type": TYPE})
    assert answer.status == 404


# -- preview --------------------------------------------------------------------------------------


async def preview(gateway: Running, **body: object) -> Answer:
    """Ask what would be sent."""
    return await gateway.api.post("/v1/subscriptions/preview", body)


async def test_a_preview_is_what_is_sent(gateway: Running, subscriber: Subscriber) -> None:
    """Of a stored event, with the profile and template that were not saved; nothing goes out."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue(1))
    fields = {
        "url": subscriber.url,
        "profile": "hex",
        "body_template": '{"is": {{ payload.data.title | tojson }}}',
    }
    answer = await preview(gateway, event_id=event_id, **fields)
    assert answer.status == 200, answer.body
    shown = answer.json
    assert shown["url"] == subscriber.url
    assert shown["error"] is None
    assert json.loads(shown["body"])["is"]
    assert re.fullmatch("[0-9a-f]{64}", shown["headers"]["x-onehook-signature"])
    assert subscriber.received == []
    assert (await gateway.api.get("/v1/subscriptions")).json["data"] == []


async def test_a_preview_of_a_change_starts_from_what_is_saved(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Fields left out are as they are; secrets stay hidden; what is saved is not changed."""
    made = await gateway.subscribe(
        subscriber, headers={"X-Team": "very-secret"}, profile="sha256", prefix="acme"
    )
    body = {"webhook_id": made["id"], "event_type": "ticketing.ticket.created", "prefix": "other"}
    shown = await preview(gateway, **body)
    assert shown.status == 200, shown.body
    assert shown.json["headers"]["x-other-signature"].startswith("sha256=")
    assert shown.json["headers"]["x-team"] == "***"
    assert b"very-secret" not in shown.body
    saved = (await gateway.api.get(f"/v1/subscriptions/{made['id']}")).json
    assert saved["prefix"] == "acme"


async def test_a_preview_tells_what_is_wrong(gateway: Running, subscriber: Subscriber) -> None:
    """A template that fails is the answer; a wrong field, type or id is an error at its place."""
    wrong = '{"is": {{ nothing.at.all }}}'
    body = {"url": subscriber.url, "event_type": "ticketing.ticket.created"}
    shown = await preview(gateway, **body, body_template=wrong)
    assert shown.status == 422 or shown.json["error"]
    for more, pointer in (
        ({"profile": "none"}, "/profile"),
        ({"event_type": "no.such.type"}, "/event_type"),
    ):
        answer = await preview(gateway, **{**body, **more})
        assert answer.status == 422
        assert answer.json["errors"][0]["pointer"] == pointer
    both = await preview(gateway, **body, event_id="evt_x")
    assert both.status == 422
    gone = await preview(gateway, url=subscriber.url, event_id="evt_x")
    assert gone.status == 404
