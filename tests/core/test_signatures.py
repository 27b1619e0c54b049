"""Published vectors, every recipe of signatures.md, and the rows of threats.md section A."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as ReferenceSigner

from onehook.core.jsontext import JsonValue
from onehook.core.model import Headers, Webhook
from onehook.core.signatures import (
    BODY,
    METHOD,
    PATH,
    QUERY,
    TIMESTAMP,
    URL,
    Algorithm,
    AnyOf,
    Basic,
    BodyPath,
    Encoding,
    Getter,
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
    Timestamp,
    Unsigned,
    configured,
    proof_headers,
    secret_problem,
    secret_settings,
    sign,
    signed_bytes,
    verify,
)
from onehook.errors import ConfigurationError, SignatureError

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)  # 1705314600
ISO = "2024-01-15T10:30:00Z"
BODY_1 = b'{"id":1}'
DOT = Literal(b".")
SHA256 = ("sha256=",)
BASE64 = (Encoding.BASE64,)


def path(text: str, *, items: str | None = None) -> BodyPath:
    """A body path with a getter that knows names and ``*``, as the mapping compiler makes one."""
    return BodyPath(text, getter(text), getter(items) if items else None)


def getter(text: str) -> Getter:
    """Compile ``$.a.*.b``."""

    def get(body: JsonValue) -> list[JsonValue]:
        found = [body]
        for step in text.split(".")[1:]:
            if step == "*":
                found = [item for value in found if isinstance(value, list) for item in value]
            else:
                found = [v[step] for v in found if isinstance(v, dict) and step in v]
        return found

    return get


def plain(header: str, *prefixes: str, **others: object) -> Hmac:
    """An HMAC in one header; what is not said is the default."""
    scheme = Hmac(where=(Header(header),), secret="secret", format=Plain(prefixes or ("",)))
    return replace(scheme, **others)  # type: ignore[arg-type]  # tests/ is not type-checked


def header_time(name: str, written: TimeFormat = TimeFormat.EPOCH_S, minutes: int = 5) -> Timestamp:
    """A timestamp in a header of its own."""
    return Timestamp(Header(name), written, timedelta(minutes=minutes))


def pairs(*content: object, timestamp: str = "t", signatures: tuple[str, ...] = ("v1",)) -> Hmac:
    """A header of pairs with its own timestamp."""
    return plain(
        "Pairs-Signature",
        format=Pairs(signatures, timestamp),
        content=content,
        timestamp=Timestamp(None),
    )


def standard_webhooks(prefix: str, secret: str = "secret") -> Hmac:
    """Standard Webhooks, under its own header names or an alias."""
    return Hmac(
        where=(Header(f"{prefix}-signature"),),
        secret=secret,
        format=List(" ", "v1,"),
        encodings=BASE64,
        content=(HeaderPart(f"{prefix}-id"), DOT, TIMESTAMP, DOT, BODY),
        timestamp=header_time(f"{prefix}-timestamp"),
        key=KeyForm.BASE64,
        key_prefix="whsec_",
    )


GITHUB = plain("X-Hub-Signature-256", *SHA256)
JIRA = plain("X-Hub-Signature", *SHA256)
LINEAR = plain(
    "Linear-Signature",
    timestamp=Timestamp(path("$.webhookTimestamp"), TimeFormat.EPOCH_MS, timedelta(minutes=1)),
)
SENTRY = plain("Sentry-Hook-Signature")
PAGERDUTY = plain("X-PagerDuty-Signature", format=List(",", "v1="))
SERVICENOW = plain(
    "X-ServiceNow-Signature", "", "sha256=", encodings=(Encoding.BASE64, Encoding.HEX)
)
SERVICENOW_TIMED = replace(
    SERVICENOW, content=(TIMESTAMP, DOT, BODY), timestamp=header_time("X-ServiceNow-Timestamp")
)
SHOPIFY = plain("X-Shopify-Hmac-Sha256", encodings=BASE64)
TYPEFORM = plain("Typeform-Signature", *SHA256, encodings=BASE64)
STRIPE = pairs(TIMESTAMP, DOT, BODY)
ROOTLY = pairs(TIMESTAMP, BODY)
BUILDKITE = pairs(TIMESTAMP, DOT, BODY, timestamp="timestamp", signatures=("signature",))
SLACK = plain(
    "X-Slack-Signature",
    "v0=",
    content=(Literal(b"v0:"), TIMESTAMP, Literal(b":"), BODY),
    timestamp=header_time("X-Slack-Request-Timestamp"),
)
ZENDESK = plain(
    "X-Zendesk-Webhook-Signature",
    encodings=BASE64,
    content=(TIMESTAMP, BODY),
    timestamp=header_time("X-Zendesk-Webhook-Signature-Timestamp", TimeFormat.RFC3339),
)
BOX = Hmac(
    where=(Header("Box-Signature-Primary"), Header("Box-Signature-Secondary")),
    secret="secret",
    encodings=BASE64,
    content=(BODY, TIMESTAMP),
    timestamp=header_time("Box-Delivery-Timestamp", TimeFormat.RFC3339, minutes=10),
)
TWITCH = plain(
    "Twitch-Eventsub-Message-Signature",
    *SHA256,
    content=(HeaderPart("Twitch-Eventsub-Message-Id"), TIMESTAMP, BODY),
    timestamp=header_time("Twitch-Eventsub-Message-Timestamp", TimeFormat.RFC3339, minutes=10),
)
HUBSPOT = plain(
    "X-HubSpot-Signature-v3",
    encodings=BASE64,
    content=(METHOD, URL, BODY, TIMESTAMP),
    timestamp=header_time("X-HubSpot-Request-Timestamp", TimeFormat.EPOCH_MS),
)
TEAMS = plain("Authorization", "HMAC ", encodings=BASE64, key=KeyForm.BASE64)
TRELLO = plain("X-Trello-Webhook", encodings=BASE64, algorithm=Algorithm.SHA1, content=(BODY, URL))
DOCUSIGN = Hmac(
    where=tuple(Header(f"X-DocuSign-Signature-{number}") for number in range(1, 101)),
    secret="secret",
    encodings=BASE64,
)
MAILGUN = Hmac(
    where=path("$.signature.signature"),
    secret="secret",
    content=(path("$.signature.timestamp"), path("$.signature.token")),
    timestamp=Timestamp(path("$.signature.timestamp")),
)
EVERY_PART = plain(
    "X-Signature",
    encodings=(Encoding.BASE64URL,),
    algorithm=Algorithm.SHA512,
    key=KeyForm.HEX,
    content=(METHOD, PATH, QUERY, HeaderPart("X-Id"), path("$.id"), BODY),
)
SVIX = standard_webhooks("svix")
STANDARD = standard_webhooks("webhook")
GITLAB = AnyOf(
    (standard_webhooks("webhook", "signing_token"), SharedToken(Header("X-Gitlab-Token"), "secret"))
)
JIRA_AUTOMATION = SharedToken(Header("X-Token", setting="token_header"), "secret")
BEARER = SharedToken(Header("Authorization"), "secret", ("Bearer ", ""))
TOKEN_IN_QUERY = SharedToken(Query("secret"), "secret")
GRAPH = SharedToken(path("$.value.*.clientState", items="$.value.*"), "secret")
BASIC = Basic("username", "secret")
SERVICENOW_ANY = AnyOf((SERVICENOW, BEARER, BASIC, TOKEN_IN_QUERY, GRAPH))

WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HEX_OF_BODY = "03def589620c813f198fd03d7967e292b163ef0435ebf43071ce0e9519763cb7"
BASE64_OF_BODY = "A971iWIMgT8Zj9A9eWfikrFj7wQ16/Qwcc4OlRl2PLc="
SHA1_OF_BODY = "a64abd01291976b35debd870ad13a30c94343831"
ROOTLY_OF_BODY = "1d8c8dc2a912e341e096b0a2d8af0e2d01a952936de314b036eb1bce9e8b50c3"
STANDARD_OF_BODY = "v1,Z/cVi/CKTTVRRYlQWQZuc6ikolaCiwmhGxwwpYUJD8E="
STRIPE_OF_BODY = "cf85ef710e29c1c020ae090405d868e607d21029eda294290e501d296cb45955"
IT_IS_A_SECRET = "It's a Secret to Everybody"


@dataclass(frozen=True)
class Case:
    """A request with its proof, and what must be known to check it."""

    scheme: Scheme
    headers: Sequence[tuple[str, str]]
    body: bytes = BODY_1
    secrets: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"secret": ["secret"]})
    settings: Mapping[str, str] = field(default_factory=dict)
    url: str = "https://hooks.example.com/ingest/int_1?a=1&b=%20"
    query: Sequence[tuple[str, str]] = ()
    now: datetime = NOW

    @property
    def keys(self) -> dict[str, list[bytes]]:
        """The secrets as they are handed to the module."""
        return {name: [text.encode() for text in texts] for name, texts in self.secrets.items()}

    @property
    def webhook(self) -> Webhook:
        """The request as the module gets it."""
        headers = Headers(self.headers)
        return Webhook(headers, self.body, self.now, "POST", self.url, self.query)

    def verify(self) -> None:
        """Check it."""
        verify(self.scheme, self.webhook, self.keys, self.settings, self.now)

    def refusal(self) -> SignatureError | None:
        """Why it is refused; None if it is not."""
        try:
            self.verify()
        except SignatureError as error:
            return error
        return None

    def code(self) -> str:
        """How it is refused, or "verified". No refusal may tell what it looked at."""
        error = self.refusal()
        if error is None:
            return "verified"
        assert error.status == 401
        shown = [value for _, value in (*self.headers, *self.query)]
        known = [text for texts in self.secrets.values() for text in texts]
        for text in (*shown, *known):
            assert len(text.strip()) <= len("secret") or text not in error.detail
        return error.code


def one(*secrets: str) -> dict[str, list[str]]:
    """The active secrets of the setting ``secret``."""
    return {"secret": list(secrets)}


def times(
    prefix: str, timestamp: str = "1705314600", message: str = "msg_1"
) -> list[tuple[str, str]]:
    """The two headers beside a Standard Webhooks signature."""
    return [(f"{prefix}-id", message), (f"{prefix}-timestamp", timestamp)]


SERVICENOW_BODY = (
    b'{"table":"incident","operation":"update","record":{"sys_id":"a1b2c3",'
    b'"number":"INC0010001","state":"6"},"changed_fields":["state"],'
    b'"sent_at":"2024-01-15 10:30:00","delivery_id":"7f3c"}'
)
PAGERDUTY_BODY = (
    b'{"event":{"id":"01ABCDEF","event_type":"incident.triggered","resource_type":"incident",'
    b'"occurred_at":"2024-01-15T10:30:00Z","agent":null,"client":null,'
    b'"data":{"id":"PINC001","type":"incident","status":"triggered","urgency":"high"}}}'
)
PAGERDUTY_OLD = "v1=777fac3f79e68874b307a6422d85935f1853b47a6ceb61781bf419650b850fc5"
PAGERDUTY_NEW = "v1=248487351eaa3271c8d7b6c1d464d109ca284231ebfe52cbbbc3fa233f10e9cd"
GITLAB_TOKEN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
GITLAB_CASE = Case(
    GITLAB,
    [
        *times("webhook", "1795342500", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
        ("webhook-signature", "v1,d8lU2qqn0zVybU9ZGPGiFM1whBmuMerkpZAawW9y2rg="),
    ],
    b'{"object_kind":"push","event_name":"push","ref":"refs/heads/main"}',
    {"signing_token": [GITLAB_TOKEN], "secret": ["gl-secret-token"]},
    now=datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
)
GITHUB_BODY = '{"zen":"Füße zuerst.","hook_id":42}'.encode()
GITHUB_FORM = b"payload=%7B%22zen%22%3A%22F%C3%BC%C3%9Fe+zuerst.%22%2C%22hook_id%22%3A42%7D"
GITHUB_SIGNED = "sha256=e843524b1e68cc1da0a69215b5826dafe5b559f32f095571bb5f63f3168901d9"
GITHUB_FORM_SIGNED = "sha256=039847825c093495c0cec2b695977debd61df1daf4076befe7adbd0a5a6a8071"
DEMO = one("onehook-demo-secret")

# vendors/signatures.md §4 and the tables of github.md, gitlab.md, jira.md, servicenow.md and
# pagerduty.md. PagerDuty's own vector needs its 1655 bytes: the mapping's sample tests have it.
VECTORS = {
    "hex, plain": Case(SENTRY, [("Sentry-Hook-Signature", HEX_OF_BODY)]),
    "hex after sha256=": Case(GITHUB, [("X-Hub-Signature-256", "sha256=" + HEX_OF_BODY)]),
    "hex after v1=": Case(PAGERDUTY, [("X-PagerDuty-Signature", "v1=" + HEX_OF_BODY)]),
    "base64, ServiceNow": Case(SERVICENOW, [("X-ServiceNow-Signature", BASE64_OF_BODY)]),
    "base64, Shopify": Case(SHOPIFY, [("X-Shopify-Hmac-Sha256", BASE64_OF_BODY)]),
    "base64, Typeform": Case(TYPEFORM, [("Typeform-Signature", "sha256=" + BASE64_OF_BODY)]),
    "sha1 where the mapping asks for it": Case(
        plain("X-Hub-Signature", "sha1=", algorithm=Algorithm.SHA1),
        [("X-Hub-Signature", "sha1=" + SHA1_OF_BODY)],
    ),
    "Stripe": Case(STRIPE, [("Pairs-Signature", f"t=1705314600,v1={STRIPE_OF_BODY}")]),
    "Stripe, several v1, v0 ignored": Case(
        STRIPE,
        [("Pairs-Signature", f"t=1705314600,v1={'0' * 64},v1={STRIPE_OF_BODY},v0={'1' * 64}")],
    ),
    "Buildkite": Case(
        BUILDKITE, [("Pairs-Signature", f"timestamp=1705314600,signature={STRIPE_OF_BODY}")]
    ),
    "Rootly": Case(
        ROOTLY,
        [
            (
                "Pairs-Signature",
                "t=1705314600,v1=1d8c8dc2a912e341e096b0a2d8af0e2d01a952936de314b036eb1bce9e8b50c3",
            )
        ],
    ),
    "Slack": Case(
        SLACK,
        [
            ("X-Slack-Request-Timestamp", "1705314600"),
            (
                "X-Slack-Signature",
                "v0=42609713d3ce0ca2e07bfb28dd2b6a976bc2df91d9b4c0bed67c87a93d7fc71b",
            ),
        ],
    ),
    "Zendesk": Case(
        ZENDESK,
        [
            ("X-Zendesk-Webhook-Signature-Timestamp", ISO),
            ("X-Zendesk-Webhook-Signature", "ZXDDrmxuA9UfWqhpxZsnBBCfOgjz/NT7iOKwYqWNmCs="),
        ],
    ),
    "Box, primary": Case(
        BOX,
        [
            ("Box-Delivery-Timestamp", ISO),
            ("Box-Signature-Primary", "42xnZy8GdC6cHlHwVdV+39S/g5KVrASvAV7Oa3ju/no="),
        ],
    ),
    "Box, secondary beside a primary of another key": Case(
        BOX,
        [
            ("Box-Delivery-Timestamp", ISO),
            ("Box-Signature-Primary", BASE64_OF_BODY),
            ("Box-Signature-Secondary", "42xnZy8GdC6cHlHwVdV+39S/g5KVrASvAV7Oa3ju/no="),
        ],
    ),
    "Twitch": Case(
        TWITCH,
        [
            ("Twitch-Eventsub-Message-Id", "msg_1"),
            ("Twitch-Eventsub-Message-Timestamp", ISO),
            (
                "Twitch-Eventsub-Message-Signature",
                "sha256=ea6d6faff98689b403690095814fb790e024f4269444d5355d294a3ae4f12e09",
            ),
        ],
    ),
    "Standard Webhooks": Case(
        STANDARD,
        [
            *times("webhook"),
            ("webhook-signature", STANDARD_OF_BODY),
        ],
        secrets=one(WHSEC),
    ),
    "Svix, several v1 and other versions": Case(
        SVIX,
        [
            *times("svix"),
            (
                "svix-signature",
                f"v1a,{BASE64_OF_BODY} v1,{BASE64_OF_BODY} {STANDARD_OF_BODY}",
            ),
        ],
        secrets=one(WHSEC),
    ),
    "Standard Webhooks, published": Case(
        STANDARD,
        [
            *times("webhook", "1614265330", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
        b'{"test": 2432232314}',
        one("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        now=datetime.fromtimestamp(1614265330, UTC),
    ),
    "Jira, published": Case(
        JIRA,
        [
            (
                "X-Hub-Signature",
                "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            )
        ],
        b"Hello World!",
        one(IT_IS_A_SECRET),
    ),
    "Jira, JSON": Case(
        JIRA,
        [
            (
                "X-Hub-Signature",
                "sha256=ce8cbd297d7d10126fd1a886d0830c82558205ddffe1a1d88e76cd8e547d7e42",
            )
        ],
        b'{"timestamp":1700000000000,"webhookEvent":"jira:issue_created",'
        b'"issue":{"id":"10001","key":"OPS-1"}}',
        one("jira-webhook-secret"),
    ),
    "GitHub, published": Case(
        GITHUB,
        [
            (
                "X-Hub-Signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )
        ],
        b"Hello, World!",
        one(IT_IS_A_SECRET),
    ),
    "GitHub, JSON": Case(GITHUB, [("X-Hub-Signature-256", GITHUB_SIGNED)], GITHUB_BODY, DEMO),
    "GitHub, form": Case(GITHUB, [("X-Hub-Signature-256", GITHUB_FORM_SIGNED)], GITHUB_FORM, DEMO),
    "GitLab, signing token": GITLAB_CASE,
    "GitLab, secret token": replace(
        GITLAB_CASE, headers=[*times("webhook"), ("X-Gitlab-Token", "gl-secret-token")]
    ),
    "ServiceNow, base64": Case(
        SERVICENOW,
        [("X-ServiceNow-Signature", "sC5dVQOqfULNhzu9du5GKY04r4aZOH1WxZPYZ116wBU=")],
        SERVICENOW_BODY,
        one("sn-shared-secret"),
    ),
    "ServiceNow, hex after sha256=": Case(
        SERVICENOW,
        [
            (
                "X-ServiceNow-Signature",
                "sha256=b02e5d5503aa7d42cd873bbd76ee46298d38af8699387d56c593d8675d7ac015",
            )
        ],
        SERVICENOW_BODY,
        one("sn-shared-secret"),
    ),
    "ServiceNow, with a timestamp": Case(
        SERVICENOW_TIMED,
        [
            ("X-ServiceNow-Timestamp", "1705314600"),
            ("X-ServiceNow-Signature", "HngcvBq2WRtI4avvk0H1V3v5YNPcb7ua2pbPLiX5FoY="),
        ],
        SERVICENOW_BODY,
        one("sn-shared-secret"),
    ),
    "PagerDuty, old secret": Case(
        PAGERDUTY,
        [("X-PagerDuty-Signature", f"{PAGERDUTY_OLD},{PAGERDUTY_NEW}")],
        PAGERDUTY_BODY,
        one("pd-secret-old"),
    ),
    "PagerDuty, new secret": Case(
        PAGERDUTY,
        [("X-PagerDuty-Signature", f"{PAGERDUTY_OLD},{PAGERDUTY_NEW}")],
        PAGERDUTY_BODY,
        one("pd-secret-new"),
    ),
    "Bearer": Case(BEARER, [("authorization", "bearer secret")]),
    "Authorization without a scheme": Case(BEARER, [("Authorization", "secret")]),
    "Basic": Case(
        BASIC,
        [("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")],  # RFC 7617 §2
        secrets=one("open sesame"),
        settings={"username": "Aladdin"},
    ),
    "a header that the operator renamed": Case(
        JIRA_AUTOMATION, [("X-Mine", "secret")], settings={"token_header": "X-Mine"}
    ),
    "query": Case(TOKEN_IN_QUERY, [], query=[("a", "1"), ("secret", "secret")]),
    "Graph": Case(GRAPH, [], b'{"value":[{"clientState":"secret"},{"clientState":"secret"}]}'),
    "none": Case(Unsigned(), []),
}

WRONG = {
    "GitHub, sha1 under the name of the other": Case(
        GITHUB,
        [("X-Hub-Signature-256", "sha1=fa8ec602c15e4898e4e7be3d2444467dff328fb8")],
        GITHUB_BODY,
        DEMO,
    ),
    "GitHub, the form's signature on the JSON": Case(
        GITHUB, [("X-Hub-Signature-256", GITHUB_FORM_SIGNED)], GITHUB_BODY, DEMO
    ),
    "Standard Webhooks, the whole text as key": replace(
        VECTORS["Standard Webhooks"],
        headers=[
            *times("webhook"),
            ("webhook-signature", "v1,o60vKxyq82BSyFfrP1cthbjrCHtJPMs+QvzTXpOE4IM="),
        ],
    ),
    "GitLab, the token's text as key": replace(
        GITLAB_CASE,
        headers=[
            *GITLAB_CASE.headers[:2],
            ("webhook-signature", "v1,CsZtFopECDnd094WQa1NsH5uYVumb8DTKJUl99aUqJQ="),
        ],
    ),
    "ServiceNow, the base64 text of the secret as key": replace(
        VECTORS["ServiceNow, base64"],
        headers=[("X-ServiceNow-Signature", "hq+cp+MJnHzZH/B8mUiPWlDlIIadinuIOb+9KhutMT8=")],
    ),
    "Rootly's content where Stripe's is asked": replace(
        VECTORS["Stripe"], headers=VECTORS["Rootly"].headers
    ),
    "Jira's published vector with GitHub's body": replace(
        VECTORS["Jira, published"], body=b"Hello, World!"
    ),
}


def signed_by(case: Case) -> Case:
    """*case* with the proof that :func:`sign` makes."""
    added = sign(case.scheme, case.webhook, case.keys, case.settings, case.now)
    return replace(case, headers=[*case.headers, *added])


KEY_64 = "MDEyMzQ1Njc4OWFiY2RlZg=="
MAILGUN_SIGNATURE = hmac.digest(b"secret", b"1705314600tok", "sha256").hex()
TO_SIGN = {
    "GitHub": Case(GITHUB, []),
    "Linear": Case(LINEAR, [], b'{"webhookTimestamp":1705314600000}'),
    "PagerDuty": Case(PAGERDUTY, [], secrets=one("a-secret", "another")),
    "ServiceNow": Case(SERVICENOW, []),
    "ServiceNow with a timestamp": Case(SERVICENOW_TIMED, []),
    "Typeform": Case(TYPEFORM, []),
    "Stripe": Case(STRIPE, [], secrets=one("a-secret", "another")),
    "Rootly": Case(ROOTLY, []),
    "Buildkite": Case(BUILDKITE, []),
    "Slack": Case(SLACK, []),
    "Zendesk": Case(ZENDESK, []),
    "Box": Case(BOX, [], secrets=one("a-secret", "another")),
    "Twitch": Case(TWITCH, [("Twitch-Eventsub-Message-Id", "msg_1")]),
    "HubSpot": Case(HUBSPOT, []),
    "Teams": Case(TEAMS, [], secrets=one(KEY_64)),
    "Trello": Case(TRELLO, []),
    "DocuSign": Case(DOCUSIGN, []),
    "Mailgun": Case(
        MAILGUN,
        [],
        b'{"signature":{"timestamp":1705314600,"token":"tok","signature":"%s"}}'
        % MAILGUN_SIGNATURE.encode(),
    ),
    "every other part": Case(EVERY_PART, [], secrets=one("00ff" * 8)),
    "Svix": Case(SVIX, [], secrets=one(WHSEC)),
    "GitLab, signing token": Case(GITLAB, [], secrets={"signing_token": [WHSEC]}),
    "GitLab, secret token": Case(GITLAB, [], secrets=one("gl-secret-token")),
    "Bearer": Case(BEARER, []),
    "Jira Automation": Case(JIRA_AUTOMATION, [], settings={"token_header": "X-Mine"}),
    "Basic": Case(BASIC, [], settings={"username": "us:er"}),
    "query": Case(TOKEN_IN_QUERY, [], query=[("secret", "secret")]),
    "Graph": Case(GRAPH, [], b'{"value":[{"clientState":"secret"}]}'),
    "any of five": Case(SERVICENOW_ANY, []),
    "none": Case(Unsigned(), []),
}
HMACS = {name: case for name, case in TO_SIGN.items() if isinstance(case.scheme, Hmac)}
IN_HEADERS = {n: case for n, case in HMACS.items() if not isinstance(case.scheme.where, BodyPath)}
PLAIN = {n: case for n, case in IN_HEADERS.items() if isinstance(case.scheme.format, Plain)}
LISTS = {n: case for n, case in IN_HEADERS.items() if n not in PLAIN}


def rows(table: Mapping[str, object]) -> pytest.MarkDecorator:
    """Run a test with every row of *table*, under its name."""
    return pytest.mark.parametrize("case", table.values(), ids=table.keys())


def proof_of(case: Case) -> tuple[str, str]:
    """The header that holds the signature, of a request signed with :func:`sign`."""
    names = proof_headers(case.scheme, case.settings)
    return next(pair for pair in case.headers if pair[0].lower() in names)


def with_proof(case: Case, *values: str) -> Case:
    """*case* with its signature header sent with each of *values* instead."""
    name, _ = proof_of(case)
    proofs = proof_headers(case.scheme, case.settings)
    others = [pair for pair in case.headers if pair[0].lower() not in proofs]
    return replace(case, headers=[*others, *((name, value) for value in values)])


@rows(VECTORS)
def test_every_vector_verifies(case: Case) -> None:
    """Published vectors, and those computed for each recipe, are accepted."""
    assert case.code() == "verified"


@rows(WRONG)
def test_every_wrong_vector_is_refused(case: Case) -> None:
    """A digest under the wrong key, content or algorithm is refused."""
    assert case.code() == "signature_invalid"


@rows({**VECTORS, **TO_SIGN})
def test_what_sign_makes_verifies(case: Case) -> None:
    """For every scheme sign() is the inverse of verify()."""
    unproved = [
        (name, value)
        for name, value in case.headers
        if name.lower() not in proof_headers(case.scheme, case.settings)
    ]
    assert signed_by(replace(case, headers=unproved)).code() == "verified"


@rows({n: c for n, c in VECTORS.items() if n not in {"none", "query", "Graph"}})
def test_another_secret_is_refused(case: Case) -> None:
    """No vector verifies with a key that is not its own."""
    others = {name: ["whsec_" + KEY_64] for name in case.secrets}
    assert replace(case, secrets=others).code() == "signature_invalid"


def test_signed_headers_are_what_the_vendor_sends() -> None:
    """sign() gives the published text, taking headers that the caller already has."""
    vector = VECTORS["Svix, several v1 and other versions"]
    assert sign(SVIX, replace(vector, headers=times("svix")).webhook, vector.keys, {}, NOW) == [
        ("svix-signature", STANDARD_OF_BODY)
    ]
    assert sign(STRIPE, Case(STRIPE, []).webhook, {"secret": [b"secret"]}, {}, NOW) == [
        ("Pairs-Signature", f"t=1705314600,v1={STRIPE_OF_BODY}")
    ]


def test_the_standard_webhooks_library_agrees() -> None:
    """The reference implementation's signatures are accepted, and it accepts ours."""
    reference = ReferenceSigner(WHSEC)
    theirs = reference.sign("msg_1", NOW, BODY_1.decode())
    case = Case(STANDARD, [*times("webhook"), ("webhook-signature", theirs)], secrets=one(WHSEC))
    assert case.code() == "verified"
    assert sign(STANDARD, replace(case, headers=times("webhook")).webhook, case.keys, {}, NOW) == [
        ("webhook-signature", theirs)
    ]


