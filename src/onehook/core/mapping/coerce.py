"""A value from a payload into a field of a model: what passes, what converts, what is null.

Integers become text for text fields; a timestamp field reads times; nothing else converts. What
does not fit an optional field is null and noted; nothing here raises.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from onehook.core.jsontext import MAX_SAFE_INTEGER, JsonScalar, JsonValue, number
from onehook.core.mapping.code import inline, inlined
from onehook.core.mapping.context import Context
from onehook.core.schema.base import MAX_ITEMS, FieldSpec, Kind

T = TypeVar("T")
Get = Callable[[JsonValue, Context], JsonValue]
EnumGet = Callable[[JsonValue, Context], tuple[JsonValue, JsonValue]]  # member, source's value


@inline("None")
def nothing(_item: JsonValue, _context: Context) -> JsonValue:
    """The value of what could not be compiled; the file is refused anyway."""
    return None


def text(value: JsonValue) -> str | None:
    """Text as it is, a whole number as its digits; None for everything else."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    return None


def key_text(value: JsonValue) -> str | None:
    """How a table key or a part of a name shows *value*; None for null, lists and objects."""
    if isinstance(value, str):
        return value
    if type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(number(value))
    return None


def scalar(value: JsonValue) -> JsonScalar:
    """A scalar that survives JavaScript; None for lists and objects."""
    if value is None or isinstance(value, str | bool):
        return value
    if type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return value
    if isinstance(value, int | float):
        return number(value)
    return None


def single(get: Get) -> Get:
    """*get*, if it gives a scalar; a list or object is nothing here."""
    return inlined(
        lambda item, context: scalar(get(item, context)),
        "($v if type($v := $get) is str or $v is None else $scalar($v))",
        {"get": get},
        {"scalar": scalar},
    )


def applied(step: Callable[[JsonValue, Context], T], get: Get) -> Callable[[JsonValue, Context], T]:
    """What *step* makes of the value that *get* gives."""
    return inlined(
        lambda item, context: step(get(item, context), context),
        "$step($get, context)",
        {"get": get},
        {"step": step},
    )


def coerced(get: Get, spec: FieldSpec | None, *, made: bool = False) -> Get:
    """*get*, its value made fit for *spec*; without one: a scalar, or a list of scalars.

    *made*: it gives lists whose items were made for *spec*.
    """
    if spec is None:
        return inlined(
            lambda item, context: _loose(get(item, context), context),
            _unless_it(_FITS_AS_IS[Kind.TEXT]),
            {"get": get},
            {"fit": _loose},
        )
    fit, name = _FITS[spec.kind], spec.name

    def fitted(value: JsonValue, context: Context) -> JsonValue:
        if value is None:
            return None
        found = fit(value, spec, context)
        if found is None:
            context.misfits.append(name)
        return found

    return inlined(
        lambda item, context: fitted(get(item, context), context),
        "$get" if fit is _as_is else _MADE if made else _unless(spec.kind),
        {"get": get},
        {"fit": fitted},
    )


def _loose(value: JsonValue, context: Context) -> JsonValue:
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            context.oversize = True
        return [scalar(item) for item in value if not isinstance(item, dict | list)]
    return scalar(value)


def _text(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    return text(value)


def _email(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    return value.lower() or None if isinstance(value, str) else None


def _integer(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    whole = number(value)
    # No function of its own: compiled, what it takes for a float would become one.
    is_whole = isinstance(value, int) or value.is_integer()
    return None if isinstance(whole, float) or not is_whole else whole


def _number(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return number(value)


def _boolean(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    return value if isinstance(value, bool) else None


def _list(value: JsonValue, spec: FieldSpec, context: Context) -> JsonValue:
    if not isinstance(value, list) or spec.item is None:
        return None
    fit, item = _FITS[spec.item.kind], spec.item
    found: list[JsonValue] = [
        f for v in value if v is not None and (f := fit(v, item, context)) is not None
    ]
    if len(found) > MAX_ITEMS:
        context.oversize = True
    return found


def _as_is(value: JsonValue, _spec: FieldSpec, _context: Context) -> JsonValue:
    return value


def _unless(kind: Kind) -> str:
    """The expression that asks ``fit``, which is seldom: nearly always a value fits as it is."""
    digits = "str($v) if type($v) is int else " if _FITS[kind] is _text else ""
    return _unless_it(_FITS_AS_IS.get(kind, "($v := $get) is None"), digits)


def _unless_it(fits: str, other: str = "") -> str:
    return f"($v if {fits} else {other}$fit($v, context))"


_MADE = _unless_it(f"($v := $get) is None or len($v) <= {MAX_ITEMS}")


_IS_TEXT = "type($v := $get) is str or $v is None"  # in this order: most are texts
_FITS_AS_IS: Mapping[Kind, str] = {
    Kind.TEXT: _IS_TEXT,
    Kind.LONG: _IS_TEXT,
    Kind.BOOLEAN: "type($v := $get) is bool or $v is None",
    Kind.INTEGER: "($v := $get) is None"
    " or type($v) is int and -MAX_SAFE_INTEGER <= $v <= MAX_SAFE_INTEGER",
}

_FITS: dict[Kind, Callable[[JsonValue, FieldSpec, Context], JsonValue]] = {
    Kind.TEXT: _text,
    Kind.LONG: _text,
    Kind.EMAIL: _email,
    Kind.TIMESTAMP: _as_is,  # the date parser has made it what it must be
    Kind.DAY: _as_is,
    Kind.ENUM: _as_is,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.MODEL: _as_is,
    Kind.LIST: _list,
    Kind.SCALARS: _as_is,
    Kind.ANY: _as_is,
}


def literal_fits(value: object, spec: FieldSpec) -> bool:
    """Whether a literal may stand for the field *spec*; null always may."""
    if value is None:
        return True
    if spec.kind is Kind.ENUM:
        return value in spec.members
    kinds = LITERALS.get(spec.kind, ())
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


LITERALS: Mapping[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str, int),
    Kind.LONG: (str, int),
    Kind.EMAIL: (str,),
    Kind.BOOLEAN: (bool,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
}

# What a field of each kind takes, for people.
WORDS: Mapping[Kind, str] = {
    Kind.TEXT: "text",
    Kind.LONG: "text",
    Kind.EMAIL: "an address, as text",
    Kind.TIMESTAMP: "a time: a path, or {date: …}",
    Kind.DAY: "a day: a path, or {date: …}",
    Kind.ENUM: "one of its words",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.MODEL: "an object: {use: shape, with: path}, or a map of its fields",
    Kind.LIST: "a list",
    Kind.SCALARS: "a map of names to values",
    Kind.ANY: "any value",
}
