"""``/v1/keys``: made, listed, revoked; and which operation each scope may call."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from onehook.api.openapi import OPERATIONS
from onehook.web.guesses import API_KEYS_PER_MINUTE
from onehook.web.operations import Operation
from tests.builders import API_KEY, NOW, Answer, Api, FixedClock, Running, eventually, issue
from tests.conftest import MakeTenant, StartGateway

KEYS = "/v1/keys"
SCOPES = ("admin", "read", "ingest-admin", "subscriber")


async def make(gateway: Running, **fields: Any) -> Any:
    """A new API key, as it is answered."""
    answer = await gateway.api.post(KEYS, {"name": "a key", **fields})
    assert answer.status == 201, answer.body
    return answer.json


async def ask(gateway: Running, key: str, path: str = "/v1/integrations") -> Answer:
    """GET *path* with that API key."""
    return await gateway.vendor.call("GET", path, headers={"Authorization": f"Bearer {key}"})


async def everything(gateway: Running) -> bytes:
    """All that lies in the gateway's part of the store, as it is dumped."""
    return b"".join([await gateway.store.dump(key) or b"" for key in await gateway.own_keys()])


# -- making and listing ---------------------------------------------------------------------------


async def test_a_key_is_shown_once(gateway: Running) -> None:
    """The answer that makes a key has it, with a prefix that scanners know; nothing else has."""
    with capture_logs() as logs:
        made = await make(gateway, name="ci", scopes=["read", "read"])

    assert re.fullmatch(r"ohk_[a-z2-7]{52}", made["key"])
    assert (made["name"], made["tenant"], made["scopes"]) == ("ci", "default", ["read"])
    shown = (await gateway.api.get(f"{KEYS}/{made['id']}")).json
    assert shown == {name: value for name, value in made.items() if name != "key"}
    listed = await gateway.api.get(KEYS)
    assert [one["id"] for one in listed.json["data"]] == [made["id"], "key_first"]
    assert made["key"].encode() not in listed.body
    assert made["key"] not in json.dumps(logs, default=str)
    assert [log["event"] for log in logs if log["event"].startswith("api_key")] == ["api_key.made"]


async def test_h1_h3_only_a_hash_of_a_key_is_stored(gateway: Running) -> None:
    """Neither a made key nor the first one lies in the store; their digests do."""
    made = await make(gateway)

    kept = await everything(gateway)

    assert made["key"].encode() not in kept
    assert API_KEY.encode() not in kept
    rows = await gateway.store.hgetall(gateway.keys.config("keys"))
    digest = json.loads(rows[made["id"].encode()])["digest"]
    assert digest == gateway.runtime.gateway.registry.whole.digest(made["key"])


async def test_two_keys_differ(gateway: Running) -> None:
    """No two keys are alike."""
    one, two = await make(gateway), await make(gateway)

    assert one["key"] != two["key"]
    assert one["id"] != two["id"]


async def test_lists_page(gateway: Running) -> None:
    """Keys are listed newest first, the one that the gateway came with last."""
    made = [(await make(gateway, name=str(n)))["id"] for n in range(3)]

    first = (await gateway.api.get(KEYS, limit="2")).json
    rest = (await gateway.api.get(KEYS, limit="2", cursor=first["next"])).json

    found = [one["id"] for one in [*first["data"], *rest["data"]]]
    assert found[-1] == "key_first"
    assert sorted(found[:-1]) == sorted(made)
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"tenant": "nobody"}, "/tenant"),
        ({"expires_at": "2026-11-22T12:00:00"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "/expires_at"),
        ({"role": "admin"}, "/role"),
    ],
)
async def test_what_is_wrong_is_named(
    gateway: Running, fields: dict[str, Any], pointer: str
) -> None:
    """A key that makes no sense is refused, with a pointer."""
    answer = await gateway.api.post(KEYS, {"name": "a", **fields})

    assert answer.status == 422, answer.body
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


async def test_keys_have_another_path(gateway: Running) -> None:
    """What other senders call API keys is the same."""
    made = (await gateway.api.post("/v1/api-keys", {"name": "a"})).json

    assert (await gateway.api.get(f"/v1/api-keys/{made['id']}")).json["name"] == "a"
    assert (await gateway.api.delete(f"/v1/api-keys/{made['id']}")).status == 204


# -- until when a key holds -----------------------------------------------------------------------


async def test_h3_a_revoked_key_ends_at_once(gateway: Running) -> None:
    """Once a key is revoked it is 401, and listed no more."""
    made = await make(gateway)
    assert (await ask(gateway, made["key"])).status == 200

    assert (await gateway.api.delete(f"{KEYS}/{made['id']}")).status == 204

    answer = await ask(gateway, made["key"])
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert (await gateway.api.get(f"{KEYS}/{made['id']}")).status == 404
    assert (await gateway.api.delete(f"{KEYS}/{made['id']}")).status == 404


