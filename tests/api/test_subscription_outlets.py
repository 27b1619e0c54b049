"""Fields of ``/v1/subscriptions`` that say what a receiver gets: taken, shown, kept, effective."""

import contextlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from onehook.api.subscription_forms import OutletIn
from onehook.core.profiles.secrets import make_secret
from onehook.errors import SettingsError
from tests.api.test_integrations import pointers
from tests.builders import (
    Answer,
    FixedClock,
    Native,
    Received,
    Reply,
    Running,
    Subscriber,
    issue,
    tickets,
    until,
    write_acme,
)
from tests.conftest import StartGateway, StartSubscriber

URL = "http://127.0.0.1:9/hook"
LONG = "a-secret-of-32-characters-or-more"
PATH = "/v1/subscriptions"
PAGERDUTY = {"destination": "pagerduty-events", "settings": {"routing_key": "R0123456789"}}


async def made(gateway: Running, **fields: Any) -> dict[str, Any]:
    """A subscription that must be taken."""
    answer = await gateway.api.post(PATH, {"url": URL, **fields})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def patched(gateway: Running, id_: str, **fields: Any) -> Answer:
    """The answer to a PATCH."""
    return await gateway.api.patch(f"{PATH}/{id_}", fields)


async def received(gateway: Running, subscriber: Subscriber) -> Received:
    """The next thing that the subscriber gets, after an issue was opened."""
    before = len(subscriber.received)
    sender = await gateway.integrate()
    await gateway.accept(sender, issue())
    await until(lambda: len(subscriber.received) > before)
    return subscriber.received[-1]


def digest(secret: str, content: bytes) -> str:
    """What a receiver computes."""
    return hmac.new(secret.encode(), content, "sha256").hexdigest()


# -- shown ----------------------------------------------------------------------------------------


