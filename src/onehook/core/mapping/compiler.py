"""A mapping file to a :class:`CompiledMapping`, or every problem in it at once.

Source: `schema.md` §6, which names the keys and the codes E001 to E108.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from onehook.core.durations import parse_duration
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.changes import Many, compile_changes, compile_references
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.conditions import (
    Condition,
    Subject,
    always,
    compile_condition,
    compile_subject,
)
from onehook.core.mapping.context import Context
from onehook.core.mapping.objects import Plan
from onehook.core.mapping.paths import Path
from onehook.core.mapping.problems import MappingError, Place, Problem, Source, nearest
from onehook.core.mapping.proofs import (
    Handshake,
    VerifySection,
    compile_handshakes,
    compile_verify,
)
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq, merge, parse, plain
from onehook.core.mapping.values import Table, ValueCompiler, nothing
from onehook.core.schema.base import FieldSpec, Kind, Model
from onehook.core.schema.common import Actor
from onehook.core.schema.events import EVENT_TYPES

FORMAT = "mapping/v1"
MAX_ITEMS = 1000
INDEXED = 4  # siblings that name one subject, from which on an index is worth it
ModelType = type[Model]
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOP = (
    "onehook", "platform", "version", "setup", "settings", "extends", "disable", "verify",
    "handshake", "answer_within", "reply", "dedupe", "event_name", "host", "urn_case", "tables",
    "shapes", "rules", "ignore", "tests",
)  # fmt: skip
_RULE = (
    "id", "when", "emit", "at", "actor", "data", "references", "changes", "foreach", "rules",
)  # fmt: skip
INHERITED = ("emit", "at", "actor", "references", "changes")
_TIME = FieldSpec("at", Kind.TIMESTAMP, required=False)
_ACTOR = FieldSpec("actor", Kind.MODEL, required=False, model=Actor)
_TEXT = FieldSpec("text", Kind.TEXT, required=False)


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """What an integration of a platform is asked for."""

    name: str
    secret: bool
    required: bool
    default: str | None
    help: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreach:
    """One event for each item that *path* finds; *key* tells them apart for ever."""

    path: Path
    key: Path
    max: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that emits one type."""

    id: str
    place: Place
    condition: Condition
    foreach: Foreach | None
    emit: str
    model: ModelType
    at: Get
    actor: Get
    data: Plan
    source: Path | None  # ``with:`` of the data
    changes: Many
    references: Many


@dataclass(frozen=True, slots=True)
class Branch:
    """Sibling rules, in order; *index* names those that can match, by the value of *subject*.

    Most siblings differ in one thing, the vendor's event or action: looking that up once spares
    asking each rule in turn.
    """

    rules: tuple["Rule | Group", ...]
    subject: Subject | None = None
    index: Mapping[str, tuple["Rule | Group", ...]] | None = None
    others: tuple["Rule | Group", ...] = ()  # for a value that the index does not hold

    def candidates(self, item: JsonValue, context: Context) -> tuple["Rule | Group", ...]:
        """The rules that may match *item*, in order."""
        if self.subject is None or self.index is None:
            return self.rules
        value = self.subject(item, context)
        return self.index.get(value, self.others) if isinstance(value, str) else self.rules


@dataclass(frozen=True, slots=True)
class Group:
    """Rules under one condition."""

    id: str
    condition: Condition
    foreach: Foreach | None
    branch: Branch


@dataclass(frozen=True, slots=True)
class Dedupe:
    """What makes a webhook the same as another."""

    key: tuple[Get, ...]
    repeatable: tuple[Condition, ...]  # webhooks whose bytes may rightly come again


