"""What tests of the gate share: deliveries with limits, attempts that end one way or another."""

from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from onehook.core.flow import USUAL, Flow, Gate
from onehook.core.notices import Notice
from onehook.store.deliveries import Leased, Record
from onehook.store.events import Commit, CommitEvent, Limits, Route
from tests.builders import NOW, let_pass
from tests.store.test_events import AT_ONCE, LEASE, Shelf

SUB = "sub_1"


class Queue:
    """One subscription's queue, as a worker sees it."""

    def __init__(self, shelf: Shelf, flow: Flow = USUAL, id_: str = SUB) -> None:
        self.shelf, self.flow, self.id = shelf, flow, id_
        self.names: dict[str, str] = {}  # event id -> the name it was committed by

    async def commit(
        self, *names: str, key: str = "", lease: timedelta = AT_ONCE, paused: bool = False
    ) -> Commit:
        """Commit a webhook with one event for each of *names*, in one batch."""
        batch = []
        for name in names:
            webhook = self.shelf.webhook(name, self.id)
            (event,) = webhook.events
            self.names[event.id] = name
            limits = None
            if key or self.flow.max_backlog is not None:
                told = Notice("integration.delivery.failed", self.id, NOW, failed=1, group=self.id)
                limits = Limits(self.flow.max_backlog, key, told)
            route = Route(self.id, lease, paused, limits)
            made = CommitEvent(event.id, event.type, event.packed, [route], event.indexed)
            batch.append(replace(webhook, events=[made]))
        return await self.shelf.events.commit(batch)

    async def lease(self, want: int = 16, retries: int | None = None) -> dict[str, Leased]:
        """Lease what may be leased now, by the names of the events, in the order given."""
        found = await self.shelf.deliveries.lease(self.id, want, LEASE, self.flow, retries)
        return {self.names[one.event_id]: one for one in found}

    def record(
        self, one: Leased, outcome: str, *, hold: timedelta = AT_ONCE, attempted: bool = True
    ) -> Record:
        """The record of an attempt, or of none."""
        record = self.shelf.record(
            self.names[one.event_id], one.event_id, self.id, one.token, outcome
        )
        changed: Mapping[str, object] = {} if attempted else {"attempt": b"", "delay": AT_ONCE}
        fields = {name: getattr(record, name) for name in record.__slots__}
        return Record(**{**fields, **changed, "hold": hold})  # type: ignore[arg-type]

    async def end(self, one: Leased, outcome: str, **more: object) -> Gate:
        """Record an attempt; the gate as it is afterwards."""
        (found,) = await self.shelf.deliveries.record_attempts(
            [self.record(one, outcome, **more)]  # type: ignore[arg-type]
        )
        assert found.kept
        return found.gate

    async def attempt(self, outcome: str, **more: object) -> Gate:
        """Lease one delivery and end it."""
        (one,) = (await self.lease(1)).values()
        return await self.end(one, outcome, **more)

    async def gate(self) -> Gate:
        """The gate as the store has it."""
        (found,) = await self.shelf.deliveries.gates([self.id])
        return found

    async def pass_time(self, by: timedelta) -> None:
        """Let *by* pass for this subscription."""
        await let_pass(self.shelf.client, self.shelf.keys, self.id, by)

    async def is_due(self) -> bool:
        """Whether a worker would look at it now."""
        return self.id in await self.shelf.deliveries.due()

    async def due_in(self) -> float | None:
        """In how many seconds a worker looks at it; None: never."""
        at = await self.shelf.client.zscore(self.shelf.keys.due, self.id)
        seconds, micros = await self.shelf.client.time()
        return None if at is None else at / 1000 - seconds - micros / 1e6
