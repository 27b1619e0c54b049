"""Deliveries for tests of what is sent: an event, a subscription, and the request they make."""

from datetime import UTC, datetime, timedelta
from typing import Any

from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.model import Delivery, EventId, Subscription, SubscriptionId, WebhookId
from onehook.core.profiles.outlet import Outlet
from onehook.core.profiles.request import Request, make_request
from onehook.core.profiles.secrets import Keys, make_secret
from onehook.core.profiles.table import PROFILES, ProfileName

NOW = datetime.now(UTC)  # for libraries that look at their own clock say `now` at each request
SECRET = make_secret(bytes(range(32)))
EVENT, SUBSCRIPTION = "evt_" + "e" * 26, "sub_" + "s" * 26


def event(type_: str = "security.vulnerability.detected", **data: JsonValue) -> dict[str, Any]:
    """An event as it is stored, of which *data* matters."""
    return {
        "id": EVENT,
        "type": type_,
        "schema_version": "1.0",
        "timestamp": "2026-11-22T10:15:00.250Z",
        "timestamp_basis": "occurred",
        "received_at": "2026-11-22T10:15:01.000Z",
        "integration": {"id": "int_a", "type": "cortex", "name": "Cortex é"},
        "data": {
            "urn": "oh:cortex:int_a:vulnerability:1",
            "actor": None,
            "changes": [],
            "custom": {},
            **data,
            "raw": {"ref": "/v1", "content_type": "a/b", "size": 10, "sha256": "0", "body": None},
            "truncated": [],
        },
    }


def outlet(profile: ProfileName = "standard", secret: str = SECRET, **fields: Any) -> Outlet:
    """A way out by *profile*."""
    found = PROFILES[profile]
    keys = fields.pop("keys", None) or Keys(found.key(secret))
    return Outlet(keys=keys, profile=found, **fields)


def delivery(
    body: bytes | dict[str, Any] | None = None, way_out: Outlet | None = None, attempt: int = 1
) -> Delivery:
    """One event on its way."""
    found = event() if body is None else body
    raw = found if isinstance(found, bytes) else encode(found)
    subscription = Subscription(
        id=SubscriptionId(SUBSCRIPTION),
        url="https://a.example",
        events=("*",),
        filter=None,
        integrations=(),
        active=True,
        paused=False,
        outlet=way_out or outlet(),
        timeout=timedelta(seconds=15),
        retry=(),
    )
    type_ = "scm.tag.created" if isinstance(found, bytes) else found["type"]
    return Delivery(subscription, EventId(EVENT), type_, WebhookId("whk_1"), raw, 1, attempt)


def request(
    body: bytes | dict[str, Any] | None = None,
    way_out: Outlet | None = None,
    *,
    attempt: int = 1,
    now: datetime = NOW,
    raw: JsonValue = None,
) -> Request:
    """What is sent of *body* by *way_out*."""
    return make_request(delivery(body, way_out, attempt), now, "onehook/1", raw)


def sent(*args: Any, **more: Any) -> Any:
    """The body of that request, as a value."""
    return decode(request(*args, **more).body)
