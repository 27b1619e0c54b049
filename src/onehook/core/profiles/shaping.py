"""The body of an attempt where it is not the event just as it is stored."""

from collections.abc import Callable

import msgspec

from onehook.core.jsontext import JsonValue, canonical, decode, encode
from onehook.core.mapping.limits import shrink
from onehook.core.model import Delivery
from onehook.core.profiles.cloudevents import cloud_event
from onehook.core.profiles.outlet import Outlet, RenderError
from onehook.core.profiles.table import CLOUDEVENTS
from onehook.core.profiles.variables import variables_of

MAX_RAW = 64 * 1024  # bytes of a native body, whole or not at all (`schema.md` §2 rule 11)
_ROUNDS = 8  # of cutting: a body of one's own may hold a text more than once
_RAW = "/raw/body"
Object = dict[str, JsonValue]


class Shaped(msgspec.Struct, frozen=True):
    """What is sent: *event_type* as its receiver calls it, *variables* for headers."""

    body: bytes
    event_type: str
    variables: dict[str, object]


class _Raw(msgspec.Struct):
    size: int


class _Data(msgspec.Struct):
    raw: _Raw


class _Sizes(msgspec.Struct):
    data: _Data


_sizes = msgspec.json.Decoder(_Sizes).decode


def raw_size(body: bytes) -> int:
    """How many bytes the webhook had that the stored event *body* came from."""
    return _sizes(body).data.raw.size


def shape(delivery: Delivery, raw: JsonValue = None) -> Shaped:
    """Make the body that *delivery*'s subscription asks for; *raw* is the native body.

    Raises:
        RenderError: its own body cannot be made of this event, or does not fit.
    """
    outlet = delivery.subscription.outlet
    event = _object(decode(delivery.body))
    data = _object(event["data"])
    event["type"] = _type(outlet, delivery.event_type, data)
    if outlet.include_raw:
        _object(data["raw"])["body"] = raw
        if raw_size(delivery.body) > MAX_RAW:
            _name_cut(data, _RAW)
    last: dict[str, object] = {}

    def make() -> bytes:
        payload: JsonValue = event
        if outlet.profile.content_type == CLOUDEVENTS:
            payload = cloud_event(event, delivery.event_type, outlet.origin)
        if outlet.body is None and not outlet.own_headers:
            return encode(payload)
        last.update(
            variables_of(
                event, payload, delivery.event_type, delivery.id, outlet.prefix, outlet.settings
            )
        )
        return encode(payload if outlet.body is None else canonical(outlet.body(last)))

    body = _fit(make, data, outlet.max_body_bytes)
    if outlet.body is not None and len(body) > outlet.max_body_bytes:
        msg = f"the body has {len(body)} bytes, and max_body_bytes is {outlet.max_body_bytes}"
        raise RenderError(msg)
    return Shaped(body, str(event["type"]), last)


def _object(value: JsonValue) -> Object:
    """*value*, which the schema says is an object.

    Raises:
        RenderError: what is stored is no event.
    """
    if not isinstance(value, dict):
        msg = "the stored event cannot be read"
        raise RenderError(msg)
    return value


def _type(outlet: Outlet, type_: str, data: Object) -> str:
    """The name that an event of *type_* was subscribed to by, where aliases are wanted."""
    fitting = (name for name, alias in outlet.aliases.get(type_, ()) if alias.fits(data))
    return next(fitting, type_)


def _fit(make: Callable[[], bytes], data: Object, limit: int) -> bytes:
    """What *make* makes, cut to *limit*: the native body goes first, then the longest texts.

    It may still be longer, where nothing is left to cut.
    """
    body = make()
    raw = _object(data["raw"])
    if len(body) > limit and raw["body"] is not None:
        raw["body"] = None
        _name_cut(data, _RAW)
        body = make()
    for _ in range(_ROUNDS):
        excess = len(body) - limit
        size = len(encode(data))
        if excess <= 0:
            break
        shrink(data, max(size - excess, 0))
        if len(encode(data)) >= size:
            break
        body = make()
    return body


def _name_cut(data: Object, pointer: str) -> None:
    named = data["truncated"]
    if isinstance(named, list) and pointer not in named:
        named.append(pointer)
