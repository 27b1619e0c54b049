"""Events survive JavaScript, whatever numbers and texts a webhook has. See also test_fuzz.py."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Emitted
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.mappings import shipped_folder
from tests.core.javascript import round_trip
from tests.core.mapping.building import compiled, run
from tests.core.mapping.examples import GITHUB, QUARRYDESK, github_body
from tests.properties.webhooks import SHIPPED, bodies, check, json_headers, shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_every_event_of_every_sample_is_valid_and_survives_javascript(name: str) -> None:
    """`schema.md` §2 rule 13: JSON.stringify(JSON.parse(body)) gives the same bytes."""
    mapping = shipped(name).mapping
    found: list[bytes] = []
    for sample in bodies(name):
        outcome = run(mapping, sample.body, json_headers(sample), sample.settings)
        check(outcome)
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
