"""``/v1/subscriptions`` and its aliases: who gets which events, where."""

from typing import Any

import pytest

from tests.api.test_integrations import pointers
from tests.builders import SECRET, Running, Subscriber, issue
from tests.conftest import StartGateway

URL = "http://127.0.0.1:9/hook"
ALIASES = ["/v1/subscriptions", "/v1/webhooks", "/webhooks"]


@pytest.mark.parametrize("path", ALIASES)
async def test_crud_works_under_every_alias(gateway: Running, path: str) -> None:
    """Make, read, list, change, pause, resume and remove work alike under each name."""
    made = await gateway.api.post(path, {"url": URL, "key": "wh_123", "name": "n"})
    assert made.status == 201
    id_ = made.json["id"]
    assert made.headers["Location"] == f"/v1/subscriptions/{id_}"

    shown = (await gateway.api.get(f"{path}/{id_}")).json
    assert (await gateway.api.get(f"{path}/wh_123")).json == shown
    assert (await gateway.api.get(path)).json == {"data": [shown], "next": None}
    assert (await gateway.api.patch(f"{path}/{id_}", {"name": "m"})).json["name"] == "m"
    assert (await gateway.api.post(f"{path}/{id_}/pause")).json["status"] == "paused"
    assert (await gateway.api.post(f"{path}/{id_}/resume")).json["status"] == "active"
    assert (await gateway.api.delete(f"{path}/{id_}")).status == 204
    assert (await gateway.api.get(f"{path}/{id_}")).status == 404


async def test_create_fills_in_the_defaults(gateway: Running) -> None:
    """A URL is enough; the answer shows what holds, and the secret this once."""
    answer = await gateway.api.post("/v1/subscriptions", {"url": URL})

    made = answer.json
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    shown = await gateway.api.get(f"/v1/subscriptions/{made['id']}")
    assert shown.json == made
    wanted = {
        "key": None,
        "name": None,
        "url": URL,
        "events": ["*"],
        "integrations": [],
        "active": True,
        "timeout": "10s",
        "retry": ["1m", "5m", "30m", "2h", "12h"],
        "status": "active",
        "paused_reason": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert {name: made[name] for name in wanted} == wanted
    assert made["id"].startswith("sub_")
    assert secret not in shown.body.decode()
    assert secret not in (await gateway.api.get("/v1/subscriptions")).body.decode()


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "no url": ({"url": ""}, "/url"),
    "unknown field": ({"colour": "red"}, "/colour"),
    "no event": ({"events": []}, "/events"),
    "unknown event": ({"events": ["scm.*", "sales.*"]}, "/events/1"),
    "half a pattern": ({"events": ["scm.pull*"]}, "/events/0"),
    "unknown integration": ({"integrations": ["github", "int_x"]}, "/integrations/1"),
    "timeout too long": ({"timeout": "31s"}, "/timeout"),
    "timeout too short": ({"timeout": "999ms"}, "/timeout"),
    "timeout without unit": ({"timeout": "10"}, "/timeout"),
    "retry too long": ({"retry": ["1m", "8d"]}, "/retry/1"),
    "retry without unit": ({"retry": ["60"]}, "/retry/0"),
    "too many retries": ({"retry": ["1m"] * 21}, "/retry"),
    "no secret": ({"secret": ""}, "/secret"),
    "broken secret": ({"secret": "whsec_%%%"}, "/secret"),
    "no key in secret": ({"secret": "whsec_"}, "/secret"),
    "bad key": ({"key": "a/b"}, "/key"),
}


@pytest.mark.parametrize(("fields", "pointer"), BAD_FIELDS.values(), ids=BAD_FIELDS)
async def test_wrong_fields_are_refused_by_name(
    gateway: Running, fields: dict[str, Any], pointer: str
) -> None:
    """What is wrong in a body is 422 with a pointer to it, at creation and in a PATCH."""
    made = await gateway.api.post("/v1/subscriptions", {"url": URL})
    body = {"url": URL, **fields}

    created = await gateway.api.post("/v1/subscriptions", body)
    patched = await gateway.api.patch(f"/v1/subscriptions/{made.json['id']}", fields)

    for answer in (created, patched):
        assert (answer.status, answer.media_type) == (422, "application/problem+json"), fields
        assert pointer in pointers(answer)


