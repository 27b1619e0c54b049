"""For any body and headers the shipped mappings give an outcome, and every event is valid."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import (
    Emitted,
    Ignored,
    Outcome,
    Quarantined,
)
from onehook.core.mapping.problems import MappingError
from onehook.core.mapping.samples import Sample, samples
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.mappings import MappingFile, read_file, shipped_folder
from tests.core.javascript import round_trip
from tests.core.mapping.building import compiled, run
from tests.core.mapping.examples import GITHUB, QUARRYDESK, github_body

SHIPPED = sorted(path.stem for path in shipped_folder().glob("*.yaml"))


@cache
def shipped(name: str) -> MappingFile:
    """A shipped mapping, compiled once; tests/mappings says what is wrong with one that is."""
    try:
        return read_file(shipped_folder() / f"{name}.yaml")
    except MappingError:
        pytest.skip(f"{name}.yaml does not compile")


def outcome_of(
    mapping: CompiledMapping,
    body: JsonValue,
    headers: Mapping[str, str],
    options: Mapping[str, str],
) -> Outcome:
    """What normalize makes of it, with the checks that hold for any input."""
    outcome = run(mapping, encode_any(body), headers, options)
    if isinstance(outcome, Emitted):
        assert len({event.id for event in outcome.events}) == len(outcome.events)
        for event in outcome.events:
            data_model(EVENT_TYPES[event.type]).model_validate(event.data)
            assert json.loads(event.body) == json.loads(encode_any(dict(event.envelope)))
            assert len(event.body) <= 256 * 1024
    return outcome


def encode_any(value: object) -> bytes:
    """JSON of plain Python values, floats among them."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


SURPRISES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**15, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["", " ", "unknown", "open", "closed", "2026-11-22T10:15:00Z", "2026-11-22", "10:15",
         "https://a.example/b", "https://[", "refs/heads/x", "refs/tags/", "x" * 17_000, "\x00"]
    ),
    st.just([]),
    st.just({}),
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
HEADER_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=15)


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


@cache
def bodies(name: str) -> tuple[Sample, ...]:
    """The webhooks of a mapping's own tests whose body is JSON."""
    file = shipped(name)
    try:
        found = samples(file.mapping, file.load_sample)
    except (OSError, ValueError):
        return ()  # the file is being written
    return tuple(sample for sample in found if is_json(sample.body))


def json_headers(sample: Sample) -> dict[str, str]:
    """Its headers; the body is sent as plain JSON, whatever the test says."""
    kept = {k: v for k, v in sample.headers if k not in ("content-type", "content-encoding")}
    return {**kept, "content-type": "application/json"}


def is_json(body: bytes) -> bool:
    """Whether Python's own module reads it."""
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@st.composite
def changed_samples(draw: st.DrawFn, name: str) -> tuple[JsonValue, dict[str, str], dict[str, str]]:
    """A webhook as the vendor sends it, with some places changed or taken away."""
    known = bodies(name)
    if not known:
        return draw(ANY_JSON), {}, {}
    sample = draw(st.sampled_from(known))
    body: JsonValue = json.loads(sample.body)
    for _ in range(draw(st.integers(0, 4))):
        every = list(places(body))
        if not every:
            break
        holder, key = every[draw(st.integers(0, len(every) - 1))]
        if isinstance(holder, dict) and draw(st.booleans()):
            del holder[str(key)]
        else:
            holder[key] = draw(SURPRISES)  # type: ignore[index]
    return body, json_headers(sample), dict(sample.settings)


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=60)
@given(data=st.data())
def test_any_webhook_has_an_outcome_under_every_shipped_mapping(
    name: str, data: st.DataObject
) -> None:
    """Samples with places changed, and whatever else: nothing raises, every event is valid."""
    mapping = shipped(name).mapping
    body, headers, options = data.draw(changed_samples(name))
    outcome = outcome_of(mapping, body, headers, options)
    assert isinstance(outcome, Emitted | Ignored | Quarantined)
    again = outcome_of(mapping, body, headers, options)
    if isinstance(outcome, Emitted) and isinstance(again, Emitted):
        assert [e.id for e in outcome.events] == [e.id for e in again.events]
        assert [e.body for e in outcome.events] == [e.body for e in again.events]


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=40)
@given(body=ANY_JSON, values=st.dictionaries(st.sampled_from(["x-a", "user-agent"]), HEADER_TEXT))
def test_any_json_has_an_outcome_under_every_shipped_mapping(
    name: str, body: JsonValue, values: dict[str, str]
) -> None:
    """Of no vendor at all."""
    outcome_of(shipped(name).mapping, body, values, {})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_event_of_every_sample_is_valid_and_survives_javascript(name: str) -> None:
    """`schema.md` §2 rule 13: JSON.stringify(JSON.parse(body)) gives the same bytes."""
    mapping = shipped(name).mapping
    found: list[bytes] = []
    for sample in bodies(name):
        outcome = outcome_of(
            mapping, json.loads(sample.body), json_headers(sample), sample.settings
        )
        if isinstance(outcome, Emitted):
            found += [event.body for event in outcome.events]
    if found:
        assert round_trip(found) == found


NUMBERS = st.builds(
    lambda whole, fraction, exponent: f"{whole}{fraction}{exponent}",
    st.integers(-(10**20), 10**20) | st.integers(-20, 20),
    st.just("") | st.integers(0, 10**18).map(lambda n: f".{n}"),
    st.just("") | st.integers(-30, 30).map(lambda n: f"e{n}"),
)


def odd_events(github: bool, first: str, second: str, title: str) -> list[bytes]:
    """The bodies of the events of a webhook that holds these two numbers and this text."""
    if github:
        body = json.dumps(github_body("opened", additions="@1", id="@2", title="@t"))
    else:
        item = {"uid": "@2", "code": "C", "headline": "@t", "weight": "@1", "pit": {"name": "@1"}}
        body = json.dumps({"what": "item_new", "batch": "b", "items": [item]})
    for mark, value in (('"@1"', first), ('"@2"', second), ('"@t"', json.dumps(title))):
        body = body.replace(mark, value)
    headers = {"x-github-event": "pull_request", "x-github-delivery": "d"}
    mapping = cached(GITHUB if github else QUARRYDESK)
    outcome = run(mapping, body.encode(), headers, {"host": "h"})
    if not isinstance(outcome, Emitted):
        return []
    for event in outcome.events:
        data_model(EVENT_TYPES[event.type]).model_validate(event.data)
    return [event.body for event in outcome.events]


@cache
def cached(text: str) -> CompiledMapping:
    """A mapping of the page, compiled once."""
    return compiled(text)


@settings(max_examples=10, phases=[Phase.generate])  # node is too slow to shrink with
@given(
    st.lists(
        st.tuples(st.booleans(), NUMBERS, NUMBERS, st.text(max_size=10)),
        min_size=20,
        max_size=40,
    )
)
def test_events_of_odd_numbers_and_texts_survive_javascript(
    webhooks: list[tuple[bool, str, str, str]],
) -> None:
    """Numbers as sources may write them, texts with lone surrogates; ten runs of node."""
    found = [body for webhook in webhooks for body in odd_events(*webhook)] or [encode({})]
    assert round_trip(found) == found


def test_there_are_shipped_mappings() -> None:
    """Or the tests above prove nothing."""
    assert Path(shipped_folder()).is_dir()
    assert SHIPPED
