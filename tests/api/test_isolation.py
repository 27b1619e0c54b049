"""threats.md H4: what is another tenant's is not there, on any route, in any list, by any name."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onehook.api.openapi import OPERATIONS
from onehook.web.access import TENANT_HEADER
from onehook.web.operations import NoBody, Operation
from tests.builders import Answer, Api, Running, Subscriber, acme, tickets, write_acme
from tests.conftest import MakeTenant, StartGateway

CANARY = "a-canary-of-theirs"
LONG_AGO = "2020-01-01T00:00:00Z"
# Which id each part of a path takes; a new one has to be named here, or it is everybody's.
KINDS = {
    "integrations": "integration",
    "subscriptions": "subscription",
    "webhooks": "subscription",
    "events": "event",
    "deliveries": "delivery",
    "quarantine": "webhook",
    "replays": "replay",
    "keys": "key",
    "api-keys": "key",
}
EVERYBODYS = {"platforms", "schemas", "references"}  # by a name, not an id; the lists below try it
OPERATORS = {"tenants"}
# What is asked beside the id, where something must be.
BODIES: Mapping[str, Any] = {
    "rotateIntegrationSecret": {"secret": "another-secret-of-some-length"},
    "acknowledgeDeliveries": {"delivery_ids": ["dlv_x"]},
    "testSubscription": {"event_type": "ticketing.ticket.created"},
}
QUERIES: Mapping[str, Mapping[str, str]] = {"deleteQuarantinedWebhook": {"reason": "a test"}}
# A PUT declares a thing under the name in its path, and makes it where one has none of that name.
DECLARING = {"declareIntegration", "declareSubscription"}


@dataclass(frozen=True, slots=True)
class World:
    """Two tenants, *ours* and one that has everything, and the ids of that."""

    gateway: Running
    ours: Running
    theirs: Running
    ids: Mapping[str, str]

    @property
    def strangers(self) -> list[Api]:
        """Who must not see any of it: an admin of another tenant, and the operator at home."""
        return [self.ours.api, self.gateway.api]


@pytest.fixture
async def world(
    start_gateway: StartGateway, make_tenant: MakeTenant, subscriber: Subscriber, tmp_path: Path
) -> World:
    """One of everything, in one tenant."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    ours, theirs = await make_tenant(gateway, "ours"), await make_tenant(gateway, "theirs")
    sender = await theirs.integrate("acme", name=CANARY, key="their-key")
    hook = await theirs.subscribe(subscriber, name=CANARY, key="their-hook")
    (event,) = await theirs.accept(sender, tickets(CANARY))
    await theirs.settled(event, hook["id"], status="delivered")
    held = (await theirs.send(sender, acme("unheard of", note=CANARY))).json["id"]
    replay = (await theirs.api.post("/v1/replays", {"since": LONG_AGO, "dry_run": True})).json
    key = (await theirs.api.post("/v1/keys", {"name": CANARY})).json
    ids = {
        "integration": sender.id,
        "subscription": hook["id"],
        "event": event,
        "delivery": f"dlv_{event[4:]}{hook['id'][4:]}",
        "webhook": held,
        "replay": replay["id"],
        "key": key["id"],
    }
    return World(gateway, ours, theirs, ids)


def part(path: str) -> str:
    """What of *path* says which kind of thing it is about."""
    return path.removeprefix("/v1").split("/")[1]


def routes() -> list[tuple[Operation, str]]:
    """Every operation with an id in its path, on each of its paths."""
    found = [(o, path) for o in OPERATIONS for path in (o.path, *o.aliases) if "{" in path]
    theirs = [(o, path) for o, path in found if part(path) not in EVERYBODYS | OPERATORS]
    return [(o, path) for o, path in theirs if o.name not in DECLARING]


async def ask(api: Api, operation: Operation, path: str, **headers: str) -> Answer:
    """Call *operation* on *path*, with what it needs besides."""
    more: dict[str, Any] = {"params": QUERIES.get(operation.name, {}), "headers": headers}
    body = None if operation.body is NoBody else BODIES.get(operation.name, {})
    return await api.call(operation.method, path, body, **more)


def other_than(id_: str) -> str:
    """An id of the same form that nothing has."""
    return id_[:-1] + ("0" if id_[-1] != "0" else "1")


def neutral(answer: Answer, id_: str) -> str:
    """What *answer* says, whatever the id."""
    return answer.body.decode().replace(id_, "ID")


# -- route x foreign id ---------------------------------------------------------------------------


async def test_h4_foreign_ids_are_404_on_every_route(world: World) -> None:
    """Every route answers to a foreign id as to one that there never was, and changes nothing."""
    before = {kind: await _theirs(world, kind) for kind in world.ids}
    for operation, path in routes():
        id_ = world.ids[KINDS[part(path)]]
        filled, missing = (re.sub(r"\{\w+\}", one, path) for one in (id_, other_than(id_)))
        for api in world.strangers:
            answer = await ask(api, operation, filled)
            none = await ask(api, operation, missing)

            assert (answer.status, answer.json["code"]) == (404, "not_found"), (filled, answer)
            assert neutral(answer, id_) == neutral(none, other_than(id_)), filled
            assert CANARY not in answer.body.decode()
    assert {kind: await _theirs(world, kind) for kind in world.ids} == before


