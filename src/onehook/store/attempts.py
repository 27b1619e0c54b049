"""An attempt as it lies in the history."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from onehook.core.mapping.redactions import REDACTED
from onehook.store.packing import EVENTS, compress_like, decompress


class Sent(msgspec.Struct, array_like=True):
    """A request that does not follow from its event: headers, secrets blanked; the body packed."""

    headers: dict[str, str]
    body: bytes


class AttemptRow(msgspec.Struct, array_like=True):
    """One attempt.

    Without *sent* the request's body is the event's, and its headers follow from the ids and
    *signature*.
    """

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str | None
    url: str
    signature: str
    response_headers: dict[str, str]
    response_body: str
    sent: Sent | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AttemptRow).decode

_SECRET_ANSWERS = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate"})


def pack_sent(headers: Mapping[str, str], body: str) -> Sent:
    """A request for the history."""
    return Sent(dict(headers), compress_like(EVENTS, body.encode()))


def sent_body(sent: Sent) -> str:
    """The body that :func:`pack_sent` packed."""
    return decompress(sent.body).decode("utf-8", "replace")


def kept_answer(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer for the history, the receiver's secrets blanked."""
    return {
        name: REDACTED if name.lower() in _SECRET_ANSWERS else value
        for name, value in headers.items()
    }
