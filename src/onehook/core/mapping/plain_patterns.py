"""Patterns so plain that Python's own engine may search short texts for them.

RE2 takes linear time whatever a user writes, but its wrapper takes longer to be called than most
searches take. What is translated here means the same to both engines, over ASCII, and never
makes Python's try more than some multiple of the square of the text's length.
"""

import re
from functools import lru_cache

MAX_TEXT = 256  # characters of a text: its square is still a small number
_MAX_PATTERN = 200  # characters
_MAX_CHOICES = 6  # groups, alternatives and optional things: each may be tried both ways
_MAX_DEGREE = 2  # repetitions, and whether the search may begin anywhere

# One thing that matches a character, or a sign that is no character. RE2 has other blanks than
# Python: those are written out. Classes hold nothing that the two could read in two ways.
_TOKEN = re.compile(
    r"""(?P<literal>[A-Za-z0-9_ /:@,;%"'<>=&!~#-]|\\[.\\/+*?()\[\]{}|^$-])
      | (?P<any>\.)
      | (?P<blank>\\[sSd])
      | (?P<set>\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_ @/=.,:%;]|\\[rns])+\])
      | (?P<open>\((?:\?:)?)
      | (?P<close>\))
      | (?P<or>\|)""",
    re.VERBOSE,
)
_TIMES = re.compile(r"(?P<many>[*+]\??)|(?P<maybe>\?\??)|\{[1-9][0-9]?\}")
_END = r"\Z"  # a dollar would take a line's end before it
_BLANKS = r" \t\n\f\r"
_WRITTEN = {r"\s": f"[{_BLANKS}]", r"\S": f"[^{_BLANKS}]", r"\d": "[0-9]"}


@lru_cache(maxsize=1000)
def translated(pattern: str) -> re.Pattern[str] | None:
    """What finds in ASCII text what the RE2 *pattern* finds; None if it is not as plain as that."""
    if len(pattern) > _MAX_PATTERN:
        return None
    anchored, ended = pattern.startswith("^"), pattern.endswith("$")
    inner = pattern[anchored : len(pattern) - ended]
    if ended and inner.endswith("\\"):
        return None  # that is a dollar
    found = _inner(inner, 0 if anchored else 1)
    if found is None:
        return None
    return re.compile(f"{'^' if anchored else ''}{found}{_END if ended else ''}")


def _inner(pattern: str, degree: int) -> str | None:
    """*pattern*, without its anchors, as Python spells it."""
    written: list[str] = []
    at, choices, depth = 0, 0, 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        kind, text, at = token.lastgroup, token[0], token.end()
        depth += (kind == "open") - (kind == "close")
        choices += kind in ("open", "or")
        if depth < 0 or (kind == "or" and depth == 0):
            return None  # the anchors would be those of one alternative
        times = _TIMES.match(pattern, at)
        if times is not None:
            if kind in ("open", "or") or (kind == "close" and times["maybe"] is None):
                return None  # a repetition of a choice may be tried in too many ways
            degree += times["many"] is not None
            choices += times["maybe"] is not None
            at = times.end()
        written += [_spelled(kind, text), "" if times is None else times[0]]
    plain = depth == 0 and choices <= _MAX_CHOICES and degree <= _MAX_DEGREE
    return "".join(written) if plain else None


def _spelled(kind: str | None, text: str) -> str:
    if kind == "set":
        return text.replace(r"\s", _BLANKS)
    return _WRITTEN[text] if kind == "blank" else text
