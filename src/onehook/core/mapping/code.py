"""Generated code: what the values and conditions of a mapping come to in Python.

Each value compiles to a closure, and calling a closure for each step of each value is most of what
normalizing costs. So a closure may also carry the *expression* that gives the same, and who uses
it takes that into a function of its own, in place of a call. The closures say what is meant; a
test holds what is generated against them. No text of a mapping becomes code but as a quoted string.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from string import Template
from typing import Any, TypeVar, cast

from onehook.core.jsontext import MAX_SAFE_INTEGER, JsonValue
from onehook.core.mapping.paths import MISSING

F = TypeVar("F", bound=Callable[..., Any])

MAX_DEPTH = 20  # of expressions in each other: Python takes 200 parentheses in each other
MAX_SIZE = 4000  # characters of an expression: beyond that it becomes a function of its own
MAX_FUNCTION = 16_000  # characters of that: to compile more takes too much memory
OF_ITEM = "item, context"  # what values and conditions are functions of
_COMMON: Mapping[str, object] = {
    "MISSING": MISSING,
    "MAX_SAFE_INTEGER": MAX_SAFE_INTEGER,
}
SAFE_INTEGER = "type({0}) is int and -MAX_SAFE_INTEGER <= {0} <= MAX_SAFE_INTEGER"
_EMPTY: Mapping[str, JsonValue] = {}
no_member = _EMPTY.get  # what is no object has no members
_MEMBERS = {"get": "item.get if type(item) is dict else no_member"}
_numbers = count()  # a name means one thing in all expressions, so that any two can be joined


@dataclass(frozen=True, slots=True)
class Expression:
    """Python over the arguments of what it stands for; *names* are what else it names.

    *local* variables are worked out once, before all else in the function that takes it.
    """

    text: str
    names: Mapping[str, object]
    depth: int = 0
    local: Mapping[str, str] = field(default_factory=dict[str, str])


class Carrier:
    """A *function* that carries the *expression* of what it gives."""

    __slots__ = ("expression", "function")

    def __init__(self, function: Callable[..., Any], expression: Expression) -> None:
        self.function, self.expression = function, expression

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives."""
        return self.function(*arguments)


def inlined(
    function: F,
    form: str,
    parts: Mapping[str, Callable[..., Any] | Expression] | None = None,
    values: Mapping[str, object] | None = None,
    arguments: str = OF_ITEM,
) -> F:
    """*function*, carrying the expression *form*, which must come to the same.

    In *form* ``$part`` is what one of *parts* gives for the item, ``$value`` one of *values*, and
    ``$v`` a variable of its own. A large expression becomes a function, and a call of that; one
    that is too large, or goes too deep, is left out.
    """
    whole = filled(form, parts, values, arguments)
    if whole.depth > MAX_DEPTH or len(whole.text) > MAX_FUNCTION:
        return function
    small = len(whole.text) <= MAX_SIZE
    return cast("F", Carrier(function, whole if small else _called(whole, arguments)))


def filled(
    form: str,
    parts: Mapping[str, Callable[..., Any] | Expression] | None = None,
    values: Mapping[str, object] | None = None,
    arguments: str = OF_ITEM,
) -> Expression:
    """The expression *form*, filled in as in :func:`inlined`."""
    own = next(_numbers)
    names: dict[str, object] = {}
    local: dict[str, str] = {}
    texts = {"v": f"v{own}"}
    depth = 0
    for name, part in (parts or {}).items():
        found = part if isinstance(part, Expression) else expression_of(part, arguments)
        texts[name] = found.text
        names |= found.names
        local |= found.local
        depth = max(depth, found.depth + 1)
    for name, value in (values or {}).items():
        texts[name] = f"{name}{own}"
        names[texts[name]] = value
    return Expression(Template(form).substitute(texts), names, depth, local)


def inline(form: str) -> Callable[[F], F]:
    """What makes the function below it carry the expression *form*."""
    return lambda function: inlined(function, form)


