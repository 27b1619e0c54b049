"""``changes``: what of the thing is different now, and what it was before (`schema.md` §2 rule 9).

Also the native ``references`` that a mapping states.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import Code, inline, inlined
from onehook.core.mapping.coerce import Get, nothing, single, text
from onehook.core.mapping.conditions import (
    Condition,
    all_of,
    always,
    any_of,
    compile_condition,
    compile_subject,
    if_else,
    lookup,
    most_wanted,
    wanted_words,
)
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import CONDITION, PATH, TEXTS, VALUE, Keys, defined, word_of
from onehook.core.mapping.lists import items_of
from onehook.core.mapping.paths import Missing, Path
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.values import ValueCompiler
from onehook.core.schema.base import MAX_ITEMS, FieldSpec, Kind, Model, fields_of
from onehook.core.schema.common import Reference
from onehook.core.schema.identity import Membership

Made = dict[str, JsonValue] | None
Make = Callable[[JsonValue, Context], Made]
Many = Callable[[JsonValue, Context], list[JsonValue]]
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
    """One line of ``changes:`` or ``references:``: what it makes, of the item or of each of some.

    Beyond `MAX_ITEMS` it makes one more, and all of it is cut. It makes nothing of an item unless
    each subject of *words* is one of those, or a list.
    """

    each: Path | None
    make: Make
    words: Mapping[str, tuple[str, ...]]
    place: Place


class _Items:
    """The items of one ``each``, and what nearly all entries for them ask of each item."""

    def __init__(self, code: Code, path: Path, entries: Sequence[_Entry]) -> None:
        """Add to *code* what finds them, once for all *entries*."""
        self.name, self.said = code.variable(), ""
        self.subject = most_wanted(entry.words for entry in entries)
        self.place = entries[0].place
        code.add(f"{self.name} = {code.take(items_of(path))} or ()")

    def ask(self, code: Code, report: Report) -> None:
        """Add what gathers the words that they say."""
        if not self.subject:
            return
        self.said, asked = code.variable(), compile_subject(self.subject, self.place, report)
        code.add(
            f"{self.said} = set()",
            f"for item in {self.name}:",
            *(f"    {line}" for line in code.anew(asked)),
            f"    found = {code.take(asked)}",
            f"    if type(found) is str: {self.said}.add(found)",
            "    elif found is not None and found is not MISSING:",
            f"        {self.said} = None",
            "        break",
        )

    def loop(self, code: Code, entry: _Entry) -> list[str]:
        """The lines that go through them for *entry*, if that may make anything of one."""
        words = frozenset(entry.words.get(self.subject, ()))
        lines = [
            f"most = len(made) + {MAX_ITEMS}",
            f"for item in {self.name}:",
            *(f"    {line}" for line in code.anew(entry.make)),
            f"    if (found := {code.take(entry.make)}) is not None:",
            "        made.append(found)",
            "        if len(made) > most: break",
        ]
        if not self.said or not words:
            return lines
        said = f"not {code.name(words)}.isdisjoint({self.said})"
        if len(words) == 1:
            said = f"{code.name(next(iter(words)))} in {self.said}"
        return [f"if {self.said} is None or {said}:", *(f"    {line}" for line in lines)]


def _run(entries: Sequence[_Entry], title: str, report: Report) -> Many:
    """One function for all *entries*."""
    code = Code()
    code.add("made, whole = [], item")
    groups: dict[str, _Items] = {}
    paths = {entry.each.text: entry.each for entry in entries if entry.each is not None}
    for name, path in paths.items():
        some = [one for one in entries if one.each is not None and one.each.text == name]
        groups[name] = _Items(code, path, some)
    for group in groups.values():
        group.ask(code, report)
    moved = bool(groups)  # away from what all of it is about
    for entry in entries:
        if entry.each is not None:
            code.add(*groups[entry.each.text].loop(code, entry))
            moved = True
            continue
        if moved:
            code.add("item = whole", *code.anew(*(one.make for one in entries)))
            moved = False
        code.add(f"if (found := {code.take(entry.make)}) is not None: made.append(found)")
    code.add("return made")
    many: Many = code.function(title)
    return many


def _only_if(present: Path | None, when: Condition, make: Make) -> Make:
    """*make*, but None where *present* leads nowhere, or *when* does not hold."""
    conditions = [] if present is None else [_leads_somewhere(present)]
    condition = all_of([*conditions, when])
    return make if condition is always else if_else(condition, make, _nothing)


def _leads_somewhere(path: Path) -> Condition:
    find = lookup(path)
    return inlined(
        lambda item, context: not isinstance(find(item, context), Missing),
        "($find is not MISSING)",
        {"find": find},
    )


@inline("None")
def _nothing(_item: JsonValue, _context: Context) -> None:
    return None


def _entries(
    node: Node | None,
    values: ValueCompiler,
    keys: Keys,
    make: Callable[[Reader], Make | None],
    title: str,
) -> Many:
    if node is None:
        return _none
    if not isinstance(node, Seq):
        values.report("E002", node.place, "expected a list")
        return _none
    found: list[_Entry] = []
    for item in node.items:
        if not isinstance(item, Map):
            values.report("E002", item.place, "expected a map")
            continue
        reader = Reader(item, values.report).only(*keys)
        made = make(reader)
        each, present, when = item.get("each"), item.get("if"), item.get("when")
        if made is not None:
            path = None if each is None else values.path(each)
            there = None if present is None else values.path(present)
            condition = always if when is None else compile_condition(when, values.report)
            make_it = _only_if(there, condition, made)
            found.append(_Entry(path, make_it, wanted_words(when), item.place))
    return _run(found, title, values.report)


def _none(_item: JsonValue, _context: Context) -> list[JsonValue]:
    return []


def compile_changes(node: Node | None, model: type[Model], values: ValueCompiler) -> Many:
    """Compile ``changes: [{field, if, each, when, from, to, added, removed}]`` for *model*."""
    return _entries(node, values, CHANGE, lambda reader: _change(reader, model, values), "changes")


def _change(reader: Reader, model: type[Model], values: ValueCompiler) -> Make | None:
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


def _native_change(field: Get, reader: Reader, values: ValueCompiler) -> Make:
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


def _dynamic(field: Node, reader: Reader, values: ValueCompiler) -> Make | None:
    """``field`` worked out from the payload: for vendor fields, so it must come to native.x."""
    get = values.typed(field, _TEXT)

    def native(item: JsonValue, context: Context) -> JsonValue:
        name = get(item, context)
        return name if isinstance(name, str) and name.startswith("native.") else None

    return _native_change(native, reader, values)


def _scalar_change(
    field: Get, spec: FieldSpec | None, reader: Reader, values: ValueCompiler
) -> Make:
    before, after = reader.node_of("from"), reader.node_of("to")
    for key in ("added", "removed"):
        if reader.node_of(key) is not None:
            reader.problem(key, f"{key}: is for list fields; this one has from: and to:")
    old = nothing if before is None else single(values.typed(before, spec))
    new = nothing if after is None else single(values.typed(after, spec))
    known = _known(before, values)

    def change(name: JsonValue, told: bool, was: JsonValue, now: JsonValue) -> Made:
        unchanged = told and was == now and isinstance(was, bool) is isinstance(now, bool)
        if name is None or unchanged:
            return None
        return {"field": name, "from": was, "to": now, "from_known": told}

    return inlined(
        lambda item, context: change(
            field(item, context), known(item, context), old(item, context), new(item, context)
        ),
        "$change($field, $known, $old, $new)",
        {"field": field, "known": known, "old": old, "new": new},
        {"change": change},
    )


# What reads one value, and so knows an old one where that value does.
_READERS = ("lookup", "date", "match", "split", "join", "integer", "scale", "count", "each")


def _known(before: Node | None, values: ValueCompiler) -> Condition:
    """Whether the source gave an old value: ``from`` is stated and, if a path, leads somewhere."""
    if before is None:
        return inlined(lambda _item, _context: False, "False")
    before = values.resolved(before)
    if isinstance(before, Scalar) and isinstance(before.value, str):
        path = values.path(before)
        if path is None:
            return always
        return _leads_somewhere(path)
    if not isinstance(before, Map):
        return always
    inner = next((before.items[kind] for kind in _READERS if kind in before.items), None)
    if inner is not None:
        return _known(inner, values)
    choices = before.get("coalesce")
    if isinstance(choices, Seq):
        return any_of([_known(choice, values) for choice in choices.items])
    if "if" in before.items:
        condition = compile_condition(before.items["if"], values.report)
        yes, no = _known(before.get("then"), values), _known(before.get("else"), values)
        return if_else(condition, yes, no)
    return always


def _list_change(field: Get, reader: Reader, values: ValueCompiler) -> Make:
    """``added`` and ``removed`` as stated, or as the difference of ``from`` and ``to``."""
    gets: Mapping[str, Get] = {
        key: nothing if (node := reader.node_of(key)) is None else values.texts(node)
        for key in ("added", "removed", "from", "to")
    }
    before = reader.node_of("from")
    stated = before is None and reader.node_of("to") is None
    known = always if stated else _known(before, values)
    get_all = tuple(gets.values())

    def change(name: JsonValue, told: bool, *found: JsonValue) -> Made:
        plus, minus, old, new = map(_as_list, found)
        added = plus + [value for value in new if value not in old]
        removed = minus + [value for value in old if value not in new] if told else []
        if name is None or (not added and not removed):
            return None
        return {"field": name, "added": added, "removed": removed, "from_known": told}

    return inlined(
        lambda item, context: change(
            field(item, context), known(item, context), *[get(item, context) for get in get_all]
        ),
        "$change($field, $known, $added, $removed, $from, $to)",
        {"field": field, "known": known, **gets},
        {"change": change},
    )


def _as_list(value: JsonValue) -> list[JsonValue]:
    """The texts in *value*; a single one where a list is wanted is a list of one."""
    items = value if isinstance(value, list) else [value]
    return [found for item in items if (found := text(item)) is not None]


def compile_references(node: Node | None, values: ValueCompiler) -> Many:
    """Compile ``references: [{type, key, url, relation, if, each, when}]``: stated links."""
    make: Callable[[Reader], Make | None] = partial(_reference, values=values)
    return _entries(node, values, REFERENCE, make, "references")


def _reference(reader: Reader, values: ValueCompiler) -> Make | None:
    fields = fields_of(Reference)
    type_ = _member(reader, "type", fields["type"], "url")
    relation = _member(reader, "relation", fields["relation"], "mentions")
    key, url = reader.node_of("key"), reader.node_of("url")
    if key is None:
        reader.report("E105", reader.place, "key: is missing")
        return None
    get_key = values.typed(key, _TEXT)
    get_url = nothing if url is None else values.typed(url, _TEXT)

    def reference(key: JsonValue, url: JsonValue) -> Made:
        return {
            "type": type_,
            "key": key,
            "urn": None,
            "url": url,
            "relation": relation,
            "method": "native",
            "found_in": [],
            "match": None,
            "confidence": 1,
            "verified": False,
        }

    def reference_of(item: JsonValue, context: Context) -> Made:
        found = get_key(item, context)
        return None if found is None else reference(found, get_url(item, context))

    return inlined(
        reference_of,
        "(None if ($v := $key) is None else $reference($v, $url))",
        {"key": get_key, "url": get_url},
        {"reference": reference},
    )


def _member(reader: Reader, key: str, spec: FieldSpec, default: str) -> str:
    found = reader.text(key)
    if found is not None and found not in spec.members:
        hint = f"allowed: {', '.join(sorted(spec.members))}"
        reader.report("E106", reader.at(key), f"{found!r} is no {key} of a reference", hint)
    return found or default
