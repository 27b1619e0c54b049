"""From which places of the native webhook a value of an event can come.

What is found is what the mapping states, so it may name more places than were used: all that a
``coalesce`` would have tried.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onehook.core.mapping.document import CompiledMapping, Foreach, Group, Rule
from onehook.core.mapping.outline import BRANCHES, named_values, written_out
from onehook.core.mapping.paths import Name, Path, PathError, Step, is_path, steps_of
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.reads import Reads, read_by
from onehook.core.mapping.source import Map, Node, Scalar, Seq

MAX_PLACES = 20  # named of one value
Root = tuple[str | int, ...]  # names, and 0 for any item of a list


@dataclass(frozen=True, slots=True)
class Native:
    """JSON pointers into the body, ``*`` for any item of a list, and names of headers."""

    pointers: tuple[str, ...]
    headers: tuple[str, ...]


def native_of(mapping: CompiledMapping, node: Node, root: Root) -> Native:
    """Where *node* looks, if its relative paths start at *root*."""
    section = mapping.document.get("shapes")
    shapes = section.items if isinstance(section, Map) else {}
    body = Reads()
    maps = {name: shape for name, shape in shapes.items() if isinstance(shape, Map)}
    read_by(node, body, body.follow(root), maps, named_values(mapping))
    pointers = dict.fromkeys(_pointers(body, ""))
    headers = dict.fromkeys(_headers(written_out(mapping, node)))
    return Native(tuple(pointers)[:MAX_PLACES], tuple(headers)[:MAX_PLACES])


def _pointers(reads: Reads, at: str) -> Iterator[str]:
    if reads.whole:
        yield at
        return
    for name, below in reads.names.items():
        yield from _pointers(below, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    if reads.items is not None:
        yield from _pointers(reads.items, f"{at}/*")


def _headers(node: Node) -> Iterator[str]:
    match node:
        case Map(items=items):
            name = items.get("header")
            if isinstance(name, Scalar) and isinstance(name.value, str):
                yield name.value
            for below in items.values():
                yield from _headers(below)
        case Seq(items=items):
            for below in items:
                yield from _headers(below)
        case _:
            pass


def roots_of(mapping: CompiledMapping) -> Mapping[str, Root]:
    """Where the paths of each rule start, by its id: at the body, or at an item of it."""
    return dict(_roots(mapping.branch.rules, ()))


def _roots(rules: tuple[Rule | Group, ...], root: Root) -> Iterator[tuple[str, Root]]:
    for rule in rules:
        at = root if rule.foreach is None else _items(rule.foreach, root)
        if isinstance(rule, Rule):
            yield rule.id, at
        else:
            yield from _roots(rule.branch.rules, at)


def _items(foreach: Foreach, root: Root) -> Root:
    found = follow(foreach.paths[0], root)
    return found if found and found[-1] == 0 else (*found, 0)


def follow(path: Path | None, root: Root) -> Root:
    """Where *path* leads from *root*."""
    return root if path is None else _follow(path.text, root)


def _follow(text: str, root: Root) -> Root:
    try:
        absolute, steps = steps_of(text)
    except PathError:
        return root  # the file is refused
    return (() if absolute else root) + tuple(map(_step, steps))


def _step(step: Step) -> str | int:
    return step.name if isinstance(step, Name) else 0


def object_of(mapping: CompiledMapping, node: Node, root: Root) -> tuple[Plan, Root] | None:
    """The plan of the object that *node* gives, and where the paths in it start; None: no object.

    Of several branches it is the first, as :func:`~onehook.core.mapping.outline.plans_of` has it.
    """
    value = written_out(mapping, node)
    found = mapping.plans.get(id(node)) or mapping.plans.get(id(value))
    if found is not None:
        return found, _inner(value, root)
    branches: tuple[Node, ...] = ()
    if isinstance(value, Map):
        branches = tuple(below for key, below in value.items.items() if key in BRANCHES)
        root = _inner(value, root)
    elif isinstance(value, Seq):
        branches = value.items
    return next(
        (one for branch in branches if (one := object_of(mapping, branch, root)) is not None), None
    )


def _inner(value: Node, root: Root) -> Root:
    """Where the paths below *value* start: what it takes its fields ``with``, or from ``each``."""
    if not isinstance(value, Map):
        return root
    for key in ("with", "each"):
        given = value.get(key)
        first = given.items[0] if isinstance(given, Seq) and given.items else given
        if isinstance(first, Scalar) and isinstance(first.value, str) and is_path(first.value):
            found = _follow(first.value, root)
            return found if key == "with" or (found and found[-1] == 0) else (*found, 0)
    return root
