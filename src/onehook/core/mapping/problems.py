"""What is wrong in a mapping file, and where: ``file:line:column``, the line, a caret, a hint."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from onehook.errors import ConfigurationError

_WIDTH, _BEFORE = 160, 100  # characters of a line that are shown, and of those before the place


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file: its name as the user gave it, and its text."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Line *number*, from 0; empty beyond the end."""
        lines = self.text.splitlines()
        return lines[number] if number < len(lines) else ""


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
    """``did you mean x?`` for the nearest of *known*, else a list of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(names)}" if names else ""
