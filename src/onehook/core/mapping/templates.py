"""Jinja2 as a language of expressions only: text with ``{{ … }}`` in it.

Jinja2 parses; statements, calls, arithmetic and names that begin with an underscore are refused
by the syntax tree when a file is loaded. What is left is compiled to functions here, and to the
expressions of ``code.py``, in which no text of a template stands: attributes and items are keys of
the payload's maps and indexes of its lists, and nothing else can be reached.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NoReturn, cast

from jinja2 import Environment, TemplateSyntaxError, nodes

from onehook.core.mapping.code import Code, inlined
from onehook.core.mapping.template_filters import (
    FILTERS,
    MAX_OUTPUT,
    UNDEFINED,
    NothingError,
    Undefined,
    bounded,
    text_of,
)
from onehook.core.model import clean_text

MAX_LENGTH = 4096
MAX_DEPTH = 40  # of a template's syntax tree
MAX_FILTERS = 40  # of a template: each may work through the whole body; ours have nine at most

_ARGUMENTS = "variables"  # what the parts of a template are functions of
_PROBLEMS = (NothingError, TypeError, ValueError, OverflowError)

Variables = Mapping[str, object]
Render = Callable[[Variables], str | None]
Evaluate = Callable[[Variables], object]


class TemplateError(ValueError):
    """A template holds something that is not allowed, or cannot be read; *hint*: what may.

    *at* is where, in characters from its beginning; *word* what to look for from there on.
    """

    def __init__(self, message: str, hint: str = "", at: int = 0, word: str = "") -> None:
        super().__init__(message)
        self.hint, self.at, self.word = hint, at, word


_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Filter,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.List,
)
_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Mul: "multiplication",
    nodes.Pow: "a power",
    nodes.For: "a loop",
    nodes.If: "a statement",
    nodes.Assign: "an assignment",
    nodes.Test: "a test",
    nodes.Slice: "a slice",
}
ALLOWED_TEXT = (
    "allowed are names, attributes, indexes, literals, comparisons, and/or/not, x if y else z, ~ "
    f"and the filters {', '.join(FILTERS)}"
)


_ENVIRONMENT = Environment(autoescape=True, keep_trailing_newline=True)  # only to parse with
STATEMENT = re.compile(r"\{#|\{%")


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked template; ``render`` gives None where something in it is undefined."""

    text: str
    render: Render


