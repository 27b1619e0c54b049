"""The answer table of the ingest contract, and rows A1-A11, A13, A14 and B2 of the threats."""

import asyncio
import gzip
import hmac
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import msgspec
import pytest
from structlog.testing import capture_logs

from onehook.core import bodies, integration
from onehook.store.server import EmbeddedServer
from onehook.web.problems import KINDS
from tests.builders import (
    IMPATIENT,
    SECRET,
    Answer,
    Api,
    FixedClock,
    Native,
    Running,
    Subscriber,
    acme,
    github,
    issue,
    membership,
    sha256,
    tickets,
    until,
    write_acme,
)
from tests.conftest import StartGateway

SIGNATURE = "X-Hub-Signature-256"
SIGNING_TOKEN = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
async def acme_gateway(start_gateway: StartGateway, tmp_path: Path) -> Running:
    """A gateway that knows the platform of `ACME`."""
    return await start_gateway(mappings=write_acme(tmp_path / "mappings"))


async def assert_problem(gateway: Running, answer: Answer, status: int, code: str) -> None:
    """*answer* is a problem of that code, its members are those of RFC 9457, its page exists."""
    assert (answer.status, answer.media_type) == (status, "application/problem+json"), answer.body
    body = answer.json
    assert body["type"] == f"/problems/{code}"
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"] == KINDS[code].title
    assert body["detail"]
    assert SECRET not in answer.body.decode()
    page = await gateway.vendor.get(body["type"])
    assert page.status == 200
    assert code in page.body.decode()


# -- what is taken --------------------------------------------------------------------------------


async def test_accepted_is_202_with_ids_and_types(gateway: Running) -> None:
    """A committed webhook is answered 202 with the id and type of each event."""
    answer = await gateway.send(await gateway.integrate(), issue())

    assert (answer.status, answer.media_type) == (202, "application/json")
    (event,) = answer.json["events"]
    assert answer.json == {"status": "accepted", "events": [event]}
    assert event["type"] == "ticketing.ticket.created"
    assert event["id"].startswith("evt_")


async def test_accepted_event_is_in_the_store(gateway: Running) -> None:
    """What was answered 202 can be read back at once, without a subscriber."""
    (event_id,) = await gateway.accept(await gateway.integrate(), issue(number=7))

    found = await gateway.api.get(f"/v1/events/{event_id}")

    assert found.json["data"]["number"] == 7


async def test_accepted_by_the_integrations_own_key(gateway: Running) -> None:
    """The ingest URL also works with the key that the operator chose."""
    sender = await gateway.integrate(key="github-prod")
    answer = await gateway.vendor.call(
        "POST",
        "/ingest/github-prod",
        data=(native := issue()).body,
        headers=[*native.headers.items(), *gateway.proof(sender, native)],
    )

    assert answer.status == 202


async def test_accepted_with_query_parameters(gateway: Running) -> None:
    """Query parameters are tolerated."""
    sender, native = await gateway.integrate(), issue()
    headers = [*native.headers.items(), *gateway.proof(sender, native)]

    answer = await gateway.post(sender, native.body, headers, query="?source=vendor&x=1")

    assert answer.status == 202


async def test_one_webhook_becomes_several_events(acme_gateway: Running) -> None:
    """A batch gives an event for each item, with different ids."""
    sender = await acme_gateway.integrate("acme")

    ids = await acme_gateway.accept(sender, tickets("A-1", "A-2"))

    assert len(set(ids)) == 2


async def test_duplicate_is_200_with_the_same_events(gateway: Running) -> None:
    """The second time a webhook is answered 200 with the events of the first."""
    sender, native = await gateway.integrate(), issue()
    first = await gateway.send(sender, native)

    second = await gateway.send(sender, native)

    assert second.status == 200
    assert second.json == {"status": "duplicate", "events": first.json["events"]}


async def test_duplicate_is_not_delivered_again(gateway: Running, subscriber: Subscriber) -> None:
    """A duplicate reaches no subscriber; the next webhook does."""
    sender, native = await gateway.integrate(), issue(1)
    await gateway.subscribe(subscriber)
    (first,) = await gateway.accept(sender, native)
    await gateway.send(sender, native)
    (next_one,) = await gateway.accept(sender, issue(2))

    await subscriber.wait(2)

    assert sorted(subscriber.ids) == sorted([first, next_one])


