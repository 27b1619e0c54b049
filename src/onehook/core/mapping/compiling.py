"""What the parts of the value compiler need of the whole."""

from collections.abc import Mapping
from typing import Protocol

from onehook.core.mapping.coerce import EnumGet, Get
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar
from onehook.core.mapping.tables import Table
from onehook.core.schema.base import FieldSpec


class Values(Protocol):
    """Compiles values; every problem goes to *report*."""

    report: Report
    tables: Mapping[str, Table]
    shapes: Mapping[str, Map]

    def resolved(self, node: Node) -> Node:
        """*node*, or what it names by ``let``."""
        ...

    def typed(self, node: Node, spec: FieldSpec | None) -> Get:
        """Compile a value for the field *spec* (None: any scalar)."""
        ...

    def enum(self, node: Node, spec: FieldSpec) -> EnumGet:
        """Compile a value for an enum field."""
        ...

    def raw(self, node: Node) -> Get:
        """Compile a value as the payload has it, whatever field it is for."""
        ...

    def leaf(self, node: Node, spec: FieldSpec | None) -> Get:
        """Compile a value that hands nothing on to others."""
        ...

    def literal(self, node: Scalar, spec: FieldSpec | None) -> Get:
        """Compile a value that stands for itself."""
        ...

    def constant(self, node: Node) -> bool:
        """Whether the value reads nothing from the webhook."""
        ...

    def keys(self, node: Map, *allowed: str) -> None:
        """Report each key of *node* that is none of *allowed*."""
        ...