def test_method_url_body_and_time_are_signed_in_order() -> None:
    """HubSpot's content is the method, the public URL, the body and the milliseconds."""
    case = Case(HUBSPOT, [("X-HubSpot-Request-Timestamp", "1705314600000")])
    content = b"POST" + case.url.encode() + BODY_1 + b"1705314600000"
    signature = base64.b64encode(hmac.digest(b"secret", content, "sha256")).decode()
    signed = replace(case, headers=[*case.headers, ("X-HubSpot-Signature-v3", signature)])
    assert signed.code() == "verified"
    assert replace(signed, url="https://behind-the-proxy/").code() == "signature_invalid"


def test_key_is_decoded_after_the_authentication_scheme() -> None:
    """Teams: ``Authorization: HMAC`` with the base64-decoded secret as key."""
    digest = hmac.digest(b"0123456789abcdef", BODY_1, "sha256")
    header = ("Authorization", "HMAC " + base64.b64encode(digest).decode())
    assert Case(TEAMS, [header], secrets=one(KEY_64)).code() == "verified"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example/ingest/int_1?a=%20&b", b"/ingest/int_1|a=%20&b"),
        ("https://h.example", b"/|"),
        ("/ingest/int_1?u=https://x/y", b"/ingest/int_1|u=https://x/y"),
        ("", b"/|"),
    ],
)
def test_path_and_query_are_taken_raw_from_the_url(url: str, expected: bytes) -> None:
    """Neither part is decoded, and no URL makes them raise."""
    scheme = plain("X-Signature", content=(PATH, Literal(b"|"), QUERY))
    case = signed_by(Case(scheme, [], url=url))
    assert signed_bytes(scheme, case.webhook, {}) == expected


