"""The JSON Schema of a mapping file, made from the tables that the compiler itself goes by.

Editors complete and check with it. It knows the keys, the kinds of value, the event types and the
fields of each model; what only the compiler can see (whether a table is there, whether a path is
right, which models a shape serves) it leaves to the compiler.

Source: JSON Schema 2020-12.
"""

from collections.abc import Iterator, Mapping
from functools import cache

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.coerce import LITERALS
from onehook.core.mapping.compiler import TOP
from onehook.core.mapping.conditions import OPERATORS
from onehook.core.mapping.forms import (
    ANY_TEXT,
    PATH,
    SCALAR,
    Form,
    Keys,
    any_of,
    defined,
    list_of,
    map_of,
    names_to,
    word_of,
)
from onehook.core.mapping.kinds import COALESCE, CONCAT, EACH, IF, KINDS, USE
from onehook.core.mapping.lets import LET
from onehook.core.mapping.paths import PATTERN
from onehook.core.mapping.rules import ACTOR, RULE, TIME
from onehook.core.mapping.templates import STATEMENT
from onehook.core.schema.base import FieldSpec, Kind, Model, fields_of
from onehook.core.schema.events import EVENT_TYPES

ID = "/v1/schemas/mapping"
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
SUBJECT = rf"^(?:header|setting|let)\.|{PATTERN}"
_NULL: Form = {"type": "null"}
_NAMED_VALUE = defined("named")
_PARTS = {**list_of(defined("value")), "minItems": 1}
_URN = any_of(_PARTS, map_of({"entity": ANY_TEXT, "path": _PARTS}, "entity", "path"))
_NAMED = names_to(defined("value"))  # native: and custom:
_ANYWHERE: Keys = {"urn": _URN, "native": _NAMED, "custom": _NAMED, "same": list_of(ANY_TEXT)}
_CONDITION: Form = {
    "type": "object",
    "properties": {
        "any": {**list_of(defined("condition")), "minItems": 1},
        "not": defined("condition"),
    },
    "patternProperties": {SUBJECT: defined("test")},
    "additionalProperties": False,
}


