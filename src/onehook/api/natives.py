"""How the API describes a native webhook."""

import base64
from datetime import datetime

from pydantic import BaseModel

from onehook.core.identity import digest
from onehook.core.model import Webhook


class NativeOut(BaseModel):
    """A native webhook as it was kept: its body byte for byte, its headers with proofs blanked."""

    received_at: datetime
    headers: list[tuple[str, str]]
    content_type: str
    size: int
    sha256: str
    body_base64: str


def content_type(webhook: Webhook) -> str:
    """The content type it was sent with."""
    return webhook.headers.get("content-type") or "application/octet-stream"


def describe(webhook: Webhook) -> NativeOut:
    """*webhook* as the API shows it."""
    return NativeOut(
        received_at=webhook.received_at,
        headers=webhook.headers.pairs(),
        content_type=content_type(webhook),
        size=len(webhook.body),
        sha256=digest(webhook.body),
        body_base64=base64.b64encode(webhook.body).decode(),
    )
