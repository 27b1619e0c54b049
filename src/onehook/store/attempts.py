"""An attempt as it lies in the history: what was sent, what came back, no secret."""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from onehook.core.integration import REDACTED
from onehook.core.model import delivery_id


class AttemptRow(msgspec.Struct, array_like=True):
    """One attempt. Header names are in lower case.

    Of *request_headers* those are left out that follow from the ids, see :func:`kept_headers`.
    *request_body* None: the event as it is stored.
    """

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str | None
    url: str
    request_headers: dict[str, str]
    response_headers: dict[str, str]
    response_body: str
    request_body: str | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AttemptRow).decode

# What profiles write: an operator's own headers may hold anything, and so are not shown.
_SHOWN = re.compile(
    r"content-type|user-agent|webhook-(id|timestamp|signature)"
    r"|x-[a-z0-9-]{1,32}-(signature|timestamp|event|delivery|attempt|replay|test)"
)
_SECRET_ANSWERS = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate"})


def _following(event_id: str, type_: str, subscription_id: str, number: int) -> dict[str, str]:
    """The headers that every profile sends, and that follow from what is known anyway."""
    return {
        "webhook-id": event_id,
        "x-onehook-event": type_,
        "x-onehook-delivery": delivery_id(event_id, subscription_id),
        "x-onehook-attempt": str(number),
    }


def kept_headers(
    sent: Mapping[str, str], event_id: str, type_: str, subscription_id: str, number: int
) -> dict[str, str]:
    """The headers of an attempt as the history keeps them: the secret ones blanked."""
    follows = _following(event_id, type_, subscription_id, number)
    named = {name.lower(): value for name, value in sent.items()}
    return {
        name: value if _SHOWN.fullmatch(name) else REDACTED
        for name, value in named.items()
        if follows.get(name) != value
    }


def sent_headers(
    row: AttemptRow, event_id: str, type_: str, subscription_id: str
) -> dict[str, str]:
    """The headers of an attempt as they were sent, the secret ones blanked."""
    return {**_following(event_id, type_, subscription_id, row.number), **row.request_headers}


def kept_answer(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer as the history keeps them; their names stay as they came."""
    return {
        name: REDACTED if name.lower() in _SECRET_ANSWERS else value
        for name, value in headers.items()
    }
