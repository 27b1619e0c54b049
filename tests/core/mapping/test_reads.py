"""Decoding only what a mapping looks at gives the same events as decoding all."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from onehook.core.jsontext import JsonSyntaxError, JsonValue, decode, decoder, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.reads import reads_of
from onehook.core.mapping.samples import Sample, samples
from onehook.core.mapping.source import Map, parse
from onehook.core.mapping.testing import normalize_sample
from onehook.mappings import MappingFile, read_file, shipped_folder
from tests.core.mapping.building import HEAD, compiled

FILES = [read_file(path) for path in sorted(shipped_folder().glob("*.yaml"))]
ODD: list[JsonValue] = [None, True, 7, "text", "", [], {}, [1, "two"], {"id": "x"}, [{"id": 1}]]


def pruning(mapping: CompiledMapping) -> CompiledMapping:
    """*mapping*, with whatever it does not look at left out of bodies of any size."""
    top = parse(mapping.source)
    shapes, lets = top.get("shapes"), top.get("let")
    named = shapes.items.items() if isinstance(shapes, Map) else ()
    reads = reads_of(
        top,
        {name: node for name, node in named if isinstance(node, Map)},
        lets.items if isinstance(lets, Map) else {},
    )
    return replace(mapping, read=decoder(reads.type(), least=0))


def outcome(mapping: CompiledMapping, sample: Sample) -> object:
    """What *sample* becomes, in a form to compare."""
    found = normalize_sample(mapping, sample)
    if not isinstance(found, Emitted):
        return found
    return [event.body for event in found.events], found.unmapped, found.misfits


def mutated(body: bytes, chance: random.Random) -> bytes:
    """*body* with one value in it replaced by something odd."""
    value = json.loads(body)
    places = list(_places(value))
    if not places:
        return body
    holder, key = chance.choice(places)
    holder[key] = chance.choice(ODD)  # type: ignore[index, call-overload]
    return json.dumps(value).encode()


def _places(value: object) -> Iterator[tuple[dict[str, object] | list[object], str | int]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield value, key
            yield from _places(below)
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield value, at
            yield from _places(below)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.mapping.platform)
def test_every_sample_gives_the_same_events(file: MappingFile) -> None:
    """As they stand, and with odd values in them."""
    whole, some = replace(file.mapping, read=decode), pruning(file.mapping)
    chance = random.Random(file.mapping.platform)
    for sample in samples(file.mapping, file.load_sample):
        assert outcome(some, sample) == outcome(whole, sample), sample.name
        try:
            bodies = [mutated(sample.body, chance) for _ in range(10)]
        except ValueError:
            continue  # a sample that is no JSON
        for body in bodies:
            odd = replace(sample, body=body)
            assert outcome(some, odd) == outcome(whole, odd), body


def test_what_nobody_looks_at_is_not_decoded() -> None:
    """Members without a path are left out, whatever they hold; order and numbers stay."""
    rule = """\
rules:
  - id: a
    when: {"$.list[?@.on == true].x": 1, "$.deep['odd name']": "2.50"}
    emit: ticketing.ticket.created
    data: {urn: [$.a.id], id: $.a.id, key: $.a.id, title: $.a.b, status_category: {const: todo}}
"""
    mapping = pruning(compiled(HEAD + "event_name: $.kind\n" + rule))
    body = b'{"z":[{"y":1}],"list":[{"on":true,"x":1,"no":0}],"a":{"b":"t","c":{}},"kind":1.50}'
    read = mapping.read(body)
    assert read == {"list": [{"on": True, "x": 1}], "a": {"b": "t"}, "kind": 1.5}
    assert encode(read) == b'{"list":[{"on":true,"x":1}],"a":{"b":"t"},"kind":1.5}'
    with pytest.raises(JsonSyntaxError, match="UTF-8"):
        mapping.read(b'{"z":"\xff"}')
