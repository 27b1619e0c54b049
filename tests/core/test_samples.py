"""Test events: one of every type, true to its model, and marked."""

import pytest
from pydantic import TypeAdapter

from onehook.core.jsontext import decode, encode
from onehook.core.samples import INTEGRATION, Source, sample_event
from onehook.core.schema.aliases import ALIASES
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.mappings import read_all
from tests.builders import NOW, shipped, write_acme

MOMENT = "2026-11-22T12:00:00.000Z"


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """The shipped mappings with their tests."""
    return [(file.mapping, file.load_sample) for file in shipped().values()]


@pytest.mark.parametrize("name", [*EVENT_TYPES, *ALIASES])
def test_there_is_one_of_every_type_and_alias(sources: list[Source], name: str) -> None:
    """Whatever can be subscribed to can be tried: an event that its own model accepts."""
    event = sample_event(sources, name, NOW, "salt")

    assert event is not None
    types = ALIASES[name].types if name in ALIASES else (name,)
    assert event.type in types
    assert name not in ALIASES or ALIASES[name].fits(event.data)
    envelope = decode(event.body)
    assert envelope == decode(encode(event.envelope))
    assert isinstance(envelope, dict)
    data = envelope["data"]
    TypeAdapter(data_model(EVENT_TYPES[event.type])).validate_json(encode(data))
    assert isinstance(data, dict)
    assert data["custom"]["test"] is True  # type: ignore[index, call-overload]
    assert envelope["id"] == event.id
    assert envelope["received_at"] == MOMENT
    assert data["raw"]["ref"] == f"/v1/events/{event.id}/native"  # type: ignore[index, call-overload]


def test_examples_are_those_of_shipped_mappings(sources: list[Source]) -> None:
    """What a platform sends is tried with what that platform sent, not with a made-up event."""
    made_up = {
        name
        for name in EVENT_TYPES
        if (event := sample_event(sources, name, NOW, "s")) is not None
        and decode(event.body)["integration"]["type"] == "onehook"  # type: ignore[index, call-overload]
    }

    assert {name for name in made_up if not name.startswith("integration.")} == {
        "security.alert.triggered",
        "security.compliance.violated",
        "ci.deployment.rolled_back",
    }


def test_each_has_an_id_of_its_own(sources: list[Source]) -> None:
    """A receiver that remembers ids takes every test for a new event."""
    name = "scm.pull_request.merged"
    ids = {event.id for salt in "abc" if (event := sample_event(sources, name, NOW, salt))}

    assert len(ids) == 3
    assert all(len(id_) == 30 and id_.startswith("evt_") for id_ in ids)


def test_unknown_names_have_none(sources: list[Source]) -> None:
    """A pattern or a typo is no type."""
    for name in ("scm.*", "*", "sales.order.created", ""):
        assert sample_event(sources, name, NOW, "s") is None


def test_no_mapping_is_no_obstacle() -> None:
    """Without a single mapping there is still one of every type."""
    for name in (*EVENT_TYPES, *ALIASES):
        event = sample_event([], name, NOW, "s")
        assert event is not None
        TypeAdapter(data_model(EVENT_TYPES[event.type])).validate_json(encode(event.data))
        assert name not in ALIASES or ALIASES[name].fits(event.data)
        assert event.data["custom"]["test"] is True  # type: ignore[index, call-overload]
        assert decode(event.body)["integration"]["id"] in (INTEGRATION, "int_onehook")  # type: ignore[index, call-overload]


def test_broken_tests_of_an_operator_are_passed_over(
    sources: list[Source], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A mapping whose tests cannot be read does not keep anybody from trying his subscription."""
    folder = write_acme(tmp_path_factory.mktemp("mappings"))
    with (folder / "acme.yaml").open("a") as file:
        file.write(
            "tests:\n"
            "  - {name: gone, body_file: none.json, expect: [{type: ticketing.ticket.created}]}\n"
        )
    (broken,) = read_all([folder])

    event = sample_event(
        [(broken.mapping, broken.load_sample), *sources], "ticketing.ticket.created", NOW, "s"
    )

    assert event is not None
    assert decode(event.body)["integration"]["type"] != "acme"  # type: ignore[index, call-overload]
