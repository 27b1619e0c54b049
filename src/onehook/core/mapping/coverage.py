"""Which fields a platform's events can have, and which never: read off the compiled rules.

A field counts as filled if the rule states a value for it, whether or not a webhook has one. So
what is never filled is known for certain, of every webhook that the vendor may ever send.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from onehook.core.mapping.document import CompiledMapping, Rule
from onehook.core.mapping.outline import Stated, leaves, outline, plans_of, written_out
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.schema.base import FieldSpec, Kind, Model, fields_of
from onehook.core.schema.common import Actor
from onehook.core.schema.events import EVENT_TYPES

_ACTOR = FieldSpec("actor", Kind.MODEL, required=False, model=Actor)
_OPEN = (Kind.SCALARS, Kind.ANY)  # native and custom: their names are told apart


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the rules of one platform fill of one event type.

    Fields are dotted paths of ``data`` (``source.branch``; in a list those of its items), in the
    order of the model. What lies below a field that is never filled is not named.
    """

    event_type: str
    model: type[Model]
    filled: tuple[str, ...]  # by every rule that emits the type
    partly: tuple[str, ...]  # by some of them
    never: tuple[str, ...]
    native: tuple[str, ...]  # names that the mapping adds, beside those of enum fields
    custom: tuple[str, ...]

    def of_any_type(self) -> "Coverage":
        """The same without its type: equal for types that are filled alike."""
        return replace(self, event_type="")


def coverage(mapping: CompiledMapping) -> list[Coverage]:
    """What *mapping* fills, an entry for each event type that it emits, in the schema's order."""
    by_type: dict[str, list[tuple[Rule, Stated]]] = {}
    for rule, stated in leaves(outline(mapping)):
        by_type.setdefault(rule.emit, []).append((rule, stated))
    return [_of_type(mapping, type_, by_type[type_]) for type_ in EVENT_TYPES if type_ in by_type]


def _of_type(mapping: CompiledMapping, type_: str, rules: list[tuple[Rule, Stated]]) -> Coverage:
    model = EVENT_TYPES[type_]
    found = [frozenset(_filled(mapping, rule, stated)) for rule, stated in rules]
    some = frozenset[str]().union(*found)
    every = some.intersection(*found)
    known = list(_paths({"actor": _ACTOR, **fields_of(model)}))
    plans = [rule.data for rule, _ in rules]
    return Coverage(
        type_,
        model,
        tuple(path for path in known if path in every),
        tuple(path for path in known if path in some - every),
        tuple(path for path in known if path not in some and _parent(path) in (some | {""})),
        tuple(dict.fromkeys(name for plan in plans for name in plan.native)),
        tuple(dict.fromkeys(name for plan in plans for name in plan.custom)),
    )


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _paths(fields: Mapping[str, FieldSpec], prefix: str = "") -> Iterator[str]:
    for name, spec in fields.items():
        if spec.kind in _OPEN:
            continue
        yield prefix + name
        below = _model(spec)
        if below is not None:
            yield from _paths(fields_of(below), f"{prefix}{name}.")


def _model(spec: FieldSpec) -> type[Model] | None:
    """The model of an object field, or of the items of a list."""
    return spec.item.model if spec.item is not None else spec.model


def _filled(mapping: CompiledMapping, rule: Rule, stated: Stated) -> Iterator[str]:
    actor = stated.parts.get("actor")
    if actor is not None:
        yield from _value(mapping, _ACTOR, actor, "actor")
    yield from _plan(mapping, rule.data, "")


def _plan(mapping: CompiledMapping, plan: Plan, prefix: str) -> Iterator[str]:
    fields = fields_of(plan.model)
    for name, node in plan.origins.items():
        if name in fields:
            yield from _value(mapping, fields[name], node, prefix + name)


def _value(mapping: CompiledMapping, spec: FieldSpec, node: Node, path: str) -> Iterator[str]:
    if _is_null(written_out(mapping, node)):
        return
    yield path
    if _model(spec) is not None:
        for plan in plans_of(mapping, node):
            yield from _plan(mapping, plan, f"{path}.")


def _is_null(node: Node) -> bool:
    if isinstance(node, Map) and "const" in node.items:
        node = node.items["const"]
    return isinstance(node, Scalar) and node.value is None


def table_uses(mapping: CompiledMapping) -> dict[str, list[str]]:
    """Each table's name to the fields that it fills, ``Model.field``, in the rules' order."""
    found: dict[str, dict[str, None]] = {}
    for rule, stated in leaves(outline(mapping)):
        values = list(_values(mapping, rule.data))
        actor = stated.parts.get("actor")
        if actor is not None:
            values += [v for plan in plans_of(mapping, actor) for v in _values(mapping, plan)]
        for field, node in values:
            for table in _tables_in(mapping, node):
                found.setdefault(table, {})[field] = None
    return {table: list(fields) for table, fields in found.items()}


def _values(mapping: CompiledMapping, plan: Plan) -> Iterator[tuple[str, Node]]:
    """Every field that *plan* fills, and those of the objects in it, with its value."""
    for name, node in plan.origins.items():
        below = list(plans_of(mapping, node))
        for inner in below:
            yield from _values(mapping, inner)
        if not below:
            yield f"{plan.model.__name__}.{name}", node


def _tables_in(mapping: CompiledMapping, node: Node) -> Iterator[str]:
    node = written_out(mapping, node)
    if isinstance(node, Map):
        table = node.items.get("table")
        if "lookup" in node.items and isinstance(table, Scalar):
            yield str(table.value)
        for below in node.items.values():
            yield from _tables_in(mapping, below)
    elif isinstance(node, Seq):
        for below in node.items:
            yield from _tables_in(mapping, below)