async def test_ignored_is_202_with_its_reason_each_time(gateway: Running) -> None:
    """A ping is ignored with the mapping's reason, the same each time, and sets no marker."""
    sender = await gateway.integrate()
    ping = github("ping", {"zen": "Keep it logically awesome."}, "delivery-ping")
    before = await gateway.own_keys()

    answers = [await gateway.send(sender, ping) for _ in range(2)]

    assert [(a.status, a.json) for a in answers] == [
        (202, {"status": "ignored", "reason": "ping"})
    ] * 2
    assert await gateway.own_keys() == before


@pytest.mark.parametrize(
    ("native", "reason", "detail"),
    [
        (acme("unheard-of"), "no_rule", "unheard-of"),
        (tickets("1", "2", "3"), "mapping_error", "2"),
        (acme("tickets", tickets=[{"id": "1"}]), "schema_violation", "/data/title"),
        (
            Native({"Content-Type": "application/json"}, b'{"kind":\n  oops}'),
            "unparsable",
            "line 2, column 3",
        ),
        (Native({"Content-Type": "application/json"}, b""), "empty_body", "empty"),
    ],
    ids=["no_rule", "mapping_error", "schema_violation", "unparsable", "empty_body"],
)
async def test_quarantined_is_202_with_reason_and_place(
    acme_gateway: Running, native: Native, reason: str, detail: str
) -> None:
    """A verified webhook that cannot be normalized is kept; the answer says why and where."""
    sender = await acme_gateway.integrate("acme")

    answer = await acme_gateway.send(sender, native)

    assert answer.status == 202
    body = answer.json
    assert (body["status"], body["reason"]) == ("quarantined", reason)
    assert detail in body["detail"]
    kept = await acme_gateway.runtime.gateway.events.find_native(body["id"])
    assert kept is not None
    assert kept.webhook.body == native.body


async def test_quarantined_again_is_a_duplicate_with_its_id(acme_gateway: Running) -> None:
    """A quarantined webhook that comes again is answered 200 with the quarantine's id."""
    sender, native = await acme_gateway.integrate("acme"), acme("unheard-of")
    first = await acme_gateway.send(sender, native)

    second = await acme_gateway.send(sender, native)

    assert second.status == 200
    assert second.json == {"status": "duplicate", "events": [], "id": first.json["id"]}


async def test_part_of_a_batch_does_not_pass_for_all(acme_gateway: Running) -> None:
    """One item without a required field puts the whole webhook into quarantine."""
    sender = await acme_gateway.integrate("acme")
    batch = acme("tickets", tickets=[{"id": "1", "title": "fine"}, {"id": "2"}])

    answer = await acme_gateway.send(sender, batch)

    assert answer.json["reason"] == "schema_violation"
    assert (await acme_gateway.api.get("/v1/events")).json["data"] == []


# -- how bodies come ------------------------------------------------------------------------------


async def test_a5_form_body_is_verified_as_it_came(gateway: Running) -> None:
    """GitHub's form encoding is signed over the form and read from its field ``payload``."""
    sender, native = await gateway.integrate(), issue(number=5)
    form = Native(
        {**native.headers, "Content-Type": "application/x-www-form-urlencoded"},
        b"payload=" + quote_from_bytes(native.body, safe="").encode(),
    )

    (event_id,) = await gateway.accept(sender, form)

    assert (await gateway.api.get(f"/v1/events/{event_id}")).json["data"]["number"] == 5


async def test_a5_form_of_an_unsigned_payload_is_refused(gateway: Running) -> None:
    """A signature over the JSON inside the form is no signature over the form."""
    sender, native = await gateway.integrate(), issue()
    proof = gateway.proof(sender, native)
    form = b"payload=" + quote_from_bytes(native.body, safe="").encode()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-GitHub-Event", "issues"),
        *proof,
    ]

    answer = await gateway.post(sender, form, headers)

    await assert_problem(gateway, answer, 401, "signature_invalid")