URLS = [
    "", "ftp://example.com", "example.com", "//example.com", "https://", "http://example.com/",
    "https://user:pw@example.com/", "https://10.0.0.1/", "https://169.254.169.254/latest",
    "https://[::1]/", "https://0x7f.1/", "https://2130706433/", "https://[::ffff:10.0.0.1]/",
    "https://example.com/a b", "https://example.com/\u00e9", "https://exämple.com/",
    "https://example.com/" + "a" * 2100, "https://example.com:99999/", "https://[fe80::1%25eth0]/",
    "https://192.168.1.1/", "http://8.8.8.8/", "https://100.64.0.1/", "https://0.0.0.0/",
    "https://example.com\\@10.0.0.1/", "javascript:alert(1)", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
async def test_f1_urls_that_cannot_be_called_are_refused(gateway: Running, url: str) -> None:
    """A URL that no delivery may go to is 422 when it is saved, and points to `/url`."""
    answer = await gateway.api.post("/v1/subscriptions", {"url": url})

    assert (answer.status, answer.json["code"]) == (422, "blocked_address")
    assert pointers(answer) == ["/url"]
    page = await gateway.vendor.get(answer.json["type"])
    assert page.status == 200


async def test_f1_nothing_private_without_an_allow_list(start_gateway: StartGateway) -> None:
    """By default neither loopback nor plain http is taken; a public https URL is."""
    gateway = await start_gateway(delivery_allow="")

    for url in ("http://127.0.0.1:9/", "https://127.0.0.1/", "http://localhost:9/"):
        assert (await gateway.api.post("/v1/subscriptions", {"url": url})).status == 422
    fine = {"url": "https://hooks.example.com:8443/in?x=1"}
    assert (await gateway.api.post("/v1/subscriptions", fine)).status == 201


async def test_patch_changes_what_is_given(gateway: Running) -> None:
    """Fields left out of a PATCH stay; null gives the default back; without a URL it pulls."""
    fields = {"key": "k", "name": "n", "events": ["scm.*"], "timeout": "3s", "retry": ["1s"]}
    made = (await gateway.api.post("/v1/subscriptions", {"url": URL, **fields})).json
    path = f"/v1/subscriptions/{made['id']}"

    one = (await gateway.api.patch(path, {"timeout": "5s"})).json
    assert {name: one[name] for name in fields} == {**fields, "timeout": "5s"}
    assert one["updated_at"] > made["updated_at"]

    cleared = (await gateway.api.patch(path, dict.fromkeys(fields))).json
    assert {name: cleared[name] for name in fields} == {
        "key": None,
        "name": None,
        "events": ["*"],
        "timeout": "10s",
        "retry": ["1m", "5m", "30m", "2h", "12h"],
    }
    pulling = await gateway.api.patch(path, {"url": None})
    assert (pulling.status, pulling.json["url"]) == (200, None)
    assert (await gateway.api.patch(path, {"url": URL})).json["url"] == URL
    assert (await gateway.api.patch(path, {})).status == 200


async def test_patch_shows_no_secret(gateway: Running) -> None:
    """A secret that a PATCH brings is not in the answer."""
    made = (await gateway.api.post("/v1/subscriptions", {"url": URL})).json

    answer = await gateway.api.patch(f"/v1/subscriptions/{made['id']}", {"secret": SECRET})

    assert answer.status == 200
    assert SECRET not in answer.body.decode()
    assert made["secret"] not in answer.body.decode()


async def test_integrations_by_key_become_ids(gateway: Running, subscriber: Subscriber) -> None:
    """An integration named by its key stays subscribed when the key changes."""
    sender = await gateway.integrate(key="prod")
    made = await gateway.subscribe(subscriber, integrations=["prod", "gitlab"])
    assert made["integrations"] == [sender.id, "gitlab"]

    await gateway.api.patch(f"/v1/integrations/{sender.id}", {"key": "other"})
    (event_id,) = await gateway.accept(sender, issue())

    await gateway.settled(event_id, made["id"], status="delivered")


async def test_status_tells_active_inactive_and_paused(gateway: Running) -> None:
    """Inactive wins over paused; a pause keeps its reason."""
    made = (await gateway.api.post("/v1/subscriptions", {"url": URL})).json
    path = f"/v1/subscriptions/{made['id']}"

    paused = (await gateway.api.post(f"{path}/pause")).json
    assert (paused["status"], paused["paused_reason"]) == ("paused", "manual")
    inactive = (await gateway.api.patch(path, {"active": False})).json
    assert inactive["status"] == "inactive"
    both = (await gateway.api.post(f"{path}/resume")).json
    assert (both["status"], both["paused_reason"]) == ("inactive", None)


async def test_unknown_ids_are_404(gateway: Running) -> None:
    """What is not there is 404 as a problem, for every method."""
    for method, path in (
        ("GET", "/v1/subscriptions/sub_x"),
        ("PATCH", "/v1/subscriptions/sub_x"),
        ("DELETE", "/v1/subscriptions/sub_x"),
        ("POST", "/v1/subscriptions/sub_x/pause"),
        ("POST", "/v1/subscriptions/sub_x/resume"),
        ("GET", "/v1/integrations/int_x"),
        ("POST", "/v1/integrations/int_x/rotate-secret"),
        ("GET", "/v1/events/evt_x"),
        ("GET", "/v1/events/evt_x/native"),
        ("GET", "/v1/deliveries/dlv_x"),
        ("GET", "/v1/nothing"),
        ("GET", "/"),
    ):
        body = {"secret": SECRET} if "rotate" in path else {} if method == "PATCH" else None
        answer = await gateway.api.call(method, path, body)
        assert (answer.status, answer.json["code"]) == (404, "not_found"), path
        assert answer.media_type == "application/problem+json"


async def test_an_overlap_is_taken_with_a_warning(gateway: Running) -> None:
    """A second subscription of the same URL to the same events; others get none."""
    body = {"url": "http://127.0.0.1:9/hook", "events": ["scm.*"]}
    first = (await gateway.api.post("/v1/subscriptions", body)).json
    other = (await gateway.api.post("/v1/subscriptions", body | {"events": ["ci.*"]})).json
    assert not {"warnings"} & (first.keys() | other.keys())

    second = await gateway.api.post("/v1/subscriptions", body | {"events": ["*"]})
    moved = await gateway.api.patch(f"/v1/subscriptions/{other['id']}", {"events": ["scm.*"]})

    assert (second.status, moved.status) == (201, 200)
    (warning,) = second.json["warnings"]
    assert warning["pointer"] == "/url"
    assert first["id"] in warning["detail"]
    assert other["id"] in warning["detail"]
    (warning,) = moved.json["warnings"]
    assert first["id"] in warning["detail"]


async def test_f4_only_ports_that_are_named_may_be_called(start_gateway: StartGateway) -> None:
    """With ONEHOOK_DELIVERY_PORTS a URL may name these, or none; 422 says which setting it is."""
    gateway = await start_gateway(delivery_ports="8443, 443")
    urls = [f"https://example.com{port}/" for port in ("", ":443", ":8443", ":6379", ":22")]

    answers = [
        await gateway.api.post("/v1/subscriptions", {"url": url, "events": ["*"]}) for url in urls
    ]

    assert [answer.status for answer in answers] == [201, 201, 201, 422, 422]
    assert "ONEHOOK_DELIVERY_PORTS" in answers[-1].json["errors"][0]["detail"]
