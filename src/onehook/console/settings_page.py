"""``/console/settings``: the gateway, its store, what is kept how long, and who is signed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from onehook import __version__
from onehook.console.names import addresses
from onehook.console.rendering import Page
from onehook.console.visits import Outcome, Visit
from onehook.core.durations import render_duration
from onehook.store.health import StoreHealth, store_health
from onehook.store.records import KeyRecord


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The gateway as it runs.

    *kept*: what, for how long, and from when on.
    *addresses*: those that deliveries come from; empty: not fixed; null: not for this visitor.
    Null *health*: the visitor may not see what is about the gateway as a whole, so there are no
    *warnings* and *settings* either.
    """

    title: str
    version: str
    origin: str
    key: KeyRecord
    health: StoreHealth | None
    embedded: bool
    durability: str
    reasons: Sequence[str]
    warnings: Mapping[str, Sequence[str]]
    kept: Sequence[tuple[str, str, str]]
    addresses: Sequence[str] | None
    settings: Sequence[tuple[str, str]]


async def show(visit: Visit) -> Outcome:
    """The settings."""
    gateway = visit.gateway
    settings, retention = gateway.settings, gateway.events.retention
    kept = (
        ("Native webhooks", _days(retention.native), "after their last delivery"),
        ("Events", _days(retention.event), "after their last delivery"),
        ("Dead letters and quarantine", _days(retention.dead), "or until they are dealt with"),
        ("Deliveries and attempts", _days(retention.history), "then they are archived on disk"),
        ("Dedupe markers", _days(retention.marker), "a webhook sent again is known that long"),
        ("Minutes for charts", "24h", ""),
    )
    shown = (
        ("ONEHOOK_MAX_BODY", f"{settings.max_body.human_readable()}"),
        ("ONEHOOK_BODY_TIMEOUT", render_duration(settings.body_timeout)),
        ("ONEHOOK_MAX_WAITING", settings.max_waiting.human_readable()),
        ("ONEHOOK_CONCURRENCY", str(settings.concurrency)),
        ("ONEHOOK_MAPPINGS", str(settings.mappings or "only those that ship")),
        ("ONEHOOK_DESTINATIONS", str(settings.destinations or "only those that ship")),
        ("ONEHOOK_DEFAULT_DESTINATION", settings.default_destination),
        ("ONEHOOK_DEFAULT_PROFILE", settings.default_profile),
        ("ONEHOOK_DELIVERY_ALLOW", ", ".join(map(str, settings.delivery_allow)) or "public only"),
        ("ONEHOOK_LOG_LEVEL", settings.log_level),
    )
    page = SettingsPage(
        title="Settings",
        version=__version__,
        origin=gateway.origin[0],
        key=visit.access.key,
        health=await store_health(visit.client) if visit.sees_whole else None,
        embedded=settings.redis_url is None,
        durability="fsync before every answer" if settings.ack == "fsync" else "from memory",
        reasons=sorted(gateway.readiness.reasons),
        warnings=gateway.readiness.warnings if visit.sees_whole else {},
        kept=kept,
        addresses=await addresses(visit),
        settings=shown if visit.sees_whole else (),
    )
    return Page("settings.html", page)


def _days(length: timedelta) -> str:
    return render_duration(length)
