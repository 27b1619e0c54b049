"""The patterns of mappings: RE2, which takes linear time whatever a user writes.

Source: https://github.com/google/re2/wiki/Syntax
"""

from typing import Any

import re2

from onehook.core.mapping.plain_patterns import MAX_TEXT, translated
from onehook.core.model import clean_text

_NOT_FOUND = (-1, -1)


class PatternError(ValueError):
    """RE2 refuses a pattern."""


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_find", "_part", "_plain", "size")

    def __init__(self, text: str) -> None:
        """Compile *text*.

        Raises:
            PatternError: with RE2's words, or ours: half of a surrogate pair is no UTF-8.
        """
        if text != clean_text(text):
            msg = "it holds half of a surrogate pair, which is no character"
            raise PatternError(msg)
        engine: Any = re2  # it comes without type information
        options = engine.Options()
        options.log_errors = False
        options.max_mem = 1 << 20
        try:
            compiled: Any = engine.compile(text, options)
        except engine.error as error:
            raw: object = error.args[0]
            raise PatternError(raw.decode() if isinstance(raw, bytes) else str(raw)) from None
        self.size: int = compiled.programsize  # instructions
        self._part = 1 if compiled.groups else 0
        # The wrapper's own search takes longer, for a short text, than what it wraps.
        match: Any = compiled._regexp.Match  # noqa: SLF001
        anywhere: Any = engine._re2.RE2.Anchor.UNANCHORED  # noqa: SLF001

        def find(text: bytes) -> list[tuple[int, int]]:
            spans: list[tuple[int, int]] = match(anywhere, text, 0, len(text))
            return spans

        self._find = find
        plain = translated(text)
        self._plain = None if plain is None else plain.search

    def holds(self, text: str) -> bool:
        """Whether the pattern is found in *text*; bytes that are no UTF-8 are U+FFFD."""
        if self._plain is not None and len(text) <= MAX_TEXT and text.isascii():
            return self._plain(text) is not None
        return self._find(_bytes_of(text))[0] != _NOT_FOUND

    def part(self, text: str) -> str | None:
        """What is found in *text*: the first group, or all where there is none; None if nothing.

        A group that takes no part in it is None, too.
        """
        if self._plain is not None and len(text) <= MAX_TEXT and text.isascii():
            return None if (found := self._plain(text)) is None else found[self._part]
        searched = _bytes_of(text)
        span = self._find(searched)[self._part]
        return None if span == _NOT_FOUND else searched[span[0] : span[1]].decode()


def _bytes_of(text: str) -> bytes:
    return text.encode() if text.isascii() else clean_text(text).encode()
