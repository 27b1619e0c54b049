"""``handshake``: which requests are no events, and what they are answered with."""

from datetime import UTC, datetime

import pytest

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.handshakes import MAX_ECHO, Answer, Handshake
from onehook.core.model import Headers, Webhook
from tests.core.mapping.building import HEAD, compiled

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def handshake(line: str) -> Handshake:
    """The one handshake of a file."""
    (found,) = compiled(f"{HEAD}handshake: [{line}]\n").handshakes
    return found


def request(
    body: bytes = b"{}",
    *,
    method: str = "POST",
    headers: tuple[tuple[str, str], ...] = (),
    query: tuple[tuple[str, str], ...] = (),
) -> Webhook:
    """A request that may be a handshake."""
    return Webhook(Headers(headers), body, NOW, method, query=query)


SLACK = (
    "{match: {body: {$.type: url_verification}}, verify: true,"
    ' answer: {body: "{{ body.challenge }}"}}'
)


def answered(line: str, webhook: Webhook, body: JsonValue = None) -> Answer | None:
    """What a request is answered with, if it is that handshake."""
    found = handshake(line)
    return found.answer(webhook, body) if found.matches(webhook) else None


def test_a_handshake_by_body_echoes_what_its_template_says() -> None:
    """Only if the condition on the body holds; the proof is checked first if it says so."""
    assert handshake(SLACK).verify is True
    body: JsonValue = {"type": "url_verification", "challenge": "abc"}
    assert answered(SLACK, request(), body) == Answer(200, "text/plain", "abc")
    assert answered(SLACK, request(), {"type": "event", "challenge": "abc"}) is None


def test_a_handshake_by_query_or_header_has_its_value() -> None:
    """Method and presence decide; the value is echoed as text."""
    line = (
        "{method: GET, match: {query: hub.challenge}, verify: false, answer: {body: '{{ value }}'}}"
    )
    hit = request(b"", method="GET", query=(("hub.challenge", "42"),))
    assert answered(line, hit) == Answer(200, "text/plain", "42")
    assert answered(line, request(b"", query=(("hub.challenge", "42"),))) is None
    assert answered(line, request(b"", method="GET")) is None
    by_header = "{match: {header: X-Hook-Secret}, verify: false, answer: {status: 204}}"
    assert answered(by_header, request(headers=(("x-hook-secret", "s"),))) == Answer(
        204, "text/plain", ""
    )


def test_a_handshake_may_ask_for_an_empty_body() -> None:
    """A ping without content."""
    line = "{match: {body: empty}, verify: false, answer: {body: ok}}"
    assert answered(line, request(b"")) == Answer(200, "text/plain", "ok")
    assert answered(line, request(b"{}")) is None


def test_a_handshake_may_answer_json() -> None:
    """With quotes from tojson, so that nothing breaks out."""
    line = (
        "{match: {body: {$.c: {exists: true}}}, verify: false,"
        " answer: {content_type: application/json, body: '{\"c\": {{ body.c | tojson }}}'}}"
    )
    found = answered(line, request(), {"c": 'x"y'})
    assert found == Answer(200, "application/json", '{"c": "x\\"y"}')


@pytest.mark.parametrize(
    "challenge",
    [
        None,
        5.5,
        [],
        {"a": 1},
        "a\r\nb",
        "a\x00",
        "\x1b[2J",
        "\u2028",
        "\udcff",
        "x" * (MAX_ECHO + 257),
    ],
)
def test_a14_only_harmless_text_is_echoed(challenge: JsonValue) -> None:
    """No control characters, no line breaks, no kilobytes; else it is no handshake."""
    found = answered(SLACK, request(), {"type": "url_verification", "challenge": challenge})
    if challenge == 5.5:
        assert found == Answer(200, "text/plain", "5.5")
    else:
        assert found is None
