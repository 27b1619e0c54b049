"""What every HTTP handler works with: the running parts, in one frozen value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from aiohttp import web

from onehook.clock import Clock
from onehook.core.model import Event, Subscription
from onehook.library import Library
from onehook.metrics import Metrics
from onehook.settings import Settings
from onehook.store.attempts import AttemptRow
from onehook.store.deliveries import DeliveryStore
from onehook.store.drift import Drift
from onehook.store.events import EventStore
from onehook.store.history import History
from onehook.store.key_uses import KeyUses
from onehook.store.notices import NoticeStore
from onehook.store.quarantine import QuarantineStore
from onehook.store.references import ReferenceIndex
from onehook.store.replays import ReplayStore
from onehook.store.statistics import Statistics
from onehook.store.tenant_registry import TenantRegistry
from onehook.web.guesses import Guesses
from onehook.web.retries import Retrier
from onehook.web.workbench import Workbench

STOPPING = "stopping"


class Tester(Protocol):
    """Who sends test events."""

    async def send(self, subscription: Subscription, event: Event) -> AttemptRow:
        """Send *event* to *subscription*, whatever state that is in; the attempt, no secret."""
        ...


@dataclass(slots=True)
class Readiness:
    """Why the gateway is not ready (no reason: it is), and what it is ready in spite of."""

    reasons: set[str] = field(default_factory=lambda: {"starting"})
    warnings: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

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

    def warn(self, code: str, details: Sequence[str]) -> None:
        """Warn of *code*, a sentence for each case; none: it is over."""
        if details:
            self.warnings[code] = details
        else:
            self.warnings.pop(code, None)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of one gateway, as one tenant has them: ``default`` for the one that serves."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    mappings: Library
    registry: TenantRegistry
    events: EventStore
    deliveries: DeliveryStore
    quarantine: QuarantineStore
    retrier: Retrier
    drift: Drift
    workbench: Workbench
    notices: NoticeStore
    key_uses: KeyUses
    guesses: Guesses  # at API keys
    secret_guesses: Guesses
    references: ReferenceIndex
    history: History
    replays: ReplayStore
    replay_began: Callable[[], None]  # tells who works at them
    statistics: Statistics
    tester: Tester
    readiness: Readiness
    origin: list[str]  # the public origin, known once the port is

    def of(self, tenant: str) -> "Gateway":
        """The gateway as *tenant* has it: nothing that is another's can be reached by it."""
        if tenant == self.registry.tenant:
            return self
        return replace(
            self,
            registry=self.registry.of(tenant),
            events=self.events.of(tenant),
            deliveries=self.deliveries.of(tenant),
            quarantine=self.quarantine.of(tenant),
            retrier=self.retrier.of(tenant),
            drift=self.drift.of(tenant),
            references=self.references.of(tenant),
            replays=self.replays.of(tenant),
            statistics=self.statistics.of(tenant),
        )

    def ingest_url(self, integration_id: str) -> str:
        """Where the vendor has to send its webhooks."""
        return f"{self.origin[0].rstrip('/')}/ingest/{integration_id}"


GATEWAY = web.AppKey("gateway", Gateway)
