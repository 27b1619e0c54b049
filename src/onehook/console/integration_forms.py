"""The form of an integration: what stands in it, and the body for the API that it means."""

from collections.abc import Mapping
from typing import Any

from multidict import MultiMapping

from onehook.console.subscription_forms import lines_in, number_in


def values_of(integration: Any) -> dict[str, Any]:
    """What stands in the form of a saved *integration*; its secrets are left empty."""
    rate: Mapping[str, Any] = integration["rate_limit"] or {}
    return {
        "name": integration["name"],
        "key": integration["key"] or "",
        "silent_after": integration["silent_after"] or "",
        "allow_from": "\n".join(integration["allow_from"]),
        "rate_per_minute": str(rate.get("per_minute", "")),
        "rate_burst": str(rate.get("burst", "")),
        "active": "1" if integration["active"] else "",
        "settings": integration["settings"],
    }


def values_in(form: MultiMapping[str]) -> dict[str, Any]:
    """What stands in the form of a saved one that was sent; secrets are to be typed again."""
    return {**_EMPTY, **form, "settings": settings_in(form)}


_EMPTY = dict.fromkeys(
    ("name", "key", "silent_after", "allow_from", "rate_per_minute", "rate_burst", "active"), ""
)


def created(form: MultiMapping[str]) -> dict[str, Any]:
    """The body of a new integration."""
    body: dict[str, Any] = {
        "type": form.get("type", ""),
        "settings": settings_in(form),
        **{name: form[name] for name in ("name", "key", "silent_after") if form.get(name)},
        **_limits(form),
    }
    if form.get("unsigned"):
        body["verify"] = "none"
    return body


def changed(form: MultiMapping[str], saved: Any) -> dict[str, Any]:
    """What *form* changes of the integration *saved*, for a PATCH."""
    body: dict[str, Any] = {
        "name": form.get("name") or saved["name"],
        "key": form.get("key") or None,
        "silent_after": form.get("silent_after") or None,
        "active": bool(form.get("active")),
        **_limits(form),
    }
    settings = settings_in(form)
    gone = {name: None for name in saved["settings"] if not form.get(f"setting.{name}")}
    if settings or gone:
        body["settings"] = {**gone, **settings}
    return body


def settings_in(form: MultiMapping[str]) -> dict[str, str]:
    """The settings in *form* that say something."""
    return {
        name.removeprefix("setting."): value
        for name, value in form.items()
        if name.startswith("setting.") and value
    }


def _limits(form: MultiMapping[str]) -> dict[str, Any]:
    """From where and how many webhooks may come; null: any number."""
    rate = {
        "per_minute": number_in(form.get("rate_per_minute")),
        "burst": number_in(form.get("rate_burst")),
    }
    limited = any(value is not None for value in rate.values())
    return {
        "allow_from": lines_in(form.get("allow_from")),
        "rate_limit": rate if limited else None,
    }
