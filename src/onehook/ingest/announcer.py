"""Tells subscribers what happens to the gateway itself, by the same line as webhooks.

Ingest only says what it saw, in memory: it awaits nothing of this and starts no task. A round a
second writes that down and makes events of all that is written down, wherever it came from.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from redis.exceptions import RedisError

from onehook.clock import Clock
from onehook.core.model import IntegrationId, IntegrationInfo, WebhookId
from onehook.core.notices import (
    FAILURES,
    HEARD_EVERY,
    Notice,
    established,
    fell_silent,
    group_claim,
    notice_event,
    refused,
)
from onehook.core.receipts import Receipt
from onehook.core.references import index
from onehook.errors import StoreUnavailableError
from onehook.ids import new_id
from onehook.ingest.committer import Committer, EventToCommit, WebhookToCommit
from onehook.metrics import Metrics
from onehook.store.notices import NoticeStore
from onehook.store.packing import OTHER, pack_event, pack_native
from onehook.store.snapshot import Configuration
from onehook.store.untold import Untold

log = structlog.get_logger()

PATIENCE = timedelta(seconds=5)  # for one notice's commit; the next round tries again
_AWAY = (RedisError, OSError, StoreUnavailableError)
CLOSING = 2.0  # seconds that a stop may wait for the store


@dataclass(slots=True)
class _Streak:
    """Refused proofs of one integration since a good one."""

    count: int = 0
    told: bool = False


class Announcer:
    """Notices connections, and makes events of all notices.

    *snapshot* gives the configuration as it is now. What is only in memory here, and so lost in a
    crash: refused proofs, counted anew from zero; a first webhook of the last second, and then the
    next one counts as the first; when webhooks of the last minute came, so that a silence may be
    told of a minute early, which is what :func:`fell_silent` waits longer.
    """

    def __init__(
        self,
        notices: NoticeStore,
        committer: Committer,
        snapshot: Callable[[], Configuration],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._notices, self._committer, self._snapshot = notices, committer, snapshot
        self._clock, self._metrics = clock, metrics
        self._heard: dict[str, datetime] = {}  # the last verified webhook of each
        self._written: dict[str, datetime] = {}  # the same, as far as the store has it
        self._first: dict[str, tuple[IntegrationInfo, datetime]] = {}  # perhaps new
        self._streaks: dict[str, _Streak] = {}
        self._failing: dict[str, tuple[IntegrationInfo, datetime]] = {}  # to be told

    # -- what ingest says --------------------------------------------------------------------

    def verified(self, integration: IntegrationInfo, at: datetime) -> None:
        """A webhook of *integration* was verified."""
        id_ = integration.id
        self._heard[id_] = at
        if id_ in self._streaks:
            del self._streaks[id_]
        if id_ not in self._written and id_ not in self._first:
            self._first[id_] = integration, at

    def refused(self, integration: IntegrationInfo, at: datetime) -> None:
        """The proof of a request was refused. A streak is told of once, however long it grows."""
        streak = self._streaks.setdefault(integration.id, _Streak())
        streak.count += 1
        if streak.count >= FAILURES and not streak.told:
            self._failing[integration.id] = integration, at

    # -- what goes on beside it --------------------------------------------------------------

    async def tell(self) -> None:
        """One round: write down what ingest said, then commit an event of each untold fact."""
        with _postponed():
            await self._write_down(HEARD_EVERY)
            for untold in await self._notices.untold():
                try:
                    await self._tell(untold)
                except _AWAY:
                    raise
                except Exception:  # a bug in one is no reason to leave the others untold
                    log.exception("notice.crashed", topic=untold.topic)

    async def check(self) -> None:
        """Look for integrations that fell silent; they are told of by the next round."""
        with _postponed():
            await self._write_down(timedelta(0))
            await self._find_silent()

    async def close(self) -> None:
        """Write down what ingest said. The next start tells what is not told yet."""
        with _postponed():
            async with asyncio.timeout(CLOSING):
                await self._write_down(timedelta(0))

    async def _write_down(self, older: timedelta) -> None:
        """Write what is only in memory; moments only where the store's is *older* by that much."""
        for id_, (integration, at) in list(self._first.items()):
            notice, claim = established(integration, at)
            # Claimed first: a crash before it is noted as heard asks again, and is refused.
            await self._notices.claim(claim, notice)
            self._first.pop(id_, None)
        for id_, (integration, at) in list(self._failing.items()):
            notice, claim = refused(integration, at)
            claimed = await self._notices.claim(claim, notice)
            self._failing.pop(
                id_, None
            )  # if it was told of lately, the next refusal brings it back
            if claimed and id_ in self._streaks:
                self._streaks[id_].told = True
        known = self._snapshot().integrations
        late = {
            id_: at
            for id_, at in self._heard.items()
            if id_ in known and (id_ not in self._written or older < at - self._written[id_])
        }
        if late:
            await self._notices.hear(late)
            self._written |= late

    async def _find_silent(self) -> None:
        heard = await self._notices.heard()
        for record in self._snapshot().integrations.values():
            at = heard.get(record.id)
            if record.silent_after_ms is None or not record.active or at is None:
                continue
            integration = IntegrationInfo(
                IntegrationId(record.id), record.type, record.name, tenant=record.tenant
            )
            patience = timedelta(milliseconds=record.silent_after_ms)
            found = fell_silent(integration, patience, at, self._clock.now())
            if found is not None:
                notice, claim = found
                await self._notices.claim(claim, notice)

    async def _tell(self, untold: Untold) -> None:
        """Commit the event of *untold*, then take it off: a crash between tells it again.

        It is the same event then, which the store and the subscribers know, unless facts of its
        group have come since: those of before are then counted twice.

        Raises:
            StoreUnavailableError: the store is away or full; *untold* stays.
            RedisError: the same.
        """
        notice = untold.notice.times(untold.count)
        if notice.group is not None:
            # Whoever has the claim tells it alone; what comes until the next one is told as one.
            claim = group_claim(notice.group, self._clock.now())
            if not await self._notices.claim(claim):
                return
        await self._commit(notice)
        await self._notices.settle(untold)

    async def _commit(self, notice: Notice) -> None:
        event, webhook = notice_event(notice)
        own, keys = self._snapshot().of(notice.about.tenant), self._notices.keys
        wanted = [s for s in own.routes.match(event, notice.about) if s.id != notice.subject]
        webhook_id = WebhookId(new_id("whk", self._clock.now()))
        packed = pack_event(webhook_id, event.body)
        indexed = index(event, own.knowledge)
        committed = await self._committer.commit(
            WebhookToCommit(
                Receipt(webhook_id, "", ((event.id, event.type),)),
                notice.about.id,
                [keys.marker(notice.about.id, "notice", [event.id])],
                pack_native(notice.about.id, OTHER, webhook, webhook.headers.pairs()),
                [EventToCommit(event.id, event.type, event.body, packed, wanted, indexed)],
                tenant=notice.about.tenant,
            ),
            PATIENCE,
        )
        if not committed.duplicate:
            self._metrics.event(notice.about.type, notice.about.id).inc()
        log.info(
            "notice.committed",
            event_id=event.id,
            type=event.type,
            id=notice.id,
            duplicate=committed.duplicate,
        )


@contextmanager
def _postponed() -> Generator[None]:
    """While the store is away or full nothing is told; the next round goes on."""
    try:
        yield
    except _AWAY as error:
        log.warning("notices.postponed", error=type(error).__name__)
    except Exception:
        log.exception("notices.crashed")