async def test_a5_gzip_is_inflated_after_verification(gateway: Running) -> None:
    """A gzip body is verified as it came, then inflated; the native webhook stays compressed."""
    sender, native = await gateway.integrate(), issue(number=6)
    packed = Native({**native.headers, "Content-Encoding": "gzip"}, gzip.compress(native.body))

    (event_id,) = await gateway.accept(sender, packed)

    assert (await gateway.api.get(f"/v1/events/{event_id}")).json["data"]["number"] == 6
    kept = await gateway.api.get(f"/v1/events/{event_id}/native", format="json")
    assert kept.json["sha256"] == sha256(packed.body)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "application/cloudevents+json"],
)
async def test_json_types_are_taken(gateway: Running, content_type: str) -> None:
    """JSON is taken with parameters, in any case, and with a ``+json`` suffix."""
    sender = await gateway.integrate()

    await gateway.accept(sender, issue().with_headers(Content_Type=content_type))


@pytest.mark.parametrize("encoding", ["identity", ""])
async def test_no_encoding_may_be_said(gateway: Running, encoding: str) -> None:
    """A Content-Encoding that says none, or nothing, changes nothing."""
    sender = await gateway.integrate()

    await gateway.accept(sender, issue().with_headers(Content_Encoding=encoding))


async def test_unicode_and_escapes_survive(gateway: Running) -> None:
    """Text beyond ASCII arrives as it was sent."""
    sender = await gateway.integrate()
    native = issue()
    title = 'Zażółć "gęślą" 🦊 \\ \u2028 <b>'
    body = msgspec.json.decode(native.body)
    body["issue"]["title"] = title

    (event_id,) = await gateway.accept(sender, github("issues", body))

    assert (await gateway.api.get(f"/v1/events/{event_id}")).json["data"]["title"] == title


# -- handshakes -----------------------------------------------------------------------------------


async def test_a14_handshake_by_header_echoes_into_json(acme_gateway: Running) -> None:
    """A challenge in a header of a GET comes back inside JSON, markup inert, with nosniff."""
    sender = await acme_gateway.integrate("acme")
    challenge = '<script>alert("x")</script>'

    answer = await acme_gateway.vendor.call(
        "GET", sender.path, headers={"X-Acme-Challenge": challenge}
    )

    assert (answer.status, answer.media_type) == (200, "application/json")
    assert answer.json == {"challenge": challenge}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a14_handshake_by_query_is_plain_text(acme_gateway: Running) -> None:
    """A token in the query comes back percent-decoded as plain text, with nosniff, unverified."""
    sender = await acme_gateway.integrate("acme")
    token = "<b>a token & more</b>"

    answer = await acme_gateway.post(sender, b"", [], query="?validationToken=" + quote(token))

    assert (answer.status, answer.media_type) == (200, "text/plain")
    assert answer.body.decode() == token
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("token", ["a\r\nb", "x" * 5000, "\x00"], ids=["lines", "long", "nul"])
async def test_a14_harmful_challenge_is_not_echoed(acme_gateway: Running, token: str) -> None:
    """Control characters and very long values are never given back."""
    sender = await acme_gateway.integrate("acme")

    answer = await acme_gateway.post(sender, b"", [], query="?validationToken=" + quote(token))

    await assert_problem(acme_gateway, answer, 401, "signature_missing")
    assert token.encode() not in answer.body


async def test_verified_handshake_echoes_only_what_is_signed(acme_gateway: Running) -> None:
    """A challenge in the body is answered if it is signed, and refused with 401 if it is not."""
    sender, hello = await acme_gateway.integrate("acme"), acme("hello", challenge="c-42")

    signed = await acme_gateway.send(sender, hello)
    forged = await acme_gateway.post(
        sender, hello.body, [*hello.headers.items(), ("X-Acme-Signature", "sha256=" + "0" * 64)]
    )

    assert (signed.status, signed.body, signed.media_type) == (200, b"c-42", "text/plain")
    await assert_problem(acme_gateway, forged, 401, "signature_invalid")
    assert b"c-42" not in forged.body


