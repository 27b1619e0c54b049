"""The fields of a subscription that say how its deliveries flow."""

from typing import Any

import pytest

from tests.api.test_integrations import pointers
from tests.builders import Reply, Running, Subscriber, eventually, issue
from tests.conftest import StartGateway

URL = "http://127.0.0.1:9/hook"
DEFAULTS: dict[str, Any] = {
    "active": True,
    "timeout": "10s",
    "retry": ["1m", "5m", "30m", "2h", "12h"],
    "pause_after": {"deliveries": 10},
    "max_backlog": None,
    "rate_limit": None,
    "ordering": "none",
    "concurrency": None,
    "breaker": "closed",
    "held_until": None,
}
# field -> what is given, and what is shown of it
GIVEN: dict[str, list[tuple[Any, Any]]] = {
    "active": [(False, False)],
    "timeout": [("1s", "1s"), ("30s", "30s"), ("2500ms", "2500ms")],
    "retry": [
        ("quick", "quick"),
        ("three", "three"),
        ("standard-webhooks", "standard-webhooks"),
        ([], []),
        (["500ms", "90s", "7d"], ["500ms", "90s", "7d"]),
    ],
    "pause_after": [
        (None, None),
        ({"deliveries": 3}, {"deliveries": 3}),
        ({"attempts": 5}, {"attempts": 5}),
        ({"deliveries": 3, "attempts": 5}, {"deliveries": 3, "attempts": 5}),
    ],
    "max_backlog": [(1, 1), (None, None)],
    "rate_limit": [
        ({"per_minute": 1000, "burst": 100}, {"per_minute": 1000, "burst": 100}),
        ({"per_minute": 1000}, {"per_minute": 1000, "burst": 17}),
        ({"per_minute": 1}, {"per_minute": 1, "burst": 1}),
        (None, None),
    ],
    "ordering": [("key", "key"), ("none", "none")],
    "concurrency": [(1, 1), (64, 64), (None, None)],
}
ROWS = [(name, given, shown) for name, rows in GIVEN.items() for given, shown in rows]


async def make(gateway: Running, **fields: Any) -> dict[str, Any]:
    """A subscription."""
    answer = await gateway.api.post("/v1/subscriptions", {"url": URL, **fields})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


def picked(shown: dict[str, Any]) -> dict[str, Any]:
    """The fields of `DEFAULTS`."""
    return {name: shown[name] for name in DEFAULTS}


async def test_a_url_is_enough(gateway: Running) -> None:
    """What is not said has its default, and is shown."""
    assert picked(await make(gateway)) == DEFAULTS


@pytest.mark.parametrize(("name", "given", "shown"), ROWS)
async def test_each_field_is_kept_and_shown(
    gateway: Running, name: str, given: Any, shown: Any
) -> None:
    """By a POST as by a PATCH; nothing else changes."""
    made = await make(gateway, **{name: given})
    assert picked(made) == {**DEFAULTS, name: shown}
    plain = await make(gateway, url=f"{URL}/plain")
    path = f"/v1/subscriptions/{plain['id']}"

    patched = (await gateway.api.patch(path, {name: given})).json

    if name == "pause_after" and given is not None:  # RFC 7396 merges objects
        shown = {"deliveries": 10, **shown}
    assert picked(patched) == {**DEFAULTS, name: shown}
    assert (await gateway.api.get(path)).json == patched
    listed = (await gateway.api.get("/v1/subscriptions")).json["data"]
    assert patched in listed


async def test_null_in_a_patch_gives_the_default_back(gateway: Running) -> None:
    """Of ``pause_after`` it is a value: never."""
    made = await make(
        gateway,
        timeout="3s",
        retry="quick",
        max_backlog=5,
        rate_limit={"per_minute": 5},
        ordering="key",
        concurrency=2,
    )
    fields = [name for name in DEFAULTS if name not in ("breaker", "held_until")]

    cleared = await gateway.api.patch(f"/v1/subscriptions/{made['id']}", dict.fromkeys(fields))

    assert picked(cleared.json) == {**DEFAULTS, "pause_after": None}


