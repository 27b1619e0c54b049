"""Jinja2 as a language of expressions only: text with ``{{ … }}`` in it.

Statements, calls, arithmetic and names that begin with an underscore are refused when a file is
loaded, by its syntax tree. What is left runs in a sandbox whose attribute access sees nothing
but the keys of the payload, so no template can reach a Python object.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast
from urllib.parse import quote, urlsplit

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.runtime import ChainableUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from onehook.core.jsontext import encode

MAX_LENGTH = 4096
MAX_OUTPUT = 256 * 1024  # characters; threats.md M4

Render = Callable[[Mapping[str, object]], str | None]


class TemplateError(ValueError):
    """A template holds something that is not allowed, or cannot be read."""


class _Nothing(Exception):  # noqa: N818 a signal inside this module
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
    """Text of a number or truth value as JSON writes it; of lists and objects none.

    Raises:
        _Nothing: for those.
    """
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


def _default(value: object, other: object = "", empty_too: bool = False) -> object:
    missing = isinstance(value, Undefined) or value is None or (empty_too and not value)
    return other if missing else value


def _end_of(value: object, which: int) -> object:
    items = cast("Sequence[object]", value) if isinstance(value, list | str) else ()
    if not items:
        raise _Nothing
    return items[which]


def _join(value: object, by: object = "") -> str:
    items = cast("Sequence[object]", value) if isinstance(value, list | str) else ()
    return _text(by).join([_text(item) for item in items])


def _replace(value: object, old: object, new: object) -> str:
    return _text(value).replace(_text(old), _text(new))


def _strip_prefix(value: object, prefix: object) -> str:
    return _text(value).removeprefix(_text(prefix))


def _tojson(value: object) -> str:
    return json.dumps(None if isinstance(value, Undefined) else value, ensure_ascii=False)


def _lower(value: object) -> str:
    return _text(value).lower()


def _upper(value: object) -> str:
    return _text(value).upper()


def _trim(value: object) -> str:
    return _text(value).strip()


def _urlencode(value: object) -> str:
    return quote(_text(value), safe="")


def _url_host(value: object) -> str:
    return _url_part(value, "host")


def _url_origin(value: object) -> str:
    return _url_part(value, "origin")


def _basename(value: object) -> str:
    return _text(value).rstrip("/").rpartition("/")[2]


def _first(value: object) -> object:
    return _end_of(value, 0)


def _last(value: object) -> object:
    return _end_of(value, -1)


FILTERS: Mapping[str, Callable[..., object]] = {
    "lower": _lower,
    "upper": _upper,
    "trim": _trim,
    "replace": _replace,
    "urlencode": _urlencode,
    "url_host": _url_host,
    "url_origin": _url_origin,
    "strip_prefix": _strip_prefix,
    "basename": _basename,
    "first": _first,
    "last": _last,
    "join": _join,
    "default": _default,
    "tojson": _tojson,
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


class _Environment(ImmutableSandboxedEnvironment):
    """Attributes and items are keys of the payload's maps and indexes of its lists; no more."""

    intercepted_binops = frozenset()

    def getattr(self, obj: object, attribute: str) -> object:
        if isinstance(obj, Undefined):
            return obj
        fields: Mapping[str, object] = {}
        if isinstance(obj, Mapping):
            fields = cast("Mapping[str, object]", obj)
        if attribute in fields:
            return fields[attribute]
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: object, argument: object) -> object:
        if isinstance(obj, Undefined):
            return obj
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        items = cast("Sequence[object]", obj) if isinstance(obj, list) else ()
        if isinstance(argument, int) and -len(items) <= argument < len(items):
            return items[argument]
        return self.undefined(obj=obj, name=str(argument))


def _environment() -> _Environment:
    environment = _Environment(
        undefined=_Undefined, autoescape=False, finalize=_text, keep_trailing_newline=True
    )
    tables: Any = environment  # its annotations are those of the defaults
    tables.filters, tables.tests, tables.globals = dict(FILTERS), {}, {}
    return environment


_ENVIRONMENT = _environment()
_COMMENT = re.compile(r"\{#|\{%")


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
    if found := _COMMENT.search(text):
        msg = f"a statement or comment ({found[0]}) is not allowed; {ALLOWED_TEXT}"
        raise TemplateError(msg)
    try:
        tree = _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(error.message or "cannot be read") from None
    except RecursionError:
        msg = "nested too deeply"
        raise TemplateError(msg) from None
    _check(tree, variables)
    return Checked(text, _renderer(text))


def _check(tree: nodes.Template, variables: frozenset[str]) -> None:
    for node in tree.find_all(nodes.Node):
        _check_node(node, variables)


def _check_node(node: nodes.Node, variables: frozenset[str]) -> None:
    if not isinstance(node, _ALLOWED):
        word = _WORDS.get(type(node), type(node).__name__.lower())
        msg = f"{word} is not allowed; {ALLOWED_TEXT}"
        raise TemplateError(msg)
    if isinstance(node, nodes.Name) and node.name not in variables:
        msg = f"{node.name!r} is no variable here; there are {', '.join(sorted(variables))}"
        raise TemplateError(msg)
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        msg = f"{node.attr!r}: names that begin with an underscore are not allowed"
        raise TemplateError(msg)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        msg = f"there is no filter {node.name!r}; there are {', '.join(FILTERS)}"
        raise TemplateError(msg)


@cache
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def _renderer(text: str) -> Render:
    """Jinja2's code for a checked template; made at its first use, of which most have none."""

    def render(variables: Mapping[str, object]) -> str | None:
        template = _template(text)
        stream = template.root_render_func
        try:
            result = "".join(stream(template.new_context(dict(variables))))
        except (_Nothing, JinjaError, TypeError, ValueError, RecursionError, OverflowError):
            return None
        return result if len(result) <= MAX_OUTPUT else None

    return render
