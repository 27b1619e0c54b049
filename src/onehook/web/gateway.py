"""What every HTTP handler works with: the running parts, in one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from onehook.clock import Clock
from onehook.core.model import Event, Subscription
from onehook.core.schedule import Reply
from onehook.mappings import MappingFile
from onehook.metrics import Metrics
from onehook.settings import Settings
from onehook.store.deliveries import DeliveryStore
from onehook.store.events import EventStore
from onehook.store.history import History
from onehook.store.notices import NoticeStore
from onehook.store.registry import Registry
from onehook.store.replays import ReplayStore
from onehook.store.statistics import Statistics

STOPPING = "stopping"


class Tester(Protocol):
    """Who sends test events."""

    async def send(self, subscription: Subscription, event: Event) -> Reply:
        """Send *event* to *subscription*, whatever state that is in; what came back."""
        ...


@dataclass(slots=True)
class Readiness:
    """Why the gateway is not ready; empty: it is."""

    reasons: set[str] = field(default_factory=lambda: {"starting"})

    @property
    def stopping(self) -> bool:
        """Whether the gateway ends: what waits for something had better not."""
        return STOPPING in self.reasons

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
    history: History
    replays: ReplayStore
    statistics: Statistics
    tester: Tester
    readiness: Readiness
    origin: list[str]  # the public origin, known once the port is

    def ingest_url(self, integration_id: str) -> str:
        """Where the vendor has to send its webhooks."""
        return f"{self.origin[0].rstrip('/')}/ingest/{integration_id}"


GATEWAY = web.AppKey("gateway", Gateway)