@dataclass(frozen=True, slots=True)
class Reply:
    """How a sender wants to be answered: the status of 202s, and a field for errors' details."""

    accepted: int = 202
    error_field: str | None = None


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """One platform, ready to normalize."""

    platform: str
    version: str
    source: Source
    settings: Mapping[str, SettingSpec]
    verify: VerifySection
    handshakes: tuple[Handshake, ...]
    answer_within: timedelta
    reply: Reply
    dedupe: Dedupe
    event_name: Get
    host: Get
    fold: str
    branch: Branch
    ignores: tuple[tuple[Condition, str], ...]
    tests: tuple[Map, ...]
    tables: Mapping[str, Table]
    plans: Mapping[int, Plan]  # by the id() of the node that each was made from
    warnings: tuple[Problem, ...]
    document: Map  # the file as it was read, laid over the one that it extends
    setup: tuple[str, ...] = ()  # what to do at the vendor's side, a step each

    def leaves(self) -> Iterator[Rule]:
        """Every rule that emits, in order."""

        def below(rules: tuple[Rule | Group, ...]) -> Iterator[Rule]:
            for rule in rules:
                if isinstance(rule, Rule):
                    yield rule
                else:
                    yield from below(rule.branch.rules)

        return below(self.branch.rules)


def compile_mapping(
    source: Source, parent_of: Callable[[str], Source | None] = lambda _name: None
) -> CompiledMapping:
    """Compile the mapping in *source*; *parent_of* finds the file that ``extends`` names.

    Raises:
        MappingError: with every problem in the file.
    """
    top = parse(source)
    report = Report()
    top = _extended(top, parent_of, report)
    mapping = _Document(top, source, report).compile()
    errors = [problem for problem in report.problems if not problem.is_warning]
    if errors:
        raise MappingError(errors)
    return mapping


def _extended(top: Map, parent_of: Callable[[str], Source | None], report: Report) -> Map:
    """*top* laid over the mapping it extends: maps by key, rules by id, lists replace."""
    name = top.get("extends")
    if name is None:
        if "disable" in top.items:
            report("E104", top.keys["disable"], "disable: removes rules of the mapping it extends")
        return top
    parent = parent_of(str(name.value)) if isinstance(name, Scalar) else None
    if parent is None or parent == top.place.source:
        shown = plain(name)
        report("E104", name.place, f"there is no mapping {shown!r} to extend")
        return top
    under = parse(parent)
    if "extends" in under.items:
        report("E104", name.place, "one level only: that mapping extends another itself")
    merged = dict(under.items)
    for key, value in top.items.items():
        before = merged.get(key)
        if key == "rules" and isinstance(before, Seq) and isinstance(value, Seq):
            merged[key] = _merge_rules(before, value)
        elif key in ("tables", "shapes", "settings") and isinstance(before, Map):
            merged[key] = _merge_deep(before, value)
        elif key == "tests":
            merged[key] = value
        else:
            merged[key] = value if before is None else merge(before, value)
    if "tests" not in top.items:
        merged.pop("tests", None)  # the parent's tests hold for the parent
    result = Map(top.place, merged, {**under.keys, **top.keys})
    return _disabled(result, report)


def _merge_deep(under: Map, over: Node) -> Node:
    if not isinstance(over, Map):
        return over
    items = dict(under.items)
    for key, value in over.items.items():
        items[key] = merge(items[key], value) if key in items else value
    return Map(over.place, items, {**under.keys, **over.keys})


def _rule_id(node: Node) -> str | None:
    found = node.get("id") if isinstance(node, Map) else None
    return str(found.value) if isinstance(found, Scalar) else None


def _merge_rules(under: Seq, over: Seq) -> Seq:
    items: list[Node] = list(under.items)
    ids = [_rule_id(item) for item in items]
    for rule in over.items:
        name = _rule_id(rule)
        if name is not None and name in ids:
            items[ids.index(name)] = merge(items[ids.index(name)], rule)
        else:
            items.append(rule)
    return Seq(over.place, tuple(items))


