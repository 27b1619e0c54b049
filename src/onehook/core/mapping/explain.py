"""Why an event is as it is: which rule made it, which line gave each field, what was missing."""

from collections.abc import Iterator
from dataclasses import dataclass

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.context import Context
from onehook.core.mapping.document import CompiledMapping, Group, Rule
from onehook.core.mapping.normalize import Emitted, Outcome
from onehook.core.mapping.objects import Plan
from onehook.core.mapping.problems import Place
from onehook.core.mapping.source import Map, Node, Scalar, Seq, plain
from onehook.core.model import Event

_LONGEST = 120  # characters of a value as it is shown


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one field of an event came from."""

    pointer: str
    value: JsonValue
    place: Place
    source: str  # the value as the mapping states it
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
    by_id = {rule.id: rule for rule in mapping.leaves()}
    traces: list[EventTrace] = []
    for event in outcome.events:
        rule = by_id[event.rule]
        origins = [*_origins(mapping, rule.data, dict(event.data), "/data")]
        if "actor" in rule.origins:
            actor = event.data["actor"]
            origins += _origins_of(mapping, rule.origins["actor"], actor, "/data/actor")
        traces.append(EventTrace(event, rule, tuple(origins)))
    return traces


def _origins(
    mapping: CompiledMapping, plan: Plan, data: dict[str, JsonValue], pointer: str
) -> Iterator[Origin]:
    for name, node in plan.origins.items():
        if name not in data:
            continue
        yield from _origins_of(mapping, node, data[name], f"{pointer}/{name}")


def _origins_of(
    mapping: CompiledMapping, node: Node, value: JsonValue, at: str
) -> Iterator[Origin]:
    below = None if value is None else _plan_of(mapping, node)
    if below is None:
        yield Origin(at, value, node.place, _shown(node), _note(value, node))
    elif isinstance(value, dict):
        yield from _origins(mapping, below, value, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from _origins(mapping, below, item, f"{at}/{index}")


def _plan_of(mapping: CompiledMapping, node: Node) -> Plan | None:
    """The plan that *node*, or a branch of it, was made into."""
    found = mapping.plans.get(id(node))
    if found is not None:
        return found
    branches: tuple[Node, ...] = ()
    if isinstance(node, Map):
        branches = tuple(
            v for k, v in node.items.items() if k in ("then", "else", "coalesce", "as")
        )
    elif isinstance(node, Seq):
        branches = node.items
    plans = (_plan_of(mapping, branch) for branch in branches)
    return next((plan for plan in plans if plan is not None), None)


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
