"""Paths: the subset of RFC 9535 that mappings may use, compiled to lookups.

Names, indexes, wildcards and comparison filters become plain accesses and comparisons; slices go
to jsonpath-ng. The subset is checked here first: jsonpath-ng also takes ``a.b`` without ``$``,
``..``, arithmetic, functions and words of its own, and then finds nothing without a word. Its
filters would compare what RFC 9535 does not.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Final

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import parse as jsonpath_parse

from onehook.core.jsontext import JsonValue

MAX_LENGTH = 256
MAX_STEPS = 64
MAX_FOUND = 100_000
_FREE_STEPS = 10  # of a path; each further one takes half as long as a value to compile
_SLICE_EFFORT = 5  # jsonpath-ng takes its time
# What every path looks like from afar: for those who can only compare with a pattern.
PATTERN = r"^\$\$?(?:\.(?:\*|[^.\[\](){}\s]+)|\[[^\n]+?\])*$"
SUBSET = "a path is made of .name, ['a name'], [0], [*], [0:5] and [?@.name == 'x']"


class Missing:
    """The type of :data:`MISSING`, what a path gives that leads nowhere."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()
Found = JsonValue | Missing
Lookup = Callable[[JsonValue], Found]


class PathError(ValueError):
    """A path is wrong; ``column`` counts from 0 within it."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column, self.message = column, message


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. ``absolute``: it begins with ``$$`` and starts at the body."""

    text: str
    absolute: bool
    many: bool  # it can find more than one value, and so gives a list
    lookup: Lookup
    names: tuple[str, ...] | None = None  # of a path that is nothing but names
    effort: int = 0  # steps of compiling that it takes, see `report.py`: most paths next to none

    def values(self, root: JsonValue) -> list[JsonValue] | None:
        """All values found, as a list; None if even the place to look in is not there."""
        found = self.lookup(root)
        if isinstance(found, Missing) or found is None:
            return None
        return found if isinstance(found, list) else [found]


@dataclass(frozen=True, slots=True)
class Name:
    """The member of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """The item at that place, from the end if negative."""

    index: int


@dataclass(frozen=True, slots=True)
class Wild:
    """Every member or item."""


@dataclass(frozen=True, slots=True)
class Library:
    """A slice, in jsonpath-ng's own spelling."""

    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Comparisons that a member must pass, all of them (RFC 9535 §2.3.5)."""

    tests: tuple[Callable[[JsonValue], bool], ...]
    paths: tuple[tuple["Step", ...], ...]  # what they look at, from the member


Step = Name | Index | Wild | Library | Filter

_SHORT_NAME = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff-]*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,8}")
_SLICE = re.compile(r"(-?[0-9]{1,9})?\s*:\s*(-?[0-9]{1,9})?(?:\s*:\s*(-?[0-9]{1,9})?)?")
_COMPARISON = re.compile(
    r"""@(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_-]*|\['[^'\\]*'\])+)\s*
        (?:(?P<op>==|!=|<=|>=|<|>)\s*
           (?P<value>'[^'\\]*'|"[^"\\]*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null))?\s*""",
    re.VERBOSE,
)


def is_path(text: str) -> bool:
    """Whether *text* means to be a path; it may still be a wrong one."""
    return text.startswith("$")


@lru_cache(maxsize=10_000)
def compile_path(text: str) -> Path:
    """Compile *text*, such as ``$.a.b[0]``, ``$$['x-y'].z[*]`` or ``$.list[?@.id == 'x'].name``.

    Raises:
        PathError: with the column, if it is no path or outside the subset.
    """
    absolute, steps = steps_of(text)
    many = any(isinstance(step, Wild | Library | Filter) for step in steps)
    names = tuple(step.name for step in steps if isinstance(step, Name))
    only_names = names if names and len(names) == len(steps) else None
    slices = sum(isinstance(step, Library) for step in steps)
    effort = slices * _SLICE_EFFORT + max(0, len(steps) - _FREE_STEPS)
    return Path(text, absolute, many, _compile(steps), only_names, effort)


def steps_of(text: str) -> tuple[bool, tuple[Step, ...]]:
    """Whether *text* begins at the body (``$$``), and the steps that it takes from there.

    Raises:
        PathError: with the column, if it is no path or outside the subset.
    """
    absolute = text.startswith("$$")
    return absolute, tuple(_steps(text, 2 if absolute else 1))


