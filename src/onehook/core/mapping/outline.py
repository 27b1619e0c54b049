"""A mapping's rules as its file states them: what each tests and says, below the groups it is in.

The compiler turns conditions and values into functions; this keeps to the file's own words, for
pages that people read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onehook.core.mapping.document import CompiledMapping, Rule
from onehook.core.mapping.inheritance import INHERITED
from onehook.core.mapping.lets import PREFIX, names_in
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.source import Map, Node, Scalar, Seq

BRANCHES = ("then", "else", "coalesce", "as", "concat")  # keys below which other values stand


@dataclass(frozen=True, slots=True)
class Stated:
    """A rule, or a group of them, as it stands in the file."""

    when: Node | None
    foreach: Map | None
    own: Mapping[str, Node]  # emit, at, actor, references, changes: what it says itself
    parts: Mapping[str, Node]  # the same, with what its groups say where it is silent
    rule: Rule | None  # None: a group
    below: tuple["Stated", ...]


def outline(mapping: CompiledMapping) -> tuple[Stated, ...]:
    """The rules of *mapping*, in the file's order."""
    compiled = {rule.id: rule for rule in mapping.leaves()}
    return tuple(_stated(mapping.document.get("rules"), compiled, {}))


def _stated(
    rules: Node | None, compiled: Mapping[str, Rule], parts: Mapping[str, Node]
) -> Iterator[Stated]:
    for node in rules.items if isinstance(rules, Seq) else ():
        if not isinstance(node, Map):
            continue
        foreach, name = node.get("foreach"), node.get("id")
        own = {key: node.items[key] for key in INHERITED if key in node.items}
        merged = {**parts, **own}
        yield Stated(
            node.get("when"),
            foreach if isinstance(foreach, Map) else None,
            own,
            merged,
            compiled.get(str(name.value)) if isinstance(name, Scalar) else None,
            tuple(_stated(node.get("rules"), compiled, merged)),
        )


def leaves(stated: tuple[Stated, ...]) -> Iterator[tuple[Rule, Stated]]:
    """Those of *stated*, and below, that emit."""
    for one in stated:
        if one.rule is not None:
            yield one.rule, one
        yield from leaves(one.below)


def named_values(mapping: CompiledMapping) -> Mapping[str, Node]:
    """What ``let`` has names for."""
    section = mapping.document.get("let")
    return section.items if isinstance(section, Map) else {}


def named_in_conditions(mapping: CompiledMapping) -> dict[str, Node]:
    """What rules and ignores ask for by name, and what that is made of; in the file's order."""
    named, document = named_values(mapping), mapping.document
    asked: set[str] = set()
    waiting = [n for key in ("rules", "ignore") for n in _asked(document.get(key))]
    while waiting:
        name = waiting.pop()
        if name not in asked:
            asked.add(name)
            waiting += names_in(named[name])
    return {name: node for name, node in named.items() if name in asked}


def _asked(node: Node | None) -> Iterator[str]:
    """The names that conditions in *node* begin with."""
    if isinstance(node, Seq):
        for item in node.items:
            yield from _asked(item)
    elif isinstance(node, Map):
        for key, below in node.items.items():
            if key.startswith(PREFIX):
                yield key.removeprefix(PREFIX)
            yield from _asked(below)


def written_out(mapping: CompiledMapping, node: Node) -> Node:
    """*node*, or the value that it names by ``let``."""
    named = named_values(mapping)
    while isinstance(node, Map) and isinstance(name := node.get("let"), Scalar):
        node = named[str(name.value)]
    return node


def plans_of(mapping: CompiledMapping, node: Node) -> Iterator[Plan]:
    """The plans that *node* or its branches were made into; none if it gives no object."""
    value = written_out(mapping, node)
    found = mapping.plans.get(id(node)) or mapping.plans.get(id(value))
    if found is not None:
        yield found
        return
    branches: tuple[Node, ...] = ()
    if isinstance(value, Map):
        branches = tuple(below for key, below in value.items.items() if key in BRANCHES)
    elif isinstance(value, Seq):
        branches = value.items
    for branch in branches:
        yield from plans_of(mapping, branch)
