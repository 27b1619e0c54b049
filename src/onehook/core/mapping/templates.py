"""Jinja2 as a language of expressions only: text with ``{{ … }}`` in it.

Jinja2 parses; statements, calls, arithmetic and names that begin with an underscore are refused
by the syntax tree when a file is loaded. What is left is compiled by ``template_values.py`` and
never becomes code: attributes and items are keys of the payload's maps and indexes of its lists,
and nothing else can be reached.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, cast

from jinja2 import Environment, TemplateSyntaxError, nodes

from onehook.core.mapping.code import OF_ITEM
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.plain_templates import inlined_template
from onehook.core.mapping.template_filters import FILTERS
from onehook.core.mapping.template_values import Evaluate, Render, compile_node, renderer

MAX_LENGTH = 4096
MAX_DEPTH = 40  # of a template's syntax tree
MAX_FILTERS = 40  # of a template: each may work through the whole body; ours have nine at most

# What a template over a webhook may name, and where that is when it is rendered.
_OF_CONTEXT = {
    "body": "context.body",
    "item": "item",
    "headers": "context.headers.first_values()",
    "settings": "context.settings",
}
VARIABLES = frozenset(_OF_CONTEXT)


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
    return Checked(text, renderer(_checked(text, variables)))


def _checked(text: str, variables: frozenset[str]) -> nodes.Template:
    """The syntax tree of *text*, in which nothing stands that is not allowed.

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
    return tree


@lru_cache(maxsize=10_000)
def compile_value(text: str) -> Get:
    """Check *text*, a template over a webhook, and compile it to a function of item and context.

    Raises:
        TemplateError: naming the construct that is not allowed.
    """
    tree = _checked(text, VARIABLES)
    return inlined_template(tree, renderer(tree, OF_ITEM, _OF_CONTEXT))


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
    return compile_node(expression)


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


@lru_cache(maxsize=10_000)
def template_reads(text: str) -> tuple[tuple[str, tuple[str | int, ...]], ...]:
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
    return tuple(found)


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
