"""The kinds of value that a mapping can state: one row each in a table of kinds.

Every value compiles to a function of the current item and the context. Which field a value is
for decides how it is read: a path on a timestamp field reads a time, on an enum field it must be
a member, on an object field the value must be a shape or a map of fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from math import isfinite

from onehook.core.jsontext import JsonScalar, JsonValue, number
from onehook.core.mapping import dates
from onehook.core.mapping.coerce import Get, coerced, key_text, named, scalar
from onehook.core.mapping.conditions import compile_condition, compile_pattern
from onehook.core.mapping.context import Context, MissingField
from onehook.core.mapping.objects import EnumGet, ObjectCompiler, Plan
from onehook.core.mapping.paths import (
    MISSING,
    Found,
    Missing,
    Path,
    PathError,
    compile_path,
    is_path,
)
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq, plain
from onehook.core.mapping.templates import TemplateError, compile_template
from onehook.core.model import clean_text
from onehook.core.schema.base import MAX_ITEMS, FieldSpec, Kind, Model

MAX_DIGITS = 18  # of text that is read as a whole number
VARIABLES = frozenset({"body", "item", "headers", "settings"})


_TEXTS = FieldSpec(
    "texts", Kind.LIST, required=False, item=FieldSpec("text", Kind.TEXT, required=False)
)


def nothing(_item: JsonValue, _context: Context) -> JsonValue:
    """The value of what could not be compiled; the file is refused anyway."""
    return None


@dataclass(slots=True)
class Table:
    """A lookup table: text to value."""

    name: str
    rows: dict[str, JsonScalar]
    node: Map


Compile = Callable[[Map, FieldSpec | None], Get]


class ValueCompiler:
    """Compiles value nodes; every problem goes to *report*."""

    def __init__(
        self, report: Report, tables: Mapping[str, Table], shapes: Mapping[str, Map]
    ) -> None:
        self.report = report
        self.tables = tables
        self.shapes = shapes
        self.objects = ObjectCompiler(self)
        self.plans: dict[int, Plan] = {}  # by the id() of the node that they were made from

    # -- what a field asks for ---------------------------------------------------------------

    def typed(self, node: Node, spec: FieldSpec | None) -> Get:
        """Compile *node* for the field *spec*; None: any scalar, or a list of scalars."""
        if spec is not None and spec.kind is Kind.MODEL and spec.model is not None:
            return self.object(node, spec.model)
        if spec is not None and spec.kind is Kind.LIST:
            return self._list(node, spec)
        if spec is not None and spec.kind is Kind.ENUM:
            enum = self.enum(node, spec)
            return lambda item, context: enum(item, context)[0]
        if spec is not None and spec.kind in (Kind.TIMESTAMP, Kind.DAY) and _is_source(node):
            return self._date(Map(node.place, {"date": node}), spec)
        return self._branches(node, lambda below: self.typed(below, spec)) or self._leaf(node, spec)

    def _branches(self, node: Node, compile_: Callable[[Node], Get]) -> Get | None:
        """``if`` and ``coalesce`` hand each branch on to what the field asks for."""
        if not isinstance(node, Map):
            return None
        if "if" in node.items:
            self._keys(node, "if", "then", "else")
            condition = compile_condition(node.items["if"], self.report)
            then, other = node.get("then"), node.get("else")
            yes = nothing if then is None else compile_(then)
            no = nothing if other is None else compile_(other)
            return lambda item, context: (yes if condition(item, context) else no)(item, context)
        if "coalesce" in node.items:
            return self._coalesce(node, compile_)
        return None

    def _coalesce(self, node: Map, compile_: Callable[[Node], Get]) -> Get:
        self._keys(node, "coalesce", "non_empty")
        choices = node.items["coalesce"]
        if not isinstance(choices, Seq) or not choices.items:
            self.report("E002", choices.place, "coalesce: takes a list of values")
            return nothing
        gets = tuple(compile_(choice) for choice in choices.items)
        flag = node.get("non_empty")
        skips_empty = isinstance(flag, Scalar) and flag.value is True
        empty: tuple[JsonValue, ...] = ("", []) if skips_empty else ()

        def first(item: JsonValue, context: Context) -> JsonValue:
            for get in gets:
                value = get(item, context)
                if value is not None and value not in empty:
                    return value
            return None

        return first

    def _leaf(self, node: Node, spec: FieldSpec | None) -> Get:
        if isinstance(node, Scalar):
            return self._scalar(node, spec)
        if isinstance(node, Seq):
            self._wants(node, spec, _LISTS, "a list")
            gets = tuple(self.typed(item, spec) for item in node.items)
            return lambda item, context: [
                value for get in gets if (value := get(item, context)) is not None
            ]
        table = self._kinds()
        kinds = [key for key in node.items if key in table]
        if not kinds:
            hint = (
                f"a value is a path, or a map with one of {', '.join([*table, 'if', 'coalesce'])}"
            )
            key = next(iter(node.items), "")
            place = node.keys.get(key, node.place)
            self.report("E002", place, f"{key!r} is no kind of value", hint)
            return nothing
        allowed, compile_ = table[kinds[0]]
        self._keys(node, *allowed)
        if kinds[0] in ("each", "split"):
            self._wants(node, spec, _LISTS, f"{kinds[0]}: gives a list")
        elif kinds[0] in ("sum", "count", "scale", "integer"):
            self._wants(node, spec, _NUMBERS, f"{kinds[0]}: gives a number")
        return compile_(node, spec)

    def _wants(self, node: Node, spec: FieldSpec | None, kinds: frozenset[Kind], what: str) -> None:
        """Report a value whose form can never fit the field."""
        if spec is not None and spec.kind not in kinds:
            self.report("E106", node.place, f"{what}, and {spec.name} takes {spec.kind}")

    def _keys(self, node: Map, *allowed: str) -> None:
        for key in node.items:
            if key not in allowed:
                hint = nearest(key, allowed)
                self.report(
                    "E002", node.keys.get(key, node.place), f"{key!r} has no place here", hint
                )

    def _scalar(self, node: Scalar, spec: FieldSpec | None) -> Get:
        if isinstance(node.value, str):
            path = self.path(node)
            if path is not None and path.name is not None and spec is not None:
                return named(path.name, spec)
            return nothing if path is None else coerced(read(path), spec)
        return self._literal(node, spec)

    def _literal(self, node: Scalar, spec: FieldSpec | None) -> Get:
        value = node.value
        if spec is not None and not _literal_fits(value, spec):
            message = f"{value!r} is no {spec.kind} for {spec.name}"
            self.report("E106", node.place, message)
        fixed = scalar(value)
        if spec is not None and spec.kind in (Kind.TEXT, Kind.LONG) and fixed is not None:
            fixed = key_text(fixed)
        return lambda _item, _context: fixed

    def path(self, node: Node) -> Path | None:
        """Compile a path; E101 or E102 otherwise."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.report("E101", node.place, "expected a path such as $.a.b")
            return None
        text = node.value
        if not is_path(text):
            hint = f"did you mean $.{text}, or {{const: {text}}}?"
            self.report("E101", node.place, f"{text!r} is not a path", hint)
            return None
        try:
            return compile_path(text)
        except PathError as error:
            message = f"{error.message} (column {error.column + 1} of {text})"
            self.report("E102", node.place, message)
            return None

    def constant(self, node: Node) -> bool:
        """Whether the value reads nothing from the webhook: it makes no object by itself."""
        match node:
            case Scalar(value=value):
                return not isinstance(value, str)
            case Seq(items=items):
                return all(self.constant(item) for item in items)
            case Map(items=items) if "if" in items or "coalesce" in items:
                below = [items[key] for key in ("then", "else", "coalesce") if key in items]
                return all(self.constant(item) for item in below)
            case Map(items=items):
                return "const" in items or "setting" in items

    # -- enums -------------------------------------------------------------------------------

    def enum(self, node: Node, spec: FieldSpec) -> EnumGet:
        """Compile a value for an enum field: the member, and the source's own value beside it."""
        if isinstance(node, Map):
            special = {
                "if": self._enum_if,
                "coalesce": self._enum_coalesce,
                "const": self._enum_const,
                "lookup": self._enum_lookup,
            }
            for kind, compile_ in special.items():
                if kind in node.items:
                    return compile_(node, spec)
        if isinstance(node, Scalar) and not isinstance(node.value, str):
            if node.value is not None:
                self._check_member(node, node.value, spec)
            return lambda _item, _context: (None, None)
        get = self._leaf(node, None)
        members, name = spec.members, spec.name

        def member(item: JsonValue, context: Context) -> tuple[JsonValue, JsonValue]:
            value = get(item, context)
            if value is None:
                return None, None
            if isinstance(value, str) and value in members:
                return value, value
            context.unmapped.append((name, key_text(value) or type(value).__name__))
            return "unknown", value

        return member

    def _enum_if(self, node: Map, spec: FieldSpec) -> EnumGet:
        self._keys(node, "if", "then", "else")
        condition = compile_condition(node.items["if"], self.report)
        absent = Scalar(node.place, None, plain=True)
        yes = self.enum(node.get("then") or absent, spec)
        no = self.enum(node.get("else") or absent, spec)
        return lambda item, context: (yes if condition(item, context) else no)(item, context)

    def _enum_coalesce(self, node: Map, spec: FieldSpec) -> EnumGet:
        self._keys(node, "coalesce", "non_empty")
        choices = node.items["coalesce"]
        if not isinstance(choices, Seq) or not choices.items:
            self.report("E002", choices.place, "coalesce: takes a list of values")
            return lambda _item, _context: (None, None)
        gets = tuple(self.enum(choice, spec) for choice in choices.items)
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

        return first

    def _enum_const(self, node: Map, spec: FieldSpec) -> EnumGet:
        self._keys(node, "const")
        value = node.items["const"]
        member = value.value if isinstance(value, Scalar) else None
        if member is not None or not isinstance(value, Scalar):
            self._check_member(value, plain(value), spec)
        return lambda _item, _context: (member, None)

    def _enum_lookup(self, node: Map, spec: FieldSpec) -> EnumGet:
        self._keys(node, "lookup", "table", "ignore_case", "default")
        get = self.raw(node.items["lookup"])
        table = self._table(node)
        if table is None:
            return lambda _item, _context: (None, None)
        for key, row in table.node.items.items():
            if isinstance(row, Scalar) and row.value is not None:
                self._check_member(row, row.value, spec, f"table row {key!r}: ")
        find, other, name = _finder(node, table), self._enum_default(node, spec), spec.name

        def lookup(item: JsonValue, context: Context) -> tuple[JsonValue, JsonValue]:
            value = get(item, context)
            key = key_text(value)
            if key is None:
                return None, None
            row = find(key, context)
            if isinstance(row, Missing):
                context.unmapped.append((name, key))
                return other, value
            return row, value

        return lookup

    def _enum_default(self, node: Map, spec: FieldSpec) -> JsonValue:
        """What a value without a row becomes: unknown, unless the mapping says otherwise."""
        default = node.get("default")
        if isinstance(default, Map) and "const" in default.items:
            default = default.items["const"]
        if default is None:
            return "unknown"
        if not isinstance(default, Scalar):
            self.report("E106", default.place, "the default of an enum field is a constant")
            return "unknown"
        if default.value is not None:
            self._check_member(default, default.value, spec)
        if default.value not in ("unknown", "other"):
            message = f"the default {default.value!r} guesses: an unmapped value should be unknown"
            self.report("W204", default.place, message)
        return default.value

    def _check_member(self, node: Node, value: object, spec: FieldSpec, where: str = "") -> None:
        if not isinstance(value, str) or value not in spec.members:
            allowed = ", ".join(sorted(spec.members))
            message = f"{where}{value!r} is no value of {spec.name}"
            self.report("E106", node.place, message, f"allowed: {allowed}")

    # -- objects and lists -------------------------------------------------------------------

    def object(self, node: Node, model: type[Model]) -> Get:
        """Compile a value for an object field: a shape, a map of fields, or branches of them."""
        branches = self._branches(node, lambda below: self.object(below, model))
        if branches is not None:
            return branches
        if isinstance(node, Scalar) and node.value is None:
            return nothing
        if not isinstance(node, Map):
            hint = "write {use: shape, with: path}, or a map of its fields"
            self.report("E106", node.place, f"expected an object of {model.__name__}", hint)
            return nothing
        if "use" in node.items:
            found = self.use(node, model)
            if found is None:
                return nothing
            plan, path = found
        else:
            plan, path = self.objects.plan(node, model), None
        self.plans[id(node)] = plan
        return _object(plan, path)

    def use(
        self, node: Map, model: type[Model], *, top: bool = False
    ) -> tuple[Plan, Path | None] | None:
        """``{use: shape, with: path, set: {…}}``; None if it cannot be compiled."""
        self._keys(node, "use", "with", "set")
        name, extra = node.items["use"], node.get("set")
        if not isinstance(name, Scalar):
            self.report("E104", name.place, "use: names a shape")
            return None
        if extra is not None and not isinstance(extra, Map):
            self.report("E002", extra.place, "set: is a map of fields")
            return None
        at = node.get("with")
        path = None if at is None else self.path(at)
        plan = self.objects.shape(name, extra, model, top=top)
        return None if plan is None else (plan, path)

    def _list(self, node: Node, spec: FieldSpec) -> Get:
        item_spec = spec.item
        branches = self._branches(node, lambda below: self._list(below, spec))
        if branches is not None:
            return branches
        if isinstance(node, Map) and "concat" in node.items:
            return self._concat(node, spec)
        if isinstance(node, Map) and "each" in node.items:
            return coerced(self._each(node, item_spec), spec)
        if isinstance(node, Scalar) and not isinstance(node.value, str):
            if node.value is not None:
                self.report("E106", node.place, f"{node.value!r} is no list for {spec.name}")
            return nothing
        if isinstance(node, Seq):
            gets = tuple(self.typed(item, item_spec) for item in node.items)

            def some(item: JsonValue, context: Context) -> JsonValue:
                found: list[JsonValue] = [
                    v for get in gets if (v := get(item, context)) is not None
                ]
                return found or None

            return coerced(some, spec) if gets else lambda _item, _context: []
        if item_spec is not None and item_spec.kind is Kind.MODEL:
            if not (isinstance(node, Scalar) and node.value is None):
                hint = "write {each: path, use: shape}"
                self.report("E106", node.place, f"{spec.name} is a list of objects", hint)
            return nothing
        return coerced(self.raw(node), spec)

    def raw(self, node: Node) -> Get:
        """A value as the payload has it, whatever field it is for."""
        branches = self._branches(node, self.raw)
        if branches is not None:
            return branches
        if isinstance(node, Scalar) and isinstance(node.value, str):
            path = self.path(node)
            return nothing if path is None else read(path)
        return self._leaf(node, None)

    def texts(self, node: Node) -> Get:
        """A list of texts, or one text, as the payload has it."""
        if isinstance(node, Map) and "concat" in node.items:
            return self._concat(node, _TEXTS)
        branches = self._branches(node, self.texts)
        return branches if branches is not None else self.raw(node)

    def _concat(self, node: Map, spec: FieldSpec) -> Get:
        self._keys(node, "concat")
        parts = node.items["concat"]
        if not isinstance(parts, Seq):
            self.report("E002", parts.place, "concat: takes a list of lists")
            return nothing
        gets = tuple(self._list(part, spec) for part in parts.items)

        def joined(item: JsonValue, context: Context) -> JsonValue:
            lists = [v for get in gets if isinstance(v := get(item, context), list)]
            if sum(map(len, lists)) > MAX_ITEMS:
                context.oversize = True
            return [value for some in lists for value in some] if lists else None

        return joined

    def _each(self, node: Map, item_spec: FieldSpec | None) -> Get:
        self._keys(node, "each", "as", "use", "set", "where")
        path = self.path(node.items["each"])
        if path is None:
            return nothing
        get = self._each_item(node, item_spec)
        test = node.get("where")
        wanted = None if test is None else compile_condition(test, self.report)

        def each(item: JsonValue, context: Context) -> JsonValue:
            values = path.values(context.body if path.absolute else item)
            if values is None:
                return None
            found: list[JsonValue] = []
            for at, value in enumerate(values):
                if wanted is not None and not wanted(value, context):
                    continue
                try:
                    one = get(value, context)
                except MissingField as missing:
                    missing.pointer = f"/{at}{missing.pointer}"
                    raise
                if one is not None:
                    found.append(one)
            return found

        return each

    def _each_item(self, node: Map, item_spec: FieldSpec | None) -> Get:
        """What each item becomes: a shape, a value or map of its own, or itself."""
        if "use" in node.items:
            inner = Map(node.place, {k: v for k, v in node.items.items() if k in ("use", "set")})
            get = self.typed(inner, item_spec)
            if id(inner) in self.plans:
                self.plans[id(node)] = self.plans.pop(id(inner))
            return get
        return self.typed(node.items["as"], item_spec) if "as" in node.items else _itself

    # -- the kinds ---------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, tuple[tuple[str, ...], Compile]]:
        """Each kind: the keys that may stand in its map, and how it compiles."""
        return {
            "const": (("const",), self._const),
            "header": (("header",), self._header),
            "setting": (("setting",), self._setting),
            "template": (("template",), self._template),
            "lookup": (("lookup", "table", "ignore_case", "default"), self._lookup),
            "date": (("date", "format", "tz"), self._date),
            "match": (("match", "pattern"), self._match),
            "split": (("split", "on"), self._split),
            "sum": (("sum",), self._sum),
            "count": (("count",), self._count),
            "integer": (("integer",), self._integer),
            "scale": (("scale", "by"), self._scale),
            "each": (("each", "as", "use", "set", "where"), self._each_leaf),
            "use": (("use", "with", "set"), self._misplaced_use),
        }

    def _table(self, node: Map) -> Table | None:
        name = node.get("table")
        if not isinstance(name, Scalar) or str(name.value) not in self.tables:
            at = name or node
            shown = repr(name.value) if isinstance(name, Scalar) else "named"
            self.report("E104", at.place, f"there is no table {shown}", nearest(shown, self.tables))
            return None
        return self.tables[str(name.value)]

    def _const(self, node: Map, spec: FieldSpec | None) -> Get:
        value = node.items["const"]
        if isinstance(value, Scalar):
            return self._literal(Scalar(value.place, value.value, plain=False), spec)
        constant = plain(value)
        if spec is not None or not isinstance(constant, list):
            self.report("E106", value.place, "const: is a scalar")
        return lambda _item, _context: constant

    def _header(self, node: Map, spec: FieldSpec | None) -> Get:
        name = self._word(node, "header").lower()
        return coerced(lambda _item, context: _clean(context.headers.get(name)), spec)

    def _setting(self, node: Map, spec: FieldSpec | None) -> Get:
        name = self._word(node, "setting")
        self.report.uses_setting(name, node.items["setting"].place)
        return coerced(lambda _item, context: context.settings.get(name), spec)

    def _word(self, node: Map, key: str) -> str:
        value = node.items[key]
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.value:
            return value.value
        self.report("E106", value.place, f"{key}: names a {key}")
        return ""

    def _template(self, node: Map, spec: FieldSpec | None) -> Get:
        text = node.items["template"]
        if not isinstance(text, Scalar) or not isinstance(text.value, str):
            self.report("E103", text.place, "template: is text")
            return nothing
        try:
            render = compile_template(text.value, VARIABLES).render
        except TemplateError as problem:
            self.report("E103", text.place, str(problem))
            return nothing
        return coerced(lambda item, context: render(context.variables(item)), spec)

    def _lookup(self, node: Map, spec: FieldSpec | None) -> Get:
        table = self._table(node)
        get = self.raw(node.items["lookup"])
        default = node.get("default")
        other = nothing if default is None else self.typed(default, spec)
        if table is None:
            return nothing
        if spec is not None:
            for row in table.node.items.values():
                if isinstance(row, Scalar) and not _literal_fits(row.value, spec):
                    message = f"table row {row.value!r} is no {spec.kind} for {spec.name}"
                    self.report("E106", row.place, message)
        find = _finder(node, table)

        def lookup(item: JsonValue, context: Context) -> JsonValue:
            key = key_text(get(item, context))
            if key is None:
                return None
            row = find(key, context)
            return other(item, context) if isinstance(row, Missing) else row

        return coerced(lookup, spec)

    def _date(self, node: Map, spec: FieldSpec | None) -> Get:
        get = self.raw(node.items["date"])
        formats = self._formats(node)
        tz = self._zone(node)
        if spec is not None and spec.kind is Kind.DAY:
            day, name = dates.day_parser(formats), spec.name

            def read_day(item: JsonValue, context: Context) -> JsonValue:
                value = get(item, context)
                found = day(value)
                if found is None and value not in (None, ""):
                    context.misfits.append(name)
                return found

            return read_day
        if tz is None and any(not dates.states_offset(format_) for format_ in formats):
            hint = "add tz: UTC, or the vendor's zone such as Europe/Berlin"
            self.report("E107", node.place, "the format states no offset and there is no tz", hint)
        if spec is not None and spec.kind is not Kind.TIMESTAMP and spec.kind is not Kind.TEXT:
            self.report("E106", node.place, f"{spec.name} is no time")
        parse, name = dates.parser(formats, tz), spec.name if spec else "time"

        def read_time(item: JsonValue, context: Context) -> JsonValue:
            value = get(item, context)
            moment = parse(value)
            if moment is not None:
                return dates.render(moment)
            if value not in (None, ""):
                context.misfits.append(name)
            return None

        return read_time

    def _formats(self, node: Map) -> list[str]:
        given = node.get("format")
        if given is None:
            return ["iso8601"]
        nodes = given.items if isinstance(given, Seq) else (given,)
        formats: list[str] = []
        for one in nodes:
            text = one.value if isinstance(one, Scalar) else None
            if not isinstance(text, str) or not dates.is_format(text):
                hint = "iso8601, epoch_s, epoch_ms, or a strptime format such as %d.%m.%Y"
                self.report("E107", one.place, f"{text!r} is no date format", hint)
            else:
                formats.append(text)
        return formats

    def _zone(self, node: Map) -> tzinfo | None:
        given = node.get("tz")
        if given is None:
            return None
        name = given.value if isinstance(given, Scalar) else None
        zone = dates.find_zone(name) if isinstance(name, str) else None
        if zone is None:
            self.report(
                "E107", given.place, f"there is no time zone {name!r}", "e.g. Europe/Berlin"
            )
        return zone

    def _match(self, node: Map, spec: FieldSpec | None) -> Get:
        get = self.raw(node.items["match"])
        given = node.get("pattern")
        if given is None:
            self.report("E002", node.place, "match: needs a pattern:")
            return nothing
        pattern = compile_pattern(given, self.report)
        if pattern is None:
            return nothing
        group = 1 if pattern.groups else 0

        def match(item: JsonValue, context: Context) -> JsonValue:
            value = get(item, context)
            if not isinstance(value, str):
                return None
            found = pattern.search(clean_text(value))
            return None if found is None else found.group(group)

        return coerced(match, spec)

    def _split(self, node: Map, spec: FieldSpec | None) -> Get:
        get = self.raw(node.items["split"])
        on = node.get("on")
        by = str(on.value) if isinstance(on, Scalar) and on.value else None

        def split(item: JsonValue, context: Context) -> JsonValue:
            value = get(item, context)
            if not isinstance(value, str):
                return None
            return [part for raw in value.split(by) if (part := raw.strip())]

        return coerced(split, spec)

    def _sum(self, node: Map, spec: FieldSpec | None) -> Get:
        parts = node.items["sum"]
        if not isinstance(parts, Seq) or not parts.items:
            self.report("E002", parts.place, "sum: takes a list of values")
            return nothing
        gets = tuple(self.raw(part) for part in parts.items)

        def total(item: JsonValue, context: Context) -> JsonValue:
            values = [get(item, context) for get in gets]
            numbers = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
            return sum(numbers) if numbers else None

        return coerced(total, spec)

    def _count(self, node: Map, spec: FieldSpec | None) -> Get:
        get = self.raw(node.items["count"])

        def length(item: JsonValue, context: Context) -> JsonValue:
            value = get(item, context)
            return len(value) if isinstance(value, list) else None

        return coerced(length, spec)

    def _integer(self, node: Map, spec: FieldSpec | None) -> Get:
        get = self.raw(node.items["integer"])

        def whole(item: JsonValue, context: Context) -> JsonValue:
            digits = key_text(get(item, context)) or ""
            plain_digits = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
            return number(int(digits)) if plain_digits else None

        return coerced(whole, spec)

    def _scale(self, node: Map, spec: FieldSpec | None) -> Get:
        get, by = self.raw(node.items["scale"]), node.get("by")
        factor = by.value if isinstance(by, Scalar) else None
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            self.report("E106", node.place, "scale: needs by:, a number")
            return nothing

        def scaled(item: JsonValue, context: Context) -> JsonValue:
            value = get(item, context)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            try:
                product = value * factor
                whole = spec is not None and spec.kind is Kind.INTEGER
                return round(product) if whole else _finite(product)
            except OverflowError:  # beyond what a double holds
                return None

        return coerced(scaled, spec)

    def _each_leaf(self, node: Map, _spec: FieldSpec | None) -> Get:
        """``each`` where any scalars may stand: in custom, in changes."""
        return coerced(self._each(node, None), None)

    def _misplaced_use(self, node: Map, spec: FieldSpec | None) -> Get:
        what = spec.name if spec else "a scalar"
        self.report("E106", node.place, f"{what} is no object; use: gives one")
        return nothing


