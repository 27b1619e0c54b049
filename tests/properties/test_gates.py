"""Whatever happens in whatever order: the gate keeps its word, and nothing is lost."""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from onehook.core.flow import BREAKER_AFTER, Breaker, Flow
from onehook.store.connection import connect
from onehook.store.deliveries import Leased
from onehook.store.keys import Keys
from tests.store.gates import SUB, Queue
from tests.store.test_events import LEASE, Shelf

_prefixes = itertools.count()
_THINGS = ["", "A", "B", "C"]
_LONG = timedelta(hours=1)


@dataclass
class Model:
    """What a subscriber was promised, as plain as can be."""

    lines: dict[str, list[str]] = field(default_factory=dict)  # thing -> not ended, in order
    things: dict[str, str] = field(default_factory=dict)
    flying: dict[str, Leased] = field(default_factory=dict)
    stale: list[Leased] = field(default_factory=list)  # leases that ran out
    attempts: dict[str, int] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    breaker: Breaker = Breaker.CLOSED
    probe: str | None = None
    failed: int = 0
    used_up: int = 0

    def commit(self, name: str, thing: str) -> None:
        """An event about *thing* came."""
        self.things[name] = thing
        self.attempts[name] = 0
        self.lines.setdefault(thing, []).append(name)

    def may_fly(self, name: str) -> bool:
        """Whether *name* may be leased: nothing about its thing came before it, and still waits."""
        thing = self.things[name]
        return name in self.lines[thing] and (not thing or self.lines[thing][0] == name)

    def end(self, name: str, outcome: str, *, attempted: bool) -> None:
        """The attempt of *name* led to *outcome*."""
        del self.flying[name]
        if outcome != "again":
            self.lines[self.things[name]].remove(name)
            self.ended[name] = outcome
        was_probe = self.probe == name
        if was_probe:
            self.probe, self.breaker = None, Breaker.OPEN
        if not attempted:
            return
        self.attempts[name] += 1
        if outcome == "delivered":
            self.breaker, self.probe, self.failed, self.used_up = Breaker.CLOSED, None, 0, 0
            return
        self.failed += 1
        self.used_up += outcome == "dead"
        if self.breaker is Breaker.CLOSED and self.failed >= BREAKER_AFTER:
            self.breaker = Breaker.OPEN


