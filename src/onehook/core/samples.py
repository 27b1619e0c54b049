"""An example of any event, to try a subscriber with.

It is what a shipped mapping makes of one of its own tests. A type that no mapping makes gets the
least that its model asks for; a fact of the gateway's own is made as the gateway makes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from onehook.core import identity
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.dates import render
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import LoadBody, SampleError, samples_of
from onehook.core.mapping.testing import normalize_sample
from onehook.core.model import Event, EventId
from onehook.core.notices import STATUS, Notice, notice_event
from onehook.core.schema.aliases import ALIASES, Alias
from onehook.core.schema.base import FieldSpec, Kind, Model, fields_of
from onehook.core.schema.events import EVENT_TYPES, SCHEMA_VERSION, data_model, entity_of

INTEGRATION = "int_test"  # of every test event: no real one has this id
Source = tuple[CompiledMapping, LoadBody]


def sample_event(sources: Sequence[Source], name: str, now: datetime, salt: str) -> Event | None:
    """A test event of the type or alias *name*; None if there is none of that name.

    It came at *now* (aware UTC) and says in ``data.custom.test`` what it is. *salt* makes its id.
    """
    alias = ALIASES.get(name, Alias((name,)))
    if not set(alias.types) <= set(EVENT_TYPES):
        return None
    found = next(_samples(sources, alias), None) or _made(alias, now)
    return _marked(found, now, salt)


def _samples(sources: Sequence[Source], alias: Alias) -> Iterator[Event]:
    """What mappings make of their tests, as far as *alias* means it."""
    for type_ in alias.types:
        for mapping, load in sources:
            yield from _samples_of(mapping, load, type_, alias)


def _samples_of(
    mapping: CompiledMapping, load: LoadBody, type_: str, alias: Alias
) -> Iterator[Event]:
    try:
        for sample in samples_of(mapping, load, type_):
            outcome = normalize_sample(mapping, sample)
            if isinstance(outcome, Emitted):
                yield from (e for e in outcome.events if e.type == type_ and alias.fits(e.data))
    except SampleError:  # an operator's own mapping, whose tests nobody ran
        return


def _made(alias: Alias, now: datetime) -> Event:
    """An event of the first type of *alias* with what its model asks for and no more."""
    type_ = alias.types[0]
    if type_ in STATUS:
        return notice_event(Notice(type_, f"sub_{'0' * 26}", now, name="test", reason="a test"))[0]
    model = EVENT_TYPES[type_]
    data = _least(data_model(model), type_, now)
    data["urn"] = f"oh:onehook:{INTEGRATION}:{entity_of(model, data)}:1"
    if alias.severity is not None:
        data["severity"] = alias.severity
    if alias.changed is not None:
        data["changes"] = [{"field": alias.changed, "from": None, "to": None, "from_known": False}]
    envelope: dict[str, JsonValue] = {
        "id": "",
        "type": type_,
        "schema_version": SCHEMA_VERSION,
        "timestamp": render(now),
        "timestamp_basis": "received",
        "received_at": render(now),
        "integration": {"id": INTEGRATION, "type": "onehook", "name": "test"},
        "data": data,
    }
    return Event(EventId(""), type_, data, envelope, b"")


def _least(model: type[Model], type_: str, now: datetime) -> dict[str, JsonValue]:
    return {name: _value(spec, type_, now) for name, spec in fields_of(model).items()}


def _value(spec: FieldSpec, type_: str, now: datetime) -> JsonValue:
    if not spec.required:
        return None
    if spec.model is not None and spec.kind is Kind.MODEL:
        return _least(spec.model, type_, now)
    if spec.kind is Kind.ENUM:
        action = type_.rpartition(".")[2]
        return action if action in spec.members else min(spec.members - {"unknown"})
    if spec.kind is Kind.TEXT and spec.name in ("title", "name"):
        return f"a test of {type_}"
    usual: Mapping[Kind, JsonValue] = {
        Kind.TIMESTAMP: render(now),
        Kind.DAY: render(now)[:10],
        Kind.INTEGER: 1,
        Kind.NUMBER: 1,
        Kind.BOOLEAN: False,
        Kind.LIST: [],
        Kind.SCALARS: {},
        Kind.ANY: None,
    }
    return usual.get(spec.kind, "1")  # every other kind is text


def _marked(event: Event, now: datetime, salt: str) -> Event:
    """*event* with an id of its own, as it comes now, and marked as a test."""
    id_ = identity.event_id(INTEGRATION, [salt], event.type, "0")
    custom, raw = _object(event.data.get("custom")), _object(event.data.get("raw"))
    data: dict[str, JsonValue] = {
        **event.data,
        "custom": {**custom, "test": True},
        "raw": {**raw, "ref": f"/v1/events/{id_}/native"},
    }
    moment = render(now)
    envelope: dict[str, JsonValue] = {
        **event.envelope,
        "id": id_,
        "received_at": moment,
        "data": data,
    }
    if envelope["timestamp_basis"] == "received":
        envelope["timestamp"] = moment
    return Event(id_, event.type, data, envelope, encode(envelope))


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
