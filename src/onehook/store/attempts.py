"""An attempt as it lies in the history."""

from datetime import datetime

import msgspec


class AttemptRow(msgspec.Struct, array_like=True):
    """One attempt. The request's body is the event's; its other headers follow from the ids."""

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


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AttemptRow).decode
