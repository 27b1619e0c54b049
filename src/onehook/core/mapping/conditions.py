"""Conditions: ``{$.path: scalar | [any of] | {exists|not|matches|…: …}}``, all and-ed.

One condition language serves rules, groups, ignores, values and the choice of a proof.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from onehook.core.jsontext import JsonScalar, JsonValue
from onehook.core.mapping.code import inline, inlined, lookup_of
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import ANY_TEXT, FLAG, Form, defined
from onehook.core.mapping.lets import PREFIX
from onehook.core.mapping.paths import (
    MISSING,
    SUBSET,
    Found,
    Missing,
    Path,
    PathError,
    compile_path,
    direct_keys,
)
from onehook.core.mapping.patterns import Pattern, PatternError
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq

Condition = Callable[[JsonValue, Context], bool]
Subject = Callable[[JsonValue, Context], Found]
T = TypeVar("T")
INDEXED = 3  # conditions that name one subject, from which on asking for it once is worth it
_PATTERN_STEP = 200  # instructions of a pattern's program that take as long as a value to compile
_LARGEST_PATTERN = 300  # steps: the largest program that `max_mem` leaves room for


@dataclass(frozen=True, slots=True)
class Test:
    """What is asked of a subject; *form* is the same as an expression, see ``code.py``."""

    holds: Callable[[Found], bool]
    form: str = "$holds($subject)"
    wanted: object = None


@inline("True")
def always(_item: JsonValue, _context: Context) -> bool:
    """The condition of a rule that states none."""
    return True


def if_else(
    condition: Condition,
    yes: Callable[[JsonValue, Context], T],
    no: Callable[[JsonValue, Context], T],
) -> Callable[[JsonValue, Context], T]:
    """*yes* where *condition* holds, else *no*."""
    return inlined(
        lambda item, context: (yes if condition(item, context) else no)(item, context),
        "($yes if $condition else $no)",
        {"yes": yes, "condition": condition, "no": no},
    )


def compile_condition(node: Node, report: Report) -> Condition:
    """Compile a map of tests; every problem goes to *report*."""
    if not isinstance(node, Map):
        report("E002", node.place, "a condition is a map such as {$.action: opened}")
        return always
    parts: list[Condition] = []
    for key, value in node.items.items():
        report.takes(node.keys[key])
        if key == "any":
            parts.append(_any(value, report))
        elif key == "not":
            parts.append(_negated(compile_condition(value, report)))
        else:
            subject = compile_subject(key, node.keys[key], report)
            parts.append(_tested(subject, value, report))
    return all_of(parts)


def all_of(parts: list[Condition]) -> Condition:
    """One condition that holds where all of *parts* do."""
    parts = [part for part in parts if part is not always]
    if not parts:
        return always
    if len(parts) == 1:
        return parts[0]
    some = tuple(parts)

    def holds(item: JsonValue, context: Context) -> bool:
        for part in some:  # noqa: SIM110 all() of a generator takes twice as long
            if not part(item, context):
                return False
        return True

    return _joined(holds, "and", some)


def _joined(holds: Condition, word: str, some: Sequence[Condition]) -> Condition:
    names = [f"part{at}" for at in range(len(some))]
    form = f" {word} ".join(f"${name}" for name in names)
    return inlined(holds, f"({form})", dict(zip(names, some, strict=True)))


def _pair(subject: Subject, test: Test) -> Condition:
    holds = test.holds
    return inlined(
        lambda item, context: holds(subject(item, context)),
        test.form,
        {"subject": subject},
        {"holds": holds, "wanted": test.wanted},
    )


def _negated(condition: Condition) -> Condition:
    return inlined(
        lambda item, context: not condition(item, context),
        "(not $condition)",
        {"condition": condition},
    )


def _any(node: Node, report: Report) -> Condition:
    if not isinstance(node, Seq) or not node.items:
        report("E002", node.place, "any: takes a list of conditions")
        return always
    return any_of([compile_condition(item, report) for item in node.items])


def any_of(parts: Sequence[Condition]) -> Condition:
    """One condition that holds where any of *parts* does."""
    some = tuple(parts)

    def holds(item: JsonValue, context: Context) -> bool:
        for part in some:  # noqa: SIM110 any() of a generator takes twice as long
            if part(item, context):
                return True
        return False

    return _joined(holds, "or", some)


def compile_subject(key: str, place: Place, report: Report) -> Subject:
    """What *key* of a condition looks at: a path, a header, a setting, a named value."""
    if key.startswith("header."):
        name = key.removeprefix("header.").lower()
        if not report.headers:
            message = "header. is refused: a filter sees the event, not the request"
            report("E104", place, message)
        return inlined(
            lambda _item, context: _or_missing(context.headers.get(name)),
            "(MISSING if ($v := context.headers.get($name)) is None else $v)",
            values={"name": name},
        )
    if key.startswith("setting."):
        name = key.removeprefix("setting.")
        report.uses_setting(name, place)
        return inlined(
            lambda _item, context: _or_missing(context.settings.get(name)),
            "(MISSING if ($v := context.settings.get($name)) is None else $v)",
            values={"name": name},
        )
    if key.startswith(PREFIX):
        named = report.named(key.removeprefix(PREFIX), place)
        return inlined(
            lambda item, context: _or_missing(named(item, context)),
            "(MISSING if ($v := $named) is None else $v)",
            {"named": named},
        )
    if not key.startswith("$"):
        hint = f"did you mean $.{key}, or header.{key}?"
        report("E101", place, f"{key!r} is not a path", hint)
        return lambda _item, _context: MISSING
    try:
        path = compile_path(key)
    except PathError as error:
        message = f"{error.message} (column {error.column + 1} of {key})"
        report("E102", place, message, SUBSET)
        return lambda _item, _context: MISSING
    report.takes(place, path.effort)
    return lookup(path)


def wanted_words(when: Node | None) -> dict[str, tuple[str, ...]]:
    """Each subject that must equal one of some words for *when* to hold, and the words."""
    found: dict[str, tuple[str, ...]] = {}
    for name, test in (when.items if isinstance(when, Map) else {}).items():
        tests = test.items if isinstance(test, Seq) else (test,)
        words = [t.value for t in tests if isinstance(t, Scalar) and isinstance(t.value, str)]
        if words and len(words) == len(tests) and name not in ("any", "not"):
            found[name] = tuple(words)
    return found


def most_wanted(some: Iterable[Mapping[str, tuple[str, ...]]]) -> str:
    """The subject that most of *some* :func:`wanted_words` name; "" if too few do."""
    names = Counter(name for words in some for name in words)
    name, count = names.most_common(1)[0] if names else ("", 0)
    return name if count >= INDEXED else ""


def lookup(path: Path) -> Subject:
    """What *path* leads to."""
    find, absolute = path.lookup, path.absolute

    def subject(item: JsonValue, context: Context) -> Found:
        return find(context.body if absolute else item)

    keys = direct_keys(path.text)
    there = None if keys is None else lookup_of(keys, absolute=absolute, missing="MISSING")
    return subject if there is None else inlined(subject, "$there", {"there": there})


def _or_missing(value: JsonValue) -> Found:
    return MISSING if value is None else value


def _tested(subject: Subject, node: Node, report: Report) -> Condition:
    """The condition that *subject* passes the test *node*."""
    if isinstance(node, Scalar):
        return _pair(subject, _equals(node.value))
    if isinstance(node, Seq):
        values = tuple(item.value for item in node.items if isinstance(item, Scalar))
        if len(values) != len(node.items) or not values:
            report("E002", node.place, "a list in a condition holds scalars: any of them may match")
        return _pair(subject, _is_one_of(values))
    parts: list[Condition] = []
    for key, value in node.items.items():
        operator = OPERATORS.get(key)
        if operator is None:
            hint = nearest(key, OPERATORS)
            report("E002", node.keys[key], f"there is no test {key!r}", hint)
        else:
            parts.append(operator.compile(subject, value, report))
    return all_of(parts)


_THERE_IS_NONE = Test(
    lambda found: found is None or found is MISSING,
    "(($v := $subject) is None or $v is MISSING)",
)
_THERE_IS_SOME = Test(
    lambda found: found is not None and found is not MISSING,
    "(($v := $subject) is not None and $v is not MISSING)",
)


def _equals(wanted: JsonScalar) -> Test:
    """Equal and of one kind: ``1`` is not ``true``, nor ``"1"``. Absent counts as null."""
    if wanted is None:
        return _THERE_IS_NONE
    if isinstance(wanted, bool):
        return Test(lambda found: found is wanted, "($subject is $wanted)", wanted)
    if isinstance(wanted, str):
        return Test(
            lambda found: found == wanted or (type(found) is list and wanted in found),
            "(($v := $subject) == $wanted or type($v) is list and $wanted in $v)",
            wanted,
        )
    return Test(
        lambda found: (
            isinstance(found, int | float) and not isinstance(found, bool) and found == wanted
        )
    )


def _is_one_of(wanted: Sequence[JsonScalar]) -> Test:
    """Equal to any of *wanted*, as :func:`_equals` has it: words, which most are, by one look."""
    words = frozenset(value for value in wanted if isinstance(value, str))
    tests = tuple(_equals(value).holds for value in wanted)
    takes_none = None in wanted

    def test(found: Found) -> bool:
        if type(found) is str:
            return found in words
        if found is None or found is MISSING:
            return takes_none
        return any(test(found) for test in tests)

    none = f"{takes_none} if $v is None or $v is MISSING"
    form = f"($v in $wanted if type($v := $subject) is str else {none} else $holds($v))"
    return Test(test, form, words)


def _exists(node: Node, report: Report) -> Test:
    """There, and not null."""
    wanted = _flag("exists", node, report)
    return _THERE_IS_SOME if wanted else _THERE_IS_NONE


def _present(node: Node, report: Report) -> Test:
    """There, be it null."""
    wanted = _flag("present", node, report)
    form = f"($subject {'is not' if wanted else 'is'} MISSING)"
    return Test(lambda found: (found is not MISSING) is wanted, form)


def _flag(name: str, node: Node, report: Report) -> bool:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    report("E106", node.place, f"{name}: is true or false")
    return True


def _not(subject: Subject, node: Node, report: Report) -> Condition:
    return _negated(_tested(subject, node, report))


def _same(subject: Subject, node: Node, report: Report) -> Condition:
    """Equal to what stands elsewhere, and of one kind; nothing equals what is null or absent."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report("E101", node.place, "equals: names a path such as $.a.b, for a literal leave it out")
        return always
    other = compile_subject(node.value, node.place, report)

    def same(item: JsonValue, context: Context) -> bool:
        left, right = subject(item, context), other(item, context)
        if left is None or left is MISSING or isinstance(left, bool) is not isinstance(right, bool):
            return False
        return left == right

    return same


