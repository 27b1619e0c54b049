"""Headers and signature of what we send.

Source: Standard Webhooks 1.0, https://www.standardwebhooks.com
"""

import base64
import binascii
import hmac
from datetime import datetime

from onehook.core.model import Delivery

SECRET_PREFIX = "whsec_"  # noqa: S105 the prefix, not a secret


def secret_key(secret: str) -> bytes:
    """The key that *secret* stands for: base64 after ``whsec_``, else its UTF-8 bytes.

    Raises:
        ValueError: what follows ``whsec_`` is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        msg = "what follows whsec_ is not base64"
        raise ValueError(msg) from None


def make_secret(random: bytes) -> str:
    """A secret from 32 random bytes, as subscribers get it: ``whsec_`` + base64."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` + base64 of HMAC-SHA256 over ``id.timestamp.body``."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def headers(delivery: Delivery, now: datetime, user_agent: str) -> dict[str, str]:
    """The headers of one attempt. The body is signed as it is sent; *now* is the attempt's time."""
    timestamp = int(now.timestamp())
    key = delivery.subscription.secret
    marks = {"replay": delivery.replay, "test": delivery.test}
    return {
        "Content-Type": "application/json",
        "User-Agent": user_agent,
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, delivery.event_id, timestamp, delivery.body),
        "x-onehook-event": delivery.event_type,
        "x-onehook-delivery": delivery.id,
        "x-onehook-attempt": str(delivery.attempt),
        **{f"x-onehook-{name}": "true" for name, is_so in marks.items() if is_so},
    }
