"""Reading bodies under anything: a value within the limits, or a refusal of ours; in either reader."""

import gzip
import json
from urllib.parse import quote_plus

from hypothesis import strategies as st

from onehook.core.bodies import BodyError, check_media_type, parse_body
from onehook.core.jsontext import MAX_DEPTH, JsonValue, decode, encode
from onehook.core.model import Headers, Webhook
from onehook.errors import InvalidRequestError
from tests.core.mapping.building import NOW
from tests.properties.budget import fuzz
from tests.properties.webhooks import ANY_JSON, SHIPPED, encode_any, mutated, seeds, shipped

MAX_BYTES = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
TYPES = ["application/json", "application/x+json; charset=utf-16", FORM, "", "text/plain", "a/b/c"]
ENCODINGS = ["", "identity", "gzip", "X-GZIP ", "br", "gzip, gzip", "\udcff"]
# Pieces of JSON, and of what only looks like it.
PIECES = [
    b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b'"a":', b"1e400", b"-0", b"NaN", b"Infinity",
    b"1" * 5000, b"0.1e-999999", b"\\ud800", b'"\\udc00\\ud800"', b"\\u0000", b"\x00", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"null", b"true", b"\t", b"/*", b"[" * 70, b"{\"a\":" * 70,
    b"[]," * 1000, b"}" * 70, b'{"a":1,"a":2}', b"\r\n", b"payload=", b"&payload=%7B%7D", b"%", b"+",
]  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Text of a body: pieces in any order, any JSON, or a real body changed as JSON or as bytes."""
    kind = draw(st.sampled_from(["pieces", "json", "real", "spliced"]))
    if kind == "pieces":
        return b"".join(
            draw(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=30))
        )
    if kind == "json":
        return encode_any(draw(ANY_JSON))
    body = draw(st.sampled_from(seeds(draw(st.sampled_from(SHIPPED))))).body
    if kind == "real":
        return encode_any(draw(mutated(json.loads(body))))
    at = draw(st.integers(0, len(body)))
    end = draw(st.integers(at, min(len(body), at + 8)))
    return body[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=4)) + body[end:]


@st.composite
def packed(draw: st.DrawFn) -> tuple[dict[str, str], bytes]:
    """A body as it is sent: perhaps as a form, perhaps packed, perhaps broken on the way."""
    text = draw(texts())
    headers = {"content-type": draw(st.sampled_from(TYPES))}
    if draw(st.booleans()):
        text = b"payload=" + quote_plus(text).encode()
        headers["content-type"] = FORM
    if draw(st.booleans()):
        members = draw(st.integers(1, 3))
        text = b"".join(gzip.compress(text[i::members], 1) for i in range(members))
        headers["content-encoding"] = "gzip"
    if draw(st.integers(0, 3)) == 0:
        headers["content-encoding"] = draw(st.sampled_from(ENCODINGS))
        text = text[: draw(st.integers(0, len(text)))]
    return headers, text


def depth(value: JsonValue) -> int:
    """Levels of lists and objects."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inner = max(map(depth, below), default=0)
    return inner + isinstance(value, dict | list)


def outcome(webhook: Webhook, platform: str | None) -> tuple[str, JsonValue]:
    """How *webhook* is refused, or ``read`` and its value: all of it, or what *platform* looks at."""
    read = decode if platform is None else shipped(platform).mapping.read
    try:
        check_media_type(webhook)
        return "read", parse_body(webhook, MAX_BYTES, read)
    except BodyError as error:
        assert error.detail
        return f"{error.reason}: {error.detail}", None
    except InvalidRequestError as error:
        assert error.status in (400, 413, 415)
        return error.code, None


def check(made: tuple[dict[str, str], bytes]) -> None:
    """What is read can be written and read again; a reader that skips refuses what others do."""
    webhook = Webhook(Headers(made[0].items()), made[1], NOW)
    how, value = outcome(webhook, None)
    assert outcome(webhook, "github")[0] == how
    if how == "read":
        assert depth(value) <= MAX_DEPTH
        written = encode(value)
        assert encode(decode(written)) == written
        json.loads(written)


def test_m2_any_body_is_read_or_refused() -> None:
    """Of any type and encoding."""
    assert fuzz("bodies", packed(), check, fixed=1200) > 100