def compile_pattern(node: Node, report: Report) -> Pattern | None:
    """An RE2 pattern: linear time, whatever a user writes. Reports E107; None then."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report("E107", node.place, "a pattern is text")
        return None
    try:
        pattern = Pattern(node.value)
    except PatternError as error:
        if "too large" in str(error):
            report.takes(node.place, _LARGEST_PATTERN)
        hint = "patterns are RE2: no look-around, no back references"
        report("E107", node.place, f"the pattern is refused: {error}", hint)
        return None
    report.takes(node.place, pattern.size // _PATTERN_STEP)
    return pattern


def _matches(node: Node, report: Report) -> Test:
    pattern = compile_pattern(node, report)
    if pattern is None:
        return Test(lambda _found: False)
    holds = pattern.holds
    return Test(
        lambda found: isinstance(found, str) and holds(found),
        "(type($v := $subject) is str and $wanted($v))",
        holds,
    )


def _compares(node: Node, report: Report, *, greater: bool) -> Test:
    if not isinstance(node, Scalar) or isinstance(node.value, bool) or node.value is None:
        report("E106", node.place, "gt: and lt: take a number or text")
        return Test(lambda _found: False)
    wanted = node.value

    def test(found: Found) -> bool:
        if isinstance(wanted, str):
            return isinstance(found, str) and (found > wanted if greater else found < wanted)
        if isinstance(found, bool | Missing) or not isinstance(found, int | float):
            return False
        return found > wanted if greater else found < wanted

    return Test(test)


@dataclass(frozen=True, slots=True)
class Operator:
    """A test by its name: how it compiles, and what it is given."""

    compile: Callable[[Subject, Node, Report], Condition]
    form: Form


def _alone(make: Callable[[Node, Report], Test]) -> Callable[[Subject, Node, Report], Condition]:
    """A test that looks at nothing but its subject."""
    return lambda subject, node, report: _pair(subject, make(node, report))


_BOUND: Form = {"type": ["number", "string"]}
OPERATORS: Mapping[str, Operator] = {
    "exists": Operator(_alone(_exists), FLAG),
    "present": Operator(_alone(_present), FLAG),
    "not": Operator(_not, defined("test")),
    "equals": Operator(_same, defined("subject")),
    "matches": Operator(_alone(_matches), ANY_TEXT),
    "gt": Operator(_alone(lambda node, report: _compares(node, report, greater=True)), _BOUND),
    "lt": Operator(_alone(lambda node, report: _compares(node, report, greater=False)), _BOUND),
}
