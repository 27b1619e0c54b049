"""How deep and how wide JSON may be, found out before it is parsed.

A parser makes an object of some 60 bytes, or 700, of every three bytes; the passes here are C's,
over text that shrinks.
"""

from onehook.core.jsontext import MAX_DEPTH

MAX_NODES = 100_000  # values, containers among them; GitHub's largest push has some 60,000
_SHORT = 200  # bytes: a text this short cannot nest so deep that it matters
_WIDE = 2 * MAX_NODES - 1  # bytes: a text shorter than that cannot hold more values
_QUOTES = 4 * MAX_NODES  # two of each string, and one of two strings at least is a value
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SPACE = b" \t\r\n"
_AS_LISTS = bytes.maketrans(b"{}", b"[]")
_PAIRS = ((b"[", b"]"), (b"{", b"}"))
_CONTAINERS = ((b"[", b"[]"), (b"{", b"{}"))
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_TOO_WIDE = f"more than {MAX_NODES} values"


def excess(text: bytes) -> str | None:
    """What JSON *text* has too much of, in words; None: it may be parsed.

    Exact for JSON. Of a text that is none, brackets that cross may pass for depth; what has more
    of one than of its partner is left to the parser, which says where.
    """
    wide = len(text) >= _WIDE
    if len(text) <= _SHORT or (not wide and not _nests_deep(text)):
        return None
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    if plain.count(b'"') > _QUOTES:
        return _TOO_WIDE
    outside = b"".join(plain.split(b'"')[::2]).translate(None, _SPACE)
    if wide and _nodes(outside) > MAX_NODES:
        return _TOO_WIDE
    if any(outside.count(opening) != outside.count(closing) for opening, closing in _PAIRS):
        return None
    return _TOO_DEEP if _nests_deep(outside) else None


def _nodes(outside: bytes) -> int:
    """How many values there are: each but the first of its container follows a comma."""
    filled = sum(outside.count(opening) - outside.count(empty) for opening, empty in _CONTAINERS)
    return 1 + outside.count(b",") + filled


def _nests_deep(text: bytes) -> bool:
    """Whether JSON *text*, its strings aside, nests too deep.

    What is no bracket is dropped, then innermost pairs are, a level a round. Objects count as
    lists: to drop pairs of both in one round would drop two levels.
    """
    brackets = text.translate(_AS_LISTS, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