async def test_empty_probe_is_answered_once_verified(acme_gateway: Running) -> None:
    """An empty probe needs no content type; the mapping says what it is answered with."""
    sender = await acme_gateway.integrate("acme")
    probe = Native({"X-Acme-Probe": "1"}, b"")

    answer = await acme_gateway.send(sender, probe)

    assert (answer.status, answer.body) == (204, b"")


async def test_a14_no_handshake_where_no_mapping_declares_one(gateway: Running) -> None:
    """A platform without a handshake echoes nothing: GET is 405, a token in the query 401."""
    sender = await gateway.integrate()

    got = await gateway.vendor.call("GET", sender.path, headers={"X-Acme-Challenge": "c-42"})
    posted = await gateway.post(sender, b"", [], query="?validationToken=c-42")

    await assert_problem(gateway, got, 405, "method_not_allowed")
    await assert_problem(gateway, posted, 401, "signature_missing")
    assert b"c-42" not in got.body + posted.body


async def test_handshakes_leave_nothing_behind(acme_gateway: Running) -> None:
    """No handshake writes a key."""
    sender = await acme_gateway.integrate("acme")
    before = await acme_gateway.own_keys()

    await acme_gateway.post(sender, b"", [], query="?validationToken=t")
    await acme_gateway.send(sender, acme("hello", challenge="c"))

    assert await acme_gateway.own_keys() == before


# -- what is refused ------------------------------------------------------------------------------


def with_signature(*lines: str) -> list[tuple[str, str]]:
    """Headers of an issue with these lines of signature."""
    return [
        ("Content-Type", "application/json"),
        ("X-GitHub-Event", "issues"),
        *((SIGNATURE, line) for line in lines),
    ]


GOOD = "sha256=" + "ab" * 32
A1_A4 = {
    "a1_missing": ([], "signature_missing"),
    "a1_empty": ([""], "signature_missing"),
    "a1_twice": ([GOOD, GOOD], "signature_ambiguous"),
    "a3_sha1": (["sha1=" + "ab" * 20], "signature_invalid"),
    "a4_wrong": ([GOOD], "signature_invalid"),
    "a4_short": (["sha256=abcd"], "signature_invalid"),
    "a4_long": ([GOOD + "ab"], "signature_invalid"),
    "a4_no_prefix": (["ab" * 32], "signature_invalid"),
    "a4_not_hex": (["sha256=" + "zz" * 32], "signature_invalid"),
    "a4_spaces": (["sha256= " + "ab" * 32], "signature_invalid"),
    "a4_non_ascii": (["sha256=" + "é" * 64], "signature_invalid"),
}


@pytest.mark.parametrize(("lines", "code"), A1_A4.values(), ids=A1_A4)
async def test_a1_a4_forged_is_401_and_leaves_nothing(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, lines: list[str], code: str
) -> None:
    """Without the right signature: 401, no key written, the body never parsed."""
    sender, native = await gateway.integrate(), issue()

    def parsed(*_: object) -> None:
        pytest.fail("the body of a forged webhook was parsed")

    monkeypatch.setattr(integration, "parse_body", parsed)
    monkeypatch.setattr(bodies, "decode", parsed)
    before = await gateway.dbsize()

    answer = await gateway.post(sender, native.body, with_signature(*lines))

    await assert_problem(gateway, answer, 401, code)
    assert await gateway.dbsize() == before


async def test_a1_unsigned_test_post_says_what_is_missing(gateway: Running) -> None:
    """An unsigned POST is told that the URL is right and which header is missing."""
    sender = await gateway.integrate()

    answer = await gateway.post(sender, b"{}", [("Content-Type", "application/json")])

    await assert_problem(gateway, answer, 401, "signature_missing")
    assert SIGNATURE in answer.json["detail"]
    assert "URL is right" in answer.json["detail"]


