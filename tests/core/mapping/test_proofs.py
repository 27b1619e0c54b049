"""``verify``: what each line compiles to, and that it verifies what it should."""

from datetime import UTC, datetime, timedelta

import pytest

from onehook.core.model import Headers, Webhook
from onehook.core.signatures import (
    BODY,
    METHOD,
    TIMESTAMP,
    URL,
    Algorithm,
    AnyOf,
    Basic,
    BodyPath,
    Encoding,
    Header,
    HeaderPart,
    Hmac,
    KeyForm,
    List,
    Literal,
    Pairs,
    Plain,
    Query,
    Scheme,
    SharedToken,
    TimeFormat,
    Unsigned,
    configured,
    sign,
    verify,
)
from onehook.errors import SignatureError
from tests.core.mapping.building import HEAD, compiled

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SIGNED = HEAD.replace("verify: none\n", "")
SECRET = "secret: {setting: secret}"


def scheme(line: str, settings: dict[str, str] | None = None) -> Scheme:
    """The scheme that ``verify: line`` compiles to."""
    return compiled(f"{SIGNED}verify: {line}\n").verify.scheme(settings or {})


def hmac(rest: str = "") -> Hmac:
    """An hmac scheme with *rest* of its keys."""
    found = scheme(f"{{scheme: hmac, header: X-Sig, {SECRET}{rest}}}")
    assert isinstance(found, Hmac)
    return found


def test_what_an_hmac_does_not_say_has_a_default() -> None:
    """SHA-256 of the body as hex, nothing before it, the secret's own bytes as key."""
    found = hmac()
    assert (found.where, found.secret) == ((Header("X-Sig"),), "secret")
    assert (found.format, found.encodings) == (Plain(("",)), (Encoding.HEX,))
    assert (found.algorithm, found.content, found.timestamp) == (Algorithm.SHA256, (BODY,), None)
    assert (found.key, found.key_prefix) == (KeyForm.UTF8, "")


def test_every_key_of_an_hmac_comes_through() -> None:
    """docs/mappings.md, Proofs."""
    assert hmac(", prefix: 'sha256='").format == Plain(("sha256=",))
    assert hmac(", prefix: ['sha256=', '']").format == Plain(("sha256=", ""))
    assert hmac(", encoding: [base64, hex]").encodings == (Encoding.BASE64, Encoding.HEX)
    assert hmac(", encoding: base64url").encodings == (Encoding.BASE64URL,)
    assert hmac(", algorithm: sha512").algorithm is Algorithm.SHA512
    assert hmac(", algorithm: sha1").algorithm is Algorithm.SHA1
    keyed = hmac(", key: base64, key_prefix: whsec_")
    assert (keyed.key, keyed.key_prefix) == (KeyForm.BASE64, "whsec_")
    listed = hmac(", format: {list: {separator: ',', tag: 'v1='}}")
    assert listed.format == List(",", "v1=")
    assert hmac(", format: {list: {separator: ' '}}").format == List(" ", "")


def test_the_signed_content_is_parts_and_literals() -> None:
    """Words name parts; any other text is a literal, and so is a dot."""
    found = hmac(
        ', content: [method, url, ".", {header: X-Id}, timestamp, "v0:", body],'
        " timestamp: {header: X-Time, format: epoch_ms, tolerance: 1m}"
    )
    assert found.content == (
        METHOD, URL, Literal(b"."), HeaderPart("X-Id"), TIMESTAMP, Literal(b"v0:"), BODY,
    )  # fmt: skip
    assert found.timestamp is not None
    assert found.timestamp.format is TimeFormat.EPOCH_MS
    assert found.timestamp.tolerance == timedelta(minutes=1)


def test_pairs_may_hold_the_timestamp() -> None:
    """Stripe's ``t=…,v1=…``; the names are the mapping's."""
    found = hmac(
        ", format: {pairs: {timestamp: t, signature: [v1, v0]}}, content: [timestamp, body],"
        " timestamp: {tolerance: 5m}"
    )
    assert found.format == Pairs(("v1", "v0"), "t", ",")


