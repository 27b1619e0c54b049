"""Webhooks and events come out of the store as they went in."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.model import Headers, Webhook
from onehook.store.packing import (
    compress,
    decompress,
    pack_event,
    pack_native,
    unpack_event,
    unpack_native,
)

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
WEBHOOK_ID = "whk_" + "0" * 26


@given(st.binary(max_size=5000))
def test_compression_is_undone(raw: bytes) -> None:
    """Any bytes come back."""
    assert decompress(compress(raw)) == raw


@given(st.binary(max_size=2000), st.lists(st.tuples(st.just("x-note"), st.text(max_size=40))))
def test_native_webhook_comes_back(body: bytes, headers: list[tuple[str, str]]) -> None:
    """Body, headers, time and method of a webhook come back, whatever they hold."""
    webhook = Webhook(Headers(), body, AT, "POST")
    clean = [(n, v.encode("utf-8", "replace").decode()) for n, v in headers]

    found = unpack_native(pack_native("int_1", "github", webhook, headers))

    assert found.integration_id == "int_1"
    assert found.webhook.body == body
    assert found.webhook.received_at == AT
    assert found.webhook.method == "POST"
    assert found.webhook.headers.pairs() == clean


def test_header_bytes_that_are_no_text_can_be_packed() -> None:
    """A header with bytes beyond UTF-8 is kept, those bytes replaced."""
    headers = Headers.of_bytes([(b"x-odd", b"a\xff")])
    webhook = Webhook(headers, b"{}", AT)

    found = unpack_native(pack_native("int_1", "github", webhook, headers.pairs()))

    assert found.webhook.headers.get("x-odd") == "a\ufffd"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"a":"\\u00e9"}' * 100])
def test_event_comes_back_with_its_webhook(body: bytes) -> None:
    """An event's bytes and the webhook it came from come back."""
    assert unpack_event(pack_event(WEBHOOK_ID, body)) == (WEBHOOK_ID, body)