# --- threats.md, section A -----------------------------------------------------------------------


@rows(IN_HEADERS)
def test_a1_missing_or_empty_signature_is_named(case: Case) -> None:
    """Without a value in the signature header the answer says which one, and that the URL fits."""
    signed = signed_by(case)
    name, _ = proof_of(signed)
    for bare in (with_proof(signed), with_proof(signed, ""), with_proof(signed, " ")):
        with pytest.raises(SignatureError, match="This URL is right") as caught:
            bare.verify()
        assert caught.value.code == "signature_missing"
        assert name in caught.value.detail


@rows(PLAIN)
def test_a1_plain_signature_sent_twice_is_ambiguous(case: Case) -> None:
    """Two lines of a plain header are refused in either order, and even if they are equal."""
    signed = signed_by(case)
    value = proof_of(signed)[1]
    for values in ((value, value), (value, "x"), ("x", value), (value, "")):
        assert with_proof(signed, *values).code() == "signature_ambiguous"


@rows(LISTS)
def test_a1_lines_of_a_list_are_one_list(case: Case) -> None:
    """In list formats a good entry counts in whatever line it stands."""
    signed = signed_by(case)
    value = proof_of(signed)[1]
    for values in ((value, value), (value, "v1=00"), ("v1=00", value), ("", value)):
        assert with_proof(signed, *values).code() == "verified"


