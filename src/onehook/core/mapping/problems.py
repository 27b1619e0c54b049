"""What is wrong in a mapping file, and where: ``file:line:column``, the line, a caret, a hint."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from onehook.errors import ConfigurationError

_WIDTH, _BEFORE = 160, 100  # characters of a line that are shown, and of those before the place
# Comparing two names takes the product of their lengths, and a file may hold very many of them.
_LONGEST = 100  # characters of a name: what is longer is no typing error
_PAIRS = 60_000  # characters compared with characters, for one problem
_EACH = 50  # what comparing any two names takes beside that, in the same
_LISTED = 4000  # characters of a hint that lists names; our event types have some 2000


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file: its name as the user gave it, and its text."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line *number*, from 0; empty beyond the end."""
        lines = _lines(self.text)
        return lines[number] if number < len(lines) else ""


@lru_cache(maxsize=4)  # each of a file's problems shows its line
def _lines(text: str) -> list[str]:
    return text.splitlines()


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file, line and column from 0."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. Codes: `schema.md` §6; those that begin with W are warnings."""

    code: str
    place: Place
    message: str
    hint: str = ""

    @property
    def is_warning(self) -> bool:
        """Whether the file can be used all the same."""
        return self.code.startswith("W")

    def excerpt(self) -> tuple[str, str]:
        """The line it stands in, around its place if that is long, and the caret to go below."""
        line, column = self.place.source.line(self.place.line), self.place.column
        start = max(0, column - _BEFORE) if len(line) > _WIDTH else 0
        # A tab stays one, so that the caret stands below its character.
        margin = "".join("\t" if char == "\t" else " " for char in line[start:column])
        return line[start : start + _WIDTH], margin.ljust(column - start) + "^"

    def __str__(self) -> str:
        line, caret = self.excerpt()
        shown = [f"{self.place}: {self.code} {self.message}"]
        if line:
            shown += [f"    {line}", f"    {caret}"]
        if self.hint:
            shown.append(f"    hint: {self.hint}")
        return "\n".join(shown)


class MappingError(ConfigurationError):
    """A mapping file cannot be used; ``problems`` holds every one, in the file's order."""

    code = "mapping_invalid"
    status = 422

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: (p.place.line, p.place.column, p.code))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean x?`` for the nearest of *known*, else a list of them.

    Takes a bounded time: of very many names some are compared, and the first listed.
    """
    names = sorted(known)
    close = get_close_matches(name, _comparable(name, names), n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {_listed(names)}" if names else ""


def _comparable(name: str, names: Sequence[str]) -> list[str]:
    """Those of *names* that *name* may be meant for, as many as can be compared."""
    found: list[str] = []
    room = _PAIRS if len(name) <= _LONGEST else 0
    for one in sorted(names, key=lambda one: one[:1] != name[:1]):  # few mistype the first
        shorter, longer = sorted((len(name), len(one)))
        if 3 * longer <= 7 * shorter:  # others difflib never finds near enough
            room -= len(name) * len(one) + _EACH
            if room < 0:
                break
            found.append(one)
    return found


def _listed(names: Sequence[str]) -> str:
    """*names*, as many as have room."""
    text = ", ".join(names)
    if len(text) <= _LISTED:
        return text
    return f"{text[:_LISTED].rpartition(', ')[0] or text[:_LISTED]}, …"