def _called(whole: Expression, arguments: str) -> Expression:
    """A call of a function of its own for *whole*."""
    code = Code(arguments)
    code.add(f"return {code.put(whole)}")
    name = f"call{next(_numbers)}"
    return Expression(f"{name}({arguments})", {name: code.function("value")}, 1)


def _carried(function: object) -> Expression | None:
    return function.expression if isinstance(function, Carrier) else None


def expression_of(function: Callable[..., Any], arguments: str = OF_ITEM) -> Expression:
    """What *function* of *arguments* comes to: at least a call of it."""
    found = _carried(function)
    if found is not None:
        return found
    name = f"call{next(_numbers)}"
    return Expression(f"{name}({arguments})", {name: function})


def lookup_of(keys: Sequence[str | int], *, absolute: bool, missing: str) -> Expression | None:
    """What *keys*, names and indexes, lead to from the item or the body; else *missing*.

    None if there are too many of them.
    """
    if len(keys) > MAX_DEPTH:
        return None
    or_missing = "" if missing == "None" else f", {missing}"  # get() gives None by itself
    text, rest = "context.body" if absolute else "item", list(keys)
    names: dict[str, object] = {}
    local: Mapping[str, str] = {}
    if rest and isinstance(rest[0], str):  # the members of what all paths begin with
        text = f"{'context.member' if absolute else 'get'}({rest.pop(0)!r}{or_missing})"
        if not absolute:
            names, local = {"no_member": no_member}, _MEMBERS
    for key in rest:
        of = f"v{next(_numbers)}"
        if isinstance(key, str):
            member = f"{of}.get({key!r}{or_missing})"
            text = f"({member} if type({of} := {text}) is dict else {missing})"
        else:
            there = f"len({of}) > {key}" if key >= 0 else f"len({of}) >= {-key}"
            text = f"({of}[{key}] if type({of} := {text}) is list and {there} else {missing})"
    return Expression(text, names, len(keys), local)


class Code:
    """A function in the making: its lines, and the values that they name.

    What it is made of are functions of *arguments*. So is it, unless its *signature* says else.
    """

    def __init__(self, arguments: str = OF_ITEM, signature: str = "") -> None:
        self.arguments, self.signature = arguments, signature or arguments
        self.lines: list[str] = []
        self.local: dict[str, str] = {}
        self.names: dict[str, Any] = dict(_COMMON)

    def name(self, value: object) -> str:
        """A name for *value*."""
        name = f"_{next(_numbers)}"
        self.names[name] = value
        return name

    def variable(self) -> str:
        """The name of a new variable."""
        return f"v{next(_numbers)}"

    def add(self, *lines: str) -> None:
        """More lines of the function's body."""
        self.lines += [line for line in lines if line]

    def take(self, function: Callable[..., Any]) -> str:
        """An expression for what *function* gives for the same arguments."""
        return self.put(expression_of(function, self.arguments))

    def put(self, expression: Expression) -> str:
        """The text of *expression*, what it names being known here from now on."""
        self.names.update(expression.names)
        self.local.update(expression.local)
        return expression.text

    def anew(self, *functions: Callable[..., Any]) -> list[str]:
        """Lines that work out again what *functions* need: an argument has changed."""
        local: dict[str, str] = {}
        for function in functions:
            local.update(expression_of(function, self.arguments).local)
        return _set(local)

    def function(self, title: str, more: str = "") -> Any:
        """The function, of the arguments and *more*; *title* shows in tracebacks."""
        body = "\n".join(f"    {line}" for line in (*_set(self.local), *self.lines))
        text = f"def build({self.signature}{more}):\n{body}\n"
        exec(compile(text, f"<{title}>", "exec"), self.names)  # noqa: S102 see the module's text
        return self.names["build"]


def _set(local: Mapping[str, str]) -> list[str]:
    return [f"{name} = {text}" for name, text in local.items()]


def generated(function: F, title: str) -> F:
    """One function for all of *function*; itself if it is made of nothing."""
    found = _carried(function)
    if found is None or (found.depth == 0 and not found.names):
        return function
    code = Code()
    code.add(f"return {code.take(function)}")
    made: F = code.function(title)
    return made
