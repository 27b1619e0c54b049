"""Collects what is wrong while a mapping is compiled, so that all of it is said at once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.context import Context
from onehook.core.mapping.problems import Place, Problem, nearest

Named = Callable[[JsonValue, Context], JsonValue]


@dataclass(slots=True)
class Report:
    """The problems found so far, and the settings that the file declares."""

    settings: Collection[str] | None = None  # None: the file declares none, any name is taken
    headers: bool = True  # False: there is no request whose headers could be asked for
    used_settings: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])
    find_named: Callable[[str], Named | None] | None = None  # None: nothing can be named here
    names: Collection[str] = ()  # of the values that ``let`` names

    def __call__(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Add a problem. The same one at the same place is kept once."""
        problem = Problem(code, place, message, hint)
        if problem not in self.problems:
            self.problems.append(problem)

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
