"""Values: what a mapping states for a field, compiled for the field that it is stated for.

Every value compiles to a function of the current item and the context. Which field a value is
for decides how it is read: a path on a timestamp field reads a time, on an enum field it must be
a member, on an object field the value must be a shape or a map of fields.
"""

from collections.abc import Callable, Mapping, Sequence

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import generated, inline, inlined, lookup_of
from onehook.core.mapping.coerce import (
    WORDS,
    EnumGet,
    Get,
    coerced,
    key_text,
    literal_fits,
    nothing,
    scalar,
)
from onehook.core.mapping.conditions import compile_condition, if_else
from onehook.core.mapping.context import Context
from onehook.core.mapping.enums import compile_enum
from onehook.core.mapping.kinds import (
    COALESCE,
    CONCAT,
    EACH,
    GIVES,
    IF,
    KINDS,
    LISTS,
    USE,
    compile_date,
)
from onehook.core.mapping.lets import Lets, remembered
from onehook.core.mapping.lists import each_of, list_of
from onehook.core.mapping.objects import ObjectCompiler
from onehook.core.mapping.paths import (
    MISSING,
    SUBSET,
    Path,
    PathError,
    compile_path,
    direct_keys,
    is_path,
)
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.tables import Table
from onehook.core.schema.base import MAX_ITEMS, FieldSpec, Kind, Model

_NAMES = (*KINDS, "each", "concat", "if", "coalesce", "let")
_TEXTS = FieldSpec(
    "texts", Kind.LIST, required=False, item=FieldSpec("text", Kind.TEXT, required=False)
)


