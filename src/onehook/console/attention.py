"""What needs attention: each thing in a sentence, with the page where it can be mended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onehook.console.rendering import size
from onehook.console.session import PATH
from onehook.store.health import StoreHealth
from onehook.store.records import IntegrationRecord
from onehook.store.statistics import Intake
from onehook.web.gateway import Gateway

_FULL = 0.8  # of the store's memory: from here on it is told


@dataclass(frozen=True, slots=True)
class Matter:
    """Something to look at. *tone*: red or yellow."""

    tone: str
    text: str
    url: str
    action: str


def of_subscriptions(
    subscriptions: Sequence[Any], waiting: Mapping[str, tuple[int, int]]
) -> Iterator[Matter]:
    """Receivers that are paused, failing, or have dead letters."""
    for one in subscriptions:
        name, page = one["name"] or one["key"] or one["id"], f"{PATH}/subscriptions/{one['id']}"
        dead = waiting.get(one["id"], (0, 0))[1]
        if one["breaker"] != "closed":
            yield Matter("red", f"{name} fails: its circuit breaker is open", page, "Look")
        if one["status"] == "paused" and one["paused_reason"] != "manual":
            reason = str(one["paused_reason"]).replace("_", " ")
            yield Matter("red", f"{name} is paused by the gateway: {reason}", page, "Look")
        elif one["status"] == "paused":
            yield Matter("yellow", f"{name} is paused by hand", page, "Look")
        if dead:
            noun = "dead letter" if dead == 1 else "dead letters"
            to = f"{PATH}/dead-letters?subscription={one['id']}"
            yield Matter("yellow", f"{name} has {dead} {noun}", to, "Retry")


def of_integrations(
    records: Sequence[IntegrationRecord],
    heard: Mapping[str, datetime],
    intake: Mapping[str, Intake],
    now: datetime,
) -> Iterator[Matter]:
    """Senders that are refused, or silent for longer than they may be."""
    for one in records:
        page = f"{PATH}/integrations/{one.id}"
        refused = intake.get(f"i:{one.id}", Intake()).refused
        if refused:
            noun = "request was" if refused == 1 else "requests were"
            text = f"{one.name}: {refused} {noun} refused in the last hour"
            yield Matter("red", f"{text}; check the secret on both sides", page, "Look")
        if one.silent_after_ms is None or not one.active:
            continue
        last = heard.get(one.id, one.created_at)
        if now - last > timedelta(milliseconds=one.silent_after_ms):
            yield Matter("yellow", f"{one.name} is silent for longer than expected", page, "Look")


def of_quarantine(quarantined: int) -> Iterator[Matter]:
    """Webhooks that no rule could take."""
    if quarantined:
        noun = "webhook is" if quarantined == 1 else "webhooks are"
        yield Matter("yellow", f"{quarantined} {noun} in quarantine", f"{PATH}/quarantine", "Mend")


def of_gateway(gateway: Gateway, health: StoreHealth) -> Iterator[Matter]:
    """Mappings that are broken, and the store."""
    for fault in gateway.mappings.faults:
        text = f"{fault.name} cannot be used: {fault.detail}"
        yield Matter("red", text, f"{PATH}/mappings", "Mend")
    if health.share is not None and health.share > _FULL:
        text = f"the store uses {size(health.used_bytes)} of {size(health.max_bytes)}"
        yield Matter("red", text, f"{PATH}/settings", "Look")
    if not health.aof_ok:
        yield Matter("red", "the store could not write its log", f"{PATH}/settings", "Look")
    if gateway.settings.ack == "memory":
        text = "webhooks are acknowledged from memory: a crash may lose seconds"
        yield Matter("yellow", text, f"{PATH}/settings", "Look")