async def _theirs(world: World, kind: str) -> object:
    """A thing of theirs as they see it, less what changes by itself."""
    names = {"webhook": "quarantine", "delivery": "deliveries"}
    answer = await world.theirs.api.get(f"/v1/{names.get(kind, kind + 's')}/{world.ids[kind]}")
    assert answer.status == 200, answer.body
    return answer.json


async def test_h4_the_matrix_finds_what_is_there(world: World) -> None:
    """By their own key, and by the operator who names them, none of the ids is 404."""
    acting = {TENANT_HEADER: "theirs"}
    for operation, path in routes():
        if operation.method != "GET":
            continue  # they would change what the next route needs
        filled = re.sub(r"\{\w+\}", world.ids[KINDS[part(path)]], path)
        assert (await ask(world.theirs.api, operation, filled)).status == 200, filled
        assert (await ask(world.gateway.api, operation, filled, **acting)).status == 200, filled


@pytest.mark.parametrize("name", ["their-key", "their-hook"])
async def test_h4_foreign_keys_are_404(world: World, name: str) -> None:
    """A name that another tenant gave leads nowhere, and is free."""
    kind = "integrations" if name == "their-key" else "subscriptions"
    body = {"type": "github", "verify": "none"} if kind == "integrations" else {}
    for api in world.strangers:
        assert (await api.get(f"/v1/{kind}/{name}")).status == 404
        assert (await api.post(f"/v1/{kind}", {**body, "key": name})).status == 201


async def test_h4_what_is_declared_is_ones_own(world: World) -> None:
    """To declare a thing under a foreign id or name makes one's own, and leaves theirs alone."""
    bodies = {"integrations": {"type": "github", "verify": "none"}, "subscriptions": {}}
    names = {"integrations": "integration", "subscriptions": "subscription"}
    before = [await _theirs(world, kind) for kind in names.values()]
    for kind, body in bodies.items():
        for name in (world.ids[names[kind]], "their-key", "their-hook"):
            key = f"{kind[0]}{name}" if name.startswith("their") else name
            made = await world.ours.api.call("PUT", f"/v1/{kind}/{key}", body)
            assert (made.status, made.json["result"]) == (201, "created"), made.body
            assert made.json["id"] not in world.ids.values()
            assert CANARY not in made.body.decode()
    assert [await _theirs(world, kind) for kind in names.values()] == before


async def test_h4_tenants_are_no_business_of_tenants(world: World) -> None:
    """A tenant's admin may not even ask which tenants there are, whichever it names."""
    for operation in OPERATIONS:
        if part(operation.path) in OPERATORS:
            answers = [
                await world.ours.api.call(
                    operation.method, re.sub(r"\{\w+\}", id_, operation.path), {}
                )
                for id_ in ("ours", "theirs", "nobody")
            ]
            assert [answer.status for answer in answers] == [403] * 3
            assert len({answer.body for answer in answers}) == 1


# -- lists ----------------------------------------------------------------------------------------


def lists() -> list[Operation]:
    """Every GET that names nothing in its path, and those that name what is everybody's."""
    gets = [o for o in OPERATIONS if o.method == "GET" and part(o.path) not in OPERATORS]
    return [o for o in gets if "{" not in o.path or part(o.path) in EVERYBODYS]


LIST_QUERIES: Mapping[str, Mapping[str, str]] = {
    "listStats": {"by": "subscription"},
    "streamEvents": {"last_event_id": "0-0"},
}
NAMES = {"platforms": "acme", "schemas": "ticketing.ticket.created", "references": CANARY}


async def _read(api: Api, operation: Operation) -> str:
    """What a list says; of a stream, what comes at once."""
    path = re.sub(r"\{\w+\}", NAMES.get(part(operation.path), ""), operation.path)
    query = LIST_QUERIES.get(operation.name, {})
    if operation.content_type != "text/event-stream":
        answer = await api.get(path, **query)
        assert answer.status == 200, (path, answer.body)
        return answer.body.decode()
    async with api.session.get(path, params=query) as stream:
        assert stream.status == 200
        head = await stream.content.readuntil(b"\n\n")
        try:
            async with asyncio.timeout(1):  # what is there comes at once
                return (head + await stream.content.readuntil(b"\n\n")).decode()
        except TimeoutError:
            return head.decode()


