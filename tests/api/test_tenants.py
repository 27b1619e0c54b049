"""``/v1/tenants``: made, bounded, removed; and what a tenant's webhooks become."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onehook.web.access import TENANT_HEADER
from tests.api.test_references import ticket
from tests.builders import (
    Answer,
    Native,
    Reply,
    Running,
    Subscriber,
    acme,
    eventually,
    github,
    issue,
    sample,
    tickets,
    write_acme,
)
from tests.conftest import MakeTenant, StartGateway, StartSubscriber

TENANTS = "/v1/tenants"
HOOK = {"url": "https://example.com/hook"}
BROKEN = Native(issue().headers, b"{")  # verified, and then quarantined
NO_QUOTAS = {"max_subscriptions": None, "max_integrations": None, "events_per_minute": None}
NO_DEFAULTS = dict.fromkeys(("profile", "prefix", "destination", "retry", "timeout"))


def pointers(answer: Answer) -> list[str]:
    """Where the errors of *answer* point to."""
    assert answer.status == 422, answer.body
    return [error["pointer"] for error in answer.json["errors"]]


# -- tenants themselves ---------------------------------------------------------------------------


async def test_the_default_tenant_is_there(gateway: Running) -> None:
    """Without any having been made there is one, which has everything."""
    (one,) = (await gateway.api.get(TENANTS)).json["data"]

    assert (one["id"], one["quotas"], one["defaults"]) == ("default", NO_QUOTAS, NO_DEFAULTS)
    assert (await gateway.api.delete(f"{TENANTS}/default")).status == 409
    assert (await gateway.api.post(TENANTS, {"id": "default"})).status == 409


async def test_a_tenant_is_made_shown_changed_and_removed(gateway: Running) -> None:
    """A tenant's fields are kept; a change keeps what it does not name, and null clears."""
    body = {
        "id": "acme-1",
        "name": "Acme",
        "quotas": {"max_subscriptions": 10, "events_per_minute": 600},
        "defaults": {"profile": "sha256", "retry": ["1m", "5m"]},
    }
    made = await gateway.api.post(TENANTS, body)
    path = f"{TENANTS}/acme-1"

    assert (made.status, made.headers["Location"]) == (201, path)
    assert made.json["quotas"] == NO_QUOTAS | body["quotas"]  # type: ignore[operator]
    assert made.json["defaults"] == NO_DEFAULTS | body["defaults"]  # type: ignore[operator]
    assert (await gateway.api.get(path)).json == made.json
    assert (await gateway.api.post(TENANTS, {"id": "acme-1"})).status == 409
    change = {"quotas": {"max_subscriptions": None}, "defaults": {"prefix": "acme"}}
    changed = (await gateway.api.patch(path, change)).json
    assert changed["name"] == "Acme"
    assert changed["quotas"] == NO_QUOTAS | {"events_per_minute": 600}
    assert changed["defaults"] == made.json["defaults"] | {"prefix": "acme"}
    cleared = (await gateway.api.patch(path, {"quotas": None, "defaults": None})).json
    assert (cleared["quotas"], cleared["defaults"]) == (NO_QUOTAS, NO_DEFAULTS)
    assert (await gateway.api.delete(path)).status == 204
    assert (await gateway.api.get(path)).status == 404
    assert (await gateway.api.patch(path, {})).status == 404
    assert (await gateway.api.delete(path)).status == 404


