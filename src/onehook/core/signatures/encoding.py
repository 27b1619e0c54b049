"""Bytes as text: strict decoders that answer None for anything but the one right spelling."""

import binascii
from collections.abc import Callable
from enum import StrEnum


class Encoding(StrEnum):
    """How the bytes of a signature, or of a key, are written."""

    HEX = "hex"
    BASE64 = "base64"
    BASE64URL = "base64url"


_SWAP_ALPHABETS = bytes.maketrans(b"-_+/", b"+/-_")


def _unhex(text: bytes) -> bytes | None:
    try:
        return binascii.unhexlify(text)  # unlike bytes.fromhex it takes no white space
    except binascii.Error:
        return None


def _unbase64(text: bytes) -> bytes | None:
    try:
        raw = binascii.a2b_base64(text + b"==")
    except binascii.Error:
        return None
    # The decoder skips foreign characters and stray bits; only what it would write itself passes.
    written = binascii.b2a_base64(raw, newline=False)
    return raw if text in (written, written.rstrip(b"=")) else None


def _unbase64url(text: bytes) -> bytes | None:
    return _unbase64(text.translate(_SWAP_ALPHABETS))  # "+" and "/" become foreign


_DECODERS: dict[Encoding, Callable[[bytes], bytes | None]] = {
    Encoding.HEX: _unhex,  # either case
    Encoding.BASE64: _unbase64,  # padded or not
    Encoding.BASE64URL: _unbase64url,
}


def decode(text: bytes, encoding: Encoding) -> bytes | None:
    """The bytes that *text* stands for; None if it is not exactly *encoding*."""
    return _DECODERS[encoding](text)


def encode(raw: bytes, encoding: Encoding) -> str:
    """*raw* as vendors write it: lower-case hex, padded base64."""
    if encoding is Encoding.HEX:
        return raw.hex()
    text = binascii.b2a_base64(raw, newline=False)
    return (text if encoding is Encoding.BASE64 else text.translate(_SWAP_ALPHABETS)).decode()
