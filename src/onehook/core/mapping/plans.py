"""Objects ready to build: each plan becomes one generated function.

Building objects is most of what normalizing costs, and calling a closure for each field is most
of what building costs. So the fields that a path of one name fills, which most are, are read in
the function itself; every other value is a call of what it was compiled to. No text of a mapping
becomes code but as a quoted string.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import SAFE_INTEGER, Code, Expression, lookup_of
from onehook.core.mapping.coerce import EnumGet, Get, scalar
from onehook.core.mapping.context import Context, MissingField, located
from onehook.core.mapping.paths import Path
from onehook.core.mapping.source import Node
from onehook.core.schema.base import Kind, Model

# Of the kinds that a value may pass into as it is: what tells that it has to be looked at.
_UNFIT = {
    Kind.TEXT: "type({0}) is not str and {0} is not None",
    Kind.LONG: "type({0}) is not str and {0} is not None",
    Kind.BOOLEAN: "type({0}) is not bool and {0} is not None",
    Kind.INTEGER: f"{{0}} is not None and not ({SAFE_INTEGER})",
}
LARGE = 12  # fields: an object of more is filled in
_CAN_LACK = (Kind.MODEL, Kind.LIST, Kind.ANY)  # of these, something below may be missing


class Build(Protocol):
    """Makes an object of an item."""

    def __call__(self, item: JsonValue, context: Context, always: bool) -> JsonValue:
        """The object; None if nothing in it was found, unless *always*.

        Raises:
            MissingField: a required field is null.
        """
        ...


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """What fills a field that is no enum."""

    name: str
    kind: Kind
    get: Get
    counts: bool  # whether finding it makes the object: constants do not
    path: Path | None  # where it is a path of names and nothing else


@dataclass(frozen=True, slots=True)
class EnumPlan:
    """What fills an enum field."""

    name: str
    get: EnumGet
    required: bool  # then null is ``unknown``


@dataclass(frozen=True, slots=True)
class UrnPlan:
    """What makes the urn: the *parts* of its path, and what makes one of those and the object.

    *entity* is None where the object tells it.
    """

    parts: tuple[Get, ...]
    entity: str | None
    make: Callable[[tuple[JsonValue, ...], Context, Mapping[str, JsonValue]], str | None]


@dataclass(frozen=True, slots=True)
class Parts:
    """All that makes an object. Order is the file's, and that of the model in *names*."""

    names: tuple[str, ...]
    fields: tuple[FieldPlan, ...]
    enums: tuple[EnumPlan, ...]
    native: tuple[tuple[str, Get], ...]
    custom: tuple[tuple[str, Get], ...]
    urn: UrnPlan | None
    required: tuple[str, ...]
    lists: tuple[str, ...]  # required lists: [] rather than null
    more: tuple[str, ...] = ()  # fields behind the model's, left to whoever asks for the object


@dataclass(frozen=True, slots=True)
class Plan:
    """An object ready to build."""

    model: type[Model]
    build: Build
    origins: Mapping[str, Node]  # where each field's value stands in the file
    native: tuple[str, ...]  # names that the mapping adds, beside those of enum fields
    custom: tuple[str, ...]


def make_build(title: str, parts: Parts) -> Build:
    """The function that builds the object of *parts*; *title* shows in tracebacks."""
    code = Code()
    code.names.update(MissingField=MissingField, scalar=scalar, located=located)
    for field in parts.fields:
        _field(code, field)
    natives = [_value(code, name, get) for name, get in parts.native]
    for enum in parts.enums:
        code.add(f"f_{enum.name}, s_{enum.name} = {code.take(enum.get)}")
    found = [_finds(field) for field in parts.fields if field.counts]
    found += [f"s_{enum.name} is not None" for enum in parts.enums]
    code.add(f"if not always and not ({' or '.join(found) or 'False'}):", "    return None")
    for enum in parts.enums:
        if enum.required:
            code.add(f"if f_{enum.name} is None: f_{enum.name} = 'unknown'")
    _object(code, parts, natives)
    build: Build = code.function(f"plan of {title}", ", always")
    return build