async def test_h3_a_revoked_key_ends_at_other_gateways(start_gateway: StartGateway) -> None:
    """What one gateway makes and revokes, another one takes up by itself."""
    one, two = await start_gateway(), await start_gateway()
    made = await make(one)

    async def holds_there() -> bool:
        return (await ask(two, made["key"])).status == 200

    async def has_ended_there() -> bool:
        return (await ask(two, made["key"])).status == 401

    await eventually(holds_there)
    await one.api.delete(f"{KEYS}/{made['id']}")
    await eventually(has_ended_there, within=5)


async def test_h3_an_expired_key_is_401(start_gateway: StartGateway) -> None:
    """A key holds until the moment that it was made for, and not at it."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    made = await make(gateway, expires_at=(NOW + timedelta(hours=1)).isoformat())

    clock.advance(timedelta(minutes=59, seconds=59))
    before = await ask(gateway, made["key"])
    clock.advance(timedelta(seconds=1))
    after = await ask(gateway, made["key"])

    assert (before.status, after.status) == (200, 401)


async def test_h3_a_stream_ends_with_its_key(gateway: Running) -> None:
    """Whoever follows the stream gets nothing more once its key is revoked."""
    sender, made = await gateway.integrate(), await make(gateway, scopes=["subscriber"])
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with gateway.vendor.session.get("/v1/stream", headers=headers) as stream:
        await stream.content.readuntil(b"\n\n")
        (before,) = await gateway.accept(sender, issue(1))
        assert before.encode() in await stream.content.readuntil(b"\n\n")
        await gateway.api.delete(f"{KEYS}/{made['id']}")
        (after,) = await gateway.accept(sender, issue(2))

        rest = await asyncio.wait_for(stream.content.read(), 10)

    assert after.encode() not in rest


async def test_the_first_key_is_changed_where_it_comes_from(gateway: Running) -> None:
    """A key of ``ONEHOOK_API_KEY`` would come back at the next start: it cannot be revoked."""
    await make(gateway, scopes=["admin"])

    answer = await gateway.api.delete(f"{KEYS}/key_first")

    assert answer.status == 409
    assert "ONEHOOK_API_KEY" in answer.json["detail"]
    assert (await gateway.api.get(KEYS)).status == 200


async def test_the_last_admin_key_stays(start_gateway: StartGateway) -> None:
    """Without the file that the first key is in, any admin key but the last can be revoked."""
    gateway = await start_gateway(api_key=None)
    runtime = gateway.runtime
    api = Api(runtime.url, runtime.api_key)
    try:
        in_file = await api.delete(f"{KEYS}/key_first")
        runtime.key_file.unlink()
        reader = (await api.post(KEYS, {"name": "reader"})).json
        alone = await api.delete(f"{KEYS}/key_first")
        other = (await api.post(KEYS, {"name": "other", "scopes": ["admin"]})).json
        gone = await api.delete(f"{KEYS}/key_first")
    finally:
        await api.session.close()

    assert (in_file.status, alone.status, gone.status) == (409, 409, 204)
    assert "last admin key" in alone.json["detail"]
    api = Api(runtime.url, other["key"])
    try:
        assert (await api.delete(f"{KEYS}/{reader['id']}")).status == 204
        assert (await api.delete(f"{KEYS}/{other['id']}")).status == 409
    finally:
        await api.session.close()


# -- when a key was used --------------------------------------------------------------------------


async def test_uses_are_shown_and_written_now_and_then(start_gateway: StartGateway) -> None:
    """A key's last use is known at once here; the store has it once a minute, not each time."""
    clock = FixedClock()
    one = await start_gateway(clock=clock)
    made = await make(one)
    path = f"{KEYS}/{made['id']}"
    assert made["last_used_at"] is None
    assert (await one.api.get(path)).json["last_used_at"] is None

    await ask(one, made["key"])

    assert (await one.api.get(path)).json["last_used_at"] == "2026-11-22T12:00:00Z"
    used = one.keys.config("used")
    assert await one.store.zscore(used, made["id"]) is None
    await one.runtime.gateway.key_uses.write({made["id"]: None})
    two = await start_gateway(clock=clock)
    assert (await two.api.get(path)).json["last_used_at"] == "2026-11-22T12:00:00Z"
    await one.api.delete(path)
    assert await one.store.zscore(used, made["id"]) is None


# -- guessing -------------------------------------------------------------------------------------


