"""``make chaos``: half of the webhooks on the embedded store, half on one behind a bad line.

At the end comes a run of its own in which the store loses everything: how much that is, it says.

CHAOS_WEBHOOKS (200,000), CHAOS_FAULTS (110), CHAOS_MINUTES (12, after which it begins nothing
further, and fails; what then arrives takes a minute or two more) and CHAOS_SEED (a new one,
printed) may be set.
"""

import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.chaos.emptied import run_emptied
from tests.chaos.running import Report, run

EMPTIED = 400  # webhooks at least of the run that loses what the store held


def main() -> int:
    """Run, print the tables; 1 if anything is not as it should be."""
    webhooks = int(os.environ.get("CHAOS_WEBHOOKS", "200000"))
    faults = int(os.environ.get("CHAOS_FAULTS", "110"))
    limit = float(os.environ.get("CHAOS_MINUTES", "12")) * 60
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="onehook-chaos-"))
    print(f"CHAOS_SEED={seed} CHAOS_WEBHOOKS={webhooks} CHAOS_FAULTS={faults}, in {folder}")
    since, reports = time.monotonic(), list[Report]()
    for embedded in (True, False):
        place = folder / ("embedded" if embedded else "own")
        place.mkdir()
        half = {"webhooks": webhooks // 2, "faults": faults // 2}
        report = uvloop.run(run(place, seed, embedded=embedded, limit=limit / 2, **half))
        reports.append(report)
        title = "the embedded store" if embedded else "a store of our own, behind a proxy"
        print(f"\n-- on {title}\n{report.table()}", flush=True)
    place = folder / "emptied"
    place.mkdir()
    emptied = uvloop.run(run_emptied(place, seed, max(webhooks // 100, EMPTIED)))
    print(f"\n-- a store that comes back empty: {emptied}")
    faulty = [sentence for report in reports for sentence in report.faulty()] + emptied.faulty()
    happened = [fault for report in reports for fault in report.faults]
    sent = sum(report.webhooks for report in reports)
    kinds = len({one.name for one in happened})
    took = time.monotonic() - since
    print(f"\n{sent} webhooks, {len(happened)} faults of {kinds} kinds, {took:.0f} s")
    for sentence in faulty:
        print(f"WRONG: {sentence}")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