def _field(code: Code, field: FieldPlan) -> None:
    target, call = f"f_{field.name}", code.take(field.get)
    unfit = _UNFIT.get(field.kind)
    there = None if field.path is None else _direct(field.path)
    if there is not None and unfit is not None:
        code.add(
            f"{target} = {code.put(there)}",
            f"if {unfit.format(target)}: {target} = {call}",
        )
    elif field.kind in _CAN_LACK:
        code.add(
            "try:",
            f"    {target} = {call}",
            "except MissingField as missing:",
            f"    located(missing, {field.name!r})",
        )
    else:
        code.add(f"{target} = {call}")


def _direct(path: Path) -> Expression | None:
    """What *path* leads to, None where it leads nowhere."""
    return lookup_of(path.names or (), absolute=path.absolute, missing="None")


def _finds(field: FieldPlan) -> str:
    """Whether the field is filled: an empty list makes no object."""
    there = f"f_{field.name} is not None"
    return f"{there} and f_{field.name} != []" if _may_be_list(field) else there


def _may_be_list(field: FieldPlan) -> bool:
    return field.kind in (Kind.LIST, Kind.ANY, Kind.SCALARS)


def _value(code: Code, name: str, get: Get) -> tuple[str, str]:
    """Work out a value of ``native`` or ``custom``: its name, and the variable that holds it."""
    variable = code.variable()
    code.add(f"{variable} = {code.take(get)}")
    return name, variable


def _object(code: Code, parts: Parts, natives: list[tuple[str, str]]) -> None:
    """Put the fields together, and refuse the object if a required one is null."""
    initial = dict.fromkeys(parts.lists, "[]")
    for name in (*(field.name for field in parts.fields), *(enum.name for enum in parts.enums)):
        code.add(f"if f_{name} is None: f_{name} = []" if name in initial else "")
        initial[name] = f"f_{name}"
    if "native" in parts.names:
        initial["native"] = "native"
        code.add("native = {}")
        for enum in parts.enums:
            source = f"s_{enum.name}"
            value = f"{source} if type({source}) is str else scalar({source})"
            code.add(f"if {source} is not None: native[{enum.name!r}] = {value}")
        for name, variable in natives:
            code.add(f"if {variable} is not None: native[{name!r}] = {variable}")
    _fill(code, {name: initial.get(name, "None") for name in (*parts.names, *parts.more)})
    if parts.custom:
        code.add("custom = out['custom'] = {}")
        for name, get in parts.custom:
            _, variable = _value(code, name, get)
            code.add(f"if {variable} is not None: custom[{name!r}] = {variable}")
    if parts.urn is not None:
        _urn(code, parts.urn)
    for name in parts.required:
        value = "out['urn']" if name == "urn" else initial.get(name, "None")
        code.add(f"if {value} is None: raise MissingField({'/' + name!r})")
    code.add("return out")


def _fill(code: Code, values: Mapping[str, str]) -> None:
    """Make ``out`` of the expressions *values*, in their order."""
    if len(values) <= LARGE:
        code.add(f"out = {{{', '.join(f'{name!r}: {text}' for name, text in values.items())}}}")
        return
    # A copy has its size from the beginning, which takes less than half of growing to it.
    code.add(f"out = {code.name(dict.fromkeys(values).copy)}()")
    code.add(*(f"out[{name!r}] = {text}" for name, text in values.items() if text != "None"))


def _urn(code: Code, urn: UrnPlan) -> None:
    """Make the urn: where all parts are texts, as they nearly always are, without a call more."""
    found = [code.variable() for _ in urn.parts]
    code.add(*(f"{v} = {code.take(get)}" for v, get in zip(found, urn.parts, strict=True)))
    make = f"{code.name(urn.make)}(({', '.join(found)},), context, out)"
    if urn.entity is not None:
        texts = " and ".join(f"type({v}) is str" for v in found)
        whole = " and ".join(f"(type({v}) is str or {SAFE_INTEGER.format(v)})" for v in found)
        path = f"f'{{{'}/{'.join(found)}}}'"
        text = found[0] if len(found) == 1 else path
        make = f"context.urn({urn.entity!r}, {path}) if {whole} else {make}"
        make = f"context.urn({urn.entity!r}, {text}) if {texts} else {make}"
    code.add(f"out['urn'] = {make}")
