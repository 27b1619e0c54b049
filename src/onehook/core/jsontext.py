"""JSON in and out: exact numbers in, the bytes that ECMAScript would write out.

What we send must equal ``JSON.stringify(JSON.parse(body))``, because receivers sign over that
(`schema.md` §2 rule 13); so decimals keep their source text until they are written.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Never, NoReturn, TypeAlias, cast

import msgspec

JsonScalar: TypeAlias = bool | int | float | str | None
JsonValue: TypeAlias = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]

MAX_SAFE_INTEGER = 2**53 - 1
MAX_INDEX = 2**32 - 2  # the largest key that ECMAScript takes for an array's index
_EXPONENT = 9  # digits of an exponent that are looked at: beyond that no double goes
_MOST_DIGITS, _DIGITS = 4300, b"0123456789"
_LARGE = 4096  # bytes: of less than that, nearly all is looked at
MAX_DEPTH = 64  # no vendor sends deeper bodies, and no path of ours looks deeper

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_POSITION = re.compile(r"\(byte (\d+)\)$")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


class JsonSyntaxError(ValueError):
    """A body is not JSON. ``line`` and ``column`` count from 1; the column counts bytes."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"{reason} at line {line}, column {column}")
        self.reason, self.line, self.column = reason, line, column


class Num(float):
    """A decimal as the source wrote it: a float to compare with, and its own text."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Num":
        """Read *text*, a JSON number with a fraction or an exponent."""
        number = float.__new__(cls, text)
        number.text = text
        return number


class JsonText(str):
    """JSON that ``tojson`` wrote: where JSON is rendered it is a value, not a text."""

    __slots__ = ()


_CONTAINERS = frozenset({dict, list})
_decode: Callable[[bytes], JsonValue] = msgspec.json.Decoder(float_hook=Num).decode


def decode(body: bytes) -> JsonValue:
    """Parse *body*; integers of any size stay whole, decimals become :class:`Num`.

    A lone surrogate escape becomes U+FFFD (`schema.md` §2 rule 13); of duplicate keys the last
    wins, as in JavaScript.

    Raises:
        JsonSyntaxError: it is no JSON, not UTF-8, or nested deeper than a parser can follow.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        # msgspec refuses lone surrogates, with several messages; JavaScript takes them.
        if _SURROGATE_ESCAPE.search(body):
            return _decode_surrogates(body)
        _refuse(body, error)


