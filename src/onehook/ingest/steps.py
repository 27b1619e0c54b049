"""Verify, normalize, route and pack: what happens to a webhook between its body and its commit.

All webhooks that are there at once go through each step together. A step's code and tables are
then still in the processor's caches for the next webhook, which makes a fifth of all the time.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from onehook.core.integration import Applied, Integration, Normalized, Parsed
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.model import Event, IntegrationInfo, Subscription, Webhook, WebhookId
from onehook.core.notices import Notice, quarantined
from onehook.core.receipts import Receipt
from onehook.core.references import Indexed, index
from onehook.ids import new_id
from onehook.ingest.committer import Committed, Committer, EventToCommit, WebhookToCommit
from onehook.ingest.guard import Guard
from onehook.ingest.quotas import EventQuotas
from onehook.store.batches import Done
from onehook.store.keys import Keys
from onehook.store.packing import pack_event, pack_native
from onehook.store.quarantine import Held
from onehook.store.registry import Registry
from onehook.store.snapshot import Snapshot

LARGE = 256 * 1024  # bytes: from here on a body is worked on off the loop
WIDE = 32 * 1024  # bytes: from here on also a body of very many small values is
MANY = 4000  # commas: more of them than in any webhook of that size that was seen
MOST = 32  # webhooks in one round: some 15 ms, after which others may have the loop
TURNS = 3  # of the loop: then one round's commit is on the wire, while the next is worked on


class Taken(msgspec.Struct, frozen=True):
    """A verified webhook: what it became, and what is to be committed of it (None: ignored)."""

    made: Normalized
    commit: WebhookToCommit | None


class Made(msgspec.Struct, frozen=True):
    """A webhook that is taken, and what the store says of it (None: it is ignored)."""

    taken: Taken
    committed: Committed | None


class Routed(msgspec.Struct, frozen=True):
    """An event, who wants it, and what the index keeps of it."""

    event: Event
    subscriptions: Sequence[Subscription]
    indexed: Indexed


class Item(msgspec.Struct, eq=False):
    """A webhook on its way; *done* gets what the store says of it (None: nothing), or an error."""

    integration: Integration
    webhook: Webhook
    verified: bool
    done: Done[Committed | None]
    parsed: Parsed | None = None
    applied: Applied | None = None
    made: Normalized | None = None
    routed: Sequence[Routed] = ()
    taken: Taken | None = None

    def made_of(self, committed: Committed | None) -> Made:
        """What it became, once it is through and the store has said *committed* of it."""
        assert self.taken is not None  # noqa: S101 pack has set it
        return Made(self.taken, committed)


class Steps:
    """Takes webhooks through the steps, those that wait together, and hands them to *committer*."""

    def __init__(
        self, registry: Registry, keys: Keys, committer: Committer, guard: Guard, max_body: int
    ) -> None:
        self._registry, self._keys, self._max_body = registry, keys, max_body
        self._committer, self._guard, self._quotas = committer, guard, EventQuotas(registry)
        self._waiting: list[Item] = []
        self._steps = (
            self._verify,
            self._admit,
            self._parse,
            self._apply,
            self._complete,
            self._route,
            self._pack,
            self._hand_on,
        )

    async def take(self, integration: Integration, webhook: Webhook, *, verified: bool) -> Made:
        """Take *webhook* through the steps and commit it.

        With *verified* its proof was checked already.

        Raises:
            SignatureError: it is not proven.
            RateLimitedError: it, or its tenant's events, are more than may come in a minute.
            ConfigurationError: the integration lacks its secret.
            InvalidRequestError: its media type, encoding or size is not taken.
            StoreUnavailableError: it is not durable, within what its vendor waits for.
        """
        done: asyncio.Future[Committed | None] = asyncio.get_running_loop().create_future()
        item = Item(integration, webhook, verified, done)
        if _takes_long(webhook.body) or webhook.headers.get("content-encoding") is not None:
            await self._hand_on_large(item)
        else:
            self.begin(item)
        return item.made_of(await done)

    def begin(self, item: Item) -> None:
        """As :meth:`take`, for whom ``done`` of *item* tells; only for a small webhook."""
        self._waiting.append(item)
        if len(self._waiting) == 1:
            # After what the sockets hold ready now: that joins this round.
            asyncio.get_running_loop().call_soon(self._round)

    async def _hand_on_large(self, item: Item) -> None:
        """A large body in a thread, so that it holds up nobody else: to hash it takes long too."""
        await asyncio.to_thread(self._verify, item)
        self._admit(item)
        await asyncio.to_thread(self._all_but_routing, item)
        self._route(item)
        await asyncio.to_thread(self._pack, item)
        self._hand_on(item)

    def _all_but_routing(self, item: Item) -> None:
        for step in (self._parse, self._apply, self._complete):
            step(item)

    def _round(self) -> None:
        batch = self._waiting[:MOST]
        del self._waiting[:MOST]
        for step in self._steps:
            batch = [item for item in batch if _passes(step, item)]
        if self._waiting:
            self._after(TURNS, self._round)

    def _after(self, turns: int, call: Callable[[], None]) -> None:
        """Make *call* when the loop has gone round *turns* times."""
        if turns:
            asyncio.get_running_loop().call_soon(self._after, turns - 1, call)
        else:
            call()

    # -- the steps, in order; each finds in the item what those before it have left there -------

    def _verify(self, item: Item) -> None:
        if not item.verified:
            item.integration.verify(item.webhook, item.webhook.received_at)

    def _admit(self, item: Item) -> None:
        self._guard.admit(item.integration)
        self._quotas.admit(item.integration.info.tenant)

    def _parse(self, item: Item) -> None:
        item.parsed = item.integration.parse(item.webhook, self._max_body)

    def _apply(self, item: Item) -> None:
        assert item.parsed is not None  # noqa: S101
        item.applied = item.integration.apply(item.webhook, item.parsed)

    def _complete(self, item: Item) -> None:
        assert item.applied is not None  # noqa: S101
        item.made = item.integration.complete(item.applied)
        item.parsed = item.applied = None  # most of what a webhook takes in memory

    def _route(self, item: Item) -> None:
        assert item.made is not None  # noqa: S101
        outcome, info = item.made.outcome, item.integration.info
        if isinstance(outcome, Emitted):
            own = self._registry.snapshot.of(info.tenant)
            item.routed = route(outcome.events, info, own)
        if not isinstance(outcome, Quarantined):  # which counts as one
            self._quotas.settle(info.tenant, len(item.routed))

    def _pack(self, item: Item) -> None:
        assert item.made is not None  # noqa: S101
        if isinstance(item.made.outcome, Ignored):
            item.taken = Taken(item.made, None)
        else:
            item.taken = Taken(item.made, self._commit_of(item, item.made))

    def _hand_on(self, item: Item) -> None:
        assert item.taken is not None  # noqa: S101
        if item.done.done():  # its sender has gone, and sends again
            return
        if item.taken.commit is None:
            item.done.set_result(None)
        else:
            patience = item.integration.mapping.answer_within
            self._committer.put(item.taken.commit, patience, item.done)

    def _commit_of(self, item: Item, made: Normalized) -> WebhookToCommit:
        webhook, info, keys = item.webhook, item.integration.info, self._keys
        webhook_id = WebhookId(new_id("whk", webhook.received_at))
        markers = [keys.marker(info.id, "id", made.parts)]
        if made.signed is not None:
            markers.append(keys.marker(info.id, "bytes", [made.signed]))
        events = pack(webhook_id, item.routed)
        reason, held = None, b""
        notice: Notice | None = None
        if isinstance(made.outcome, Quarantined):
            reason = made.outcome.reason
            held = Held.of(info, webhook, made, made.outcome, markers).pack()
            detail = f"{reason}: {made.outcome.detail}"
            notice = quarantined(info, webhook_id, detail, webhook.received_at)
        ids = tuple([(event.id, event.type) for event in events])
        return WebhookToCommit(
            Receipt(webhook_id, made.body_digest[:16], ids, reason),
            info.id,
            markers,
            pack_native(info.id, info.type, webhook, item.integration.kept_headers(webhook)),
            events,
            held,
            notice,
            info.tenant,
        )


def _takes_long(body: bytes) -> bool:
    return len(body) > WIDE and (len(body) > LARGE or body.count(b",") > MANY)


def route(
    events: Sequence[Event], integration: IntegrationInfo, snapshot: Snapshot
) -> list[Routed]:
    """*events* of one webhook, each with who wants it and what it names."""
    return [
        Routed(e, snapshot.routes.match(e, integration), index(e, snapshot.knowledge))
        for e in events
    ]


def pack(webhook_id: WebhookId, routed: Sequence[Routed]) -> list[EventToCommit]:
    """*routed* events of one webhook as the store takes them."""
    return [
        EventToCommit(
            one.event.id,
            one.event.type,
            one.event.body,
            pack_event(webhook_id, one.event.body),
            one.subscriptions,
            one.indexed,
        )
        for one in routed
    ]


def _passes(step: Callable[[Item], None], item: Item) -> bool:
    """Whether *item* got through *step*; if not, its sender is told why."""
    try:
        step(item)
    except Exception as error:  # noqa: BLE001 whoever waits for it is told
        if not item.done.done():
            item.done.set_exception(error)
        return False
    return True
