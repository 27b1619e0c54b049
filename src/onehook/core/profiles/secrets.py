"""Secrets of subscriptions, and the keys that they stand for."""

import base64
from dataclasses import dataclass
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105 the prefix, not a secret
SHORT_SECRET = 32  # characters: below that a secret is taken, with a warning


def make_secret(random: bytes) -> str:
    """A secret from 32 random bytes, as subscribers get it: ``whsec_`` + base64."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def standard_key(secret: str) -> bytes:
    """The key of Standard Webhooks: base64 after ``whsec_``, else the UTF-8 of *secret*.

    Raises:
        ValueError: what follows ``whsec_`` is no base64, or nothing.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one; so is text beyond ASCII
        key = b""
    if not key:
        msg = "what follows whsec_ is not base64 of a key"
        raise ValueError(msg)
    return key


def literal_key(secret: str) -> bytes:
    """The UTF-8 of *secret*, exactly as it was given."""
    return secret.encode()


def token_key(secret: str) -> bytes:
    """The bytes of *secret* as a bearer token: it is sent itself, so it must fit in a header.

    Raises:
        ValueError: it does not.
    """
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        msg = "is sent as a bearer token, so it is ASCII without spaces or control characters"
        raise ValueError(msg)
    return secret.encode()


def standard_form(secret: str) -> str:
    """*secret* as libraries of Standard Webhooks take it: with ``whsec_``."""
    return secret if secret.startswith(SECRET_PREFIX) else make_secret(secret.encode())


@dataclass(frozen=True, slots=True)
class Keys:
    """The key of a subscription, and the one before it while a rotation goes on."""

    current: bytes
    previous: bytes | None = None
    until: datetime | None = None  # aware UTC: when the overlap ends

    def active(self, now: datetime) -> tuple[bytes, ...]:
        """The keys that sign at *now*, newest first."""
        if self.previous is None or self.until is None or now >= self.until:
            return (self.current,)
        return (self.current, self.previous)

    def only(self, now: datetime) -> bytes:
        """The one key that signs at *now*: the previous one until the overlap ends."""
        return self.active(now)[-1]
