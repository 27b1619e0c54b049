"""One attempt as the request that is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from onehook.core.jsontext import JsonValue
from onehook.core.model import Delivery
from onehook.core.profiles.headers import HIDDEN, overlay, prefix_headers, value_problem
from onehook.core.profiles.outlet import Outlet, RenderError, RenderText, Variables
from onehook.core.profiles.shaping import shape
from onehook.core.profiles.table import DEFAULT_PREFIX, Signing


class Request(msgspec.Struct, frozen=True):
    """What is POSTed; the body is signed exactly as it stands here."""

    headers: dict[str, str]
    body: bytes


def make_request(
    delivery: Delivery, now: datetime, user_agent: str, raw: JsonValue = None
) -> Request:
    """The request of one attempt, made at *now* (aware UTC); *raw* is the native body.

    Raises:
        RenderError: the subscription's own body or headers cannot be made of this event.
    """
    outlet, event_type, body = delivery.subscription.outlet, delivery.event_type, delivery.body
    own: dict[str, str] | None = None
    if len(body) > outlet.max_body_bytes or not outlet.as_stored:
        shaped = shape(delivery, raw)
        event_type, body = shaped.event_type, shaped.body
        own = _own_headers(outlet.own_headers, shaped.variables)
    profile, prefix, id_ = outlet.profile, outlet.prefix, delivery.id
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": profile.content_type,
        "User-Agent": user_agent,
        "webhook-id": delivery.event_id,
        "x-onehook-event": event_type,
        "x-onehook-delivery": id_,
        "x-onehook-attempt": str(delivery.attempt),
    }
    if delivery.replay:
        headers["x-onehook-replay"] = "true"
    if delivery.test:
        headers["x-onehook-test"] = "true"
    if profile.prefixed or prefix != DEFAULT_PREFIX:
        headers |= prefix_headers(prefix, event_type, id_, timestamp)
    if own:
        overlay(headers, own)
    headers |= profile.sign(Signing(outlet.keys, prefix, delivery.event_id, timestamp, now, body))
    if outlet.headers:
        overlay(headers, outlet.headers)
    return Request(headers, body)


def shown_headers(outlet: Outlet, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request as people may see them: no secret, names in lower case."""
    own = {name.lower() for name in outlet.headers}
    return {
        name.lower(): HIDDEN if name.lower() in own else outlet.blank(value)
        for name, value in headers.items()
    }


def _own_headers(
    rows: Sequence[tuple[RenderText, RenderText]], variables: Variables
) -> dict[str, str]:
    """The destination's headers; one whose value comes to nothing is left out.

    Raises:
        RenderError: a value of the event's cannot stand in a header.
    """
    found: dict[str, str] = {}
    for render_name, render_value in rows:
        name, value = render_name(variables), render_value(variables)
        if name is None or value is None:
            continue
        if problem := value_problem(value):
            msg = f"the header {name} {problem}"
            raise RenderError(msg)
        found[name] = value
    return found