async def test_a1_list_format_with_two_wrong_lines_is_invalid(gateway: Running) -> None:
    """Where a header is a list, its lines are one list: two wrong ones are not ambiguous."""
    sender = await gateway.integrate("pagerduty")
    headers = [("X-PagerDuty-Signature", "v1=" + digit * 64) for digit in "ab"]

    answer = await gateway.post(sender, b"{}", [("Content-Type", "application/json"), *headers])

    await assert_problem(gateway, answer, 401, "signature_invalid")


async def test_a3_correct_sha1_is_refused(gateway: Running) -> None:
    """The older SHA-1 header, though it fits, proves nothing to a SHA-256 platform."""
    sender, native = await gateway.integrate(), issue()
    sha1 = hmac.digest(SECRET.encode(), native.body, "sha1").hex()
    headers = [*native.headers.items(), ("X-Hub-Signature", f"sha1={sha1}")]

    answer = await gateway.post(sender, native.body, headers)

    await assert_problem(gateway, answer, 401, "signature_missing")


async def test_a4_upper_case_hex_is_accepted(gateway: Running) -> None:
    """The digest may be written in upper case."""
    sender, native = await gateway.integrate(), issue()
    ((name, value),) = gateway.proof(sender, native)
    upper = "sha256=" + value.removeprefix("sha256=").upper()

    answer = await gateway.post(sender, native.body, [*native.headers.items(), (name, upper)])

    assert answer.status == 202


async def test_a5_one_flipped_bit_is_401_and_leaves_nothing(gateway: Running) -> None:
    """A body with one bit flipped, anywhere, is refused and writes no key."""
    sender = await gateway.integrate()
    native = github("issues", b'{"action":"opened"}')
    headers = [*native.headers.items(), *gateway.proof(sender, native)]
    before = await gateway.dbsize()

    flipped = [
        native.body[:at] + bytes([native.body[at] ^ 1 << at % 8]) + native.body[at + 1 :]
        for at in range(len(native.body))
    ]
    answers = [await gateway.post(sender, body, headers) for body in flipped]

    assert {answer.status for answer in answers} == {401}
    assert {answer.json["code"] for answer in answers} == {"signature_invalid"}
    assert await gateway.dbsize() == before


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-299, 202), (299, 202), (301, 401)])
async def test_a7_signed_time_holds_five_minutes(
    start_gateway: StartGateway, seconds: int, status: int
) -> None:
    """A signed timestamp more than 300 s off, in either direction, is refused."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate("gitlab", settings={"signing_token": SIGNING_TOKEN})
    native = Native({"Content-Type": "application/json", "webhook-id": "msg-1"}, b'{"a":1}')
    proof = gateway.proof(sender, native)
    clock.advance(timedelta(seconds=seconds))

    answer = await gateway.post(sender, native.body, [*native.headers.items(), *proof])

    assert answer.status == status
    if status == 401:
        await assert_problem(gateway, answer, 401, "timestamp_out_of_range")


async def test_a7_replay_inside_the_window_is_a_duplicate(start_gateway: StartGateway) -> None:
    """An old request sent again within five minutes is answered with the first one's id."""
    clock = FixedClock()
    gateway = await start_gateway(clock=clock)
    sender = await gateway.integrate("gitlab", settings={"signing_token": SIGNING_TOKEN})
    native = Native({"Content-Type": "application/json", "webhook-id": "msg-1"}, b'{"a":1}')
    headers = [*native.headers.items(), *gateway.proof(sender, native)]
    first = await gateway.post(sender, native.body, headers)
    clock.advance(timedelta(seconds=299))

    second = await gateway.post(sender, native.body, headers)

    assert (second.status, second.json["id"]) == (200, first.json["id"])


async def test_a8_replay_under_new_ids_is_one_event(
    gateway: Running, subscriber: Subscriber
) -> None:
    """The same signed body under 100 delivery ids is one event, delivered once."""
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    (event_id,) = await gateway.accept(sender, issue(1, "delivery-0"))

    answers = [await gateway.send(sender, issue(1, f"delivery-{n}")) for n in range(1, 100)]

    assert {answer.status for answer in answers} == {200}
    assert {answer.json["events"][0]["id"] for answer in answers} == {event_id}
    assert len((await gateway.api.get("/v1/events")).json["data"]) == 1
    await gateway.settled(event_id, subscription["id"], status="delivered")
    assert subscriber.ids == [event_id]


