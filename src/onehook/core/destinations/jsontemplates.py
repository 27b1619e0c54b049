"""A body of one's own: a JSON text with Jinja2 expressions in it.

Outside a JSON string an expression renders as JSON, inside one as JSON-escaped text; what is not
there is null outside and nothing inside. Checked when it is saved: apart from what expressions
come to, the text must be a JSON object.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import cast

from onehook.core.jsontext import JsonSyntaxError, JsonText, JsonValue, decode, encode, too_deep
from onehook.core.mapping.template_filters import Undefined
from onehook.core.mapping.template_values import Evaluate, evaluated
from onehook.core.mapping.templates import (
    Piece,
    TemplateError,
    compile_pieces,
)
from onehook.core.profiles.outlet import RenderBody, RenderError, Variables
from onehook.core.profiles.variables import TEMPLATE_NAMES

MAX_TEMPLATE = 16_384  # characters
MAX_EXPRESSIONS = 200
MAX_FILTERS = 200  # each may work through the whole payload
MAX_RENDERED = 2 * 1024 * 1024  # characters, before `max_body_bytes` is looked at
_SHOWN = 60  # characters of a wrong result in a message


@lru_cache(maxsize=10_000)  # each change of the configuration asks for all of them again
def compile_json_template(text: str) -> RenderBody:
    """Check *text* and compile it.

    Raises:
        TemplateError: with the place of what is wrong.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_TEMPLATE:
        msg = f"longer than {MAX_TEMPLATE} characters"
        raise TemplateError(msg, at=MAX_TEMPLATE)
    pieces = compile_pieces(text, TEMPLATE_NAMES)
    expressions = [piece for piece in pieces if piece.evaluate is not None]
    if len(expressions) > MAX_EXPRESSIONS:
        msg = f"more than {MAX_EXPRESSIONS} expressions"
        raise TemplateError(msg, at=expressions[MAX_EXPRESSIONS].start)
    if sum(piece.text.count("|") for piece in expressions) > MAX_FILTERS:
        msg = f"more than {MAX_FILTERS} filters"
        raise TemplateError(msg, at=expressions[-1].start)
    parts = list(_parts(pieces))
    _check_skeleton(text, parts)
    return _renderer(parts)


Part = tuple[Piece, bool]  # whether it begins inside a JSON string


def _parts(pieces: Sequence[Piece]) -> Iterator[Part]:
    inside = escaped = False
    for piece in pieces:
        yield piece, inside
        for character in piece.text if piece.evaluate is None else "":
            if escaped:
                escaped = False
            elif inside and character == "\\":
                escaped = True
            elif character == '"':
                inside = not inside


def _check_skeleton(text: str, parts: Sequence[Part]) -> None:
    """Refuse a text that can be no JSON object, whatever its expressions come to.

    Each expression is one value, or part of one string; so what stands around it must be JSON
    with something harmless in its place, of the same length so that places stay what they are.

    Raises:
        TemplateError: with the place.
    """
    skeleton = list(text)
    for piece, inside in parts:
        size = piece.end - piece.start
        if piece.evaluate is None:
            shown = [c if c.isascii() else "x" for c in piece.text]
        else:
            shown = ["x"] * size if inside else ['"', '"', *" " * (size - 2)]
        skeleton[piece.start : piece.end] = shown
    plain = "".join(skeleton)
    try:
        value = decode(plain.encode())
    except JsonSyntaxError as error:
        lines = plain.split("\n")
        at = sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
        msg = f"this is not JSON: {error.reason}"
        raise TemplateError(msg, at=at) from None
    whole = [piece for piece, _ in parts if piece.evaluate is not None or piece.text.strip()]
    if not isinstance(value, dict) and not (len(whole) == 1 and whole[0].evaluate is not None):
        msg = "this is JSON, but no object: begin it with { and end it with }"
        raise TemplateError(msg)


def _renderer(parts: Sequence[Part]) -> RenderBody:
    compiled = [(piece.text, piece.evaluate, inside) for piece, inside in parts]

    def render(variables: Variables) -> JsonValue:
        texts: list[str] = []
        size = 0
        for text, evaluate, inside in compiled:
            found = text if evaluate is None else _shown(evaluate, variables, inside=inside)
            texts.append(found)
            size += len(found)
            if size > MAX_RENDERED:
                msg = f"the body is longer than {MAX_RENDERED} characters"
                raise RenderError(msg)
        return _parsed("".join(texts))

    return render


def _shown(evaluate: Evaluate, variables: Variables, *, inside: bool) -> str:
    value = evaluated(evaluate, variables)
    return encode(text_in_json(value)).decode()[1:-1] if inside else json_of(value)


def text_in_json(value: object) -> str:
    """*value* as it stands inside a text: nothing for null, JSON for what is not a text."""
    found = plain(value)
    if found is None:
        return ""
    return found if isinstance(found, str) else encode(found).decode()


def json_of(value: object) -> str:
    """*value* as JSON; what ``tojson`` made is JSON already."""
    return value if isinstance(value, JsonText) else encode(plain(value)).decode()


def plain(value: object) -> JsonValue:
    """What an expression came to, as a JSON value: null for what is not there."""
    if isinstance(value, list):  # of the template's own making, perhaps
        return [plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, JsonText):  # a text like any other, where it is not the whole value
        return str(value)
    return None if isinstance(value, Undefined) else cast("JsonValue", value)


def _parsed(text: str) -> JsonValue:
    """The object in *text*.

    Raises:
        RenderError: there is something else in it; with its beginning.
    """
    try:
        value = decode(text.encode())
    except JsonSyntaxError as error:
        line = text.split("\n")[error.line - 1]
        msg = f"the result is not JSON: {error} ({line[:_SHOWN]!r})"
        raise RenderError(msg) from None
    if not isinstance(value, dict):
        msg = f"the result is no JSON object: {text.strip()[:_SHOWN]!r}"
        raise RenderError(msg)
    if too_deep(value):
        msg = "the result nests too deeply"
        raise RenderError(msg)
    return value
