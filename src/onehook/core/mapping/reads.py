"""Which members of a body a mapping can ever look at, so that only those need be decoded.

A vendor's body is mostly links and copies that no path names: of a 22 kB pull request a mapping
reads a tenth. What is found here may be more than is used, never less; a body that does not have
the shape that the paths suppose is decoded whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any, TypedDict

from onehook.core.mapping.inheritance import INHERITED, inherit
from onehook.core.mapping.paths import Filter, Name, PathError, Step, is_path, steps_of
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.core.mapping.templates import TemplateError, template_reads

_BELOW = frozenset({*INHERITED, "data", "foreach", "rules"})  # read at the items of a rule
_OF_THE_BODY = ("event_name", "host", "dedupe", "ignore")
# Values that are followed, each as often as there are things that it may be read of; the shipped
# mappings have up to 65,000. Lists in lists double them at each level.
MAX_FOLLOWED = 120_000


@dataclass(slots=True)
class Reads:
    """What is read of one value: *whole*, members of it by name, its items."""

    whole: bool = False
    names: dict[str, "Reads"] = field(default_factory=dict[str, "Reads"])
    items: "Reads | None" = None

    def follow(self, steps: Iterable[Step | str | int]) -> "Reads":
        """The value that *steps* lead to; from now on it is read."""
        at = self
        for step in steps:
            match step:
                case Name(name=str(name)) | str(name):
                    at = at.names.setdefault(name, Reads())
                case Filter(paths=paths):
                    at = at.each()
                    for path in paths:
                        at.follow(path).whole = True
                case _:
                    at = at.each()
        return at

    def each(self) -> "Reads":
        """Its items, which from now on are read."""
        if self.items is None:
            self.items = Reads()
        return self.items

    def type(self) -> Any:
        """The type to decode the value as. Every other kind of value is a reason to decode all."""
        if self.whole or not (self.names or self.items):
            return Any
        kinds: list[Any] = [None, str, bool, int]
        if self.names:
            members = {name: reads.type() for name, reads in self.names.items()}
            kinds.append(TypedDict("Members", members, total=False))  # type: ignore[operator]
        if self.items is not None:
            kinds.append(GenericAlias(list, (self.items.type(),)))
        found: Any = kinds[0]
        for kind in kinds[1:]:
            found |= kind
        return found


def reads_of(top: Map, shapes: Mapping[str, Map], lets: Mapping[str, Node]) -> Reads:
    """What the mapping *top* reads of a body; *shapes* and *lets* are what it has names for."""
    body = Reads()
    walk = _Walk(body, shapes, lets)
    try:
        for key in _OF_THE_BODY:
            if key in top.items:
                walk.value(top.items[key], body)
        rules = top.get("rules")
        for rule in rules.items if isinstance(rules, Seq) else ():
            walk.rule(rule, body, {})
    except _TooManyError:
        body.whole = True
    return body


def read_by(
    node: Node, body: Reads, item: Reads, shapes: Mapping[str, Map], lets: Mapping[str, Node]
) -> None:
    """Note in *body* what the value *node* reads of it, its paths starting at *item*, a part."""
    try:
        _Walk(body, shapes, lets).value(node, item)
    except _TooManyError:
        body.whole = True


class _TooManyError(Exception):
    """More is read than is worth finding out."""


class _Walk:
    """Follows values through a mapping, each with the item that its paths start at."""

    def __init__(self, body: Reads, shapes: Mapping[str, Map], lets: Mapping[str, Node]) -> None:
        self.body = body
        self.named: Mapping[str, Node] = {
            **{f"use.{name}": shape for name, shape in shapes.items()},
            **{f"let.{name}": node for name, node in lets.items()},
        }
        self._open: list[str] = []  # those that are being followed
        self._left = MAX_FOLLOWED

    def rule(self, node: Node, item: Reads, inherited: Mapping[str, Node]) -> None:
        """A rule or group; what a group states is read at the items of each rule below it."""
        if not isinstance(node, Map):
            return
        stated = inherit(inherited, node)
        for key, value in node.items.items():
            if key not in _BELOW:
                self.value(value, item)
        foreach, below = node.get("foreach"), node.get("rules")
        roots = [item]
        if isinstance(foreach, Map):
            roots = self.roots(foreach.get("in"), item, each=True)
        for root in roots:
            if isinstance(foreach, Map) and "key" in foreach.items:
                self.value(foreach.items["key"], root)
            if isinstance(below, Seq):
                for rule in below.items:
                    self.rule(rule, root, stated)
            else:
                for value in stated.values():
                    self.value(value, root)

    def value(self, node: Node, item: Reads) -> None:
        """Everything that *node* can read, if its paths start at *item*.

        Raises:
            _TooManyError: it is too much to follow.
        """
        self._left -= 1
        if self._left < 0:
            raise _TooManyError
        match node:
            case Scalar(value=str(text)):
                self.read(text, item)
            case Seq(items=items):
                for one in items:
                    self.value(one, item)
            case Map():
                self._map(node, item)
            case _:
                pass

    def _map(self, node: Map, item: Reads) -> None:
        roots = [item]
        for key in ("each", "with"):
            if key in node.items:
                roots = self.roots(node.items[key], item, each=key == "each")
        for root in roots:
            self._members(node, root)

    def _members(self, node: Map, item: Reads) -> None:
        if not node.items.keys() - {"each", "where"}:
            item.whole = True  # each item stands for itself
        for key, value in node.items.items():
            self.read(key, item)  # the subject of a condition
            if key == "use" and isinstance(value, Scalar):
                self._follow(f"use.{value.value}", item)
            elif key == "let" and isinstance(value, Scalar):
                self._follow(f"let.{value.value}", item)
            elif key == "template" and isinstance(value, Scalar):
                self._template(str(value.value), item)
            elif key == "same" and isinstance(value, Seq):
                for name in value.items:
                    if isinstance(name, Scalar):
                        item.follow([str(name.value)]).whole = True
            elif key not in ("each", "with", "use"):
                self.value(value, item)

    def _follow(self, name: str, item: Reads) -> None:
        node = self.named.get(name)
        if node is not None and name not in self._open:  # one inside itself is refused elsewhere
            self._open.append(name)
            self.value(node, item)
            self._open.pop()

    def _template(self, text: str, item: Reads) -> None:
        roots = {"item": item, "body": self.body}
        try:
            found = template_reads(text)
        except TemplateError:
            return  # the file is refused
        for variable, keys in found:
            if variable in roots:
                roots[variable].follow(keys).whole = True

    def roots(self, node: Node | None, item: Reads, *, each: bool) -> list[Reads]:
        """The values that *node*, a path or a list of them, leads to; with *each*, their items."""
        nodes = node.items if isinstance(node, Seq) else (node,)
        texts = [n.value for n in nodes if isinstance(n, Scalar) and isinstance(n.value, str)]
        found = [at for text in texts if (at := self._find(text, item)) is not None]
        # A path to a list stands for the list's items, and one to anything else for that.
        return [*found, *(at.follow([0]) for at in found)] if each else found

    def read(self, text: str, item: Reads) -> None:
        """Note *text* as read whole, if it is a path, or the name of a value."""
        if text.startswith("let."):
            self._follow(text, item)
        found = self._find(text, item)
        if found is not None:
            found.whole = True

    def _find(self, text: str, item: Reads) -> Reads | None:
        if not is_path(text):
            return None
        try:
            absolute, steps = steps_of(text)
        except PathError:
            return None  # the file is refused
        return (self.body if absolute else item).follow(steps)
