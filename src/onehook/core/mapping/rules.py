"""The ``rules`` section: groups and rules, each with what it inherited."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onehook.core.mapping.changes import CHANGE, REFERENCE, compile_changes, compile_references
from onehook.core.mapping.code import generated
from onehook.core.mapping.coerce import Get, nothing
from onehook.core.mapping.conditions import (
    INDEXED,
    Condition,
    always,
    compile_condition,
    compile_subject,
    most_wanted,
    wanted_words,
)
from onehook.core.mapping.document import Branch, Foreach, Group, ModelType, Rule
from onehook.core.mapping.forms import (
    CONDITION,
    PATH,
    TEXT,
    Keys,
    defined,
    list_of,
    map_of,
    one_or_list,
    word_of,
)
from onehook.core.mapping.inheritance import inherit
from onehook.core.mapping.paths import Path
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.reach import Reach
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.values import ValueCompiler
from onehook.core.schema.base import FieldSpec, Kind
from onehook.core.schema.common import Actor
from onehook.core.schema.events import EVENT_TYPES

MAX_ITEMS = 1000
MAX_INDEX = 20_000  # entries of an index; the largest of the shipped mappings have some 300
FOREACH: Keys = {
    "in": one_or_list(PATH),
    "key": PATH,
    "max": {"type": "integer", "minimum": 1, "maximum": MAX_ITEMS},
}
RULE: Keys = {
    "id": TEXT,
    "when": CONDITION,
    "emit": word_of(EVENT_TYPES),
    "at": defined("at"),
    "actor": defined("actor"),
    "data": defined("data"),
    "references": list_of(map_of(REFERENCE, "key")),
    "changes": list_of(map_of(CHANGE, "field")),
    "foreach": map_of(FOREACH, "in", "key"),
    "rules": list_of(defined("rule")),
}
TIME = FieldSpec("at", Kind.TIMESTAMP, required=False)
ACTOR = FieldSpec("actor", Kind.MODEL, required=False, model=Actor)


@dataclass(frozen=True, slots=True)
class _Above:
    """What a rule has from the groups around it."""

    parts: Mapping[str, Node]  # what it inherits: emit, at, actor, data …
    reach: Reach  # what their conditions leave possible
    in_item: bool  # below a foreach


class RuleCompiler:
    """Compiles the rules of one file; every problem goes to *report*."""

    def __init__(self, report: Report, values: ValueCompiler) -> None:
        self.report, self.values = report, values
        self.ids: dict[str, Place] = {}

    def compile(self, nodes: tuple[Node, ...]) -> Branch:
        """The rules of the file."""
        return self._branches(nodes, _Above({}, Reach.everything(), in_item=False))

    def _branches(self, nodes: tuple[Node, ...], above: _Above) -> Branch:
        found = (self._rule(node, above) for node in nodes)
        return self._branch(nodes, tuple(rule for rule in found if rule is not None))

    def _branch(self, nodes: tuple[Node, ...], rules: tuple[Rule | Group, ...]) -> Branch:
        """Index *rules* by the subject that most of their conditions name."""
        if len(nodes) != len(rules) or len(rules) < INDEXED:
            return Branch(rules)
        wanted = [_wanted_words(node) for node in nodes]
        name = most_wanted(wanted)
        if not name:
            return Branch(rules)
        values = {value for words in wanted for value in words.get(name, ())}
        pairs = list(zip(rules, wanted, strict=True))
        others = tuple(r for r, words in pairs if name not in words)
        if len(values) * len(others) > MAX_INDEX:
            return Branch(rules)
        index: dict[str, list[Rule | Group]] = {value: [] for value in values}
        for node, (rule, words) in zip(nodes, pairs, strict=True):
            if name not in words:
                for value in values:
                    index[value].append(rule)
                continue
            found = replace(rule, condition=always) if _says_no_more(node, name) else rule
            for value in dict.fromkeys(words[name]):
                index[value].append(found)
        node = next(n for n, words in zip(nodes, wanted, strict=True) if name in words)
        subject = compile_subject(name, _place_of(name, node), self.report)
        by_value = {value: tuple(some) for value, some in index.items()}
        return Branch(rules, generated(subject, f"subject {name}"), by_value, others)

    def _rule(self, node: Node, above: _Above) -> Rule | Group | None:
        if not isinstance(node, Map):
            self.report("E002", node.place, "a rule is a map")
            return None
        reader = Reader(node, self.report).only(*RULE)
        name = self._id(reader)
        when = node.get("when")
        condition = always if when is None else compile_condition(when, self.report)
        reach = self._reach(when, above)
        condition = generated(condition, f"when of {name}")
        foreach = self._foreach(reader, inside=above.in_item)
        merged = inherit(above.parts, node)
        if "rules" not in node.items:
            return self._leaf(name, node, condition, foreach, merged)
        if foreach is not None:
            reach = reach.below_foreach()
        elif when is None:
            condition = generated(_implied(node, self.report), f"rules of {name}")
        below = _Above(merged, reach, in_item=above.in_item or foreach is not None)
        return Group(name, condition, foreach, self._branches(reader.items("rules"), below))

    def _reach(self, when: Node | None, above: _Above) -> Reach:
        reach, stuck = above.reach.narrowed(when, in_item=above.in_item)
        if stuck is not None and isinstance(when, Map):
            message = f"this can never match: {stuck} must be something else as well"
            hint = "compare it with the conditions of the groups around it"
            self.report("W207", when.keys[stuck], message, hint)
        return reach

    def _id(self, reader: Reader) -> str:
        name = reader.text("id", required=True) or ""
        if name in self.ids:
            message = f"the rule id {name!r} stands twice, first at line {self.ids[name].line + 1}"
            self.report("E001", reader.at("id"), message)
        self.ids[name] = reader.at("id")
        return name

    def _foreach(self, reader: Reader, *, inside: bool) -> Foreach | None:
        node = reader.map("foreach")
        if node is None:
            return None
        below = Reader(node, self.report, "E107").only(*FOREACH)
        if inside:
            below.problem("in", "a foreach inside another is not allowed")
        if "key" not in node.items:
            hint = "key: names what tells the items apart, e.g. key: $.id"
            self.report("E107", node.place, "foreach: needs a key", hint)
        limit = below.node_of("max")
        most = limit.value if isinstance(limit, Scalar) else MAX_ITEMS
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MAX_ITEMS:
            below.problem("max", f"max: is a number from 1 to {MAX_ITEMS}")
            most = MAX_ITEMS
        if "in" not in node.items:
            self.report("E107", node.place, "foreach: needs in:", "e.g. in: $.items[*]")
        key = below.node_of("key")
        found = [self.values.path(where) for where in below.items("in")]
        paths = tuple(path for path in found if path is not None)
        key_path = None if key is None else self.values.path(key)
        return None if not paths or key_path is None else Foreach(paths, key_path, most)

    def _leaf(
        self,
        name: str,
        node: Map,
        condition: Condition,
        foreach: Foreach | None,
        parts: Mapping[str, Node],
    ) -> Rule | None:
        emit = parts.get("emit")
        type_ = emit.value if isinstance(emit, Scalar) else None
        if emit is None or not isinstance(type_, str) or type_ not in EVENT_TYPES:
            at = emit or node
            hint = nearest(str(type_), EVENT_TYPES) if type_ else "emit: names the event type"
            self.report("E105", at.place, f"{type_!r} is no event type", hint)
            return None
        model = EVENT_TYPES[type_]
        data = parts.get("data")
        plan, source = self._data(data, model, node)
        if plan is None:
            return None
        at_node, actor = parts.get("at"), parts.get("actor")
        return Rule(
            name,
            node.place,
            condition,
            foreach,
            type_,
            model,
            self._value(at_node, TIME, name),
            self._value(actor, ACTOR, name),
            parts,
            plan,
            source,
            compile_changes(parts.get("changes"), model, self.values),
            compile_references(parts.get("references"), self.values),
        )

    def _value(self, node: Node | None, spec: FieldSpec, rule: str) -> Get:
        if node is None:
            return nothing
        return generated(self.values.typed(node, spec), f"{spec.name} of {rule}")

    def _data(
        self, node: Node | None, model: ModelType, rule: Map
    ) -> tuple[Plan | None, Path | None]:
        if not isinstance(node, Map):
            at = node or rule
            self.report("E105", at.place, f"data: must give a {model.__name__}")
            return None, None
        if "use" not in node.items:
            return self.values.objects.plan(node, model, top=True), None
        found = self.values.use(node, model, top=True)
        return (None, None) if found is None else found


def _implied(group: Map, report: Report) -> Condition:
    """What must hold for any rule of *group* to match: it spares asking each of them."""
    for name, words in _wanted_words(group).items():
        place = _place_of(name, group)
        values = tuple(Scalar(place, word, plain=True) for word in words)
        return compile_condition(Map(place, {name: Seq(place, values)}, {name: place}), report)
    return always


def _says_no_more(node: Node, name: str) -> bool:
    """Whether the condition of a rule or group holds where its subject *name* is as it wants."""
    when = node.get("when") if isinstance(node, Map) else None
    asks = when.items if isinstance(when, Map) else _wanted_words(node) if when is None else {}
    return next(iter(asks), "") == name and (when is None or len(asks) == 1)


def _place_of(name: str, node: Node) -> Place:
    """Where the subject *name*, one of the :func:`_wanted_words` of *node*, stands first."""
    when = node.get("when") if isinstance(node, Map) else None
    if isinstance(when, Map) and name in when.keys:
        return when.keys[name]
    rules = node.get("rules") if isinstance(node, Map) else None
    return _place_of(name, rules.items[0]) if isinstance(rules, Seq) else node.place


def _wanted_words(node: Node) -> dict[str, tuple[str, ...]]:
    """Of a rule's condition: each subject that must equal one of some words, and the words.

    Of a group also what all its rules want so, unless they look at other items than it does.
    """
    if not isinstance(node, Map):
        return {}
    found = wanted_words(node.get("when"))
    rules = node.get("rules")
    if isinstance(rules, Seq) and rules.items and "foreach" not in node.items:
        below = [_wanted_words(rule) for rule in rules.items]
        for name in below[0]:
            if name not in found and all(name in words for words in below):
                found[name] = tuple(dict.fromkeys(w for words in below for w in words[name]))
    return found
