"""The judgement: does a webhook prove that the vendor sent it?"""

import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import assert_never

from onehook.core.model import Webhook
from onehook.core.signatures.encoding import Encoding, decode
from onehook.core.signatures.reading import (
    Claim,
    Request,
    misconfigured,
    octets,
    parse_timestamp,
    read_claim,
    read_timestamp,
    refuse,
    refuse_missing,
    signed_content,
)
from onehook.core.signatures.schemes import (
    TIMESTAMP,
    Algorithm,
    AnyOf,
    Basic,
    BodyPath,
    Header,
    Hmac,
    Part,
    Plain,
    Proof,
    Query,
    Scheme,
    Secrets,
    Settings,
    SharedToken,
    Timestamp,
    Unsigned,
    headers_of,
    key_of,
)

_DIGEST_BYTES = {Algorithm.SHA256: 32, Algorithm.SHA1: 20, Algorithm.SHA512: 64}
_BASIC = ("Basic ",)
_COMPARE_SECRETS = "compare the secret here with the one at the sender"


def verify(
    scheme: Scheme, webhook: Webhook, secrets: Secrets, settings: Settings, now: datetime
) -> None:
    """Check the proof on *webhook*, as the platform's *scheme* describes it.

    Any of the active *secrets* may fit, so one can be rotated without a gap. *now* is aware UTC.
    The signature is judged before the age: what is forged and stale is forged.

    Raises:
        SignatureError: there is no proof, or it does not fit; the detail holds nothing secret.
        ConfigurationError: ``integration_misconfigured`` (503), there is no usable secret.
    """
    request = Request(webhook, settings)
    proof = _decider(scheme, request)
    match proof:
        case Hmac():
            _verify_hmac(proof, request, keys(proof, secrets), now)
        case SharedToken():
            _verify_token(proof, request, keys(proof, secrets))
        case Basic():
            _verify_basic(proof, request, keys(proof, secrets))
        case Unsigned():
            pass
        case _ as never:
            assert_never(never)


def signed_bytes(scheme: Scheme, webhook: Webhook, settings: Settings) -> bytes | None:
    """What the proof on *webhook* signs; None where it signs no bytes. Call :func:`verify` first.

    A signed timestamp is part of it, so a vendor's own retry differs and a replay does not.

    Raises:
        SignatureError: the webhook would not have verified.
        ConfigurationError: a header has no name.
    """
    request = Request(webhook, settings)
    proof = _decider(scheme, request)
    if not isinstance(proof, Hmac):
        return None
    return _content(proof, request, read_claim(proof, request))


def signs_the_body(scheme: Scheme) -> bool:
    """Whether every proof that *scheme* takes signs just the body, as it came."""
    proofs = scheme.alternatives if isinstance(scheme, AnyOf) else (scheme,)
    return all(isinstance(proof, Hmac) and proof.content == (Part.BODY,) for proof in proofs)


def keys(proof: Proof, secrets: Secrets) -> list[bytes]:
    """The keys of the active secrets, at least one.

    Raises:
        ConfigurationError: no secret is usable; an empty one would let everybody in.
    """
    usable = [key for secret in secrets.get(proof.secret, ()) if (key := key_of(proof, secret))]
    if not usable:
        misconfigured(f"This integration has no usable secret in its setting {proof.secret}.")
    return usable


def username(proof: Basic, settings: Settings) -> str:
    """The user name that basic authentication must give.

    Raises:
        ConfigurationError: it is not set.
    """
    name = settings.get(proof.username)
    if name is None:
        misconfigured(f"This integration has no value in its setting {proof.username}.")
    return name


def _decider(scheme: Scheme, request: Request) -> Proof | Unsigned:
    if not isinstance(scheme, AnyOf):
        return scheme
    decider = next((proof for proof in scheme.alternatives if _is_sent(proof, request)), None)
    if decider is None:
        places = [place for proof in scheme.alternatives for place in _places(proof, request)]
        refuse_missing(" and ".join(f"no {place}" for place in places))
    return decider


def _is_sent(proof: Proof, request: Request) -> bool:
    """Whether *proof* was offered, right or wrong: an empty header is an offer too."""
    if isinstance(proof, Basic):
        return _header_is_sent("Authorization", _BASIC, request)
    if isinstance(proof.where, Query):
        return request.webhook.query_value(proof.where.name) is not None
    if isinstance(proof.where, BodyPath):
        return bool(request.values(proof.where))
    prefixes = _prefixes(proof)
    names = [request.name_of(header) for header in headers_of(proof)]
    return any(_header_is_sent(name, prefixes, request) for name in names)


