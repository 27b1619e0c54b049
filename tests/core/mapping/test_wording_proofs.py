"""How a vendor proves itself, in words."""

import pytest

from onehook.core.mapping.wording_proofs import handshakes, proof_names, proofs, signs_bytes
from tests.core.mapping.building import TICKET, compiled, rule

HEAD = 'onehook: mapping/v1\nplatform: acme\nversion: "1.0.0"\n'
RULES = rule("ticketing.ticket.created", TICKET)
KEY = "The key is the setting `secret`."


def with_verify(verify: str) -> list[str]:
    """The words of a ``verify`` section."""
    return proofs(compiled(f"{HEAD}verify: {verify}\n{RULES}"))


@pytest.mark.parametrize(
    ("verify", "words"),
    [
        ("none", "Nothing proves the sender: whoever knows the ingest URL can send."),
        (
            '{scheme: hmac, header: X-Sig, prefix: "sha256=", secret: {setting: secret}}',
            f"Header `X-Sig` holds `sha256=` and the HMAC-SHA256 of the raw body, in hex. {KEY}",
        ),
        (
            (
                '{scheme: hmac, header: [A, B], prefix: ["x=", ""], encoding: [base64, hex],'
                " algorithm: sha1, secret: {setting: secret}}"
            ),
            (
                "Header `A` or Header `B` holds perhaps `x=` and the HMAC-SHA1 of the raw body, "
                f"in base64 or hex. {KEY}"
            ),
        ),
        (
            (
                '{scheme: hmac, header: S, format: {list: {separator: " ", tag: "v1,"}}, key:'
                " base64,"
                ' key_prefix: whsec_, content: [{header: id}, ".", timestamp, ".", body],'
                " timestamp: {header: at, tolerance: 90s}, secret: {setting: secret}}"
            ),
            (
                "Header `S` holds entries between spaces; one of those that begin with `v1,` must"
                " go on"
                " with the HMAC-SHA256 of header `id`, `.`, the timestamp, `.` and the raw body,"
                " in "
                "hex. The key is the setting `secret`, what follows `whsec_` in it, decoded from "
                "base64. The timestamp (header `at`, epoch_s) may be 90s away from the gateway's "
                "clock."
            ),
        ),
        (
            (
                "{scheme: hmac, header: S, format: {pairs: {timestamp: t, signature: [v1]}},"
                ' content: [timestamp, ".", body, {body_path: $.x}, method], timestamp: {},'
                " secret: {setting: secret}}"
            ),
            (
                "Header `S` holds pairs; one named `v1` must be the HMAC-SHA256 of the timestamp,"
                " `.`, "
                f"the raw body, `$.x` and the method, in hex. {KEY} The timestamp (a pair of it, "
                "epoch_s) may be 5m away from the gateway's clock."
            ),
        ),
        (
            (
                "{scheme: hmac, body_path: $.sig, timestamp: {body_path: $.at, format: epoch_ms},"
                " secret: {setting: secret}}"
            ),
            (
                f"`$.sig` of the body holds the HMAC-SHA256 of the raw body, in hex. {KEY} The "
                "timestamp (`$.at` of the body, epoch_ms) may be 5m away from the gateway's clock."
            ),
        ),
        (
            (
                '{scheme: shared_token, header: Authorization, prefix: "Bearer ",'
                " secret: {setting: secret}}"
            ),
            (
                "Header `Authorization` holds `Bearer` and the secret itself, the setting"
                " `secret`. It "
                "proves who sent, and nothing of what was sent."
            ),
        ),
        (
            "{scheme: shared_token, header: {setting: header, default: X-A}, secret: {setting: s}}",
            (
                "The header that the setting `header` names (by default `X-A`) holds the secret"
                " itself,"
                " the setting `s`. It proves who sent, and nothing of what was sent."
            ),
        ),
        (
            "{scheme: shared_token, query: token, secret: {setting: secret}}",
            (
                "The query parameter `token` holds the secret itself, the setting `secret`. It"
                " proves "
                "who sent, and nothing of what was sent."
            ),
        ),
        (
            "{scheme: basic, username: {setting: user}, secret: {setting: secret}}",
            (
                "Basic authentication: the user name is the setting `user`, the password the"
                " setting "
                "`secret`. It proves nothing of what was sent."
            ),
        ),
    ],
)
def test_a_proof_is_said(verify: str, words: str) -> None:
    """Where it stands, what it covers, what the key is, how old it may be."""
    assert with_verify(verify) == [words]


ANY_OF = """\
any_of:
    - {scheme: hmac, when: {setting.proof: hmac}, header: X-Sig, secret: {setting: secret}}
    - {scheme: basic, username: {setting: user}, secret: {setting: secret}}
"""


def test_alternatives_are_listed_with_their_conditions() -> None:
    """The first whose header was sent decides; a setting may choose."""
    lead, first, second = with_verify(f"\n  {ANY_OF}")

    assert lead == "The first of these whose header was sent decides, alone:"
    assert first.startswith("- If setting `proof` is `hmac`: Header `X-Sig` holds")
    assert second.startswith("- Basic authentication")


def test_proofs_have_short_names() -> None:
    """For a table of platforms; and whether bytes are signed at all."""
    both = compiled(f"{HEAD}verify:\n  {ANY_OF}\n{RULES}")
    none = compiled(f"{HEAD}verify: none\n{RULES}")

    assert proof_names(both) == ["HMAC in `X-Sig`", "basic authentication"]
    assert proof_names(none) == ["none"]
    assert (signs_bytes(both), signs_bytes(none)) == (True, False)


def test_handshakes_are_said() -> None:
    """What is asked, what is answered, and whether the proof comes first."""
    text = """\
handshake:
  - {method: GET, match: {header: X-Challenge}, verify: false, answer: {body: "{{ value }}"}}
  - {match: {query: token}, verify: false, answer: {status: 204}}
  - {match: {body: {$.kind: hello}}, verify: true, answer: {body: ok}}
  - {match: {body: empty, header: X-Probe}, verify: true, answer: {status: 200}}
"""
    assert handshakes(compiled(f"{HEAD}verify: none\n{text}{RULES}")) == [
        "- GET with the header `X-Challenge`: 200 and `{{ value }}`, before any proof.",
        "- POST with the query parameter `token`: 204, before any proof.",
        "- POST with a body where `$.kind` is `hello`: 200 and `ok`, once the proof fits.",
        "- POST with an empty body and the header `X-Probe`: 200, once the proof fits.",
    ]