def test_a1_space_around_the_entries_of_a_list_is_allowed() -> None:
    """A proxy that joins two lines puts a space after the comma (RFC 9110 §5.3)."""
    value = f"v1={'0' * 64}, v1={HEX_OF_BODY}\t,v2=x"
    assert Case(PAGERDUTY, [("X-PagerDuty-Signature", value)]).code() == "verified"
    value = f"v1={HEX_OF_BODY[:32]} {HEX_OF_BODY[32:]}"
    assert Case(PAGERDUTY, [("X-PagerDuty-Signature", value)]).code() == "signature_invalid"


@rows({n: c for n, c in PLAIN.items() if "Slack" in n or "Zendesk" in n or "Twitch" in n})
def test_a1_other_signed_headers_must_come_once(case: Case) -> None:
    """A signed timestamp or id that is missing, empty or sent twice is refused as such."""
    signed = signed_by(case)
    for name, value in signed.headers:
        others = [pair for pair in signed.headers if pair[0] != name]
        assert replace(signed, headers=others).code() == "signature_missing"
        assert replace(signed, headers=[*others, (name, "")]).code() == "signature_missing"
        doubled = [*signed.headers, (name, value)]
        assert replace(signed, headers=doubled).code() == "signature_ambiguous"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (f"v1={STRIPE_OF_BODY}", "signature_missing"),
        (f"t=,v1={STRIPE_OF_BODY}", "signature_missing"),
        (f"t=1705314600,t=1705314601,v1={STRIPE_OF_BODY}", "signature_ambiguous"),
        (f"t=1705314600,t=1705314600,v1={STRIPE_OF_BODY}", "verified"),
        (f"t=1705314600, v1={STRIPE_OF_BODY}", "verified"),
        (f"t= 1705314600,v1={STRIPE_OF_BODY}", "signature_invalid"),
        ("t=1705314600", "signature_invalid"),
        (f"t=1705314600,v0={STRIPE_OF_BODY}", "signature_invalid"),
        (f"t=1705314600,v1{STRIPE_OF_BODY}", "signature_invalid"),
    ],
)
def test_a1_pairs_need_one_timestamp_and_a_wanted_signature(header: str, code: str) -> None:
    """Two timestamps that differ are ambiguous; a version that is not asked for is no proof."""
    assert Case(STRIPE, [("Pairs-Signature", header)]).code() == code


