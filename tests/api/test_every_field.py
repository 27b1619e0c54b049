"""Every field that a subscription takes changes something that its operator or receiver sees.

A field that is taken and then ignored is the commonest fault of webhook senders: so each one is set
beside a subscription that does not set it, both get the same webhooks, and what came of the two
must differ as said here. A field without a row fails.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from onehook.api.subscription_forms import SubscriptionIn
from tests.api.test_integrations import pointers
from tests.builders import (
    Native,
    Received,
    Reply,
    Running,
    Subscriber,
    eventually,
    github,
    issue,
    sample,
)
from tests.conftest import StartSubscriber

LONG = "a-secret-of-32-characters-or-more"


def webhooks() -> list[Native]:
    """What both get: two about one issue, of which one is long, a pull request, a finding."""
    opened = sample("github/issues.opened")
    long = opened | {"action": "closed", "issue": opened["issue"] | {"body": "long " * 4000}}
    return [
        issue(1),
        github("issues", long | {"issue": long["issue"] | {"number": 1}}),
        github("pull_request", sample("github/pull_request.merged")),
        github("dependabot_alert", sample("github/dependabot_alert.created")),
    ]


@dataclass(frozen=True)
class Observed:
    """What came of one subscription: *got* by its receiver, *deliveries* as the API lists them."""

    shown: dict[str, Any]
    got: Sequence[Received]
    deliveries: Sequence[dict[str, Any]]

    @property
    def types(self) -> list[str]:
        """The event types that arrived."""
        return sorted(str(one.headers.get("x-onehook-event")) for one in self.got)


Check = Callable[[Observed, Observed], None]


@dataclass(frozen=True)
class Row:
    """*fields* set, and what *differs* then between it and a plain subscription."""

    fields: dict[str, Any]
    differs: Check
    hangs: bool = False  # both receivers
    status: int = 204  # of both receivers' answers


def only(*types: str) -> Check:
    """Of what the plain one gets, only *types* arrive."""

    def check(one: Observed, plain: Observed) -> None:
        assert set(types) < set(plain.types)
        assert one.types == sorted(types)

    return check


def header(name: str, value: str | None = None) -> Check:
    """A header of that *name* arrives, which the plain one has not, or not with that *value*."""

    def check(one: Observed, plain: Observed) -> None:
        found = one.got[0].headers.get(name)
        assert found is not None
        assert found != plain.got[0].headers.get(name)
        assert value is None or found == value

    return check


def shown(**wanted: Any) -> Check:
    """The API shows that, and of the plain one something else."""

    def check(one: Observed, plain: Observed) -> None:
        assert {name: one.shown[name] for name in wanted} == wanted
        assert {name: plain.shown[name] for name in wanted} != wanted

    return check


def nothing_arrives(one: Observed, plain: Observed) -> None:
    """It gets nothing, where the plain one does."""
    assert plain.got
    assert not one.got


def body_is(wanted: object) -> Check:
    """The first body is *wanted*."""

    def check(one: Observed, plain: Observed) -> None:
        assert json.loads(one.got[0].body) == wanted != json.loads(plain.got[0].body)

    return check


def raw_is_there(one: Observed, plain: Observed) -> None:
    """The native webhook comes along."""
    native = json.loads(one.got[0].body)["data"]["raw"]
    assert native["body"]["action"] == "opened"
    assert json.loads(plain.got[0].body)["data"]["raw"]["body"] is None


def is_cut(one: Observed, plain: Observed) -> None:
    """What is too long is cut, and named."""
    longest = [max(len(got.body) for got in seen.got) for seen in (one, plain)]
    assert longest[0] <= 16_384 < longest[1]


def dead_at_once(one: Observed, plain: Observed) -> None:
    """Its first attempts were its last, where the plain one's deliveries go on."""
    assert {(row["status"], row["attempt_count"]) for row in one.deliveries} == {("dead", 1)}
    assert {row["status"] for row in plain.deliveries} == {"pending"}


def named_by_alias(one: Observed, plain: Observed) -> None:
    """The type is the alias that was asked for, in the header and in the body."""
    assert one.types == ["vulnerability.detected"]
    assert json.loads(one.got[0].body)["type"] == "vulnerability.detected"
    assert "security.vulnerability.detected" in plain.types


def one_is_too_many(one: Observed, plain: Observed) -> None:
    """What does not fit into the backlog is a dead letter, and says so."""
    assert "overflow" in [row["last_error"] for row in one.deliveries]
    assert "overflow" not in [row["last_error"] for row in plain.deliveries]


def fewer_arrive(one: Observed, plain: Observed) -> None:
    """It is held back, where the plain one is not."""
    assert 0 < len(one.got) < len(plain.got)


