"""``changes``: what of the thing is different now, and what it was before (`schema.md` §2 rule 9).

Also the native ``references`` that a mapping states.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.coerce import Get, nothing, single, text
from onehook.core.mapping.conditions import Condition, always, compile_condition
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import CONDITION, PATH, TEXTS, VALUE, Keys, defined, word_of
from onehook.core.mapping.paths import Missing, Path
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.values import ValueCompiler
from onehook.core.schema.base import MAX_ITEMS, FieldSpec, Kind, Model, fields_of
from onehook.core.schema.common import Reference
from onehook.core.schema.identity import Membership

Many = Callable[[JsonValue, Context], list[dict[str, JsonValue]]]
_ENTRY: Keys = {"if": PATH, "each": PATH, "when": CONDITION}
CHANGE: Keys = {
    "field": defined("change_field"),
    "from": TEXTS,
    "to": TEXTS,
    "added": TEXTS,
    "removed": TEXTS,
    **_ENTRY,
}
REFERENCE: Keys = {
    "type": word_of(sorted(fields_of(Reference)["type"].members)),
    "key": VALUE,
    "url": VALUE,
    "relation": word_of(sorted(fields_of(Reference)["relation"].members)),
    **_ENTRY,
}
_TEXT = FieldSpec("value", Kind.TEXT, required=False)
# `schema.md` §4: a membership changes the members of its group, which is no field of its own.
_MEMBERS = FieldSpec("members", Kind.LIST, required=False, item=_TEXT)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of ``changes:`` or ``references:``, ready to run."""

    each: Path | None
    present: Path | None  # the entry is dropped if this leads nowhere
    when: Condition
    make: Callable[[JsonValue, Context], dict[str, JsonValue] | None]

    def of(self, item: JsonValue, context: Context) -> list[dict[str, JsonValue]]:
        """What this line gives for *item*; beyond `MAX_ITEMS` one more, and all of it is cut."""
        items: list[JsonValue] = [item]
        if self.each is not None:
            items = self.each.values(context.body if self.each.absolute else item) or []
        made = (found for one in items if (found := self._one(one, context)) is not None)
        return list(islice(made, MAX_ITEMS + 1))

    def _one(self, item: JsonValue, context: Context) -> dict[str, JsonValue] | None:
        if self.present is not None:
            root = context.body if self.present.absolute else item
            if isinstance(self.present.lookup(root), Missing):
                return None
        return self.make(item, context) if self.when(item, context) else None


def _run(entries: tuple[_Entry, ...]) -> Many:
    return lambda item, context: [made for e in entries for made in e.of(item, context)]


def _entries(
    node: Node | None,
    values: ValueCompiler,
    keys: Keys,
    make: Callable[[Reader], Callable[[JsonValue, Context], dict[str, JsonValue] | None] | None],
) -> Many:
    if node is None:
        return lambda _item, _context: []
    if not isinstance(node, Seq):
        values.report("E002", node.place, "expected a list")
        return lambda _item, _context: []
    found: list[_Entry] = []
    for item in node.items:
        if not isinstance(item, Map):
            values.report("E002", item.place, "expected a map")
            continue
        reader = Reader(item, values.report).only(*keys)
        made = make(reader)
        each, present, when = item.get("each"), item.get("if"), item.get("when")
        if made is not None:
            found.append(
                _Entry(
                    None if each is None else values.path(each),
                    None if present is None else values.path(present),
                    always if when is None else compile_condition(when, values.report),
                    made,
                )
            )
    return _run(tuple(found))


def compile_changes(node: Node | None, model: type[Model], values: ValueCompiler) -> Many:
    """Compile ``changes: [{field, if, each, when, from, to, added, removed}]`` for *model*."""
    return _entries(node, values, CHANGE, lambda reader: _change(reader, model, values))


def _change(
    reader: Reader, model: type[Model], values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None] | None:
    field = reader.node_of("field")
    if field is None:
        reader.report("E107", reader.place, "field: is missing", "name a field of the model")
        return None
    if not isinstance(field, Scalar) or not isinstance(field.value, str):
        return _dynamic(field, reader, values)
    name = field.value
    spec = None if name.startswith("native.") else find_field(model, name)
    if spec is None and not name.startswith("native."):
        hint = nearest(name, fields_of(model)) + " or native.<vendor field>"
        reader.report("E107", field.place, f"{model.__name__} has no field {name!r}", hint)
        return None
    if spec is None:
        return _native_change(lambda _item, _context: name, reader, values)
    if spec.kind is Kind.LIST:
        return _list_change(lambda _item, _context: name, reader, values)
    shown = _TEXT if spec.kind is Kind.MODEL else spec
    return _scalar_change(lambda _item, _context: name, shown, reader, values)


def _native_change(
    field: Get, reader: Reader, values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None]:
    """Of a vendor's own field: a list if the entry says what was added or removed."""
    if reader.node_of("added") is not None or reader.node_of("removed") is not None:
        return _list_change(field, reader, values)
    return _scalar_change(field, None, reader, values)


def find_field(model: type[Model], name: str) -> FieldSpec | None:
    """The field that a dotted *name* such as ``target.branch`` leads to; None if there is none."""
    if model is Membership and name == _MEMBERS.name:
        return _MEMBERS
    head, _, rest = name.partition(".")
    spec = fields_of(model).get(head)
    if not rest or spec is None:
        return spec
    return None if spec.model is None else find_field(spec.model, rest)