def _disabled(top: Map, report: Report) -> Map:
    names = top.get("disable")
    rules = top.get("rules")
    if names is not None and not isinstance(names, Seq):
        report("E002", names.place, "disable: is a list of rule ids")
    if not isinstance(names, Seq) or not isinstance(rules, Seq):
        return top
    known = set(_all_ids(rules))
    unwanted: set[str] = set()
    for name in names.items:
        text = str(name.value) if isinstance(name, Scalar) else ""
        if text not in known:
            report("E104", name.place, f"there is no rule {text!r}", nearest(text, known))
        unwanted.add(text)
    return Map(top.place, {**top.items, "rules": _without(rules, unwanted)}, top.keys)


def _all_ids(rules: Seq) -> Iterator[str]:
    for rule in rules.items:
        name = _rule_id(rule)
        if name is not None:
            yield name
        below = rule.get("rules") if isinstance(rule, Map) else None
        if isinstance(below, Seq):
            yield from _all_ids(below)


def _without(rules: Seq, unwanted: set[str]) -> Seq:
    kept: list[Node] = []
    for rule in rules.items:
        if _rule_id(rule) in unwanted:
            continue
        below = rule.get("rules") if isinstance(rule, Map) else None
        if isinstance(rule, Map) and isinstance(below, Seq):
            items = {**rule.items, "rules": _without(below, unwanted)}
            kept.append(Map(rule.place, items, rule.keys))
        else:
            kept.append(rule)
    return Seq(rules.place, tuple(kept))