def test_a1_no_alternative_present_names_them_all() -> None:
    """With several accepted proofs and none sent, the answer lists every place."""
    with pytest.raises(SignatureError) as caught:
        Case(SERVICENOW_ANY, []).verify()
    assert caught.value.code == "signature_missing"
    for place in ("X-ServiceNow-Signature", "Authorization", "Basic", "query parameter", "$.value"):
        assert place in caught.value.detail


@rows({n: c for n, c in {**VECTORS, **TO_SIGN}.items() if n != "none"})
def test_a2_empty_or_missing_secret_verifies_nothing(case: Case) -> None:
    """Without a usable secret every scheme fails closed with 503, whatever was sent."""
    for secrets in ({}, {name: [] for name in case.secrets}, {name: [""] for name in case.secrets}):
        with pytest.raises((ConfigurationError, SignatureError)) as caught:
            replace(case, secrets=secrets).verify()
        if case.headers or case.query:
            assert (caught.value.code, caught.value.status) == ("integration_misconfigured", 503)


@pytest.mark.parametrize("scheme", [GITHUB, SENTRY, PAGERDUTY, STRIPE])
def test_a2_digest_under_an_empty_key_is_refused(scheme: Hmac) -> None:
    """An attacker who signs with the empty key is not let in by an empty secret."""
    signed = signed_by(Case(scheme, []))
    stamp = b"1705314600." if scheme is STRIPE else b""
    forged = hmac.digest(b"", stamp + BODY_1, "sha256").hex()
    name, value = proof_of(signed)
    header = value[: -len(forged)] + forged
    case = replace(signed, headers=[(name, header)], secrets=one(""))
    with pytest.raises(ConfigurationError) as caught:
        case.verify()
    assert caught.value.code == "integration_misconfigured"
    assert replace(case, secrets=one("", "secret")).code() == "signature_invalid"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "whsec_AAAAA", "not base64"])
def test_a2_secret_that_is_no_key_verifies_nothing(secret: str) -> None:
    """A secret that does not decode is the operator's fault, not the sender's."""
    with pytest.raises(ConfigurationError) as caught:
        replace(VECTORS["Standard Webhooks"], secrets=one(secret)).verify()
    assert caught.value.code == "integration_misconfigured"
    assert replace(VECTORS["Standard Webhooks"], secrets=one(secret, WHSEC)).code() == "verified"


@pytest.mark.parametrize(
    ("scheme", "secret", "problem"),
    [
        (GITHUB, "", "shorter"),
        (GITHUB, "1234567", "shorter"),
        (GITHUB, "12345678", None),
        (GITHUB, "ChangeMe", "placeholder"),
        (STANDARD, WHSEC, None),
        (STANDARD, "whsec_AAAA", "shorter"),
        (STANDARD, "whsec_not base64", "is not base64 text after whsec_"),
        (EVERY_PART, "0g" * 8, "is not hex text"),
        (GITLAB, "1234567", "shorter"),
        (BASIC, "a fine password", None),
        (Unsigned(), "anything", None),
    ],
)
def test_a2_bad_secret_is_told_at_save(scheme: Scheme, secret: str, problem: str | None) -> None:
    """Empty, short, placeholder and undecodable secrets are named before they are stored."""
    told = secret_problem(scheme, "secret", secret.encode())
    assert told is None if problem is None else problem in (told or "")


def test_a3_correct_sha1_is_refused_where_sha256_is_asked() -> None:
    """The sender cannot choose the algorithm: neither by prefix, nor by length, nor by name."""
    for value in (f"sha1={SHA1_OF_BODY}", f"sha256={SHA1_OF_BODY}", SHA1_OF_BODY):
        headers = [("X-Hub-Signature-256", value), ("X-Hub-Signature", f"sha1={SHA1_OF_BODY}")]
        assert Case(GITHUB, headers).code() == "signature_invalid"
        assert Case(SENTRY, [("Sentry-Hook-Signature", value)]).code() == "signature_invalid"


@pytest.mark.parametrize(
    "value",
    [
        HEX_OF_BODY[:-1],
        HEX_OF_BODY[:-2],
        HEX_OF_BODY + "00",
        HEX_OF_BODY[:-1] + "g",
        " " + HEX_OF_BODY,
        HEX_OF_BODY + "\n",
        HEX_OF_BODY[:32] + " " + HEX_OF_BODY[32:],
        "0x" + HEX_OF_BODY[2:],
        HEX_OF_BODY.replace("0", "\uff10"),  # full-width zero
        HEX_OF_BODY + "\udcff",  # a byte that is not UTF-8
        "\ud800" + HEX_OF_BODY[1:],  # no bytes at all
        "\x00",
        "sha256=",
        "SHA256=" + HEX_OF_BODY,
        BASE64_OF_BODY,
    ],
)
def test_a4_malformed_hex_is_refused(value: str) -> None:
    """Wrong length, spaces, other scripts and other encodings are refusals, not exceptions."""
    for text in (value, "sha256=" + value):
        assert Case(GITHUB, [("X-Hub-Signature-256", text)]).code() == "signature_invalid"
    if not value.startswith("sha256"):
        assert Case(SENTRY, [("Sentry-Hook-Signature", value)]).code() == "signature_invalid"


@pytest.mark.parametrize(
    "value",
    [
        BASE64_OF_BODY + "=",
        "=" + BASE64_OF_BODY,
        BASE64_OF_BODY[:-2],
        BASE64_OF_BODY[:-2] + "d=",  # the same bytes, spelled with stray bits
        BASE64_OF_BODY[:20] + "\n" + BASE64_OF_BODY[20:],
        BASE64_OF_BODY + " ",
        BASE64_OF_BODY[:20] + "!" + BASE64_OF_BODY[20:],
        BASE64_OF_BODY.replace("/", "_"),
        BASE64_OF_BODY.replace("A", "\u0410"),  # a Cyrillic letter
        "AA=A" * 11,
        "=",
    ],
)
def test_a4_malformed_base64_is_refused(value: str) -> None:
    """Only the one right spelling of the digest counts."""
    case = Case(SHOPIFY, [("X-Shopify-Hmac-Sha256", value)])
    assert case.code() == "signature_invalid"


