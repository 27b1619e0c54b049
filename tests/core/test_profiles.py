"""What we send: the standardwebhooks library is the judge of our signatures (threats.md F9)."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Judge
from standardwebhooks.webhooks import WebhookVerificationError

from onehook.core.model import (
    Delivery,
    EventId,
    Subscription,
    SubscriptionId,
    WebhookId,
    delivery_id,
    split_delivery_id,
)
from onehook.core.profiles import headers, make_secret, secret_key, sign

NOW = datetime.now(UTC)  # the library compares with its own clock and takes no other
EVENT, SUBSCRIPTION = "evt_" + "e" * 26, "sub_" + "s" * 26


def delivery(body: bytes, secret: str, attempt: int = 1) -> Delivery:
    """One event on its way."""
    subscription = Subscription(
        id=SubscriptionId(SUBSCRIPTION),
        url="https://a.example",
        events=("*",),
        filter=None,
        integrations=(),
        active=True,
        paused=False,
        secret=secret_key(secret),
        timeout=timedelta(seconds=15),
        retry=(),
    )
    return Delivery(
        subscription=subscription,
        event_id=EventId(EVENT),
        event_type="scm.tag.created",
        webhook_id=WebhookId("whk_1"),
        body=body,
        token=1,
        attempt=attempt,
    )


SECRET = make_secret(bytes(range(32)))


@given(
    st.binary(min_size=24, max_size=64),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
def test_f9_an_independent_verifier_accepts_what_we_sign(key: bytes, text: str) -> None:
    """Any key, any body; the id is the event's and the time that of the attempt."""
    secret = make_secret(key)
    body = ('{"t":"' + text.replace("\\", "").replace('"', "") + '"}').encode()
    if any(byte < 0x20 for byte in body):
        return
    sent = headers(delivery(body, secret), NOW, "onehook/1")
    Judge(secret).verify(body, sent)


def test_f9_a_changed_byte_or_another_key_fails() -> None:
    """Body, id and time are all signed."""
    sent = headers(delivery(b'{"a":1}', SECRET), NOW, "onehook/1")
    for body, changed in (
        (b'{"a":2}', {}),
        (b'{"a":1}', {"webhook-id": "evt_other"}),
        (b'{"a":1}', {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Judge(SECRET).verify(body, {**sent, **changed})
    with pytest.raises(WebhookVerificationError):
        Judge(make_secret(b"x" * 32)).verify(b'{"a":1}', sent)


def test_the_headers_of_an_attempt() -> None:
    """The same webhook-id on every attempt, the attempt's own number and time."""
    first = headers(delivery(b"{}", SECRET), NOW, "onehook/1")
    later = headers(delivery(b"{}", SECRET, 2), NOW + timedelta(minutes=1), "onehook/1")
    assert set(first) == {
        "Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature",
        "x-onehook-event", "x-onehook-delivery", "x-onehook-attempt",
    }  # fmt: skip
    assert first["webhook-id"] == later["webhook-id"] == EVENT
    assert int(later["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 60
    assert (first["x-onehook-attempt"], later["x-onehook-attempt"]) == ("1", "2")
    assert first["webhook-signature"] != later["webhook-signature"]
    assert first["Content-Type"] == "application/json"


def test_a_signature_is_v1_and_base64() -> None:
    """The vector of the Standard Webhooks specification's reference library."""
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_base64_after_its_prefix_or_its_own_bytes() -> None:
    """Both forms that subscribers bring."""
    assert secret_key(SECRET) == bytes(range(32))
    assert secret_key("plain words é") == "plain words é".encode()
    assert "whsec_" + base64.b64encode(bytes(range(32))).decode() == SECRET


@pytest.mark.parametrize("text", ["whsec_***", "whsec_a", "whsec_YQ", "whsec_é", "whsec_YQ==\n"])
def test_what_follows_the_prefix_must_be_base64(text: str) -> None:
    """Or the key would be another than the subscriber's."""
    with pytest.raises(ValueError, match=r"."):
        secret_key(text)


def test_a_delivery_id_is_both_ids_in_one() -> None:
    """So that nothing has to be stored to find it."""
    found = delivery_id(EVENT, SUBSCRIPTION)
    assert found == "dlv_" + "e" * 26 + "s" * 26
    assert split_delivery_id(found) == (EVENT, SUBSCRIPTION)
    assert delivery(b"", SECRET).id == found


@pytest.mark.parametrize(
    "text", ["", "dlv_", "dlv_" + "e" * 51, "e" * 52, EVENT, "dlv_" + "e" * 53]
)
def test_what_is_no_delivery_id_is_none(text: str) -> None:
    """Any text may come in a URL."""
    assert split_delivery_id(text) is None
