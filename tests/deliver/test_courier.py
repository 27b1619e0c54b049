"""One attempt of every kind, as the receiver sees it and as the history keeps it."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from redis.exceptions import ConnectionError as AwayError

from tests.builders import ACME, Reply, Running, Subscriber, acme, github, issue, write_acme
from tests.conftest import StartGateway

PATH = "/v1/subscriptions"
LONG = "a-secret-of-32-characters-or-more"


async def one_event(gateway: Running, number: int = 1) -> str:
    """Send one issue; its event's id."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue(number))
    return event_id


async def attempted(gateway: Running, subscriber: Subscriber, **fields: Any) -> dict[str, Any]:
    """The first attempt of an event to a subscription with these *fields*."""
    one = await gateway.subscribe(subscriber, **fields)
    event_id = await one_event(gateway)
    found = await gateway.settled(event_id, one["id"])
    attempt: dict[str, Any] = found["attempts"][0]
    return attempt


# -- the history ----------------------------------------------------------------------------------


async def test_the_history_shows_the_request_as_it_was_sent(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Every header and the body, whatever the profile; also once the subscription is another."""
    one = await gateway.subscribe(
        subscriber, profile="timestamped", prefix="acme", secret=LONG, headers={"X-A": "value-1"},
        body_template='{"id": {{ event_id }}}',
    )  # fmt: skip
    event_id = await one_event(gateway)
    await gateway.settled(event_id, one["id"], status="delivered")
    await gateway.api.patch(f"{PATH}/{one['id']}", {"body_template": None, "profile": "hex"})
    (attempt,) = (await gateway.delivery(event_id, one["id"]))["attempts"]
    (got,) = subscriber.received
    shown = attempt["request"]
    assert shown["body"] == got.body.decode() == f'{{"id":"{event_id}"}}'
    assert shown["headers"].pop("x-a") == "***"
    of_http = ("host", "content-length", "x-a")
    sent = {k.lower(): v for k, v in got.headers.items() if k.lower() not in of_http}
    assert shown["headers"] == sent


async def test_h2_the_history_hides_every_secret(
    gateway: Running, subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the request, and in an answer that echoes it; nor does the log have one."""
    secrets = ["hook-path-secret", "header-secret"]

    async def echo(request: web.Request) -> web.Response:
        text = f"{request.url} {dict(request.headers)} {await request.text()}"
        return web.Response(status=500, text=text, headers={"X-Echo": request.headers["X-Key"]})

    subscriber.behave = echo
    url = subscriber.url.replace("/events", "/hook-path-secret")
    attempt = await attempted(
        gateway, subscriber, url=url, destination="slack", headers={"X-Key": "header-secret"},
        body_template='{"text": "{{ payload.data.title }}"}',
    )  # fmt: skip
    told = str(attempt)
    for secret in secrets:
        assert secret not in told
    logged = capsys.readouterr()
    assert "delivery.attempted" in logged.out
    assert not any(secret in logged.out + logged.err for secret in secrets)
    assert attempt["request"]["url"].endswith("/***cret")
    assert attempt["response"]["headers"]["X-Echo"] == "***"
    assert "***" in attempt["response"]["body"]


async def test_a_secret_setting_is_blanked_in_the_body(
    gateway: Running, subscriber: Subscriber
) -> None:
    """PagerDuty's routing key travels in the body."""
    attempt = await attempted(
        gateway, subscriber, destination="pagerduty-events",
        settings={"routing_key": "R0123456789"},
    )  # fmt: skip
    (got,) = subscriber.received
    assert got.json["routing_key"] == "R0123456789"
    assert '"routing_key":"***"' in attempt["request"]["body"]


async def test_a_replay_is_shown_as_it_was_sent(gateway: Running, subscriber: Subscriber) -> None:
    """Its headers say that it is one, so they do not follow from the event."""
    one = await gateway.subscribe(subscriber)
    event_id = await one_event(gateway)
    await gateway.settled(event_id, one["id"], status="delivered")
    await gateway.api.post(f"/v1/events/{event_id}/replay", {})
    found = await gateway.settled(event_id, one["id"], attempt_count=2)
    (_, got) = subscriber.received
    shown = found["attempts"][1]["request"]
    assert shown["body"] == got.body.decode()
    assert shown["headers"]["x-onehook-replay"] == "true"
    of_http = ("host", "content-length")
    sent = {k.lower(): v for k, v in got.headers.items() if k.lower() not in of_http}
    assert shown["headers"] == sent


async def test_h2_history_and_exports_hide_the_secrets_of_a_replay(
    gateway: Running, subscriber: Subscriber
) -> None:
    """The token of a bearer profile, an added header, and what the receiver's answer echoes."""

    async def echo(request: web.Request) -> web.Response:
        text = str(dict(request.headers))
        return web.Response(text=text, headers={"Set-Cookie": "receivers-cookie", "X-Echo": text})

    subscriber.behave = echo
    one = await gateway.subscribe(
        subscriber, profile="bearer", secret=LONG, headers={"X-Key": "header-secret"}
    )
    event_id = await one_event(gateway)
    await gateway.settled(event_id, one["id"], status="delivered")
    await gateway.api.post(f"/v1/events/{event_id}/replay", {})
    found = await gateway.settled(event_id, one["id"], attempt_count=2)
    assert [got.headers["authorization"] for got in subscriber.received] == [f"Bearer {LONG}"] * 2
    exported = [await gateway.api.get(f"/v1/deliveries.{kind}") for kind in ("csv", "jsonl")]
    assert [answer.status for answer in exported] == [200, 200]
    for told in (str(found), *(answer.body.decode() for answer in exported)):
        assert event_id in told
        for secret in (LONG, "header-secret", "receivers-cookie"):
            assert secret not in told
    assert found["attempts"][1]["request"]["headers"]["authorization"] == "Bearer ***"


async def test_the_usual_attempt_keeps_no_copy_of_its_body(
    gateway: Running, subscriber: Subscriber
) -> None:
    """The event is stored once; the history shows it all the same."""
    one = await gateway.subscribe(subscriber)
    event_id = await one_event(gateway)
    found = await gateway.settled(event_id, one["id"], status="delivered")
    (got,) = subscriber.received
    assert found["attempts"][0]["request"]["body"] == got.body.decode()
    stream = await gateway.store.xrange(gateway.keys.attempts(one["id"]))
    assert len(stream) == 1
    assert len(stream[0][1][b"a"]) < 500


# -- bodies ---------------------------------------------------------------------------------------


async def test_a_template_that_fails_sends_nothing_and_is_tried_again(
    gateway: Running, subscriber: Subscriber
) -> None:
    """By schedule, with its text in the history; mended, it goes out."""
    one = await gateway.subscribe(
        subscriber, body_template="{{ payload.data.title }}", retry=["1m", "5m"]
    )
    event_id = await one_event(gateway)
    found = await gateway.settled(event_id, one["id"])
    assert (found["status"], found["last_error"], found["last_status"]) == (
        "pending", "template", None,
    )  # fmt: skip
    (attempt,) = found["attempts"]
    assert attempt["detail"].startswith("the result is no")
    assert attempt["request"] == {"url": subscriber.url, "headers": {}, "body": ""}
    assert subscriber.received == []

    await gateway.api.patch(f"{PATH}/{one['id']}", {"body_template": '{"t": {{ event_type }}}'})
    await gateway.age(one["id"], timedelta(minutes=1.2))
    await gateway.settled(event_id, one["id"], status="delivered")
    (got,) = subscriber.received
    assert got.json == {"t": "ticketing.ticket.created"}
    assert got.headers["x-onehook-attempt"] == "2"


async def test_a_template_that_always_fails_ends_in_the_dead_letter(
    gateway: Running, subscriber: Subscriber
) -> None:
    """As any other failure does."""
    one = await gateway.subscribe(subscriber, body_template="{{ payload.no }}", retry=[])
    event_id = await one_event(gateway)
    found = await gateway.settled(event_id, one["id"], status="dead")
    assert (found["attempt_count"], found["last_error"]) == (1, "template")


async def test_the_native_body_is_delivered_where_it_is_asked_for(
    gateway: Running, subscriber: Subscriber
) -> None:
    """In data.raw.body, whole, its signature over all of it."""
    await gateway.subscribe(subscriber, include_raw=True)
    sender = await gateway.integrate()
    native = issue()
    await gateway.accept(sender, native)
    (got,) = await subscriber.wait()
    raw = got.json["data"]["raw"]
    assert raw["body"]["issue"]["number"] == 1
    assert raw["size"] == len(native.body)


async def test_what_a_mapping_redacts_is_not_delivered(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Any
) -> None:
    """The native body as kept is whole; as delivered it is not."""
    text = ACME + 'redact: [$.token, "$.tickets[*].secret"]\n'
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings", text))
    await gateway.subscribe(subscriber, include_raw=True)
    sender = await gateway.integrate("acme")
    ticket = {"id": "1", "title": "T", "secret": "hidden-1"}
    (event_id,) = await gateway.accept(
        sender, acme("tickets", tickets=[ticket], token="hidden-2", more="seen")
    )
    (got,) = await subscriber.wait()
    body = got.json["data"]["raw"]["body"]
    assert body["tickets"] == [{**ticket, "secret": "[redacted]"}]
    assert (body["token"], body["more"]) == ("[redacted]", "seen")
    assert b"hidden-" not in got.body
    kept = await gateway.api.get(f"/v1/events/{event_id}/native")
    assert b"hidden-1" in kept.body


async def test_a_native_body_in_a_form_is_its_json(
    gateway: Running, subscriber: Subscriber
) -> None:
    """GitHub's default: the field payload."""
    await gateway.subscribe(subscriber, include_raw=True)
    sender = await gateway.integrate()
    form = urlencode({"payload": issue().body.decode()}).encode()
    native = github("issues", form).with_headers(Content_Type="application/x-www-form-urlencoded")
    await gateway.accept(sender, native)
    (got,) = await subscriber.wait()
    assert got.json["data"]["raw"]["body"]["action"] == "opened"


async def test_a_large_native_body_is_left_out(gateway: Running, subscriber: Subscriber) -> None:
    """Above 64 KiB: named in ``truncated``, the event delivered all the same."""
    await gateway.subscribe(subscriber, include_raw=True)
    sender = await gateway.integrate()
    large = issue()
    padded = large.body[:-1] + b',"padding":"' + b"x" * 65_000 + b'"}'
    await gateway.accept(sender, github("issues", padded))
    (got,) = await subscriber.wait()
    data = got.json["data"]
    assert (data["raw"]["body"], data["truncated"]) == (None, ["/raw/body"])


async def test_a_native_body_that_is_no_longer_kept_is_left_out(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Its retention is shorter than the event's."""
    one = await gateway.subscribe(subscriber, include_raw=True)
    await gateway.api.post(f"{PATH}/{one['id']}/pause")
    await one_event(gateway)
    for key in await gateway.own_keys():
        if await gateway.store.type(key) == b"hash" and await gateway.store.hexists(key, "b"):
            await gateway.store.hdel(key, "b")
    await gateway.api.post(f"{PATH}/{one['id']}/resume")
    (got,) = await subscriber.wait()
    assert got.json["data"]["raw"]["body"] is None


async def test_d1_a_store_that_is_away_while_the_native_body_is_fetched(
    gateway: Running, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No attempt is made and none is lost: the lease runs out and it is tried again."""
    one = await gateway.subscribe(subscriber, include_raw=True)
    events = gateway.runtime.gateway.events
    find = events.find_native
    asked: list[str] = []

    async def away(webhook_id: str) -> Any:
        asked.append(webhook_id)
        if len(asked) == 1:
            raise AwayError
        return await find(webhook_id)

    monkeypatch.setattr(events, "find_native", away)
    event_id = await one_event(gateway)
    while not asked:
        await gateway.api.get("/healthz")
    assert subscriber.received == []
    await gateway.age(one["id"], timedelta(seconds=31))
    await gateway.settled(event_id, one["id"], status="delivered")
    assert len(subscriber.received) == 1


# -- answers --------------------------------------------------------------------------------------


async def test_a_200_that_says_no_is_a_failure(gateway: Running, subscriber: Subscriber) -> None:
    """Retried by schedule; the history says why."""
    subscriber.script.append(Reply(200, body=b"invalid_payload"))
    subscriber.usual = Reply(200, body=b"ok")
    one = await gateway.subscribe(subscriber, destination="slack", retry=["1m"])
    event_id = await one_event(gateway)
    found = await gateway.settled(event_id, one["id"])
    assert (found["status"], found["last_error"], found["last_status"]) == (
        "pending", "rejected", 200,
    )  # fmt: skip
    (attempt,) = found["attempts"]
    assert attempt["response"]["body"] == "invalid_payload"
    assert attempt["detail"] == "the answer does not say that it was taken"
    await gateway.age(one["id"], timedelta(minutes=1.2))
    await gateway.settled(event_id, one["id"], status="delivered")
