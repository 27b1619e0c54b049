"""What a proof can look like: every dimension in which vendors differ, as plain data.

A platform's ``verify`` section compiles to one :data:`Scheme`; nothing here names a platform but
the docstrings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from typing import TypeAlias

from onehook.core.jsontext import JsonValue
from onehook.core.signatures.encoding import Encoding, decode
from onehook.errors import ConfigurationError

Secrets: TypeAlias = Mapping[str, Sequence[bytes]]
"""Setting name to its active secrets, the newest first; raw UTF-8 bytes of what was typed in."""

Settings: TypeAlias = Mapping[str, str]
"""The settings that are no secrets: user names, header names."""

Getter: TypeAlias = Callable[[JsonValue], Sequence[JsonValue]]
"""A compiled path: what it finds in a parsed body, in order. It never raises."""


class Algorithm(StrEnum):
    """The digest under the HMAC: fixed by the scheme, never chosen by the sender."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    SHA512 = "sha512"


class KeyForm(StrEnum):
    """How the text of a secret becomes the key."""

    UTF8 = "utf8"
    BASE64 = "base64"
    HEX = "hex"


class TimeFormat(StrEnum):
    """How a timestamp is written."""

    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    RFC3339 = "rfc3339"


class Part(Enum):
    """A piece of the signed content that needs no argument."""

    BODY = "body"  # the raw bytes
    TIMESTAMP = "timestamp"  # the text as presented
    METHOD = "method"
    URL = "url"  # as the sender called it, escapes left as they are
    PATH = "path"
    QUERY = "query"  # raw, without the question mark


BODY = Part.BODY
TIMESTAMP = Part.TIMESTAMP
METHOD = Part.METHOD
URL = Part.URL
PATH = Part.PATH
QUERY = Part.QUERY


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that are signed as they stand, such as the dot between two parts."""

    text: bytes


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """The value of a request header; exactly one must have been sent."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header that carries a proof. An operator may rename it in the setting *setting*.

    Without a value in that setting *name* holds; an empty *name* then is a misconfiguration.
    """

    name: str
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter that carries a shared token. It lands in logs: by explicit choice only."""

    name: str


@dataclass(frozen=True, slots=True)
class BodyPath:
    """A place in the body: *text* as the mapping wrote it, *get* its compiled form.

    *items*, for a path with a wildcard, finds the batch items: each must then have a value, for
    an item without the token would be an item without a proof.
    """

    text: str
    get: Getter
    items: Getter | None = None


ContentPart: TypeAlias = Part | Literal | HeaderPart | BodyPath


@dataclass(frozen=True, slots=True)
class Timestamp:
    """When the vendor signed. *tolerance* holds in both directions, its limit included.

    *source* None: the pair of the signature header that :class:`Pairs` names.
    """

    source: Header | BodyPath | None
    format: TimeFormat = TimeFormat.EPOCH_S
    tolerance: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Plain:
    """The header is one signature after one of *prefixes*; ``""`` among them: it is optional."""

    prefixes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class List:
    """Entries split by *separator*; those that begin with *tag* are signatures, others ignored.

    Source: PagerDuty (``v1=…,v1=…``), Standard Webhooks (``v1,… v1,…``).
    """

    separator: str
    tag: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """``key=value`` split by *separator*: *timestamp* names one, *signatures* the others.

    Source: Stripe (``t=…,v1=…,v1=…``), Buildkite (``timestamp=…,signature=…``).
    """

    signatures: tuple[str, ...]
    timestamp: str | None = None
    separator: str = ","


@dataclass(frozen=True, slots=True, kw_only=True)
class Hmac:
    """A keyed digest over *content*. Of several headers in *where*, any suffices.

    *secret* is the setting that holds the secret; *key_prefix* (``whsec_``) is cut off it, if
    there, before *key* says how the rest becomes the key. Several *encodings*: a signature is
    read in each that gives the digest's length.
    """

    where: tuple[Header, ...] | BodyPath
    secret: str
    format: Plain | List | Pairs = Plain()
    encodings: tuple[Encoding, ...] = (Encoding.HEX,)
    algorithm: Algorithm = Algorithm.SHA256
    content: tuple[ContentPart, ...] = (BODY,)
    timestamp: Timestamp | None = None
    key: KeyForm = KeyForm.UTF8
    key_prefix: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never verify, or would verify nothing.

        Raises:
            ConfigurationError: the parts contradict each other.
        """
        problem = None
        if not self.where or not self.encodings:
            problem = "a signature needs a header and an encoding"
        elif all(isinstance(part, Literal) for part in self.content):
            problem = "the signed content holds nothing of the request"
        elif TIMESTAMP in self.content and self.timestamp is None:
            problem = "the signed content holds a timestamp that is not described"
        elif (
            self.timestamp is not None
            and self.timestamp.source is None
            and not (isinstance(self.format, Pairs) and self.format.timestamp)
        ):
            problem = "a timestamp needs a header, a body path or a pair"
        if problem is not None:
            raise ConfigurationError(problem)


@dataclass(frozen=True, slots=True)
class SharedToken:
    """The secret itself, in clear, after one of *prefixes*. It proves nothing of the body.

    The prefix is read without case, as an authentication scheme is (RFC 9110 §11.1). In a body
    every value that is found must be the secret.
    """

    where: Header | Query | BodyPath
    secret: str
    prefixes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic``. *username* and *secret* name settings. Source: RFC 7617."""

    username: str
    secret: str


