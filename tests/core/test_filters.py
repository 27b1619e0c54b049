"""Subscription filters: the condition language on the event as it is delivered."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.filters import MAX_TESTS, compile_filter
from onehook.core.jsontext import JsonValue
from onehook.errors import InvalidRequestError

EVENT: dict[str, JsonValue] = {
    "type": "scm.pull_request.created",
    "integration": {"id": "int_a", "type": "github"},
    "data": {"draft": False, "labels": ["bug"], "number": 42, "author": None},
}


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({}, True),
        ({"$.data.draft": False}, True),
        ({"$.data.draft": True}, False),
        ({"$.data.number": {"gt": 41}}, True),
        ({"$.data.number": 42.0}, True),
        ({"$.data.labels": "bug"}, True),
        ({"$.data.labels": ["x", "bug"]}, True),
        ({"$.type": {"matches": "^scm"}}, True),
        ({"$.data.author": None}, True),
        ({"$.data.author": {"exists": True}}, False),
        ({"$.integration.type": "gitlab"}, False),
        ({"any": [{"$.data.number": 1}, {"$.data.draft": False}]}, True),
        ({"not": {"$.data.draft": False}}, False),
        ({"$$.data.number": 42}, True),
    ],
)
def test_a_filter_sees_the_event_as_delivered(conditions: JsonValue, *, wanted: bool) -> None:
    """``$`` is the event; all operators of the mapping language."""
    assert compile_filter(conditions)(EVENT) is wanted


def refused(conditions: JsonValue) -> list[str]:
    """The pointers of what is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        compile_filter(conditions)
    assert caught.value.status == 422
    return [error.pointer for error in caught.value.errors]


@pytest.mark.parametrize(
    ("conditions", "pointers"),
    [
        ("text", ["/filter"]),
        ([], ["/filter"]),
        ({"data.draft": False}, ["/filter/data.draft"]),
        ({"$..x": 1}, ["/filter/$..x"]),
        ({"$.a": {"like": "x"}}, ["/filter/$.a/like"]),
        ({"$.a": {"matches": "(?=x)"}}, ["/filter/$.a/matches"]),
        ({"$.a": {"matches": "\ud800"}}, ["/filter/$.a/matches"]),
        ({"$.a/b~c": [{}]}, ["/filter/$.a~1b~0c", "/filter/$.a~1b~0c"]),
        ({"any": [{"$.a": 1}, {"b": 1}]}, ["/filter/any/1/b"]),
        ({"setting.x": "y"}, ["/filter/setting.x"]),
        ({"header.x": "y"}, ["/filter/header.x"]),
        ({"not": {"header.x": "y"}}, ["/filter/not/header.x"]),
        ({"$.a": {"equals": "header.x"}}, ["/filter/$.a/equals"]),
        ({"$.a": {"equals": "b"}}, ["/filter/$.a/equals"]),
        ({"let.x": "y"}, ["/filter/let.x"]),
        ({"$.a": {"exists": "yes"}, "b": 1}, ["/filter/$.a/exists", "/filter/b"]),
    ],
)
def test_a_wrong_filter_is_refused_with_a_pointer_for_each_thing(
    conditions: JsonValue, pointers: list[str]
) -> None:
    """422; headers and settings are no part of an event."""
    assert sorted(refused(conditions)) == sorted(pointers)


def test_a_filter_has_a_bounded_number_of_tests() -> None:
    """It runs for every event."""
    compile_filter({"$.a": list(range(MAX_TESTS - 2))})
    assert refused({"$.a": list(range(MAX_TESTS - 1))}) == ["/filter"]


def test_m4_a_very_long_filter_is_not_read_to_its_end() -> None:
    """Reading 6 MB of conditions took five seconds; now it takes none of them to see enough."""
    inner: JsonValue = {"any": [{"$.data.number": {"gt": 41}}] * 300}
    begun = time.thread_time()
    assert refused([inner] * 300) == ["/filter"]
    assert time.thread_time() - begun < 1


KEYS = st.sampled_from(
    ["$.type", "$.data", "$.data.number", "any", "not", "exists", "gt", "matches", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(JSON)
def test_any_json_is_a_filter_or_refused(conditions: JsonValue) -> None:
    """And a filter never raises."""
    try:
        wanted = compile_filter(conditions)
    except InvalidRequestError:
        return
    assert wanted(EVENT) in (True, False)
