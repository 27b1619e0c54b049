"""Bodies that are not the event just as it is stored: cut, with raw, by alias, as CloudEvents."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, canonical, decode, encode
from onehook.core.profiles.outlet import Outlet, RenderError, aliases_of
from onehook.core.profiles.request import make_request
from onehook.core.profiles.shaping import raw_size
from onehook.core.profiles.variables import uuid_of
from tests.core.javascript import round_trip
from tests.core.profiles.outgoing import NOW, delivery, event, outlet, request, sent

LIMIT = 100_000


def with_raw(value: JsonValue, size: int = 10, way_out: Outlet | None = None) -> Any:
    """What is sent of an event whose native body is *value*, of *size* bytes."""
    stored = event()
    stored["data"]["raw"]["size"] = size
    return sent(stored, way_out or outlet(include_raw=True), raw=value)


# -- as it is stored ------------------------------------------------------------------------------


def test_the_usual_body_is_the_stored_one() -> None:
    """Not a byte is made anew: the same object goes to the socket."""
    one = delivery()
    assert make_request(one, NOW, "x").body is one.body


def test_a_body_at_the_limit_is_left_alone() -> None:
    """And one byte more is too long."""
    stored = event(description="")
    room = LIMIT - len(encode(stored))
    stored["data"]["description"] = "x" * room
    whole = request(stored).body
    assert (len(whole), whole) == (LIMIT, encode(stored))
    stored["data"]["description"] += "x"
    cut = request(stored).body
    assert len(cut) <= LIMIT
    assert decode(cut)["data"]["truncated"] == ["/description"]  # type: ignore[index,call-overload]


# -- cutting --------------------------------------------------------------------------------------


def test_the_native_body_goes_first() -> None:
    """No text is cut while dropping it is enough."""
    stored = event(description="d" * 60_000)
    found = sent(stored, outlet(include_raw=True), raw={"a": "r" * 60_000})
    assert found["data"]["raw"]["body"] is None
    assert found["data"]["description"] == "d" * 60_000
    assert found["data"]["truncated"] == ["/raw/body"]


def test_the_longest_texts_are_cut_next() -> None:
    """Each named in ``truncated``; short ones stay whole, and what fits is not cut again."""
    stored = event(
        description="d" * 90_000, title="t" * 300, custom={"a": "a" * 30_000, "b": "b" * 2000}
    )
    body = request(stored).body
    found: Any = decode(body)
    assert LIMIT * 0.4 < len(body) <= LIMIT
    assert found["data"]["title"] == "t" * 300
    assert found["data"]["custom"]["b"] == "b" * 2000
    assert "/description" in found["data"]["truncated"]
    assert found["data"]["raw"]["body"] is None
    assert "/raw/body" not in found["data"]["truncated"]  # nobody asked for it


def test_a_limit_of_ones_own() -> None:
    """Lower or higher, for whatever the receiver takes."""
    stored = event(description="d" * 90_000)
    assert len(request(stored, outlet(max_body_bytes=20_000)).body) <= 20_000
    long = event(description="d" * 200_000)
    whole = encode(long)
    assert request(whole, outlet(max_body_bytes=300_000)).body is whole


def test_what_cannot_be_cut_is_sent_all_the_same() -> None:
    """An event is never held back for its size alone."""
    stored = event(**{f"field_{n}": "x" * 200 for n in range(1000)})
    assert len(request(stored, outlet(max_body_bytes=16_384)).body) > LIMIT


@pytest.mark.parametrize("profile", ["standard", "cloudevents"])
@settings(max_examples=40)
@given(
    texts=st.lists(st.sampled_from([0, 300, 5_000, 20_000, 99_000]), max_size=8),
    character=st.sampled_from(["x", "é", "\u2028", "😀", '"', "\n"]),
)
def test_a_body_never_exceeds_its_limit(profile: Any, texts: list[int], character: str) -> None:
    """Whatever the texts, as bytes on the wire."""
    stored = event(custom={f"k{n}": character * size for n, size in enumerate(texts)})
    made = request(stored, outlet(profile))
    assert len(made.body) <= LIMIT
    assert encode(decode(made.body)) == made.body


# -- raw ------------------------------------------------------------------------------------------


def test_the_native_body_is_there_where_it_is_asked_for() -> None:
    """As a value, in data.raw.body."""
    assert with_raw({"a": [1, None]})["data"]["raw"]["body"] == {"a": [1, None]}
    assert with_raw({"a": 1}, way_out=outlet())["data"]["raw"]["body"] is None


def test_a_native_body_that_is_too_long_is_named() -> None:
    """Whole or not at all: who asked for it is told that it is not there."""
    found = with_raw(None, size=64 * 1024 + 1)
    assert found["data"]["raw"]["body"] is None
    assert found["data"]["truncated"] == ["/raw/body"]
    assert with_raw(None, size=64 * 1024)["data"]["truncated"] == []  # no longer kept


def test_how_large_the_webhook_was_stands_in_the_event() -> None:
    """So that a large one need not be fetched to be left out."""
    assert raw_size(encode(event())) == 10


NASTY = (
    b'{"10":1,"2":2,"a":1.00,"b":9.0,"c":1e16,"d":-0.0,"e":12345678901234567890,"f":"\\ud800",'
    b'"g":"","h":null,"01":1,"-1":2,"4294967295":3,"4294967294":4,"i":[{"1":0,"0":1}],'
    b'"__proto__":5,"j":1e400,"k":0.1000000000000000055511151231257827}'
)


def test_any_native_body_survives_javascript() -> None:
    """Indexes among the keys, odd numbers and lone surrogates included."""
    stored = event()
    made = request(stored, outlet(include_raw=True), raw=canonical(decode(NASTY)))
    assert round_trip([made.body]) == [made.body]


KEYS = st.one_of(st.integers(0, 2**33).map(str), st.text(max_size=4))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=5),
    max_leaves=20,
)


@settings(max_examples=15)  # each starts a Node
@given(st.lists(VALUES, min_size=20, max_size=60))
def test_canonical_json_is_what_javascript_writes(values: list[Any]) -> None:
    """For any value."""
    bodies = [encode([canonical(value)]) for value in values]
    assert round_trip(bodies) == bodies


# -- names of types -------------------------------------------------------------------------------


def by_alias(type_: str, *patterns: str, **data: JsonValue) -> tuple[str, str]:
    """The type in body and header of an event that was subscribed to by *patterns*."""
    way_out = outlet("sha256", aliases=aliases_of(patterns), prefix="p")
    made = request(event(type_, **data), way_out)
    found: Any = decode(made.body)
    assert made.headers["x-onehook-event"] == made.headers["x-p-event"]
    return found["type"], made.headers["x-p-event"]


def test_an_event_carries_the_alias_that_it_was_matched_by() -> None:
    """In body and header."""
    name = "vulnerability.detected"
    assert by_alias("security.vulnerability.detected", name) == (name, name)


def test_an_alias_with_a_condition_counts_only_where_it_holds() -> None:
    """Of several the first that fits."""
    patterns = ("issue.critical", "vulnerability.detected")
    type_ = "security.vulnerability.detected"
    assert by_alias(type_, *patterns, severity="critical")[0] == "issue.critical"
    assert by_alias(type_, *patterns, severity="low")[0] == "vulnerability.detected"


def test_an_event_that_was_matched_otherwise_keeps_its_type() -> None:
    """There is no alias for it, or its subscriber named none."""
    assert by_alias("security.vulnerability.detected", "*")[0] == "security.vulnerability.detected"
    assert by_alias("scm.tag.created", "scan.completed")[0] == "scm.tag.created"


# -- CloudEvents ----------------------------------------------------------------------------------


def test_an_event_as_a_cloudevent() -> None:
    """Structured; every attribute a scalar, data unchanged byte for byte."""
    stored = event(title="x", count=3)
    made = request(stored, outlet("cloudevents", origin="https://hooks.example/"))
    found: Any = decode(made.body)
    data = found.pop("data")
    assert encode(data) == encode(stored["data"])
    assert found == {
        "specversion": "1.0",
        "id": stored["id"],
        "source": "https://hooks.example/v1/integrations/int_a",
        "type": "security.vulnerability.detected",
        "subject": stored["data"]["urn"],
        "time": "2026-11-22T10:15:00.250Z",
        "datacontenttype": "application/json",
        "dataschema": "https://hooks.example/v1/schemas/security.vulnerability.detected",
        "schemaversion": "1.0",
        "timebasis": "occurred",
        "recordedtime": "2026-11-22T10:15:01.000Z",
        "integrationid": "int_a",
        "integrationtype": "cortex",
        "integrationname": "Cortex é",
        "partitionkey": stored["data"]["urn"],
    }
    assert made.headers["Content-Type"] == "application/cloudevents+json"
    assert made.headers["x-onehook-event"] == "security.vulnerability.detected"


def test_a_cloudevent_without_a_public_url() -> None:
    """Its source is relative, which the specification allows; a schema nobody can fetch is none."""
    found = sent(event(), outlet("cloudevents"))
    assert found["source"] == "/v1/integrations/int_a"
    assert "dataschema" not in found


def test_a_cloudevent_by_alias() -> None:
    """The schema is still that of the unified type."""
    way_out = outlet("cloudevents", aliases=aliases_of(["scan.completed"]), origin="https://h.x")
    found = sent(event("security.scan.completed"), way_out)
    assert found["type"] == "scan.completed"
    assert found["dataschema"].endswith("/security.scan.completed")


# -- bodies and headers of one's own --------------------------------------------------------------


def test_a_body_of_ones_own_must_fit() -> None:
    """What it takes of the event is cut; what it says itself cannot be."""
    way_out = outlet(body=lambda v: {"p": v["payload"]}, max_body_bytes=20_000)  # type: ignore[dict-item]
    made = request(event(description="d" * 90_000), way_out)
    assert len(made.body) <= 20_000
    chatty = outlet(body=lambda _v: {"p": "x" * 30_000}, max_body_bytes=20_000)
    with pytest.raises(RenderError, match=r"30008 bytes, and max_body_bytes is 20000"):
        request(event(), chatty)


def test_a_header_of_the_event_is_no_way_into_the_request() -> None:
    """A line break in a title makes the attempt fail, not the header another one (F5)."""
    rows = [(lambda _v: "x-title", lambda v: str(v["title"]))]
    way_out = outlet(own_headers=rows)
    assert request(event(title="fine"), way_out).headers["x-title"] == "fine"
    for bad in ("é", "x" * 5000):
        with pytest.raises(RenderError, match=r"the header x-title "):
            request(event(title=bad), way_out)
    names = [(lambda _v: "x-urn", lambda v: v["payload"]["data"]["urn"])]  # type: ignore[index]
    stored = event()
    stored["data"]["urn"] = "a\r\nx-evil: 1"
    with pytest.raises(RenderError, match=r"line breaks"):
        request(stored, outlet(own_headers=names))


def test_a_header_that_comes_to_nothing_is_left_out() -> None:
    """None is no text."""
    rows = [(lambda _v: "x-link", lambda v: v["link"])]
    assert "x-link" not in request(event(), outlet(own_headers=rows)).headers


def test_headers_of_ones_own_are_each_there_once() -> None:
    """A destination may replace the profile's own ids, and only those."""
    rows = [(lambda _v: "X-P-Delivery", lambda v: str(v["delivery_uuid"]))]
    way_out = outlet("hex", prefix="p", own_headers=rows, headers={"Authorization": "Splunk t"})
    made = request(event(), way_out)
    names = [name.lower() for name in made.headers]
    assert len(names) == len(set(names))
    assert made.headers["x-p-delivery"] == uuid_of(made.headers["x-onehook-delivery"])
    assert made.headers["Authorization"] == "Splunk t"


def test_uuids_follow_from_our_ids() -> None:
    """The same for ever: RFC 9562's version 5, of a name that says whose it is."""
    assert uuid_of("evt_1") == uuid_of("evt_1") != uuid_of("evt_2")
    assert uuid_of("evt_zsgqtj2h0f1k17crwx2eejz4sk") == "bb2abcc0-7311-5bf6-9e6b-3870242dc931"
