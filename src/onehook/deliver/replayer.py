"""Runs bulk replays: makes deliveries due anew, no faster than their subscribers take them.

What it does next stands in the store, see ``store/replays.py``: a gateway that dies is followed
by another one, which goes on where the last step ended.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from redis.exceptions import RedisError

from onehook.core.lineage import stored_event
from onehook.core.model import Subscription
from onehook.core.notices import sync_completed
from onehook.core.routing import Routes, matches
from onehook.deliver.waiting import first_of
from onehook.store.deliveries import DeliveryState, DeliveryStore
from onehook.store.events import EventStore, IndexEntry
from onehook.store.notices import NoticeStore
from onehook.store.replays import (
    Place,
    Replay,
    ReplaySpec,
    ReplayStore,
    Step,
    ToReplay,
    to_replay,
)

log = structlog.get_logger()

LOOK = 1.0  # seconds between looks for replays that other gateways began or left
LEASE = timedelta(seconds=10)  # how long a replay waits for a runner that died
COUNTED = 250  # events counted in one step: no more than holds nobody else up
STEP = 100  # events, and roughly deliveries, made due in one step
WAITING = 100  # deliveries due to one subscription beyond which a replay waits for it,
PATIENCE = 1.0  # seconds at most: one that hangs must not hold up the others
PAUSE = 0.02  # seconds between looks whether it took some
_SPREAD = 0.25  # seconds whose share a step of a slow replay takes


class Replayer:
    """Works at every bulk replay that no other gateway works at.

    *targets* gives the subscriptions as they are now, *runner* names this gateway.
    """

    def __init__(
        self,
        replays: ReplayStore,
        events: EventStore,
        deliveries: DeliveryStore,
        notices: NoticeStore,
        *,
        targets: Callable[[], Mapping[str, Subscription]],
        runner: str,
    ) -> None:
        self._replays, self._events, self._deliveries = replays, events, deliveries
        self._notices, self._targets, self._runner = notices, targets, runner
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    def notice(self) -> None:
        """A replay began."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set, then give back what is not done."""
        while not stop.is_set():
            try:
                for tenant, id_ in await self._replays.open():
                    if id_ not in self._running:
                        work = asyncio.create_task(self._of(tenant).run(id_, stop))
                        self._running[id_] = work
                        work.add_done_callback(partial(self._ended, id_))
            except (RedisError, OSError) as error:
                log.warning("replays.unreachable", error=type(error).__name__)
            await first_of(self._news, stop, seconds=LOOK)
            self._news.clear()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _ended(self, id_: str, _task: "asyncio.Task[None]") -> None:
        del self._running[id_]

    def _of(self, tenant: str) -> "_Work":
        """Who works at the replays of *tenant*: nobody else's events are seen by it."""
        return _Work(
            self._replays.of(tenant),
            self._events.of(tenant),
            self._deliveries,
            self._notices,
            lambda: {id_: one for id_, one in self._targets().items() if one.tenant == tenant},
            self._runner,
            tenant,
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """Work at the bulk replays of one tenant."""

    _replays: ReplayStore
    _events: EventStore
    _deliveries: DeliveryStore
    _notices: NoticeStore
    _targets: Callable[[], Mapping[str, Subscription]]
    _runner: str
    _tenant: str

    async def run(self, id_: str, stop: asyncio.Event) -> None:
        """Work at one replay until it has ended, *stop* is set, or another gateway has it."""
        try:
            if not await self._replays.claim(id_, self._runner, LEASE):
                return
            while not stop.is_set():
                replay = await self._replays.find(id_)
                if replay is None or not await self._advance(replay):
                    break
            await self._replays.claim(id_, self._runner, timedelta(0))
        except (RedisError, OSError) as error:
            log.warning("replay.interrupted", replay_id=id_, error=type(error).__name__)
        except Exception:
            log.exception("replay.crashed", replay_id=id_)
            await asyncio.sleep(PATIENCE)

    async def _advance(self, replay: Replay) -> bool:
        """Make the next step; False: there is none for us."""
        if replay.status != "running":
            await self._close(replay)
            return False
        match replay.place.phase:
            case "count":
                return await self._count(replay)
            case "queue":
                return await self._queue(replay)
            case "finish":
                await self._finish(replay)
                return True

    async def _count(self, replay: Replay) -> bool:
        spec, start = replay.spec, replay.place
        entries = await self._events.walk(start.position, spec.since, spec.until, COUNTED)
        found = await self._find(spec, entries)
        matched = sum(1 for _, _, chosen in found if chosen)
        if len(entries) == COUNTED:
            end = Place("count", entries[-1].position)
        else:
            end = Place("finish" if spec.dry_run else "queue")
        step = Step(spec.id, self._runner, start, end, matched=matched)
        return await self._replays.step(step, (), LEASE) is not None

    async def _queue(self, replay: Replay) -> bool:
        """Make the deliveries of some events due, then wait as the pace asks."""
        spec, start = replay.spec, replay.place
        at_once = STEP
        if spec.per_minute is not None:
            at_once = max(1, min(STEP, round(spec.per_minute / 60 * _SPREAD)))
        entries = await self._events.walk(start.position, spec.since, spec.until, at_once)
        found = await self._find(spec, entries)
        items: list[ToReplay] = []
        taken = 0  # events: one that goes to many may be a step by itself
        for entry, webhook_id, chosen in found:
            if items and len(items) + len(chosen) > at_once:
                break
            items += [to_replay(one, entry, webhook_id) for one in chosen]
            taken += 1
        if taken == len(entries) < at_once:
            end = Place("finish")
        else:
            end = Place("queue", entries[taken - 1].position)
        done = await self._replays.step(Step(spec.id, self._runner, start, end), items, LEASE)
        if done is None:
            return False
        if end.phase == "queue":
            await self._wait(spec, items, done.count("queued"))
        return True

    async def _find(
        self, spec: ReplaySpec, entries: Sequence[IndexEntry]
    ) -> list[tuple[IndexEntry, str, Sequence[Subscription]]]:
        """Each of *entries* with its webhook and the subscriptions that it is to go to again."""
        ids = [
            entry.event_id
            for entry in entries
            if (spec.integration is None or entry.integration_id == spec.integration)
            and (spec.type is None or matches(spec.type, entry.type))
        ]
        kept = await self._replays.kept(ids)
        found: list[tuple[IndexEntry, str, Sequence[Subscription]]] = []
        for entry in entries:
            webhook_id, states = kept.get(entry.event_id, ("", {}))
            chosen = await self._choose(spec, entry, states) if webhook_id else ()
            found.append((entry, webhook_id, chosen))
        return found

    async def _choose(
        self, spec: ReplaySpec, entry: IndexEntry, states: Mapping[str, DeliveryState]
    ) -> list[Subscription]:
        """The subscriptions to which *entry*'s event is to go again.

        One that *spec* names also gets what it did not get before and wants as it is now.
        """
        targets = self._targets()
        chosen = [
            targets[id_]
            for id_, state in states.items()
            if id_ in targets
            and targets[id_].active
            and spec.subscription in (None, id_)
            and spec.status in (None, state.status)
        ]
        named = targets.get(spec.subscription or "")
        if named is not None and not chosen and spec.status is None and named.id not in states:
            found = await self._events.find_event(entry.event_id)
            if found is not None and Routes([named]).match(*stored_event(found[1])):
                return [named]
        return chosen

    async def _wait(self, spec: ReplaySpec, items: Sequence[ToReplay], queued: int) -> None:
        """Wait as long as the pace asks; by default until the subscribers have room."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        if spec.per_minute is not None:
            until = started + queued * 60 / spec.per_minute
            while (left := until - loop.time()) > 0:
                await asyncio.sleep(min(left, PATIENCE))
                if not await self._goes_on(spec.id):
                    return
            return
        for id_ in {item.subscription_id for item in items if not item.held}:
            while await self._deliveries.waiting(id_) > WAITING:
                if loop.time() > started + PATIENCE:
                    return
                await asyncio.sleep(PAUSE)

    async def _goes_on(self, id_: str) -> bool:
        """Keep the replay while we wait; False: it has ended, or is another's."""
        kept = await self._replays.claim(id_, self._runner, LEASE)
        replay = await self._replays.find(id_)
        return kept and replay is not None and replay.status == "running"

    async def _finish(self, replay: Replay) -> None:
        """Tell that it is done, then write that down: a crash between tells the same again."""
        spec, at = replay.spec, replay.finished_at
        if not spec.dry_run and at is not None:
            await self._notices.announce(sync_completed(spec.id, replay.matched, at, self._tenant))
        status = await self._replays.end(spec.id, "done")
        log.info(
            "replay.ended",
            replay_id=spec.id,
            status=status,
            matched=replay.matched,
            queued=replay.queued,
            skipped=replay.skipped,
        )

    async def _close(self, replay: Replay) -> None:
        """Take what a cancelled replay has queued off again, then leave it to time."""
        spec, taken = replay.spec, 0
        if replay.status == "cancelled":
            for id_ in self._targets():
                if spec.subscription in (None, id_):
                    taken += await self._replays.withdraw(spec.id, id_)
            log.info("replay.ended", replay_id=spec.id, status="cancelled", withdrawn=taken)
        await self._replays.close(spec.id)
