"""The body that a destination's file declares: YAML whose texts are templates.

A text that is one expression and nothing else gives that expression's value, whatever its kind;
a member or item of such a text that comes to nothing is left out. Every other text stays text.
"""

from collections.abc import Callable, Sequence
from typing import Final

from onehook.core.destinations.jsontemplates import plain, text_in_json
from onehook.core.jsontext import JsonScalar, JsonText, JsonValue, decode
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.template_values import Evaluate, evaluated
from onehook.core.mapping.templates import (
    Piece,
    TemplateError,
    compile_pieces,
    template_reads,
)
from onehook.core.profiles.outlet import RenderBody, RenderError, RenderText, Variables
from onehook.core.profiles.variables import DESTINATION_NAMES


class _Nothing:
    """The type of :data:`_NOTHING`: a member that is left out."""


_NOTHING: Final = _Nothing()
_Build = Callable[[Variables], JsonValue | _Nothing]


def compile_tree(node: Node, report: Report) -> RenderBody:
    """Compile a body; every problem goes to *report*."""
    if isinstance(node, Seq) or (isinstance(node, Scalar) and not isinstance(node.value, str)):
        report("E103", node.place, "body: is a map, or one expression that gives an object")
    build = _compile(node, report)

    def render(variables: Variables) -> JsonValue:
        found = build(variables)
        if not isinstance(found, dict):
            msg = "the body is no JSON object"
            raise RenderError(msg)
        return found

    return render


def compile_text(node: Node, report: Report) -> RenderText:
    """Compile a text; it gives None where it is one expression that comes to nothing."""
    if not isinstance(node, Scalar) or node.value is None:
        report("E103", node.place, "this is a text")
        return _constant_text("")
    return compile_words(str(node.value), node, report)


def compile_words(text: str, node: Node, report: Report) -> RenderText:
    """Compile *text*, which stands at *node*."""
    build = _text(text, node, report)

    def render(variables: Variables) -> str | None:
        found = build(variables)
        return None if found is None or isinstance(found, _Nothing) else text_in_json(found)

    return render


def _constant_text(text: str) -> RenderText:
    return lambda _variables: text


def _constant(value: JsonScalar) -> _Build:
    return lambda _variables: value


def _compile(node: Node, report: Report) -> _Build:
    match node:
        case Scalar(value=str() as text):
            return _text(text, node, report)
        case Scalar(value=value):
            return _constant(value)
        case Seq(items=items):
            return _list(tuple(_compile(item, report) for item in items))
        case Map():
            return _map(node, report)


def _list(builds: Sequence[_Build]) -> _Build:
    def build(variables: Variables) -> JsonValue:
        found = [one(variables) for one in builds]
        return [item for item in found if not isinstance(item, _Nothing)]

    return build


def _map(node: Map, report: Report) -> _Build:
    members = [
        (
            compile_words(key, Scalar(node.keys[key], key, plain=True), report),
            _compile(value, report),
        )
        for key, value in node.items.items()
    ]

    def build(variables: Variables) -> JsonValue:
        found: dict[str, JsonValue] = {}
        for name_of, value_of in members:
            word, value = name_of(variables), value_of(variables)
            if word is not None and not isinstance(value, _Nothing):
                found[word] = value
        return found

    return build


def _text(text: str, node: Node, report: Report) -> _Build:
    try:
        pieces = compile_pieces(text, DESTINATION_NAMES)
    except TemplateError as problem:
        report("E103", node.place, f"{problem} (column {problem.at + 1} of the text)")
        return _constant("")
    for name, members in template_reads(text):
        if name == "settings" and members:
            report.uses_setting(str(members[0]), node.place)
    if len(pieces) == 1 and pieces[0].evaluate is not None:
        return _value(pieces[0].evaluate)
    if all(piece.evaluate is None for piece in pieces):
        return _constant(text)
    return _joined(pieces)


def _value(evaluate: Evaluate) -> _Build:
    def build(variables: Variables) -> JsonValue | _Nothing:
        found = evaluated(evaluate, variables)
        value = decode(found.encode()) if isinstance(found, JsonText) else plain(found)
        return _NOTHING if value is None else value

    return build


def _joined(pieces: Sequence[Piece]) -> _Build:
    parts = [(piece.text, piece.evaluate) for piece in pieces]

    def build(variables: Variables) -> JsonValue:
        return "".join(
            text if evaluate is None else text_in_json(evaluated(evaluate, variables))
            for text, evaluate in parts
        )

    return build
