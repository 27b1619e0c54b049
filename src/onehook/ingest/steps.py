"""Verify, normalize, route and pack: what happens to a webhook between its body and its commit.

All webhooks that are there at once go through each step together. A step's code and tables are
then still in the processor's caches for the next webhook, which makes a fifth of all the time.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from onehook.core.integration import Integration, Normalized
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.model import Event, IntegrationInfo, Webhook, WebhookId
from onehook.core.notices import Notice, quarantined
from onehook.core.receipts import Receipt
from onehook.core.references import index
from onehook.ids import new_id
from onehook.ingest.committer import EventToCommit, WebhookToCommit
from onehook.store.keys import Keys
from onehook.store.packing import pack_event, pack_native
from onehook.store.quarantine import Held
from onehook.store.registry import Registry, Snapshot

LARGE = 256 * 1024  # bytes: from here on a body is worked on off the loop
MOST = 32  # webhooks in one round: some 10 ms, after which others may have the loop


class Taken(msgspec.Struct, frozen=True):
    """A verified webhook: what it became, and what is to be committed of it (None: ignored)."""

    made: Normalized
    commit: WebhookToCommit | None


class _Item(msgspec.Struct, eq=False):
    """A webhook on its way through the steps."""

    integration: Integration
    webhook: Webhook
    verified: bool
    done: "asyncio.Future[Taken]"
    made: Normalized | None = None
    taken: Taken | None = None


class Steps:
    """Takes webhooks through the steps, those that wait together."""

    def __init__(self, registry: Registry, keys: Keys, max_body: int) -> None:
        self._registry, self._keys, self._max_body = registry, keys, max_body
        self._waiting: list[_Item] = []

    async def take(self, integration: Integration, webhook: Webhook, *, verified: bool) -> Taken:
        """Take *webhook* through the steps; with *verified* its proof was checked already.

        Raises:
            SignatureError: it is not proven.
            ConfigurationError: the integration lacks its secret.
            InvalidRequestError: its media type, encoding or size is not taken.
        """
        loop = asyncio.get_running_loop()
        item = _Item(integration, webhook, verified, loop.create_future())
        if len(webhook.body) > LARGE or webhook.headers.get("content-encoding") is not None:
            return await self._take_large(item)
        self._waiting.append(item)
        if len(self._waiting) == 1:
            # After what the sockets hold ready now: that joins this round.
            loop.call_soon(self._round)
        return await item.done

    async def _take_large(self, item: _Item) -> Taken:
        """A large body in a thread, so that it holds up nobody else."""
        self._verify(item)
        await asyncio.to_thread(self._normalize, item)
        self._prepare(item)
        assert item.taken is not None  # noqa: S101 prepare has set it
        return item.taken

    def _round(self) -> None:
        batch = self._waiting[:MOST]
        del self._waiting[:MOST]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._round)
        for step in (self._verify, self._normalize, self._prepare):
            batch = [item for item in batch if _passes(step, item)]
        for item in batch:
            if item.taken is not None and not item.done.done():  # its sender may have gone
                item.done.set_result(item.taken)

    def _verify(self, item: _Item) -> None:
        if not item.verified:
            item.integration.verify(item.webhook, item.webhook.received_at)

    def _normalize(self, item: _Item) -> None:
        item.made = item.integration.normalize(item.webhook, self._max_body)

    def _prepare(self, item: _Item) -> None:
        made = item.made
        assert made is not None  # noqa: S101 normalize has set it
        ignored = isinstance(made.outcome, Ignored)
        commit = None if ignored else self._pack(item.integration, item.webhook, made)
        item.taken = Taken(made, commit)

    def _pack(
        self, integration: Integration, webhook: Webhook, made: Normalized
    ) -> WebhookToCommit:
        """Route the events, and pack everything for the store."""
        webhook_id = WebhookId(new_id("whk", webhook.received_at))
        outcome, info, keys = made.outcome, integration.info, self._keys
        markers = [keys.marker(info.id, "id", made.parts)]
        if made.signed is not None:
            markers.append(keys.marker(info.id, "bytes", [made.signed]))
        events: list[EventToCommit] = []
        reason, held = None, b""
        notice: Notice | None = None
        if isinstance(outcome, Emitted):
            events = to_commit(webhook_id, outcome.events, info, self._registry.snapshot)
        elif isinstance(outcome, Quarantined):
            reason, held = outcome.reason, Held.of(info, webhook, made, outcome, markers).pack()
            detail = f"{reason}: {outcome.detail}"
            notice = quarantined(info, webhook_id, detail, webhook.received_at)
        return WebhookToCommit(
            Receipt(
                webhook_id, made.body_digest[:16], tuple((e.id, e.type) for e in events), reason
            ),
            info.id,
            markers,
            pack_native(info.id, webhook, integration.kept_headers(webhook)),
            events,
            held,
            notice,
        )


def to_commit(
    webhook_id: WebhookId,
    events: Sequence[Event],
    integration: IntegrationInfo,
    snapshot: Snapshot,
) -> list[EventToCommit]:
    """*events* of one webhook, packed, each with who wants it and what it names."""
    return [
        EventToCommit(
            e.id,
            e.type,
            e.body,
            pack_event(webhook_id, e.body),
            snapshot.routes.match(e, integration),
            index(e, snapshot.knowledge),
        )
        for e in events
    ]


def _passes(step: Callable[[_Item], None], item: _Item) -> bool:
    """Whether *item* got through *step*; if not, its sender is told why."""
    try:
        step(item)
    except Exception as error:  # noqa: BLE001 whoever waits for it is told
        if not item.done.done():
            item.done.set_exception(error)
        return False
    return True
