"""The runner of a mapping's own tests: what passes, what differs, and how that is said."""

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import Quarantined
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import normalize_sample, run
from tests.core.mapping.building import ticket

TOP = """
ignore: [{when: {$.a: ping}, reason: ping}]
"""


def mapping(test: str, top: str = "") -> CompiledMapping:
    """A mapping with one test; bodies with ``id`` become a ticket."""
    return ticket(
        f"{TOP}{top}tests:\n  - {test}\n", rest="when: {$.id: {exists: true}}", title="$.t"
    )


def no_file(name: str) -> bytes:
    """A folder without files."""
    raise FileNotFoundError(2, "No such file", name)


def problems(test: str, top: str = "") -> list[str]:
    """What the one test says."""
    compiled = mapping(test, top)
    (sample,) = samples(compiled, no_file)
    return list(run(compiled, sample).problems)


@pytest.mark.parametrize(
    "test",
    [
        "{name: n, body: {id: 1, t: x}, expect: [{schema_version: '1.0', data: {title: x}}]}",
        '{name: n, body_text: "{\\"id\\": 1, \\"t\\": \\"x\\"}", expect: [{data: {id: "1"}}]}',
        "{name: n, body: {id: 1, t: x}, expect: [{}]}",
        "{name: n, body: {a: ping}, expect: ignored}",
        "{name: n, body: {a: ping}, expect: {ignored: ping}}",
        "{name: n, body: {a: other}, expect: quarantined}",
        "{name: n, body: {a: other}, expect: {quarantined: no_rule}}",
        "{name: n, body: {id: 1}, expect: {quarantined: schema_violation}}",
        "{name: n, body_text: 'no json', expect: {quarantined: unparsable}}",
        "{name: n, expect: {quarantined: empty_body}}",
    ],
)
def test_what_is_as_expected_passes(test: str) -> None:
    """Events as subsets, or the word for another outcome, with its reason or without."""
    assert problems(test) == []


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        (
            "{name: n, body: {id: 1, t: x}, expect: ignored}",
            'expected "ignored", got events ticketing.ticket.created',
        ),
        ("{name: n, body: {a: ping}, expect: [{}]}", "expected 1 events, got ignored (ping)"),
        (
            "{name: n, body: {a: ping}, expect: {ignored: other}}",
            'expected {"ignored":"other"}, got ignored (ping)',
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{}, {}]}",
            "expected 2 events, got 1: ticketing.ticket.created",
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{data: {title: y}}]}",
            '/0/data/title: expected "y", got "x"',
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{data: {titel: y}}]}",
            "/0/data/titel: there is no such field",
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{data: {changes: [{}]}}]}",
            "/0/data/changes: expected 1 items, got []",
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{data: {number: 0}}]}",
            "/0/data/number: expected 0, got null",
        ),
        (
            "{name: n, body: {id: 1, t: x}, expect: [{data: {raw: {size: true}}}]}",
            "/0/data/raw/size: expected true, got 16",
        ),
    ],
)
def test_each_difference_is_one_line_with_its_pointer(test: str, problem: str) -> None:
    """Where, what was expected, what came."""
    assert problems(test) == [problem]


def test_a_quarantine_that_was_not_expected_says_what_is_missing() -> None:
    """Its detail helps more than its reason."""
    (found,) = problems("{name: n, body: {id: 1}, expect: [{}]}")
    assert found.startswith("expected 1 events, got quarantined (schema_violation): /data/title")


def test_true_is_not_one() -> None:
    """Python takes them for equal."""
    test = (
        "{name: n, body: {id: 1, t: x}, expect: [{data: {custom: {}, changes: [], number: false}}]}"
    )
    assert problems(test) == ["/0/data/number: expected false, got null"]


def test_exact_wants_every_field() -> None:
    """And names each that was not said."""
    found = problems(
        "{name: n, exact: true, body: {id: 1, t: x}, expect: [{type: ticketing.ticket.created}]}"
    )
    assert "/0/data: not expected" in found
    assert len(found) == 7


def test_settings_are_the_test_s_over_the_defaults() -> None:
    """As an integration's would be."""
    top = "settings: {site: {default: a.example}, other: {}}\nhost: {setting: site}\n"
    urn = "{name: n, body: {id: 1, t: x}, %sexpect: [{data: {urn: 'oh:acme:%s:ticket:1'}}]}"
    assert problems(urn % ("", "a.example"), top) == []
    assert problems(urn % ("settings: {site: b.example}, ", "b.example"), top) == []


def test_a_deep_body_is_quarantined_as_the_gateway_would() -> None:
    """The runner uses the gateway's own parser."""
    deep: JsonValue = []
    for _ in range(120):
        deep = [deep]
    text = str(deep)
    compiled = mapping(f"{{name: n, body_text: '{text}', expect: quarantined}}")
    (sample,) = samples(compiled, no_file)
    assert normalize_sample(compiled, sample) == Quarantined(
        "unparsable", "nested deeper than 64 levels"
    )
