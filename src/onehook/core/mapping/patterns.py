"""The patterns of mappings: RE2, which takes linear time whatever a user writes.

A search by RE2 takes microseconds before it begins, and most patterns are simple and most texts
short. So what `re` finds as well it does find: a pattern is rewritten for it if it is made of
nothing that the two read differently, and then asked of short ASCII texts only, so that even one
made to be slow takes no more than :data:`_MAX_STEPS`.

Source: https://github.com/google/re2/wiki/Syntax
"""

import re
from string import punctuation
from typing import Any

import re2

from onehook.core.model import clean_text

_LONGEST = 128  # characters of a text that `re` searches
_MAX_STEPS = 1 << 16  # that it may take for one, in the worst case

_FLAGS = re.compile(r"\(\?(?:i|s|is|si)\)")
_CLASS = re.compile(rf"\[(\^?)((?:\\[dwsrntf{re.escape(punctuation)}]|[^\\\[\]\n])+)\]")
_REPEAT = re.compile(r"(?:[*+]|\{[0-9]{1,2}(,[0-9]{0,2})?\})\??")
_SPACE = r"\t\n\f\r "  # of \s: `re` takes \v as well
# What stands for a character, in RE2 and in `re`.
_ATOMS = {
    r"\d": "[0-9]",
    r"\w": "[0-9A-Za-z_]",
    r"\s": f"[{_SPACE}]",
    r"\S": f"[^{_SPACE}]",
    **{"\\" + c: "\\" + c for c in "rntf"},
    **{"\\" + c: re.escape(c) for c in punctuation if c != "_"},
    ".": ".",
}
_SPECIAL = frozenset("\\^$.[]|()?*+{}")


class PatternError(ValueError):
    """RE2 refuses a pattern."""


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_found", "_plain", "_re2")

    def __init__(self, text: str) -> None:
        """Compile *text*.

        Raises:
            PatternError: with RE2's words.
        """
        engine: Any = re2  # it comes without type information
        options = engine.Options()
        options.log_errors = False
        options.max_mem = 1 << 20
        try:
            self._re2: Any = engine.compile(text, options)
        except engine.error as error:
            raw: object = error.args[0]
            raise PatternError(raw.decode() if isinstance(raw, bytes) else str(raw)) from None
        self._found = 1 if self._re2.groups else 0
        plain = rewritten(text)
        self._plain = None if plain is None else plain.search

    def holds(self, text: str) -> bool:
        """Whether the pattern is found in *text*; bytes that are no UTF-8 are U+FFFD."""
        if self._plain is not None and len(text) <= _LONGEST and text.isascii():
            return self._plain(text) is not None
        return self._search(text) is not None

    def part(self, text: str) -> str | None:
        """What is found in *text*: the first group, or all where there is none; None if nothing."""
        if self._plain is not None and len(text) <= _LONGEST and text.isascii():
            plain = self._plain(text)
            return None if plain is None else plain[self._found]
        found = self._search(text)
        part: bytes | None = None if found is None else found[self._found]
        return None if part is None else part.decode()

    def _search(self, text: str) -> Any:
        """Given text, RE2's wrapper counts characters, which takes longer than the search."""
        return self._re2.search(clean_text(text).encode())


def rewritten(text: str) -> re.Pattern[str] | None:
    """The RE2 pattern *text* for `re`; None if that could differ on ASCII, or take too long."""
    flags = _FLAGS.match(text)
    rewriter = _Rewriter(text, 0 if flags is None else flags.end())
    if not text.isascii() or not rewriter.run():
        return None
    begin = "" if flags is None else flags[0]
    return re.compile(begin + "".join(rewriter.out), re.ASCII)


class _Rewriter:
    """Reads a pattern from left to right, piece by piece; RE2 has taken it."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.out: list[str] = []
        self.anchored = text.startswith("^", at)
        self.repeats = self.choices = 0
        self.open = 0  # groups

    def run(self) -> bool:
        """Whether all of it could be rewritten."""
        while self.at < len(self.text):
            if not self._piece():
                return False
        starts = 0 if self.anchored else 1
        steps: int = _LONGEST ** (self.repeats + starts) << self.choices
        return steps <= _MAX_STEPS

    def _piece(self) -> bool:
        text, at = self.text, self.at
        char = text[at]
        if char in "^$":
            return self._take("^" if char == "^" else r"\Z", 1)
        if char == "|":
            self.choices += 1
            self.anchored = self.anchored and self.open > 0
            return self._take("|", 1)
        if char == "(":
            named = text.startswith("(?", at)
            if named and not text.startswith("(?:", at):
                return False
            self.open += 1
            return self._take("(?:" if named else "(", 3 if named else 1)
        if char == ")":
            self.open -= 1
            return self._take(")", 1) and self._optional()
        return self._character()

    def _character(self) -> bool:
        """A character, or a class of them, and how often it comes."""
        text, at = self.text, self.at
        if (found := _CLASS.match(text, at)) is not None:
            members = _members(found[2])
            if members is None or not self._take(f"[{found[1]}{members}]", len(found[0])):
                return False
        elif (atom := _ATOMS.get(text[at : at + 2])) is not None:
            self._take(atom, 2)
        elif (atom := _ATOMS.get(text[at])) is not None:
            self._take(atom, 1)
        elif text[at] in _SPECIAL:
            return False
        else:
            self._take(re.escape(text[at]), 1)
        repeat = _REPEAT.match(text, self.at)
        if repeat is None:
            return self._optional()
        self.repeats += repeat[0][0] != "{" or repeat[1] is not None
        self._take(repeat[0], len(repeat[0]))
        return not text.startswith(("*", "+", "?", "{"), self.at)

    def _optional(self) -> bool:
        """``?`` or ``??``, if it follows; anything else that repeats is not rewritten."""
        for word in ("??", "?"):
            if self.text.startswith(word, self.at):
                self.choices += 1
                self._take(word, len(word))
                break
        return not self.text.startswith(("*", "+", "?", "{"), self.at)

    def _take(self, out: str, size: int) -> bool:
        self.out.append(out)
        self.at += size
        return True


def _members(text: str) -> str | None:
    """The inside of a class, for `re`; None if it is not plain what it means."""
    found: list[str] = []
    at = 0
    while at < len(text):
        escape = text[at : at + 2]
        if escape in (r"\d", r"\w", r"\s"):
            found.append(_ATOMS[escape][1:-1])
            at += 2
            continue
        first, at = _member(text, at)
        if text.startswith("-", at) and at + 1 < len(text):
            last, at = _member(text, at + 1)
            if not (first.isalnum() and last.isalnum() and first <= last):
                return None
            found.append(f"{first}-{last}")
        else:
            found.append(first if first.startswith("\\") else re.escape(first))
    return "".join(found)


def _member(text: str, at: int) -> tuple[str, int]:
    """The character at *at*, in the spelling of `re`, and where the next one stands."""
    if text[at] != "\\":
        return text[at], at + 1
    return _ATOMS.get(text[at : at + 2], text[at : at + 2]), at + 2