def _steps(text: str, at: int) -> list[Step]:
    if len(text) > MAX_LENGTH:
        raise PathError(MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    steps: list[Step] = []
    while at < len(text):
        if text[at] == ".":
            step, at = _dotted(text, at)
        elif text[at] == "[":
            step, at = _bracket(text, at)
        else:
            raise PathError(at, f"expected '.' or '[', found {text[at]!r}")
        steps.append(step)
        if len(steps) > MAX_STEPS:
            raise PathError(at, f"more than {MAX_STEPS} steps")
    return steps


def _dotted(text: str, at: int) -> tuple[Step, int]:
    if text.startswith("..", at):
        raise PathError(at, "'..' is not allowed: name each step")
    if text.startswith(".*", at):
        return Wild(), at + 2
    found = _SHORT_NAME.match(text, at + 1)
    if found is None:
        raise PathError(at + 1, "expected a name or '*'; quote others as ['x-y z']")
    if text.startswith("(", found.end()):
        raise PathError(found.end(), "functions are not allowed")
    return Name(found[0]), found.end()


def _bracket(text: str, at: int) -> tuple[Step, int]:
    inner = at + 1
    if text.startswith("*", inner):
        return Wild(), _closed(text, inner + 1)
    if quoted := _QUOTED.match(text, inner):
        name = quoted[1] if quoted[1] is not None else quoted[2]
        return Name(_unescaped(name, inner)), _closed(text, quoted.end())
    if text.startswith("?", inner):
        return _filter(text, inner + 1)
    if sliced := _SLICE.match(text, inner):
        if sliced[3] is not None and int(sliced[3]) <= 0:
            raise PathError(inner, "a slice goes forward: its step is 1 or more")
        return Library(f"[{sliced[0].replace(' ', '')}]"), _closed(text, sliced.end())
    if number := _INTEGER.match(text, inner):
        return Index(int(number[0])), _closed(text, number.end())
    raise PathError(inner, "expected an index, a quoted name, '*', a slice or a ?filter")


def _unescaped(name: str, at: int) -> str:
    """The name that a quoted one stands for (RFC 9535 §2.3.1.2: JSON's escapes, and both quotes).

    Raises:
        PathError: an escape that is none.
    """
    text = name.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
    try:
        found = json.loads(f'"{text}"')
    except ValueError:
        raise PathError(at, "the quoted name holds an escape that is none") from None
    return str(found)


def _closed(text: str, at: int) -> int:
    if not text.startswith("]", at):
        raise PathError(at, "expected ']'")
    return at + 1


def _filter(text: str, at: int) -> tuple[Step, int]:
    """One or more comparisons joined by ``&&``, in parentheses or not.

    Raises:
        PathError: something else stands there.
    """
    parenthesis = text.startswith("(", at)
    at += parenthesis
    tests: list[Callable[[JsonValue], bool]] = []
    paths: list[tuple[Step, ...]] = []
    while True:
        while text.startswith(" ", at):
            at += 1
        found = _COMPARISON.match(text, at)
        if found is None:
            raise PathError(at, "expected a comparison such as @.name == 'x'")
        paths.append(tuple(_steps(found["path"], 0)))
        tests.append(_comparison(_compile(paths[-1]), found["op"], found["value"]))
        at = found.end()
        if not text.startswith("&&", at):
            break
        at += 2
    if parenthesis:
        if not text.startswith(")", at):
            raise PathError(at, "expected ')' or '&&'")
        at += 1
    return Filter(tuple(tests), tuple(paths)), _closed(text, at)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def _comparison(
    lookup: Lookup, operator: str | None, literal: str | None
) -> Callable[[JsonValue], bool]:
    """``@.path``, which asks whether it is there, or ``@.path op literal``."""
    if operator is None or literal is None:
        return lambda member: not isinstance(lookup(member), Missing)
    wanted: JsonValue = literal[1:-1] if literal[0] in "'\"" else json.loads(literal)

    def equal(member: JsonValue) -> bool:
        found = lookup(member)
        return not isinstance(found, Missing) and _same_kind(found, wanted) and found == wanted

    if operator == "==":
        return equal
    if operator == "!=":
        return lambda member: not equal(member)
    compare = _COMPARE[operator]

    def ordered(member: JsonValue) -> bool:
        found = lookup(member)
        if isinstance(found, Missing | bool) or isinstance(wanted, bool | list | dict):
            return False
        both_text = isinstance(found, str) and isinstance(wanted, str)
        both_numbers = isinstance(found, int | float) and isinstance(wanted, int | float)
        return (both_text or both_numbers) and compare(found, wanted)

    return ordered


def _same_kind(found: JsonValue, wanted: JsonValue) -> bool:
    return isinstance(found, bool) is isinstance(wanted, bool)


def _compile(steps: tuple[Step, ...]) -> Lookup:
    for at, step in enumerate(steps):
        if isinstance(step, Wild):
            return _wild(_compile(steps[:at]), steps[at + 1 :])
        if isinstance(step, Library | Filter):
            base = _compile(steps[:at])
            some = _library(base, step) if isinstance(step, Library) else _filtered(base, step)
            return _wild(some, steps[at + 1 :])
    return _direct(
        [
            s.name if isinstance(s, Name) else s.index
            for s in steps
            if not isinstance(s, Wild | Library | Filter)
        ]
    )


def _many(steps: Sequence[Step]) -> bool:
    return any(isinstance(step, Wild | Library | Filter) for step in steps)


def _direct(keys: Sequence[str | int]) -> Lookup:
    """Names and indexes only: the way of nearly every path, so written out by length."""
    if not keys:
        return lambda root: root
    if len(keys) == 1 and isinstance(keys[0], str):
        only = keys[0]
        return lambda root: root.get(only, MISSING) if type(root) is dict else MISSING
    if len(keys) == 2 and isinstance(keys[0], str) and isinstance(keys[1], str):
        first, second = keys[0], keys[1]

        def two(root: JsonValue) -> Found:
            if type(root) is not dict:
                return MISSING
            below = root.get(first)
            return below.get(second, MISSING) if type(below) is dict else MISSING

        return two
    steps = tuple(keys)

    def walk(root: JsonValue) -> Found:
        value: JsonValue = root
        for key in steps:
            below = _member(value, key)
            if isinstance(below, Missing):
                return MISSING
            value = below
        return value

    return walk


def _member(value: JsonValue, key: str | int) -> Found:
    if isinstance(key, str):
        return value.get(key, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(value, list) and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def _wild(base: Lookup, steps: tuple[Step, ...]) -> Lookup:
    """Every member of what *base* finds, each followed along *steps*; missing ones left out."""
    rest, flatten = _compile(steps) if steps else None, _many(steps)

    def every(root: JsonValue) -> Found:
        container = base(root)
        if isinstance(container, dict):
            members = list(container.values())
        elif isinstance(container, list):
            members = container
        else:
            return MISSING
        if rest is None:
            return members[:MAX_FOUND]
        found: list[JsonValue] = []
        for member in members[:MAX_FOUND]:
            value = rest(member)
            if isinstance(value, Missing):
                continue
            if flatten and isinstance(value, list):
                found.extend(value)
            else:
                found.append(value)
        return found

    return every


def _filtered(base: Lookup, step: Filter) -> Lookup:
    """The members of a list that pass every test."""
    first = step.tests[0]

    def find_one(root: JsonValue) -> Found:
        container = base(root)
        return [m for m in container if first(m)] if isinstance(container, list) else MISSING

    def find(root: JsonValue) -> Found:
        container = base(root)
        if not isinstance(container, list):
            return MISSING
        return [m for m in container if all(test(m) for test in step.tests)]

    return find_one if len(step.tests) == 1 else find


def _library(base: Lookup, step: Library) -> Lookup:
    try:
        compiled: Any = jsonpath_parse("$" + step.text)  # Any: jsonpath-ng is untyped
    except (JSONPathError, ValueError, TypeError) as error:
        raise PathError(0, f"{step.text}: {error}") from None

    def find(root: JsonValue) -> Found:
        container = base(root)
        if not isinstance(container, list):
            return MISSING
        return [match.value for match in compiled.find(container)]

    return find


def list_keys(text: str) -> tuple[str | int, ...] | None:
    """The :func:`direct_keys` to the list of which the path *text* gives the items; None of others.

    Raises:
        PathError: as :func:`direct_keys`.
    """
    return direct_keys(text.removesuffix("[*]")) if text.endswith("[*]") else None


def direct_keys(text: str) -> tuple[str | int, ...] | None:
    """The names and indexes of a path that is made of nothing else; None of any other.

    Raises:
        PathError: with the column, if it is no path or outside the subset.
    """
    steps = _steps(text, 2 if text.startswith("$$") else 1)
    keys = tuple(
        step.name if isinstance(step, Name) else step.index
        for step in steps
        if isinstance(step, Name | Index)
    )
    return keys if len(keys) == len(steps) else None