async def test_the_defaults_are_shown(gateway: Running) -> None:
    """What holds where nothing was said."""
    shown = await made(gateway)
    wanted = {
        "destination": "generic",
        "settings": {},
        "profile": "standard",
        "prefix": "onehook",
        "type_names": "unified",
        "headers": {},
        "auth": None,
        "body_template": None,
        "include_raw": False,
        "max_body_bytes": 100_000,
        "rotation": None,
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert "warnings" not in shown


SHOWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "destination": ({"destination": "compat-event-key"}, {
        "destination": "compat-event-key", "profile": "sha256", "type_names": "alias",
        "retry": "three",
    }),
    "type": ({"type": "zapier"}, {"destination": "zapier"}),
    "type other": ({"type": "other"}, {"destination": "generic"}),
    "settings": (
        {"destination": "splunk-hec", "settings": {"token": "tok-tok", "index": "main"}},
        {"settings": {"index": "main", "token": "***"}},
    ),
    "profile": ({"profile": "hex", "secret": LONG}, {"profile": "hex"}),
    "prefix": ({"prefix": "acme"}, {"prefix": "acme"}),
    "type_names": ({"type_names": "alias"}, {"type_names": "alias"}),
    "headers": ({"headers": {"X-A": "value-1"}}, {"headers": {"X-A": "***"}}),
    "bearer": ({"auth": {"type": "bearer", "token": "tok-tok"}}, {
        "auth": {"type": "bearer", "token": "***"},
    }),
    "basic": ({"auth": {"type": "basic", "username": "u", "password": "pass-word"}}, {
        "auth": {"type": "basic", "username": "u", "password": "***"},
    }),
    "header": ({"auth": {"type": "header", "name": "X-Key", "value": "key-key"}}, {
        "auth": {"type": "header", "name": "X-Key", "value": "***"},
    }),
    "body_template": ({"body_template": '{"a": {{ time }}}'}, {
        "body_template": '{"a": {{ time }}}',
    }),
    "include_raw": ({"include_raw": True}, {"include_raw": True}),
    "max_body_bytes": ({"max_body_bytes": 20_000}, {"max_body_bytes": 20_000}),
    "events of a destination": (
        {"destination": "compat-scan-results"}, {"events": ["security.scan.*"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "wanted"), SHOWN.values(), ids=SHOWN)
async def test_a_field_is_kept_and_shown(
    gateway: Running, fields: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """In the answer, in GET, and the same by PATCH; values that are secrets hidden."""
    first = await made(gateway, **fields)
    assert {name: first[name] for name in wanted} == wanted
    first.pop("secret")
    first.pop("warnings", None)
    assert (await gateway.api.get(f"{PATH}/{first['id']}")).json == first

    other = await made(gateway)
    changed = await patched(gateway, other["id"], **{"events": None, **fields})
    assert changed.status == 200, changed.body
    assert {name: changed.json[name] for name in wanted} == wanted


SECRETS = ["tok-tok-tok", "head-value", "pass-word", "services/T0/B0/abcdefgh", LONG]


async def test_h2_secrets_are_never_shown_and_lie_sealed(gateway: Running) -> None:
    """Not in answers, lists or errors, nor anywhere in the store."""
    fields = {
        "url": "http://127.0.0.1:9/services/T0/B0/abcdefgh",
        "destination": "slack",
        "headers": {"X-A": "head-value"},
        "auth": {"type": "basic", "username": "u", "password": "pass-word"},
    }
    slack = await made(gateway, **fields)
    splunk = await made(
        gateway, destination="splunk-hec", settings={"token": "tok-tok-tok"}, secret=LONG
    )
    splunk.pop("secret")
    assert slack["url"] == "http://127.0.0.1:9/***efgh"
    shown = [str(slack), str(splunk)]
    paths = (PATH, f"{PATH}/{slack['id']}", f"{PATH}/{splunk['id']}")
    shown += [(await gateway.api.get(path)).body.decode() for path in paths]
    bad = await patched(gateway, slack["id"], body_template="{", headers={"Host": "head-value"})
    assert bad.status == 422
    shown.append(bad.body.decode())
    keys = await gateway.own_keys()
    shown += [str(await gateway.store.execute_command("DUMP", key)) for key in keys]  # type: ignore[no-untyped-call]
    for text in shown:
        for secret in SECRETS:
            assert secret not in text


# -- refused --------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown destination": ({"destination": "slak"}, "/destination"),
    "unknown type": ({"type": "slak"}, "/type"),
    "two destinations": ({"destination": "slack", "type": "teams"}, "/type"),
    "unknown setting": ({"settings": {"x": "y"}}, "/settings/x"),
    "no required setting": ({"destination": "splunk-hec"}, "/settings/token"),
    "hidden setting": (
        {"destination": "splunk-hec", "settings": {"token": "***"}}, "/settings/token",
    ),
    "no text": ({"settings": {"x": 5}}, "/settings/x"),
    "unknown profile": ({"profile": "md5"}, "/profile"),
    "bad prefix": ({"prefix": "Acme"}, "/prefix"),
    "long prefix": ({"prefix": "a" * 33}, "/prefix"),
    "unknown type names": ({"type_names": "short"}, "/type_names"),
    "reserved header": ({"headers": {"Host": "x"}}, "/headers/Host"),
    "header of ours": ({"headers": {"x-onehook-own": "x"}}, "/headers/x-onehook-own"),
    "broken header": ({"headers": {"X-A": "a\r\nHost: b"}}, "/headers/X-A"),
    "hidden header": ({"headers": {"X-A": "***"}}, "/headers/X-A"),
    "unknown auth": ({"auth": {"type": "digest"}}, "/auth/type"),
    "auth without token": ({"auth": {"type": "bearer"}}, "/auth/token"),
    "auth of two kinds": (
        {"auth": {"type": "bearer", "token": "t", "username": "u"}}, "/auth/username",
    ),
    "auth with more": ({"auth": {"type": "bearer", "token": "t", "realm": "r"}}, "/auth/realm"),
    "bearer twice": (
        {"profile": "bearer", "secret": "t", "auth": {"type": "bearer", "token": "t"}}, "/auth",
    ),
    "no template": ({"body_template": '{"a": {{ nope }}}'}, "/body_template"),
    "not JSON": ({"body_template": '{"a": }'}, "/body_template"),
    "include_raw": ({"include_raw": "maybe"}, "/include_raw"),
    "too small": ({"max_body_bytes": 16_383}, "/max_body_bytes"),
    "too large": ({"max_body_bytes": 1_048_577}, "/max_body_bytes"),
    "no token": ({"profile": "bearer", "secret": "two words"}, "/secret"),
    "no base64": ({"profile": "cloudevents", "secret": "whsec_%"}, "/secret"),
    "not the destination's events": (
        {"destination": "compat-scan-results", "events": ["scm.*"]}, "/events/0",
    ),
    "not the destination's URL": (
        {"destination": "email", "settings": {"from": "a", "to": "b"}}, "/url",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "pointer"), BAD.values(), ids=BAD)
async def test_a_wrong_field_is_refused_by_name(
    gateway: Running, fields: dict[str, Any], pointer: str
) -> None:
    """With a pointer, at creation and in a PATCH, and nothing is changed."""
    before = await made(gateway)
    before.pop("secret")
    created = await gateway.api.post(PATH, {"url": URL, **fields})
    changed = await patched(gateway, before["id"], **fields)
    if "url" in pointer:
        changed = await patched(gateway, before["id"], url=URL, **fields)
    for answer in (created, changed):
        assert (answer.status, answer.media_type) == (422, "application/problem+json")
        assert pointer in pointers(answer)
    assert (await gateway.api.get(f"{PATH}/{before['id']}")).json == before


async def test_m4_a_template_is_refused_with_line_and_column(gateway: Running) -> None:
    """The detail leads into the text."""
    bad = await gateway.api.post(PATH, {"url": URL, "body_template": '{\n "a": {{ nope }}}'})
    (error,) = bad.json["errors"]
    assert error["pointer"] == "/body_template"
    assert error["detail"].startswith("line 2, column 10: 'nope' is no variable here")


# -- URLs -----------------------------------------------------------------------------------------


async def test_a_destination_may_have_a_url_of_its_own(gateway: Running) -> None:
    """Then a registration needs none."""
    answer = await gateway.api.post(PATH, PAGERDUTY)
    assert answer.json["url"] == "https://events.pagerduty.com/v2/enqueue"
    own = {"url": "https://events.eu.pagerduty.com/v2/enqueue"}
    assert (await gateway.api.post(PATH, PAGERDUTY | own)).json["url"] == own["url"]
    missing = await gateway.api.post(PATH, {"destination": "slack"})
    assert (missing.status, pointers(missing)) == (422, ["/url"])


async def test_a_hidden_url_cannot_be_sent_back(gateway: Running) -> None:
    """Or what is shown would take the place of what it hides."""
    url = "http://127.0.0.1:9/services/T0/B0/abcdefgh"
    slack = await made(gateway, destination="slack", url=url)
    back = await patched(gateway, slack["id"], url=slack["url"])
    assert (back.status, pointers(back)) == (422, ["/url"])
    assert (await patched(gateway, slack["id"], name="n")).json["url"] == slack["url"]
    plain = await patched(gateway, slack["id"], destination="generic")
    assert plain.json["url"] == url  # no secret to the new destination


# -- PATCH ----------------------------------------------------------------------------------------


async def test_headers_and_settings_merge_by_name(gateway: Running) -> None:
    """RFC 7396: null removes one, or all; names of headers know no case."""
    token = {"token": "tok-tok"}
    one = await made(
        gateway, destination="splunk-hec", settings={**token, "index": "a"}, headers={"X-A": "1"}
    )
    both = await patched(gateway, one["id"], headers={"x-b": "2"}, settings={"index": None})
    assert both.json["headers"] == {"X-A": "***", "x-b": "***"}
    assert both.json["settings"] == {"token": "***"}
    less = await patched(gateway, one["id"], headers={"x-a": None})
    assert less.json["headers"] == {"x-b": "***"}
    none = await patched(gateway, one["id"], headers=None)
    assert none.json["headers"] == {}
    refused = await patched(gateway, one["id"], settings=None)
    assert pointers(refused) == ["/settings/token"]


async def test_another_destination_begins_with_settings_of_its_own(gateway: Running) -> None:
    """And with its own profile where none was chosen."""
    one = await made(gateway, destination="compat-event-id", secret=LONG)
    assert (one["profile"], one["retry"]) == ("hex", "quick")
    assert one["pause_after"] == {"attempts": 10}
    other = (await patched(gateway, one["id"], destination="compat-event-key")).json
    assert (other["profile"], other["retry"]) == ("sha256", "three")
    generic = await patched(gateway, one["id"], destination=None)
    assert (generic.json["destination"], generic.json["profile"]) == ("generic", "standard")
    assert generic.json["retry"] == ["1m", "5m", "30m", "2h", "12h"]
    assert generic.json["pause_after"] == {"deliveries": 10}
    own = (await patched(gateway, one["id"], destination="compat-envelope", profile="hex")).json
    assert own["profile"] == "hex"
    splunk = await patched(gateway, one["id"], type="splunk-hec", settings={"token": "tok"})
    assert splunk.json["settings"] == {"token": "***"}
    assert (await patched(gateway, one["id"], type="other")).json["settings"] == {}


async def test_null_gives_the_default_back(gateway: Running) -> None:
    """For each field; a secret has none."""
    one = await made(
        gateway, profile="sha256", prefix="p", type_names="alias", headers={"X-A": "1"},
        auth={"type": "bearer", "token": "t"}, body_template="{}", include_raw=True,
        max_body_bytes=20_000, secret=LONG,
    )  # fmt: skip
    names = ["profile", "prefix", "type_names", "headers", "auth", "body_template", "include_raw",
             "max_body_bytes", "events"]  # fmt: skip
    cleared = await patched(gateway, one["id"], **dict.fromkeys(names))
    usual = await made(gateway)
    assert {name: cleared.json[name] for name in names} == {name: usual[name] for name in names}
    refused = await patched(gateway, one["id"], secret=None)
    assert (refused.status, pointers(refused)) == (422, ["/secret"])


# -- the gateway's defaults -----------------------------------------------------------------------


async def test_a_registration_written_for_another_sender_needs_no_extra_key(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """``{url, events, secret}``, where the operator has said what that sender's receivers want."""
    gateway = await start_gateway(default_destination="compat-event-id", default_prefix="acme")
    body = {"url": subscriber.url, "events": ["scan.completed", "ticketing.*"], "secret": LONG}
    answer = await gateway.api.post("/webhooks", body)
    assert answer.status == 201
    got = await received(gateway, subscriber)
    assert got.headers["x-acme-signature"] == digest(LONG, got.body)
    assert got.headers["x-acme-event"] == got.json["event_type"] == "ticketing.ticket.created"
    assert set(got.json) == {"event_id", "event_type", "timestamp", "data"}


async def test_a_later_default_changes_no_receiver(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """What was saved under the old one goes on as it was."""
    before = await start_gateway(default_profile="sha256", default_prefix="acme")
    old = await made(before, url=subscriber.url, secret=LONG)
    after = await start_gateway(default_profile="hex")
    shown = (await after.api.get(f"{PATH}/{old['id']}")).json
    assert (shown["profile"], shown["prefix"]) == ("sha256", "acme")
    assert (await made(after, secret=LONG))["profile"] == "hex"


async def test_a_default_destination_must_be_there(start_gateway: StartGateway) -> None:
    """Or every registration would fail."""
    with pytest.raises(SettingsError, match="ONEHOOK_DEFAULT_DESTINATION"):
        await start_gateway(default_destination="slak")


# -- secrets --------------------------------------------------------------------------------------


async def test_a_plain_secret_is_answered_as_libraries_take_it(
    gateway: Running, subscriber: Subscriber
) -> None:
    """``whsec_`` + base64 of its bytes, which verifies; elsewhere just as it was given."""
    answer = await made(gateway, url=subscriber.url, secret="plain words é of some length, 32+")
    assert answer["secret"] == make_secret("plain words é of some length, 32+".encode())
    got = await received(gateway, subscriber)
    Webhook(answer["secret"]).verify(got.body, dict(got.headers))
    assert (await made(gateway, secret="as given", profile="hex"))["secret"] == "as given"
    own = "whsec_" + "c2VjcmV0LW9mLXRoZS1zdWJzY3JpYmVy"
    assert (await made(gateway, secret=own))["secret"] == own
    assert (await made(gateway, profile="sha256"))["secret"].startswith("whsec_")


async def test_a_short_secret_is_taken_with_a_warning(gateway: Running) -> None:
    """At creation, in a PATCH and in a rotation."""
    one = await made(gateway, secret="short")
    assert [warning["pointer"] for warning in one["warnings"]] == ["/secret"]
    changed = await patched(gateway, one["id"], secret="short too")
    assert [warning["pointer"] for warning in changed.json["warnings"]] == ["/secret"]
    rotated = await gateway.api.post(f"{PATH}/{one['id']}/rotate-secret", {"secret": "s"})
    assert [warning["pointer"] for warning in rotated.json["warnings"]] == ["/secret"]
    assert "warnings" not in (await gateway.api.get(f"{PATH}/{one['id']}")).json
    assert "warnings" not in await made(gateway, secret=LONG, url=f"{URL}/other")


@pytest.mark.parametrize("path", ["/v1/subscriptions", "/v1/webhooks", "/webhooks"])
async def test_f9_rotation_signs_with_both_during_the_overlap(
    start_gateway: StartGateway, subscriber: Subscriber, path: str
) -> None:
    """24 hours by default, as the answer says; then the new one alone."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    old = await gateway.subscribe(subscriber)
    answer = (await gateway.api.post(f"{path}/{old['id']}/rotate-secret", {})).json
    assert answer["secret"].startswith("whsec_")
    assert answer["secret"] != old["secret"]
    assert answer["rotation"] == {"ends_at": "2026-11-23T12:00:00Z", "signs": "both"}

    got = await received(gateway, subscriber)
    assert got.headers["webhook-signature"].count("v1,") == 2
    clock.advance(timedelta(hours=24))
    got = await received(gateway, subscriber)
    assert got.headers["webhook-signature"].count("v1,") == 1
    shown = (await gateway.api.get(f"{PATH}/{old['id']}")).json
    assert (shown["rotation"], "secret" in shown) == (None, False)


async def test_rotation_of_the_others_changes_over(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """At once by default; with an overlap the old secret signs until it ends."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    one = await gateway.subscribe(subscriber, profile="sha256", secret=LONG)
    path = f"{PATH}/{one['id']}/rotate-secret"

    async def signer(*secrets: str) -> str:
        got = await received(gateway, subscriber)
        found = got.headers["x-onehook-signature"]
        return next(secret for secret in secrets if found == f"sha256={digest(secret, got.body)}")

    new, newer = LONG + "2", LONG + "3"
    at_once = (await gateway.api.post(path, {"secret": new})).json
    assert (at_once["secret"], at_once["rotation"]) == (new, None)
    assert await signer(LONG, new) == new
    later = (await gateway.api.post(path, {"secret": newer, "overlap": "1h"})).json
    assert later["rotation"] == {"ends_at": "2026-11-22T13:00:00Z", "signs": "old"}
    assert await signer(new, newer) == new
    clock.advance(timedelta(hours=1))
    assert await signer(new, newer) == newer


async def test_a_second_rotation_waits_for_the_first(gateway: Running) -> None:
    """It would cut the overlap short that somebody counts on; unless that is what is wanted."""
    one = await made(gateway)
    path = f"{PATH}/{one['id']}/rotate-secret"
    await gateway.api.post(path, {})
    again = await gateway.api.post(path, {})
    assert (again.status, again.json["code"]) == (409, "conflict")
    leaked = await gateway.api.post(path, {"overlap": "0s"})
    assert (leaked.status, leaked.json["rotation"]) == (200, None)
    assert (await gateway.api.post(path, {})).status == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"overlap": "31d"}, "/overlap"),
        ({"overlap": "10"}, "/overlap"),
        ({"secret": ""}, "/secret"),
        ({"secret": "whsec_%"}, "/secret"),
        ({"setting": "secret"}, "/setting"),
    ],
)
async def test_a_rotation_that_cannot_be(
    gateway: Running, body: dict[str, Any], pointer: str
) -> None:
    """Nothing changes."""
    one = await made(gateway)
    answer = await gateway.api.post(f"{PATH}/{one['id']}/rotate-secret", body)
    assert (answer.status, pointers(answer)) == (422, [pointer])
    assert (await gateway.api.get(f"{PATH}/{one['id']}")).json["rotation"] is None