class ValueCompiler:
    """Compiles value nodes; every problem goes to *report*."""

    def __init__(
        self,
        report: Report,
        tables: Mapping[str, Table],
        shapes: Mapping[str, Map],
        lets: Lets,
    ) -> None:
        self.report = report
        self.lets = lets
        self._asked: dict[str, Get] = {}
        report.names, report.find_named = tuple(lets.nodes), self._named
        self.tables = tables
        self.shapes = shapes
        self.objects = ObjectCompiler(self)
        self.plans: dict[int, Plan] = {}  # by the id() of the node that they were made from

    def _named(self, name: str) -> Get | None:
        """A named value, for conditions: compiled once, however many ask for it."""
        node = self.lets.find(name)
        if node is not None and name not in self._asked:
            self._asked[name] = remembered(name, generated(self.raw(node), f"let {name}"))
        return self._asked.get(name)

    def resolved(self, node: Node) -> Node:
        """*node*, or what it names by ``let``; counts as a step."""
        self.report.takes(node.place)
        return self.lets.resolved(node)

    # -- what a field asks for ---------------------------------------------------------------

    def typed(self, node: Node, spec: FieldSpec | None) -> Get:
        """Compile *node* for the field *spec*; None: any scalar, or a list of scalars."""
        node = self.resolved(node)
        if spec is not None and spec.kind is Kind.MODEL and spec.model is not None:
            return self.object(node, spec.model)
        if spec is not None and spec.kind is Kind.LIST:
            return self._list(node, spec)
        if spec is not None and spec.kind is Kind.ENUM:
            enum = self.enum(node, spec)
            return inlined(lambda item, context: enum(item, context)[0], "$enum[0]", {"enum": enum})
        if spec is not None and spec.kind in (Kind.TIMESTAMP, Kind.DAY) and _is_source(node):
            return compile_date(self, Map(node.place, {"date": node}), spec)
        return self._branches(node, lambda below: self.typed(below, spec)) or self.leaf(node, spec)

    def _branches(self, node: Node, compile_: Callable[[Node], Get]) -> Get | None:
        """``if`` and ``coalesce`` hand each branch on to what the field asks for."""
        if not isinstance(node, Map):
            return None
        if "if" in node.items:
            self.keys(node, *IF)
            condition = compile_condition(node.items["if"], self.report)
            then, other = node.get("then"), node.get("else")
            yes = nothing if then is None else compile_(then)
            no = nothing if other is None else compile_(other)
            return if_else(condition, yes, no)
        if "coalesce" in node.items:
            return self._coalesce(node, compile_)
        return None

    def _coalesce(self, node: Map, compile_: Callable[[Node], Get]) -> Get:
        self.keys(node, *COALESCE)
        choices = node.items["coalesce"]
        if not isinstance(choices, Seq) or not choices.items:
            self.report("E002", choices.place, "coalesce: takes a list of values")
            return nothing
        gets = tuple(compile_(choice) for choice in choices.items)
        flag = node.get("non_empty")
        skips_empty = isinstance(flag, Scalar) and flag.value is True

        return _first(gets, skips_empty=skips_empty)

    def leaf(self, node: Node, spec: FieldSpec | None) -> Get:
        """Compile a value that hands nothing on to others."""
        if isinstance(node, Scalar):
            return self._scalar(node, spec)
        if isinstance(node, Seq):
            self._wants(node, spec, LISTS, "a list")
            gets = tuple(self.typed(item, spec) for item in node.items)
            return lambda item, context: [
                value for get in gets if (value := get(item, context)) is not None
            ]
        if "each" in node.items:
            self._wants(node, spec, LISTS, "each: gives a list")
            return coerced(self._each(node, None), None)
        name = next((key for key in node.items if key in KINDS), None)
        if name is None:
            hint = f"a value is a path, or a map with one of {', '.join(_NAMES)}"
            key = next(iter(node.items), "")
            place = node.keys.get(key, node.place)
            self.report("E002", place, f"{key!r} is no kind of value", hint)
            return nothing
        kind = KINDS[name]
        self.keys(node, *kind.keys)
        if kind.fills is not None:
            self._wants(node, spec, kind.fills, f"{name}: gives {GIVES[kind.fills]}")
        return kind.compile(self, node, spec)

    def _wants(self, node: Node, spec: FieldSpec | None, kinds: frozenset[Kind], what: str) -> None:
        """Report a value whose form can never fit the field."""
        if spec is not None and spec.kind not in kinds:
            self.report("E106", node.place, f"{what}, and {spec.name} takes {spec.kind}")

    def keys(self, node: Map, *allowed: str) -> None:
        """Report each key of *node* that is none of *allowed*."""
        for key in node.items:
            if key not in allowed:
                hint = nearest(key, allowed)
                self.report(
                    "E002", node.keys.get(key, node.place), f"{key!r} has no place here", hint
                )

    def _scalar(self, node: Scalar, spec: FieldSpec | None) -> Get:
        if isinstance(node.value, str):
            path = self.path(node)
            return nothing if path is None else coerced(read(path), spec)
        return self.literal(node, spec)

    def literal(self, node: Scalar, spec: FieldSpec | None) -> Get:
        """Compile a value that stands for itself."""
        value = node.value
        if spec is not None and not literal_fits(value, spec):
            message = f"{value!r} is no {spec.kind} for {spec.name}"
            self.report("E106", node.place, message, f"{spec.name} takes {WORDS[spec.kind]}")
        fixed = scalar(value)
        if spec is not None and spec.kind in (Kind.TEXT, Kind.LONG) and fixed is not None:
            fixed = key_text(fixed)
        return inlined(lambda _item, _context: fixed, "$fixed", values={"fixed": fixed})

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
            path = compile_path(text)
        except PathError as error:
            message = f"{error.message} (column {error.column + 1} of {text})"
            self.report("E102", node.place, message, SUBSET)
            return None
        self.report.takes(node.place, path.effort)
        return path

    def constant(self, node: Node) -> bool:
        """Whether the value reads nothing from the webhook: it makes no object by itself."""
        match self.lets.resolved(node):
            case Scalar(value=value):
                return not isinstance(value, str)
            case Seq(items=items):
                return all(self.constant(item) for item in items)
            case Map(items=items) if "if" in items or "coalesce" in items:
                below = [items[key] for key in ("then", "else", "coalesce") if key in items]
                return all(self.constant(item) for item in below)
            case Map(items=items):
                return "const" in items or "setting" in items

    def enum(self, node: Node, spec: FieldSpec) -> EnumGet:
        """Compile a value for an enum field: the member, and the source's own value beside it."""
        return compile_enum(self, node, spec)

    # -- objects and lists -------------------------------------------------------------------

    def object(self, node: Node, model: type[Model]) -> Get:
        """Compile a value for an object field: a shape, a map of fields, or branches of them."""
        written, node = node, self.resolved(node)
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
        self.plans[id(written)] = plan
        return _object(plan, path)

    def use(
        self, node: Map, model: type[Model], *, top: bool = False
    ) -> tuple[Plan, Path | None] | None:
        """``{use: shape, with: path, set: {…}}``; None if it cannot be compiled."""
        self.keys(node, *USE)
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
        item_spec, node = spec.item, self.resolved(node)
        branches = self._branches(node, lambda below: self._list(below, spec))
        if branches is not None:
            return branches
        if isinstance(node, Map) and "concat" in node.items:
            return self._concat(node, spec)
        if isinstance(node, Map) and "each" in node.items:
            made = "use" in node.items or "as" in node.items
            return coerced(self._each(node, item_spec, MAX_ITEMS), spec, made=made)
        if isinstance(node, Scalar) and not isinstance(node.value, str):
            if node.value is not None:
                self.report("E106", node.place, f"{node.value!r} is no list for {spec.name}")
            return nothing
        if isinstance(node, Seq):
            gets = tuple(self.typed(item, item_spec) for item in node.items)

            return coerced(list_of(gets), spec, made=True) if gets else lambda _item, _context: []
        if item_spec is not None and item_spec.kind is Kind.MODEL:
            if not (isinstance(node, Scalar) and node.value is None):
                hint = "write {each: path, use: shape}"
                self.report("E106", node.place, f"{spec.name} is a list of objects", hint)
            return nothing
        return coerced(self.raw(node), spec)

    def raw(self, node: Node) -> Get:
        """A value as the payload has it, whatever field it is for."""
        node = self.resolved(node)
        branches = self._branches(node, self.raw)
        if branches is not None:
            return branches
        if isinstance(node, Scalar) and isinstance(node.value, str):
            path = self.path(node)
            return nothing if path is None else read(path)
        return self.leaf(node, None)

    def texts(self, node: Node) -> Get:
        """A list of texts, or one text, as the payload has it."""
        node = self.resolved(node)
        if isinstance(node, Map) and "concat" in node.items:
            return self._concat(node, _TEXTS)
        branches = self._branches(node, self.texts)
        return branches if branches is not None else self.raw(node)

    def _concat(self, node: Map, spec: FieldSpec) -> Get:
        self.keys(node, *CONCAT)
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

    def _each(self, node: Map, item_spec: FieldSpec | None, most: int | None = None) -> Get:
        """A list of what its items become; beyond *most* there is one more, which will be cut."""
        self.keys(node, *EACH)
        path = self.path(node.items["each"])
        if path is None:
            return nothing
        get, test = self._each_item(node, item_spec), node.get("where")
        wanted = None if test is None else compile_condition(test, self.report)
        return each_of(path, get, wanted, most)

    def _each_item(self, node: Map, item_spec: FieldSpec | None) -> Get:
        """What each item becomes: a shape, a value or map of its own, or itself."""
        if "use" in node.items:
            inner = Map(node.place, {k: v for k, v in node.items.items() if k in ("use", "set")})
            get = self.typed(inner, item_spec)
            if id(inner) in self.plans:
                self.plans[id(node)] = self.plans.pop(id(inner))
            return get
        return self.typed(node.items["as"], item_spec) if "as" in node.items else _itself