def _header_is_sent(name: str, prefixes: Sequence[str], request: Request) -> bool:
    lines = request.lines(name)
    if name.lower() != "authorization":
        return bool(lines)
    # One header for every authentication scheme: of another scheme it is no offer of this proof.
    return any(True for line in lines for _ in _after_prefix(line, prefixes))


def _prefixes(proof: Hmac | SharedToken) -> Sequence[str]:
    if isinstance(proof, SharedToken):
        return proof.prefixes
    return proof.format.prefixes if isinstance(proof.format, Plain) else ("",)


def _places(proof: Proof, request: Request) -> list[str]:
    """Where *proof* is looked for, in words for the sender."""
    if isinstance(proof, Basic):
        return ["Authorization: Basic header"]
    if isinstance(proof.where, Query):
        return [f"query parameter {proof.where.name}"]
    if isinstance(proof.where, BodyPath):
        return [f"{proof.where.text} in its body"]
    return [f"{request.name_of(header)} header" for header in headers_of(proof)]


def _verify_hmac(scheme: Hmac, request: Request, active: Sequence[bytes], now: datetime) -> None:
    claim = read_claim(scheme, request)
    content = _content(scheme, request, claim)
    presented = list(_digests(scheme, claim))
    expected = [hmac.digest(key, content, scheme.algorithm) for key in active]
    # Every pair is compared: stopping at a match would let timing tell which secret is current.
    matches = [hmac.compare_digest(p, e) for p in presented for e in expected]
    if not any(matches):
        refuse(
            f"The signature does not fit: {_COMPARE_SECRETS}, and let the body pass byte for byte."
        )
    if scheme.timestamp is not None:
        _check_age(scheme.timestamp, read_timestamp(scheme.timestamp, request, claim), now)


def _content(scheme: Hmac, request: Request, claim: Claim) -> bytes:
    timestamp = ""
    if scheme.timestamp is not None and TIMESTAMP in scheme.content:
        timestamp = read_timestamp(scheme.timestamp, request, claim)
    return signed_content(scheme, request, timestamp)


def _digests(scheme: Hmac, claim: Claim) -> Iterator[bytes]:
    """What *claim* presents, decoded; what is not as long as the digest cannot be one."""
    for text in claim.signatures:
        raw = octets(text)
        for encoding in scheme.encodings:
            digest = decode(raw, encoding)
            if digest is not None and len(digest) == _DIGEST_BYTES[scheme.algorithm]:
                yield digest


def _check_age(timestamp: Timestamp, text: str, now: datetime) -> None:
    at = parse_timestamp(text, timestamp.format)
    if at is None:
        problem = f"is not written as {timestamp.format.value}"
    elif abs(now - at) > timestamp.tolerance:
        seconds = round(timestamp.tolerance.total_seconds())
        problem = f"is more than {seconds} s away from the clock here"
    else:
        return
    detail = f"The signature fits, but the timestamp of the request {problem}."
    refuse(detail, code="timestamp_out_of_range")


def _verify_token(scheme: SharedToken, request: Request, active: Sequence[bytes]) -> None:
    presented = _tokens(scheme.where, request)
    fits = [_token_fits(text, scheme.prefixes, active) for text in presented]
    if not all(fits):
        refuse(f"The token does not fit: {_COMPARE_SECRETS}.")


def _tokens(where: Header | Query | BodyPath, request: Request) -> list[str]:
    match where:
        case Header():
            return [request.header(request.name_of(where))]
        case Query():
            return [request.query(where)]
        case BodyPath():
            return request.found(where)
        case _ as never:
            assert_never(never)


def _token_fits(text: str, prefixes: Sequence[str], active: Sequence[bytes]) -> bool:
    tokens = [octets(token) for token in _after_prefix(text, prefixes)]
    matches = [hmac.compare_digest(token, key) for token in tokens for key in active]
    return any(matches)


def _after_prefix(text: str, prefixes: Sequence[str]) -> Iterator[str]:
    """What follows each prefix that *text* has, upper or lower case."""
    for prefix in prefixes:
        if text[: len(prefix)].lower() == prefix.lower():
            yield text[len(prefix) :]


def _verify_basic(scheme: Basic, request: Request, active: Sequence[bytes]) -> None:
    user = username(scheme, request.settings).encode()
    tokens = list(_after_prefix(request.header("Authorization"), _BASIC))
    presented = [decode(octets(token.strip(" ")), Encoding.BASE64) or b"" for token in tokens]
    fits = [hmac.compare_digest(p, user + b":" + key) for p in presented for key in active]
    if not any(fits):
        refuse(f"The user name or password does not fit: {_COMPARE_SECRETS}.")