def decoder(type_: Any, least: int = _LARGE) -> Callable[[bytes], JsonValue]:
    """A :func:`decode` that leaves out the members which *type_* does not name.

    Where a body does not fit *type_*, is no JSON, or has fewer than *least* bytes, it does as
    :func:`decode` does.
    """
    decode_some = msgspec.json.Decoder(type_, float_hook=Num).decode

    def read(body: bytes) -> JsonValue:
        if len(body) < least:
            return decode(body)
        if _has_long_number(body):  # passed over it would be no fault
            return decode(body)
        try:
            if not body.isascii():
                body.decode()  # bytes that are passed over are not looked at otherwise
            found: JsonValue = decode_some(body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return decode(body)
        return found

    return read


def _has_long_number(body: bytes) -> bool:
    """Whether *body* holds as many digits in a row as msgspec takes for no integer.

    So many cover one of the places that are looked at: few are, and fewer are digits.
    """
    for at in range(_MOST_DIGITS - 1, len(body), _MOST_DIGITS):
        if body[at] in _DIGITS:
            before, after = body[at - _MOST_DIGITS + 1 : at], body[at : at + _MOST_DIGITS]
            digits = len(before) - len(before.rstrip(_DIGITS))
            digits += len(after) - len(after.lstrip(_DIGITS))
            if digits >= _MOST_DIGITS:
                return True
    return False


def _refuse(body: bytes, error: Exception) -> NoReturn:
    """Say where *body* stops being JSON.

    Raises:
        JsonSyntaxError: always.
    """
    if isinstance(error, UnicodeDecodeError):
        try:
            body.decode()
        except UnicodeDecodeError as whole:  # msgspec counts from the start of the string
            reason, at = "not UTF-8", whole.start
            raise JsonSyntaxError(reason, *position(body, at)) from None
    if isinstance(error, RecursionError):
        reason = "nested too deeply"
        raise JsonSyntaxError(reason, 1, 1) from None
    found = _POSITION.search(str(error))
    reason = _POSITION.sub("", str(error)).removeprefix("JSON is malformed: ").strip()
    at = int(found[1]) if found else len(body)
    raise JsonSyntaxError(reason, *position(body, at)) from None


def _decode_surrogates(body: bytes) -> JsonValue:
    """The slow way in, for the one thing that msgspec refuses and JavaScript takes.

    Raises:
        JsonSyntaxError: there is something else wrong.
    """
    try:
        value: JsonValue = json.loads(body.decode(), parse_float=Num, parse_constant=_no_constant)
        return _replace_surrogates(value)
    except json.JSONDecodeError as error:
        at = len(error.doc[: error.pos].encode())
        raise JsonSyntaxError(error.msg, *position(body, at)) from None
    except (RecursionError, ValueError) as error:
        _refuse(body, error)


def _no_constant(name: str) -> Never:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _replace_surrogates(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _SURROGATE.sub("\ufffd", key): _replace_surrogates(item) for key, item in value.items()
        }
    return value


def position(body: bytes, at: int) -> tuple[int, int]:
    """The line and column, both from 1, of byte *at* of *body*."""
    before = body[:at]
    return before.count(b"\n") + 1, at - before.rfind(b"\n")


def too_deep(value: JsonValue, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects in *value* nest deeper than *limit*."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        # The inside of the loop is all that counts: it sees every list and object of a body.
        level = [
            below
            for item in level
            for below in cast("Iterable[Any]", item.values() if type(item) is dict else item)
            if type(below) in _CONTAINERS
        ]
        if not level:
            return False
    return True


def number(value: float) -> int | float | str | None:
    """*value* in the form that survives JavaScript (`schema.md` §2 rule 13).

    A whole number within ±(2^53-1) is an int; beyond, or a decimal that a double cannot give
    back, the source's text; every other decimal stays. None for an integer of so many digits
    that Python itself refuses to write it.
    """
    if isinstance(value, int):
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return value
        try:
            return str(value)
        except ValueError:
            return None
    text = value.text if isinstance(value, Num) else repr(value)
    plain = float(value)
    if plain in (float("inf"), float("-inf")) or _digits(text) != _digits(repr(plain)):
        return text
    if plain.is_integer():
        if -MAX_SAFE_INTEGER <= plain <= MAX_SAFE_INTEGER:
            return int(plain)
        if abs(plain) < 1e21:  # JavaScript would write it out as an integer it cannot hold
            return text
    return Num(repr(plain))


def _digits(text: str) -> tuple[str, int]:
    """Significant digits and power of ten: equal for two spellings of one decimal."""
    mantissa, _, exponent = text.lower().lstrip("+-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    if not stripped:
        return "", 0  # zero, whatever its exponent
    sign = -1 if exponent.startswith("-") else 1
    power = sign * int(exponent.lstrip("+-").lstrip("0")[:_EXPONENT] or 0) - len(fraction)
    return stripped, power + len(digits) - len(stripped)


def ecmascript(value: float) -> str:
    """A finite float as ``Number.prototype.toString`` writes it. Source: ECMA-262 §6.1.6.1.20."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, power = _digits(repr(abs(value)))
    point = len(digits) + power  # where the decimal point stands, from the first digit
    if point > 21 or point <= -6:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def canonical(value: JsonValue) -> JsonValue:
    """*value* in the form whose :func:`encode` is what JavaScript would give back of it.

    Numbers as :func:`number` says; keys that are indexes first, in their order, as in every
    ECMAScript object. Source: ECMA-262 §10.1.11, OrdinaryOwnPropertyKeys.
    """
    if isinstance(value, dict):
        indexes = [key for key in value if _INDEX.fullmatch(key) and int(key) <= MAX_INDEX]
        if not indexes:
            return {key: canonical(item) for key, item in value.items()}
        ordered = dict.fromkeys([*sorted(indexes, key=int), *value])
        return {key: canonical(value[key]) for key in ordered}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return number(value)


@lru_cache(maxsize=1000)  # how sure a reference is, how bad a finding: the same few come again
def _written(value: float) -> bytes:
    return ecmascript(value).encode()


def _write(value: object) -> Any:  # Any: msgspec's own hook type
    if isinstance(value, Num) and math.isinf(value):
        return value.text  # as a text, as `number` has it: no double holds it
    if isinstance(value, float):
        return msgspec.Raw(_written(value))
    msg = f"{type(value).__name__} is no JSON value"
    raise NotImplementedError(msg)


# Compact JSON. Floats must be `Num` to be written as ECMAScript writes them.
encode: Callable[[object], bytes] = msgspec.json.Encoder(enc_hook=_write).encode
