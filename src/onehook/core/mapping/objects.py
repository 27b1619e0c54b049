"""Objects of the schema, built from a map of fields or from a named shape.

An object none of whose paths found anything is null; constants alone make no object.
"""

from collections.abc import Mapping

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.coerce import Get, key_text, single
from onehook.core.mapping.compiling import Values
from onehook.core.mapping.context import Context
from onehook.core.mapping.paths import Path, PathError, compile_path
from onehook.core.mapping.plans import EnumPlan, FieldPlan, Parts, Plan, UrnPlan, make_build
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.source import Map, Node, Scalar, Seq, merge
from onehook.core.schema.base import Kind, Model, fields_of
from onehook.core.schema.events import entity_of, fixed_entity

OF_EVENT = ("actor", "changes", "references", "custom", "raw", "truncated")  # in its data, last
_NEVER_MISSING = (Kind.LIST, Kind.SCALARS, Kind.ENUM)  # [], {} and unknown stand for null


class ObjectCompiler:
    """Compiles maps and shapes to plans; a shape is compiled once for each model it serves."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.report = values.report
        self._plans: dict[tuple[str, type[Model], bool, int], Plan] = {}
        self._open: list[str] = []  # shapes being compiled: one inside itself never ends
        self._kept: list[Map] = []
        self.used: set[str] = set()

    def plan(self, node: Map, model: type[Model], *, top: bool = False) -> Plan:
        """The plan of an inline object; *top*: it is an event's data, which may have custom."""
        return self._plan([node], node, model, top=top)

    def shape(
        self, name: Scalar, extra: Map | None, model: type[Model], *, top: bool = False
    ) -> Plan | None:
        """The plan of the shape *name*, with the fields of *extra* (``set:``) over its own."""
        known = str(name.value)
        shape = self.values.shapes.get(known)
        if shape is None:
            hint = nearest(known, self.values.shapes)
            self.report("E104", name.place, f"there is no shape {known!r}", hint)
            return None
        self.used.add(known)
        key = (known, model, top, id(extra) if extra is not None else 0)
        if key not in self._plans:
            if known in self._open:
                way = " -> ".join([*self._open, known])
                self.report("E104", name.place, f"the shape uses itself: {way}")
                return None
            if extra is not None:
                self._kept.append(extra)  # the cache goes by its id(), so it has to stay
            self._open.append(known)
            nodes = [shape] if extra is None else [shape, extra]
            self._plans[key] = self._plan(nodes, name, model, top=top)
            self._open.pop()
        return self._plans[key]

    def _plan(self, nodes: list[Map], at: Node, model: type[Model], *, top: bool) -> Plan:
        entries = self._entries(nodes)
        fields = fields_of(model)
        plain: list[FieldPlan] = []
        enums: list[EnumPlan] = []
        for name, (value, place) in entries.items():
            spec = fields.get(name)
            if name in ("urn", "native") and spec is not None:
                continue
            if name == "custom" and top:
                continue
            if spec is None:
                message = f"{model.__name__} has no field {name!r}"
                self.report("E105", place, message, nearest(name, [*fields, "same"]))
            elif spec.kind is Kind.ENUM:
                enums.append(EnumPlan(name, self.values.enum(value, spec), spec.required))
            else:
                get, counts = self.values.typed(value, spec), not self.values.constant(value)
                plain.append(FieldPlan(name, spec.kind, get, counts, _path(value)))
        self._check_required(entries, at, model)
        parts = Parts(
            tuple(fields),
            tuple(plain),
            tuple(enums),
            self._scalars(entries, "native"),
            self._scalars(entries, "custom"),
            self._urn(entries, model),
            tuple(n for n, s in fields.items() if s.required and s.kind not in _NEVER_MISSING),
            tuple(n for n, s in fields.items() if s.required and s.kind is Kind.LIST),
            OF_EVENT if top else (),
        )
        origins = {name: value for name, (value, _) in entries.items()}
        native, custom = (tuple(name for name, _ in some) for some in (parts.native, parts.custom))
        return Plan(model, make_build(model.__name__, parts), origins, native, custom)

    def _entries(self, nodes: list[Map]) -> dict[str, tuple[Node, Place]]:
        """Field name to value and place; a later map's fields replace, native and custom merge."""
        entries: dict[str, tuple[Node, Place]] = {}
        for node in nodes:
            for name, value in node.items.items():
                if name == "same":
                    self._same(value, entries)
                    continue
                before = entries.get(name)
                merges = name in ("native", "custom") and before is not None
                merged = merge(before[0], value) if merges and before is not None else value
                entries[name] = (merged, node.keys.get(name, value.place))
        return entries

    def _same(self, node: Node, entries: dict[str, tuple[Node, Place]]) -> None:
        if not isinstance(node, Seq):
            self.report("E002", node.place, "same: takes a list of field names")
            return
        for item in node.items:
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                self.report("E002", item.place, "same: holds field names")
                continue
            entries[item.value] = (Scalar(item.place, f"$.{item.value}", plain=True), item.place)

    def _check_required(
        self, entries: Mapping[str, tuple[Node, Place]], at: Node, model: type[Model]
    ) -> None:
        missing = [
            name
            for name, spec in fields_of(model).items()
            if spec.required and spec.kind is not Kind.SCALARS and name not in entries
        ]
        if missing:
            message = f"{model.__name__} needs {', '.join(missing)}, never set here"
            self.report("E105", at.place, message, "add the field; null is not enough")

    def _scalars(
        self, entries: Mapping[str, tuple[Node, Place]], name: str
    ) -> tuple[tuple[str, Get], ...]:
        if name not in entries:
            return ()
        node = entries[name][0]
        if not isinstance(node, Map):
            self.report("E002", node.place, f"{name}: is a map of names to values")
            return ()
        gets = {key: self.values.typed(value, None) for key, value in node.items.items()}
        return tuple(
            (f"_{key}" if key.isdigit() else key, single(get) if name == "native" else get)
            for key, get in gets.items()
        )

    def _urn(self, entries: Mapping[str, tuple[Node, Place]], model: type[Model]) -> UrnPlan | None:
        """``urn: [parts]``, or ``{entity, path: [parts]}`` where the model does not name it."""
        if "urn" not in entries:
            return None
        node = entries["urn"][0]
        entity: str | None = None
        parts: Node | None = node
        if isinstance(node, Map):
            for key in node.items:
                if key not in ("entity", "path"):
                    self.report("E002", node.keys[key], f"{key!r} has no place in a urn")
            named = node.get("entity")
            if not isinstance(named, Scalar) or not isinstance(named.value, str):
                self.report("E002", node.place, "a urn written as a map says its entity:")
            entity = str(named.value) if isinstance(named, Scalar) else None
            parts = node.get("path")
        elif model.__name__ == "Ref":
            hint = "write {entity: ticket, path: [$.key]}"
            self.report("E105", node.place, "a Ref does not say what it refers to", hint)
        if not isinstance(parts, Seq) or not parts.items:
            self.report("E002", node.place, "urn: is a list of path parts")
            return None
        return _urn_plan(
            tuple(self.values.typed(part, None) for part in parts.items), entity, model
        )


def _urn_plan(parts: tuple[Get, ...], stated: str | None, model: type[Model]) -> UrnPlan:
    entity = stated or fixed_entity(model)

    def urn(
        found: tuple[JsonValue, ...], context: Context, out: Mapping[str, JsonValue]
    ) -> str | None:
        texts: list[str] = []
        for part in found:
            text = key_text(part)
            if text is None:
                return None
            texts.append(text)
        return context.urn(entity or entity_of(model, out), "/".join(texts))

    return UrnPlan(parts, entity, urn)


def _path(node: Node) -> Path | None:
    """The path of names that *node* is, None if it is anything else."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    try:
        path = compile_path(node.value)
    except PathError:
        return None  # reported where the value is compiled
    return None if path.names is None else path
