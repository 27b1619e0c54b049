"""How deep and how wide JSON may be, found out before it is parsed.

A parser makes an object of some 60 bytes, or 700, of every three bytes; the passes here are C's,
over text that shrinks.
"""

from onehook.core.jsontext import MAX_DEPTH

MAX_NODES = 100_000  # values, containers among them; GitHub's largest push has some 60,000
_SHORT = 200  # bytes: a text this short cannot nest so deep that it matters
_WIDE = 2 * MAX_NODES - 1  # bytes: a text shorter than that cannot hold more values
_QUOTES = 4 * MAX_NODES  # two of each string, and one of two strings at least is a value
_FEW = 100  # backslashes
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b'[]{}"')
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
    if len(text) <= _SHORT:
        return None
    plain = _without_escapes(text)
    if len(text) >= _WIDE and (
        plain.count(b'"') > _QUOTES or _nodes(_outside(plain).translate(None, _SPACE)) > MAX_NODES
    ):
        return _TOO_WIDE
    if not _nests_deep(plain):
        return None
    outside = _outside(plain)
    left_open = any(outside.count(opening) != outside.count(closing) for opening, closing in _PAIRS)
    return None if left_open else _TOO_DEEP


def _without_escapes(text: bytes) -> bytes:
    """*text* so that each quote in it begins or ends a string."""
    at = text.find(b"\\")
    for _ in range(_FEW):  # to look at a few costs less than to look for a pair
        if at < 0:
            return text
        if text[at + 1 : at + 2] == b'"':
            break
        at = text.find(b"\\", at + 2)
    return text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _outside(plain: bytes) -> bytes:
    """What is in no string."""
    return b"".join(plain.split(b'"')[::2])


def _nodes(outside: bytes) -> int:
    """How many values there are: each but the first of its container follows a comma."""
    filled = sum(outside.count(opening) - outside.count(empty) for opening, empty in _CONTAINERS)
    return 1 + outside.count(b",") + filled


def _nests_deep(plain: bytes) -> bool:
    """Whether JSON nests too deep, its escapes aside.

    What is neither bracket nor quote is dropped, and so are strings that hold no bracket: of the
    few that do, the brackets are none. Then innermost pairs are dropped, a level a round. Objects
    count as lists: to drop pairs of both in one round would drop two levels.
    """
    # Two quotes in a row are a string, or lie between two: what is outside stays so without them.
    brackets = _outside(plain.translate(_AS_LISTS, _NO_MARKS).replace(b'""', b""))
    for _ in range(MAX_DEPTH):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):  # nothing is left, or what has no partner
            break
        brackets = shorter
    return bool(brackets)