def test_a4_hex_of_either_case_and_base64_without_padding_are_accepted() -> None:
    """What vendors do differently, and what proves the same, is accepted."""
    assert Case(SENTRY, [("Sentry-Hook-Signature", HEX_OF_BODY.upper())]).code() == "verified"
    bare = BASE64_OF_BODY.rstrip("=")
    assert Case(SHOPIFY, [("X-Shopify-Hmac-Sha256", bare)]).code() == "verified"
    urlsafe = bare.translate(str.maketrans("+/", "-_"))
    scheme = replace(SHOPIFY, encodings=(Encoding.BASE64URL,))
    assert Case(scheme, [("X-Shopify-Hmac-Sha256", urlsafe)]).code() == "verified"
    assert Case(scheme, [("X-Shopify-Hmac-Sha256", bare)]).code() == "signature_invalid"


def test_a4_number_of_presented_signatures_is_bounded() -> None:
    """Sixteen signatures are looked at; more are refused unread."""
    for wrong, code in ((15, "verified"), (16, "signature_invalid")):
        value = ",".join(["v1=" + "0" * 64] * wrong + ["v1=" + HEX_OF_BODY])
        assert Case(PAGERDUTY, [("X-PagerDuty-Signature", value)]).code() == code


ANY_TEXT = st.one_of(
    st.text(st.characters()),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text("0123456789abcdefABCDEF=,. vst+/-_\u0663"),
)
NAMES = list(TO_SIGN)


@given(st.sampled_from(NAMES), st.data())
def test_a4_any_header_text_is_refused_or_verified(name: str, data: st.DataObject) -> None:
    """Whatever a stranger puts into any header, the outcome is one of ours."""
    signed = signed_by(TO_SIGN[name])
    headers = [(header, data.draw(ANY_TEXT)) for header, _ in signed.headers]
    case = replace(signed, headers=headers, query=[("secret", data.draw(ANY_TEXT))])
    if case.code() == "verified":
        signed_bytes(case.scheme, case.webhook, case.settings)


@given(st.sampled_from(NAMES), st.binary() | st.sampled_from([b"[" * 5000, b'{"id":1e400}']))
def test_a4_any_body_is_refused_or_verified(name: str, body: bytes) -> None:
    """Whatever the body is, JSON or not, the outcome is one of ours."""
    replace(signed_by(TO_SIGN[name]), body=body).code()


@given(st.sampled_from(list(IN_HEADERS)), st.data())
def test_a4_mutated_signature_is_refused(name: str, data: st.DataObject) -> None:
    """One character of a good signature replaced, dropped or doubled makes it worthless."""
    case = IN_HEADERS[name]
    signed = signed_by(replace(case, secrets=one(case.secrets["secret"][0])))
    value = proof_of(signed)[1]
    at = data.draw(st.integers(1, 28))  # from the end: the shortest signature has 28 characters
    new = data.draw(st.sampled_from(["", value[-at] * 2]) | st.characters())
    mutated = value[:-at] + new + value[len(value) - at + 1 :]
    if same_proof(case.scheme, mutated) != same_proof(case.scheme, value):
        assert with_proof(signed, mutated).code() != "verified"


def same_proof(scheme: Hmac, value: str) -> str:
    """*value* without what proves the same: letter case of hex, padding, ends of entries."""
    bare = value.rstrip(" \t,=")
    return bare.lower() if Encoding.HEX in scheme.encodings else bare