async def test_h4_lists_show_ones_own(world: World) -> None:
    """No list, statistic, export, stream or timeline shows anything of another tenant."""
    told = [CANARY, "their-key", "their-hook", *world.ids.values()]
    seen: set[str] = set()
    for operation in lists():
        theirs = await _read(world.theirs.api, operation)
        seen |= {one for one in told if one in theirs}
        for api in world.strangers:
            shown = await _read(api, operation)
            if operation.name == "getTimeline":  # which says again what was asked
                shown = shown.replace(f'"key":"{CANARY}"', "")
            assert [one for one in told if one in shown] == [], operation.name
    assert seen == set(told)  # they see it all, so there was something to be found


async def test_h4_counts_are_ones_own(world: World) -> None:
    """Nothing is counted for others: not attempts by type or minute, not events of a reference."""
    for api in world.strangers:
        for by in ("subscription", "integration", "type"):
            assert (await api.get("/v1/stats", by=by)).json["data"] == []
        minutes = (await api.get("/v1/stats/series")).json["data"]
        assert {minute["total"] for minute in minutes} == {0}
        assert (await api.get("/v1/platforms/acme/drift")).json["data"] == []
        assert (await api.get(f"/v1/references/{CANARY}")).json["verified"] is False
        answer = await api.post("/v1/mappings/backtest", {"platform": "acme"})
        assert set(answer.json["webhooks"].values()) == {0}
        dry = await api.post("/v1/replays", {"since": LONG_AGO, "dry_run": True})
        assert dry.json["matched"] == 0
    own = await world.theirs.api.post("/v1/mappings/backtest", {"platform": "acme"})
    assert sum(own.json["webhooks"].values()) > 0


# -- named in a query or body ---------------------------------------------------------------------

NAMED: list[tuple[str, str, str, Any]] = [
    ("GET", "/v1/events", "integration", None),
    ("GET", "/v1/deliveries", "integration", None),
    ("GET", "/v1/deliveries", "subscription", None),
    ("GET", "/v1/deliveries.csv", "subscription", None),
    ("GET", "/v1/deliveries.jsonl", "integration", None),
    ("GET", "/v1/deliveries", "event", None),
    ("GET", "/v1/quarantine", "integration", None),
    ("GET", "/v1/stats/series", "subscription", None),
    ("GET", "/v1/stats/series", "integration", None),
    ("GET", "/v1/stream", "integration", None),
    ("POST", "/v1/subscriptions", "integration", {"integrations": ["ID"]}),
    ("POST", "/v1/subscriptions/test", "subscription",
     {"webhook_id": "ID", "event_type": "ticketing.ticket.created"}),
    ("POST", "/v1/webhooks/test", "subscription",
     {"webhook_id": "ID", "event_type": "ticketing.ticket.created"}),
    ("POST", "/v1/replays", "integration", {"since": LONG_AGO, "integration": "ID"}),
    ("POST", "/v1/replays", "subscription", {"since": LONG_AGO, "subscription": "ID"}),
    ("POST", "/v1/quarantine/retry", "integration", {"integration": "ID"}),
    ("POST", "/v1/mappings/preview", "event", {"platform": "acme", "event_id": "ID"}),
    ("POST", "/v1/mappings/preview", "webhook", {"platform": "acme", "webhook_id": "ID"}),
    ("POST", "/v1/mappings/preview", "integration",
     {"platform": "acme", "sample": {"body": {}}, "integration": "ID"}),
    ("POST", "/v1/mappings/backtest", "integration", {"platform": "acme", "integration": "ID"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "kind", "body"), NAMED, ids=[f"{m} {p} {k}" for m, p, k, _ in NAMED]
)
async def test_h4_foreign_ids_by_name(
    world: World, method: str, path: str, kind: str, body: Any
) -> None:
    """Named in a query or a body, a foreign id is as unknown as one that there never was."""
    id_ = world.ids[kind]
    for api in world.strangers:
        answers: list[Answer] = []
        for one in (id_, other_than(id_)):
            query = {kind: one} if body is None else {}
            given = None if body is None else json.loads(json.dumps(body).replace("ID", one))
            answers.append(await api.call(method, path, given, params=query))
        foreign, missing = answers

        assert foreign.status == missing.status
        assert neutral(foreign, id_) == neutral(missing, other_than(id_))
        assert CANARY not in foreign.body.decode()
        if kind == "event" and method == "GET":  # a filter like any other: nothing has that id
            assert foreign.json["data"] == []
        else:
            assert foreign.status in (404, 410, 422), foreign.body


async def test_h4_an_own_event_goes_to_no_foreign_subscription(world: World) -> None:
    """Who replays an event of his cannot name another tenant's subscription for it."""
    sender = await world.ours.integrate("acme")
    (event,) = await world.ours.accept(sender, tickets("1"))

    answer = await world.ours.api.post(
        f"/v1/events/{event}/replay", {"subscriptions": [world.ids["subscription"]]}
    )

    assert answer.status == 422
    assert [e["pointer"] for e in answer.json["errors"]] == ["/subscriptions/0"]
    delivery = f"dlv_{event[4:]}{world.ids['subscription'][4:]}"
    assert (await world.ours.api.post(f"/v1/deliveries/{delivery}/retry")).status == 404
