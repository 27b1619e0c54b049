"""The form of a subscription: what stands in it, and the body for the API that it means."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from multidict import MultiMapping

from onehook.console.rendering import pretty
from onehook.errors import FieldError, InvalidRequestError

# Fields of one line of text that the API takes as they are.
_TEXTS = ("name", "key", "url", "profile", "prefix", "type_names", "timeout", "ordering")
_NUMBERS = ("max_backlog", "concurrency", "max_body_bytes")


def values_of(subscription: Any) -> dict[str, Any]:
    """What stands in the form of a saved *subscription*; hidden values are left empty."""
    rate: Mapping[str, Any] = subscription["rate_limit"] or {}
    pause: Mapping[str, Any] = subscription["pause_after"] or {}
    auth: Mapping[str, Any] = subscription["auth"] or {}
    retry = subscription["retry"]
    filter_ = subscription["filter"]
    return {
        **{name: subscription[name] or "" for name in _TEXTS},
        **{name: _text(subscription[name]) for name in _NUMBERS},
        "events": "\n".join(subscription["events"]),
        "integrations": subscription["integrations"],
        "projects": "\n".join(subscription["projects"]),
        "statuses": "\n".join(subscription["statuses"]),
        "filter": "" if filter_ is None else pretty(filter_),
        "body_template": subscription["body_template"] or "",
        "include_raw": "1" if subscription["include_raw"] else "",
        "active": "1" if subscription["active"] else "",
        "retry": retry if isinstance(retry, str) else ", ".join(retry),
        "rate_per_minute": _text(rate.get("per_minute")),
        "rate_burst": _text(rate.get("burst")),
        "pause_deliveries": _text(pause.get("deliveries")),
        "pause_attempts": _text(pause.get("attempts")),
        "headers": "",
        "auth_type": auth.get("type") or "",
        "auth_username": auth.get("username") or "",
        "auth_name": auth.get("name") or "",
        "settings": {n: "" if v == "***" else v for n, v in subscription["settings"].items()},
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


def values_in(form: MultiMapping[str]) -> dict[str, Any]:
    """What stands in a form that was sent."""
    values: dict[str, Any] = dict(form)
    values["integrations"] = form.getall("integrations", [])
    values["settings"] = {
        name.removeprefix("setting."): form[name] for name in form if name.startswith("setting.")
    }
    return values


def body_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The API's fields that *values* of a form mean; None where one is empty.

    Raises:
        InvalidRequestError: the filter is no JSON, or a header no ``Name: value``.
    """
    body: dict[str, Any] = {name: values.get(name) or None for name in _TEXTS}
    body |= {name: number_in(values.get(name)) for name in _NUMBERS}
    body["events"] = lines_in(values.get("events")) or None
    body["integrations"] = list(values.get("integrations", []))
    for name in ("projects", "statuses"):
        rows = (row.strip() for row in (values.get(name) or "").split("\n"))
        body[name] = [row for row in rows if row]
    body["filter"] = _filter(values.get("filter"))
    body["body_template"] = values.get("body_template") or None
    body["include_raw"] = bool(values.get("include_raw"))
    body["active"] = bool(values.get("active"))
    body["retry"] = retry_in(values.get("retry"))
    body["rate_limit"] = _some(
        per_minute=number_in(values.get("rate_per_minute")),
        burst=number_in(values.get("rate_burst")),
    )
    body["pause_after"] = _some(
        deliveries=number_in(values.get("pause_deliveries")),
        attempts=number_in(values.get("pause_attempts")),
    )
    body["headers"] = _headers(values.get("headers"))
    body["auth"] = _auth(values)
    body["settings"] = {n: v for n, v in values.get("settings", {}).items() if v} or None
    return body


def created(values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a new subscription.

    Raises:
        InvalidRequestError: as `body_of`.
    """
    body = {name: value for name, value in body_of(values).items() if value is not None}
    body.setdefault("pause_after", None)
    for name in ("secret", "destination"):
        if values.get(name):
            body[name] = values[name]
    return body


def changed(values: Mapping[str, Any], saved: Any) -> dict[str, Any]:
    """What *values* change of the subscription *saved*, for a PATCH.

    Raises:
        InvalidRequestError: as `body_of`.
    """
    before, after = body_of(values_of(saved)), body_of(values)
    return {name: value for name, value in after.items() if value != before[name]}


def number_in(text: str | None) -> Any:
    """A number; what is none is the API's to refuse."""
    return int(text) if text and text.strip().isdigit() else text or None


def lines_in(text: str | None) -> list[str]:
    """What stands in *text*, one a line or between commas."""
    return [line for line in (text or "").replace(",", "\n").split() if line]


def retry_in(text: str | None) -> str | list[str] | None:
    """A preset's name or the delays that *text* lists; None where it is empty."""
    found = lines_in(text)
    if not found:
        return None
    return found if any(character.isdigit() for character in found[0]) else found[0]


def _some(**given: Any) -> dict[str, Any] | None:
    found = {name: value for name, value in given.items() if value is not None}
    return found or None


def _filter(text: str | None) -> Any:
    if not text or not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        detail = f"is no JSON: {error}"
        raise _wrong("/filter", detail) from None


def _headers(text: str | None) -> dict[str, str | None] | None:
    found: dict[str, str | None] = {}
    for line in (text or "").split("\n"):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon:
            raise _wrong("/headers", "is a line each, such as X-Team: payments")
        found[name.strip()] = value.strip() or None
    return found or None


def _auth(values: Mapping[str, Any]) -> dict[str, str] | None:
    kind = values.get("auth_type")
    names: Mapping[str, Sequence[str]] = {
        "bearer": ("token",),
        "basic": ("username", "password"),
        "header": ("name", "value"),
    }
    if not kind:
        return None
    fields = {n: values.get(f"auth_{n}") or "" for n in names.get(kind, ())}
    return {"type": kind, **{name: value for name, value in fields.items() if value}}


def _wrong(pointer: str, detail: str) -> InvalidRequestError:
    errors = [FieldError(pointer, detail)]
    return InvalidRequestError(f"the form is wrong: {pointer[1:]} {detail}", errors=errors)
