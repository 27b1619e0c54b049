"""What the history keeps of an attempt."""

from onehook.store.attempts import (
    AttemptRow,
    decode,
    encode,
    kept_answer,
    pack_sent,
    sent_body,
)
from tests.builders import NOW


def test_request_of_its_own_comes_back() -> None:
    """Headers and body that do not follow from the event are read as they were sent."""
    sent = pack_sent({"x-key": "[redacted]"}, '{"text":"ü"}')
    row = AttemptRow(2, NOW, 1, 200, None, None, "https://x", "", {}, "", sent)

    found = decode(encode(row))

    assert found == row
    assert found.sent is not None
    assert (found.sent.headers, sent_body(found.sent)) == (
        {"x-key": "[redacted]"},
        '{"text":"ü"}',
    )


def test_h2_answers_are_kept_without_cookies_and_challenges() -> None:
    """A header of an answer stays as it came, unless it is a secret of the receiver."""
    answer = {"Set-Cookie": "a=b", "WWW-Authenticate": "Bearer x", "X-Trace": "1"}

    assert kept_answer(answer) == {
        "Set-Cookie": "[redacted]",
        "WWW-Authenticate": "[redacted]",
        "X-Trace": "1",
    }
