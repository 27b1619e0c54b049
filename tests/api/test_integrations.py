"""``/v1/integrations``: who may send, and how it proves itself."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    SECRET,
    FixedClock,
    Native,
    Running,
    Sender,
    Subscriber,
    issue,
)
from tests.conftest import StartGateway

NEW_SECRET = "another-secret-for-everybody"


def pointers(answer: Any) -> list[str]:
    """Where the errors of a problem point."""
    return [error["pointer"] for error in answer.json["errors"]]


def with_secret(sender: Sender, secret: str) -> Sender:
    """The sender once it knows another secret."""
    return Sender(sender.id, sender.path, sender.type, {"secret": [secret.encode()]}, {})


async def test_create_gives_the_object_and_where_it_is(gateway: Running) -> None:
    """POST answers 201, Location and the object with its ingest URL; no secret is in it."""
    body = {"type": "github", "name": "Prod", "key": "github-prod", "secret": SECRET}

    answer = await gateway.api.post("/v1/integrations", body)

    made = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/integrations/{made['id']}"
    assert made == {
        "id": made["id"],
        "key": "github-prod",
        "type": "github",
        "name": "Prod",
        "settings": {},
        "verify": "signature",
        "active": True,
        "silent_after": None,
        "allow_from": [],
        "rate_limit": None,
        "ingest_url": f"{gateway.url}/ingest/{made['id']}",
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert made["id"].startswith("int_")
    assert (await gateway.api.get(answer.headers["Location"])).json == made
    assert (await gateway.api.get("/v1/integrations/github-prod")).json == made


async def test_silent_after_is_a_duration_or_nothing(gateway: Running) -> None:
    """It is shown in its largest unit; null takes it away, and other changes leave it alone."""
    body = {"type": "github", "secret": SECRET, "silent_after": "24h"}
    made = (await gateway.api.post("/v1/integrations", body)).json
    path = f"/v1/integrations/{made['id']}"

    shown = [
        (await gateway.api.patch(path, change)).json["silent_after"]
        for change in ({"name": "n"}, {"silent_after": "90m"}, {"silent_after": None})
    ]

    assert (made["silent_after"], shown) == ("1d", ["1d", "90m", None])
    refused = await gateway.api.patch(path, {"silent_after": "soon"})
    assert (refused.status, pointers(refused)) == (422, ["/silent_after"])


async def test_public_url_makes_the_ingest_url(start_gateway: StartGateway) -> None:
    """ONEHOOK_PUBLIC_URL is what the vendor is told, with its path."""
    gateway = await start_gateway(public_url="https://hooks.example.com/in/")

    made = await gateway.api.post("/v1/integrations", {"type": "github", "secret": SECRET})

    assert made.json["ingest_url"] == f"https://hooks.example.com/in/ingest/{made.json['id']}"


async def test_secrets_never_come_back(gateway: Running) -> None:
    """No answer about an integration holds its secret, also where it is one of the settings."""
    token = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    made = await gateway.api.post(
        "/v1/integrations", {"type": "gitlab", "settings": {"signing_token": token}}
    )
    path = f"/v1/integrations/{made.json['id']}"

    answers = [
        made,
        await gateway.api.get(path),
        await gateway.api.get("/v1/integrations"),
        await gateway.api.patch(path, {"secret": SECRET, "name": "n"}),
        await gateway.api.post(f"{path}/rotate-secret", {"secret": NEW_SECRET}),
    ]

    shown = "".join(answer.body.decode() for answer in answers)
    assert {answer.status for answer in answers} == {200, 201}
    for secret in (SECRET, NEW_SECRET, token):
        assert secret not in shown


BAD = {
    "no type": ({"secret": SECRET}, 422, "/type"),
    "unknown type": ({"type": "vendor9", "secret": SECRET}, 422, "/type"),
    "unknown field": ({"type": "github", "secret": SECRET, "colour": "red"}, 422, "/colour"),
    "allow_from of nothing": (
        {"type": "github", "secret": SECRET, "allow_from": ["192.0.2.1", "office"]},
        422,
        "/allow_from/1",
    ),
    "allow_from with host bits": (
        {"type": "github", "secret": SECRET, "allow_from": ["192.0.2.1/24"]},
        422,
        "/allow_from/0",
    ),
    "rate of nothing": (
        {"type": "github", "secret": SECRET, "rate_limit": {"per_minute": 0}},
        422,
        "/rate_limit/per_minute",
    ),
    "a2 no secret": ({"type": "github"}, 422, "/secret"),
    "a2 empty": ({"type": "github", "secret": ""}, 422, "/secret"),
    "a2 short": ({"type": "github", "secret": "short"}, 422, "/secret"),
    "a2 default": ({"type": "github", "secret": "changeme"}, 422, "/secret"),
    "unknown setting": (
        {"type": "github", "secret": SECRET, "settings": {"colour": "red"}},
        422,
        "/settings/colour",
    ),
    "bad choice": (
        {"type": "jira", "secret": SECRET, "settings": {"proof": "smell"}},
        422,
        "/settings/proof",
    ),
    "bad key": ({"type": "github", "secret": SECRET, "key": "a b"}, 422, "/key"),
    "bad name": ({"type": "github", "secret": SECRET, "name": "a\nb"}, 422, "/name"),
    "wrong type": ({"type": "github", "secret": SECRET, "active": []}, 422, "/active"),
    "silent_after without unit": (
        {"type": "github", "secret": SECRET, "silent_after": "86400"},
        422,
        "/silent_after",
    ),
    "silent_after too short": (
        {"type": "github", "secret": SECRET, "silent_after": "59s"},
        422,
        "/silent_after",
    ),
    "silent_after too long": (
        {"type": "github", "secret": SECRET, "silent_after": "366d"},
        422,
        "/silent_after",
    ),
    "bad verify": ({"type": "github", "verify": "maybe"}, 422, "/verify"),
}


@pytest.mark.parametrize(("body", "status", "pointer"), BAD.values(), ids=BAD)
async def test_wrong_fields_are_refused_by_name(
    gateway: Running, body: dict[str, Any], status: int, pointer: str
) -> None:
    """What is wrong in a body is 422 with a pointer to it, and saves nothing."""
    answer = await gateway.api.post("/v1/integrations", body)

    assert (answer.status, answer.media_type) == (status, "application/problem+json")
    assert answer.json["code"] == "request_invalid"
    assert pointer in pointers(answer)
    assert (await gateway.api.get("/v1/integrations")).json["data"] == []


async def test_a2_no_secret_only_in_as_many_words(gateway: Running) -> None:
    """Without a secret the refusal says how to ask for no verification, and that is taken."""
    refused = await gateway.api.post("/v1/integrations", {"type": "github"})
    taken = await gateway.api.post("/v1/integrations", {"type": "github", "verify": "none"})

    assert (refused.status, taken.status) == (422, 201)
    assert taken.json["verify"] == "none"


async def test_patch_changes_what_is_given(gateway: Running) -> None:
    """Fields left out of a PATCH stay, null clears, and the time of the change is new."""
    sender = await gateway.integrate(name="old", key="k1")
    path = f"/v1/integrations/{sender.id}"
    before = (await gateway.api.get(path)).json

    after = (await gateway.api.patch(path, {"name": "new", "key": None})).json

    assert (after["name"], after["key"]) == ("new", None)
    assert after["updated_at"] > before["updated_at"]
    same = ("id", "type", "settings", "verify", "active", "ingest_url", "created_at")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (await gateway.api.get(path)).json == after
    assert (await gateway.api.get("/v1/integrations/k1")).status == 404
    await gateway.accept(sender, issue())  # its secret is still there


async def test_patch_merges_settings(gateway: Running) -> None:
    """Settings of a PATCH are merged into those that are there; null removes one."""
    made = await gateway.api.post(
        "/v1/integrations",
        {"type": "jira", "secret": SECRET, "settings": {"proof": "header", "header": "X-Token"}},
    )
    path = f"/v1/integrations/{made.json['id']}"

    merged = await gateway.api.patch(path, {"settings": {"header": "X-Other"}})
    removed = await gateway.api.patch(path, {"settings": {"header": None}})

    assert merged.json["settings"] == {"proof": "header", "header": "X-Other"}
    assert removed.json["settings"] == {"proof": "header"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": "gitlab"}, "/type"),
        ({"active": None}, "/active"),
        ({"verify": None}, "/verify"),
        ({"secret": None}, "/secret"),
        ({"secret": "short"}, "/secret"),
        ({"settings": {"colour": "red"}}, "/settings/colour"),
        ({"id": "int_x"}, "/id"),
    ],
)
async def test_patch_refuses_what_could_not_run(
    gateway: Running, body: dict[str, Any], pointer: str
) -> None:
    """A PATCH that would leave nothing to verify with, or names what is not there, is 422."""
    sender = await gateway.integrate()

    answer = await gateway.api.patch(f"/v1/integrations/{sender.id}", body)

    assert answer.status == 422
    assert pointer in pointers(answer)
    await gateway.accept(sender, issue())


async def test_patch_of_the_secret_replaces_it(gateway: Running) -> None:
    """After a PATCH only the new secret is taken."""
    sender = await gateway.integrate()

    await gateway.api.patch(f"/v1/integrations/{sender.id}", {"secret": NEW_SECRET})

    assert (await gateway.send(sender, issue())).status == 401
    await gateway.accept(with_secret(sender, NEW_SECRET), issue())


async def test_key_of_another_object_is_409(gateway: Running, subscriber: Subscriber) -> None:
    """A key is one object's alone, integrations and subscriptions together."""
    await gateway.integrate(key="taken")
    await gateway.subscribe(subscriber, key="hook")

    for key in ("taken", "hook"):
        body = {"type": "github", "secret": SECRET, "key": key}
        answer = await gateway.api.post("/v1/integrations", body)
        assert (answer.status, answer.json["code"]) == (409, "conflict")
        assert key in answer.json["detail"]


