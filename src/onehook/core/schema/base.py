"""What every unified model shares, and the kinds of field that a model can have.

A model states each field once, as a pydantic annotation. The mapping compiler reads the same
annotations through :func:`fields_of`, and so do the JSON Schemas and the reference pages.

Source: `schema.md` §2 (rules) and §3 (models).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 16_384  # characters; `schema.md` §2 rule 10
MAX_ITEMS = 250
MAX_CUSTOM = 50

_TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_DAY = r"^\d{4}-\d\d-\d\d$"

Timestamp = Annotated[str, StringConstraints(pattern=_TIMESTAMP), "timestamp"]
Day = Annotated[str, StringConstraints(pattern=_DAY), "day"]
LongText = Annotated[str, StringConstraints(max_length=MAX_TEXT), "long"]
Email = Annotated[str, "email"]  # lower case: it joins people across platforms
Number = Annotated[float | str, "number"]  # text where a double cannot hold it (rule 13)
Integer = Annotated[int | str, "integer"]
Scalar = str | int | float | bool | None
Native = dict[str, Scalar]
Custom = dict[str, Scalar | list[Scalar]]


class Model(BaseModel):
    """A unified model: every declared field present, none besides (rule 1)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(Model):
    """A model that keeps the source's own enum values beside it, in ``native``."""

    native: Annotated[Native, Field(description="source values of enum fields")]


class Thing(Part):
    """A model that has a name across integrations, its ``urn`` (rule 7)."""

    urn: Annotated[str, Field(description="oh:<platform>:<host>:<entity>:<path>")]


class Kind(StrEnum):
    """How a value gets into a field of this kind."""

    TEXT = "text"
    LONG = "long"
    EMAIL = "email"
    TIMESTAMP = "timestamp"
    DAY = "day"
    ENUM = "enum"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MODEL = "model"
    LIST = "list"
    SCALARS = "scalars"  # a map of scalars: native, custom
    ANY = "any"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a model as the mapping compiler sees it."""

    name: str
    kind: Kind
    required: bool  # never null
    members: frozenset[str] = frozenset()  # of an enum
    model: type[Model] | None = None
    item: "FieldSpec | None" = None  # of a list


@cache
def fields_of(model: type[BaseModel]) -> dict[str, FieldSpec]:
    """The fields of *model* in the order in which they are written out."""
    return {
        name: _spec(name, info.annotation, tuple(info.metadata))
        for name, info in model.model_fields.items()
    }


_MARKED = {
    "timestamp": Kind.TIMESTAMP,
    "day": Kind.DAY,
    "long": Kind.LONG,
    "email": Kind.EMAIL,
    "number": Kind.NUMBER,
    "integer": Kind.INTEGER,
}
_PLAIN: dict[object, Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
}


def _spec(name: str, annotation: Any, metadata: tuple[object, ...] = ()) -> FieldSpec:
    required = True
    marks = [m for m in metadata if isinstance(m, str) and m in _MARKED]
    if marks:
        return FieldSpec(name, _MARKED[marks[0]], required)
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _spec(name, inner, tuple(more))
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        inner = Union[tuple(a for a in get_args(annotation) if a is not NoneType)]  # noqa: UP007
        found = _spec(name, inner)
        return FieldSpec(name, found.kind, False, found.members, found.model, found.item)
    if annotation in _PLAIN:
        return FieldSpec(name, _PLAIN[annotation], required)
    if get_origin(annotation) is Literal:
        return FieldSpec(name, Kind.ENUM, required, frozenset(get_args(annotation)))
    if get_origin(annotation) is list:
        return FieldSpec(name, Kind.LIST, required, item=_spec(name, get_args(annotation)[0]))
    if get_origin(annotation) is dict:
        return FieldSpec(name, Kind.SCALARS, required)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return FieldSpec(name, Kind.MODEL, required, model=annotation)
    return FieldSpec(name, Kind.ANY, required)
