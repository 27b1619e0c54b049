"""Collects what is wrong while a mapping is compiled, so that all of it is said at once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NoReturn

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.context import Context
from onehook.core.mapping.problems import MappingError, Place, Problem, Source, nearest

Named = Callable[[JsonValue, Context], JsonValue]
MAX_ERRORS = 500  # who has that many mends those first
# A step is what compiling one value takes, some 0.15 ms. A shape, a name and what a group states
# are compiled where they are used, so a short file can ask for any number of them. Of the shipped
# mappings the largest takes 5,200, for its 97,000 characters; the others less than half of that.
MAX_STEPS = 5_000
CHARACTERS = 20  # of a file, for one step more


@dataclass(slots=True)
class Report:
    """The problems found so far, and the settings that the file declares."""

    settings: Collection[str] | None = None  # None: the file declares none, any name is taken
    headers: bool = True  # False: there is no request whose headers could be asked for
    used_settings: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])
    find_named: Callable[[str], Named | None] | None = None  # None: nothing can be named here
    names: Collection[str] = ()  # of the values that ``let`` names
    steps: int = MAX_STEPS  # that compiling may still take
    _known: set[Problem] = field(default_factory=set[Problem])
    _errors: int = 0

    def __call__(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Add a problem. The same one at the same place is kept once.

        Raises:
            MappingError: there are too many to go on.
        """
        problem = Problem(code, place, message, hint)
        if problem in self._known:
            return
        self._known.add(problem)
        self.problems.append(problem)
        self._errors += not problem.is_warning
        if self._errors == MAX_ERRORS:
            message = f"there are {MAX_ERRORS} problems up to here: nothing more was looked at"
            self._stop(place, message, "mend those, and try again")

    def reads(self, source: Source) -> None:
        """Allow the steps that a file of the length of *source* may take."""
        self.steps += len(source.text) // CHARACTERS

    def takes(self, place: Place, steps: int = 1) -> None:
        """Count *steps* of compiling what stands at *place*.

        Raises:
            MappingError: they are too many.
        """
        self.steps -= steps
        if self.steps < 0:
            message = "the file comes to too much: written out, its values are too many"
            hint = (
                f"a shape, a name and what a group states count wherever they are used;"
                f" {MAX_STEPS} values and one for each {CHARACTERS} characters are taken:"
                " say less in groups and in set:, or split the file"
            )
            self._stop(place, message, hint)

    def _stop(self, place: Place, message: str, hint: str) -> NoReturn:
        """Give up.

        Raises:
            MappingError: always.
        """
        errors = [problem for problem in self.problems if not problem.is_warning]
        raise MappingError([*errors, Problem("E001", place, message, hint)])

    def uses_setting(self, name: str, place: Place) -> None:
        """Check that *name* is a setting, where the file declares them; E104 if it is not one."""
        self.used_settings.append(name)
        if self.settings is not None and name not in self.settings:
            hint = nearest(name, self.settings) if self.settings else "declare it under settings:"
            self("E104", place, f"there is no setting {name!r}", hint)

    def named(self, name: str, place: Place) -> Named:
        """The value that ``let`` calls *name*; E104, and null, if it calls none so."""
        found = None if self.find_named is None else self.find_named(name)
        if found is None:
            hint = nearest(name, self.names) if self.names else "name it under let:"
            self("E104", place, f"there is no value named {name!r}", hint)
            return lambda _item, _context: None
        return found
