"""How long a fuzz target runs: a few seconds and always the same in `make test`, or for minutes.

``FUZZ_MINUTES`` is what all targets have together (`make fuzz`: 30); each gets the share that
`SHARES` gives it. Without it a target runs a fixed number of cases, the same each time.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pprint import pformat
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

Case = TypeVar("Case")
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
# Parts of the whole time. What has the most ways to go wrong has the most.
SHARES = {
    "verify": 3,
    "bodies": 3,
    "compiler": 6,
    "destinations": 1,
    "normalize": 8,
    "generated": 2,
    "templates": 3,
    "filters": 2,
    "api": 4,
}
ROUND = 2_000  # cases that Hypothesis makes from one seed; the next round has another
PATIENCE = 5.0  # seconds of the processor for one case; a thing without a bound takes minutes
# Not `explain`: it traces every line, and what takes a second then takes twenty.
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


def seconds(target: str) -> float:
    """What *target* has of the time; 0: it runs its fixed number of cases."""
    return MINUTES * 60 * SHARES[target] / sum(SHARES.values())


def kept(target: str, case: object) -> Path:
    """The file in which *case* is kept: Hypothesis shows but the beginning of a long one.

    Shrinking ends with the smallest case that it found, so what is written last is what it reports.
    """
    path = Path(tempfile.gettempdir()) / f"onehook-fuzz-{target}-{SEED}.txt"
    text = case if isinstance(case, str) else pformat(case)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def fuzz(
    target: str,
    cases: st.SearchStrategy[Case],
    check: Callable[[Case], None],
    *,
    fixed: int,
    parts: int = 1,
) -> int:
    """Run *check* on *cases*, and say how many it were.

    Each has to end within `PATIENCE`. *fixed*: how many without ``FUZZ_MINUTES``. *parts*: among
    how many calls the target's time is shared out.
    """
    ran, end = 0, time.monotonic() + seconds(target) / parts

    def one(case: Case) -> None:
        nonlocal ran
        if MINUTES and time.monotonic() > end:
            return  # what is left of the round
        ran += 1
        begun = time.thread_time()
        try:
            check(case)
            taken = time.thread_time() - begun
            assert taken < PATIENCE, f"{taken:.1f} s for one case"
        except Exception as error:
            if MINUTES:
                error.add_note(f"the case is in {kept(target, case)}")
            raise

    common = {
        "database": None,
        "deadline": None,
        "phases": PHASES,
        "suppress_health_check": list(HealthCheck),
    }
    if not MINUTES:
        settings(max_examples=fixed, derandomize=True, **common)(given(cases)(one))()  # type: ignore[arg-type]
        return ran
    number = SEED
    while time.monotonic() < end:
        again = given(cases)(one)
        seed(number)(settings(max_examples=ROUND, **common)(again))()  # type: ignore[arg-type]
        number += 1
    print(f"\n{target}: {ran} cases, FUZZ_SEED={SEED}")
    return ran
