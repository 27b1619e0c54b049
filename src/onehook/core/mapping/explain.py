"""Why an event is as it is: which rule made it, which line gave each field, what was missing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onehook.core import identity
from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.context import Context, FindReferences
from onehook.core.mapping.document import CompiledMapping, Group, Rule
from onehook.core.mapping.natives import Native, Root, follow, native_of, object_of, roots_of
from onehook.core.mapping.normalize import (
    Emitted,
    Identity,
    Outcome,
    Quarantined,
    dedupe_parts,
    make_context,
    normalize,
)
from onehook.core.mapping.outline import leaves, outline, plans_of
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.problems import Place
from onehook.core.mapping.source import Map, Node, Scalar, plain
from onehook.core.model import Event, IntegrationInfo, Webhook

_LONGEST = 120  # characters of a value as it is shown


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one field of an event came from."""

    pointer: str
    value: JsonValue
    place: Place
    source: str  # the value as the mapping states it
    native: Native  # where it looks for it
    note: str = ""


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """Whether the condition of a rule held."""

    id: str
    place: Place | None
    emits: str | None
    matched: bool


@dataclass(frozen=True, slots=True)
class EventTrace:
    """One event and the origin of its fields."""

    event: Event
    rule: Rule
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a mapping makes of one webhook, and why.

    *missing* is where the mapping states the field that is required and came out null.
    """

    outcome: Outcome
    rules: tuple[RuleTrace, ...] = ()
    events: tuple[EventTrace, ...] = ()
    missing: Place | None = None


def explain(
    mapping: CompiledMapping,
    webhook: Webhook,
    integration: IntegrationInfo,
    max_bytes: int,
    references: FindReferences | None = None,
    before_each: Callable[[], None] | None = None,
) -> Explanation:
    """Normalize *webhook* as the gateway would, and say why it came out so.

    *before_each* is called for each event that is made, and may raise to stop.

    Raises:
        InvalidRequestError: its encoding or size is not taken.
    """
    try:
        body = parse_body(webhook, max_bytes, mapping.read)
    except BodyError as error:
        return Explanation(Quarantined(error.reason, error.detail))
    context = make_context(mapping, webhook, integration, body)
    context.references, context.before_each = references, before_each
    rules = tuple(trace_rules(mapping, context))
    digest = identity.digest(webhook.body)
    known = Identity(dedupe_parts(mapping, digest, context), digest)
    outcome = normalize(mapping, webhook, integration, context, known)
    missing = _missing(mapping, rules, outcome) if isinstance(outcome, Quarantined) else None
    return Explanation(outcome, rules, tuple(trace_events(mapping, outcome)), missing)


def _missing(
    mapping: CompiledMapping, rules: Sequence[RuleTrace], outcome: Quarantined
) -> Place | None:
    """Where the first rule that matched states the field that was missing."""
    matched = {trace.id for trace in rules if trace.matched}
    names = [n for n in (outcome.pointer or "").split("/")[2:] if not n.isdigit()]
    for rule in mapping.leaves():
        if rule.id in matched and names:
            plan: Plan | None = rule.data
            node: Node | None = None
            for name in names:
                node = None if plan is None else plan.origins.get(name)
                plan = None if node is None else next(plans_of(mapping, node), None)
            return rule.place if node is None else node.place
    return None


def trace_rules(mapping: CompiledMapping, context: Context) -> list[RuleTrace]:
    """Every rule that was asked about the webhook, in order; below a group only if it matched."""
    return list(_rules(mapping.branch.rules, context.body, context))


def _rules(
    rules: tuple[Rule | Group, ...], item: JsonValue, context: Context
) -> Iterator[RuleTrace]:
    for rule in rules:
        matched = rule.condition(item, context)
        if isinstance(rule, Rule):
            yield RuleTrace(rule.id, rule.place, rule.emit, matched)
            continue
        yield RuleTrace(rule.id, None, None, matched)
        if not matched:
            continue
        if rule.foreach is None:
            yield from _rules(rule.branch.rules, item, context)
            continue
        for below in rule.foreach.items(item, context)[:5]:
            yield from _rules(rule.branch.rules, below, context)


def trace_events(mapping: CompiledMapping, outcome: Outcome) -> list[EventTrace]:
    """The origin of every field of the events in *outcome*."""
    if not isinstance(outcome, Emitted):
        return []
    by_id = {rule.id: (rule, stated.parts) for rule, stated in leaves(outline(mapping))}
    roots = roots_of(mapping)
    traces: list[EventTrace] = []
    for event in outcome.events:
        rule, parts = by_id[event.rule]
        root = roots[event.rule]
        inner = follow(rule.source, root)
        own = _origins(mapping, rule.data, dict(event.data), "/data", inner)
        traces.append(EventTrace(event, rule, (*_of_rule(mapping, parts, event, root), *own)))
    return traces


def _of_rule(
    mapping: CompiledMapping, parts: Mapping[str, Node], event: Event, root: Root
) -> Iterator[Origin]:
    """What the rule states beside the data, or its groups do: time, actor and changes."""
    at, actor, changes = (parts.get(name) for name in ("at", "actor", "changes"))
    if at is not None:
        occurred = event.envelope["timestamp_basis"] == "occurred"
        note = "" if occurred else "nothing there in this webhook: when it was received"
        native = native_of(mapping, at, root)
        yield Origin("/timestamp", event.envelope["timestamp"], at.place, _shown(at), native, note)
    if actor is not None:
        yield from _values(mapping, actor, event.data["actor"], "/data/actor", root)
    if changes is not None:
        native = native_of(mapping, changes, root)
        found = event.data["changes"]
        yield Origin("/data/changes", found, changes.place, _shown(changes), native)


def _origins(
    mapping: CompiledMapping, plan: Plan, data: dict[str, JsonValue], pointer: str, root: Root
) -> Iterator[Origin]:
    for name, node in plan.origins.items():
        if name in data:
            yield from _values(mapping, node, data[name], f"{pointer}/{name}", root)


def _values(
    mapping: CompiledMapping, node: Node, value: JsonValue, at: str, root: Root
) -> Iterator[Origin]:
    """The origin of *value*, which *node* states; of an object, of each of its fields."""
    below = None if value is None else object_of(mapping, node, root)
    if below is None:
        native = native_of(mapping, node, root)
        yield Origin(at, value, node.place, _shown(node), native, _note(value, node))
        return
    plan, inner = below
    if isinstance(value, dict):
        yield from _origins(mapping, plan, value, at, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from _origins(mapping, plan, item, f"{at}/{index}", inner)


def _shown(node: Node) -> str:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    text = encode(plain(node)).decode()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _note(value: JsonValue, node: Node) -> str:
    if value is None:
        return "nothing there in this webhook"
    if value == "unknown" and isinstance(node, Map) and "lookup" in node.items:
        return "no row of the table names this value"
    return ""