async def test_delete_ends_the_ingest_url(gateway: Running) -> None:
    """After DELETE both the object and its URL are 404; its events stay."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    path = f"/v1/integrations/{sender.id}"

    answer = await gateway.api.delete(path)

    assert (answer.status, answer.body) == (204, b"")
    assert (await gateway.api.get(path)).status == 404
    assert (await gateway.api.delete(path)).status == 404
    assert (await gateway.send(sender, issue())).json["code"] == "integration_not_found"
    assert (await gateway.api.get(f"/v1/events/{event_id}")).status == 200


async def test_list_pages_newest_first(gateway: Running) -> None:
    """Every integration is on exactly one page, newest first; `next` is null at the end."""
    ids = [(await gateway.integrate(name=f"n{n}")).id for n in range(5)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = (await gateway.api.get("/v1/integrations", **query)).json
        assert len(page["data"]) <= 2
        seen += [one["id"] for one in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "201"}, "/limit"),
        ({"limit": "many"}, "/limit"),
        ({"cursor": "%%%"}, "/cursor"),
        ({"cursor": ""}, "/cursor"),
        ({"page": "2"}, "/page"),
    ],
)
async def test_wrong_query_is_422(gateway: Running, query: dict[str, str], pointer: str) -> None:
    """A query that is wrong or unknown is refused by name."""
    answer = await gateway.api.get("/v1/integrations", **query)

    assert answer.status == 422
    assert pointer in pointers(answer)


# -- rotation -------------------------------------------------------------------------------------


async def test_a11_two_secrets_hold_during_the_overlap(start_gateway: StartGateway) -> None:
    """After a rotation both secrets are taken until the overlap ends, then only the new one."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    old = await gateway.integrate()
    new = with_secret(old, NEW_SECRET)

    answer = await gateway.api.post(
        f"/v1/integrations/{old.id}/rotate-secret", {"secret": NEW_SECRET, "overlap": "1h"}
    )

    assert answer.status == 200
    await gateway.accept(old, issue(1))
    await gateway.accept(new, issue(2))
    clock.advance(timedelta(minutes=59))
    await gateway.accept(old, issue(3))
    clock.advance(timedelta(minutes=2))
    refused = await gateway.send(old, issue(4))
    assert (refused.status, refused.json["code"]) == (401, "signature_invalid")
    await gateway.accept(new, issue(5))


