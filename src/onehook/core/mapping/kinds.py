"""The kinds of value that a mapping can state, a row each in the table :data:`KINDS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from math import isfinite

from onehook.core.jsontext import JsonValue, number
from onehook.core.mapping import dates
from onehook.core.mapping.code import inlined
from onehook.core.mapping.coerce import Get, applied, coerced, key_text, literal_fits, nothing
from onehook.core.mapping.compiling import Values
from onehook.core.mapping.conditions import compile_pattern
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import (
    ANY_TEXT,
    CONDITION,
    CONSTANT,
    DEFAULT,
    FLAG,
    ITEM,
    NUMBER,
    OWN_FIELDS,
    PATH,
    SCALAR,
    SELF,
    TEMPLATE,
    TEXT,
    VALUE,
    Keys,
    list_of,
    one_or_list,
)
from onehook.core.mapping.paths import Found, Missing
from onehook.core.mapping.source import Map, Scalar, Seq, plain
from onehook.core.mapping.tables import find_table, finder
from onehook.core.mapping.templates import TemplateError, compile_value
from onehook.core.model import clean_text
from onehook.core.schema.base import FieldSpec, Kind

_TEMPLATE_STEP = 20  # characters of a template that take as long as a path to compile
MAX_DIGITS = 18  # of text that is read as a whole number
Compile = Callable[[Values, Map, FieldSpec | None], Get]


def _const(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    value = node.items["const"]
    if isinstance(value, Scalar):
        return values.literal(Scalar(value.place, value.value, plain=False), spec)
    constant = plain(value)
    if spec is not None or not isinstance(constant, list):
        values.report("E106", value.place, "const: is a scalar")
    return inlined(lambda _item, _context: constant, "$constant", values={"constant": constant})


def _header(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    name = _word(values, node, "header").lower()
    get: Get = inlined(
        lambda _item, context: _clean(context.headers.get(name)),
        "($v if ($v := context.headers.get($name)) is None or $v.isascii() else $clean($v))",
        values={"clean": _clean, "name": name},
    )
    return coerced(get, spec)


def _setting(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    name = _word(values, node, "setting")
    values.report.uses_setting(name, node.items["setting"].place)
    get: Get = inlined(
        lambda _item, context: context.settings.get(name),
        "context.settings.get($name)",
        values={"name": name},
    )
    return coerced(get, spec)


def _word(values: Values, node: Map, key: str) -> str:
    value = node.items[key]
    if isinstance(value, Scalar) and isinstance(value.value, str) and value.value:
        return value.value
    values.report("E106", value.place, f"{key}: names a {key}")
    return ""


def _template(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    text = node.items["template"]
    if not isinstance(text, Scalar) or not isinstance(text.value, str):
        values.report("E103", text.place, "template: is text")
        return nothing
    values.report.takes(text.place, len(text.value) // _TEMPLATE_STEP)
    try:
        get = compile_value(text.value)
    except TemplateError as problem:
        values.report("E103", text.place, str(problem), problem.hint)
        return nothing
    return coerced(get, spec)


def _lookup(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    table = find_table(node, values.tables, values.report)
    get = values.raw(node.items["lookup"])
    default = node.get("default")
    other = nothing if default is None else values.typed(default, spec)
    if table is None:
        return nothing
    if spec is not None:
        for row in table.node.items.values():
            if isinstance(row, Scalar) and not literal_fits(row.value, spec):
                message = f"table row {row.value!r} is no {spec.kind} for {spec.name}"
                values.report("E106", row.place, message)
    finds = finder(node, table)

    def row_of(value: JsonValue, context: Context) -> Found:
        key = key_text(value)
        return None if key is None else finds.find(key, context)

    def lookup(item: JsonValue, context: Context) -> JsonValue:
        row = row_of(get(item, context), context)
        return other(item, context) if isinstance(row, Missing) else row

    found = inlined(
        lookup,
        f"(None if ($v := $get) is None else ${{v}}row if {finds.form} else"
        " ${v}row if (${v}row := $row_of($v, context)) is not MISSING else $other)",
        {"get": get, "other": other},
        {"row_of": row_of, "rows": finds.rows},
    )
    return coerced(found, spec)


def compile_date(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    """``{date: value, format, tz}``: a time, or a day where *spec* asks for one."""
    get = values.raw(node.items["date"])
    formats = _formats(values, node)
    tz = _zone(values, node)
    if spec is not None and spec.kind is Kind.DAY:
        day, name = dates.day_parser(formats), spec.name

        def read_day(value: JsonValue, context: Context) -> JsonValue:
            found = day(value)
            if found is None and value not in (None, ""):
                context.misfits.append(name)
            return found

        return applied(read_day, get)
    if tz is None and any(not dates.states_offset(format_) for format_ in formats):
        hint = "add tz: UTC, or the vendor's zone such as Europe/Berlin"
        values.report("E107", node.place, "the format states no offset and there is no tz", hint)
    if spec is not None and spec.kind is not Kind.TIMESTAMP and spec.kind is not Kind.TEXT:
        values.report("E106", node.place, f"{spec.name} is no time")
    rendered, name = dates.renderer(formats, tz), spec.name if spec else "time"

    def misfit(value: JsonValue, context: Context) -> JsonValue:
        if value != "":
            context.misfits.append(name)
        return None

    def read_time(item: JsonValue, context: Context) -> JsonValue:
        value = get(item, context)
        time = rendered(value)
        return misfit(value, context) if time is None and value is not None else time

    return inlined(
        read_time,
        "(None if ($v := $get) is None else"
        " ${v}time if (${v}time := $rendered($v)) is not None else $misfit($v, context))",
        {"get": get},
        {"rendered": rendered, "misfit": misfit},
    )


def _formats(values: Values, node: Map) -> list[str]:
    given = node.get("format")
    if given is None:
        return ["iso8601"]
    nodes = given.items if isinstance(given, Seq) else (given,)
    formats: list[str] = []
    for one in nodes:
        text = one.value if isinstance(one, Scalar) else None
        if not isinstance(text, str) or not dates.is_format(text):
            hint = "iso8601, epoch_s, epoch_ms, or a strptime format such as %d.%m.%Y"
            values.report("E107", one.place, f"{text!r} is no date format", hint)
        else:
            formats.append(text)
    return formats


def _zone(values: Values, node: Map) -> tzinfo | None:
    given = node.get("tz")
    if given is None:
        return None
    name = given.value if isinstance(given, Scalar) else None
    zone = dates.find_zone(name) if isinstance(name, str) else None
    if zone is None:
        values.report("E107", given.place, f"there is no time zone {name!r}", "e.g. Europe/Berlin")
    return zone


def _match(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get = values.raw(node.items["match"])
    given = node.get("pattern")
    if given is None:
        values.report("E002", node.place, "match: needs a pattern:")
        return nothing
    pattern = compile_pattern(given, values.report)
    if pattern is None:
        return nothing
    part = pattern.part
    found: Get = inlined(
        lambda item, context: part(v) if isinstance(v := get(item, context), str) else None,
        "($part($v) if type($v := $get) is str else None)",
        {"get": get},
        {"part": part},
    )
    return coerced(found, spec)


def _split(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get = values.raw(node.items["split"])
    on = node.get("on")
    by = str(on.value) if isinstance(on, Scalar) and on.value else None

    def split(value: JsonValue, _context: Context) -> JsonValue:
        if not isinstance(value, str):
            return None
        return [part for raw in value.split(by) if (part := raw.strip())]

    return coerced(applied(split, get), spec)


def _join(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get = values.raw(node.items["join"])
    on = node.get("on")
    between = str(on.value) if isinstance(on, Scalar) and on.value is not None else ", "

    def join(value: JsonValue, _context: Context) -> JsonValue:
        items = value if isinstance(value, list) else [value]
        texts = [text for one in items if (text := key_text(one)) is not None]
        return between.join(texts) if texts else None

    return coerced(applied(join, get), spec)


def _sum(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    parts = node.items["sum"]
    if not isinstance(parts, Seq) or not parts.items:
        values.report("E002", parts.place, "sum: takes a list of values")
        return nothing
    gets = tuple(values.raw(part) for part in parts.items)

    def total(item: JsonValue, context: Context) -> JsonValue:
        values = [get(item, context) for get in gets]
        numbers = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
        return sum(numbers) if numbers else None

    return coerced(total, spec)


def _count(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get = values.raw(node.items["count"])

    def length(value: JsonValue, _context: Context) -> JsonValue:
        return len(value) if isinstance(value, list) else None

    return coerced(applied(length, get), spec)


def _integer(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get = values.raw(node.items["integer"])

    def whole(value: JsonValue, _context: Context) -> JsonValue:
        digits = key_text(value) or ""
        plain_digits = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
        return number(int(digits)) if plain_digits else None

    return coerced(applied(whole, get), spec)


def _scale(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    get, by = values.raw(node.items["scale"]), node.get("by")
    factor = by.value if isinstance(by, Scalar) else None
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        values.report("E106", node.place, "scale: needs by:, a number")
        return nothing

    def scaled(value: JsonValue, _context: Context) -> JsonValue:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            product = value * factor
            whole = spec is not None and spec.kind is Kind.INTEGER
            return round(product) if whole else _finite(product)
        except OverflowError:  # beyond what a double holds
            return None

    return coerced(applied(scaled, get), spec)


def _finite(product: float) -> JsonValue:
    return number(product) if isinstance(product, int) or isfinite(product) else None


def _clean(value: str | None) -> str | None:
    """Header text with bytes that are no UTF-8 shown as U+FFFD."""
    return None if value is None else clean_text(value)


def _misplaced_use(values: Values, node: Map, spec: FieldSpec | None) -> Get:
    what = spec.name if spec else "a scalar"
    values.report("E106", node.place, f"{what} is no object; use: gives one")
    return nothing


@dataclass(frozen=True, slots=True)
class ValueKind:
    """One kind of value: how it compiles, what may stand in its map, which fields it can fill."""

    compile: Compile
    keys: Keys
    required: tuple[str, ...] = ()  # beside the key that names the kind
    fills: frozenset[Kind] | None = None  # None: what it gives may fit any field


_NUMBERS = frozenset({Kind.TEXT, Kind.LONG, Kind.INTEGER, Kind.NUMBER, Kind.LIST, Kind.ANY})
_TEXTS = frozenset({Kind.TEXT, Kind.LONG, Kind.EMAIL, Kind.ANY})
LISTS = frozenset({Kind.LIST, Kind.ANY})
GIVES = {_NUMBERS: "a number", _TEXTS: "a text", LISTS: "a list"}
# What hands its parts on to what the field asks for, and so is compiled by whoever knows the field.
IF: Keys = {"if": CONDITION, "then": SELF, "else": SELF}
COALESCE: Keys = {"coalesce": {**list_of(SELF), "minItems": 1}, "non_empty": FLAG}
CONCAT: Keys = {"concat": list_of(SELF)}
EACH: Keys = {"each": PATH, "as": ITEM, "use": TEXT, "set": OWN_FIELDS, "where": CONDITION}
USE: Keys = {"use": TEXT, "with": PATH, "set": OWN_FIELDS}

KINDS: Mapping[str, ValueKind] = {
    "const": ValueKind(_const, {"const": CONSTANT}),
    "header": ValueKind(_header, {"header": TEXT}),
    "setting": ValueKind(_setting, {"setting": TEXT}),
    "template": ValueKind(_template, {"template": TEMPLATE}),
    "lookup": ValueKind(
        _lookup,
        {"lookup": VALUE, "table": SCALAR, "ignore_case": FLAG, "default": DEFAULT},
        ("table",),
    ),
    "date": ValueKind(compile_date, {"date": VALUE, "format": one_or_list(TEXT), "tz": TEXT}),
    "match": ValueKind(_match, {"match": VALUE, "pattern": ANY_TEXT}, ("pattern",)),
    "split": ValueKind(_split, {"split": VALUE, "on": SCALAR}, fills=LISTS),
    "join": ValueKind(_join, {"join": VALUE, "on": SCALAR}, fills=_TEXTS),
    "sum": ValueKind(_sum, {"sum": {**list_of(VALUE), "minItems": 1}}, fills=_NUMBERS),
    "count": ValueKind(_count, {"count": VALUE}, fills=_NUMBERS),
    "integer": ValueKind(_integer, {"integer": VALUE}, fills=_NUMBERS),
    "scale": ValueKind(_scale, {"scale": VALUE, "by": NUMBER}, ("by",), fills=_NUMBERS),
    "use": ValueKind(_misplaced_use, USE),
}
