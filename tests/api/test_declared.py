"""PUT by key: a thing is as its body says, the answer tells what that changed, twice is once."""

import re
from typing import Any

import pytest

from onehook.api.integrations import RESERVED
from onehook.api.openapi import OPERATIONS
from onehook.web.guesses import SECRETS_PER_MINUTE
from tests.builders import SECRET, Running, Subscriber

PUT = "PUT"
HOOK = "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop"


async def put(gateway: Running, path: str, body: dict[str, Any], **query: str) -> Any:
    """A declaration, which must be taken: 201 if it makes something, which is then there."""
    answer = await gateway.api.call(PUT, path, body, params=query)
    made = answer.status == 201
    assert made or answer.status == 200, answer.body
    assert made == (answer.json["result"] == "created" and not query)
    if made:
        there = await gateway.api.get(answer.headers["Location"])
        assert there.json["id"] == answer.json["id"]
    return answer.json


async def test_put_makes_then_changes_then_leaves(gateway: Running, subscriber: Subscriber) -> None:
    """The first makes it, the second changes what differs, the third writes nothing."""
    path = "/v1/subscriptions/orders"
    made = await put(gateway, path, {"url": subscriber.url, "timeout": "5s"})
    changed = await put(gateway, path, {"url": subscriber.url, "events": ["scm.*"]})
    version = gateway.runtime.gateway.registry.whole.snapshot.version
    same = await put(gateway, path, {"url": subscriber.url, "events": ["scm.*"]})

    assert (made["result"], made["key"], made["secret"][:6]) == ("created", "orders", "whsec_")
    assert changed["id"] == made["id"]
    assert changed["result"] == "changed"
    assert {c["pointer"]: (c["before"], c["after"]) for c in changed["changes"]} == {
        "/events": (["*"], ["scm.*"]),
        "/timeout": ("5s", "10s"),  # left out: the default
    }
    assert "secret" not in changed
    assert (same["result"], same["changes"]) == ("unchanged", [])
    assert same["updated_at"] == changed["updated_at"]
    assert gateway.runtime.gateway.registry.whole.snapshot.version == version


async def test_dry_run_changes_nothing(gateway: Running, subscriber: Subscriber) -> None:
    """With dry_run the answer is the same, and nothing is there afterwards."""
    body = {"url": subscriber.url, "integrations": ["soon"]}
    path = "/v1/subscriptions/orders"
    told = await put(gateway, path, body, dry_run="true", assume="soon")
    refused = await gateway.api.call(PUT, path, body, params={"dry_run": "true"})
    early = await gateway.api.call(PUT, path, body, params={"assume": "soon"})

    assert (told["result"], told["integrations"]) == ("created", ["soon"])
    assert "secret" not in told
    assert refused.json["errors"][0]["pointer"] == "/integrations/0"
    assert early.json["errors"][0]["pointer"] == "/assume"
    assert (await gateway.api.get(path)).status == 404


SECRETS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/secret", {"secret": "a" * 32}, {"secret": "b" * 32}),
    ("/headers/X-Key", {"headers": {"X-Key": "aaaa"}}, {"headers": {"X-Key": "bbbb"}}),
    (
        "/auth/token",
        {"auth": {"type": "bearer", "token": "aaaa"}},
        {"auth": {"type": "bearer", "token": "bbbb"}},
    ),
    (
        "/auth/password",
        {"auth": {"type": "basic", "username": "me", "password": "aaaa"}},
        {"auth": {"type": "basic", "username": "me", "password": "bbbb"}},
    ),
    (
        "/auth/value",
        {"auth": {"type": "header", "name": "X-A", "value": "aaaa"}},
        {"auth": {"type": "header", "name": "X-A", "value": "bbbb"}},
    ),
    (
        "/settings/routing_key",
        {"destination": "pagerduty-events", "settings": {"routing_key": "a" * 32}},
        {"destination": "pagerduty-events", "settings": {"routing_key": "b" * 32}},
    ),
    (
        "/url",
        {"destination": "slack", "url": HOOK + "a"},
        {"destination": "slack", "url": HOOK[:-1] + "zpa"},
    ),
]


