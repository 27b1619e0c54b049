"""Normalizes quarantined webhooks again, once their mapping is mended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from onehook.clock import Clock
from onehook.core.integration import Integration, Normalized
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.model import DEFAULT_TENANT, Webhook, WebhookId
from onehook.core.notices import retried
from onehook.core.receipts import GONE, Receipt
from onehook.errors import ConflictError, InvalidRequestError, NotFoundError
from onehook.ids import new_id
from onehook.ingest.committer import Committer, WebhookToCommit
from onehook.ingest.steps import pack, route
from onehook.metrics import Metrics
from onehook.store.drift import Drift
from onehook.store.events import MAX_SCAN, EventStore
from onehook.store.notices import NoticeStore
from onehook.store.packing import Native
from onehook.store.quarantine import Entry, Position, QuarantineStore, absent
from onehook.store.registry import Registry
from onehook.web.retries import Retried, RetriedMany

log = structlog.get_logger()
AT_ONCE = 32  # webhooks tried together: they share their commits
MAX_BYTES = 32 * 1024 * 1024  # of their bodies together
PATIENCE = 20.0  # seconds that one call for many may take


class QuarantineRetrier:
    """Takes webhooks out of quarantine: their events are committed in the script that does so.

    So a crash leaves a webhook in quarantine, or its events in the store: never neither, never
    both. The events have the ids that they would have had at first.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        events: EventStore,
        quarantine: QuarantineStore,
        committer: Committer,
        notices: NoticeStore,
        drift: Drift,
        metrics: Metrics,
        clock: Clock,
        max_body: int,
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        self._registry, self._events, self._quarantine = registry, events, quarantine
        self._committer, self._notices, self._drift = committer, notices, drift
        self._metrics, self._clock, self._max_body = metrics, clock, max_body
        self._tenant = tenant

    def of(self, tenant: str) -> "QuarantineRetrier":
        """See :meth:`onehook.web.retries.Retrier.of`."""
        return QuarantineRetrier(
            registry=self._registry,
            events=self._events.of(tenant),
            quarantine=self._quarantine.of(tenant),
            committer=self._committer,
            notices=self._notices,
            drift=self._drift,
            metrics=self._metrics,
            clock=self._clock,
            max_body=self._max_body,
            tenant=tenant,
        )

    async def retry(self, webhook_id: str) -> Retried:
        """See :meth:`onehook.web.retries.Retrier.retry`."""
        (outcome,) = await self._retry([await self._quarantine.get(webhook_id)])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _retry(self, entries: Sequence[Entry]) -> list[Retried | BaseException]:
        """Normalize *entries* in one thread, then commit them, in order: they share a commit."""
        running = self._registry.snapshot.of(self._tenant).running
        natives = await asyncio.gather(*(self._events.find_native(e.webhook_id) for e in entries))
        tries = [
            _Try(entry, running.get(entry.held.integration_id), native)
            for entry, native in zip(entries, natives, strict=True)
        ]
        made = await asyncio.to_thread(lambda: [one.normalize(self._max_body) for one in tries])
        settling = (self._settle(one, found) for one, found in zip(tries, made, strict=True))
        return await asyncio.gather(*settling, return_exceptions=True)

    async def _settle(self, one: "_Try", made: Normalized | Quarantined | None) -> Retried:
        """Commit what was made of a webhook, or say anew why nothing was.

        Raises:
            NotFoundError: it left meanwhile.
            ConflictError: nobody can normalize it.
        """
        entry, integration = one.entry, one.integration
        if one.native is None:
            raise NotFoundError(absent(entry.webhook_id))
        if integration is None or made is None:
            msg = f"the integration {entry.held.integration_id} is gone, or has no mapping"
            raise ConflictError(msg)
        if isinstance(made, Quarantined):
            return await self._keep(entry, made, entry.held.event)
        if isinstance(made.outcome, Quarantined):
            return await self._keep(entry, made.outcome, made.event_name)
        return await self._release(entry, one.native.webhook, integration, made)

    async def _keep(self, entry: Entry, outcome: Quarantined, event: str | None) -> Retried:
        await self._quarantine.restate(entry.webhook_id, entry.held.again(outcome, event))
        return Retried(
            entry.webhook_id,
            "quarantined",
            reason=outcome.reason,
            detail=outcome.detail,
            pointer=outcome.pointer,
        )

    async def _release(
        self, entry: Entry, webhook: Webhook, integration: Integration, made: Normalized
    ) -> Retried:
        """Commit the events, and so take the webhook out of quarantine.

        Raises:
            NotFoundError: it was deleted meanwhile.
        """
        webhook_id, info, outcome = WebhookId(entry.webhook_id), integration.info, made.outcome
        emitted = outcome.events if isinstance(outcome, Emitted) else ()
        own = self._registry.snapshot.of(info.tenant)
        events = pack(webhook_id, route(emitted, info, own))
        receipt = Receipt(webhook_id, made.body_digest[:16], tuple((e.id, e.type) for e in events))
        commit = WebhookToCommit(
            receipt, info.id, entry.held.markers, None, events, tenant=info.tenant
        )
        committed = await self._committer.commit(commit, integration.mapping.answer_within)
        if committed.receipt.quarantined == GONE:
            raise NotFoundError(absent(webhook_id))
        self._metrics.webhook(info.id, "retried").inc()
        self._metrics.event(info.type, info.id).inc(len(events))
        self._drift.note(info, made, webhook, webhook_id)
        log.info(
            "webhook.released",
            integration_id=info.id,
            webhook_id=webhook_id,
            events=len(events),
        )
        if isinstance(outcome, Ignored):
            return Retried(webhook_id, "ignored", reason=outcome.reason)
        return Retried(webhook_id, "accepted", tuple(receipt.events))

    async def retry_many(
        self, *, integration: str | None, reason: str | None, limit: int, after: Position | None
    ) -> RetriedMany:
        """See :meth:`onehook.web.retries.Retrier.retry_many`."""
        result = RetriedMany(next=after)
        loop = asyncio.get_running_loop()
        deadline, seen, tried = loop.time() + PATIENCE, 0, 0
        while places := await self._quarantine.oldest(after=result.next, count=AT_ONCE):
            wanted = [
                entry
                for entry in await self._quarantine.entries(places)
                if integration in (None, entry.held.integration_id)
                and reason in (None, entry.held.reason)
            ]
            now = _together(wanted[: limit - tried])
            for outcome in await self._retry(now):
                _count(outcome, result)
            tried, seen = tried + len(now), seen + len(places)
            result.next = places[-1] if len(now) == len(wanted) else now[-1].position
            if tried >= limit or seen >= MAX_SCAN or loop.time() > deadline:
                break
        else:
            result.next = None
        if tried:
            await self._completed(result)
        return result

    async def _completed(self, result: RetriedMany) -> None:
        """Tell that many were tried: what was done is done, if nobody can be told of it."""
        now = self._clock.now()
        id_ = new_id("rpl", now)
        notice = retried(id_, now, result.events, result.quarantined, self._tenant)
        try:
            await self._notices.announce(notice)
        except (RedisError, OSError) as error:
            log.warning("notice.lost", type=notice.type, error=type(error).__name__)
        log.info(
            "quarantine.retried",
            accepted=result.accepted,
            ignored=result.ignored,
            quarantined=result.quarantined,
            skipped=result.skipped,
            events=result.events,
            complete=result.next is None,
        )


@dataclass(frozen=True, slots=True)
class _Try:
    """One webhook to normalize again; without integration or native there is nothing to do."""

    entry: Entry
    integration: Integration | None
    native: Native | None

    def normalize(self, max_body: int) -> Normalized | Quarantined | None:
        if self.integration is None or self.native is None:
            return None
        try:
            return self.integration.normalize(self.native.webhook, max_body, self.entry.held.parts)
        except InvalidRequestError as error:  # what is taken was narrowed since
            return Quarantined("unparsable", error.detail)


def _count(outcome: Retried | BaseException, result: RetriedMany) -> None:
    match outcome:
        case Retried():
            result.add(outcome)
        case NotFoundError() | ConflictError():
            result.skipped += 1
        case _:
            raise outcome


def _together(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The first of *entries*, as many as may be in memory at once; one at least."""
    size = 0
    for at, entry in enumerate(entries):
        size += entry.held.size
        if at and size > MAX_BYTES:
            return entries[:at]
    return entries
