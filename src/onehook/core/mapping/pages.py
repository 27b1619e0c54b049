"""Reference pages of platforms, in Markdown: what their mapping files say, for people.

A page for each platform, and one that sets platforms against event types. All of it comes from
the files: prose from their first comment and their ``setup``, the rest from what was compiled.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from onehook.core.durations import render_duration
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.coverage import Coverage, coverage, table_uses
from onehook.core.mapping.document import CompiledMapping, Reply, SettingSpec
from onehook.core.mapping.outline import Stated, named_in_conditions, outline
from onehook.core.mapping.source import Map, Node, Seq, plain
from onehook.core.mapping.tables import Table
from onehook.core.mapping.wording import code, condition, listed, value
from onehook.core.mapping.wording_proofs import handshakes, proof_names, proofs, signs_bytes
from onehook.core.schema.events import EVENT_TYPES
from onehook.core.signatures import Hmac, KeyForm

INDEX = "README.md"
MAIN = "secret"  # what the main secret of every platform is called
Tree: TypeAlias = dict[str, "Tree"]

_CREATE = """\
   ```sh
   curl -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
     http://127.0.0.1:8080/v1/integrations -d '{request}'
   ```"""
_KEY_MISSING = "where that is missing, by the digest of its body."
_SAME_BYTES = "The same signed bytes under another key are the same webhook too"
_FILLED = (
    "Filled: the mapping has a value for it, which may still be null where a webhook lacks it. "
    "Never filled: null in every event, or `unknown` if it is an enum that must have a value. In "
    "braces: the fields of an object, or of the objects in a list."
)
_INDEX = (
    "Each is one mapping file. Its page says how to set it up, what comes in and what comes out. "
    "[Add one of your own](../add-a-platform.md)."
)


def pages(mappings: Iterable[CompiledMapping]) -> dict[str, str]:
    """File name to text: the index, and ``<platform>.md`` for each of *mappings*."""
    known = sorted(mappings, key=lambda mapping: mapping.platform)
    return {INDEX: index(known), **{f"{one.platform}.md": page(one) for one in known}}


def index(mappings: list[CompiledMapping]) -> str:
    """The platforms, and which event types each of them gives."""
    emitted = {m.platform: {rule.emit for rule in m.leaves()} for m in mappings}
    platforms = [
        (
            f"[{m.platform}]({m.platform}.md)",
            listed(proof_names(m), "or"),
            str(len(emitted[m.platform])),
        )
        for m in mappings
    ]
    types = [
        (code(type_), model.__name__, *("●" if type_ in some else "" for some in emitted.values()))
        for type_, model in EVENT_TYPES.items()
        if any(type_ in some for some in emitted.values())
    ]
    return _joined(
        (
            _made_from("the mapping files"),
            "# Platforms",
            _INDEX,
            _table(("platform", "proof", "event types"), platforms),
            "## Event types",
            "What each platform's webhooks can become.",
            _table(("event type", "data", *emitted), types),
        )
    )


def page(mapping: CompiledMapping) -> str:
    """Everything about one platform."""
    file = mapping.source.name.rpartition("/")[2]
    sections = (
        [_made_from(file), f"# {mapping.platform}", *_introduction(mapping.source.text)],
        [f"Mapping `{file}`, version {mapping.version}. [All platforms]({INDEX})"],
        ["## Set up", *_setup(mapping)],
        ["## Settings", *_settings(mapping.settings.values())],
        ["## Proof", *_proof(mapping)],
        ["## The same webhook again", *_dedupe(mapping)],
        ["## Events", *_events(mapping), *_named(mapping)],
        ["## Fields", *_fields(mapping)],
        ["## Tables", *_tables(mapping)],
        ["## Ignored", *_ignored(mapping)],
    )
    return _joined(part for section in sections for part in section)


# -- the parts of a page --------------------------------------------------------------------------


def _introduction(text: str) -> list[str]:
    """The comment that a file begins with, as paragraphs; what is indented in it is code."""
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    grouped = groupby(lines, key=lambda line: (bool(line.strip()), line.startswith("  ")))
    return [
        "\n".join(f"    {line[2:]}" if indented else line for line in block)
        for (filled, indented), block in grouped
        if filled
    ]


def _setup(mapping: CompiledMapping) -> list[str]:
    request = encode(_integration(mapping)).decode()
    steps = [f"{number}. {step}" for number, step in enumerate(mapping.setup, start=2)]
    return [
        "1. Make an integration. The vendor gets the `ingest_url` that it is answered with:",
        _CREATE.replace("{request}", request),
        "\n".join(steps),
    ]


def _integration(mapping: CompiledMapping) -> dict[str, JsonValue]:
    """What a first integration of the platform is made with."""
    made: dict[str, JsonValue] = {"type": mapping.platform, "name": "acme"}
    if MAIN in mapping.settings:
        made[MAIN] = _placeholder(mapping)
    others = [s.name for s in mapping.settings.values() if s.required and s.name != MAIN]
    if others:
        made["settings"] = dict.fromkeys(others, "…")
    return made


def _placeholder(mapping: CompiledMapping) -> str:
    """A text that may stand for the main secret, in the form that its proof asks for."""
    text = b"a-long-random-secret"
    for _, proof in mapping.verify.choices:
        if isinstance(proof, Hmac) and proof.secret == MAIN:
            forms = {KeyForm.BASE64: b64encode(text).decode(), KeyForm.HEX: text.hex()}
            return proof.key_prefix + forms.get(proof.key, text.decode())
    return text.decode()


def _settings(specs: Iterable[SettingSpec]) -> list[str]:
    rows = [
        (
            code(spec.name),
            listed(_setting_words(spec)),
            code(spec.default) if spec.default is not None else "",
            spec.help,
        )
        for spec in specs
    ]
    return [_table(("setting", "kind", "default", "what"), rows)] if rows else ["None."]


def _setting_words(spec: SettingSpec) -> Iterator[str]:
    if spec.required:
        yield "required"
    if spec.secret:
        yield "secret"
    if spec.choices:
        yield f"one of {listed(map(code, spec.choices), 'or')}"


def _proof(mapping: CompiledMapping) -> list[str]:
    lead, *alternatives = proofs(mapping)
    first = handshakes(mapping)
    return [
        lead,
        "\n".join(alternatives),
        "Requests that are no events, and their answers:" if first else "",
        "\n".join(first),
        _answer(mapping),
    ]


def _answer(mapping: CompiledMapping) -> str:
    within = f"The sender is answered within {render_duration(mapping.answer_within)}"
    own, usual = mapping.reply.accepted, Reply().accepted
    return f"{within}." if own == usual else f"{within}, and with {own} instead of {usual}."


def _dedupe(mapping: CompiledMapping) -> list[str]:
    node = mapping.document.get("dedupe")
    keys = _nodes(node.get("key")) if isinstance(node, Map) else ()
    repeatable = _nodes(node.get("repeatable")) if isinstance(node, Map) else ()
    if not keys:
        return ["A webhook is known by the digest of its body."]
    again = " or ".join(condition(one) for one in repeatable)
    return [
        f"A webhook is known by {listed(value(key) for key in keys)}; {_KEY_MISSING}",
        f"{_SAME_BYTES}{f', unless {again}' if again else ''}." if signs_bytes(mapping) else "",
    ]


def _events(mapping: CompiledMapping) -> list[str]:
    name = mapping.document.get("event_name")
    known = "" if name is None else f" The vendor's own name, {value(name)}, is `native.event`."
    return [
        f"What comes in, and what it becomes.{known}",
        "\n".join(_rules(outline(mapping), "")),
        "What is neither here nor under Ignored is quarantined: `no_rule`.",
    ]


def _named(mapping: CompiledMapping) -> list[str]:
    """What the conditions above call by a name of the file's own."""
    asked = named_in_conditions(mapping).items()
    lines = [f"- {code(f'let.{name}')}: {value(node)}" for name, node in asked]
    return ["Where conditions name a value, it is:", "\n".join(lines)] if lines else []


