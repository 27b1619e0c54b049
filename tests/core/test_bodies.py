"""Bodies: JSON, gzip within a cap, GitHub's form; what is refused and what is quarantined."""

import gzip
import time
import zlib
from datetime import UTC, datetime
from urllib.parse import quote_from_bytes, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.bodies import (
    MAX_MEMBERS,
    BodyError,
    check_media_type,
    inflate,
    media_type,
    parse_body,
)
from onehook.core.jsontext import JsonValue
from onehook.core.model import Headers, Webhook
from onehook.errors import InvalidRequestError

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
CAP = 10_000


def webhook(body: bytes, content_type: str | None = JSON, encoding: str | None = None) -> Webhook:
    """A webhook with these headers."""
    pairs = [("content-type", content_type), ("content-encoding", encoding)]
    headers = Headers((name, value) for name, value in pairs if value is not None)
    return Webhook(headers, body, datetime(2026, 11, 22, tzinfo=UTC))


def refused(found: Webhook, cap: int = CAP) -> tuple[str, int]:
    """Code and status of the refusal."""

    def take() -> None:
        check_media_type(found)
        parse_body(found, cap)

    with pytest.raises(InvalidRequestError) as caught:
        take()
    return caught.value.code, caught.value.status


def unreadable(body: bytes, content_type: str = JSON) -> tuple[str, str]:
    """Reason and detail of the quarantine."""
    with pytest.raises(BodyError) as caught:
        parse_body(webhook(body, content_type), CAP)
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", JSON), ("Application/JSON; charset=utf-8", JSON),
        (" application/json ;x", JSON), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_the_media_type_is_lower_case_without_parameters(text: str | None, expected: str) -> None:
    """Empty if none was sent."""
    assert media_type(webhook(b"", text).headers) == expected


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json; charset=utf-8", FORM, "application/cloudevents+json",
     "application/vnd.github+json", "APPLICATION/JSON"],
)  # fmt: skip
def test_json_and_forms_are_read(content_type: str) -> None:
    """And every +json."""
    check_media_type(webhook(b"{}", content_type))


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/html", "text/json", "application/xml", "multipart/form-data",
     "application/jsonp", "image/svg+json", "application/octet-stream", ";"],
)  # fmt: skip
def test_other_media_types_are_refused(content_type: str | None) -> None:
    """415; but an empty body needs no type."""
    assert refused(webhook(b"{}", content_type)) == ("media_type_unsupported", 415)
    check_media_type(webhook(b"", content_type))


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "gzip,br", "x"]
)
def test_b2_other_and_nested_encodings_are_refused(encoding: str) -> None:
    """415, with the word cut short in the message."""
    assert refused(webhook(b"{}", JSON, encoding)) == ("encoding_unsupported", 415)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_gzip_is_inflated(encoding: str) -> None:
    """In any spelling of the word."""
    found = webhook(gzip.compress(b'{"a":1}'), JSON, encoding)
    check_media_type(found)
    assert parse_body(found, CAP) == {"a": 1}


def test_identity_is_no_encoding() -> None:
    """Said or not."""
    assert parse_body(webhook(b"[1]", JSON, "identity"), CAP) == [1]
    assert parse_body(webhook(b"[1]", JSON, " Identity "), CAP) == [1]


@pytest.mark.parametrize(("size", "fits"), [(CAP - 1, True), (CAP, True), (CAP + 1, False)])
def test_b2_inflating_stops_at_the_cap(size: int, *, fits: bool) -> None:
    """413 beyond it, and the cap itself is fine."""
    packed = gzip.compress(b"x" * size)
    if fits:
        assert inflate(packed, CAP) == b"x" * size
    else:
        assert refused(webhook(packed, JSON, "gzip")) == ("body_too_large", 413)


def test_b2_a_bomb_is_not_inflated() -> None:
    """A thousandfold body is cut off at the cap; no more than that is ever made."""
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert refused(webhook(bomb, JSON, "gzip")) == ("body_too_large", 413)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"\x1f\x8b", gzip.compress(b"[1]")[:-1], zlib.compress(b"[1]"), b"\x00" * 50,
     gzip.compress(b"[1]")[:-8] + b"\0" * 8],
    ids=["plain", "two bytes", "cut", "zlib", "zeros", "wrong checksum"],
)  # fmt: skip
def test_b2_corrupt_gzip_is_refused(body: bytes) -> None:
    """400, never 500."""
    assert refused(webhook(body, JSON, "gzip")) == ("body_invalid", 400)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"payload": '{"a": "b c+d/é&="}'}, {"a": "b c+d/é&="}),
        ({"other": "x", "payload": "[1]"}, [1]),
    ],
)
def test_a_form_s_field_payload_holds_the_json(fields: dict[str, str], expected: JsonValue) -> None:
    """GitHub's, percent-encoded UTF-8, plus for space."""
    assert parse_body(webhook(urlencode(fields).encode(), FORM), CAP) == expected