async def test_a_patched_secret_ends_a_rotation(gateway: Running, subscriber: Subscriber) -> None:
    """It replaces both."""
    one = await gateway.subscribe(subscriber)
    await gateway.api.post(f"{PATH}/{one['id']}/rotate-secret", {})
    changed = await patched(gateway, one["id"], secret=LONG)
    assert changed.json["rotation"] is None
    got = await received(gateway, subscriber)
    assert got.headers["webhook-signature"].count("v1,") == 1
    Webhook(make_secret(LONG.encode())).verify(got.body, dict(got.headers))


# -- what arrives ---------------------------------------------------------------------------------


async def test_f5_each_header_is_there_exactly_once(
    gateway: Running, subscriber: Subscriber
) -> None:
    """On the wire: those of the profile, of the subscription, of HTTP."""
    await gateway.subscribe(
        subscriber, profile="timestamped", prefix="acme", secret=LONG,
        headers={"X-API-Key": "k-1"}, auth={"type": "basic", "username": "u", "password": "p"},
    )  # fmt: skip
    got = await received(gateway, subscriber)
    names = [name.decode().lower() for name, _ in got.raw_headers]
    assert len(names) == len(set(names))
    assert set(names) == {
        "host", "content-length", "content-type", "user-agent", "webhook-id", "authorization",
        "x-api-key", "x-onehook-event", "x-onehook-delivery", "x-onehook-attempt", "x-acme-event",
        "x-acme-delivery", "x-acme-timestamp", "x-acme-signature",
    }  # fmt: skip
    assert (got.headers["x-api-key"], got.headers["authorization"]) == ("k-1", "Basic dTpw")