@rows({n: c for n, c in HMACS.items() if BODY in c.scheme.content and n != "Linear"})
def test_a5_one_flipped_bit_at_every_position_is_refused(case: Case) -> None:
    """The digest is over the raw bytes: no bit of the body can change."""
    signed = signed_by(case)
    for position in range(len(case.body) * 8):
        body = bytearray(case.body)
        body[position // 8] ^= 1 << position % 8
        assert replace(signed, body=bytes(body)).code() in {
            "signature_invalid",
            "signature_missing",
        }


def test_a5_the_same_json_written_differently_is_refused() -> None:
    """Parsing and writing again is no longer what was signed."""
    signed = signed_by(Case(GITHUB, []))
    for body in (b'{"id": 1}', b'{"id":1}\n', b'\xef\xbb\xbf{"id":1}', b"payload=%7B%22id%22:1%7D"):
        assert replace(signed, body=body).code() == "signature_invalid"


TIMED = {n: c for n, c in HMACS.items() if c.scheme.timestamp is not None}


@rows(TIMED)
def test_a7_age_is_checked_in_both_directions(case: Case) -> None:
    """Within the tolerance, its limit included, is in time; a second beyond is out of range."""
    signed = signed_by(case)
    assert isinstance(case.scheme, Hmac)
    assert case.scheme.timestamp is not None
    tolerance = int(case.scheme.timestamp.tolerance.total_seconds())
    for seconds, code in (
        (-tolerance - 1, "timestamp_out_of_range"),
        (-tolerance, "verified"),
        (1 - tolerance, "verified"),
        (tolerance - 1, "verified"),
        (tolerance, "verified"),
        (tolerance + 1, "timestamp_out_of_range"),
    ):
        assert replace(signed, now=NOW + timedelta(seconds=seconds)).code() == code


def test_a7_stale_and_forged_is_forged() -> None:
    """The signature is judged first, so age tells a stranger nothing."""
    case = replace(VECTORS["Slack"], now=NOW + timedelta(days=1))
    assert case.code() == "timestamp_out_of_range"
    assert replace(case, body=b"{}").code() == "signature_invalid"


def test_a7_new_timestamp_does_not_fit_the_old_signature() -> None:
    """A replayed request cannot be made young: its timestamp is signed."""
    case = VECTORS["Stripe"]
    headers = [("Pairs-Signature", f"t=1705314601,v1={STRIPE_OF_BODY}")]
    assert replace(case, headers=headers).code() == "signature_invalid"


@rows({n: c for n, c in {**VECTORS, **TO_SIGN}.items() if n != "Mailgun"})
def test_a8_signed_bytes_are_what_the_proof_covers(case: Case) -> None:
    """The digest for the second dedupe marker covers body and timestamp, or does not exist."""
    signed = case if case.code() == "verified" else signed_by(case)
    content = signed_bytes(signed.scheme, signed.webhook, signed.settings)
    token = not any("signature" in n.lower() or "hmac" in v.lower() for n, v in signed.headers)
    if token and not isinstance(signed.scheme, Hmac):
        assert content is None
    else:
        assert content is not None
        assert (
            isinstance(signed.scheme, AnyOf)
            or (BODY not in signed.scheme.content)
            or (case.body in content)
        )


def test_a8_unsigned_ids_do_not_change_the_signed_bytes() -> None:
    """A replay under another delivery id has the same signed bytes; a vendor's retry has not."""
    signed = signed_by(Case(GITHUB, []))
    other = replace(signed, headers=[*signed.headers, ("X-GitHub-Delivery", "another")])
    assert signed_bytes(GITHUB, other.webhook, {}) == signed_bytes(GITHUB, signed.webhook, {})
    first = signed_by(Case(SLACK, []))
    retry = signed_by(Case(SLACK, [], now=NOW + timedelta(minutes=1)))
    assert signed_bytes(SLACK, first.webhook, {}) == b"v0:1705314600:" + BODY_1
    assert signed_bytes(SLACK, retry.webhook, {}) == b"v0:1705314660:" + BODY_1


SECONDS = {
    "01705314600": "verified",
    "1705314600": "verified",
    "001705314600": "timestamp_out_of_range",  # twelve digits
    "1705314600000": "timestamp_out_of_range",  # milliseconds
    "99999999999": "timestamp_out_of_range",
    "9" * 5000: "timestamp_out_of_range",
    "+1705314600": "timestamp_out_of_range",
    "-1705314600": "timestamp_out_of_range",
    "1_705_314_600": "timestamp_out_of_range",
    "1705314600.0": "timestamp_out_of_range",
    "1.7053146e9": "timestamp_out_of_range",
    "0x65A50868": "timestamp_out_of_range",
    "1705314600 ": "timestamp_out_of_range",
    "\u0661\u0667\u0660\u0665\u0663\u0661\u0664\u0666\u0660\u0660": "timestamp_out_of_range",
    "170531460\u00b2": "timestamp_out_of_range",  # superscript two is a digit to str.isdigit
    ISO: "timestamp_out_of_range",
    "NaN": "timestamp_out_of_range",
}
MILLISECONDS = {
    "1705314600000": "verified",
    "1705314600999": "verified",
    "99999999999999": "timestamp_out_of_range",
    "100000000000000": "timestamp_out_of_range",
    "1705314600": "timestamp_out_of_range",
    "1705314600000.5": "timestamp_out_of_range",
}
DATES = {
    ISO: "verified",
    "2024-01-15t10:30:00z": "verified",
    "2024-01-15T11:30:00+01:00": "verified",
    "2024-01-15T05:00:00.123-05:30": "verified",
    "2024-01-15T10:30:00.123456789Z": "verified",
    "2024-01-15T10:30:00": "timestamp_out_of_range",  # no offset
    "2024-01-15 10:30:00Z": "timestamp_out_of_range",
    "2024-01-15T10:30Z": "timestamp_out_of_range",
    "20240115T103000Z": "timestamp_out_of_range",
    "2024-W03-1T10:30:00Z": "timestamp_out_of_range",
    "2024-13-15T10:30:00Z": "timestamp_out_of_range",
    "2024-01-15T10:30:61Z": "timestamp_out_of_range",
    "2024-01-15T10:30:00+99:99": "timestamp_out_of_range",
    "2024-01-15T10:30:00Z\n": "timestamp_out_of_range",
    "0001-01-01T00:00:00+23:59": "timestamp_out_of_range",
    "9999-12-31T23:59:59-23:59": "timestamp_out_of_range",
    "\u0662\u0660\u0662\u0664-01-15T10:30:00Z": "timestamp_out_of_range",
    "1705314600": "timestamp_out_of_range",
}


@pytest.mark.parametrize(
    ("written", "text", "code"),
    [
        *((TimeFormat.EPOCH_S, text, code) for text, code in SECONDS.items()),
        *((TimeFormat.EPOCH_MS, text, code) for text, code in MILLISECONDS.items()),
        *((TimeFormat.RFC3339, text, code) for text, code in DATES.items()),
    ],
)
def test_a9_timestamps_are_read_strictly(written: TimeFormat, text: str, code: str) -> None:
    """Correctly signed, a timestamp still counts only in its one strict notation."""
    scheme = replace(SLACK, timestamp=header_time("X-Slack-Request-Timestamp", written))
    content = b"v0:" + text.encode() + b":" + BODY_1
    signature = "v0=" + hmac.digest(b"secret", content, "sha256").hex()
    headers = [("X-Slack-Request-Timestamp", text), ("X-Slack-Signature", signature)]
    assert Case(scheme, headers).code() == code


@pytest.mark.parametrize(
    ("timestamp", "code"),
    [
        ("1705314600000", "verified"),
        ('"1705314600000"', "verified"),
        ("1705314600000.0", "timestamp_out_of_range"),
        ("1.7053146e12", "timestamp_out_of_range"),
        ("-1", "timestamp_out_of_range"),
        ("true", "signature_invalid"),
        ("null", "signature_invalid"),
        ("9" * 4000, "signature_invalid"),
        ("9" * 5000, "signature_missing"),  # no JSON to our parser
        ("[1705314600000]", "signature_invalid"),
    ],
)
def test_a9_timestamps_in_the_body_are_read_strictly(timestamp: str, code: str) -> None:
    """A timestamp in the signed body may be a number or text, nothing else."""
    body = b'{"webhookTimestamp":%s}' % timestamp.encode()
    headers = [("Linear-Signature", hmac.digest(b"secret", body, "sha256").hex())]
    assert Case(LINEAR, headers, body).code() == code


def test_a9_body_without_its_timestamp_is_refused() -> None:
    """A signed body that lacks the timestamp, or is no JSON, proves no age."""
    for body in (b"{}", b"", b"payload=x", b"["):
        headers = [("Linear-Signature", hmac.digest(b"secret", body, "sha256").hex())]
        assert Case(LINEAR, headers, body).code() == "signature_missing"


@rows({n: c for n, c in TO_SIGN.items() if n not in {"none", "query", "Graph", "Mailgun"}})
def test_a11_any_active_secret_fits_and_an_ended_one_does_not(case: Case) -> None:
    """During a rotation old and new verify, in any order; afterwards only the new one."""
    (setting,) = case.secrets
    old, new = (
        ("whsec_" + KEY_64, WHSEC)
        if "whsec_" in case.secrets[setting][0]
        else (
            KEY_64,
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
        )
    )
    if case.scheme is EVERY_PART:
        old, new = "00" * 16, "11" * 16
    for signing in (old, new):
        signed = signed_by(replace(case, secrets={setting: [signing]}))
        for active in ([old, new], [new, old], ["aaaa" * 8, old, new]):
            assert replace(signed, secrets={setting: active}).code() == "verified"
    ended = signed_by(replace(case, secrets={setting: [old]}))
    assert replace(ended, secrets={setting: [new]}).code() == "signature_invalid"


# --- shared tokens, basic, alternatives, no proof ------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Authorization", "Bearer secret")], "verified"),
        ([("Authorization", "BEARER secret")], "verified"),
        ([("Authorization", "Bearer Secret")], "signature_invalid"),
        ([("Authorization", "Bearer  secret")], "signature_invalid"),
        ([("Authorization", "Bearer secret ")], "signature_invalid"),
        ([("Authorization", "Bearer ")], "signature_invalid"),
        ([("Authorization", "Bearer s\u00e9cret")], "signature_invalid"),
        ([("Authorization", "Bearer \ud800")], "signature_invalid"),
        ([("Authorization", "")], "signature_missing"),
        ([], "signature_missing"),
        ([("Authorization", "secret"), ("Authorization", "secret")], "signature_ambiguous"),
    ],
)
def test_a_token_must_be_the_secret_itself(headers: list[tuple[str, str]], code: str) -> None:
    """The authentication scheme is read without case, the token exactly, and once."""
    assert Case(BEARER, headers).code() == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([("secret", "secret")], "verified"),
        ([("secret", "Secret")], "signature_invalid"),
        ([("secret", "secret"), ("secret", "secret")], "signature_ambiguous"),
        ([("secret", "")], "signature_missing"),
        ([("SECRET", "secret")], "signature_missing"),
    ],
)
def test_a_token_in_the_query_must_come_once(query: list[tuple[str, str]], code: str) -> None:
    """A query parameter is a token like any other."""
    assert Case(TOKEN_IN_QUERY, [], query=query).code() == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"value":[{"clientState":"secret"},{"clientState":"secret"}]}', "verified"),
        (b'{"value":[{"clientState":"secret"},{"clientState":"wrong"}]}', "signature_invalid"),
        (b'{"value":[{"clientState":"secret"},{}]}', "signature_missing"),
        (b'{"value":[{"clientState":"secret"},{"clientState":null}]}', "signature_invalid"),
        (b'{"value":[{"clientState":["secret"]}]}', "signature_invalid"),
        (b'{"value":[]}', "signature_missing"),
        (b"{}", "signature_missing"),
        (b"", "signature_missing"),
        (b"{", "signature_missing"),
    ],
)
def test_every_item_of_a_batch_must_hold_the_token(body: bytes, code: str) -> None:
    """One item without the token, or with another, refuses the whole batch."""
    assert Case(GRAPH, [], body).code() == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("Basic dXNlcjpzZWNyZXQ=", "verified"),
        ("basic dXNlcjpzZWNyZXQ=", "verified"),
        ("Basic   dXNlcjpzZWNyZXQ=", "verified"),
        ("Basic dXNlcjpTZWNyZXQ=", "signature_invalid"),
        ("Basic b3RoZXI6c2VjcmV0", "signature_invalid"),
        ("Basic dXNlcg==", "signature_invalid"),
        ("Basic dXNlcjpzZWNyZXQ=!", "signature_invalid"),
        ("Basic", "signature_invalid"),
        ("Bearer secret", "signature_invalid"),
        ("", "signature_missing"),
    ],
)
def test_basic_needs_user_name_and_secret(value: str, code: str) -> None:
    """RFC 7617 with the operator's user name; bad base64 is a refusal."""
    case = Case(BASIC, [("Authorization", value)], settings={"username": "user"})
    assert case.code() == code


