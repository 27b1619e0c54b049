"""The body of a webhook, from the bytes that were signed to a JSON value.

JSON as it is; gzip inflated within a cap, after verification; GitHub's form encoding, whose one
field ``payload`` holds the JSON.
"""

import binascii
import re
import zlib
from collections.abc import Callable

from onehook.core.jsonlimits import excess
from onehook.core.jsontext import JsonSyntaxError, JsonValue, decode
from onehook.core.model import Headers, Webhook
from onehook.errors import InvalidRequestError

FORM = "application/x-www-form-urlencoded"
MAX_MEMBERS = 101  # of a gzip body, and one: each copies what follows it, however little it holds
_PAYLOAD = re.compile(rb"(?:^|&)payload=([^&]*)")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")


class BodyError(ValueError):
    """A verified body cannot be read. *reason*: unparsable, empty_body."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def media_type(headers: Headers) -> str:
    """The content type without parameters, in lower case; empty if none was sent."""
    return (headers.get("content-type") or "").partition(";")[0].strip().lower()


def check_media_type(webhook: Webhook) -> None:
    """Refuse what no vendor sends as a webhook; an empty body needs no type.

    Raises:
        InvalidRequestError: 415, media_type_unsupported or encoding_unsupported.
    """
    encoding = (webhook.headers.get("content-encoding") or "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        detail = f"Content-Encoding {encoding[:40]!r} is not read here: send gzip, or none"
        raise InvalidRequestError(detail, code="encoding_unsupported", status=415)
    if not webhook.body:
        return
    found = media_type(webhook.headers)
    if found in ("application/json", FORM):
        return
    if not (found.startswith("application/") and found.endswith("+json")):
        shown = repr(found[:80]) if found else "no content type"
        detail = f"{shown} is not read here: send application/json"
        raise InvalidRequestError(detail, code="media_type_unsupported", status=415)


def inflate(body: bytes, max_bytes: int) -> bytes:
    """Undo gzip, never beyond *max_bytes*.

    Raises:
        InvalidRequestError: 400 body_invalid if it is no gzip, 413 body_too_large beyond the cap.
    """
    out, rest = bytearray(), body
    for _ in range(MAX_MEMBERS):  # RFC 1952 §2.2: a gzip file is one member or several
        if not rest:
            return bytes(out)
        inflater = zlib.decompressobj(wbits=31)
        try:
            out += inflater.decompress(rest, max_bytes + 1 - len(out))
        except zlib.error:
            detail = "the body says Content-Encoding: gzip and is none"
            raise InvalidRequestError(detail, code="body_invalid", status=400) from None
        if len(out) > max_bytes:
            detail = f"the inflated body is larger than {max_bytes} bytes"
            raise InvalidRequestError(detail, code="body_too_large", status=413)
        if not inflater.eof:
            detail = "the gzip body ends too early"
            raise InvalidRequestError(detail, code="body_invalid", status=400)
        rest = inflater.unused_data
    detail = f"the gzip body has more than {MAX_MEMBERS - 1} members: send it as one"
    raise InvalidRequestError(detail, code="body_invalid", status=400)


def plain_body(webhook: Webhook, max_bytes: int) -> bytes:
    """The body after content decoding.

    Raises:
        InvalidRequestError: see :func:`inflate`.
    """
    encoding = (webhook.headers.get("content-encoding") or "").strip().lower()
    if encoding in ("", "identity") or not webhook.body:
        return webhook.body
    return inflate(webhook.body, max_bytes)


def parse_body(
    webhook: Webhook, max_bytes: int, read: Callable[[bytes], JsonValue] = decode
) -> JsonValue:
    """The JSON value in the body; *read* may leave out of it what nobody looks at.

    Raises:
        BodyError: it is empty, no JSON, with line and column, or has too many levels or values.
        InvalidRequestError: see :func:`inflate`.
    """
    body = plain_body(webhook, max_bytes)
    if body and media_type(webhook.headers) == FORM:
        body = _payload(body)
    if not body.strip():
        detail = "the body is empty: at the sender, untick the option that leaves it out"
        raise BodyError("empty_body", detail)
    too_much = excess(body)
    if too_much is not None:
        raise BodyError("unparsable", too_much)
    try:
        return read(body)
    except JsonSyntaxError as error:
        detail = f"line {error.line}, column {error.column}: {error.reason}"
        raise BodyError("unparsable", detail) from None


def _payload(body: bytes) -> bytes:
    """The field ``payload`` of a form body.

    Raises:
        BodyError: there is none, or it is not percent-encoded.
    """
    found = _PAYLOAD.search(body)
    if found is None:
        raise BodyError("unparsable", "line 1, column 1: the form has no field payload")
    value = found[1]
    broken = _BROKEN_ESCAPE.search(value)
    if broken is not None:
        at = found.start(1) + broken.start() + 1
        detail = f"line 1, column {at}: a % without two hexadecimal digits"
        raise BodyError("unparsable", detail)
    # Quoted-printable is the same encoding with another sign, and is undone in C: to split at
    # each % takes seconds and gigabytes for the largest body.
    quoted = value.replace(b"=", b"%3D").replace(b"%", b"=").replace(b"+", b" ")
    return binascii.a2b_qp(quoted)
