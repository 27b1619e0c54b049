"""Reads fields of a map node: what must be there, what may, and what kind it is."""

from collections.abc import Mapping

from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq


class Reader:
    """One map of a mapping file; each problem is reported once, at its place."""

    def __init__(self, node: Map, report: Report, code: str = "E002") -> None:
        self.node, self.report, self.code = node, report, code

    @property
    def place(self) -> Place:
        """Where the map begins."""
        return self.node.place

    def only(self, *allowed: str) -> "Reader":
        """Report every key that is none of *allowed*."""
        for key, place in self.node.keys.items():
            if key not in allowed:
                self.report("E002", place, f"unknown key {key!r}", nearest(key, allowed))
        return self

    def node_of(self, key: str) -> Node | None:
        """The value of *key*, None if absent."""
        return self.node.get(key)

    def at(self, key: str) -> Place:
        """Where *key* stands, or the map if it does not."""
        return self.node.keys.get(key, self.node.place)

    def problem(self, key: str, message: str, hint: str = "") -> None:
        """Report a problem with the value of *key*."""
        value = self.node.get(key)
        self.report(self.code, value.place if value else self.node.place, message, hint)

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Text; a problem if it is something else, or absent though *required*."""
        value = self.node.get(key)
        if value is None:
            if required:
                self.report(self.code, self.node.place, f"{key}: is missing")
            return None
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.value:
            return value.value
        self.problem(key, f"{key}: is text")
        return None

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.node.get(key)
        if value is None:
            return default
        if isinstance(value, Scalar) and isinstance(value.value, bool):
            return value.value
        self.problem(key, f"{key}: is true or false")
        return default

    def count(self, key: str) -> int | None:
        """A whole number of 1 or more; None if it is not there."""
        value = self.node.get(key)
        if value is None:
            return None
        found = value.value if isinstance(value, Scalar) else None
        if isinstance(found, int) and not isinstance(found, bool) and found >= 1:
            return found
        self.problem(key, f"{key}: is a whole number of 1 or more")
        return None

    def one_of(
        self, key: str, allowed: Mapping[str, object] | tuple[str, ...], default: str
    ) -> str:
        """One word of *allowed*."""
        found = self.text(key)
        if found is None:
            return default
        if found not in allowed:
            self.problem(key, f"{found!r} is no {key}", nearest(found, allowed))
            return default
        return found

    def map(self, key: str) -> Map | None:
        """A map below *key*."""
        value = self.node.get(key)
        if value is None or isinstance(value, Map):
            return value
        self.problem(key, f"{key}: is a map")
        return None

    def items(self, key: str) -> tuple[Node, ...]:
        """The items of a list; a single value counts as a list of one."""
        value = self.node.get(key)
        if value is None:
            return ()
        return value.items if isinstance(value, Seq) else (value,)