async def test_h7_changes_at_the_same_time_are_all_kept(gateway: Running) -> None:
    """Whoever changes another field of the same tenant undoes nothing."""
    quotas = [{name: 7} for name in NO_QUOTAS]
    changes = [{"quotas": one} for one in quotas] + [{"defaults": {"prefix": "a"}}, {"name": "b"}]

    await asyncio.gather(*(gateway.api.patch(f"{TENANTS}/default", c) for c in changes))

    found = (await gateway.api.get(f"{TENANTS}/default")).json
    assert found["quotas"] == dict.fromkeys(NO_QUOTAS, 7)
    assert (found["defaults"]["prefix"], found["name"]) == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"id": "Acme"}, "/id"),
        ({"id": "-acme"}, "/id"),
        ({"id": "a:b"}, "/id"),
        ({"id": "a" * 33}, "/id"),
        ({"id": ""}, "/id"),
        ({"quotas": {"max_subscriptions": -1}}, "/quotas/max_subscriptions"),
        ({"quotas": {"events_per_minute": 0}}, "/quotas/events_per_minute"),
        ({"quotas": {"gold": 1}}, "/quotas/gold"),
        ({"defaults": {"profile": "sha1"}}, "/defaults/profile"),
        ({"defaults": {"destination": "fax"}}, "/defaults/destination"),
        ({"defaults": {"retry": "often"}}, "/defaults/retry"),
        ({"defaults": {"timeout": "1h"}}, "/defaults/timeout"),
        ({"defaults": {"prefix": "A B"}}, "/defaults/prefix"),
    ],
)
async def test_what_is_wrong_is_named(
    gateway: Running, fields: dict[str, Any], pointer: str
) -> None:
    """A tenant that makes no sense is refused, with a pointer."""
    assert pointers(await gateway.api.post(TENANTS, {"id": "acme", **fields})) == [pointer]


async def test_lists_page(gateway: Running) -> None:
    """Tenants are listed by their ids, a page at a time."""
    for id_ in ("b", "a", "c"):
        await gateway.api.post(TENANTS, {"id": id_})

    first = (await gateway.api.get(TENANTS, limit="3")).json
    rest = (await gateway.api.get(TENANTS, limit="3", cursor=first["next"])).json

    assert [one["id"] for one in first["data"] + rest["data"]] == ["a", "b", "c", "default"]
    assert rest["next"] is None


async def test_a_tenant_that_has_something_stays(gateway: Running, make_tenant: MakeTenant) -> None:
    """What a tenant still owns is named; once it is gone, so may the tenant be."""
    tenant = await make_tenant(gateway)
    sender = await tenant.integrate()
    subscription = (await tenant.api.post("/v1/subscriptions", HOOK)).json
    (key,) = (await tenant.api.get("/v1/keys")).json["data"]

    refused = await gateway.api.delete(f"{TENANTS}/acme")

    assert refused.status == 409
    assert "1 integration, 1 subscription, 1 API key" in refused.json["detail"]
    acting = {TENANT_HEADER: "acme"}
    for path in (
        f"/v1/integrations/{sender.id}",
        f"/v1/subscriptions/{subscription['id']}",
        f"/v1/keys/{key['id']}",
    ):
        assert (await gateway.api.call("DELETE", path, headers=acting)).status == 204
    assert (await gateway.api.delete(f"{TENANTS}/acme")).status == 204


async def test_a_new_tenant_of_an_old_name_sees_nothing_of_it(
    gateway: Running, make_tenant: MakeTenant
) -> None:
    """What was listed and counted of a tenant goes with it."""
    tenant = await make_tenant(gateway)
    sender = await tenant.integrate()
    await tenant.accept(sender, issue())
    assert (await tenant.send(sender, BROKEN)).json["status"] == "quarantined"
    acting = {TENANT_HEADER: "acme"}
    await gateway.api.call("DELETE", f"/v1/integrations/{sender.id}", headers=acting)
    for key in (await tenant.api.get("/v1/keys")).json["data"]:
        await gateway.api.call("DELETE", f"/v1/keys/{key['id']}", headers=acting)
    assert (await gateway.api.delete(f"{TENANTS}/acme")).status == 204

    again = await make_tenant(gateway)

    for path in ("/v1/events", "/v1/quarantine", "/v1/deliveries", "/v1/replays"):
        assert (await again.api.get(path)).json["data"] == [], path