async def test_a11_no_overlap_ends_the_old_secret_now(gateway: Running) -> None:
    """With an overlap of 0s the old secret is refused at once."""
    sender = await gateway.integrate()

    await gateway.api.post(
        f"/v1/integrations/{sender.id}/rotate-secret", {"secret": NEW_SECRET, "overlap": "0s"}
    )

    assert (await gateway.send(sender, issue())).status == 401
    await gateway.accept(with_secret(sender, NEW_SECRET), issue())


async def test_a11_at_most_three_secrets_are_active(gateway: Running) -> None:
    """A fourth active secret is 409; the three that are active are all taken."""
    sender = await gateway.integrate()
    path = f"/v1/integrations/{sender.id}/rotate-secret"
    texts = [f"secret-number-{n}" for n in range(3)]

    answers = [await gateway.api.post(path, {"secret": text}) for text in texts]

    assert [answer.status for answer in answers] == [200, 200, 409]
    for number, text in enumerate((SECRET, *texts[:2])):
        await gateway.accept(with_secret(sender, text), issue(number))


async def test_a11_three_active_secrets_can_be_ended_at_once(gateway: Running) -> None:
    """With an overlap of 0s a leaked secret is replaced, however many are active."""
    sender = await gateway.integrate()
    path = f"/v1/integrations/{sender.id}/rotate-secret"
    for n in range(2):
        await gateway.api.post(path, {"secret": f"secret-number-{n}"})

    answer = await gateway.api.post(path, {"secret": NEW_SECRET, "overlap": "0s"})

    assert answer.status == 200


