"""A webhook to its events: pure, total, the same every time.

Every input has an outcome: events, ignored with a reason, or quarantined with a reason that
says where.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from onehook.core import identity
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.conditions import always
from onehook.core.mapping.context import Context, MissingField
from onehook.core.mapping.dates import render
from onehook.core.mapping.document import Branch, CompiledMapping, Foreach, Group, Rule
from onehook.core.mapping.limits import MAX_EVENT, shrink, trim
from onehook.core.model import Event, IntegrationInfo, Webhook, clean_text
from onehook.core.schema.base import MAX_TEXT
from onehook.core.schema.events import SCHEMA_VERSION

MAX_DETAIL = 500  # characters of a quarantine's detail


class Emitted(msgspec.Struct, frozen=True):
    """The webhook became events; ``unmapped`` are enum values that no table row names."""

    events: tuple[Event, ...]
    unmapped: tuple[tuple[str, str], ...] = ()
    misfits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """The mapping says that nothing of interest is in it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Kept, not normalized.

    *reason* is no_rule, mapping_error, schema_violation, unparsable or empty_body.
    """

    reason: str
    detail: str
    pointer: str | None = None


Outcome: TypeAlias = Emitted | Ignored | Quarantined


# No dataclasses: compiled, a class is made and read in a fraction of the time, and is as plain.
class Identity:
    """What identifies a webhook: its dedupe *parts*, and the hex SHA-256 of its body."""

    def __init__(self, parts: tuple[str, ...], digest: str) -> None:
        self.parts, self.digest = parts, digest


class _Source:
    """What every event of one webhook shares; *size* is the body's, in bytes."""

    def __init__(
        self,
        integration: IntegrationInfo,
        known: Identity,
        received_at: str,
        content_type: str,
        size: int,
    ) -> None:
        self.integration, self.known, self.received_at = integration, known, received_at
        self.content_type, self.size = content_type, size


class Draft:
    """An event that lacks its references and its bytes."""

    def __init__(
        self, rule: Rule, at: JsonValue, data: dict[str, JsonValue], discriminator: str
    ) -> None:
        self.rule, self.at, self.data, self.discriminator = rule, at, data, discriminator


class Drafts:
    """What the rules made of a webhook: at least one draft."""

    def __init__(self, context: Context, source: _Source, drafts: list[Draft]) -> None:
        self.context, self.source, self.drafts = context, source, drafts


class Match:
    """A *rule*, the *item* that it takes, and the ``foreach`` *key* of that."""

    def __init__(self, rule: Rule, item: JsonValue, key: str | None) -> None:
        self.rule, self.item, self.key = rule, item, key


class _TooMany(Exception):  # noqa: N818 a signal inside this module
    """A foreach found more items than it may."""


def make_context(
    mapping: CompiledMapping, webhook: Webhook, integration: IntegrationInfo, body: JsonValue
) -> Context:
    """The context in which *mapping*'s values are read for *webhook*."""
    context = Context(
        body, webhook.headers, integration.settings, mapping.platform, "", mapping.fold
    )
    host = mapping.host(body, context)
    context.host = host if isinstance(host, str) and host else integration.id
    context.event_name = mapping.event_name(body, context)
    return context


def dedupe_parts(mapping: CompiledMapping, digest: str, context: Context) -> tuple[str, ...]:
    """What makes this webhook the same as another: the vendor's delivery id, else the digest."""
    parts: list[str] = []
    for get in mapping.dedupe.key:
        part = get(context.body, context)
        if not isinstance(part, str) or not part:
            return (digest,)
        parts.append(part)
    return tuple(parts) or (digest,)


def is_repeatable(mapping: CompiledMapping, context: Context) -> bool:
    """Whether the same bytes may rightly come again as news (`dedupe.repeatable`)."""
    for condition in mapping.dedupe.repeatable:  # noqa: SIM110 any() of a generator takes longer
        if condition(context.body, context):
            return True
    return False


def normalize(
    mapping: CompiledMapping,
    webhook: Webhook,
    integration: IntegrationInfo,
    context: Context,
    known: Identity,
) -> Outcome:
    """Turn one webhook into events. Never raises: every input has an outcome.

    *known* is what identifies it.
    """
    drafted = apply_rules(mapping, webhook, integration, context, known)
    return complete(drafted) if isinstance(drafted, Drafts) else drafted


def apply_rules(
    mapping: CompiledMapping,
    webhook: Webhook,
    integration: IntegrationInfo,
    context: Context,
    known: Identity,
) -> Drafts | Ignored | Quarantined:
    """The first half of :func:`normalize`: which rules match, and what they say.

    An event that lacks a required field quarantines the whole webhook: part of a batch would
    pass for all of it.
    """
    try:
        drafts = _drafts(mapping, context)
    except MissingField as missing:
        pointer = f"/data{missing.pointer}"
        detail = f"{pointer} is required and the webhook has nothing for it"
        return Quarantined("schema_violation", detail, pointer)
    except _TooMany as error:
        return Quarantined("mapping_error", str(error))
    except RecursionError:
        return Quarantined("mapping_error", "nested too deeply to be read")
    if drafts:
        return Drafts(context, _source(webhook, integration, known), drafts)
    for condition, reason in mapping.ignores:
        if condition(context.body, context):
            return Ignored(reason)
    name = context.event_name
    shown = f"the event {name!r}"[:MAX_DETAIL] if isinstance(name, str) else "this webhook"
    detail = f"no rule of {mapping.platform} {mapping.version} takes {shown}, and none ignores it"
    return Quarantined("no_rule", detail)


