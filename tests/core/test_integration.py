"""An integration at work: what it verifies, normalizes, keeps, and how it may be set up."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from onehook.core.identity import digest
from onehook.core.integration import (
    REDACTED,
    ActiveSecret,
    Integration,
    Normalized,
    check_settings,
)
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.signatures import Unsigned, sign
from onehook.errors import ConfigurationError, InvalidRequestError, SignatureError
from tests.core.mapping.building import compiled

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY, OLD = b"current-secret", b"previous-secret"
ACME = """
onehook: mapping/v1
platform: acme
version: "1.0.0"
settings:
  secret: {secret: true, required: true, help: The webhook's secret}
  token: {secret: true}
  site: {help: The site}
  proof: {choices: [hmac, token]}
verify:
  any_of:
    - {scheme: hmac, header: X-Sig, secret: {setting: secret}, when: {setting.proof: [hmac, null]}}
    - scheme: shared_token
      header: X-Token
      secret: {setting: token}
      when: {setting.proof: token}
dedupe: {key: [{header: X-Id}], repeatable: [{$.kind: member}]}
host: {setting: site}
rules:
  - id: made
    when: {$.kind: [made, member]}
    emit: ticketing.ticket.created
    data: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: {const: todo}}
ignore: [{when: {$.kind: ping}, reason: ping}]
"""


def mapping() -> CompiledMapping:
    """The platform's mapping."""
    return compiled(ACME)


def integration(
    *secrets: ActiveSecret,
    unsigned: bool = False,
    settings: dict[str, str] | None = None,
) -> Integration:
    """An integration with these secrets; the current one if none is said."""
    info = IntegrationInfo(IntegrationId("int_a"), "acme", "Acme", settings or {})
    some = {"secret": list(secrets or (ActiveSecret(KEY),))}
    return Integration(info, mapping(), some, unsigned=unsigned, active=True)


def webhook(body: JsonValue | bytes = None, key: bytes | None = KEY, **headers: str) -> Webhook:
    """A webhook signed with *key*; without one, not at all."""
    raw = body if isinstance(body, bytes) else encode(body)
    pairs = [("content-type", "application/json"), ("x-id", "d-1")]
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    plain = Webhook(Headers(pairs), raw, NOW)
    if key is None:
        return plain
    added = sign(mapping().verify.scheme({}), plain, {"secret": [key]}, {}, NOW)
    return replace(plain, headers=Headers([*pairs, *added]))


def normalized(body: JsonValue | bytes, **headers: str) -> Normalized:
    """What the pure steps make of *body*."""
    return integration().normalize(webhook(body, **headers), 10_000)


# -- verify ----------------------------------------------------------------------------------------


def test_a_webhook_of_the_vendor_s_is_verified() -> None:
    """And one byte more is not."""
    integration().verify(webhook({"id": "1"}), NOW)
    with pytest.raises(SignatureError):
        integration().verify(replace(webhook({"id": "1"}), body=b'{"id":"1"} '), NOW)


def test_a11_an_older_secret_holds_until_it_expires() -> None:
    """So that one can be rotated without a gap."""
    both = integration(ActiveSecret(KEY), ActiveSecret(OLD, NOW + timedelta(hours=1)))
    for key in (KEY, OLD):
        both.verify(webhook({}, key), NOW)
    both.verify(webhook({}, KEY), NOW + timedelta(hours=1))
    with pytest.raises(SignatureError):
        both.verify(webhook({}, OLD), NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "secrets", [[ActiveSecret(b"")], [ActiveSecret(b"short")], [ActiveSecret(b"changeme")]]
)
def test_a2_an_integration_without_a_usable_secret_verifies_nothing(
    secrets: list[ActiveSecret],
) -> None:
    """503 ``integration_misconfigured``: never taken unsigned."""
    broken = integration(*secrets)
    assert broken.scheme is None
    with pytest.raises(ConfigurationError) as caught:
        broken.verify(webhook({}, None), NOW)
    assert (caught.value.code, caught.value.status) == ("integration_misconfigured", 503)


def test_a_secret_of_no_setting_is_none() -> None:
    """A choice of proofs that the settings leave empty is misconfigured too."""
    assert integration(settings={"proof": "token"}).scheme is None


def test_unsigned_is_the_operator_s_own_word() -> None:
    """Then everything is taken."""
    open_ = integration(unsigned=True)
    assert isinstance(open_.scheme, Unsigned)
    open_.verify(webhook({}, None), NOW)


# -- normalize -------------------------------------------------------------------------------------


def test_a_webhook_becomes_events_under_its_dedupe_parts() -> None:
    """With the digest of its body, and that of what was signed."""
    found = normalized({"kind": "made", "id": "1"})
    assert isinstance(found.outcome, Emitted)
    assert [event.type for event in found.outcome.events] == ["ticketing.ticket.created"]
    assert found.parts == ("d-1",)
    assert found.body_digest == digest(b'{"kind":"made","id":"1"}')
    assert found.signed is not None


def test_a8_what_was_signed_is_the_second_marker() -> None:
    """The same body under another unsigned delivery id has the same one; a repeatable has none."""
    first, second = (normalized({"kind": "made", "id": "1"}, x_id=n) for n in ("a", "b"))
    assert first.signed == second.signed is not None
    assert normalized({"kind": "member", "id": "1"}).signed is None