async def test_a8_repeatable_webhooks_may_come_again(gateway: Running) -> None:
    """Bytes that may rightly come again are news under a new id, and a duplicate under the old."""
    sender = await gateway.integrate()

    (first,) = await gateway.accept(sender, membership("delivery-1"))
    (second,) = await gateway.accept(sender, membership("delivery-2"))
    again = await gateway.send(sender, membership("delivery-1"))

    assert first != second
    assert (again.status, again.json["events"][0]["id"]) == (200, first)


async def test_a8_shared_token_signs_no_bytes(gateway: Running) -> None:
    """Where the proof is a token, equal bytes under another id are another webhook."""
    sender = await gateway.integrate("gitlab")
    body = b'{"object_kind":"push"}'
    natives = [
        Native({"Content-Type": "application/json", "Idempotency-Key": f"key-{n}"}, body)
        for n in (1, 2)
    ]

    answers = [await gateway.send(sender, native) for native in natives]

    assert [answer.status for answer in answers] == [202, 202]


@pytest.mark.parametrize(
    "text",
    ["١٢٣", "1_0", "+1", " 1", "1" * 5000, "", "1e9", "-1"],
    ids=["arabic", "underscore", "plus", "space", "5000 digits", "empty", "exponent", "minus"],
)
async def test_a9_timestamps_are_ascii_digits(gateway: Running, text: str) -> None:
    """A timestamp that is not ASCII digits is 401, even with a signature that covers it."""
    sender = await gateway.integrate("gitlab", settings={"signing_token": SIGNING_TOKEN})
    native = Native(
        {"Content-Type": "application/json", "webhook-id": "m", "webhook-timestamp": text}, b"{}"
    )
    headers = list(native.headers.items())
    if text:
        headers += gateway.proof(sender, native)

    answer = await gateway.post(sender, native.body, headers)

    assert answer.status == 401
    assert answer.media_type == "application/problem+json"


async def test_a10_of_two_bodies_with_one_id_the_first_wins(gateway: Running) -> None:
    """A second body under the same delivery id is answered with the first's event, and logged."""
    sender = await gateway.integrate()
    (first,) = await gateway.accept(sender, issue(1, "delivery-1"))

    with capture_logs() as logs:
        second = await gateway.send(sender, issue(2, "delivery-1"))

    assert (second.status, second.json["events"][0]["id"]) == (200, first)
    assert (await gateway.api.get(f"/v1/events/{first}")).json["data"]["number"] == 1
    assert any("delivery_id_conflict" in line["event"] for line in logs)