# -- acting for a tenant --------------------------------------------------------------------------


async def test_admins_of_default_act_for_others(gateway: Running, make_tenant: MakeTenant) -> None:
    """With the header an admin of the default tenant is in another one; without it, at home."""
    tenant = await make_tenant(gateway)
    acting = {TENANT_HEADER: "acme"}
    body = {"type": "github", "secret": "it-is-a-secret", "name": "theirs"}

    made = await gateway.api.call("POST", "/v1/integrations", body, headers=acting)

    path = f"/v1/integrations/{made.json['id']}"
    assert (await tenant.api.get(path)).json["name"] == "theirs"
    assert (await gateway.api.get(path)).status == 404
    assert (await gateway.api.call("GET", path, headers=acting)).json["name"] == "theirs"
    key = (await gateway.api.call("POST", "/v1/keys", {"name": "k"}, headers=acting)).json
    assert key["tenant"] == "acme"


async def test_h4_nobody_else_acts_for_others(gateway: Running, make_tenant: MakeTenant) -> None:
    """A tenant that is not there, and one that is none of the caller's business, are the same."""
    tenant, other = await make_tenant(gateway), await make_tenant(gateway, "other")
    reader = (await gateway.api.post("/v1/keys", {"name": "r", "scopes": ["read"]})).json["key"]
    bearer = {"Authorization": f"Bearer {reader}"}

    async def ask(api: Any, name: str, **headers: str) -> Answer:
        given = {TENANT_HEADER: name, **headers}
        found: Answer = await api.call("GET", "/v1/integrations", headers=given)
        return found

    assert (await ask(gateway.api, "nobody")).status == 404
    assert (await ask(tenant.api, "acme")).status == 200
    answers = [
        await ask(tenant.api, "other"),
        await ask(tenant.api, "default"),
        await ask(tenant.api, "nobody"),
        await ask(gateway.vendor, "other", **bearer),
        await ask(gateway.vendor, "nobody", **bearer),
    ]
    assert {answer.status for answer in answers} == {404}
    assert len({a.json["detail"].partition("'")[0] for a in answers}) == 1
    body = {"name": "k", "tenant": "other"}
    assert pointers(await tenant.api.post("/v1/keys", body)) == ["/tenant"]
    assert (await other.api.get("/v1/tenants")).status == 403


async def test_keys_are_unique_in_a_tenant(gateway: Running, make_tenant: MakeTenant) -> None:
    """Two tenants may call things alike; each finds its own."""
    tenant = await make_tenant(gateway)
    found = []
    for one in (gateway, tenant):
        made = await one.api.post("/v1/subscriptions", {**HOOK, "key": "wh_1"})
        assert made.status == 201
        assert (await one.api.post("/v1/subscriptions", {**HOOK, "key": "wh_1"})).status == 409
        shown = (await one.api.get("/v1/subscriptions/wh_1")).json
        assert shown["id"] == made.json["id"]
        found.append(shown["id"])
    assert found[0] != found[1]


