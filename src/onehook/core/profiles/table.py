"""The profiles: what each signs, with what, and where it puts that. One row each."""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from onehook.core.profiles.secrets import Keys, literal_key, standard_key, token_key

JSON = "application/json"
CLOUDEVENTS = "application/cloudevents+json"
ProfileName = Literal["standard", "timestamped", "sha256", "hex", "bearer", "cloudevents"]
DEFAULT_PROFILE: Final[ProfileName] = "standard"
DEFAULT_PREFIX = "onehook"
DEFAULT_DESTINATION = "generic"
PREFIX_PATTERN = r"^[a-z0-9-]{1,32}$"


class Signing(msgspec.Struct, frozen=True):
    """What a signature is made of. *timestamp* is the attempt's, in Unix seconds."""

    keys: Keys
    prefix: str
    event_id: str
    timestamp: int
    now: datetime  # the same moment, for what ends at one
    body: bytes


Sign = Callable[[Signing], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Profile:
    """How receivers of one kind expect to be called.

    *prefixed*: it sends ``x-<prefix>-event``, ``-delivery`` and ``-timestamp``, whatever the
    prefix. *both*: while a secret rotates it carries a signature of each.
    """

    name: ProfileName
    sign: Sign
    key: Callable[[str], bytes]  # of a secret; ValueError where it cannot be one
    prefixed: bool
    both: bool = False
    content_type: str = JSON
    overlap: timedelta = timedelta(0)  # of a rotation, unless it says otherwise


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` + base64 of HMAC-SHA256 over ``id.timestamp.body``."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def _standard(of: Signing) -> dict[str, str]:
    keys, id_, timestamp, body = of.keys, of.event_id, of.timestamp, of.body
    if keys.previous is None:
        signatures = sign(keys.current, id_, timestamp, body)
    else:
        some = keys.active(of.now)
        signatures = " ".join([sign(key, id_, timestamp, body) for key in some])
    return {"webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _hex(of: Signing, content: bytes) -> str:
    return hmac.digest(of.keys.only(of.now), content, "sha256").hex()


def _timestamped(of: Signing) -> dict[str, str]:
    return {f"x-{of.prefix}-signature": _hex(of, b"%d.%b" % (of.timestamp, of.body))}


def _sha256(of: Signing) -> dict[str, str]:
    return {f"x-{of.prefix}-signature": f"sha256={_hex(of, of.body)}"}


def _bare_hex(of: Signing) -> dict[str, str]:
    return {f"x-{of.prefix}-signature": _hex(of, of.body)}


def _bearer(of: Signing) -> dict[str, str]:
    return {"authorization": f"Bearer {of.keys.only(of.now).decode()}"}


_DAY = timedelta(hours=24)
PROFILES: Mapping[ProfileName, Profile] = {
    row.name: row
    for row in (
        # https://www.standardwebhooks.com, 1.0
        Profile("standard", _standard, standard_key, prefixed=False, both=True, overlap=_DAY),
        Profile("timestamped", _timestamped, literal_key, prefixed=True),
        Profile("sha256", _sha256, literal_key, prefixed=True),
        Profile("hex", _bare_hex, literal_key, prefixed=True),
        Profile("bearer", _bearer, token_key, prefixed=False),  # RFC 6750 §2.1
        # https://github.com/cloudevents/spec, JSON format 1.0, structured mode
        Profile(
            "cloudevents", _standard, standard_key, prefixed=False, both=True,
            content_type=CLOUDEVENTS, overlap=_DAY,
        ),
    )
}  # fmt: skip
