"""How those are held back who fail, or of whom nothing is known yet: the others must not feel it.

An attempt takes about a millisecond of the processor. A hundred new subscribers that begin in one
moment, or fail and come back in one, would hold up everything else for a tenth of a second.
"""

import asyncio
import random

RESPITE = 0.05  # seconds of rest after a failed attempt, for each that failed in a row
MOST_FAILED = 10
OF_ATTEMPT = 0.05  # seconds of rest for each that it took: who hangs loses nothing by them
STEP = 0.005  # seconds between beginnings
LONGEST = 1.0  # seconds that anybody waits for a turn


class Pacing:
    """Shared by all that are held back."""

    def __init__(self) -> None:
        self._next = 0.0  # the next turn, on the loop's clock
        self._random = random.SystemRandom()

    async def turn(self) -> None:
        """Wait for a turn to begin an attempt: they are `STEP` apart, while few wait."""
        now = asyncio.get_running_loop().time()
        turn = min(max(now, self._next), now + LONGEST)
        self._next = turn + STEP
        if turn > now:
            await asyncio.sleep(turn - now)

    async def rest(self, failed: int, took: float) -> None:
        """Rest after the last of so many attempts that *failed* in a row; it *took* seconds.

        For half as long, or up to all of it: of many that fail at once each comes back by itself.
        """
        longest = max(min(failed, MOST_FAILED) * RESPITE, took * OF_ATTEMPT)
        await asyncio.sleep(longest * self._random.uniform(0.5, 1))