class _Document:
    """Compiles the sections of one file."""

    def __init__(self, top: Map, source: Source, report: Report) -> None:
        self.top, self.source, self.report = top, source, report
        self.reader = Reader(top, report).only(*_TOP)
        self.settings = self._settings()
        if "settings" in top.items:
            report.settings = tuple(self.settings)
        self.values = ValueCompiler(report, self._tables(), self._shapes())
        self.ids: dict[str, Place] = {}

    def compile(self) -> CompiledMapping:
        reader, top = self.reader, self.top
        if reader.text("onehook") != FORMAT:
            message = f"onehook: {FORMAT} is missing, or another version"
            self.report("E003", reader.at("onehook"), message, f"this release reads {FORMAT}")
        platform = reader.text("platform", required=True) or ""
        if not _SLUG.fullmatch(platform):
            reader.problem("platform", "platform: is a slug: lower-case letters, digits and '-'")
        rules = self._rules(reader.items("rules"), {}, always_item=False)
        for node in reader.items("tests"):
            if not isinstance(node, Map):
                self.report("E002", node.place, "a test is a map with name: and expect:")
        tests = tuple(node for node in reader.items("tests") if isinstance(node, Map))
        compiled = CompiledMapping(
            platform,
            reader.text("version", required=True) or "",
            self.source,
            self.settings,
            compile_verify(top.get("verify"), self.report, top),
            compile_handshakes(top.get("handshake"), self.report),
            self._answer_within(),
            self._reply(),
            self._dedupe(),
            self._value("event_name"),
            self._value("host"),
            reader.one_of("urn_case", ("keep", "lower", "upper"), "keep"),
            self._branch(reader.items("rules"), rules),
            self._ignores(),
            tests,
            self.values.tables,
            self.values.plans,
            (),
            top,
            self._setup(),
        )
        if self.report.settings is None:  # declared by their use, none required but the secret
            for name in dict.fromkeys(self.report.used_settings):
                secret = name == "secret"
                self.settings[name] = SettingSpec(name, secret, secret, None, "", ())
        for name, shape in self.values.shapes.items():
            if name not in self.values.objects.used:
                self.report("W205", shape.place, f"no rule uses the shape {name!r}")
        warnings = tuple(p for p in self.report.problems if p.is_warning)
        return replace(compiled, warnings=warnings)

    def _settings(self) -> dict[str, SettingSpec]:
        node = self.reader.map("settings")
        found: dict[str, SettingSpec] = {}
        for name, below in (node.items if node else {}).items():
            if not isinstance(below, Map):
                self.report(
                    "E002", below.place, "a setting is a map of secret, required, default, help"
                )
                continue
            reader = Reader(below, self.report)
            reader.only("secret", "required", "default", "help", "choices")
            found[name] = SettingSpec(
                name,
                reader.flag("secret", default=False),
                reader.flag("required", default=False),
                reader.text("default"),
                reader.text("help") or "",
                tuple(str(n.value) for n in reader.items("choices") if isinstance(n, Scalar)),
            )
        return found

    def _setup(self) -> tuple[str, ...]:
        steps: list[str] = []
        for node in self.reader.items("setup"):
            if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
                steps.append(node.value)
            else:
                self.report("E002", node.place, "setup: is a list of steps, each a text")
        return tuple(steps)

    def _tables(self) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        node = self.reader.map("tables")
        for name, below in (node.items if node else {}).items():
            if not isinstance(below, Map):
                self.report("E002", below.place, "a table is a map of source values to ours")
                continue
            rows = {k: v.value for k, v in below.items.items() if isinstance(v, Scalar)}
            for key, value in below.items.items():
                if not isinstance(value, Scalar):
                    self.report("E002", value.place, f"table row {key!r} is no scalar")
            tables[name] = Table(name, rows, below)
        return tables

    def _shapes(self) -> dict[str, Map]:
        shapes: dict[str, Map] = {}
        node = self.reader.map("shapes")
        for name, below in (node.items if node else {}).items():
            if isinstance(below, Map):
                shapes[name] = below
            else:
                self.report("E002", below.place, "a shape is a map of fields")
        return shapes

    def _value(self, key: str) -> Get:
        node = self.top.get(key)
        return nothing if node is None else self.values.typed(node, _TEXT)

    def _answer_within(self) -> timedelta:
        text = self.reader.text("answer_within")
        found = parse_duration(text or "8s")
        if found is None or not timedelta(milliseconds=500) <= found <= timedelta(seconds=60):
            self.reader.problem("answer_within", "answer_within: is a duration up to 60s, e.g. 8s")
            return timedelta(seconds=8)
        return found

    def _reply(self) -> Reply:
        node = self.reader.map("reply")
        if node is None:
            return Reply()
        reader = Reader(node, self.report).only("accepted", "error_field")
        given = reader.node_of("accepted")
        accepted = given.value if isinstance(given, Scalar) else 202
        if isinstance(accepted, bool) or accepted not in (200, 201, 202, 204):
            reader.problem("accepted", "accepted: is 200, 201, 202 or 204")
            accepted = 202
        return Reply(int(accepted or 202), reader.text("error_field"))

    def _dedupe(self) -> Dedupe:
        node = self.reader.map("dedupe")
        if node is None:
            return Dedupe((), ())
        reader = Reader(node, self.report).only("key", "repeatable")
        return Dedupe(
            tuple(self.values.typed(part, _TEXT) for part in reader.items("key")),
            tuple(compile_condition(n, self.report) for n in reader.items("repeatable")),
        )

    def _ignores(self) -> tuple[tuple[Condition, str], ...]:
        found: list[tuple[Condition, str]] = []
        for node in self.reader.items("ignore"):
            if not isinstance(node, Map):
                self.report("E002", node.place, "ignore: holds {when, reason}")
                continue
            reader = Reader(node, self.report).only("when", "reason")
            when = node.get("when")
            condition = always if when is None else compile_condition(when, self.report)
            found.append((condition, reader.text("reason", required=True) or ""))
        return tuple(found)

    # -- rules -------------------------------------------------------------------------------

    def _rules(
        self, nodes: tuple[Node, ...], inherited: Mapping[str, Node], *, always_item: bool
    ) -> tuple[Rule | Group, ...]:
        found = (self._rule(node, inherited, inside=always_item) for node in nodes)
        return tuple(rule for rule in found if rule is not None)

    def _branch(self, nodes: tuple[Node, ...], rules: tuple[Rule | Group, ...]) -> Branch:
        """Index *rules* by the subject that most of their conditions name."""
        if len(nodes) != len(rules) or len(rules) < INDEXED:
            return Branch(rules)
        wanted = [_wanted_words(node) for node in nodes]
        names = Counter(name for words in wanted for name in words)
        name, count = names.most_common(1)[0] if names else ("", 0)
        if count < INDEXED:
            return Branch(rules)
        values = {value for words in wanted for value in words.get(name, ())}
        pairs = list(zip(rules, wanted, strict=True))
        index = {
            value: tuple(r for r, words in pairs if value in words.get(name, (value,)))
            for value in values
        }
        others = tuple(r for r, words in pairs if name not in words)
        node = next(n for n, words in zip(nodes, wanted, strict=True) if name in words)
        when = node.get("when") if isinstance(node, Map) else None
        if not isinstance(when, Map):
            return Branch(rules)
        return Branch(rules, compile_subject(name, when, self.report), index, others)

    def _rule(
        self, node: Node, inherited: Mapping[str, Node], *, inside: bool
    ) -> Rule | Group | None:
        if not isinstance(node, Map):
            self.report("E002", node.place, "a rule is a map")
            return None
        reader = Reader(node, self.report).only(*_RULE)
        name = self._id(reader)
        when = node.get("when")
        condition = always if when is None else compile_condition(when, self.report)
        foreach = self._foreach(reader, inside=inside)
        own = {key: node.items[key] for key in INHERITED if key in node.items}
        merged = {**inherited, **own}
        if "data" in node.items:
            merged["data"] = _merge_data(inherited.get("data"), node.items["data"])
        if "rules" in node.items:
            inner = inside or foreach is not None
            rules = self._rules(reader.items("rules"), merged, always_item=inner)
            return Group(name, condition, foreach, self._branch(reader.items("rules"), rules))
        return self._leaf(name, node, condition, foreach, merged)

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
        below = Reader(node, self.report, "E107").only("in", "key", "max")
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
        where, key = below.node_of("in"), below.node_of("key")
        path = None if where is None else self.values.path(where)
        key_path = None if key is None else self.values.path(key)
        return None if path is None or key_path is None else Foreach(path, key_path, most)

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
            nothing if at_node is None else self.values.typed(at_node, _TIME),
            nothing if actor is None else self.values.typed(actor, _ACTOR),
            plan,
            source,
            compile_changes(parts.get("changes"), model, self.values),
            compile_references(parts.get("references"), self.values),
        )

    def _data(
        self, node: Node | None, model: type[Model], rule: Map
    ) -> tuple[Plan | None, Path | None]:
        if not isinstance(node, Map):
            at = node or rule
            self.report("E105", at.place, f"data: must give a {model.__name__}")
            return None, None
        if "use" not in node.items:
            return self.values.objects.plan(node, model, top=True), None
        found = self.values.use(node, model, top=True)
        return (None, None) if found is None else found


def _wanted_words(node: Node) -> dict[str, tuple[str, ...]]:
    """Of a rule's condition: each subject that must equal one of some words, and the words."""
    when = node.get("when") if isinstance(node, Map) else None
    found: dict[str, tuple[str, ...]] = {}
    for name, test in (when.items if isinstance(when, Map) else {}).items():
        tests = test.items if isinstance(test, Seq) else (test,)
        words = [t.value for t in tests if isinstance(t, Scalar) and isinstance(t.value, str)]
        if words and len(words) == len(tests) and name not in ("any", "not"):
            found[name] = tuple(words)
    return found


def _merge_data(under: Node | None, over: Node) -> Node:
    """A child's data over its group's: field by field, unless it names a shape of its own."""
    if not isinstance(under, Map) or not isinstance(over, Map) or "use" in over.items:
        return over
    merged = merge(under, over)
    before, after = under.get("set"), over.get("set")
    if isinstance(merged, Map) and before is not None and after is not None:
        return Map(merged.place, {**merged.items, "set": merge(before, after)}, merged.keys)
    return merged