async def test_a_change_counts_from_the_next_attempt(
    gateway: Running, start_subscriber: StartSubscriber
) -> None:
    """G9: also for what is queued already."""
    subscriber = await start_subscriber()
    one = await gateway.subscribe(subscriber, secret=LONG)
    await gateway.api.post(f"{PATH}/{one['id']}/pause")
    sender = await gateway.integrate()
    await gateway.accept(sender, issue())
    await patched(
        gateway, one["id"], profile="hex", prefix="q", body_template='{"e": {{ event_id }}}'
    )
    await gateway.api.post(f"{PATH}/{one['id']}/resume")
    (got,) = await subscriber.wait()
    assert got.headers["x-q-signature"] == digest(LONG, got.body)
    assert got.json == {"e": got.id}


async def test_a_destination_that_is_gone_holds_what_it_is_owed(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Any
) -> None:
    """Its deliveries wait, and are made when its file is back."""
    folder = tmp_path / "destinations"
    folder.mkdir()
    file = folder / "own.yaml"
    text = 'onehook: destination/v1\nname: own\nbody: {id: "{{ event_id }}"}\n'
    file.write_text(text, encoding="utf-8")
    first = await start_gateway(destinations=folder)
    one = await first.subscribe(subscriber, destination="own")
    sender = await first.integrate()
    await first.runtime.stop()
    file.unlink()
    second = await start_gateway(destinations=folder)
    (event_id,) = await second.accept(sender, issue())
    assert (await second.delivery(event_id, one["id"]))["status"] == "pending"
    assert subscriber.received == []
    await second.runtime.stop()
    file.write_text(text, encoding="utf-8")
    third = await start_gateway(destinations=folder)
    await third.settled(event_id, one["id"], status="delivered")
    (got,) = subscriber.received
    assert got.json == {"id": event_id}