class Machine(RuleBasedStateMachine):
    """Commits, leases, records, crashes, waits and resumes, against the real scripts."""

    url = ""
    ordered = True
    flying = Bundle("flying")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client: Redis = connect(self.url)
        keys = Keys(f"gates{next(_prefixes)}.{id(self)}")
        self.queue = Queue(Shelf(self.client, keys), Flow(ordered=True))
        self.model = Model()
        self.serial = itertools.count()

    def teardown(self) -> None:
        """Let everything end well: then each delivery has ended exactly once."""
        try:
            self.run(self.drain())
        finally:
            self.run(self.client.aclose())
            self.runner.close()

    def run(self, coroutine):  # type: ignore[no-untyped-def]
        """The result of *coroutine*."""
        return self.runner.run(coroutine)

    def pass_time(self, by: timedelta) -> None:
        """Let *by* pass: the moments in the store move, and so do those that prove a lease."""
        self.run(self.queue.pass_time(by))
        ms = round(by / timedelta(milliseconds=1))
        model = self.model
        model.stale = [replace(one, token=one.token - ms) for one in model.stale]
        for name, one in model.flying.items():
            model.flying[name] = replace(one, token=one.token - ms)

    # -- what may happen ---------------------------------------------------------------------

    @rule(things=st.lists(st.sampled_from(_THINGS), min_size=1, max_size=6))
    def commit(self, things: list[str]) -> None:
        """A batch of webhooks is committed, some by themselves, some about one thing."""
        for thing in things:
            name = f"n{next(self.serial):04}"
            self.model.commit(name, thing)
            self.run(self.queue.commit(name, key=thing))

    @rule(want=st.integers(1, 16))
    def lease(self, want: int) -> None:
        """A worker asks for some."""
        model = self.model
        leased = self.run(self.queue.lease(want))
        assert len(leased) <= want
        for name, one in leased.items():
            assert name not in model.flying, "leased twice"
            assert model.may_fly(name), "leased before what came before it"
            assert one.attempts == model.attempts[name]
            model.flying[name] = one
        if leased and model.breaker is not Breaker.CLOSED:
            assert len(leased) == 1, "more than a probe"
            assert model.breaker is Breaker.OPEN, "a second probe"
            model.breaker, model.probe = Breaker.PROBING, next(iter(leased))

    @precondition(lambda self: self.model.flying)
    @rule(data=st.data(), outcome=st.sampled_from(["delivered", "again", "again", "dead"]))
    def attempt(self, data: st.DataObject, outcome: str) -> None:
        """An attempt ends."""
        name = data.draw(st.sampled_from(sorted(self.model.flying)))
        gate = self.run(self.queue.end(self.model.flying[name], outcome))
        self.model.end(name, outcome, attempted=True)
        assert gate.breaker is self.model.breaker
        assert (gate.failed, gate.used_up) == (self.model.failed, self.model.used_up)

    @precondition(lambda self: len(self.model.flying) >= 3)
    @rule()
    def attempts_all_fail(self) -> None:
        """The subscriber is down."""
        for name, one in list(self.model.flying.items()):
            self.run(self.queue.end(one, "again"))
            self.model.end(name, "again", attempted=True)

    @precondition(lambda self: self.model.flying)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        """A worker stops with deliveries in hand that it has not attempted."""
        name = data.draw(st.sampled_from(sorted(self.model.flying)))
        self.run(self.queue.end(self.model.flying[name], "again", attempted=False))
        self.model.end(name, "again", attempted=False)

    @precondition(lambda self: self.model.flying)
    @rule()
    def crash(self) -> None:
        """The worker dies; its leases run out, and what it may still say is said too late."""
        self.pass_time(LEASE + timedelta(seconds=5))
        self.model.stale += self.model.flying.values()
        self.model.flying.clear()
        if self.model.probe is not None:
            self.model.probe, self.model.breaker = None, Breaker.OPEN

    @precondition(lambda self: self.model.stale)
    @rule(outcome=st.sampled_from(["delivered", "again", "dead"]))
    def speak_from_the_grave(self, outcome: str) -> None:
        """A record whose lease ran out changes nothing, once the delivery is leased again."""
        stale = self.model.stale.pop()
        name = self.queue.names[stale.event_id]
        if name not in self.model.flying and name not in self.model.ended:
            return  # its token still stands: nobody has taken over yet
        (found,) = self.run(
            self.queue.shelf.deliveries.record_attempts([self.queue.record(stale, outcome)])
        )
        assert not found.kept

    @precondition(lambda self: not self.model.flying)
    @rule(seconds=st.sampled_from([1, 10, 120]))
    def wait(self, seconds: int) -> None:
        """Time passes while nothing is in flight."""
        self.pass_time(timedelta(seconds=seconds))

    @rule()
    def resume(self) -> None:
        """Somebody resumes it by hand."""
        self.run(self.queue.shelf.deliveries.resume(SUB))
        model = self.model
        queued = any(model.lines.values())
        model.breaker, model.probe = Breaker.OPEN if queued else Breaker.CLOSED, None
        model.failed = model.used_up = 0

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        """What has not ended is in the queue, whatever band it is in."""
        backlog = self.run(self.queue.shelf.deliveries.backlog(SUB))
        assert backlog == sum(len(line) for line in self.model.lines.values())

    async def drain(self) -> None:
        """Deliver what is left, in order, each once; then nothing of the queue remains."""
        model, queue = self.model, self.queue
        for name, one in list(model.flying.items()):
            await queue.end(one, "delivered")
            model.end(name, "delivered", attempted=True)
        while any(model.lines.values()):
            await queue.pass_time(_LONG)
            leased = await queue.lease(16)
            assert leased, "something waits, and nothing is leased"
            for name, one in leased.items():
                assert model.may_fly(name)
                model.flying[name] = one
            for name, one in leased.items():
                await queue.end(one, "delivered")
                model.end(name, "delivered", attempted=True)
        keys = queue.shelf.keys
        left = [keys.queue(SUB), keys.leases(SUB), keys.line(SUB)]
        assert await self.client.exists(*left) == 0
        assert set(model.ended) == set(queue.names.values())


def test_g5_e5_the_gate_keeps_its_word_whatever_happens(store: str) -> None:
    """Order, one probe at a time, counts, and that nothing is lost: for any sequence of events."""
    Machine.url = store
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None)
    )