async def test_a13_unknown_and_disabled_are_identical(gateway: Running) -> None:
    """Nobody can tell an integration that was switched off from one that never was."""
    sender = await gateway.integrate()
    await gateway.api.patch(f"/v1/integrations/{sender.id}", {"active": False})
    unknown = replace(sender, path="/ingest/int_00000000000000000000000000")

    answers = [await gateway.send(one, issue()) for one in (sender, unknown)]

    for answer in answers:
        await assert_problem(gateway, answer, 404, "integration_not_found")
    assert answers[0].body == answers[1].body
    assert set(answers[0].headers) == set(answers[1].headers)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_405_with_allow(gateway: Running, method: str) -> None:
    """A method that is not taken is 405 and the Allow header names what is."""
    sender = await gateway.integrate()

    answer = await gateway.vendor.call(method, sender.path)

    await assert_problem(gateway, answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


async def test_allow_names_the_handshakes_method(acme_gateway: Running) -> None:
    """Where a handshake comes by GET, Allow names GET as well."""
    sender = await acme_gateway.integrate("acme")

    answer = await acme_gateway.vendor.call("PUT", sender.path)

    assert {m.strip() for m in answer.headers["Allow"].split(",")} == {"GET", "POST"}


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/xml"])
async def test_other_types_are_415(gateway: Running, content_type: str) -> None:
    """A verified body of a type that no vendor sends is 415."""
    native = issue().with_headers(Content_Type=content_type)

    answer = await gateway.send(await gateway.integrate(), native)

    await assert_problem(gateway, answer, 415, "media_type_unsupported")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
async def test_b2_other_encodings_are_415(gateway: Running, encoding: str) -> None:
    """Any content encoding but one gzip is 415."""
    native = issue().with_headers(Content_Encoding=encoding)

    answer = await gateway.send(await gateway.integrate(), native)

    await assert_problem(gateway, answer, 415, "encoding_unsupported")


BROKEN_GZIP = {
    "no gzip": b"this is no gzip",
    "cut": gzip.compress(issue().body)[:-9],
    "wrong sum": gzip.compress(issue().body)[:-8] + b"12345678",
    "raw deflate": zlib.compress(issue().body),
}


@pytest.mark.parametrize("body", BROKEN_GZIP.values(), ids=BROKEN_GZIP)
async def test_b2_broken_gzip_is_400(gateway: Running, body: bytes) -> None:
    """A signed body that says gzip and is none is 400, never 500."""
    native = Native(issue().with_headers(Content_Encoding="gzip").headers, body)

    answer = await gateway.send(await gateway.integrate(), native)

    await assert_problem(gateway, answer, 400, "body_invalid")


async def test_b2_inflated_beyond_the_cap_is_413(start_gateway: StartGateway) -> None:
    """A small body that inflates beyond ONEHOOK_MAX_BODY is 413."""
    gateway = await start_gateway(max_body="64KiB")
    bomb = gzip.compress(b'{"a":"' + b"a" * 1_000_000 + b'"}')
    native = Native(issue().with_headers(Content_Encoding="gzip").headers, bomb)

    answer = await gateway.send(await gateway.integrate(), native)

    await assert_problem(gateway, answer, 413, "body_too_large")


async def test_b2_members_of_a_gzip_are_one_body(gateway: Running) -> None:
    """A gzip of several members (RFC 1952 §2.2) is inflated whole, never cut after the first."""
    sender, native = await gateway.integrate(), issue(number=8)
    half = len(native.body) // 2
    packed = gzip.compress(native.body[:half]) + gzip.compress(native.body[half:])

    (event_id,) = await gateway.accept(
        sender, Native({**native.headers, "Content-Encoding": "gzip"}, packed)
    )

    assert (await gateway.api.get(f"/v1/events/{event_id}")).json["data"]["number"] == 8


# -- 503 ------------------------------------------------------------------------------------------


async def test_store_away_is_503_within_the_vendors_patience(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """While the store is away a webhook waits as long as its mapping says, then 503; never 202."""
    server = EmbeddedServer(tmp_path / "own", maxmemory=64 << 20)
    try:
        gateway = await start_gateway(
            redis_url=await server.start(), mappings=write_acme(tmp_path / "mappings", IMPATIENT)
        )
        sender = await gateway.integrate("acme")
        await server.stop()
        loop = asyncio.get_running_loop()
        begun = loop.time()

        answer = await gateway.send(sender, tickets("A-1"))

        assert 1 <= loop.time() - begun < 4
        await assert_problem(gateway, answer, 503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        await server.stop()


async def test_store_back_in_time_is_accepted_once(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A webhook that comes while the store restarts is accepted when it is back, once."""
    server = EmbeddedServer(tmp_path / "own", maxmemory=64 << 20)
    try:
        gateway = await start_gateway(redis_url=await server.start())
        sender, native = await gateway.integrate(), issue()
        await server.stop()
        waiting = asyncio.create_task(gateway.send(sender, native))
        await until(lambda: gateway.runtime.committer._batcher._waiting > 0)
        await server.start()

        first = await waiting
        second = await gateway.send(sender, native)

        assert (first.status, second.status) == (202, 200)
        assert first.json["events"] == second.json["events"]
    finally:
        await server.stop()


async def test_hanging_store_is_503_within_the_vendors_patience(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A store that hangs instead of refusing does not use up more than the vendor's patience."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings", IMPATIENT))
    sender = await gateway.integrate("acme")
    loop = asyncio.get_running_loop()
    await gateway.store.execute_command("CLIENT", "PAUSE", 3000, "ALL")
    begun = loop.time()

    answer = await gateway.send(sender, tickets("A-1"))

    assert answer.status == 503
    assert loop.time() - begun < 2


async def test_b7_more_waiting_than_allowed_is_503_overloaded(
    start_gateway: StartGateway,
) -> None:
    """What would exceed the bytes that may wait is 503 ``overloaded`` with Retry-After."""
    gateway = await start_gateway(max_waiting="1kB")

    answer = await gateway.send(await gateway.integrate(), issue())

    await assert_problem(gateway, answer, 503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0


async def test_d9_full_store_is_503_store_full(start_gateway: StartGateway, tmp_path: Path) -> None:
    """A store at its memory limit is 503 ``store_full``; it takes webhooks again afterwards."""
    server = EmbeddedServer(tmp_path / "own", maxmemory=64 << 20)
    try:
        gateway = await start_gateway(redis_url=await server.start())
        sender = await gateway.integrate()
        await gateway.store.execute_command("CONFIG", "SET", "maxmemory", 1)

        answer = await gateway.send(sender, issue(1))

        await assert_problem(gateway, answer, 503, "store_full")
        await gateway.store.execute_command("CONFIG", "SET", "maxmemory", 0)
        await gateway.accept(sender, issue(1))
    finally:
        await server.stop()


@pytest.mark.parametrize("secret", [None, "", "short"])
async def test_a2_integration_without_usable_secret_is_503(
    gateway: Running, secret: str | None
) -> None:
    """An integration that lies in the store without a usable secret accepts nothing."""
    sender = await gateway.integrate()
    registry = gateway.runtime.gateway.registry
    record = registry.snapshot.integrations[sender.id]
    sealed = [] if secret is None else [registry.sealer.seal(record.id, secret)]
    kind = type(next(iter(record.secrets["secret"])))
    broken = msgspec.structs.replace(record, secrets={"secret": [kind(s) for s in sealed]})
    await registry.whole.save("integrations", broken)

    unsigned = await gateway.post(sender, b"{}", [("Content-Type", "application/json")])
    signed = await gateway.send(sender, issue())

    await assert_problem(gateway, unsigned, 503, "integration_misconfigured")
    await assert_problem(gateway, signed, 503, "integration_misconfigured")
    assert [answer.headers["Retry-After"] for answer in (unsigned, signed)] == ["60", "60"]


async def test_verify_none_takes_what_arrives(gateway: Running) -> None:
    """An integration that says ``verify: none`` in as many words takes unsigned webhooks."""
    sender, native = await gateway.integrate(verify="none"), issue()

    answer = await gateway.post(sender, native.body, native.headers.items())

    assert answer.status == 202


# -- what it leaves -------------------------------------------------------------------------------


async def test_rejections_are_counted_by_reason(gateway: Running) -> None:
    """Each refusal is counted by integration and reason."""
    sender = await gateway.integrate()
    await gateway.post(sender, b"{}", [("Content-Type", "application/json")])

    metrics = (await gateway.api.get("/metrics")).body.decode()

    line = f'onehook_ingest_rejected_total{{integration="{sender.id}",reason="signature_missing"}}'
    assert f"{line} 1.0" in metrics


async def test_c5_no_answer_or_log_shows_a_secret(gateway: Running) -> None:
    """Neither the answers nor the logs of accepted and refused webhooks hold the secret."""
    with capture_logs() as logs:
        sender, native = await gateway.integrate(), issue()
        answers = [
            await gateway.send(sender, native),
            await gateway.post(sender, b"{}", with_signature(GOOD)),
        ]

    shown = str(logs) + "".join(a.body.decode() + str(a.headers) for a in answers)
    assert SECRET not in shown
    assert native.body.decode()[:200] not in shown


async def test_unknown_integration_needs_no_body(gateway: Running) -> None:
    """A path that never was is 404 with its own code, by any client."""
    async with Api(gateway.url, None).session as session, session.post("/ingest/int_x") as answer:
        assert answer.status == 404
        assert (await answer.json(content_type=None))["code"] == "integration_not_found"
