"""Deterministic ids: the same webhook gives the same event ids, in any process, for ever."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from onehook.core.jsontext import encode
from onehook.core.model import EventId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32, lower case
_LENGTH = 26
_BITS = 5 * _LENGTH
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
RANDOMNESS = 10  # bytes, of a ULID


def digest(body: bytes) -> str:
    """Lower-case hex SHA-256 of *body*."""
    return hashlib.sha256(body).hexdigest()


def event_id(integration_id: str, parts: Sequence[str], type_: str, discriminator: str) -> EventId:
    """``evt_`` + the top 130 bits of SHA-256, in base32 (`schema.md` §2 rule 6).

    The digest is over the compact JSON array ``["1", integration, [dedupe parts…], type,
    discriminator]``. The integration is part of it because vendors reuse one delivery id for
    several receivers of one event, with different bodies.
    """
    text = encode(("1", integration_id, parts, type_, discriminator))
    number = int.from_bytes(hashlib.sha256(text).digest()) >> (256 - _BITS)
    return EventId(f"evt_{_base32(number)}")


def ulid(now: datetime, randomness: bytes) -> str:
    """A ULID, lower case: 48 bits of Unix time in ms, then 10 bytes of *randomness*.

    Source: https://github.com/ulid/spec
    """
    ms = (now - _EPOCH) // _MS
    return _base32(ms << 8 * RANDOMNESS | int.from_bytes(randomness))


def _base32(number: int) -> str:
    """The 26 digits of *number*, two at a time.

    Written out, and in parts that fit a machine's word: with a loop, or on the whole number, it
    takes twice as long.
    """
    pairs, mask = _PAIRS, (1 << 40) - 1
    high, middle, low = number >> 80, number >> 40 & mask, number & mask
    return (
        f"{pairs[high >> 40]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}"
        f"{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[middle >> 30]}{pairs[middle >> 20 & 1023]}"
        f"{pairs[middle >> 10 & 1023]}{pairs[middle & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )
