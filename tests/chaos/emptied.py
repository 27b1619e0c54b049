"""A run of its own: the store loses everything it held, under the gateway's feet.

What it held is lost, and how much is said. What is promised afterwards has to arrive, from the
same process, with nobody's help.
"""

import asyncio
import random
import shutil
import signal
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.arena import Arena, arena
from tests.chaos.ledger import Ledger
from tests.chaos.load import Vendor
from tests.chaos.running import arrived, at_rest, settle

_LOOK = 0.05
_HEALED = 60.0  # seconds that it may take until the gateway has written its configuration anew


@dataclass(frozen=True, slots=True)
class Emptied:
    """Deliveries that were promised before and after, and how many of each never came."""

    before: int
    lost: int
    after: int
    lost_after: int
    pending: int  # at rest: what nobody will ever deliver
    restarted: bool

    def __str__(self) -> str:
        return (
            f"{self.lost} of {self.before} deliveries lost that were promised before the store "
            f"came back empty, {self.lost_after} of {self.after} promised after"
        )

    def faulty(self) -> list[str]:
        """What must not be, a sentence each."""
        found = {
            f"{self.lost_after} deliveries lost that were promised after": self.lost_after,
            f"{self.pending} deliveries pending": self.pending,
            "the gateway had to start again": self.restarted,
            "nothing was lost: the store was not emptied": not self.lost,
        }
        return [f"store emptied: {sentence}" for sentence, holds in found.items() if holds]


async def run_emptied(folder: Path, seed: str, webhooks: int) -> Emptied:
    """Half of *webhooks*, then the store is emptied, then the other half."""
    chance = random.Random(seed)
    with closing(Ledger(folder / "promised.txt")) as ledger:
        async with arena(folder, chance, embedded=False) as made:
            return await _run(made, ledger, webhooks)


async def _run(made: Arena, ledger: Ledger, webhooks: int) -> Emptied:
    vendor, process = Vendor(made, ledger), made.gateway.process
    made.ill.behaviour.reply = lambda _: None  # so that something is pending
    made.ill.behaviour.keep_ids = False
    await vendor.send(webhooks // 2)
    before = _promised(made, ledger)
    await _empty(made)
    made.ill.behaviour.reply = None
    made.ill.behaviour.keep_ids = True
    await vendor.send(webhooks - webhooks // 2)
    after = _promised(made, ledger) - before
    for kind in ledger.promised:
        ledger.promised[kind] &= {id_ for _, id_ in after}
    await settle(made, ledger)
    came = {(name, attempt.id) for name, (_, some) in arrived(made).items() for attempt in some}
    pending, _ = await at_rest(made)
    restarted = made.gateway.process is not process
    lost = len(before - came), len(after - came)
    return Emptied(len(before), lost[0], len(after), lost[1], sum(pending.values()), restarted)


def _promised(made: Arena, ledger: Ledger) -> set[tuple[str, str]]:
    """Every delivery that a vendor was promised: subscriber and event."""
    return {
        (name, id_) for name, (kind, _) in arrived(made).items() for id_ in ledger.promised[kind]
    }


async def _empty(made: Arena) -> None:
    """Kill the server, remove its log, and wait until the gateway is at home in the next one."""
    stopped = await made.store.signal(signal.SIGSTOP)  # nobody starts it before its log is gone
    shutil.rmtree(made.store.socket.parent / "appendonlydir")
    made.store.kill(stopped)
    async with asyncio.timeout(_HEALED):
        while not await made.store.knows("oh:{cfg}:meta"):  # noqa: ASYNC110 it sets no Event
            await asyncio.sleep(_LOOK)
    await made.ready()
