"""Deterministic ids: the same webhook gives the same event ids, in any process, for ever."""

import hashlib
from collections.abc import Sequence

from onehook.core.jsontext import encode
from onehook.core.model import EventId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32, lower case
_LENGTH = 26


def digest(body: bytes) -> str:
    """Lower-case hex SHA-256 of *body*."""
    return hashlib.sha256(body).hexdigest()


def event_id(integration_id: str, parts: Sequence[str], type_: str, discriminator: str) -> EventId:
    """``evt_`` + the top 130 bits of SHA-256, in base32 (`schema.md` §2 rule 6).

    The digest is over the compact JSON array ``["1", integration, [dedupe parts…], type,
    discriminator]``. The integration is part of it because vendors reuse one delivery id for
    several receivers of one event, with different bodies.
    """
    text = encode(["1", integration_id, list(parts), type_, discriminator])
    number = int.from_bytes(hashlib.sha256(text).digest()) >> (256 - 5 * _LENGTH)
    shifts = range(5 * (_LENGTH - 1), -1, -5)
    return EventId("evt_" + "".join([_ALPHABET[number >> shift & 31] for shift in shifts]))
