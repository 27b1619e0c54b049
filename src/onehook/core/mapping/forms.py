"""What may stand under a key of a mapping file: the words in which the tables of keys are written.

The compiler takes the keys that it allows from these tables, and the JSON Schema of the format
is made from the same ones, so that the two cannot differ. A form is a JSON Schema; those that
begin with ``@`` stand for what only the place of a value can tell.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from onehook.core.jsontext import JsonValue

Form: TypeAlias = dict[str, JsonValue]
Keys: TypeAlias = Mapping[str, Form]


def defined(name: str) -> Form:
    """What the schema defines as *name*."""
    return {"$ref": f"#/$defs/{name}"}


def list_of(form: Form) -> Form:
    """A list of these."""
    return {"type": "array", "items": form}


def one_or_list(form: Form) -> Form:
    """One, or a list of these."""
    return any_of(form, list_of(form))


def word_of(words: Iterable[str]) -> Form:
    """One of some words."""
    return {"enum": list(words)}


def map_of(keys: Keys, *required: str) -> Form:
    """A map with these keys and no others."""
    form: Form = {"type": "object"}
    if required:
        form["required"] = list(required)
    return {**form, "properties": dict(keys), "additionalProperties": False}


def any_of(*forms: Form) -> Form:
    """One of several forms."""
    return {"anyOf": list(forms)}


def names_to(form: Form) -> Form:
    """A map of names to these."""
    return {"type": "object", "additionalProperties": form}


ANY: Form = {}
TEXT: Form = {"type": "string", "minLength": 1}
ANY_TEXT: Form = {"type": "string"}  # may be empty
SCALAR: Form = {"type": ["string", "number", "boolean", "null"]}
FLAG: Form = {"type": "boolean"}
NUMBER: Form = {"type": "number"}
PATH = defined("path")
TEMPLATE = defined("template")
VALUE = defined("value")  # as the payload has it
CONDITION = defined("condition")
FIELDS = defined("fields")  # of an object whose model is not known here

TEXTS = defined("texts")  # a value, or a list of texts

SELF = defined("@self")  # a value for the same field
ITEM = defined("@item")  # a value for an item of the list
CONSTANT = defined("@constant")  # a literal that fits the field
DEFAULT = defined("@default")  # what stands for a value that a table does not have
OWN_FIELDS = defined("@fields")  # fields of the model of the place
