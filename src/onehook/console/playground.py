"""``/console/playground``: a mapping and a webhook, and what the one makes of the other."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.origins import UnifiedField, unified_fields
from onehook.console.rendering import FOLDER, Page, layout
from onehook.console.visits import Outcome, Visit
from onehook.core.jsontext import JsonSyntaxError, decode
from onehook.errors import GoneError, OnehookError

_FIRST = FOLDER / "first_mapping.yaml"
_FIRST_BODY = {"type": "ticket.created", "id": "1", "ticket": {"id": 4711, "title": "A first try"}}
_EMPTY = dict.fromkeys(("mapping", "body", "headers", "settings", "integration", "last"), "")
_LAST = 100  # webhooks of a backtest, unless another number is given


@dataclass(frozen=True, slots=True)
class Made:
    """An event that was made, and where its fields are from."""

    type: str
    rule: str
    fields: Sequence[UnifiedField]


@dataclass(frozen=True, slots=True)
class PlaygroundPage:
    """What stands in the form, and what came of it; null *preview*: *failure* says why."""

    title: str
    values: Mapping[str, str]
    platforms: Sequence[str]
    platform: str | None  # whose file it still is
    preview: Any
    events: Sequence[Made]
    backtest: Any
    failure: str | None


async def show(visit: Visit) -> Outcome:
    """The form, filled with a stored webhook or a platform's file if the address names one."""
    values = await _filled(visit)
    return await _page(visit, values)


async def run(visit: Visit) -> Outcome:
    """What the mapping in the form makes of the webhook in it."""
    values = {**_EMPTY, **visit.form}
    return await _page(visit, values, backtest=visit.form.get("do") == "backtest")


async def _filled(visit: Visit) -> dict[str, str]:
    query = visit.query
    native, integration = await _kept(visit)
    values = {"headers": "Content-Type: application/json", "last": str(_LAST), "settings": ""}
    values["integration"] = integration
    values["body"] = layout(json.dumps(_FIRST_BODY))
    if native is not None:
        values["headers"] = "\n".join(f"{name}: {value}" for name, value in native["headers"])
        values["body"] = layout(base64.b64decode(native["body_base64"]).decode("utf-8", "replace"))
    record = visit.gateway.registry.snapshot.integrations.get(integration)
    platform = query.get("platform") or (record.type if record is not None else "")
    file = visit.gateway.mappings.get(platform)
    values["mapping"] = (
        _FIRST.read_text(encoding="utf-8") if file is None else file.mapping.source.text
    )
    return values


async def _kept(visit: Visit) -> tuple[Any, str]:
    """The stored webhook that the address names, and the integration it came by."""
    event, webhook = visit.query.get("event"), visit.query.get("webhook")
    if event:
        shown = await visit.call("getEvent", {"id": event})
        path, query = {"id": event}, {"format": "json"}
        try:
            native = await visit.call("getNativeWebhook", path, query=query)
        except GoneError:
            native = None
        return native, shown["integration"]["id"]
    if webhook:
        shown = await visit.call("getQuarantinedWebhook", {"id": webhook})
        return shown["native"], shown["integration_id"]
    return None, ""


async def _page(visit: Visit, values: Mapping[str, str], *, backtest: bool = False) -> Page:
    preview, failure, tested = None, None, None
    try:
        preview = await visit.call("previewMapping", body=_body(visit, values))
        if backtest and not any(not one["warning"] for one in preview["problems"]):
            tested = await visit.call("backtestMapping", body=_backtest(values))
    except OnehookError as error:
        failure = error.detail
    page = PlaygroundPage(
        title="Playground",
        values=values,
        platforms=list(visit.gateway.mappings),
        platform=_mapping(visit, values).get("platform"),
        preview=preview,
        events=[] if preview is None else _made(preview, values.get("body", "")),
        backtest=tested,
        failure=failure,
    )
    return Page("playground.html", page, fragment="outcome")


def _body(visit: Visit, values: Mapping[str, str]) -> dict[str, Any]:
    sample = {
        "headers": _pairs(values.get("headers", "")),
        "body_text": values.get("body", ""),
        "settings": _pairs(values.get("settings", "")),
    }
    body: dict[str, Any] = {**_mapping(visit, values), "sample": sample}
    if values.get("integration") in visit.gateway.registry.snapshot.integrations:
        body["integration"] = values["integration"]
    return body


def _mapping(visit: Visit, values: Mapping[str, str]) -> dict[str, str]:
    """What to try: the text, or the platform whose file it still is, which is compiled already."""
    text, mappings = values.get("mapping", ""), visit.gateway.mappings
    name = next((one for one in mappings if mappings[one].mapping.source.text == text), None)
    return {"mapping": text} if name is None else {"platform": name}


def _pairs(text: str) -> dict[str, str]:
    """Lines of ``name: value``."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            found[name.strip()] = value.strip()
    return found


def _backtest(values: Mapping[str, str]) -> dict[str, Any]:
    last = values.get("last", "")
    return {
        "mapping": values.get("mapping", ""),
        "last": int(last) if last.isdigit() else _LAST,
    }


def _made(preview: Any, body: str) -> list[Made]:
    try:
        native = decode(body.encode())
    except JsonSyntaxError:
        native = None
    return [
        Made(event["type"], trace["rule"], unified_fields(event, trace, native))
        for event, trace in zip(preview["events"], preview["traces"], strict=True)
    ]
