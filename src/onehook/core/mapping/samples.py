"""The tests that stand inside a mapping file, as webhooks that a vendor would send.

A test with ``rows:`` stands for one webhook a row of a table: the row's key is put where the
payload has it, and the row's value is expected where the event has it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from onehook.core.jsontext import JsonScalar, JsonSyntaxError, JsonValue, decode, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.forms import (
    ANY,
    FLAG,
    PATH,
    SCALAR,
    TEXT,
    Keys,
    list_of,
    map_of,
    names_to,
    one_or_list,
)
from onehook.core.mapping.paths import Path, PathError, compile_path, direct_keys, is_path
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.source import Map, Node, Scalar, Seq, plain
from onehook.core.mapping.tables import Table
from onehook.core.mapping.template_values import Render
from onehook.core.mapping.templates import TemplateError, compile_template

LoadBody = Callable[[str], bytes]  # body_file, relative to the mapping -> its bytes
ROWS: Keys = {
    "table": SCALAR,
    "at": TEXT,
    "put": TEXT,
    "field": PATH,
    "only": list_of(SCALAR),
}
TEST: Keys = {
    "name": SCALAR,
    "headers": names_to(SCALAR),
    "settings": names_to(SCALAR),
    "body": ANY,
    "body_file": TEXT,
    "body_text": SCALAR,
    "expect": ANY,
    "exact": FLAG,
    "rows": one_or_list(map_of(ROWS, "table", "at")),
}
_HEADER = "header."


@dataclass(frozen=True, slots=True)
class Row:
    """The table row that a sample was made for, and where in an event its value belongs."""

    table: str
    key: str
    value: JsonScalar
    field: Path | None  # None: the test's expectation shows it


@dataclass(frozen=True, slots=True)
class Sample:
    """One test's webhook: what a vendor would send, and what is expected of it."""

    name: str
    place: Place
    headers: tuple[tuple[str, str], ...]
    body: bytes
    settings: Mapping[str, str]
    expect: JsonValue  # None: only what *row* says
    exact: bool
    row: Row | None = None