@pytest.mark.parametrize("body", [b"a=1", b"payloads=[1]", b"[1]", b"&", b"Payload=[1]"])
def test_a_form_without_payload_is_quarantined(body: bytes) -> None:
    """It was verified, so it is kept."""
    reason, detail = unreadable(body, FORM)
    assert (reason, detail) == (
        "unparsable",
        "line 1, column 1: the form has no field payload",
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", JSON), (b" \n", JSON), (b"", FORM), (b"payload=", FORM), (b"payload=++", FORM)],
)
def test_an_empty_body_says_what_to_do(body: bytes, content_type: str) -> None:
    """``empty_body``: some senders have an option that leaves it out."""
    reason, detail = unreadable(body, content_type)
    assert reason == "empty_body"
    assert "untick the option" in detail


def test_a_body_that_is_no_json_says_where() -> None:
    """Line and column of what is wrong."""
    reason, detail = unreadable(b'{\n "a": tru}')
    assert reason == "unparsable"
    assert detail.startswith("line 2, column ")


def test_m3_a_body_may_nest_64_deep() -> None:
    """Deeper ones are quarantined; a short one cannot matter."""

    def nested(depth: int) -> bytes:
        return b"[" * depth + b" " * 200 + b"1" + b"]" * depth

    parse_body(webhook(nested(64)), CAP)
    assert unreadable(nested(65)) == ("unparsable", "nested deeper than 64 levels")
    parse_body(webhook(b"[" * 100 + b"]" * 100), CAP)


def test_m3_a_body_holds_so_many_values() -> None:
    """More are quarantined unparsed: they would take a hundred times the room."""
    assert unreadable(b"[" + b"1," * 100_000 + b"1]") == ("unparsable", "more than 100000 values")


def test_m2_a_lone_surrogate_may_nest_deep_too() -> None:
    """The slow way in raises nothing else either."""
    for depth in (300, 600, 5000):
        body = b"[" * depth + b'"\\ud800"' + b"]" * depth
        assert unreadable(body) == ("unparsable", "nested deeper than 64 levels")


@given(st.binary(max_size=60))
def test_a_form_is_decoded_as_urllib_does(value: bytes) -> None:
    """Whatever stands in the field, encoded in either way."""
    seen: list[bytes] = []
    for encoded in (quote_from_bytes(value), quote_plus(value)):
        body = b"x=1&payload=." + encoded.encode() + b"&y=2"
        parse_body(webhook(body, FORM), CAP, read=seen.append)
    assert seen == [b"." + value] * 2


def test_a_form_that_is_not_percent_encoded_is_unparsable() -> None:
    """The detail says where."""
    expected = "line 1, column 13: a % without two hexadecimal digits"
    assert unreadable(b"a=1&payload=%zz", FORM) == ("unparsable", expected)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """Only nesting counts."""
    assert len(parse_body(webhook(b"[" + b",".join([b"[1]"] * 300) + b"]"), CAP)) == 300  # type: ignore[arg-type]


@settings(max_examples=300)
@given(
    st.binary(max_size=80),
    st.sampled_from([JSON, FORM, "application/x+json"]),
    st.sampled_from([None, "gzip", "identity"]),
)
def test_any_body_is_read_refused_or_quarantined(
    body: bytes, content_type: str, encoding: str | None
) -> None:
    """And nothing else is raised, packed or not."""
    packed = gzip.compress(body) if encoding == "gzip" and body[:1] != b"\x1f" else body
    try:
        parse_body(webhook(packed, content_type, encoding), CAP)
    except (BodyError, InvalidRequestError):
        return


def test_an_empty_content_encoding_is_none() -> None:
    """Some proxies leave the name and drop the value."""
    assert parse_body(webhook(b"[1]", JSON, ""), CAP) == [1]


def test_b2_a_gzip_body_of_very_many_members_is_refused() -> None:
    """Each copied all that follows it: 4 MB of empty members once took 11 seconds."""
    empty = gzip.compress(b"")
    begun = time.thread_time()
    assert refused(webhook(empty * 200_000, JSON, "gzip")) == ("body_invalid", 400)
    assert time.thread_time() - begun < 5
    assert inflate(empty * (MAX_MEMBERS - 2) + gzip.compress(b"[]"), CAP) == b"[]"


def test_a_gzip_body_of_two_members_is_read_whole_or_refused() -> None:
    """RFC 1952 §2.2 allows several; the first alone is another body."""
    packed = gzip.compress(b"[1,") + gzip.compress(b"2]")
    try:
        assert inflate(packed, CAP) == b"[1,2]"
    except InvalidRequestError:
        return