async def test_h3_guesses_are_401_then_429(gateway: Running) -> None:
    """Too many wrong keys from one address are told to wait; a right one is let through."""
    statuses = [(await ask(gateway, f"ohk_wrong{n}")).status for n in range(API_KEYS_PER_MINUTE)]
    refused = await ask(gateway, "ohk_wrong")

    assert set(statuses) == {401}
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await gateway.api.get(KEYS)).status == 200
    assert (await gateway.vendor.get(KEYS)).status == 401  # who sends no key guesses nothing


async def test_h3_guesses_behind_a_proxy_are_counted_by_who_makes_them(
    start_gateway: StartGateway,
) -> None:
    """A proxy that is named tells who asks; who guesses there leaves the others alone."""
    gateway = await start_gateway(trusted_proxies="127.0.0.0/8")

    async def guess(sender: str) -> int:
        headers = {"Authorization": "Bearer ohk_wrong", "X-Forwarded-For": sender}
        return (await gateway.vendor.call("GET", KEYS, headers=headers)).status

    first = [await guess("192.0.2.1") for _ in range(API_KEYS_PER_MINUTE + 1)]

    assert first == [401] * API_KEYS_PER_MINUTE + [429]
    assert await guess("192.0.2.2") == 401
    assert await guess("192.0.2.3, 192.0.2.1") == 429  # what the sender wrote itself is not asked


# -- scopes ---------------------------------------------------------------------------------------

# What issue 4 gives to whom, by the beginning of the path; everything else is an admin's.
INGEST = ("integrations", "mappings", "quarantine", "platforms", "event-types", "schemas")
SUBSCRIBER = (
    "subscriptions", "webhooks", "deliveries", "replays", "events", "stream", "references",
    "stats", "platforms", "event-types", "schemas", "addresses",
)  # fmt: skip
INGEST_ALONE = {"DELETE /v1/platforms/{name}/drift", "GET /v1/platforms/{name}/drift"}


def may(scope: str, operation: Operation) -> bool:
    """Whether *scope* is enough for *operation*."""
    part = re.split(r"[/.]", operation.path)[2]
    if part == "tenants":
        return scope == "admin"
    match scope:
        case "admin":
            return True
        case "read":
            return operation.method == "GET"
        case "ingest-admin":
            return part in INGEST
        case _:
            name = f"{operation.method} {operation.path}"
            return part in SUBSCRIBER and name not in INGEST_ALONE


@pytest.mark.parametrize("scope", SCOPES)
async def test_h3_scope_matrix(gateway: Running, scope: str) -> None:
    """Every operation, on every path, lets exactly the scopes through that it should."""
    key = (await make(gateway, scopes=[scope]))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for operation in OPERATIONS:
        for path in (operation.path, *operation.aliases):
            filled = re.sub(r"\{\w+\}", "x", path)
            request = gateway.vendor.session.request(operation.method, filled, headers=headers)
            async with request as answer:  # a stream never ends: only its head is read
                refused = answer.status == 403
                assert refused is not may(scope, operation), (operation.name, answer.status)
                if refused:
                    problem = await answer.json(content_type=None)
                    assert problem["code"] == "forbidden"
                    assert all(one in problem["detail"] for one in operation.allowed)


async def test_a_key_has_all_of_its_scopes(gateway: Running) -> None:
    """Of several scopes each counts."""
    key = (await make(gateway, scopes=["ingest-admin", "subscriber"]))["key"]

    assert (await ask(gateway, key, "/v1/integrations")).status == 200
    assert (await ask(gateway, key, "/v1/subscriptions")).status == 200
    assert (await ask(gateway, key, KEYS)).status == 403


async def test_openapi_says_who_may_call(gateway: Running) -> None:
    """Every operation's description names the scopes that it needs."""
    document = (await gateway.vendor.get("/openapi.json")).json

    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        assert described["x-required-scopes"] == [s for s in SCOPES if may(s, operation)]
        assert {"401", "403", "429"} <= described["responses"].keys()


async def test_h9_metrics_and_details_are_not_for_every_key(
    gateway: Running, make_tenant: MakeTenant
) -> None:
    """What names all tenants' integrations needs a key of the default tenant that may read."""
    tenant = await make_tenant(gateway)
    reader, subscriber = [await make(gateway, scopes=[s]) for s in ("read", "subscriber")]

    assert (await gateway.api.get("/metrics")).status == 200
    assert (await ask(gateway, reader["key"], "/metrics")).status == 200
    assert (await ask(gateway, subscriber["key"], "/metrics")).status == 403
    assert (await tenant.api.get("/metrics")).status == 403
    gateway.runtime.gateway.readiness.warn("mapping_broken", ["acme.yaml:1"])
    assert "details" in (await gateway.api.get("/readyz")).json
    assert "details" not in (await tenant.api.get("/readyz")).json
    assert "details" not in (await ask(gateway, subscriber["key"], "/readyz")).json
