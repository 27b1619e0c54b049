"""Jinja2 as a language of expressions only: text with ``{{ … }}`` in it.

Statements, calls, arithmetic and names that begin with an underscore are refused when a file is
loaded, by its syntax tree. What is left runs in a sandbox whose attribute access sees nothing
but the keys of the payload, so no template can reach a Python object.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from urllib.parse import quote, urlsplit

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.runtime import ChainableUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from onehook.core.jsontext import encode

MAX_LENGTH = 4096
MAX_OUTPUT = 256 * 1024  # characters; threats.md M4

Render = Callable[[Mapping[str, object]], str | None]


class TemplateProblem(ValueError):
    """A template holds something that is not allowed, or cannot be read."""


class _Nothing(Exception):
    """A template came to something undefined: its result is null."""


class _Undefined(ChainableUndefined):
    """Lets a chain go on and ``default`` catch it; anything that would show it ends in null."""

    def _end(self, *_: object, **__: object) -> str:
        raise _Nothing

    __str__ = __html__ = __iter__ = __len__ = __bool__ = _end  # type: ignore[assignment]
    __eq__ = __ne__ = __hash__ = __contains__ = _end  # type: ignore[assignment]


def _text(value: object) -> str:
    if isinstance(value, Undefined) or value is None:
        raise _Nothing
    return value if isinstance(value, str) else _scalar_text(value)


def _scalar_text(value: object) -> str:
    """Text of a number or truth value as JSON writes it; of lists and objects none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return encode(value).decode()
    raise _Nothing


def _url_part(value: object, part: str) -> str:
    try:
        split = urlsplit(_text(value))
        host = split.hostname
    except ValueError:
        raise _Nothing from None
    if not host or split.scheme not in ("http", "https"):
        raise _Nothing
    return host if part == "host" else f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def _strip_prefix(value: object, prefix: str) -> str:
    return _text(value).removeprefix(prefix)


def _default(value: object, other: object = "", empty_too: bool = False) -> object:
    missing = isinstance(value, Undefined) or value is None or (empty_too and not value)
    return other if missing else value


def _end_of(value: object, which: int) -> object:
    if isinstance(value, list | str) and value:
        return value[which]  # type: ignore[return-value]
    raise _Nothing


FILTERS: Mapping[str, Callable[..., object]] = {
    "lower": lambda v: _text(v).lower(),
    "upper": lambda v: _text(v).upper(),
    "trim": lambda v: _text(v).strip(),
    "replace": lambda v, old, new: _text(v).replace(_text(old), _text(new)),
    "urlencode": lambda v: quote(_text(v), safe=""),
    "url_host": lambda v: _url_part(v, "host"),
    "url_origin": lambda v: _url_part(v, "origin"),
    "strip_prefix": _strip_prefix,
    "basename": lambda v: _text(v).rstrip("/").rpartition("/")[2],
    "first": lambda v: _end_of(v, 0),
    "last": lambda v: _end_of(v, -1),
    "join": lambda v, by="": _text(by).join(_text(item) for item in v),
    "default": _default,
    "tojson": lambda v: json.dumps(None if isinstance(v, Undefined) else v, ensure_ascii=False),
}

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
_WORDS = {
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


class _Environment(ImmutableSandboxedEnvironment):
    """Attributes and items are keys of the payload's maps and indexes of its lists; no more."""

    intercepted_binops = frozenset()

    def getattr(self, obj: object, attribute: str) -> object:
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: object, argument: object) -> object:
        if isinstance(obj, Undefined):
            return obj
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list) and isinstance(argument, int):
            try:
                return obj[argument]  # type: ignore[return-value]
            except IndexError:
                pass
        return self.undefined(obj=obj, name=argument)


def _environment() -> _Environment:
    environment = _Environment(
        undefined=_Undefined, autoescape=False, finalize=_text, keep_trailing_newline=True
    )
    environment.filters = dict(FILTERS)
    environment.tests = {}
    environment.globals = {}
    return environment


_ENVIRONMENT = _environment()
_COMMENT = re.compile(r"\{#|\{%")


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template; :meth:`render` gives None where something in it is undefined."""

    text: str
    render: Render


def compile_template(text: str, variables: frozenset[str]) -> Template:
    """Check *text* and compile it; *variables* are the names that it may use.

    Raises:
        TemplateProblem: naming the construct that is not allowed.
    """
    if len(text) > MAX_LENGTH:
        msg = f"longer than {MAX_LENGTH} characters"
        raise TemplateProblem(msg)
    if found := _COMMENT.search(text):
        msg = f"a statement or comment ({found[0]}) is not allowed; {ALLOWED_TEXT}"
        raise TemplateProblem(msg)
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateProblem(error.message or "cannot be read") from None
    except RecursionError:
        msg = "nested too deeply"
        raise TemplateProblem(msg) from None
    _check(tree, variables)
    return Template(text, _renderer(text))


def _check(tree: nodes.Template, variables: frozenset[str]) -> None:
    for node in tree.find_all(nodes.Node):
        _check_node(node, variables)


def _check_node(node: nodes.Node, variables: frozenset[str]) -> None:
    if not isinstance(node, _ALLOWED):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        msg = f"{word} is not allowed; {ALLOWED_TEXT}"
        raise TemplateProblem(msg)
    if isinstance(node, nodes.Name) and node.name not in variables:
        msg = f"{node.name!r} is no variable here; there are {', '.join(sorted(variables))}"
        raise TemplateProblem(msg)
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        msg = f"{node.attr!r}: names that begin with an underscore are not allowed"
        raise TemplateProblem(msg)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        msg = f"there is no filter {node.name!r}; there are {', '.join(FILTERS)}"
        raise TemplateProblem(msg)


def _renderer(text: str) -> Render:
    template = _ENVIRONMENT.from_string(text)
    stream = template.root_render_func

    def render(variables: Mapping[str, object]) -> str | None:
        try:
            result = "".join(stream(template.new_context(dict(variables))))
        except (_Nothing, TemplateError, TypeError, ValueError, RecursionError, OverflowError):
            return None
        return result if len(result) <= MAX_OUTPUT else None

    return render


