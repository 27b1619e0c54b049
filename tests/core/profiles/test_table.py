"""Profiles: independent verifiers judge our signatures (threats.md F9)."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Judge
from standardwebhooks.webhooks import WebhookVerificationError

from onehook.core.model import delivery_id, split_delivery_id
from onehook.core.profiles.secrets import Keys, make_secret
from onehook.core.profiles.table import PROFILES, ProfileName, sign
from tests.core.profiles.outgoing import (
    EVENT,
    NOW,
    SECRET,
    SUBSCRIPTION,
    delivery,
    outlet,
    request,
)

TIMESTAMP = str(int(NOW.timestamp()))
USUAL = {
    "Content-Type", "User-Agent", "webhook-id",
    "x-onehook-event", "x-onehook-delivery", "x-onehook-attempt",
}  # fmt: skip


def digest(secret: str, content: bytes) -> str:
    """What receivers compute: the hex HMAC-SHA256 with the secret's own bytes."""
    return hmac.new(secret.encode(), content, "sha256").hexdigest()


def test_every_profile_has_a_row() -> None:
    """The names that the API takes are the rows of the table."""
    assert set(PROFILES) == set(get_args(ProfileName))


@given(
    st.binary(min_size=24, max_size=64),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50),
)
def test_f9_an_independent_verifier_accepts_what_we_sign(key: bytes, text: str) -> None:
    """Any key, any body; the id is the event's and the time that of the attempt."""
    secret = make_secret(key)
    body = ('{"t":"' + text.replace("\\", "").replace('"', "") + '"}').encode()
    made = request(body, outlet(secret=secret), now=datetime.now(UTC))
    Judge(secret).verify(made.body, made.headers)