def _dynamic(
    field: Node, reader: Reader, values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None] | None:
    """``field`` worked out from the payload: for vendor fields, so it must come to native.x."""
    get = values.typed(field, _TEXT)

    def native(item: JsonValue, context: Context) -> JsonValue:
        name = get(item, context)
        return name if isinstance(name, str) and name.startswith("native.") else None

    return _native_change(native, reader, values)


def _scalar_change(
    field: Get, spec: FieldSpec | None, reader: Reader, values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None]:
    before, after = reader.node_of("from"), reader.node_of("to")
    for key in ("added", "removed"):
        if reader.node_of(key) is not None:
            reader.problem(key, f"{key}: is for list fields; this one has from: and to:")
    old = nothing if before is None else single(values.typed(before, spec))
    new = nothing if after is None else single(values.typed(after, spec))
    known = _known(before, values)

    def change(item: JsonValue, context: Context) -> dict[str, JsonValue] | None:
        name, told = field(item, context), known(item, context)
        was, now = old(item, context), new(item, context)
        unchanged = told and was == now and isinstance(was, bool) is isinstance(now, bool)
        if name is None or unchanged:
            return None
        return {"field": name, "from": was, "to": now, "from_known": told}

    return change


# What reads one value, and so knows an old one where that value does.
_READERS = ("lookup", "date", "match", "split", "join", "integer", "scale", "count", "each")


def _known(before: Node | None, values: ValueCompiler) -> Condition:
    """Whether the source gave an old value: ``from`` is stated and, if a path, leads somewhere."""
    if before is None:
        return lambda _item, _context: False
    before = values.resolved(before)
    if isinstance(before, Scalar) and isinstance(before.value, str):
        path = values.path(before)
        if path is None:
            return always
        return lambda item, context: (
            not isinstance(path.lookup(context.body if path.absolute else item), Missing)
        )
    if not isinstance(before, Map):
        return always
    inner = next((before.items[kind] for kind in _READERS if kind in before.items), None)
    if inner is not None:
        return _known(inner, values)
    choices = before.get("coalesce")
    if isinstance(choices, Seq):
        some = tuple(_known(choice, values) for choice in choices.items)
        return lambda item, context: any(known(item, context) for known in some)
    if "if" in before.items:
        condition = compile_condition(before.items["if"], values.report)
        yes, no = _known(before.get("then"), values), _known(before.get("else"), values)
        return lambda item, context: (yes if condition(item, context) else no)(item, context)
    return always


def _list_change(
    field: Get, reader: Reader, values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None]:
    """``added`` and ``removed`` as stated, or as the difference of ``from`` and ``to``."""
    gets: Mapping[str, Get] = {
        key: nothing if (node := reader.node_of(key)) is None else values.texts(node)
        for key in ("added", "removed", "from", "to")
    }
    before = reader.node_of("from")
    known = _known(before, values)
    stated = before is None and reader.node_of("to") is None

    def change(item: JsonValue, context: Context) -> dict[str, JsonValue] | None:
        found = {key: _as_list(get(item, context)) for key, get in gets.items()}
        added = found["added"] + [v for v in found["to"] if v not in found["from"]]
        removed = found["removed"] + [v for v in found["from"] if v not in found["to"]]
        if not stated and not known(item, context):
            removed = []
        name = field(item, context)
        if name is None or (not added and not removed):
            return None
        told = stated or known(item, context)
        return {"field": name, "added": added, "removed": removed, "from_known": told}

    return change


def _as_list(value: JsonValue) -> list[JsonValue]:
    """The texts in *value*; a single one where a list is wanted is a list of one."""
    items = value if isinstance(value, list) else [value]
    return [found for item in items if (found := text(item)) is not None]


def compile_references(node: Node | None, values: ValueCompiler) -> Many:
    """Compile ``references: [{type, key, url, relation, if, each, when}]``: stated links."""
    return _entries(node, values, REFERENCE, lambda reader: _reference(reader, values))


def _reference(
    reader: Reader, values: ValueCompiler
) -> Callable[[JsonValue, Context], dict[str, JsonValue] | None] | None:
    fields = fields_of(Reference)
    type_ = _member(reader, "type", fields["type"], "url")
    relation = _member(reader, "relation", fields["relation"], "mentions")
    key, url = reader.node_of("key"), reader.node_of("url")
    if key is None:
        reader.report("E105", reader.place, "key: is missing")
        return None
    get_key = values.typed(key, _TEXT)
    get_url = nothing if url is None else values.typed(url, _TEXT)

    def reference(item: JsonValue, context: Context) -> dict[str, JsonValue] | None:
        found = get_key(item, context)
        if found is None:
            return None
        return {
            "type": type_,
            "key": found,
            "urn": None,
            "url": get_url(item, context),
            "relation": relation,
            "method": "native",
            "found_in": [],
            "match": None,
            "confidence": 1,
            "verified": False,
        }

    return reference


def _member(reader: Reader, key: str, spec: FieldSpec, default: str) -> str:
    found = reader.text(key)
    if found is not None and found not in spec.members:
        hint = f"allowed: {', '.join(sorted(spec.members))}"
        reader.report("E106", reader.at(key), f"{found!r} is no {key} of a reference", hint)
    return found or default