def test_an_unsigned_integration_has_no_second_marker_of_a_signature() -> None:
    """There was none."""
    found = integration(unsigned=True).normalize(webhook({"kind": "made", "id": "1"}, None), 10_000)
    assert found.signed is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"kind": "ping"}, Ignored("ping")),
        (b"no json", "unparsable"),
        (b"", "empty_body"),
        ({"kind": "other"}, "no_rule"),
        ({"kind": "made"}, "schema_violation"),
        ([1], "no_rule"),
        (None, "no_rule"),
    ],
)
def test_m1_whatever_cannot_be_an_event_is_ignored_or_quarantined(
    body: JsonValue | bytes, expected: object
) -> None:
    """It was verified, so it is kept; nothing raises."""
    outcome = normalized(body).outcome
    if isinstance(expected, str):
        assert isinstance(outcome, Quarantined)
        assert outcome.reason == expected
    else:
        assert outcome == expected


def test_an_unparsable_webhook_still_has_its_header_s_dedupe_key() -> None:
    """So that a redelivery is known even if it cannot be read."""
    assert normalized(b"no json").parts == ("d-1",)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content_type": "text/plain"}, 415), ({"content_encoding": "br"}, 415),
     ({"content_encoding": "gzip"}, 400)],
)  # fmt: skip
def test_what_http_itself_refuses_is_no_quarantine(headers: dict[str, str], status: int) -> None:
    """The sender is told, as it has to change something."""
    pairs = {"content-type": "application/json"}
    pairs |= {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(InvalidRequestError) as caught:
        integration().normalize(Webhook(Headers(pairs.items()), b"{}", NOW), 10_000)
    assert caught.value.status == status


# -- kept headers ----------------------------------------------------------------------------------


def test_c5_proofs_are_blanked_in_what_is_kept() -> None:
    """Signatures, tokens, cookies and authorization; the rest is kept as it came."""
    sent = webhook({}, x_token="t", authorization="Bearer x", cookie="c", user_agent="Acme/1")
    kept = dict(integration().kept_headers(sent))
    assert kept["x-sig"] == kept["authorization"] == kept["cookie"] == REDACTED
    assert (kept["user-agent"], kept["x-id"]) == ("Acme/1", "d-1")
    by_token = Integration(
        IntegrationInfo(IntegrationId("int_a"), "acme", "Acme", {"proof": "token"}),
        mapping(),
        {"token": [ActiveSecret(KEY)]},
        unsigned=False,
        active=True,
    )
    assert dict(by_token.kept_headers(sent))["x-token"] == REDACTED


# -- check_settings --------------------------------------------------------------------------------


def refused(
    settings: dict[str, str], secrets: dict[str, bytes], *, unsigned: bool = False
) -> list[str]:
    """The pointers of what is wrong; empty if it may be saved."""
    try:
        check_settings(mapping(), settings, secrets, unsigned=unsigned)
    except InvalidRequestError as error:
        return [found.pointer for found in error.errors]
    return []


@pytest.mark.parametrize(
    ("settings", "secrets", "unsigned", "pointers"),
    [
        ({}, {"secret": KEY}, False, []),
        ({"site": "a.example", "proof": "hmac"}, {"secret": KEY}, False, []),
        ({}, {}, False, ["/secret"]),
        ({}, {}, True, []),
        ({}, {"secret": b"short"}, False, ["/secret"]),
        ({}, {"secret": b"changeme"}, False, ["/secret"]),
        ({}, {"secret": b""}, False, ["/secret"]),
        ({"sight": "x"}, {"secret": KEY}, False, ["/settings/sight"]),
        ({"proof": "none"}, {"secret": KEY}, False, ["/settings/proof"]),
        ({"proof": "token"}, {"secret": KEY, "token": b"long-enough"}, False, []),
        (
            {"sight": "x", "proof": "none"},
            {},
            False,
            ["/settings/sight", "/secret", "/settings/proof"],
        ),
    ],
)  # fmt: skip
def test_a2_an_integration_that_could_never_verify_is_refused_at_save(
    settings: dict[str, str], secrets: dict[str, bytes], *, unsigned: bool, pointers: list[str]
) -> None:
    """422 with a pointer for each thing wrong; unsigned only if the operator says so."""
    assert refused(settings, secrets, unsigned=unsigned) == pointers


def test_a_proof_whose_secret_is_missing_is_refused_at_save() -> None:
    """The settings chose a token, and there is none."""
    assert refused({"proof": "token"}, {"secret": KEY}) != []


def test_a_platform_that_signs_nothing_must_be_called_so() -> None:
    """``verify: none`` of the mapping is not enough: the integration says it too."""
    text = "onehook: mapping/v1\nplatform: acme\nversion: '1'\nverify: none\n"
    with pytest.raises(InvalidRequestError) as caught:
        check_settings(compiled(text), {}, {}, unsigned=False)
    assert [error.pointer for error in caught.value.errors] == ["/verify"]
    check_settings(compiled(text), {}, {}, unsigned=True)
