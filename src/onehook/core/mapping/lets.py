"""The ``let`` section: values by a name of their own, for use in other values and in conditions.

A name stands for the value as it is written: ``$`` is what it is where the name is used. What
field it is for decides how it is read there, as if it were written out.
"""

from collections.abc import Iterator, Mapping

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.context import Context
from onehook.core.mapping.forms import TEXT, Keys
from onehook.core.mapping.problems import nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq

LET: Keys = {"let": TEXT}
PREFIX = "let."  # of a name in a condition
MAX_CHAIN = 40  # values that name one another, the first included
_LINKS = 200  # names that take as long to go through as a value to compile


class Lets:
    """The values that a file names."""

    def __init__(self, section: Map | None, report: Report) -> None:
        self.report = report
        self.nodes: Mapping[str, Node] = {} if section is None else section.items
        self.used: set[str] = set()
        if section is not None:
            self.nodes = _Chains(section, report).sound()

    def find(self, name: str) -> Node | None:
        """The value called *name*, None if there is none."""
        found = self.nodes.get(name)
        if found is not None:
            self.used.add(name)
        return found

    def resolved(self, node: Node) -> Node:
        """*node*, or what it names; null, and E104, where there is no such name."""
        while isinstance(node, Map) and "let" in node.items:
            for key in node.items:
                if key != "let":
                    hint = "{let: name} stands alone"
                    self.report("E002", node.keys[key], f"{key!r} has no place here", hint)
            name = node.items["let"]
            known = str(name.value) if isinstance(name, Scalar) else ""
            found = self.find(known)
            if found is None:
                hint = nearest(known, self.nodes) if self.nodes else "name it under let:"
                self.report("E104", name.place, f"there is no value named {known!r}", hint)
                return Scalar(node.place, None, plain=True)
            node = found
        return node


def remembered(name: str, get: Get) -> Get:
    """*get*, asked once of each object of a webhook: siblings ask for one name again and again."""

    def once(item: JsonValue, context: Context) -> JsonValue:
        if type(item) is not dict:
            return get(item, context)
        key = name, id(item)
        found = context.named.get(key)
        if found is None:  # the object is kept beside its value: its id() is its own as long
            found = context.named[key] = item, get(item, context)
        return found[1]

    return once


class _Chains:
    """Which named values come to an end; each is looked into once, however many name it."""

    def __init__(self, section: Map, report: Report) -> None:
        self.section, self.report = section, report
        self.nodes = dict(section.items)
        self.links = {n: tuple(dict.fromkeys(names_in(node))) for n, node in self.nodes.items()}
        self.lengths: dict[str, int] = {}  # of the longest chain from each name known to be sound

    def sound(self) -> dict[str, Node]:
        """The values whose chains end in time; E104 for each of the others."""
        for name, place in self.section.keys.items():
            way = self._endless(name, ())
            if not way:
                continue
            shown = " -> ".join(way)
            if way[-1] in way[:-1]:
                self.report("E104", place, f"the value names itself: {shown}", "write it out")
            else:
                message = f"more than {MAX_CHAIN} values name one another: {shown}"
                self.report("E104", place, message, "write some of them out")
            del self.nodes[name]
        return self.nodes

    def _endless(self, name: str, way: tuple[str, ...]) -> tuple[str, ...]:
        """*way* and on from *name*, to a name on it or as far as is taken; none if it ends."""
        if name in way or (name in self.nodes and len(way) == MAX_CHAIN):
            return (*way, name)
        if name not in self.nodes:
            return ()
        if name in self.lengths:
            return (*way, name) if len(way) + self.lengths[name] > MAX_CHAIN else ()
        links = self.links[name]
        self.report.takes(self.section.keys[name], 1 + len(links) // _LINKS)
        for other in links:
            found = self._endless(other, (*way, name))
            if found:
                return found
        self.lengths[name] = 1 + max((self.lengths.get(other, 0) for other in links), default=0)
        return ()


def names_in(node: Node) -> Iterator[str]:
    """The names that *node* uses: ``{let: name}``, ``let.name`` in a condition."""
    if isinstance(node, Seq):
        for item in node.items:
            yield from names_in(item)
    elif isinstance(node, Map):
        for key, below in node.items.items():
            if key.startswith(PREFIX):
                yield key.removeprefix(PREFIX)
            if isinstance(below, Scalar):
                text = str(below.value)
                if key == "let":
                    yield text
                elif key == "equals" and text.startswith(PREFIX):
                    yield text.removeprefix(PREFIX)
            else:
                yield from names_in(below)
