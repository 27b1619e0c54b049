"""``redact``: what of a native body nobody downstream may see (`schema.md` §2 rule 11)."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.paths import Index, Name, PathError, Step, Wild, steps_of
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Node, Scalar

REDACTED = "[redacted]"
Redact = Callable[[JsonValue], None]


def compile_redactions(nodes: Sequence[Node], report: Report) -> Redact:
    """A function that blanks, in place, what the paths *nodes* lead to."""
    found: list[tuple[Step, ...]] = []
    for node in nodes:
        text = node.value if isinstance(node, Scalar) else None
        if not isinstance(text, str) or not text.startswith("$"):
            report("E101", node.place, "redact: holds paths such as $.token")
            continue
        try:
            _, steps = steps_of(text)
        except PathError as error:
            report("E102", node.place, f"{error.message} (column {error.column + 1} of {text})")
            continue
        if not steps or not all(isinstance(step, Name | Index | Wild) for step in steps):
            report("E102", node.place, "redact: takes names, indexes and * only")
            continue
        found.append(steps)

    def redact(body: JsonValue) -> None:
        for steps in found:
            for blank in list(_places(body, steps)):
                blank()

    return redact


def _places(value: JsonValue, steps: Sequence[Step]) -> Iterator[Callable[[], None]]:
    """How to blank each place that *steps* lead to from *value*."""
    step, *rest = steps
    for blank, below in _members(value, step):
        if rest:
            yield from _places(below, rest)
        else:
            yield blank


def _members(value: JsonValue, step: Step) -> list[tuple[Callable[[], None], JsonValue]]:
    """The members of *value* that *step* names, and how to blank each."""
    match value, step:
        case dict(), Name(name=name) if name in value:
            return [(partial(value.__setitem__, name, REDACTED), value[name])]
        case dict(), Wild():
            return [(partial(value.__setitem__, k, REDACTED), v) for k, v in value.items()]
        case list(), Index(index=index) if -len(value) <= index < len(value):
            return [(partial(value.__setitem__, index, REDACTED), value[index])]
        case list(), Wild():
            return [(partial(value.__setitem__, at, REDACTED), v) for at, v in enumerate(value)]
        case _:
            return []