async def test_keys_given_at_the_same_time_are_given_once(gateway: Running) -> None:
    """Of many who ask for one key at once, one gets it."""
    body = {**HOOK, "key": "wh_1"}

    answers = await asyncio.gather(*(gateway.api.post("/v1/subscriptions", body) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


# -- quotas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "path", "body"),
    [
        ("max_subscriptions", "/v1/subscriptions", HOOK),
        ("max_integrations", "/v1/integrations", {"type": "github", "verify": "none"}),
    ],
)
async def test_quotas_are_named_and_hold_exactly(
    gateway: Running, make_tenant: MakeTenant, quota: str, path: str, body: dict[str, Any]
) -> None:
    """However many come at once, no more are made than the quota says; the 409 names it."""
    tenant = await make_tenant(gateway, quotas={quota: 3})

    answers = await asyncio.gather(*(tenant.api.post(path, body) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 5
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.json["code"] == "quota_exceeded"
    assert f"{quota} of the tenant acme is 3" in refused.json["detail"]
    assert (await gateway.api.post(path, body)).status == 201  # nobody else's
    await gateway.api.patch(f"{TENANTS}/acme", {"quotas": {quota: 4}})
    assert (await tenant.api.post(path, body)).status == 201


async def test_events_a_minute_are_bounded(
    gateway: Running, make_tenant: MakeTenant, subscriber: Subscriber
) -> None:
    """Beyond its quota a tenant's webhooks are 429, once proven; everybody else's are taken."""
    tenant = await make_tenant(gateway, quotas={"events_per_minute": 3})
    sender, own = await tenant.integrate(), await gateway.integrate()
    for number in range(3):
        await tenant.accept(sender, issue(number))
    ping = tenant.proof(sender, issue())

    refused = await tenant.send(sender, issue(9))
    forged = await tenant.post(sender, b"{}", [("Content-Type", "application/json"), *ping])
    unparsable = await tenant.send(sender, BROKEN)

    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert "events_per_minute of the tenant is 3" in refused.json["detail"]
    assert forged.status == 401
    assert unparsable.status == 429  # not parsed, and so not quarantined
    assert len((await tenant.api.get("/v1/events")).json["data"]) == 3
    await gateway.accept(own, issue(9))
    await gateway.api.patch(f"{TENANTS}/acme", {"quotas": None})
    await tenant.accept(sender, issue(9))


async def test_a_batch_counts_its_events(
    start_gateway: StartGateway, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    """A webhook of two events takes two; what is ignored takes none."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    tenant = await make_tenant(gateway, quotas={"events_per_minute": 3})
    sender = await tenant.integrate("acme")

    pings = [acme("ping") for _ in range(5)]
    batches = [tickets("1", "2"), tickets("3", "4"), tickets("5")]

    answers = [await tenant.send(sender, native) for native in [*pings, *batches]]

    assert [answer.status for answer in answers] == [202] * 5 + [202, 202, 429]


# -- defaults -------------------------------------------------------------------------------------


async def test_defaults_of_a_tenant(gateway: Running, make_tenant: MakeTenant) -> None:
    """A registration that says nothing is as its tenant wants it; what it says goes first."""
    defaults = {"profile": "sha256", "prefix": "acme", "retry": "quick", "timeout": "5s"}
    tenant = await make_tenant(gateway, defaults=defaults)

    plain = (await tenant.api.post("/v1/subscriptions", HOOK)).json
    own = (await tenant.api.post("/v1/subscriptions", {**HOOK, "profile": "hex"})).json
    foreign = (await gateway.api.post("/v1/subscriptions", HOOK)).json

    assert {name: plain[name] for name in defaults} == defaults
    assert (own["profile"], own["prefix"]) == ("hex", "acme")
    assert (foreign["profile"], foreign["timeout"]) == ("standard", "10s")
    reset = await tenant.api.patch(
        f"/v1/subscriptions/{own['id']}", {"profile": None, "timeout": None}
    )
    assert (reset.json["profile"], reset.json["timeout"]) == ("sha256", "5s")


async def test_default_destination_of_a_tenant(gateway: Running, make_tenant: MakeTenant) -> None:
    """A tenant's subscriptions go to its default destination; an alias is kept by its name."""
    tenant = await make_tenant(gateway, defaults={"destination": "compat-event-id"})

    made = (await tenant.api.post("/v1/subscriptions", HOOK)).json

    assert made["destination"] == "compat-event-id"
    await gateway.api.patch(f"{TENANTS}/acme", {"defaults": {"destination": "other"}})
    shown = (await gateway.api.get(f"{TENANTS}/acme")).json
    assert shown["defaults"]["destination"] == "generic"


async def test_defaults_of_the_default_tenant(gateway: Running) -> None:
    """The default tenant may have its own as well; a later change changes no subscription."""
    await gateway.api.patch(f"{TENANTS}/default", {"defaults": {"timeout": "3s"}})
    made = (await gateway.api.post("/v1/subscriptions", HOOK)).json
    await gateway.api.patch(f"{TENANTS}/default", {"defaults": {"timeout": "4s"}})

    shown = (await gateway.api.get(f"/v1/subscriptions/{made['id']}")).json
    assert shown["timeout"] == "3s"


# -- the line, for a tenant -----------------------------------------------------------------------


async def test_events_go_to_their_own_tenants_subscribers(
    gateway: Running, make_tenant: MakeTenant, start_subscriber: StartSubscriber
) -> None:
    """A subscription to everything gets what its own tenant's integrations send, and no more."""
    tenant = await make_tenant(gateway)
    ours, theirs = await start_subscriber(), await start_subscriber()
    our_hook = await gateway.subscribe(ours, events=["*"])
    their_hook = await tenant.subscribe(theirs, events=["*"])
    our_sender, their_sender = await gateway.integrate(), await tenant.integrate()

    (our_event,) = await gateway.accept(our_sender, issue(1))
    (their_event,) = await tenant.accept(their_sender, issue(2))

    await gateway.settled(our_event, our_hook["id"], status="delivered")
    await tenant.settled(their_event, their_hook["id"], status="delivered")
    assert (ours.ids, theirs.ids) == ([our_event], [their_event])
    for one, event in ((gateway, our_event), (tenant, their_event)):
        listed = (await one.api.get("/v1/events")).json["data"]
        assert [found["id"] for found in listed] == [event]
        shares = (await one.api.get("/v1/stats", by="subscription")).json["data"]
        assert [share["total"] for share in shares] == [1]
        minutes = (await one.api.get("/v1/stats/series")).json["data"]
        assert sum(minute["total"] for minute in minutes) == 1


async def test_a_tenants_queue_is_worked_at(
    gateway: Running, make_tenant: MakeTenant, subscriber: Subscriber
) -> None:
    """What waits in a tenant's queue is leased, tried again, and its native body found."""
    tenant = await make_tenant(gateway)
    sender = await tenant.integrate()
    hook = await tenant.subscribe(subscriber, include_raw=True, retry=["1s"])
    path = f"/v1/subscriptions/{hook['id']}"
    await tenant.api.post(f"{path}/pause")
    (event,) = await tenant.accept(sender, issue())
    subscriber.script.append(Reply(500))

    await tenant.api.post(f"{path}/resume")
    await tenant.settled(event, hook["id"], attempt_count=1)
    await tenant.age(hook["id"], timedelta(seconds=2))
    found = await tenant.settled(event, hook["id"], status="delivered")

    assert found["attempt_count"] == 2
    assert subscriber.received[-1].json["data"]["raw"]["body"]["action"] == "opened"
    statistics = (await tenant.api.get(f"{path}/stats")).json
    assert (statistics["total"], statistics["successful"]) == (2, 1)


async def test_a_tenants_deleted_subscription_is_cancelled(
    gateway: Running, make_tenant: MakeTenant, subscriber: Subscriber
) -> None:
    """What a deleted subscription of a tenant has queued ends, and its events get their expiry."""
    tenant = await make_tenant(gateway)
    sender, hook = await tenant.integrate(), await tenant.subscribe(subscriber)
    await tenant.api.post(f"/v1/subscriptions/{hook['id']}/pause")
    (event,) = await tenant.accept(sender, issue())

    await tenant.api.delete(f"/v1/subscriptions/{hook['id']}")

    await tenant.settled(event, hook["id"], status="cancelled")
    own = gateway.keys.of("acme")
    assert await gateway.store.pttl(own.event(event)) > 0
    assert await gateway.store.exists(gateway.keys.deliveries(event)) == 0
    assert subscriber.received == []


async def test_a_tenants_quarantine_is_its_own(
    start_gateway: StartGateway, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    """A tenant's webhooks are held, tried again and dropped where only it sees them."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    tenant = await make_tenant(gateway)
    sender = await tenant.integrate("acme")
    held = (await tenant.send(sender, acme("unheard of"))).json["id"]

    tried = await tenant.api.post("/v1/quarantine/retry", {})
    foreign = await gateway.api.post("/v1/quarantine/retry", {})

    assert tried.json["quarantined"] == 1
    assert (foreign.json["quarantined"], foreign.json["skipped"]) == (0, 0)
    assert (await gateway.api.get("/v1/quarantine")).json["data"] == []
    (shown,) = (await tenant.api.get("/v1/quarantine")).json["data"]
    assert shown["id"] == held
    drift = "/v1/platforms/acme/drift"
    assert len((await tenant.api.get(drift)).json["data"]) == 1
    assert (await gateway.api.get(drift)).json["data"] == []
    assert (await gateway.api.delete(drift)).status == 204
    assert len((await tenant.api.get(drift)).json["data"]) == 1


async def test_a_tenant_is_told_of_its_own_alone(
    gateway: Running, make_tenant: MakeTenant, start_subscriber: StartSubscriber
) -> None:
    """What happens to a tenant's integrations and subscriptions is told to that tenant."""
    tenant = await make_tenant(gateway)
    ours, theirs, failing = [await start_subscriber() for _ in range(3)]
    await gateway.subscribe(ours, events=["integration.*"])
    await tenant.subscribe(theirs, events=["integration.*"])
    failing.usual = Reply(500)
    hook = await tenant.subscribe(failing, retry=[])
    sender = await tenant.integrate(told=False)

    await tenant.accept(sender, issue())
    await tenant.api.post(f"/v1/subscriptions/{hook['id']}/pause")
    await tenant.send(sender, BROKEN)
    replay = await tenant.api.post("/v1/replays", {"since": "2020-01-01T00:00:00Z"})
    assert replay.status == 202

    expected = {
        "integration.connection.established",
        "integration.delivery.failed",
        "integration.subscription.paused",
        "integration.webhook.quarantined",
        "integration.sync.completed",
    }

    async def all_told() -> bool:
        return expected <= {one.json["type"] for one in theirs.received}

    await eventually(all_told)
    assert ours.received == []
    assert (await gateway.api.get("/v1/events")).json["data"] == []


async def test_a_tenants_bulk_replay(
    gateway: Running, make_tenant: MakeTenant, start_subscriber: StartSubscriber
) -> None:
    """A bulk replay delivers its own tenant's events again, and nobody else's."""
    tenant = await make_tenant(gateway)
    ours, theirs = await start_subscriber(), await start_subscriber()
    our_hook, their_hook = await gateway.subscribe(ours), await tenant.subscribe(theirs)
    our_sender, their_sender = await gateway.integrate(), await tenant.integrate()
    (our_event,) = await gateway.accept(our_sender, issue(1))
    (their_event,) = await tenant.accept(their_sender, issue(2))
    await gateway.settled(our_event, our_hook["id"], status="delivered")
    await tenant.settled(their_event, their_hook["id"], status="delivered")

    made = (await tenant.api.post("/v1/replays", {"since": "2020-01-01T00:00:00Z"})).json

    assert made["matched"] == 1
    await theirs.wait(2)

    async def done() -> bool:
        found = (await tenant.api.get(f"/v1/replays/{made['id']}")).json
        return bool(found["status"] == "done")

    await eventually(done)
    assert await gateway.store.zcard(gateway.keys.open_replays) in (0, 1)
    assert (await gateway.api.get("/v1/replays")).json["data"] == []
    assert ours.ids == [our_event]


async def test_references_are_not_verified_by_others(
    gateway: Running, make_tenant: MakeTenant
) -> None:
    """That another tenant has seen a thing proves nothing, and tells nobody that it is there."""
    tenant = await make_tenant(gateway)
    ours, theirs = await gateway.integrate("jira"), await tenant.integrate("github")
    await gateway.accept(ours, ticket("PAY-311"))
    (ticket_of_ours,) = (await gateway.api.get("/v1/events")).json["data"]

    own = (await gateway.api.get("/v1/references/PAY-311")).json
    foreign = (await tenant.api.get("/v1/references/PAY-311")).json

    assert (own["verified"], len(own["data"])) == (True, 1)
    assert (foreign["verified"], foreign["data"]) == (False, [])
    (push,) = await tenant.accept(theirs, github("push", sample("github/push")))
    found = (await tenant.api.get(f"/v1/events/{push}")).json["data"]["references"]
    assert all(one["verified"] is False for one in found if one["type"] == "ticket")
    sightings = gateway.runtime.gateway.registry.whole.sightings
    assert sightings["default"].holds(ticket_of_ours["data"]["urn"])
    assert not sightings["acme"].holds(ticket_of_ours["data"]["urn"])


async def test_ingest_by_key_is_the_default_tenants(
    gateway: Running, make_tenant: MakeTenant
) -> None:
    """An ingest URL with a key leads to the default tenant; one with an id to any."""
    tenant = await make_tenant(gateway)
    theirs = await tenant.integrate(key="gh")
    by_key = await gateway.vendor.call("POST", "/ingest/gh", {}, headers={"X-GitHub-Event": "x"})
    assert by_key.status == 404
    ours = await gateway.integrate(key="gh")

    assert (await gateway.vendor.call("POST", "/ingest/gh", {})).status == 401  # ours is signed
    assert (await tenant.send(theirs, issue())).status == 202
    assert ours.id != theirs.id


async def test_a_restart_keeps_tenants_apart(
    start_gateway: StartGateway, make_tenant: MakeTenant
) -> None:
    """A gateway that starts later knows whose everything is."""
    one = await start_gateway()
    tenant = await make_tenant(one)
    sender = await tenant.integrate()
    (event,) = await tenant.accept(sender, issue())

    two = await start_gateway()

    assert (await two.api.get(f"/v1/events/{event}")).status == 404
    acting = {TENANT_HEADER: "acme"}
    assert (await two.api.call("GET", f"/v1/events/{event}", headers=acting)).status == 200
    urn = (await tenant.api.get(f"/v1/events/{event}")).json["data"]["urn"]
    sightings = two.runtime.gateway.registry.whole.sightings
    assert sightings["acme"].holds(urn)
    assert not sightings["default"].holds(urn)


async def test_what_was_there_before_tenants_is_the_default_ones(
    start_gateway: StartGateway,
) -> None:
    """Records that name neither tenant nor scopes are read as the default tenant's, and admin."""
    one = await start_gateway()
    sender = await one.integrate()
    hook = (await one.api.post("/v1/subscriptions", HOOK)).json
    names = ("integrations", "subscriptions", "keys")
    for name in names:
        key = one.keys.config(name)
        for id_, row in (await one.store.hgetall(key)).items():
            old = json.loads(row)
            for added in ("tenant", "scopes", "expires_at"):
                old.pop(added, None)
            await one.store.hset(key, id_, msgspec.json.encode(old))

    two = await start_gateway()

    assert (await two.api.get(f"/v1/integrations/{sender.id}")).status == 200
    assert (await two.api.get(f"/v1/subscriptions/{hook['id']}")).status == 200
    (first,) = (await two.api.get("/v1/keys")).json["data"]
    assert (first["tenant"], first["scopes"]) == ("default", ["admin"])
    await two.accept(sender, issue())
    assert two.keys.index == f"{two.keys.prefix}:{{0}}:ix"
    assert await two.store.xlen(two.keys.index) == 1