Proof: TypeAlias = Hmac | SharedToken | Basic


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The first of *alternatives* whose header was sent decides, alone, whatever it says.

    ``Authorization`` counts as sent only with the alternative's own authentication scheme.
    """

    alternatives: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """No proof: only the explicit ``verify: none`` of an integration."""


Scheme: TypeAlias = Proof | AnyOf | Unsigned

_KEY_ENCODINGS = {KeyForm.BASE64: Encoding.BASE64, KeyForm.HEX: Encoding.HEX}
_SHORTEST_SECRET = 8  # characters, and bytes of key
_PLACEHOLDERS = frozenset(
    {b"changeme", b"change-me", b"password", b"your-secret", b"your_secret", b"webhook-secret"}
)


def alternatives(scheme: Scheme) -> tuple[Proof, ...]:
    """The proofs that *scheme* accepts, in order; none for :class:`Unsigned`."""
    match scheme:
        case AnyOf():
            return scheme.alternatives
        case Unsigned():
            return ()
        case _:
            return (scheme,)


def secret_settings(scheme: Scheme) -> frozenset[str]:
    """The settings that hold the secrets of *scheme*."""
    return frozenset(proof.secret for proof in alternatives(scheme))


def configured(scheme: Scheme, secrets: Secrets) -> Scheme | None:
    """*scheme* without the alternatives that have no secret; None if nothing is left."""
    if isinstance(scheme, Unsigned):
        return scheme
    kept = tuple(proof for proof in alternatives(scheme) if any(secrets.get(proof.secret, ())))
    if not kept:
        return None
    return AnyOf(kept) if isinstance(scheme, AnyOf) else scheme


def proof_headers(scheme: Scheme, settings: Settings) -> frozenset[str]:
    """Headers (lower case) that hold a signature or a token: what is never shown again."""
    return frozenset(
        header_name(header, settings).lower()
        for proof in alternatives(scheme)
        for header in headers_of(proof)
    )


def headers_of(proof: Proof) -> tuple[Header, ...]:
    """The headers in which *proof* may come; none if it is in the body or the query."""
    if isinstance(proof, Basic):
        return (Header("Authorization"),)
    if isinstance(proof.where, Header):
        return (proof.where,)
    return proof.where if isinstance(proof.where, tuple) else ()


def header_name(header: Header, settings: Settings) -> str:
    """The name of *header* in this integration; "" where nobody has given it one."""
    return (settings.get(header.setting) if header.setting else None) or header.name


def key_of(proof: Proof, secret: bytes) -> bytes | None:
    """The key that *secret* stands for; None if it is empty or not written as it should be."""
    if not isinstance(proof, Hmac):
        return secret or None
    text = secret.removeprefix(proof.key_prefix.encode())
    encoding = _KEY_ENCODINGS.get(proof.key)
    return (text if encoding is None else decode(text, encoding)) or None


def secret_problem(scheme: Scheme, setting: str, secret: bytes) -> str | None:
    """Why *secret* must not be saved in *setting*; None if it may be."""
    if secret.lower() in _PLACEHOLDERS:
        return "is a placeholder: make a random one"
    for proof in alternatives(scheme):
        if proof.secret != setting:
            continue
        key = key_of(proof, secret)
        if key is None and secret and isinstance(proof, Hmac):
            return f"is not {proof.key.value} text{_after(proof.key_prefix)}"
        if key is None or min(len(key), len(secret.decode(errors="replace"))) < _SHORTEST_SECRET:
            return f"is shorter than {_SHORTEST_SECRET} characters"
    return None


def _after(prefix: str) -> str:
    return f" after {prefix}" if prefix else ""
