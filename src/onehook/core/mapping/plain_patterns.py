"""Patterns so plain that Python's own engine may search short texts for them.

RE2 takes linear time whatever a user writes, but its wrapper takes longer to be called than most
searches take. What is translated here means the same to both engines, over ASCII, and never
makes Python's try more than some multiple of the square of the text's length.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

MAX_TEXT = 256  # characters of a text: its square is still a small number
_MAX_PATTERN = 200  # characters
_MAX_WAYS = 64  # that alternatives and optional things leave open: each may be tried
_MAX_DEGREE = 2  # repetitions, and whether the search may begin anywhere

_FLAGS = re.compile(r"\(\?([is]+)\)")
# One thing that matches a character, or a sign that is no character. RE2 has other blanks than
# Python: those are written out. Classes hold nothing that the two could read in two ways.
_TOKEN = re.compile(
    r"""(?P<literal>[A-Za-z0-9_ /:@,;%"'<>=&!~#-]|\\[.\\/+*?()\[\]{}|^$-])
      | (?P<any>\.)
      | (?P<blank>\\[sSd])
      | (?P<set>\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_ @/=.,:%;<>\#]|\\[rns])+-?\])
      | (?P<edge>[\^$])
      | (?P<open>\((?:\?:)?)
      | (?P<close>\))
      | (?P<or>\|)""",
    re.VERBOSE,
)
_TIMES = re.compile(
    r"(?P<many>[*+]\??|\{[1-9][0-9]?,(?:[1-9][0-9])?\})|(?P<maybe>\?\??)|\{[1-9][0-9]?\}"
)
_BLANKS = r" \t\n\f\r"
# A dollar would take a line's end before it.
_WRITTEN = {r"\s": f"[{_BLANKS}]", r"\S": f"[^{_BLANKS}]", r"\d": "[0-9]", "$": r"\Z"}


@lru_cache(maxsize=1000)
def translated(pattern: str) -> re.Pattern[str] | None:
    """What finds in ASCII text what the RE2 *pattern* finds; None if it is not as plain as that."""
    if len(pattern) > _MAX_PATTERN:
        return None
    flags = _FLAGS.match(pattern)
    reader = _Reader(pattern, flags.end() if flags else 0)
    try:
        found = reader.choice()
    except _NotPlainError:
        return None
    degree = found.degree + (0 if found.anchored else 1)
    if reader.at < len(pattern) or found.ways > _MAX_WAYS or degree > _MAX_DEGREE:
        return None
    return re.compile(f"{flags[0] if flags else ''}{found.text}", re.ASCII)


class _NotPlainError(Exception):
    """A pattern has what is left to RE2."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern, as Python spells it, and what looking for it may take."""

    text: str
    ways: int = 1
    degree: int = 0
    anchored: bool = False  # it begins where the text does, and nowhere else


class _Reader:
    """Reads a pattern from where it is."""

    def __init__(self, pattern: str, at: int) -> None:
        self.pattern, self.at = pattern, at

    def choice(self) -> _Part:
        """Alternatives, up to a bracket that closes them or the end: any of them may be tried.

        Raises:
            _NotPlainError: something in them is not plain.
        """
        some = [self._sequence()]
        while self.pattern.startswith("|", self.at):
            self.at += 1
            some.append(self._sequence())
        return _Part(
            "|".join(part.text for part in some),
            sum(part.ways for part in some),
            max(part.degree for part in some),
            all(part.anchored for part in some),
        )

    def _sequence(self) -> _Part:
        """Parts in a row: each way of one may be tried with each way of the next."""
        some: list[_Part] = []
        while (part := self._next()) is not None:
            some.append(part)
        return _Part(
            "".join(part.text for part in some),
            prod(part.ways for part in some),
            sum(part.degree for part in some),
            bool(some) and some[0].anchored,
        )

    def _next(self) -> _Part | None:
        """One part and how often it may come; None where a sequence ends.

        Raises:
            _NotPlainError: it is not plain.
        """
        token = _TOKEN.match(self.pattern, self.at)
        if token is None:
            if self.at == len(self.pattern):
                return None
            raise _NotPlainError
        kind, text = token.lastgroup, token[0]
        if kind in ("close", "or"):
            return None
        self.at = token.end()
        if kind == "open":
            inside = self.choice()
            if not self.pattern.startswith(")", self.at):
                raise _NotPlainError
            self.at += 1
            part = replace(inside, text=f"{text}{inside.text})")
        else:
            written = text.replace(r"\s", _BLANKS) if kind == "set" else _WRITTEN.get(text, text)
            part = _Part(written, anchored=text == "^")
        return self._repeated(part, kind)

    def _repeated(self, part: _Part, kind: str | None) -> _Part:
        """*part* as often as it may come.

        Raises:
            _NotPlainError: what may come so often is no single thing.
        """
        times = _TIMES.match(self.pattern, self.at)
        if times is None:
            return part
        # A repetition of a choice may be tried in too many ways, and an edge comes once.
        if kind == "edge" or (kind == "open" and times["maybe"] is None):
            raise _NotPlainError
        self.at = times.end()
        return _Part(
            f"{part.text}{times[0]}",
            part.ways + (times["maybe"] is not None),
            part.degree + (times["many"] is not None),
        )