async def test_objects_are_merged_by_a_patch(gateway: Running) -> None:
    """RFC 7396: what is left out of an object stays, null takes it out."""
    made = await make(gateway, rate_limit={"per_minute": 600, "burst": 50})
    path = f"/v1/subscriptions/{made['id']}"

    async def patch(**fields: Any) -> dict[str, Any]:
        answer = await gateway.api.patch(path, fields)
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    assert (await patch(rate_limit={"burst": 5}))["rate_limit"] == {"per_minute": 600, "burst": 5}
    assert (await patch(rate_limit={"per_minute": 60}))["rate_limit"] == {
        "per_minute": 60,
        "burst": 5,
    }
    assert (await patch(rate_limit={"burst": None}))["rate_limit"] == {"per_minute": 60, "burst": 1}
    only = {"deliveries": None, "attempts": 7}
    assert (await patch(pause_after=only))["pause_after"] == {"attempts": 7}
    assert (await patch(name="n"))["pause_after"] == {"attempts": 7}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "active as text": ({"active": "yes"}, "/active"),
    "timeout as number": ({"timeout": 10}, "/timeout"),
    "timeout too long": ({"timeout": "31s"}, "/timeout"),
    "unknown preset": ({"retry": "slowly"}, "/retry"),
    "retry as number": ({"retry": 5}, "/retry"),
    "delay too long": ({"retry": ["1m", "8d"]}, "/retry/1"),
    "delay without unit": ({"retry": ["1m", "2m", "60"]}, "/retry/2"),
    "too many delays": ({"retry": ["1s"] * 21}, "/retry"),
    "empty pause_after": ({"pause_after": {"deliveries": None}}, "/pause_after"),
    "pause_after as number": ({"pause_after": 10}, "/pause_after"),
    "pause after none": ({"pause_after": {"deliveries": 0}}, "/pause_after/deliveries"),
    "pause after text": ({"pause_after": {"attempts": "3"}}, "/pause_after/attempts"),
    "pause after what": ({"pause_after": {"days": 3}}, "/pause_after/days"),
    "no backlog": ({"max_backlog": 0}, "/max_backlog"),
    "backlog as text": ({"max_backlog": "100"}, "/max_backlog"),
    "backlog as boolean": ({"max_backlog": True}, "/max_backlog"),
    "half a delivery": ({"max_backlog": 1.5}, "/max_backlog"),
    "rate without a rate": ({"rate_limit": {"burst": 5}}, "/rate_limit/per_minute"),
    "rate of nothing": ({"rate_limit": {"per_minute": 0}}, "/rate_limit/per_minute"),
    "burst of nothing": ({"rate_limit": {"per_minute": 9, "burst": 0}}, "/rate_limit/burst"),
    "rate a second": ({"rate_limit": {"per_second": 9}}, "/rate_limit/per_second"),
    "rate as number": ({"rate_limit": 1000}, "/rate_limit"),
    "unknown order": ({"ordering": "strict"}, "/ordering"),
    "no concurrency": ({"concurrency": 0}, "/concurrency"),
    "too much of it": ({"concurrency": 1001}, "/concurrency"),
    "the breaker is no field": ({"breaker": "closed"}, "/breaker"),
    "nor is held_until": ({"held_until": None}, "/held_until"),
}


@pytest.mark.parametrize(("fields", "pointer"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_refused_by_name(
    gateway: Running, fields: dict[str, Any], pointer: str
) -> None:
    """422 with a pointer, by a POST as by a PATCH, and nothing has changed."""
    made = await make(gateway)
    path = f"/v1/subscriptions/{made['id']}"
    if pointer == "/pause_after":  # a merge has something to take away
        fields = {
            k: {**v, "attempts": None} if isinstance(v, dict) else v for k, v in fields.items()
        }

    created = await gateway.api.post("/v1/subscriptions", {"url": URL, **fields})
    patched = await gateway.api.patch(path, fields)

    for answer in (created, patched):
        assert (answer.status, answer.media_type) == (422, "application/problem+json")
        assert pointer in pointers(answer)
        assert answer.json["errors"][0]["detail"]
    assert picked((await gateway.api.get(path)).json) == DEFAULTS


async def test_defaults_of_the_gateway(start_gateway: StartGateway) -> None:
    """ONEHOOK_DEFAULT_RETRY and _TIMEOUT hold where a subscription says nothing."""
    gateway = await start_gateway(default_retry="quick", default_timeout="3s")

    made = await make(gateway)
    own = await make(gateway, retry=["1m"], timeout="4s")
    path = f"/v1/subscriptions/{own['id']}"
    back = (await gateway.api.patch(path, {"retry": None, "timeout": None})).json

    assert (made["retry"], made["timeout"]) == ("quick", "3s")
    assert (own["retry"], own["timeout"]) == (["1m"], "4s")
    assert (back["retry"], back["timeout"]) == ("quick", "3s")


async def test_a_preset_is_the_schedule(gateway: Running, subscriber: Subscriber) -> None:
    """``quick``: 2 s and 4 s after the failures, then it is dead."""
    subscriber.usual = Reply(500)
    made = await gateway.subscribe(subscriber, retry="quick")
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    delays = []
    for number in (1, 2):
        found = await gateway.settled(event_id, made["id"], attempt_count=number)
        store_now = (await gateway.store.time())[0]
        (moment,) = await gateway.runtime.gateway.deliveries.next_moments([(made["id"], event_id)])
        assert moment is not None
        delays.append(moment.timestamp() - store_now)
        await gateway.store.zadd(gateway.keys.queue(made["id"]), {event_id: 1}, xx=True)
        await gateway.runtime.gateway.deliveries.expedite(made["id"])
        assert found["status"] == "pending"

    await gateway.settled(event_id, made["id"], status="dead", attempt_count=3)
    assert 0.5 < delays[0] <= 3.3
    assert 2.5 < delays[1] <= 5.5


async def test_lists_show_how_each_fares(gateway: Running, subscriber: Subscriber) -> None:
    """A list shows the breaker of each subscription, not of one."""
    subscriber.usual = Reply(500)
    sender = await gateway.integrate()
    ill, well = await gateway.subscribe(subscriber), await make(gateway, active=False)
    for number in range(10):
        await gateway.accept(sender, issue(number))

    async def fits() -> bool:
        listed = (await gateway.api.get("/v1/subscriptions")).json["data"]
        return {one["id"]: one["breaker"] for one in listed} == {
            ill["id"]: "open",
            well["id"]: "closed",
        }

    await eventually(fits)


async def test_the_schema_says_what_may_be_given(gateway: Running) -> None:
    """OpenAPI names the presets, the bounds and the values of each field."""
    document = (await gateway.vendor.get("/openapi.json")).json
    fields = document["components"]["schemas"]["SubscriptionIn"]["properties"]

    preset, delays, _ = fields["retry"]["anyOf"]
    assert preset == {"type": "string", "enum": ["quick", "three", "standard-webhooks"]}
    assert (delays["type"], delays["maxItems"]) == ("array", 20)
    assert fields["ordering"]["enum"] == ["none", "key"]
    assert fields["concurrency"]["anyOf"][0]["maximum"] == 1000
    assert {"pause_after", "rate_limit", "max_backlog", "timeout"} <= set(fields)