def _rules(rules: Iterable[Stated], indent: str) -> Iterator[str]:
    """A line for each rule; those below a group are indented, unless the group says nothing."""
    earlier: list[JsonValue] = []
    for stated in rules:
        said = _says(stated)
        silent = stated.rule is None and stated.when is None and stated.foreach is None and not said
        if not silent:
            yield f"{indent}- {_asks(stated, earlier)}{_emits(stated)}{said}"
        yield from _rules(stated.below, indent if silent else f"{indent}  ")
        if stated.when is not None:
            earlier.append(plain(stated.when))


def _asks(stated: Stated, earlier: list[JsonValue]) -> str:
    """When a rule holds; *earlier* are the conditions of those before it, in the same group."""
    each = [] if stated.foreach is None else [f"for each of {_first(stated.foreach.get('in'))}"]
    when = [] if stated.when is None else [_when(stated.when, earlier)]
    return ", ".join([*when, *each]) or "in any case"


def _first(node: Node | None) -> str:
    """Of several paths the first that leads somewhere."""
    return ", else ".join(value(path) for path in _nodes(node))


def _emits(stated: Stated) -> str:
    return "" if stated.rule is None else f" → **{code(stated.rule.emit)}**"


def _says(stated: Stated) -> str:
    """Which changes and links the rule or group states itself."""
    parts = (("changes", "field"), ("references", "type"))
    found = ((part, _names(stated.own.get(part), key)) for part, key in parts)
    return "".join(f"; {part} {listed(names)}" for part, names in found if names)


