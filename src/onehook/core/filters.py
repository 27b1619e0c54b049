"""Subscription filters: the mapping language's conditions, on the event as it is delivered."""

from collections.abc import Callable, Mapping

from onehook.core.jsontext import JsonScalar, JsonValue, number
from onehook.core.mapping.conditions import compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.problems import Place, Source
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.model import Headers
from onehook.errors import FieldError, InvalidRequestError

Filter = Callable[[Mapping[str, JsonValue]], bool]
MAX_TESTS = 200  # conditions and values in one filter
_SOURCE = Source("filter", "")


def compile_filter(conditions: JsonValue, pointer: str = "/filter") -> Filter:
    """Compile *conditions*, in which ``$`` is the event (``$.data.severity``).

    Raises:
        InvalidRequestError: 422 with a JSON pointer for each thing wrong.
    """
    pointers: list[str] = []
    try:
        node = _node(conditions, pointer, pointers)
    except _TooManyError:
        error = FieldError(pointer, f"holds more than {MAX_TESTS} conditions and values")
        detail = f"the filter is wrong: {pointer} {error.detail}"
        raise InvalidRequestError(detail, errors=[error]) from None
    report = Report((), headers=False)
    condition = compile_condition(node, report)
    errors = [FieldError(pointers[p.place.line], _text(p.message, p.hint)) for p in report.problems]
    if errors:
        detail = f"the filter is wrong: {errors[0].pointer} {errors[0].detail}"
        raise InvalidRequestError(detail, errors=errors)

    def wanted(event: Mapping[str, JsonValue]) -> bool:
        item = dict(event)
        return condition(item, Context(item, Headers(), {}, "", "", "keep"))

    return wanted


def _text(message: str, hint: str) -> str:
    return f"{message}; {hint}" if hint else message


class _TooManyError(Exception):
    """A filter holds more than is looked at."""


def _node(value: JsonValue, pointer: str, pointers: list[str]) -> Node:
    """*value* as the mapping compiler reads it; a place's line is its index in *pointers*.

    Raises:
        _TooManyError: it holds more than `MAX_TESTS`; a long one is not read to its end.
    """
    if len(pointers) == MAX_TESTS:
        raise _TooManyError
    place = Place(_SOURCE, len(pointers), 0)
    pointers.append(pointer)
    if isinstance(value, dict):
        items: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key, below in value.items():
            at = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            items[key] = _node(below, at, pointers)
            keys[key] = items[key].place
        return Map(place, items, keys)
    if isinstance(value, list):
        return Seq(place, tuple(_node(v, f"{pointer}/{i}", pointers) for i, v in enumerate(value)))
    scalar: JsonScalar = number(value) if isinstance(value, float) else value
    return Scalar(place, scalar, plain=True)
