"""Webhooks as nobody would send them: arbitrary JSON and headers, real bodies changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted, Outcome
from onehook.core.mapping.problems import MappingError
from onehook.core.mapping.samples import Sample, samples
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.mappings import MappingFile, read_file, shipped_folder
from tests.mappings import corpus

SHIPPED = sorted(path.stem for path in shipped_folder().glob("*.yaml"))
JSON_TYPE = "application/json"
LARGEST = 256 * 1024  # bytes of an event


@dataclass(frozen=True, slots=True)
class Case:
    """A webhook to normalize, and the settings of its integration."""

    body: bytes
    headers: Mapping[str, str]
    settings: Mapping[str, str]


@cache
def shipped(name: str) -> MappingFile:
    """A shipped mapping, compiled once; tests/mappings says what is wrong with one that is."""
    try:
        return read_file(shipped_folder() / f"{name}.yaml")
    except MappingError:
        pytest.skip(f"{name}.yaml does not compile")


def encode_any(value: object) -> bytes:
    """JSON of plain Python values, floats among them."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def is_json(body: bytes) -> bool:
    """Whether Python's own module reads it."""
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def check(outcome: Outcome) -> None:
    """What holds of any events: valid, told apart, their bytes what they say, not too large."""
    if not isinstance(outcome, Emitted):
        return
    assert outcome.events
    assert len({event.id for event in outcome.events}) == len(outcome.events)
    for event in outcome.events:
        data_model(EVENT_TYPES[event.type]).model_validate(event.data)
        assert json.loads(event.body) == json.loads(encode_any(dict(event.envelope)))
        assert len(event.body) <= LARGEST


@cache
def bodies(name: str) -> tuple[Sample, ...]:
    """The webhooks of a mapping's own tests whose body is JSON."""
    file = shipped(name)
    found = samples(file.mapping, file.load_sample)
    return tuple(sample for sample in found if is_json(sample.body))


def json_headers(sample: Sample) -> dict[str, str]:
    """Its headers; the body is sent as plain JSON, whatever the test says."""
    kept = {k: v for k, v in sample.headers if k not in ("content-type", "content-encoding")}
    return {**kept, "content-type": JSON_TYPE}


@cache
def seeds(name: str) -> tuple[Case, ...]:
    """Webhooks as the vendor sends them: the mapping's tests, and the corpus where there is one."""
    found = [Case(s.body, json_headers(s), dict(s.settings)) for s in bodies(name)]
    if corpus.CORPUS is not None:
        rows = (row for row in corpus.rows(name) if not row.broken)
        found += [Case(row.body, {**row.headers, "content-type": JSON_TYPE}, {}) for row in rows]
    return tuple(found)


@cache
def header_names(name: str) -> tuple[str, ...]:
    """The headers that the vendor sends, and some that it does not."""
    known = {header for case in seeds(name) for header in case.headers}
    return (*sorted(known - {"content-type"}), "x-a", "user-agent")


SURPRISES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**15, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["", " ", "unknown", "open", "closed", "2026-11-22T10:15:00Z", "2026-11-22", "10:15",
         "https://a.example/b", "https://[", "refs/heads/x", "refs/tags/", "x" * 17_000, "\x00",
         "\ud800", "PAY-1 #2 acme/shop#3 CVE-2026-1 INC0010023"]
    ),
    st.builds(list),  # new ones: who changes a body would change those of all that come
    st.builds(dict),
    st.lists(st.text(max_size=3) | st.integers(), max_size=3),
)  # fmt: skip
ANY_JSON = st.recursive(
    SURPRISES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["action", "id", "issue", "event", "data", "object_kind", "user", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)
# As an HTTP parser gives it: bytes beyond UTF-8 come as lone surrogates.
HEADER_TEXT = st.binary(max_size=15).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def places(value: JsonValue) -> Iterator[tuple[dict[str, JsonValue] | list[JsonValue], str | int]]:
    """Every place in *value* that can be changed."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield value, key
            yield from places(below)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield value, index
            yield from places(below)


def copied(value: JsonValue) -> JsonValue:
    """A copy that shares nothing."""
    found: JsonValue = json.loads(json.dumps(value))
    return found


@st.composite
def mutated(draw: st.DrawFn, body: JsonValue) -> JsonValue:
    """*body* with some places taken away, replaced, moved, wrapped or repeated."""
    whole = [body]
    for _ in range(draw(st.integers(0, 5))):
        every = list(places(whole))  # type: ignore[arg-type]
        holder, key = every[draw(st.integers(0, len(every) - 1))]
        old: JsonValue = holder[key]  # type: ignore[index]
        how = draw(st.sampled_from(["remove", "surprise", "move", "wrap", "object", "repeat"]))
        if how == "remove" and isinstance(holder, dict):
            del holder[str(key)]
            continue
        other, at = every[draw(st.integers(0, len(every) - 1))]
        made: JsonValue = {
            "move": copied(other[at]),  # type: ignore[index]
            "wrap": [old],
            "object": {"id": old, "name": old},
            "repeat": old * 300 if isinstance(old, list) and len(old) < 3 else old,
        }.get(how)
        holder[key] = draw(SURPRISES) if how in ("remove", "surprise") else made  # type: ignore[index]
    return whole[0]


@st.composite
def cases(draw: st.DrawFn, name: str) -> Case:
    """Any webhook for the shipped mapping *name*; half of them begin as a real one."""
    known = seeds(name)
    seed = draw(st.sampled_from(known))
    headers = dict(seed.headers)
    if draw(st.integers(0, 3)) == 0:
        names = st.sampled_from(header_names(name))
        headers |= draw(st.dictionaries(names, HEADER_TEXT, max_size=4))
    kind = draw(st.sampled_from(["mutated", "mutated", "any", "bytes"]))
    if kind == "any":
        return Case(encode_any(draw(ANY_JSON)), headers, seed.settings)
    if kind == "bytes":
        at = draw(st.integers(0, len(seed.body)))
        end = at + draw(st.integers(0, 8))
        body = seed.body[:at] + draw(st.binary(max_size=4)) + seed.body[end:]
        return Case(body, headers, seed.settings)
    return Case(encode_any(draw(mutated(json.loads(seed.body)))), headers, seed.settings)