async def test_tickets_of_a_batch_have_ids_that_stay(
    start_gateway: StartGateway, subscriber: Subscriber, tmp_path: Any
) -> None:
    """UUIDs of compat-event-id are the event's own: another attempt, the same id."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    subscriber.script.append(Reply(500))
    one = await gateway.subscribe(subscriber, destination="compat-event-id", secret=LONG)
    sender = await gateway.integrate("acme")
    (event_id,) = await gateway.accept(sender, tickets("T-1"))
    await gateway.settled(event_id, one["id"])
    await gateway.age(one["id"], timedelta(seconds=3))
    first, second = await subscriber.wait(2)
    assert first.json["event_id"] == second.json["event_id"]
    assert first.headers["x-onehook-delivery"] == second.headers["x-onehook-delivery"]
    assert first.body == second.body


# -- every field has an effect --------------------------------------------------------------------

TOKEN = {"token": "tok-tok"}
EFFECTS: dict[str, tuple[dict[str, Any], Callable[[Received], bool]]] = {
    "nothing": ({}, lambda got: got.json["type"] == "security.scan.completed"),
    "destination": ({"destination": "compat-event-key"}, lambda got: "event" in got.json),
    "type": ({"type": "compat-event-key"}, lambda got: "event" in got.json),
    "settings": (
        {"destination": "splunk-hec", "settings": {**TOKEN, "index": "i"}},
        lambda got: got.json["index"] == "i" and got.headers["authorization"] == "Splunk tok-tok",
    ),
    "profile": ({"profile": "hex"}, lambda got: "x-onehook-signature" in got.headers),
    "prefix": ({"prefix": "acme"}, lambda got: "x-acme-event" in got.headers),
    "secret": (
        {"profile": "hex", "secret": LONG},
        lambda got: got.headers["x-onehook-signature"] == digest(LONG, got.body),
    ),
    "type_names": (
        {"type_names": "alias", "events": ["scan.completed"]},
        lambda got: got.json["type"] == got.headers["x-onehook-event"] == "scan.completed",
    ),
    "headers": ({"headers": {"X-A": "1"}}, lambda got: got.headers["x-a"] == "1"),
    "auth": (
        {"auth": {"type": "header", "name": "X-Key", "value": "k"}},
        lambda got: got.headers["x-key"] == "k",
    ),
    "body_template": ({"body_template": '{"a": 1}'}, lambda got: got.json == {"a": 1}),
    "include_raw": (
        {"include_raw": True}, lambda got: bool(got.json["data"]["raw"]["body"]),
    ),
    "max_body_bytes": (
        {"include_raw": True, "max_body_bytes": 16_384},
        lambda got: got.json["data"]["truncated"] == ["/raw/body"] and len(got.body) <= 16_384,
    ),
}  # fmt: skip


async def test_every_field_changes_what_arrives(gateway: Running, subscriber: Subscriber) -> None:
    """One event, a subscription for each field: none is taken and then ignored."""
    base = subscriber.url.removesuffix("/events")
    for name, (fields, _) in EFFECTS.items():
        await made(gateway, url=f"{base}/{name}", **fields)
    sender = await gateway.integrate("scan-results")
    scan = {"scanId": "s1", "status": "completed", "timestamp": "2026-11-22T10:15:00Z"}
    padded = json.dumps({**scan, "padding": "x" * 20_000}).encode()
    answer = await gateway.send(sender, Native({"Content-Type": "application/json"}, padded))
    assert answer.status == 200, answer.body
    found = {got.path[1:]: got for got in await subscriber.wait(len(EFFECTS))}
    assert set(found) == set(EFFECTS)
    usual = found["nothing"]
    for name, (_, holds) in EFFECTS.items():
        assert holds(found[name]), name
        if name != "nothing":
            with contextlib.suppress(KeyError):
                assert not holds(usual), name


def test_the_table_above_walks_every_field() -> None:
    """A field that says what a receiver gets needs a row."""
    assert set(OutletIn.model_fields) | {"secret", "nothing"} == set(EFFECTS)