@cache
def mapping_schema() -> Form:
    """The JSON Schema (2020-12) of a mapping file."""
    schema = _Schema()
    keys = {key: _filled(form, {}) for key, form in TOP.items()}
    complete: Form = {"required": ["onehook", "platform", "version", "verify"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "onehook mapping",
        "description": "How a platform proves itself, and what its webhooks become.",
        **map_of(keys),
        **any_of(complete, {"required": ["onehook", "platform", "extends"]}),
        "$defs": schema.definitions,
    }


class _Schema:
    """Collects the definitions; each is made when it is first asked for."""

    def __init__(self) -> None:
        operators = {name: operator.form for name, operator in OPERATORS.items()}
        self.definitions: dict[str, JsonValue] = {
            "path": {"type": "string", "pattern": PATTERN},
            "template": {"type": "string", "not": {"pattern": STATEMENT.pattern}},
            "subject": {"type": "string", "pattern": SUBJECT},
            "named": map_of(LET, "let"),
            "condition": _CONDITION,
            "test": any_of(SCALAR, {**list_of(SCALAR), "minItems": 1}, map_of(operators)),
        }
        self._enums: dict[frozenset[str], str] = {}
        self._define_value("value", None)
        self.definitions |= {
            "at": defined(self._field(TIME)),
            "actor": defined(self._field(ACTOR)),
            "change_field": any_of(ANY_TEXT, defined("value")),
            "fields": map_of({**dict.fromkeys(_field_names(), defined("part")), **_ANYWHERE}),
            "part": self._part(),
            "texts": self._texts(),
            "data": any_of(_with_own(USE, defined("fields")), defined("fields")),
            "rule": self._rule(),
        }

    def _rule(self) -> Form:
        """A rule; where it says what it emits, its data has the fields of that model."""
        models: dict[type[Model], list[str]] = {}
        for type_, model in EVENT_TYPES.items():
            models.setdefault(model, []).append(type_)
        chosen: list[JsonValue] = [
            {
                "if": {"required": ["emit"], "properties": {"emit": word_of(types)}},
                "then": {"properties": {"data": defined(self._data(model))}},
            }
            for model, types in models.items()
        ]
        keys = {key: _filled(form, {}) for key, form in RULE.items()}
        return {**map_of(keys, "id"), "allOf": chosen}

    def _part(self) -> Form:
        """A value, an object or a list where the model is not known: in a shape, in a group."""
        inner = {
            "@self": defined("part"),
            "@item": defined("part"),
            "@fields": defined("fields"),
        }
        structures = [_kind(keys, inner) for keys in (USE, EACH, IF, COALESCE, CONCAT)]
        return any_of(defined("value"), defined("fields"), list_of(defined("part")), *structures)

    def _texts(self) -> Form:
        """Of a change: one value, or a list of texts."""
        inner = {"@self": defined("texts")}
        structures = [_kind(keys, inner) for keys in (CONCAT, IF, COALESCE)]
        return any_of(defined("value"), *structures)

    # -- objects -----------------------------------------------------------------------------

    def _data(self, model: type[Model]) -> str:
        """The data of an event: fields, of which a group may set some, or a shape."""
        name = f"{model.__name__}.data"
        fields = {**self._fields_of(model), "custom": _NAMED}
        self.definitions[f"{name}.fields"] = map_of(fields)
        own = defined(f"{name}.fields")
        self.definitions[name] = any_of(_with_own(USE, own), own)
        return name

    def _object(self, model: type[Model]) -> str:
        """A value for an object field."""
        name = model.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # what is asked for below may ask for this again
            own = defined(f"{name}.fields")
            self.definitions[f"{name}.fields"] = map_of(self._fields_of(model))
            inner = {"@self": defined(name), "@fields": own}
            structures = [_kind(keys, inner) for keys in (USE, IF, COALESCE)]
            self.definitions[name] = any_of(_NULL, _NAMED_VALUE, own, *structures)
        return name

    def _fields_of(self, model: type[Model]) -> Keys:
        specs = fields_of(model)
        keys = {name: self._described(model, name, spec) for name, spec in specs.items()}
        own = {name: form for name, form in _ANYWHERE.items() if name in specs}
        return {**keys, **own, "same": list_of(word_of(specs))}

    def _described(self, model: type[Model], name: str, spec: FieldSpec) -> Form:
        described = model.model_fields[name].description
        form = defined(self._field(spec))
        return form if described is None else {**form, "description": described}

    # -- values ------------------------------------------------------------------------------

    def _field(self, spec: FieldSpec) -> str:
        """The name of the definition of a value for the field *spec*."""
        if spec.kind is Kind.MODEL and spec.model is not None:
            return self._object(spec.model)
        if spec.kind is Kind.LIST and spec.item is not None:
            return self._list(spec.item)
        name = self._enum_name(spec) if spec.kind is Kind.ENUM else str(spec.kind)
        if name not in self.definitions:
            self._define_value(name, spec)
        return name

    def _enum_name(self, spec: FieldSpec) -> str:
        """``enum.status``, or ``enum.status.2`` for other members under the same name."""
        if spec.members not in self._enums:
            taken = [n for n in self._enums.values() if n.split(".")[1] == spec.name]
            number = f".{len(taken) + 1}" if taken else ""
            self._enums[spec.members] = f"enum.{spec.name}{number}"
        return self._enums[spec.members]

    def _list(self, item: FieldSpec) -> str:
        below = self._field(item)
        name = f"list.{below}"
        if name not in self.definitions:
            self.definitions[name] = {}
            is_model = item.kind is Kind.MODEL
            inner = {
                "@self": defined(name),
                "@item": defined(below),
                "@fields": defined(f"{below}.fields" if is_model else "fields"),
                "@constant": any_of(SCALAR, list_of(SCALAR)),
                "@default": defined(name),
            }
            forms = [_kind(keys, inner) for keys in (EACH, CONCAT, IF, COALESCE)]
            if not is_model:
                forms += [PATH, *self._kinds(Kind.LIST, inner)]
            self.definitions[name] = any_of(_NULL, _NAMED_VALUE, list_of(defined(below)), *forms)
        return name

    def _define_value(self, name: str, spec: FieldSpec | None) -> None:
        """Define *name* as a value for a field such as *spec*; None: as the payload has it."""
        kind = Kind.ANY if spec is None else spec.kind
        constant = any_of(SCALAR, list_of(SCALAR)) if spec is None else _constant(spec)
        inner = {
            "@self": defined(name),
            "@constant": constant,
            "@default": _default(spec, constant, defined(name)),
            "@item": defined(name),
            "@fields": defined("fields"),
        }
        forms = [*self._kinds(kind, inner), _kind(IF, inner), _kind(COALESCE, inner)]
        if spec is None:
            forms += [_kind(EACH, inner), list_of(defined(name))]
        self.definitions[name] = any_of(PATH, _literal(spec), _NAMED_VALUE, *forms)

    def _kinds(self, kind: Kind, inner: Mapping[str, Form]) -> Iterator[Form]:
        """The kinds of value that may fill a field of *kind*."""
        for name, row in KINDS.items():
            if row.keys is USE or not (row.fills is None or kind in row.fills):
                continue
            form = map_of(row.keys, name, *row.required)
            filled = _filled(form, inner)
            if filled == form:  # the same in every field, so it is defined once
                self.definitions[f"kind.{name}"] = form
                filled = defined(f"kind.{name}")
            yield filled


def _kind(keys: Keys, inner: Mapping[str, Form]) -> Form:
    """A map of *keys*, of which the first names the kind."""
    return _filled(map_of(keys, next(iter(keys))), inner)


def _with_own(keys: Keys, own: Form) -> Form:
    """A map of some of *keys*; what it has not, a group has set."""
    return {**_filled(map_of(keys), {"@fields": own}), "minProperties": 1}


def _filled(form: Form, inner: Mapping[str, Form]) -> Form:
    """*form*, with *inner* for ``@self`` and the like."""
    return {key: _below(value, inner) for key, value in form.items()}


def _below(value: JsonValue, inner: Mapping[str, Form]) -> JsonValue:
    match value:
        case {"$ref": str(name)} if "@" in name:
            return inner[name.rpartition("/")[2]]
        case dict():
            return _filled(value, inner)
        case list():
            return [_below(item, inner) for item in value]
        case _:
            return value


def _constant(spec: FieldSpec) -> Form:
    """What ``const`` may hold for a field."""
    if spec.kind is Kind.ENUM:
        return {"enum": [*sorted(spec.members), None]}
    names: list[JsonValue] = [_TYPES[type_] for type_ in LITERALS.get(spec.kind, ())]
    return {"type": [*names, "null"]}


def _default(spec: FieldSpec | None, constant: Form, itself: Form) -> Form:
    """What stands for a value that a table does not have; of an enum a member, as it is."""
    if spec is not None and spec.kind is not Kind.ENUM:
        return itself
    member = SCALAR if spec is None else constant
    return any_of(member, itself) if spec is None else any_of(member, map_of({"const": constant}))


def _literal(spec: FieldSpec | None) -> Form:
    """What stands for itself in a field: no text, which is a path."""
    kinds = (int, float, bool) if spec is None else LITERALS.get(spec.kind, ())
    names: list[JsonValue] = [_TYPES[type_] for type_ in kinds if type_ is not str]
    return {"type": [*names, "null"]}


def _field_names() -> list[str]:
    """The fields of all models that a mapping can fill, and of their parts."""
    names: dict[str, None] = {}
    seen: set[type[Model]] = set()
    waiting: list[type[Model]] = [*EVENT_TYPES.values()]
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, spec in fields_of(model).items():
            names[name] = None
            below = spec.model or (spec.item.model if spec.item is not None else None)
            if below is not None:
                waiting.append(below)
    return sorted(names)
