"""Conditions and values of a mapping file in words, as Markdown: what the file says, said aloud."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from onehook.core.jsontext import JsonScalar, encode
from onehook.core.mapping.source import Map, Node, Scalar, Seq, plain, resolve

_METACHARACTERS = re.compile(r"[\\.^$*+?{}\[\]|()]")


def code(text: str) -> str:
    """*text* as a code span, on one line; with more backticks around it if it holds some."""
    text = " ".join(text.split())
    if "`" not in text:
        return f"`{text}`"
    return f"`` {text} ``"


def listed(texts: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    found = list(texts)
    return (
        f" {last} ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)
    )


# -- conditions -----------------------------------------------------------------------------------


def condition(node: Node) -> str:
    """What a condition asks for: ``header `x-event` is `push` and `$.ref` begins with `…```."""
    if not isinstance(node, Map):
        return code(_json(node))
    if len(node.items) == 1 and "any" in node.items:
        return _any(node.items["any"])
    return " and ".join(_part(key, test) for key, test in node.items.items())


def _part(key: str, test: Node) -> str:
    if key == "any":
        return f"({_any(test)})"
    if key == "not":
        return f"not ({condition(test)})"
    return f"{subject(key)} {_test(test)}"


def _any(node: Node) -> str:
    choices = node.items if isinstance(node, Seq) else (node,)
    return " or ".join(_bracketed(choice) for choice in choices)


def _bracketed(node: Node) -> str:
    several = isinstance(node, Map) and len(node.items) > 1
    return f"({condition(node)})" if several else condition(node)


def subject(key: str) -> str:
    """What the *key* of a condition looks at."""
    for prefix in ("header", "setting"):
        if key.startswith(f"{prefix}."):
            return f"{prefix} {code(key.removeprefix(f'{prefix}.'))}"
    return code(key)


def _test(node: Node) -> str:
    match node:
        case Scalar(value=value):
            return f"is {_member(value)}"
        case Seq(items=items):
            return f"is {_members(items, 'or')}"
        case Map(items=items):
            return " and ".join(_operator(name, value) for name, value in items.items())
        case _ as never:
            assert_never(never)


def _operator(name: str, node: Node) -> str:
    value = node.value if isinstance(node, Scalar) else None
    if name in ("exists", "present"):
        null = " or null" if name == "present" else ""
        return f"is there{null}" if value is True else f"is not there{null and ', not even null'}"
    if name == "equals":
        return f"equals {subject(str(value))}"
    if name == "matches":
        return _pattern(str(value))
    if name in ("gt", "lt"):
        return f"is {'above' if name == 'gt' else 'below'} {_member(value)}"
    return _negated(node)


def _pattern(text: str) -> str:
    """A pattern that only anchors a plain text is said as such."""
    start, end = text.startswith("^"), text.endswith("$")
    inner = text.removeprefix("^").removesuffix("$")
    if inner and (start or end) and not _METACHARACTERS.search(inner):
        words = {(True, False): "begins with", (False, True): "ends with", (True, True): "is"}
        return f"{words[start, end]} {code(inner)}"
    return f"matches {code(text)}"


def _negated(node: Node) -> str:
    match node:
        case Scalar(value=None):
            return "is there"
        case Scalar(value=value):
            return f"is not {_member(value)}"
        case Seq(items=items):
            return f"is none of {_members(items, 'and')}"
        case Map():
            return (
                _denied(_test(node)) if len(node.items) == 1 else f"is not so that it {_test(node)}"
            )
        case _ as never:
            assert_never(never)


_DENIALS = {
    "equals": "does not equal",
    "is not": "is",
    "is": "is not",
    "begins": "does not begin",
    "ends": "does not end",
    "matches": "does not match",
}


def _denied(test: str) -> str:
    """The opposite of what a test says: ``is above `3``` becomes ``is not above `3```."""
    verb = next(verb for verb in _DENIALS if test.startswith(f"{verb} "))
    return _DENIALS[verb] + test.removeprefix(verb)


def _members(items: tuple[Node, ...], last: str) -> str:
    return listed((_member(i.value if isinstance(i, Scalar) else None) for i in items), last)


def _member(value: JsonScalar) -> str:
    if value is None:
        return "absent"
    plain_text = isinstance(value, str) and resolve(value) == value
    return code(str(value)) if plain_text else code(encode(value).decode())


# -- values ---------------------------------------------------------------------------------------


def value(node: Node | None) -> str:
    """Where a value comes from: ``header `x-id`, else `$.id```."""
    match node:
        case None:
            return "nothing"
        case Scalar(value=str() as path):
            return code(path)
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=literal):
            return code(encode(literal).decode())
        case Seq(items=items):
            return listed(value(item) for item in items)
        case Map(items=items):
            kind = next((key for key in items if key in _KINDS), None)
            return code(_json(node)) if kind is None else _KINDS[kind](items)
        case _ as never:
            assert_never(never)


def _conditional(items: Mapping[str, Node]) -> str:
    other = f", else {value(items['else'])}" if "else" in items else ""
    return f"if {condition(items['if'])}: {value(items.get('then'))}{other}"


def _choices(items: Mapping[str, Node]) -> str:
    node = items["coalesce"]
    return ", else ".join(value(n) for n in (node.items if isinstance(node, Seq) else (node,)))


def _named(word: str, key: str) -> Callable[[Mapping[str, Node]], str]:
    return lambda items: f"{word} {code(str(plain(items[key])))}"


_KINDS: Mapping[str, Callable[[Mapping[str, Node]], str]] = {
    "const": lambda items: code(str(plain(items["const"]))),
    "header": _named("header", "header"),
    "setting": _named("setting", "setting"),
    "template": lambda items: code(str(plain(items["template"]))),
    "lookup": lambda items: f"{value(items['lookup'])} by table {code(str(plain(items['table'])))}",
    "coalesce": _choices,
    "if": _conditional,
    "date": lambda items: f"the time {value(items['date'])}",
    "join": lambda items: f"{value(items['join'])} as one text",
    "let": lambda items: code(f"let.{plain(items['let'])}"),
    "match": lambda items: (
        f"what {code(str(plain(items['pattern'])))} finds in {value(items['match'])}"
    ),
}


def _json(node: Node) -> str:
    return encode(plain(node)).decode()