async def test_a11_expired_secrets_make_room(start_gateway: StartGateway) -> None:
    """A secret whose overlap has ended no longer counts."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate()
    path = f"/v1/integrations/{sender.id}/rotate-secret"

    for n in range(6):
        answer = await gateway.api.post(path, {"secret": f"secret-number-{n}", "overlap": "1h"})
        assert answer.status == 200
        clock.advance(timedelta(hours=2))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/secret"),
        ({"secret": "short"}, "/secret"),
        ({"secret": NEW_SECRET, "setting": "colour"}, "/setting"),
        ({"secret": NEW_SECRET, "overlap": "24"}, "/overlap"),
        ({"secret": NEW_SECRET, "overlap": "31d"}, "/overlap"),
        ({"secret": NEW_SECRET, "grace": "1h"}, "/grace"),
    ],
)
async def test_wrong_rotations_are_refused(
    gateway: Running, body: dict[str, str], pointer: str
) -> None:
    """A rotation that could not be used is 422 and changes nothing."""
    sender = await gateway.integrate()

    answer = await gateway.api.post(f"/v1/integrations/{sender.id}/rotate-secret", body)

    assert answer.status == 422
    assert pointer in pointers(answer)
    await gateway.accept(sender, issue())


@pytest.mark.parametrize("type_", ["jira", "servicenow"])
async def test_a2_weak_secret_is_refused_in_rotation(gateway: Running, type_: str) -> None:
    """A short secret is refused in a rotation as at save, on platforms with a choice of proofs."""
    settings = {"instance": "acme"} if type_ == "servicenow" else {}
    made = await gateway.api.post(
        "/v1/integrations", {"type": type_, "secret": SECRET, "settings": settings}
    )
    assert made.status == 201, made.body
    path = f"/v1/integrations/{made.json['id']}/rotate-secret"

    answer = await gateway.api.post(path, {"secret": "x"})

    assert answer.status == 422


async def test_gitlab_migrates_from_token_to_signature(gateway: Running) -> None:
    """A second setting may get its first secret by rotation; the signature then decides."""
    sender = await gateway.integrate("gitlab")
    token = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    answer = await gateway.api.post(
        f"/v1/integrations/{sender.id}/rotate-secret",
        {"secret": token, "setting": "signing_token"},
    )

    assert answer.status == 200
    signed = Sender(sender.id, sender.path, "gitlab", {"signing_token": [token.encode()]}, {})
    json = {"Content-Type": "application/json"}
    by_signature = await gateway.send(signed, Native({**json, "webhook-id": "m1"}, b'{"a":1}'))
    by_token = await gateway.send(sender, Native({**json, "webhook-id": "m2"}, b'{"a":2}'))
    assert (by_signature.status, by_token.status) == (202, 202)
