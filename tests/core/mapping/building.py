"""Builders for mapping tests: a whole mapping file from the one thing that a test is about."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from textwrap import dedent, indent

from onehook.core.integration import Integration, Normalized
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted, Outcome
from onehook.core.mapping.problems import MappingError, Problem, Source
from onehook.core.model import Event, Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.schema.events import EVENT_TYPES, data_model

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAX_BYTES = 1024 * 1024
HEAD = """\
onehook: mapping/v1
platform: acme
version: "1.0.0"
verify: none
"""
TICKET = {
    "urn": "[$.id]",
    "id": "$.id",
    "key": "{const: K}",
    "title": "{const: T}",
    "status_category": "{const: todo}",
}
_MARK = re.compile(r"⟨([EW]\d{3})⟩")


def compiled(text: str, *, name: str = "acme.yaml", **parents: str) -> CompiledMapping:
    """Compile *text*; *parents* are the files that ``extends`` may name."""
    sources = {key: Source(f"{key}.yaml", dedent(parent)) for key, parent in parents.items()}
    return compile_mapping(Source(name, dedent(text)), sources.get)


def problems(text: str, **parents: str) -> list[Problem]:
    """What *text* is refused for; empty if it is not."""
    try:
        compiled(text, **parents)
    except MappingError as error:
        return error.problems
    return []


def marked(text: str) -> tuple[str, list[tuple[str, str]]]:
    """*text* without its marks ⟨E101⟩, and the code and ``line:column`` of each."""
    found: list[tuple[str, str]] = []
    lines: list[str] = []
    for number, line in enumerate(dedent(text).split("\n"), start=1):
        rest = line
        while mark := _MARK.search(rest):
            found.append((mark[1], f"{number}:{mark.start() + 1}"))
            rest = rest[: mark.start()] + rest[mark.end() :]
        lines.append(rest)
    return "\n".join(lines), found


def places(found: list[Problem]) -> list[tuple[str, str]]:
    """Code and ``line:column`` of each problem."""
    return [(p.code, f"{p.place.line + 1}:{p.place.column + 1}") for p in found]


def rule(emit: str, fields: Mapping[str, str], *, rest: str = "") -> str:
    """A ``rules:`` section of one rule; *rest* are its other lines."""
    data = "".join(f"      {name}: {value}\n" for name, value in fields.items())
    more = indent(dedent(rest), "    ")
    return f"rules:\n  - id: r\n    emit: {emit}\n{more.rstrip()}\n    data:\n{data}"


def ticket_text(top: str = "", *, rest: str = "", **fields: str) -> str:
    """A file that makes any body a ticket with *fields*; *top* are other sections."""
    body = rule("ticketing.ticket.created", {**TICKET, **fields}, rest=rest)
    return HEAD + dedent(top) + body


def ticket(top: str = "", *, rest: str = "", **fields: str) -> CompiledMapping:
    """That file, compiled."""
    return compiled(ticket_text(top, rest=rest, **fields))


def run(
    mapping: CompiledMapping,
    body: JsonValue | bytes,
    headers: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    integration_id: str = "int_demo",
) -> Outcome:
    """The outcome of one webhook; a body in bytes is sent as it is, so that numbers keep theirs."""
    return normalized(mapping, body, headers, settings, integration_id).outcome


def normalized(
    mapping: CompiledMapping,
    body: JsonValue | bytes,
    headers: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    integration_id: str = "int_demo",
) -> Normalized:
    """What an unsigned integration makes of one webhook."""
    raw = body if isinstance(body, bytes) else encode(body)
    pairs = {"content-type": "application/json", **(headers or {})}
    info = IntegrationInfo(
        IntegrationId(integration_id), mapping.platform, "acme", dict(settings or {})
    )
    integration = Integration(info, mapping, {}, unsigned=True, active=True)
    return integration.normalize(Webhook(Headers(pairs.items()), raw, NOW), MAX_BYTES)


def events(
    mapping: CompiledMapping,
    body: JsonValue | bytes,
    headers: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[Event, ...]:
    """The events of one webhook, each valid by its model."""
    outcome = run(mapping, body, headers, settings)
    assert isinstance(outcome, Emitted), outcome
    for event in outcome.events:
        data_model(EVENT_TYPES[event.type]).model_validate(event.data)
    return outcome.events


def field(
    name: str,
    value: str,
    body: JsonValue | bytes,
    *,
    top: str = "",
    headers: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> JsonValue:
    """What *value* gives for the field *name* of a ticket made of *body*."""
    if isinstance(body, dict):
        body = {"id": "1", **body}
    return events(ticket(top, **{name: value}), body, headers, settings)[0].data[name]


def custom(value: str, body: JsonValue | bytes, *, top: str = "") -> JsonValue:
    """What *value* gives where any scalar may stand, as delivered."""
    found = field("custom", f"{{x: {value}}}", body, top=top)
    assert isinstance(found, dict)
    return found.get("x")