@lru_cache(maxsize=10_000)
def compile_template(text: str, variables: frozenset[str]) -> Checked:
    """Check *text* and compile it; *variables* are the names that it may use.

    Raises:
        TemplateError: naming the construct that is not allowed.
    """
    if len(text) > MAX_LENGTH:
        msg = f"longer than {MAX_LENGTH} characters"
        raise TemplateError(msg)
    if found := STATEMENT.search(text):
        msg = f"a statement or comment ({found[0]}) is not allowed"
        raise TemplateError(msg, ALLOWED_TEXT)
    tree = _parse(text)
    _check(tree, variables)
    return Checked(text, _renderer(tree))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a template: plain *text*, or the expression that *evaluate* works out."""

    start: int  # both in characters from the template's beginning
    end: int
    text: str
    evaluate: Evaluate | None = None


def compile_pieces(text: str, variables: frozenset[str]) -> tuple[Piece, ...]:
    """The parts of the template *text*, in order, each expression compiled by itself.

    Raises:
        TemplateError: with the place in *text* of what is not allowed.
    """
    if found := STATEMENT.search(text):
        msg = f"a statement or comment ({found[0]}) is not allowed"
        raise TemplateError(msg, ALLOWED_TEXT, found.start())
    pieces: list[Piece] = []
    at, opened = 0, -1
    try:
        for _line, kind, value in _ENVIRONMENT.lex(text):
            at = text.find(value, at)  # white space that a `-` takes away is no token
            end = at + len(value)
            if kind == "variable_begin":
                opened = at
            elif kind == "variable_end":
                found_there = _expression(text[opened:end], opened, variables)
                pieces.append(Piece(opened, end, text[opened:end], found_there))
                opened = -1
            elif kind == "data":
                pieces.append(Piece(at, end, value))
            at = end
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "cannot be read", ALLOWED_TEXT, at) from None
    if opened >= 0:
        msg = "the expression is not closed by }}"
        raise TemplateError(msg, at=opened)
    return tuple(pieces)


def _expression(text: str, start: int, variables: frozenset[str]) -> Evaluate:
    """Compile the one expression in *text*, which begins at *start* of its template.

    Raises:
        TemplateError: with the place in the template.
    """
    try:
        tree = _parse(text)
        _check(tree, variables)
    except TemplateError as error:
        within = max(text.find(error.word), 0)
        raise TemplateError(str(error), error.hint, start + within) from None
    (output,) = tree.body
    (expression,) = cast("nodes.Output", output).nodes
    return _compile(expression)


def evaluated(evaluate: Evaluate, variables: Variables) -> object:
    """What an expression comes to; UNDEFINED where something in it is not there."""
    try:
        return evaluate(variables)
    except _PROBLEMS:
        return UNDEFINED


def _parse(text: str) -> nodes.Template:
    """The syntax tree of *text*.

    Raises:
        TemplateError: it cannot be read.
    """
    try:
        return _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "cannot be read", ALLOWED_TEXT) from None
    except RecursionError:
        _refuse_depth()


def template_reads(text: str) -> list[tuple[str, tuple[str | int, ...]]]:
    """What the template *text* looks at: a variable, and the members that it follows from there.

    Raises:
        TemplateError: it cannot be read.
    """
    tree = _parse(text)
    found: list[tuple[str, tuple[str | int, ...]]] = []
    waiting: list[tuple[nodes.Node, tuple[str | int, ...]]] = [(tree, ())]
    while waiting:
        node, below = waiting.pop()
        match node:
            case nodes.Name(name=name):
                found.append((name, below))
            case nodes.Getattr(node=of, attr=name):
                waiting.append((of, (name, *below)))
            case nodes.Getitem(node=of, arg=nodes.Const(value=str() | int() as key)):
                waiting.append((of, (key, *below)))
            case _:  # what is worked out: all of what it is worked out from
                waiting += [(child, ()) for child in node.iter_child_nodes()]
    return found


def _refuse_depth() -> NoReturn:
    """Refuse a template that nests too deeply.

    Raises:
        TemplateError: always.
    """
    msg = f"nested deeper than {MAX_DEPTH} levels"
    raise TemplateError(msg)


def _check(tree: nodes.Template, variables: frozenset[str]) -> None:
    """Walk *tree* level by level, so that its depth cannot hurt.

    Raises:
        TemplateError: it nests too deeply, or holds something that is not allowed, or too much.
    """
    level: list[nodes.Node] = [tree]
    filters = 0
    for _ in range(MAX_DEPTH):
        for node in level:
            _check_node(node, variables)
            filters += isinstance(node, nodes.Filter)
        if filters > MAX_FILTERS:
            msg = f"more than {MAX_FILTERS} filters"
            raise TemplateError(msg)
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    _refuse_depth()


def _check_node(node: nodes.Node, variables: frozenset[str]) -> None:
    if not isinstance(node, _ALLOWED):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        msg = f"{word} is not allowed"
        raise TemplateError(msg, ALLOWED_TEXT)
    if isinstance(node, nodes.Name) and node.name not in variables:
        msg = f"{node.name!r} is no variable here"
        raise TemplateError(msg, f"there are {', '.join(sorted(variables))}", word=node.name)
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        msg = f"{node.attr!r}: names that begin with an underscore are not allowed"
        raise TemplateError(msg, "write body['_name'] for a key of that name", word=node.attr)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        msg = f"there is no filter {node.name!r}"
        raise TemplateError(msg, f"there are {', '.join(FILTERS)}", word=node.name)


def _renderer(tree: nodes.Template) -> Render:
    """One function for the whole template."""
    found = [node for output in tree.body for node in cast("nodes.Output", output).nodes]
    code = Code(_ARGUMENTS)
    code.names.update(problems=_PROBLEMS, limit=MAX_OUTPUT)
    code.add(
        "try:",
        f"    texts = {code.take(_texts([_piece(node) for node in found]))}",
        "except problems:",
        "    return None",
        "return ''.join(texts) if sum(map(len, texts)) <= limit else None",
    )
    render: Render = code.function("template")
    return render


def _piece(node: nodes.Expr) -> Evaluate:
    return _constant(node.data) if isinstance(node, nodes.TemplateData) else _compile(node)


def _text(of: Evaluate) -> Evaluate:
    """What *of* comes to, as text."""
    return _inlined(
        lambda variables: text_of(of(variables)),
        "($v if type($v := $of) is str else $text_of($v))",
        {"of": of},
        {"text_of": text_of},
    )


def _texts(of: Sequence[Evaluate]) -> Evaluate:
    """What each of *of* comes to, as text."""
    parts = [_text(one) for one in of]
    named = {f"part{at}": part for at, part in enumerate(parts)}
    form = "".join(f"${name}, " for name in named)
    return _inlined(lambda variables: [part(variables) for part in parts], f"({form})", named)


def _inlined(
    function: Evaluate,
    form: str,
    parts: Mapping[str, Evaluate] | None = None,
    values: Mapping[str, object] | None = None,
) -> Evaluate:
    return inlined(function, form, parts, values, _ARGUMENTS)


def _constant(value: object) -> Evaluate:
    return _inlined(lambda _variables: value, "$value", values={"value": value})


def _compile(node: nodes.Expr) -> Evaluate:
    return _COMPILERS[type(node)](node)


def _name(node: Any) -> Evaluate:
    name: str = node.name
    return _inlined(
        lambda variables: variables.get(name, UNDEFINED),
        "variables.get($name, $undefined)",
        values={"name": name, "undefined": UNDEFINED},
    )


def _getattr(node: Any) -> Evaluate:
    return _member(_compile(node.node), _constant(node.attr))


def _getitem(node: Any) -> Evaluate:
    return _member(_compile(node.node), _compile(node.arg))


def _member(of: Evaluate, key: Evaluate) -> Evaluate:
    return _inlined(
        lambda variables: member(of(variables), key(variables)),
        "($v.get($key, $undefined) if type($v := $of) is dict else $member($v, $key))",
        {"of": of, "key": key},
        {"member": member, "undefined": UNDEFINED},
    )


def member(value: object, key: object) -> object:
    """The member *key* of a map or list; UNDEFINED where there is none."""
    if type(value) is dict or isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(key, UNDEFINED)
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        items = cast("Sequence[object]", value)
        return items[key] if -len(items) <= key < len(items) else UNDEFINED
    return UNDEFINED


def _filter(node: Any) -> Evaluate:
    function, of = FILTERS[node.name], _compile(node.node)
    arguments = tuple(_compile(argument) for argument in node.args)
    more = {f"argument{at}": argument for at, argument in enumerate(arguments)}
    return _inlined(
        lambda variables: function(of(variables), *[a(variables) for a in arguments]),
        f"$function({', '.join(['$of', *(f'${name}' for name in more)])})",
        {"of": of, **more},
        {"function": function},
    )


def _truth(value: object) -> bool:
    if isinstance(value, Undefined):
        raise NothingError
    return bool(value)


def _condition(node: Any) -> Evaluate:
    test, yes = _compile(node.test), _compile(node.expr1)
    no = _constant(UNDEFINED) if node.expr2 is None else _compile(node.expr2)
    return _inlined(
        lambda variables: (yes if _truth(test(variables)) else no)(variables),
        "($yes if $truth($test) else $no)",
        {"test": test, "yes": yes, "no": no},
        {"truth": _truth},
    )


def _is_in(part: Any, whole: Any) -> bool:
    if isinstance(whole, str):
        bounded(len(whole))
    return part in whole


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "ne": ne,
    "gt": gt,
    "gteq": ge,
    "lt": lt,
    "lteq": le,
    "in": _is_in,
    "notin": lambda a, b: not _is_in(a, b),
}


def _compare(node: Any) -> Evaluate:
    first = _compile(node.expr)
    rest = tuple((_OPERATORS[operand.op], _compile(operand.expr)) for operand in node.ops)

    def compare(variables: Variables) -> bool:
        left = first(variables)
        for operator, expression in rest:
            right = expression(variables)
            if not _holds(operator, left, right):
                return False
            left = right
        return True

    if len(rest) > 1:
        return compare
    operator, second = rest[0]
    form = "$holds($operator, $first, $second)"
    values = {"holds": _holds, "operator": operator}
    return _inlined(compare, form, {"first": first, "second": second}, values)


def _holds(operator: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    """Whether *left* and *right* compare so.

    Raises:
        NothingError: one of them is not there.
    """
    if left is UNDEFINED or right is UNDEFINED:
        raise NothingError
    return operator(left, right)


def _and(node: Any) -> Evaluate:
    left, right = _compile(node.left), _compile(node.right)

    def both(variables: Variables) -> object:
        value = left(variables)
        return right(variables) if _truth(value) else value

    form = "($right if $truth($v := $left) else $v)"
    return _inlined(both, form, {"left": left, "right": right}, {"truth": _truth})


def _or(node: Any) -> Evaluate:
    left, right = _compile(node.left), _compile(node.right)

    def either(variables: Variables) -> object:
        value = left(variables)
        return value if _truth(value) else right(variables)

    form = "($v if $truth($v := $left) else $right)"
    return _inlined(either, form, {"left": left, "right": right}, {"truth": _truth})


def _not(node: Any) -> Evaluate:
    of = _compile(node.node)
    return _inlined(
        lambda variables: not _truth(of(variables)),
        "(not $truth($of))",
        {"of": of},
        {"truth": _truth},
    )


def _concat(node: Any) -> Evaluate:
    texts = _texts([_compile(part) for part in node.nodes])
    return _inlined(
        lambda variables: _joined(texts(variables)),
        "$joined($texts)",
        {"texts": texts},
        {"joined": _joined},
    )


def _joined(texts: Any) -> str:
    """*texts* in one.

    Raises:
        NothingError: it grows too long.
    """
    bounded(sum(map(len, texts)))
    return "".join(texts)


def _list(node: Any) -> Evaluate:
    items = tuple(_compile(item) for item in node.items)
    return lambda variables: [item(variables) for item in items]


def _const(node: Any) -> Evaluate:
    value: object = node.value
    # Jinja2 reads '\\ud800' as half a character, which nothing can write.
    return _constant(clean_text(value) if isinstance(value, str) else value)


_COMPILERS: Mapping[type[nodes.Node], Callable[[Any], Evaluate]] = {
    nodes.Name: _name,
    nodes.Getattr: _getattr,
    nodes.Getitem: _getitem,
    nodes.Const: _const,
    nodes.Filter: _filter,
    nodes.CondExpr: _condition,
    nodes.Compare: _compare,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.Concat: _concat,
    nodes.List: _list,
}
