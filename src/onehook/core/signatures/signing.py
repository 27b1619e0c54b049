"""The inverse of verifying: the headers a vendor would send, for the demo and for tests."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from msgspec.structs import replace

from onehook.core.model import Headers, Webhook
from onehook.core.signatures.encoding import Encoding, encode
from onehook.core.signatures.reading import (
    EPOCH,
    EPOCH_FORMATS,
    Claim,
    Request,
    misconfigured,
    read_timestamp,
    signed_content,
)
from onehook.core.signatures.schemes import (
    TIMESTAMP,
    AnyOf,
    Basic,
    BodyPath,
    Header,
    HeaderPart,
    Hmac,
    List,
    Pairs,
    Plain,
    Proof,
    Scheme,
    Secrets,
    Settings,
    SharedToken,
    TimeFormat,
    Unsigned,
    alternatives,
    configured,
)
from onehook.core.signatures.verifying import keys, username


def sign(
    scheme: Scheme, webhook: Webhook, secrets: Secrets, settings: Settings, now: datetime
) -> list[tuple[str, str]]:
    """The headers that, added to those of *webhook*, make ``verify`` pass at *now* (aware UTC).

    The first alternative with a secret signs: with every active secret where its format holds
    several signatures, else with the first. A header under the signature that *webhook* lacks is
    added, with the SHA-256 of the body as its value. A proof in the body or the query adds
    nothing: *webhook* has to hold it already.

    Raises:
        ConfigurationError: there is no usable secret, or no user name or header name is set.
        SignatureError: the signed content needs a value that the body does not have.
    """
    proof = _signing_proof(scheme, secrets)
    match proof:
        case Hmac():
            return _sign_hmac(proof, Request(webhook, settings), keys(proof, secrets), now)
        case SharedToken(where=Header() as header):
            token = keys(proof, secrets)[0].decode("utf-8", "surrogateescape")
            return [(Request(webhook, settings).name_of(header), proof.prefixes[0] + token)]
        case Basic():
            credentials = username(proof, settings).encode() + b":" + keys(proof, secrets)[0]
            return [("Authorization", "Basic " + encode(credentials, Encoding.BASE64))]
        case SharedToken() | Unsigned():
            return []
        case _ as never:
            assert_never(never)


def _signing_proof(scheme: Scheme, secrets: Secrets) -> Proof | Unsigned:
    if not isinstance(scheme, AnyOf):
        return scheme
    usable = configured(scheme, secrets)
    if usable is None:
        misconfigured("This integration has no secret in any of its settings.")
    return alternatives(usable)[0]


def _sign_hmac(
    scheme: Hmac, request: Request, active: Sequence[bytes], now: datetime
) -> list[tuple[str, str]]:
    webhook = request.webhook
    timestamp, added = _timestamp(scheme, request, now)
    sent = {name.lower() for name, _ in [*webhook.headers.pairs(), *added]}
    wanted = [part.name for part in scheme.content if isinstance(part, HeaderPart)]
    added += [
        (name, hashlib.sha256(webhook.body).hexdigest())
        for name in dict.fromkeys(wanted)
        if name.lower() not in sent
    ]
    headers = Headers([*webhook.headers.pairs(), *added])
    request = Request(replace(webhook, headers=headers), request.settings)
    content = signed_content(scheme, request, timestamp)
    signatures = [
        encode(hmac.digest(key, content, scheme.algorithm), scheme.encodings[0]) for key in active
    ]
    if isinstance(scheme.where, BodyPath):
        return added
    names = [request.name_of(header) for header in scheme.where]
    values = _values(scheme.format, signatures, timestamp)
    return [*added, *zip(names, values, strict=False)]


def _timestamp(scheme: Hmac, request: Request, now: datetime) -> tuple[str, list[tuple[str, str]]]:
    """The text of the timestamp ("" if the scheme has none) and the header that carries it."""
    if scheme.timestamp is None:
        return "", []
    text = _write_time(now, scheme.timestamp.format)
    match scheme.timestamp.source:
        case Header() as header:
            name = request.name_of(header)
            if sent := request.lines(name):
                return sent[0], []
            return text, [(name, text)]
        case BodyPath():
            if TIMESTAMP not in scheme.content:
                return "", []
            return read_timestamp(scheme.timestamp, request, Claim(())), []
        case None:
            return text, []
        case _ as never:
            assert_never(never)


def _write_time(now: datetime, written: TimeFormat) -> str:
    if written is TimeFormat.RFC3339:
        return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str((now - EPOCH) // EPOCH_FORMATS[written][0])


def _values(
    written: Plain | List | Pairs, signatures: Sequence[str], timestamp: str
) -> Sequence[str]:
    """One header value for each header that is to be sent."""
    match written:
        case Plain(prefixes):
            return [prefixes[0] + signature for signature in signatures]
        case List(separator, tag):
            return [separator.join(tag + signature for signature in signatures)]
        case Pairs() as pairs:
            entries = [f"{pairs.signatures[0]}={signature}" for signature in signatures]
            if pairs.timestamp is not None:
                entries.insert(0, f"{pairs.timestamp}={timestamp}")
            return [pairs.separator.join(entries)]
        case _ as never:
            assert_never(never)
