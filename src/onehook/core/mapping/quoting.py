"""Percent-encoding, of the few characters that need it."""

from urllib.parse import quote

_ASCII = {chr(code): quote(chr(code), safe="") for code in range(128)}


def quoted(text: str, errors: str = "strict") -> str:
    """*text* percent-encoded, even what is safe in some part of a URL.

    Nearly always it is one character: to look that up takes a tenth of encoding it.

    Raises:
        UnicodeEncodeError: it holds half of a surrogate pair, unless *errors* says otherwise.
    """
    return _ASCII.get(text) or quote(text, safe="", errors=errors)
