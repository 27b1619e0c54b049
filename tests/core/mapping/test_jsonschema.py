"""The JSON Schema of mapping files: it takes what the compiler takes, and refuses many a slip."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from onehook.core.mapping.compiler import TOP
from onehook.core.mapping.jsonschema import mapping_schema
from onehook.core.mapping.kinds import KINDS
from onehook.core.mapping.paths import PATTERN, PathError, compile_path
from onehook.core.mapping.problems import MappingError, Source
from onehook.core.mapping.rules import RULE
from onehook.core.mapping.source import parse, plain
from onehook.core.schema.base import fields_of
from onehook.core.schema.events import EVENT_TYPES
from onehook.mappings import shipped_folder
from tests.core.mapping.building import HEAD, problems, ticket_text
from tests.core.mapping.examples import GITHUB, QUARRYDESK
from tests.mappings.test_broken import BROKEN

SCHEMA: Any = mapping_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SHIPPED = sorted(shipped_folder().glob("*.yaml"))
# What is wrong in these, only the compiler can see: what a name stands for, what is behind it.
UNSEEN = {
    "e103-filter",
    "e104-setting",
    "e104-shape",
    "e104-table",
    "e105-required",
    "e106-enum",
    "e107-changes",
    "e107-pattern",
    "e107-zone",
}


def errors(text: str) -> list[str]:
    """What an editor would underline in *text*: the paths of the values."""
    found = VALIDATOR.iter_errors(plain(parse(Source("m.yaml", text))))
    return ["/".join(map(str, error.absolute_path)) for error in found]


def test_it_is_a_schema_of_2020_12() -> None:
    """By the meta-schema; and every reference in it leads somewhere."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA)
    assert "@" not in text
    names = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert names <= set(SCHEMA["$defs"])
    assert set(SCHEMA["$defs"]) - names == set()


def test_the_shipped_copy_is_what_the_code_says() -> None:
    """``onehook mapping schema > mappings/mapping.schema.json`` writes it anew."""
    shipped = json.loads((shipped_folder() / "mapping.schema.json").read_bytes())
    assert shipped == SCHEMA


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_fits_and_names_the_schema(path: Any) -> None:
    """So that whoever changes one is helped by their editor."""
    text = path.read_text("utf-8")
    assert errors(text) == []
    assert text.startswith("# yaml-language-server: $schema=mapping.schema.json\n")


@pytest.mark.parametrize("text", [GITHUB, QUARRYDESK, ticket_text()])
def test_the_examples_fit(text: str) -> None:
    """Those of the format's own description."""
    assert errors(text) == []


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_most_broken_files_do_not_fit(path: Any) -> None:
    """Those that are YAML at all; what no schema can see is left to the compiler."""
    text = path.read_text("utf-8")
    try:
        parse(Source("m.yaml", text))
    except MappingError:
        return
    assert bool(errors(text)) is (path.stem not in UNSEEN)


def test_it_knows_every_key_and_kind_and_type_and_field() -> None:
    """They come from the compiler's tables: nothing is left out on the way."""
    assert set(SCHEMA["properties"]) == set(TOP)
    rule = SCHEMA["$defs"]["rule"]
    assert set(rule["properties"]) == set(RULE)
    assert rule["properties"]["emit"]["enum"] == list(EVENT_TYPES)
    conditions = {
        t: c["then"] for c in rule["allOf"] for t in c["if"]["properties"]["emit"]["enum"]
    }
    for type_, model in EVENT_TYPES.items():
        name = conditions[type_]["properties"]["data"]["$ref"].rpartition("/")[2]
        fields = SCHEMA["$defs"][f"{name}.fields"]["properties"]
        assert set(fields) == {*fields_of(model), "custom", "same"}
    values = json.dumps(SCHEMA["$defs"])
    assert [kind for kind in KINDS if f'"required": ["{kind}"' not in values] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"titel": "$.t"},
        {"title": "true"},
        {"title": "{const: true}"},
        {"number": "{const: x}"},
        {"status_category": "{const: doing}"},
        {"status_category": "{if: {$.a: 1}, then: {const: doing}}"},
        {"priority": "{lookup: $.a}"},
        {"priority": "{lookup: $.a, table: t, default: urgent}"},
        {"assignee": "$.user"},
        {"assignee": "{id: $.id, nam: $.n}"},
        {"assignees": "{each: '$.a[*]', as: {idd: $.id}}"},
        {"labels": "{each: '$.a[*]', each_as: $.b}"},
        {"labels": "5"},
        {"title": "{split: $.t}"},
    ],
)
def test_a_field_takes_what_the_compiler_takes(fields: dict[str, str]) -> None:
    """Both refuse each of these; the schema because it knows the model."""
    text = ticket_text("tables: {t: {a: high}}\n", **fields)
    assert problems(text)
    assert set(errors(text)) == {"rules/0/data"}


@pytest.mark.parametrize(
    "line",
    [
        "verify: {scheme: hmac, header: X, secret: {setting: secret}, algorithm: md5}",
        "verify: {scheme: shared_token, header: X, secret: hunter2}",
        "verify: hmac",
        "answer_within: 8",
        "reply: {accepted: 404}",
        "urn_case: title",
        "handshake: [{match: {query: q}, verify: false}]",
        "handshake: [{match: {body: full}, verify: false, answer: {}}]",
        "settings: {secret: {secrt: true}}",
        "ignore: [{when: {action: x}, reason: y}]",
        "dedupe: {keys: [$.id]}",
        "tests: [{name: n, boddy: {}, expect: ignored}]",
        "tests: [{name: n, expect: [], rows: {table: t, field: $.a}}]",
    ],
)
def test_the_sections_are_checked_too(line: str) -> None:
    """Each is fine but for one thing."""
    head = HEAD.replace("verify: none\n", "") if line.startswith("verify") else HEAD
    assert errors(head) == ([] if head == HEAD else [""])
    assert len(errors(f"{head}{line}\n")) == 1


PATHS = st.lists(
    st.sampled_from(["$", "$$", ".a", ".a-b", ".é", "[0]", "[-1]", "[*]", ".*", "['x y']", '["]"]',
                     "[1:2]", "[?@.a == 'b']", "[?(@.a && @.b > 1)]", "['it\\'s']", "..", "[", "]",
                     "a", " ", "(", "[?@.a == ']']"]),
    max_size=6,
).map("".join)  # fmt: skip


@given(PATHS)
def test_every_path_that_compiles_fits_the_pattern(text: str) -> None:
    """An editor must not underline what is right."""
    try:
        compile_path(text)
    except PathError:
        return
    if text.startswith("$"):
        assert Draft202012Validator({"pattern": PATTERN}).is_valid(text)
