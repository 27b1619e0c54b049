"""Those that fail, or of whom nothing is known, are held back so that nobody else feels it."""

import asyncio
from collections.abc import Awaitable

from onehook.deliver.pacing import LONGEST, MOST_FAILED, OF_ATTEMPT, RESPITE, STEP, Pacing


async def _seconds(waiting: Awaitable[None]) -> float:
    began = asyncio.get_running_loop().time()
    await waiting
    return asyncio.get_running_loop().time() - began


async def test_many_that_begin_at_once_begin_one_after_the_other() -> None:
    """Sixty attempts in one moment would hold up everybody for as many milliseconds."""
    pacing, count = Pacing(), 20
    turns = [_seconds(pacing.turn()) for _ in range(count)]
    waited = await asyncio.gather(*turns)
    assert waited == sorted(waited)
    assert waited[-1] >= (count - 1) * STEP


async def test_nobody_waits_for_longer_than_a_second_for_a_turn() -> None:
    """However many want one."""
    pacing = Pacing()
    crowd = [asyncio.create_task(pacing.turn()) for _ in range(int(3 * LONGEST / STEP))]
    await asyncio.sleep(0)
    late = await _seconds(pacing.turn())
    assert LONGEST / 2 < late < 2 * LONGEST
    await asyncio.gather(*crowd)


async def test_the_rest_grows_with_failures_and_with_what_the_attempt_took() -> None:
    """Twenty that hang, and time out together, come back one by one."""
    pacing = Pacing()
    many = await _seconds(pacing.rest(MOST_FAILED + 5, 0.0))
    slow = await _seconds(pacing.rest(1, 10.0))
    quick = await _seconds(pacing.rest(1, 0.0))
    assert many >= MOST_FAILED * RESPITE / 2
    assert slow >= 10 * OF_ATTEMPT / 2
    assert quick < min(many, slow)
