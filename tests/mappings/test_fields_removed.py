"""threats.md M8: a vendor renames or removes a field."""

import json
from collections.abc import Iterator

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from tests.core.mapping.building import run
from tests.properties.webhooks import SHIPPED, bodies, check, encode_any, json_headers, shipped

DEEP = 3  # levels: further below fields are alike
SAMPLES = 4  # of a platform


def without_each(value: JsonValue, depth: int = DEEP) -> Iterator[JsonValue]:
    """*value* less one member, for each member down to *depth*."""
    if not isinstance(value, dict) or not depth:
        return
    for name in value:
        rest = {key: below for key, below in value.items() if key != name}
        yield rest
        for below in without_each(value[name], depth - 1):
            yield {**value, name: below}


@pytest.mark.parametrize("name", SHIPPED)
def test_m8_whatever_field_is_gone_the_event_is_valid_or_quarantined(name: str) -> None:
    """It never raises; what is required quarantines with its pointer, what is not becomes null."""
    kept = held = 0
    for sample in bodies(name)[:SAMPLES]:
        for body in without_each(json.loads(sample.body)):
            outcome = run(
                shipped(name).mapping, encode_any(body), json_headers(sample), sample.settings
            )
            check(outcome)
            assert isinstance(outcome, Emitted | Ignored | Quarantined)
            kept += isinstance(outcome, Emitted)
            held += isinstance(outcome, Quarantined)
            if isinstance(outcome, Quarantined):
                assert outcome.reason in ("no_rule", "mapping_error", "schema_violation")
                assert outcome.detail
    assert kept > held  # most of what is gone is not needed
