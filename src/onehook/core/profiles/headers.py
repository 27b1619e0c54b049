"""Which request headers are whose: what a subscriber may set, and what nobody may."""

import base64
import re
from collections.abc import Mapping

MAX_HEADERS = 50
MAX_VALUE = 4096  # characters
HIDDEN = "***"  # in place of a value that is a secret

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 §5.6.2, a token
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")  # §5.5, ASCII only

# HTTP's own, which say where the body ends or what the connection does, and those that the
# delivery decides: a second one, or another value, would be another request than was signed.
_OURS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer",
    "upgrade", "expect", "proxy-connection", "proxy-authorization", "proxy-authenticate",
    "content-type", "content-encoding", "user-agent",
})  # fmt: skip
_OUR_PREFIXES = ("webhook-", "x-onehook-")
_PREFIXED = ("signature", "timestamp", "event", "delivery")


def name_problem(name: str, prefix: str) -> str | None:
    """Why a header of that *name* cannot be added to what is sent with *prefix*; None if it can."""
    if not _NAME.fullmatch(name):
        return "is no header name: letters, digits and - only"
    lower = name.lower()
    if lower in _OURS or lower.startswith(_OUR_PREFIXES):
        return "is set by the gateway itself"
    if any(lower == f"x-{prefix}-{end}" for end in _PREFIXED):
        return "is set by the profile"
    return None


def value_problem(value: str) -> str | None:
    """Why *value* cannot be a header's; None if it can."""
    if len(value) > MAX_VALUE:
        return f"is longer than {MAX_VALUE} characters"
    if not _VALUE.fullmatch(value):
        return "is printable ASCII without line breaks, and without spaces at its ends"
    return None


def basic(username: str, password: str) -> str:
    """The ``Authorization`` of RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def prefix_headers(
    prefix: str, event_type: str, delivery_id: str, timestamp: int
) -> dict[str, str]:
    """What every profile with a prefix sends beside its signature."""
    return {
        f"x-{prefix}-event": event_type,
        f"x-{prefix}-delivery": delivery_id,
        f"x-{prefix}-timestamp": str(timestamp),
    }


def overlay(under: dict[str, str], over: Mapping[str, str]) -> None:
    """Put *over* over *under*: names without case, and each one once."""
    present = {name.lower(): name for name in under}
    for name, value in over.items():
        under[present.get(name.lower(), name)] = value