@pytest.mark.parametrize(("pointer", "one", "other"), SECRETS, ids=[row[0] for row in SECRETS])
async def test_a_changed_secret_is_told_and_never_shown(
    gateway: Running, pointer: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """The same value again is no change; another one is told of, both values hidden."""
    path = "/v1/subscriptions/quiet"
    base = {} if "destination" in one else {"url": "https://example.com/hook"}
    await put(gateway, path, base | one)
    same = await put(gateway, path, base | one)
    told = await put(gateway, path, base | other, dry_run="true")
    changed = await put(gateway, path, base | other)
    after = await put(gateway, path, base | other)

    assert (same["result"], after["result"]) == ("unchanged", "unchanged")
    assert told["changes"] == changed["changes"]
    assert changed["changes"] in (
        [{"pointer": pointer, "before": "***", "after": "***"}],
        [{"pointer": "/url", "before": told["changes"][0]["before"], "after": changed["url"]}],
    )
    secret = [v for v in _leaves(other) if v.startswith(("bbbb", HOOK[:-1]))]
    assert secret
    assert all(value not in str(changed) for value in secret)


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for below in value.values() for leaf in _leaves(below)]
    return [str(value)]


async def test_secret_left_out_stays_and_a_rotation_goes_on(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Without ``secret`` the present one stays; given again it cuts no rotation short."""
    path = "/v1/subscriptions/orders"
    made = await put(gateway, path, {"url": subscriber.url})
    rotated = (await gateway.api.post(path + "/rotate-secret", {})).json

    without = await put(gateway, path, {"url": subscriber.url})
    again = await put(gateway, path, {"url": subscriber.url, "secret": rotated["secret"]})

    assert rotated["secret"] != made["secret"]
    assert (without["result"], again["result"]) == ("unchanged", "unchanged")
    assert again["rotation"] == rotated["rotation"] is not None


async def test_integration_keeps_what_it_is(gateway: Running) -> None:
    """An integration's secret stays if left out; its type cannot change."""
    path = "/v1/integrations/hub"
    made = await put(gateway, path, {"type": "github", "secret": SECRET})
    kept = await put(gateway, path, {"type": "github"})
    renamed = await put(gateway, path, {"type": "github", "name": "Hub", "secret": SECRET + "2"})
    refused = await gateway.api.call(PUT, path, {"type": "gitlab", "verify": "none"})

    assert (made["result"], kept["result"]) == ("created", "unchanged")
    assert [c["pointer"] for c in renamed["changes"]] == ["/name", "/secret"]
    assert renamed["changes"][1] == {"pointer": "/secret", "before": "***", "after": "***"}
    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"] == "/type"


@pytest.mark.parametrize("kind", ["subscriptions", "integrations"])
async def test_what_can_be_no_key_is_refused(gateway: Running, kind: str) -> None:
    """A path that can be no key, and a body with another one, are refused; so is a taken one."""
    body = {"url": "https://example.com/"} if kind == "subscriptions" else {"type": "github"}
    body |= {"secret": SECRET}
    bad = await gateway.api.call(PUT, f"/v1/{kind}/-x", body)
    other = await gateway.api.call(PUT, f"/v1/{kind}/x", body | {"key": "y"})
    taken = await gateway.api.call(PUT, f"/v1/{kind}/github", body)

    assert [one.status for one in (bad, other, taken)] == [422, 422, 409]
    assert [one.json["errors"][0]["pointer"] for one in (bad, other)] == ["/key", "/key"]


async def test_paused_stays_paused(gateway: Running, subscriber: Subscriber) -> None:
    """Whether a subscription is paused is no part of a declaration."""
    path = "/v1/subscriptions/orders"
    await put(gateway, path, {"url": subscriber.url})
    await gateway.api.post(path + "/pause")

    changed = await put(gateway, path, {"url": subscriber.url, "name": "Orders"})

    assert (changed["result"], changed["status"]) == ("changed", "paused")


async def test_a_declaration_holds_what_is_no_default(
    gateway: Running, subscriber: Subscriber
) -> None:
    """It has the fields that differ, integrations by key, and points to what is hidden."""
    await put(gateway, "/v1/integrations/hub", {"type": "github", "secret": SECRET})
    body = {
        "url": subscriber.url,
        "integrations": ["hub"],
        "timeout": "5s",
        "retry": "quick",
        "pause_after": None,
        "auth": {"type": "bearer", "token": "t" * 20},
        "include_raw": False,
        "filter": {"$.data.title": {"exists": True}},
    }
    await put(gateway, "/v1/subscriptions/orders", body)

    hub = (await gateway.api.get("/v1/integrations/hub/declaration")).json
    orders = (await gateway.api.get("/v1/webhooks/orders/declaration")).json

    assert hub == {
        "fields": {"type": "github", "key": "hub", "secret": "***"},
        "secrets": ["/secret"],
    }
    assert orders["secrets"] == ["/auth/token", "/secret"]
    assert orders["fields"] == {
        "url": subscriber.url,
        "key": "orders",
        "integrations": ["hub"],
        "timeout": "5s",
        "retry": "quick",
        "pause_after": None,
        "auth": {"type": "bearer", "token": "***"},
        "filter": {"$.data.title": {"exists": True}},
        "secret": "***",
    }


async def test_unknown_fields_are_answered_with_the_nearest(gateway: Running) -> None:
    """A field that is not there is named, with the nearest that is, in forms within forms too."""
    body = {"urll": "https://example.com/", "rate_limit": {"per_minut": 3}}
    refused = await gateway.api.call(PUT, "/v1/subscriptions/x", body)
    said = {error["pointer"]: error["detail"] for error in refused.json["errors"]}

    assert "did you mean url?" in said["/urll"]
    assert "did you mean per_minute?" in said["/rate_limit/per_minut"]


# -- what may not be found out, what may not be called ---------------------------------------------


@pytest.mark.parametrize("kind", ["integrations", "subscriptions"])
async def test_h2_a_secret_cannot_be_guessed_by_dry_runs(
    gateway: Running, subscriber: Subscriber, kind: str
) -> None:
    """A dry run tells whether a secret is the one that is kept: wrong ones are soon refused."""
    path, other = f"/v1/{kind}/one", f"/v1/{kind}/other"
    body: dict[str, Any] = {"type": "github", "secret": SECRET}
    if kind == "subscriptions":
        body = {"url": subscriber.url, "secret": "whsec_" + "A" * 43 + "="}
    for at in (path, other):
        await put(gateway, at, body)
    dry = {"dry_run": "true"}

    async def ask(secret: str, at: str = path) -> int:
        return (await gateway.api.call(PUT, at, {**body, "secret": secret}, params=dry)).status

    wrong = [await ask(f"a-guess-of-some-length-{n}") for n in range(SECRETS_PER_MINUTE + 1)]

    assert wrong == [200] * SECRETS_PER_MINUTE + [429]
    assert await ask(body["secret"]) == 200  # a plan that changes nothing is never refused
    assert await ask("a-guess-of-some-length", other) == 200  # each by itself
    changed = await put(gateway, path, {**body, "secret": "another-one-of-some-length"})
    assert changed["result"] == "changed"  # to set one is no guess


@pytest.mark.parametrize("key", sorted(RESERVED))
async def test_words_of_the_urls_are_no_keys(
    gateway: Running, subscriber: Subscriber, key: str
) -> None:
    """What has such a key could not be asked for by it."""
    made = [
        await gateway.api.post("/v1/subscriptions", {"url": subscriber.url, "key": key}),
        await gateway.api.post(
            "/v1/integrations", {"type": "github", "secret": SECRET, "key": key}
        ),
    ]
    for answer in made:
        assert answer.status == 422, answer.body
        assert answer.json["errors"][0]["pointer"] == "/key"
        assert key in answer.json["detail"]


def test_every_word_that_stands_where_a_key_could_is_reserved() -> None:
    """The last operation that was added may have brought one."""
    paths = {path for o in OPERATIONS for path in (o.path, *o.aliases)}
    keyed = {path.partition("/{")[0] for path in paths if re.search(r"(ions|webhooks)/\{", path)}
    words = {path.rpartition("/")[2] for path in paths if path.rpartition("/")[0] in keyed}
    assert {word for word in words if "{" not in word} == RESERVED