def test_f9_a_changed_byte_or_another_key_fails() -> None:
    """Body, id and time are all signed."""
    made = request(b'{"a":1}', now=datetime.now(UTC))
    Judge(SECRET).verify(made.body, made.headers)
    for body, changed in (
        (b'{"a":2}', {}),
        (b'{"a":1}', {"webhook-id": "evt_other"}),
        (b'{"a":1}', {"webhook-timestamp": str(int(made.headers["webhook-timestamp"]) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Judge(SECRET).verify(body, {**made.headers, **changed})
    with pytest.raises(WebhookVerificationError):
        Judge(make_secret(b"x" * 32)).verify(b'{"a":1}', made.headers)


def test_the_headers_of_an_attempt() -> None:
    """The same webhook-id on every attempt, the attempt's own number and time."""
    first = request(b"{}").headers
    later = request(b"{}", attempt=2, now=NOW + timedelta(minutes=1)).headers
    assert set(first) == USUAL | {"webhook-timestamp", "webhook-signature"}
    assert first["webhook-id"] == later["webhook-id"] == EVENT
    assert int(later["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 60
    assert (first["x-onehook-attempt"], later["x-onehook-attempt"]) == ("1", "2")
    assert first["webhook-signature"] != later["webhook-signature"]
    assert first["Content-Type"] == "application/json"


def test_a_signature_is_v1_and_base64() -> None:
    """The vector of the Standard Webhooks specification's reference library."""
    key = PROFILES["standard"].key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


PREFIX_PROFILES: list[ProfileName] = ["timestamped", "sha256", "hex"]


@pytest.mark.parametrize("profile", PREFIX_PROFILES)
@pytest.mark.parametrize("prefix", ["onehook", "acme", "my-own-1"])
def test_prefix_profiles_say_event_delivery_and_time(profile: ProfileName, prefix: str) -> None:
    """Beside what every profile sends; the time is that of the attempt."""
    made = request(b"{}", outlet(profile, "s", prefix=prefix)).headers
    own = {f"x-{prefix}-{end}" for end in ("event", "delivery", "timestamp", "signature")}
    assert set(made) == USUAL | own
    assert made[f"x-{prefix}-event"] == "scm.tag.created"
    assert made[f"x-{prefix}-delivery"] == delivery_id(EVENT, SUBSCRIPTION)
    assert made[f"x-{prefix}-timestamp"] == TIMESTAMP
    again = request(b"{}", outlet(profile, "s", prefix=prefix), now=NOW + timedelta(hours=2))
    assert int(again.headers[f"x-{prefix}-timestamp"]) - int(TIMESTAMP) == 7200


@pytest.mark.parametrize("secret", ["a secret é of one's own", SECRET, "s"])
def test_f9_each_signature_is_what_receivers_compute(secret: str) -> None:
    """The key is the secret exactly as given, also where it begins with whsec_."""
    body = '{"a":"é"}'.encode()

    def signature(profile: ProfileName) -> str:
        return request(body, outlet(profile, secret, prefix="p")).headers["x-p-signature"]

    assert signature("sha256") == "sha256=" + digest(secret, body)
    assert signature("hex") == digest(secret, body)
    assert signature("timestamped") == digest(secret, TIMESTAMP.encode() + b"." + body)


def test_bearer_sends_the_secret_itself() -> None:
    """And signs nothing."""
    made = request(b"{}", outlet("bearer", "tok_1/2+3=")).headers
    assert made["authorization"] == "Bearer tok_1/2+3="
    assert set(made) == USUAL | {"authorization"}


@pytest.mark.parametrize("profile", ["standard", "cloudevents", "bearer"])
def test_a_prefix_is_never_without_effect(profile: ProfileName) -> None:
    """Profiles that need none send its headers too, once there is one."""
    made = request(None, outlet(profile, prefix="acme")).headers
    assert {f"x-acme-{end}" for end in ("event", "delivery", "timestamp")} <= set(made)
    assert "x-acme-signature" not in made


UNTIL = NOW + timedelta(hours=1)
NEW, OLD = b"n" * 32, b"o" * 32
ROTATING = Keys(NEW, OLD, UNTIL)


@pytest.mark.parametrize("profile", ["standard", "cloudevents"])
def test_a_rotation_carries_both_signatures_until_it_ends(profile: ProfileName) -> None:
    """Receivers of either secret accept; then only the new one's do."""
    made = request(None, outlet(profile, keys=ROTATING), now=datetime.now(UTC))
    assert len(made.headers["webhook-signature"].split(" ")) == 2
    for key in (NEW, OLD):
        Judge(make_secret(key)).verify(made.body, made.headers)
    after = request(None, outlet(profile, keys=ROTATING), now=UNTIL)
    assert after.headers["webhook-signature"].count("v1,") == 1
    assert after.headers["webhook-signature"] == sign(
        NEW, EVENT, int(UNTIL.timestamp()), after.body
    )


@pytest.mark.parametrize("profile", PREFIX_PROFILES)
def test_the_others_change_over_when_the_overlap_ends(profile: ProfileName) -> None:
    """Always exactly one signature, 64 lower-case hex digits: the old secret's, then the new's."""
    for now, key in ((NOW, OLD), (UNTIL - timedelta(seconds=1), OLD), (UNTIL, NEW)):
        made = request(b"{}", outlet(profile, keys=ROTATING), now=now).headers
        shown = made["x-onehook-signature"].removeprefix("sha256=")
        content = b"%d.{}" % int(now.timestamp()) if profile == "timestamped" else b"{}"
        assert shown == hmac.new(key, content, "sha256").hexdigest()
        assert len(shown) == 64


def test_bearer_changes_over_when_the_overlap_ends() -> None:
    """One token at a time."""
    keys = Keys(b"new", b"old", UNTIL)
    for now, token in ((NOW, "old"), (UNTIL, "new")):
        made = request(b"{}", outlet("bearer", keys=keys), now=now)
        assert made.headers["authorization"] == f"Bearer {token}"


KEYS: list[tuple[ProfileName, str, bytes]] = [
    ("standard", SECRET, bytes(range(32))),
    ("standard", "plain words é", "plain words é".encode()),
    ("cloudevents", SECRET, bytes(range(32))),
    ("sha256", SECRET, SECRET.encode()),
    ("timestamped", "whsec_***", b"whsec_***"),
    ("hex", "é", "é".encode()),
    ("bearer", "tok", b"tok"),
]


@pytest.mark.parametrize(("profile", "secret", "key"), KEYS)
def test_the_key_of_a_secret(profile: ProfileName, secret: str, key: bytes) -> None:
    """Base64 after whsec_ where Standard Webhooks says so, the text as given elsewhere."""
    assert PROFILES[profile].key(secret) == key


BAD_SECRETS: list[tuple[ProfileName, str]] = [
    *[("standard", f"whsec_{t}") for t in ("***", "a", "YQ", "é", "YQ==\n", "")],
    ("cloudevents", "whsec_***"),
    *[("bearer", text) for text in ("a b", "é", "a\n", "\x00")],
]


@pytest.mark.parametrize(("profile", "secret"), BAD_SECRETS)
def test_secrets_that_cannot_be_keys(profile: ProfileName, secret: str) -> None:
    """Or the key would be another than the subscriber's, or the header another one."""
    with pytest.raises(ValueError, match=r"."):
        PROFILES[profile].key(secret)


def test_a_made_secret_is_whsec_and_base64() -> None:
    """As libraries take it."""
    assert "whsec_" + base64.b64encode(bytes(range(32))).decode() == SECRET


def test_a_delivery_id_is_both_ids_in_one() -> None:
    """So that nothing has to be stored to find it."""
    found = delivery_id(EVENT, SUBSCRIPTION)
    assert found == "dlv_" + "e" * 26 + "s" * 26
    assert split_delivery_id(found) == (EVENT, SUBSCRIPTION)
    assert delivery(b"").id == found


@pytest.mark.parametrize(
    "text", ["", "dlv_", "dlv_" + "e" * 51, "e" * 52, EVENT, "dlv_" + "e" * 53]
)
def test_what_is_no_delivery_id_is_none(text: str) -> None:
    """Any text may come in a URL."""
    assert split_delivery_id(text) is None