class SampleError(ValueError):
    """A test cannot be read; ``place`` says where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")


def samples(mapping: CompiledMapping, load: LoadBody) -> list[Sample]:
    """The tests of *mapping* as webhooks, those with ``rows:`` as one for each row.

    Raises:
        SampleError: a test cannot be read, or its file.
    """
    return [sample for node in mapping.tests for sample in _samples(node, mapping.tables, load)]


def samples_of(mapping: CompiledMapping, load: LoadBody, type_: str) -> Iterator[Sample]:
    """The tests of *mapping* that expect an event of *type_*: whole webhooks before snippets.

    Raises:
        SampleError: as :func:`samples`.
    """
    found = [node for node in mapping.tests if type_ in _expected(node)]
    for node in sorted(found, key=lambda node: "body_file" not in node.items):
        yield from _samples(node, mapping.tables, load)


def _expected(node: Map) -> set[str]:
    """The types of the events that a test expects."""
    wanted = node.get("expect")
    events = None if wanted is None else plain(wanted)
    if not isinstance(events, list):
        return set()
    return {str(event.get("type")) for event in events if isinstance(event, dict)}


def _samples(node: Map, tables: Mapping[str, Table], load: LoadBody) -> Iterator[Sample]:
    _only(node, TEST, "a test has")
    rows = node.get("rows")
    if "name" not in node.items or ("expect" not in node.items and rows is None):
        raise SampleError(node.place, "a test needs name: and expect:")
    values = plain(node)
    fields = values if isinstance(values, dict) else {}
    headers = {k.lower(): v for k, v in _texts(fields.get("headers")).items()}
    sample = Sample(
        str(fields["name"]),
        node.place,
        tuple({"content-type": "application/json", **headers}.items()),
        _body(node, fields, load),
        _texts(fields.get("settings")),
        fields.get("expect"),
        fields.get("exact") is True,
    )
    if rows is None:
        yield sample
        return
    for one in rows.items if isinstance(rows, Seq) else (rows,):
        yield from _expanded(one, sample, tables)


def _only(node: Map, allowed: Keys, what: str) -> None:
    """Refuse keys that are none of *allowed*.

    Raises:
        SampleError: at the first one.
    """
    for key, place in node.keys.items():
        if key not in allowed:
            raise SampleError(place, f"{what} no {key}; {nearest(key, allowed)}")


def _texts(value: JsonValue) -> dict[str, str]:
    return {k: str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _body(node: Map, fields: Mapping[str, JsonValue], load: LoadBody) -> bytes:
    if "body_text" in fields:
        return str(fields["body_text"]).encode()
    file = node.get("body_file")
    if file is None:
        return encode(fields["body"]) if "body" in fields else b""
    if not isinstance(file, Scalar) or not isinstance(file.value, str):
        raise SampleError(file.place, "body_file: is a file name")
    try:
        return load(file.value)
    except (OSError, ValueError) as error:
        raise SampleError(file.place, f"{file.value}: {error}") from None


# -- rows -----------------------------------------------------------------------------------------


def _expanded(node: Node, sample: Sample, tables: Mapping[str, Table]) -> Iterator[Sample]:
    """*sample* once for each row that *node* asks for.

    Raises:
        SampleError: *node* cannot be read, or its place is none of the sample's.
    """
    if not isinstance(node, Map):
        raise SampleError(node.place, "rows: is {table, at, field}, or a list of them")
    _only(node, ROWS, "rows: has")
    name = _word(node, "table")
    table = tables.get(name)
    if table is None:
        hint = nearest(name, tables)
        raise SampleError(node.items["table"].place, f"there is no table {name!r}; {hint}")
    field = None if "field" not in node.items and sample.expect is not None else _field(node)
    place = _placing(node)
    for key in _chosen(node, table):
        row = Row(table.name, key, table.rows[key], field)
        yield place(replace(sample, name=f"{sample.name} [{name}: {key}]", row=row), key)


def _word(node: Map, key: str) -> str:
    """The text of *key*.

    Raises:
        SampleError: it is missing, or something else.
    """
    value = node.get(key)
    if not isinstance(value, Scalar) or not isinstance(value.value, str):
        raise SampleError(value.place if value else node.place, f"rows: needs {key}:, a text")
    return value.value


def _field(node: Map) -> Path:
    text = _word(node, "field")
    if not is_path(text) or text.startswith("$$"):
        raise SampleError(node.items["field"].place, "field: is a path of the event: $.data.status")
    try:
        return compile_path(text)
    except PathError as error:
        raise SampleError(node.items["field"].place, f"{text}: {error.message}") from None


def _chosen(node: Map, table: Table) -> Sequence[str]:
    """The keys to try: all of the table, or those that ``only:`` lists.

    Raises:
        SampleError: the table has no such row.
    """
    only = node.get("only")
    if only is None:
        return tuple(table.rows)
    if not isinstance(only, Seq):
        raise SampleError(only.place, "only: is a list of the table's keys")
    keys = [str(item.value) if isinstance(item, Scalar) else "" for item in only.items]
    for key, item in zip(keys, only.items, strict=True):
        if key not in table.rows:
            hint = nearest(key, table.rows)
            raise SampleError(item.place, f"{table.name} has no row {key!r}; {hint}")
    return keys


def _placing(node: Map) -> Callable[[Sample, str], Sample]:
    """A function that puts a row's key into a sample, at ``at:``."""
    at, where = _word(node, "at"), node.items["at"].place
    render = _wording(node)
    if at.startswith(_HEADER):
        name = at.removeprefix(_HEADER).lower()

        def head(sample: Sample, key: str) -> Sample:
            return replace(
                sample,
                headers=tuple({**dict(sample.headers), name: render({"key": key}) or ""}.items()),
            )

        return head
    keys = _keys(at, where)

    def body(sample: Sample, key: str) -> Sample:
        try:
            root = decode(sample.body)
        except JsonSyntaxError as error:
            raise SampleError(where, f"the body to put it in is not JSON: {error}") from None
        if not _put(root, keys, render({"key": key}) or ""):
            raise SampleError(where, f"{at}: there is no such place in the body")
        return replace(sample, body=encode(root))

    return body


def _keys(at: str, where: Place) -> tuple[str | int, ...]:
    try:
        keys = direct_keys(at) if is_path(at) else None
    except PathError as error:
        raise SampleError(where, f"{at}: {error.message}") from None
    if not keys:
        raise SampleError(where, "at: is a path of names and indexes such as $.a.b[0], or header.x")
    return keys


def _wording(node: Map) -> Render:
    """How a key is written where it stands: ``put``, or the key alone.

    Raises:
        SampleError: ``put`` is no template of ``key``.
    """
    text = _word(node, "put") if "put" in node.items else "{{ key }}"
    try:
        return compile_template(text, frozenset({"key"})).render
    except TemplateError as error:
        raise SampleError(node.items["put"].place, f"{error}; {error.hint}") from None


def _put(root: JsonValue, keys: Sequence[str | int], text: str) -> bool:
    """Set what *keys* lead to, with the maps on the way; False if it cannot be there."""
    holder = root
    for key, below in pairwise(keys):
        match holder, key:
            case dict(), str():
                if holder.get(key) is None and isinstance(below, str):
                    holder[key] = {}
                holder = holder.get(key)
            case list(), int() if -len(holder) <= key < len(holder):
                holder = holder[key]
            case _:
                return False
    match holder, keys[-1]:
        case dict(), str() as name:
            holder[name] = _like(holder.get(name), text)
        case list(), int() as index if -len(holder) <= index < len(holder):
            holder[index] = _like(holder[index], text)
        case _:
            return False
    return True


def _like(before: JsonValue, text: str) -> JsonScalar:
    """*text* as the kind of scalar that stood there: keys of a table are texts, in YAML only."""
    if isinstance(before, bool) and text in ("true", "false"):
        return text == "true"
    if isinstance(before, int) and not isinstance(before, bool) and text.lstrip("-").isdigit():
        return int(text)
    return text