def read(path: Path) -> Get:
    """What *path* finds; null where it leads nowhere."""
    lookup = path.lookup
    if path.absolute:
        return lambda _item, context: _or_null(lookup(context.body))

    def relative(item: JsonValue, _context: Context) -> JsonValue:
        found = lookup(item)
        return None if found is MISSING else found  # type: ignore[return-value]  # narrowed by identity

    return relative


def _or_null(found: Found) -> JsonValue:
    return None if isinstance(found, Missing) else found


def _itself(item: JsonValue, _context: Context) -> JsonValue:
    return item


def _finite(product: float) -> JsonValue:
    return number(product) if isinstance(product, int) or isfinite(product) else None


def _clean(value: str | None) -> str | None:
    """Header text with bytes that are no UTF-8 shown as U+FFFD."""
    return None if value is None else clean_text(value)


def _is_source(node: Node) -> bool:
    """Whether a value for a timestamp field has yet to be read as one."""
    if isinstance(node, Scalar):
        return isinstance(node.value, str)
    kinds = ("header", "setting", "template", "match", "lookup")
    return isinstance(node, Map) and any(kind in node.items for kind in kinds)


def _object(plan: Plan, path: Path | None) -> Get:
    if path is None:
        return lambda item, context: plan.build(item, context, always=False)
    lookup = read(path)

    def build(item: JsonValue, context: Context) -> JsonValue:
        below = lookup(item, context)
        return None if below is None else plan.build(below, context, always=False)

    return build


def _finder(node: Map, table: Table) -> Callable[[str, Context], Found]:
    """A function from key text to a row of *table*, without case if *node* says so."""
    flag = node.get("ignore_case")
    fold = isinstance(flag, Scalar) and flag.value is True
    rows = {key.lower(): value for key, value in table.rows.items()} if fold else table.rows

    def find(key: str, context: Context) -> Found:
        key = key.lower() if fold else key
        row = rows.get(key, MISSING)
        if context.hits is not None and row is not MISSING:
            context.hits.add((table.name, key))
        return row

    return find


def _literal_fits(value: object, spec: FieldSpec) -> bool:
    """Whether a literal may stand for the field *spec*; null always may."""
    if value is None:
        return True
    if spec.kind is Kind.ENUM:
        return value in spec.members
    kinds = _LITERALS.get(spec.kind, ())
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


_LISTS = frozenset({Kind.LIST, Kind.ANY})
_NUMBERS = frozenset({Kind.TEXT, Kind.LONG, Kind.INTEGER, Kind.NUMBER, Kind.LIST, Kind.ANY})
_LITERALS: Mapping[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str, int),
    Kind.LONG: (str, int),
    Kind.EMAIL: (str,),
    Kind.BOOLEAN: (bool,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
}
