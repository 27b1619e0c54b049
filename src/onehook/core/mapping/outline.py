"""A mapping's rules as its file states them: what each tests and says, below the groups it is in.

The compiler turns conditions and values into functions; this keeps to the file's own words, for
pages that people read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onehook.core.mapping.document import CompiledMapping, Rule
from onehook.core.mapping.inheritance import INHERITED
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


def plans_of(mapping: CompiledMapping, node: Node) -> Iterator[Plan]:
    """The plans that *node* or its branches were made into; none if it gives no object."""
    found = mapping.plans.get(id(node))
    if found is not None:
        yield found
        return
    branches: tuple[Node, ...] = ()
    if isinstance(node, Map):
        branches = tuple(value for key, value in node.items.items() if key in BRANCHES)
    elif isinstance(node, Seq):
        branches = node.items
    for branch in branches:
        yield from plans_of(mapping, branch)