def test_several_headers_any_of_which_suffices() -> None:
    """And one whose name is the operator's."""
    found = scheme(f"{{scheme: hmac, header: [X-A, {{setting: header, default: X-B}}], {SECRET}}}")
    assert isinstance(found, Hmac)
    assert found.where == (Header("X-A"), Header("X-B", "header"))


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("header: X-Token", Header("X-Token")),
        ("query: token", Query("token")),
    ],
)
def test_a_shared_token_stands_in_a_header_or_the_query(line: str, where: object) -> None:
    """Compared as a whole, after its prefix."""
    found = scheme(f"{{scheme: shared_token, {line}, prefix: 'Bearer ', {SECRET}}}")
    assert found == SharedToken(where, "secret", ("Bearer ",))  # type: ignore[arg-type]


def test_a_shared_token_in_the_body_is_looked_for_in_every_item() -> None:
    """A batch of which one item lacks the token is not proven."""
    found = scheme(f'{{scheme: shared_token, body_path: "$[*].token", {SECRET}}}')
    assert isinstance(found, SharedToken)
    assert isinstance(found.where, BodyPath)
    assert found.where.text == "$[*].token"
    for body, good in ((b'[{"token":"tokentok"}]', True), (b'[{"token":"tokentok"},{}]', False)):
        webhook = Webhook(Headers([("content-type", "application/json")]), body, NOW)
        if good:
            verify(found, webhook, {"secret": [b"tokentok"]}, {}, NOW)
        else:
            with pytest.raises(SignatureError):
                verify(found, webhook, {"secret": [b"tokentok"]}, {}, NOW)


def test_basic_needs_a_user_name_and_a_secret() -> None:
    """Both settings."""
    assert scheme(f"{{scheme: basic, username: {{setting: user}}, {SECRET}}}") == Basic(
        "user", "secret"
    )


def test_none_is_unsigned() -> None:
    """Only that word."""
    assert isinstance(scheme("none"), Unsigned)


def test_settings_choose_among_the_proofs() -> None:
    """``when`` on a proof; two that hold are any of them, none that holds verifies nothing."""
    line = (
        f"{{any_of: [{{scheme: hmac, header: S, {SECRET}, when: {{setting.proof: [hmac, null]}}}},"
        f" {{scheme: shared_token, header: X-T, {SECRET}, when: {{setting.proof: token}}}}]}}"
    )
    assert isinstance(scheme(line), Hmac)
    assert isinstance(scheme(line, {"proof": "token"}), SharedToken)
    neither = scheme(line, {"proof": "other"})
    assert isinstance(neither, AnyOf)
    assert configured(neither, {"secret": [b"long-enough"]}) is None


@pytest.mark.parametrize(
    "line",
    [
        f"{{scheme: hmac, header: X-Sig, prefix: 'sha256=', {SECRET}}}",
        f"{{scheme: hmac, header: X-Sig, encoding: base64, algorithm: sha512, {SECRET}}}",
        (
            f"{{scheme: hmac, header: S, {SECRET}, "
            "format: {pairs: {timestamp: t, signature: v1}}, "
            "content: [timestamp, '.', body], timestamp: {tolerance: 5m}}"
        ),
        (
            f"{{scheme: hmac, header: S, {SECRET}, format: {{list: {{separator: ' ', tag: 'v1,'}}}}"
            ", content: [{header: Id}, '.', timestamp, '.', body], timestamp: {header: T}}"
        ),
        f"{{scheme: shared_token, header: X-T, {SECRET}}}",
    ],
)
def test_what_compiles_verifies_what_it_signs(line: str) -> None:
    """And refuses one flipped byte of a signed body."""
    found = scheme(line)
    secrets = {"secret": [b"long-enough-secret"]}
    pairs = [("content-type", "application/json"), ("id", "msg_1")]
    webhook = Webhook(Headers(pairs), b'{"a":1}', NOW)
    signed = Headers([*pairs, *sign(found, webhook, secrets, {}, NOW)])
    verify(found, Webhook(signed, webhook.body, NOW), secrets, {}, NOW)
    if isinstance(found, Hmac):
        forged = Webhook(signed, b'{"a":2}', NOW)
        with pytest.raises(SignatureError):
            verify(found, forged, secrets, {}, NOW)