def test_an_unset_name_is_the_operators_fault() -> None:
    """Without a user name, or a name for the header, nothing verifies: 503, not 401."""
    unnamed = SharedToken(Header("", setting="token_header"), "secret")
    for case in (Case(BASIC, [("Authorization", "Basic OnNlY3JldA==")]), Case(unnamed, [])):
        with pytest.raises(ConfigurationError) as caught:
            case.verify()
        assert (caught.value.code, caught.value.status) == ("integration_misconfigured", 503)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("webhook-signature", "v1,AAAA"), *times("webhook")], "signature_invalid"),
        ([("webhook-signature", ""), *times("webhook")], "signature_missing"),
        ([("webhook-signature", "v1,AAAA")], "signature_missing"),
        (times("webhook"), "verified"),
        ([], "verified"),
    ],
)
def test_the_first_alternative_that_was_sent_decides_alone(
    headers: list[tuple[str, str]], code: str
) -> None:
    """A bad signature never falls back to the good token beside it."""
    token = ("X-Gitlab-Token", "gl-secret-token")
    assert replace(GITLAB_CASE, headers=[*headers, token]).code() == code


def test_a_signature_of_another_form_is_still_the_decider() -> None:
    """A signature header without the expected prefix is a bad signature, not a missing one."""
    scheme = AnyOf((GITHUB, SharedToken(Header("X-Gitlab-Token"), "secret")))
    headers = [("X-Hub-Signature-256", f"sha1={SHA1_OF_BODY}"), ("X-Gitlab-Token", "secret")]
    assert Case(scheme, headers).code() == "signature_invalid"
    assert Case(scheme, headers[1:]).code() == "verified"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"value":[{"clientState":"secret"}]}', "verified"),
        (b'{"value":[{"clientState":"wrong"}]}', "signature_invalid"),
        (b'{"value":[{"clientState":"secret"},{}]}', "signature_missing"),
        (b"{}", "signature_missing"),
    ],
)
def test_a_token_in_the_body_decides_where_nothing_else_was_sent(body: bytes, code: str) -> None:
    """An alternative in the body counts as sent once any item holds it."""
    assert Case(SERVICENOW_ANY, [], body).code() == code


def test_values_in_the_body_that_sign_must_be_unique() -> None:
    """A signature or a signed value that a path finds twice is ambiguous."""
    digest = hmac.digest(b"secret", b"a", "sha256").hex()
    twice = b'{"s":["%s","%s"],"v":["a"]}' % (digest.encode(), digest.encode())
    scheme = Hmac(where=path("$.s.*"), secret="secret", content=(path("$.v.*"),))
    assert Case(scheme, [], twice).code() == "signature_ambiguous"
    assert Case(replace(scheme, format=List(",", "")), [], twice).code() == "verified"
    body = b'{"s":["%s"],"v":["a","a"]}' % digest.encode()
    assert Case(scheme, [], body).code() == "signature_ambiguous"
    assert Case(scheme, [], body.replace(b',"a"', b"")).code() == "verified"


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ([("Authorization", "Basic dXNlcjpzZWNyZXQ=")], [], "verified"),
        ([("Authorization", "Bearer secret")], [], "verified"),
        ([("Authorization", "Digest x")], [("secret", "secret")], "verified"),
        ([("Authorization", "Basic eA==")], [("secret", "secret")], "signature_invalid"),
        ([("Authorization", "Digest x")], [], "signature_missing"),
        ([], [("secret", "")], "signature_missing"),
    ],
)
def test_authorization_is_an_offer_only_with_its_own_scheme(
    headers: list[tuple[str, str]], query: list[tuple[str, str]], code: str
) -> None:
    """Bearer and basic share a header; each counts as sent only under its own name."""
    bearer = SharedToken(Header("Authorization"), "secret", ("Bearer ",))
    scheme = AnyOf((SERVICENOW, bearer, BASIC, TOKEN_IN_QUERY, GRAPH))
    case = Case(scheme, headers, query=query, settings={"username": "user"})
    assert case.code() == code


def test_configured_drops_what_has_no_secret() -> None:
    """Of several alternatives those with a secret remain; none left is None."""
    signing, token = GITLAB.alternatives
    both = {"secret": [b"x"], "signing_token": [b"y"]}
    assert configured(GITLAB, both) == GITLAB
    assert configured(GITLAB, {"secret": [b"x"], "signing_token": [b""]}) == AnyOf((token,))
    assert configured(GITLAB, {"signing_token": [b"y"]}) == AnyOf((signing,))
    assert configured(GITLAB, {"secret": []}) is None
    assert configured(GITHUB, {"secret": [b""]}) is None
    assert configured(GITHUB, both) is GITHUB
    assert configured(Unsigned(), {}) == Unsigned()


def test_schemes_tell_their_settings_and_headers() -> None:
    """The settings that hold secrets, and the headers that must never be shown again."""
    assert secret_settings(GITLAB) == {"secret", "signing_token"}
    assert secret_settings(Unsigned()) == frozenset()
    assert proof_headers(GITLAB, {}) == {"webhook-signature", "x-gitlab-token"}
    assert proof_headers(BASIC, {}) == {"authorization"}
    assert proof_headers(JIRA_AUTOMATION, {"token_header": "X-Mine"}) == {"x-mine"}
    assert proof_headers(GRAPH, {}) == frozenset()


@pytest.mark.parametrize(
    "parts",
    [
        {"where": ()},
        {"encodings": ()},
        {"content": ()},
        {"content": (DOT,)},
        {"content": (TIMESTAMP, BODY)},
        {"timestamp": Timestamp(None)},
        {"timestamp": Timestamp(None), "format": Pairs(("v1",))},
    ],
)
def test_a_scheme_that_contradicts_itself_cannot_be_made(parts: dict[str, object]) -> None:
    """A proof that signs nothing of the request, or has no place, is refused when it is built."""
    with pytest.raises(ConfigurationError):
        replace(GITHUB, **parts)  # type: ignore[arg-type]  # tests/ is not type-checked


def test_sign_without_a_secret_is_the_operators_fault() -> None:
    """Nothing is signed with an empty key."""
    for scheme in (GITHUB, GITLAB, BEARER, BASIC):
        with pytest.raises(ConfigurationError):
            sign(scheme, Case(scheme, []).webhook, {"secret": [b""]}, {}, NOW)


def test_a_header_that_is_signed_and_missing_is_added() -> None:
    """A content part that the caller did not send gets the digest of the body, nothing random."""
    headers = dict(sign(SVIX, Case(SVIX, []).webhook, {"secret": [WHSEC.encode()]}, {}, NOW))
    assert headers["svix-id"] == hashlib.sha256(BODY_1).hexdigest()
    assert headers["svix-timestamp"] == "1705314600"
