"""Values of enum fields: the member, and the source's own value beside it.

Source: `schema.md` §2 rule 4.
"""

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import inline, inlined
from onehook.core.mapping.coerce import EnumGet, key_text
from onehook.core.mapping.compiling import Values
from onehook.core.mapping.conditions import compile_condition, if_else
from onehook.core.mapping.context import Context
from onehook.core.mapping.kinds import COALESCE, IF, KINDS
from onehook.core.mapping.paths import Missing
from onehook.core.mapping.source import Map, Node, Scalar, Seq, plain
from onehook.core.mapping.tables import find_table, finder
from onehook.core.schema.base import FieldSpec


def compile_enum(values: Values, node: Node, spec: FieldSpec) -> EnumGet:
    """Compile a value for an enum field: the member, and the source's own value beside it."""
    node = values.resolved(node)
    if isinstance(node, Map):
        special = {
            "if": _enum_if,
            "coalesce": _enum_coalesce,
            "const": _enum_const,
            "lookup": _enum_lookup,
        }
        for kind, compile_ in special.items():
            if kind in node.items:
                return compile_(values, node, spec)
    if isinstance(node, Scalar) and not isinstance(node.value, str):
        if node.value is not None:
            _check_member(values, node, node.value, spec)
        return _none
    get = values.leaf(node, None)
    members, name = spec.members, spec.name

    def member(value: JsonValue, context: Context) -> tuple[JsonValue, JsonValue]:
        if value is None:
            return None, None
        if isinstance(value, str) and value in members:
            return value, value
        context.unmapped.append((name, key_text(value) or type(value).__name__))
        return "unknown", value

    return inlined(
        lambda item, context: member(get(item, context), context),
        "(($v, $v) if type($v := $get) is str and $v in $members else"
        " (None, None) if $v is None else $member($v, context))",
        {"get": get},
        {"members": members, "member": member},
    )


@inline("(None, None)")
def _none(_item: JsonValue, _context: Context) -> tuple[JsonValue, JsonValue]:
    return None, None


def _enum_if(values: Values, node: Map, spec: FieldSpec) -> EnumGet:
    values.keys(node, *IF)
    condition = compile_condition(node.items["if"], values.report)
    absent = Scalar(node.place, None, plain=True)
    yes = values.enum(node.get("then") or absent, spec)
    no = values.enum(node.get("else") or absent, spec)
    return if_else(condition, yes, no)


def _enum_coalesce(values: Values, node: Map, spec: FieldSpec) -> EnumGet:
    values.keys(node, *COALESCE)
    choices = node.items["coalesce"]
    if not isinstance(choices, Seq) or not choices.items:
        values.report("E002", choices.place, "coalesce: takes a list of values")
        return _none
    gets = tuple(values.enum(choice, spec) for choice in choices.items)
    flag = node.get("non_empty")
    skips_empty = isinstance(flag, Scalar) and flag.value is True

    def first(item: JsonValue, context: Context) -> tuple[JsonValue, JsonValue]:
        for get in gets:
            known = len(context.unmapped)
            value, source = get(item, context)
            if skips_empty and source == "":
                del context.unmapped[known:]  # an empty text is no value that nobody mapped
            elif value is not None:
                return value, source
        return None, None

    if skips_empty:
        return first
    parts = {f"get{at}": get for at, get in enumerate(gets)}
    tried = " ".join(f"$v if ($v := ${name})[0] is not None else" for name in parts)
    return inlined(first, f"({tried} (None, None))", parts)


def _enum_const(values: Values, node: Map, spec: FieldSpec) -> EnumGet:
    values.keys(node, *KINDS["const"].keys)
    value = node.items["const"]
    member = value.value if isinstance(value, Scalar) else None
    if member is not None or not isinstance(value, Scalar):
        _check_member(values, value, plain(value), spec)
    return inlined(
        lambda _item, _context: (member, None), "($member, None)", values={"member": member}
    )


def _enum_lookup(values: Values, node: Map, spec: FieldSpec) -> EnumGet:
    values.keys(node, *KINDS["lookup"].keys)
    get = values.raw(node.items["lookup"])
    table = find_table(node, values.tables, values.report)
    if table is None:
        return _none
    for key, row in table.node.items.items():
        if isinstance(row, Scalar) and row.value is not None:
            _check_member(values, row, row.value, spec, f"table row {key!r}: ")
    finds, other, name = finder(node, table), _enum_default(values, node, spec), spec.name

    def lookup(value: JsonValue, context: Context) -> tuple[JsonValue, JsonValue]:
        key = key_text(value)
        if key is None:
            return None, None
        row = finds.find(key, context)
        if isinstance(row, Missing):
            context.unmapped.append((name, key))
            return other, value
        return row, value

    return inlined(
        lambda item, context: lookup(get(item, context), context),
        f"((${{v}}row, $v) if ($v := $get) is not None and {finds.form} else"
        " (None, None) if $v is None else $lookup($v, context))",
        {"get": get},
        {"rows": finds.rows, "lookup": lookup},
    )


def _enum_default(values: Values, node: Map, spec: FieldSpec) -> JsonValue:
    """What a value without a row becomes: unknown, unless the mapping says otherwise."""
    default = node.get("default")
    if isinstance(default, Map) and "const" in default.items:
        default = default.items["const"]
    if default is None:
        return "unknown"
    if not isinstance(default, Scalar):
        values.report("E106", default.place, "the default of an enum field is a constant")
        return "unknown"
    if default.value is not None:
        _check_member(values, default, default.value, spec)
    if default.value not in ("unknown", "other"):
        message = f"the default {default.value!r} guesses: an unmapped value should be unknown"
        values.report("W204", default.place, message)
    return default.value


def _check_member(
    values: Values, node: Node, value: object, spec: FieldSpec, where: str = ""
) -> None:
    if not isinstance(value, str) or value not in spec.members:
        allowed = ", ".join(sorted(spec.members))
        message = f"{where}{value!r} is no value of {spec.name}"
        values.report("E106", node.place, message, f"allowed: {allowed}")