def complete(drafted: Drafts) -> Emitted | Quarantined:
    """The second half of :func:`normalize`: what the texts talk about, ids and bytes."""
    context = drafted.context
    try:
        events = tuple([_event(draft, context, drafted.source) for draft in drafted.drafts])
    except RecursionError:
        return Quarantined("mapping_error", "nested too deeply to be written")
    return Emitted(events, tuple(context.unmapped), tuple(context.misfits))


def _drafts(mapping: CompiledMapping, context: Context) -> list[Draft]:
    drafts: list[Draft] = []
    ordinals: dict[str, int] = {}
    for match in matching(mapping.branch, context):
        if context.before_each is not None:
            context.before_each()
        rule, item = match.rule, match.item
        ordinal = ordinals.get(rule.emit, 0)
        ordinals[rule.emit] = ordinal + 1
        at, data = rule.at(item, context), _data(rule, item, context)
        drafts.append(Draft(rule, at, data, match.key or str(ordinal)))
    return drafts


def matching(branch: Branch, context: Context) -> list[Match]:
    """The rules of *branch* that take the body or an item in it, in order.

    Raises:
        _TooMany: a ``foreach`` finds more items than it may.
    """
    found: list[Match] = []
    _match(branch, context.body, context, None, found)
    return found


def _match(
    branch: Branch, item: JsonValue, context: Context, key: str | None, found: list[Match]
) -> None:
    for rule in branch.candidates(item, context):
        if rule.condition is not always and not rule.condition(item, context):
            continue
        if rule.foreach is None:
            _take(rule, item, context, key, found)
            continue
        for below, item_key in _items(rule.foreach, item, context):
            _take(rule, below, context, item_key, found)


def _take(
    rule: Rule | Group, item: JsonValue, context: Context, key: str | None, found: list[Match]
) -> None:
    if isinstance(rule, Rule):
        found.append(Match(rule, item, key))
    else:
        _match(rule.branch, item, context, key, found)


def _items(foreach: Foreach, item: JsonValue, context: Context) -> Iterator[tuple[JsonValue, str]]:
    items = foreach.items(item, context)
    if len(items) > foreach.max:
        paths = ", ".join(path.text for path in foreach.paths)
        msg = f"{paths} holds {len(items)} items, and foreach takes {foreach.max}"
        raise _TooMany(msg)
    seen: dict[str, int] = {}
    for at, below in enumerate(items):
        found = foreach.key.values(context.body if foreach.key.absolute else below)
        key = str(found[0]) if found and isinstance(found[0], str | int) else f"#{at}"
        times = seen[key] = seen.get(key, 0) + 1
        # Two items of one key are two events: a second one must not take the first one's id.
        yield below, key if times == 1 else f"{key}#{times}"


def _source(webhook: Webhook, integration: IntegrationInfo, known: Identity) -> _Source:
    content_type = webhook.headers.get("content-type") or "application/octet-stream"
    return _Source(
        integration,
        known,
        render(webhook.received_at),
        clean_text(content_type),
        len(webhook.body),
    )


def _event(draft: Draft, context: Context, source: _Source) -> Event:
    type_, data, at = draft.rule.emit, draft.data, draft.at
    integration, known = source.integration, source.known
    event_id = identity.event_id(integration.id, known.parts, type_, draft.discriminator)
    if context.references is not None:
        data["references"] = context.references(data, type_)
    data["raw"] = {
        "ref": f"/v1/events/{event_id}/native",
        "content_type": source.content_type,
        "size": source.size,
        "sha256": known.digest,
        "body": None,
    }
    data["truncated"] = []
    occurred = isinstance(at, str)
    envelope: dict[str, JsonValue] = {
        "id": event_id,
        "type": type_,
        "schema_version": SCHEMA_VERSION,
        "timestamp": at if occurred else source.received_at,
        "timestamp_basis": "occurred" if occurred else "received",
        "received_at": source.received_at,
        "integration": {
            "id": integration.id,
            "type": integration.type,
            "name": integration.name,
        },
        "data": data,
    }
    body = encode(envelope)
    # Only in so many bytes can there be a text of so many characters.
    if (context.oversize or len(body) > MAX_TEXT) and (cut := trim(data)):
        data["truncated"] = cut
        body = encode(envelope)
    if len(body) > MAX_EVENT:
        shrink(data)
        body = encode(envelope)
    return Event(event_id, type_, data, envelope, body, draft.rule.id)


def _data(rule: Rule, item: JsonValue, context: Context) -> dict[str, JsonValue]:
    root = item
    if rule.source is not None:
        found = rule.source.lookup(context.body if rule.source.absolute else item)
        root = found if isinstance(found, dict | list | str | int | float) else {}
    data = rule.data.build(root, context, True)
    assert isinstance(data, dict)  # noqa: S101 it always is made
    native = data["native"]
    name = context.event_name
    if isinstance(native, dict) and name is not None:
        native["event"] = name
    custom = data["custom"]
    if custom is None:
        custom = data["custom"] = {}
    data["actor"] = rule.actor(item, context)
    data["changes"] = changes = rule.changes(item, context)
    data["references"] = references = rule.references(item, context)
    if (
        len(changes) > 250
        or len(references) > 50
        or (isinstance(custom, dict) and len(custom) > 50)
    ):
        context.oversize = True
    return data