OPENED = "ticketing.ticket.created"
COMPAT = {"secret": LONG, "prefix": "acme"}
ROWS = {
    "url": Row({"url": None}, nothing_arrives),
    "key": Row({"key": "wh_123"}, shown(key="wh_123")),
    "name": Row({"name": "Alerts"}, shown(name="Alerts")),
    "events": Row({"events": [OPENED]}, only(OPENED)),
    "integrations": Row({"integrations": ["gitlab"]}, nothing_arrives),
    "projects": Row({"projects": ["nobody/*"]}, nothing_arrives),
    "statuses": Row({"statuses": ["reopened"]}, only(OPENED, "security.vulnerability.detected")),
    "filter": Row({"filter": {"$.type": OPENED}}, only(OPENED)),
    "active": Row({"active": False}, nothing_arrives),
    "destination": Row({"destination": "compat-event-key", **COMPAT}, header("x-acme-signature")),
    "type": Row({"type": "compat-event-key", **COMPAT}, header("x-acme-signature")),
    "settings": Row(
        {"destination": "splunk-hec", "settings": {"token": "tok-tok-tok"}},
        header("Authorization", "Splunk tok-tok-tok"),
    ),
    "profile": Row({"profile": "hex", "secret": LONG}, header("x-onehook-signature")),
    "prefix": Row({"prefix": "acme"}, header("x-acme-event")),
    "type_names": Row(
        {"events": ["vulnerability.detected"], "type_names": "alias"}, named_by_alias
    ),
    "secret": Row({"secret": LONG, "profile": "bearer"}, header("Authorization", f"Bearer {LONG}")),
    "headers": Row({"headers": {"X-Team": "payments"}}, header("X-Team", "payments")),
    "auth": Row(
        {"auth": {"type": "bearer", "token": "tok-tok-tok"}},
        header("Authorization", "Bearer tok-tok-tok"),
    ),
    "body_template": Row(
        {"events": [OPENED], "body_template": '{"a": "new: {{ event_type }}"}'},
        body_is({"a": f"new: {OPENED}"}),
    ),
    "include_raw": Row({"include_raw": True}, raw_is_there),
    "max_body_bytes": Row({"max_body_bytes": 16_384}, is_cut),
    "timeout": Row({"timeout": "1s", "retry": []}, dead_at_once, hangs=True),
    "retry": Row({"retry": []}, dead_at_once, status=500),
    "pause_after": Row(
        {"pause_after": {"attempts": 1}},
        shown(status="paused", paused_reason="failing"),
        status=500,
    ),
    "max_backlog": Row({"max_backlog": 1}, one_is_too_many, status=500),
    "rate_limit": Row({"rate_limit": {"per_minute": 1, "burst": 1}}, fewer_arrive),
    "ordering": Row({"ordering": "key"}, fewer_arrive, status=500),
    "concurrency": Row({"concurrency": 1}, fewer_arrive, hangs=True),
}


def test_every_field_has_a_row() -> None:
    """What the form takes is what is looked at here."""
    assert set(ROWS) == set(SubscriptionIn.model_fields)


@pytest.mark.parametrize("name", ROWS)
async def test_a_field_changes_what_is_seen(
    gateway: Running, start_subscriber: StartSubscriber, name: str
) -> None:
    """Set, it makes the difference that its row says."""
    row, go_on = ROWS[name], asyncio.Event()
    receivers = [await start_subscriber(), await start_subscriber()]
    for receiver in receivers:
        receiver.usual = Reply(row.status, hold=go_on if row.hangs else None)
    ids = [(await gateway.subscribe(receivers[0]))["id"]]
    body = {"url": receivers[1].url, "events": ["scm.*", "ticketing.*", "security.*"], **row.fields}
    answer = await gateway.api.post("/v1/subscriptions", body)
    assert answer.status == 201, answer.body
    ids.append(answer.json["id"])
    sender = await gateway.integrate()
    sent = webhooks()
    for native in sent:
        await gateway.accept(sender, native)
    await receivers[0].wait(len(sent))
    await asyncio.sleep(0.3)  # what arrives although it must not would be here

    async def observe(id_: str, receiver: Subscriber) -> Observed:
        shown = (await gateway.api.get(f"/v1/subscriptions/{id_}")).json
        listed = (await gateway.api.get("/v1/deliveries", subscription=id_)).json["data"]
        return Observed(shown, receiver.received, listed)

    async def differs() -> bool:
        plain, one = [await observe(*both) for both in zip(ids, receivers, strict=True)]
        with contextlib.suppress(AssertionError, IndexError):
            row.differs(one, plain)
            return True
        return False

    with contextlib.suppress(TimeoutError):
        await eventually(differs, within=8)
    plain, one = [await observe(*both) for both in zip(ids, receivers, strict=True)]
    row.differs(one, plain)
    go_on.set()


@pytest.mark.parametrize("name", ROWS)
async def test_a_wrong_field_is_named(gateway: Running, name: str) -> None:
    """What a field cannot be is refused with a pointer to it, by POST and PATCH."""
    made = (await gateway.api.post("/v1/subscriptions", {"url": "http://127.0.0.1:9/"})).json
    refused = 0
    for wrong in (5, "", ["?", None], {"?": 1}):
        answers = [
            await gateway.api.post(
                "/v1/subscriptions", {"url": "http://127.0.0.1:9/", name: wrong}
            ),
            await gateway.api.patch(f"/v1/subscriptions/{made['id']}", {name: wrong}),
        ]
        if answers[0].status == 201:  # some of these are right: a filter of one condition
            await gateway.api.delete(f"/v1/subscriptions/{answers[0].json['id']}")
            continue
        refused += 1
        for answer in answers:
            assert answer.status == 422, answer.body
            assert all(found.split("/")[1] == name for found in pointers(answer)), answer.body
    assert refused >= 2
    listed = (await gateway.api.get("/v1/subscriptions")).json["data"]
    assert [one["id"] for one in listed] == [made["id"]]
