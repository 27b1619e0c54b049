"""What every HTTP handler works with: the running parts, in one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from onehook.clock import Clock
from onehook.mappings import MappingFile
from onehook.metrics import Metrics
from onehook.settings import Settings
from onehook.store.deliveries import DeliveryStore
from onehook.store.events import EventStore
from onehook.store.notices import NoticeStore
from onehook.store.references import ReferenceIndex
from onehook.store.registry import Registry


@dataclass(slots=True)
class Readiness:
    """Why the gateway is not ready; empty: it is."""

    reasons: set[str] = field(default_factory=lambda: {"starting"})

    def set(self, reason: str, *, holds: bool) -> None:
        """Add or remove *reason*."""
        if holds:
            self.reasons.add(reason)
        else:
            self.reasons.discard(reason)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one gateway."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    mappings: Mapping[str, MappingFile]
    registry: Registry
    events: EventStore
    deliveries: DeliveryStore
    notices: NoticeStore
    references: ReferenceIndex
    readiness: Readiness
    origin: list[str]  # the public origin, known once the port is

    def ingest_url(self, integration_id: str) -> str:
        """Where the vendor has to send its webhooks."""
        return f"{self.origin[0].rstrip('/')}/ingest/{integration_id}"


GATEWAY = web.AppKey("gateway", Gateway)