def _when(node: Node, earlier: list[JsonValue]) -> str:
    """A condition in words; one that only refuses what others of its group take is no news."""
    match plain(node):
        case {"not": refused, **more} if not more and _are_taken(refused, earlier):
            return "otherwise"
        case _:
            return condition(node)


def _are_taken(refused: JsonValue, earlier: list[JsonValue]) -> bool:
    if refused in earlier:
        return True
    match refused:
        case {"any": list(choices), **more} if not more:
            return all(choice in earlier for choice in choices)
        case _:
            return False


def _names(node: Node | None, key: str) -> list[str]:
    """What the entries of ``changes`` or ``references`` are about, each once."""
    entries = [entry for entry in _nodes(node) if isinstance(entry, Map)]
    return list(dict.fromkeys(value(entry.get(key)) for entry in entries))


def _fields(mapping: CompiledMapping) -> list[str]:
    """Types that are filled alike share an entry."""
    alike: dict[Coverage, list[str]] = {}
    for found in coverage(mapping):
        alike.setdefault(found.of_any_type(), []).append(found.event_type)
    return [_FILLED, *(_alike(found, types) for found, types in alike.items())]


def _alike(found: Coverage, types: list[str]) -> str:
    rows = (
        ("filled", _braced(found.filled)),
        ("filled by some rules", _braced(found.partly)),
        ("never filled", _braced(found.never)),
        ("`native` beside the enum fields' own values", [code(name) for name in found.native]),
        ("`custom`", [code(name) for name in found.custom]),
    )
    lines = [f"- {what}: {', '.join(names)}" for what, names in rows if names]
    return f"### {found.model.__name__}: {', '.join(map(code, types))}\n\n" + "\n".join(lines)


def _braced(paths: Iterable[str]) -> list[str]:
    """Dotted paths as code: ``a.b`` and ``a.c`` become ``a {b, c}``."""
    tree: Tree = {}
    for path in paths:
        below = tree
        for name in path.split("."):
            below = below.setdefault(name, {})
    return [code(text) for text in _branches(tree)]


def _branches(tree: Tree) -> list[str]:
    return [
        f"{name} {{{', '.join(_branches(below))}}}" if below else name
        for name, below in tree.items()
    ]


def _tables(mapping: CompiledMapping) -> list[str]:
    uses = table_uses(mapping)
    rows = [
        row
        for table in mapping.tables.values()
        for row in _table_rows(table, listed(map(code, uses.get(table.name, ()))))
    ]
    if not rows:
        return ["None."]
    return [
        "An enum field takes `unknown` for a value that no row names.",
        _table(("table", "fills", "ours", "the vendor's"), rows),
    ]


def _table_rows(table: Table, uses: str) -> Iterator[tuple[str, ...]]:
    """A row for each of our values; the first says which table it is, and what it fills."""
    theirs: dict[str, list[str]] = {}
    for key, row in table.rows.items():
        theirs.setdefault("null" if row is None else code(str(row)), []).append(code(key or '""'))
    head = (code(table.name), uses)
    for ours, keys in theirs.items():
        yield *head, ours, ", ".join(keys)
        head = ("", "")


def _ignored(mapping: CompiledMapping) -> list[str]:
    whens = [
        node.get("when") if isinstance(node, Map) else None
        for node in _nodes(mapping.document.get("ignore"))
    ]
    if not whens:
        return ["Nothing."]
    reasons = (reason for _, reason in mapping.ignores)
    lines = [
        f"- {'anything' if when is None else condition(when)}: {reason}"
        for when, reason in zip(whens, reasons, strict=True)
    ]
    return ["Asked in this order, if no rule gave an event:", "\n".join(lines)]


# -- Markdown -------------------------------------------------------------------------------------


def _made_from(what: str) -> str:
    return f"<!-- Made by `onehook mapping docs` from {what}: change that, not this. -->"


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


def _nodes(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; a single node counts as a list of one."""
    if node is None:
        return ()
    return node.items if isinstance(node, Seq) else (node,)