def read(path: Path) -> Get:
    """What *path* finds; null where it leads nowhere."""
    lookup, absolute = path.lookup, path.absolute

    def get(item: JsonValue, context: Context) -> JsonValue:
        found = lookup(context.body if absolute else item)
        return None if found is MISSING else found  # type: ignore[return-value]  # narrowed by identity

    keys = direct_keys(path.text)
    there = None if keys is None else lookup_of(keys, absolute=absolute, missing="None")
    return get if there is None else inlined(get, "$there", {"there": there})


def _first(gets: Sequence[Get], *, skips_empty: bool) -> Get:
    """The first of *gets* that gives something."""
    if len(gets) == 1 and not skips_empty:
        return gets[0]

    def first(item: JsonValue, context: Context) -> JsonValue:
        for get in gets:
            value = get(item, context)
            if value is not None and not (skips_empty and value in ("", [])):
                return value
        return None

    parts = {f"get{at}": get for at, get in enumerate(gets)}
    empty = " and $v not in ('', [])" if skips_empty else ""
    choices = " ".join(f"$v if ($v := ${name}) is not None{empty} else" for name in parts)
    return inlined(first, f"({choices} None)", parts)


@inline("item")
def _itself(item: JsonValue, _context: Context) -> JsonValue:
    return item


def _is_source(node: Node) -> bool:
    """Whether a value for a timestamp field has yet to be read as one."""
    if isinstance(node, Scalar):
        return isinstance(node.value, str)
    kinds = ("header", "setting", "template", "match", "lookup")
    return isinstance(node, Map) and any(kind in node.items for kind in kinds)


def _object(plan: Plan, path: Path | None) -> Get:
    make = plan.build
    if path is None:
        return inlined(
            lambda item, context: make(item, context, False),
            "$make(item, context, False)",
            values={"make": make},
        )
    lookup = read(path)

    def build(item: JsonValue, context: Context) -> JsonValue:
        below = lookup(item, context)
        return None if below is None else make(below, context, False)

    return inlined(
        build,
        "(None if ($v := $lookup) is None else $make($v, context, False))",
        {"lookup": lookup},
        {"make": make},
    )
