"""``make bench``: every figure of the product, against the floor of the same run, on one machine.

``FULL=1`` takes more time for each and fills stores to a million events, ``ONLY=match,mapping``
measures these and what they are set against, ``PAGE=1`` writes the result into docs/performance.md.
It prints one table and what of the acceptance is met, and writes JSON and a plot to
benchmarks/results. The exit code is 0 whatever the figures are, unless a measurement itself fails.
"""

import argparse
import os
import sys
import time

from benchmarks.acceptance import judge
from benchmarks.figures import FIGURES
from benchmarks.plot import draw
from benchmarks.report import as_json, table, verdicts, write_page
from benchmarks.suite import RESULTS, Plan, chosen, measure

SHORT = Plan(rounds=3, requests=4_000, stored=100_000)
FULL = Plan(rounds=5, requests=15_000, stored=1_000_000)


def _options() -> argparse.Namespace:
    """What was asked for: by options, or by the environment as make sets it."""
    environment = os.environ.get
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    full = environment("FULL") == "1"
    parser.add_argument("--full", action="store_true", default=full, help="a million events")
    parser.add_argument("--only", default=environment("ONLY", ""), help="figures, by commas")
    parser.add_argument("--rounds", type=int, default=environment("ROUNDS"))
    parser.add_argument("--requests", type=int, default=environment("REQUESTS"))
    stored = environment("STORED")
    parser.add_argument("--stored", type=int, default=stored, help="events in a full store")
    page = environment("PAGE") == "1"
    parser.add_argument("--page", action="store_true", default=page, help="write the page")
    options = parser.parse_args()
    options.only = [name for name in options.only.replace(" ", "").split(",") if name]
    unknown = sorted(set(options.only) - FIGURES.keys())
    if unknown:
        parser.error(f"there is no figure {', '.join(unknown)}: there are {', '.join(FIGURES)}")
    return options


def main() -> int:
    """Measure, print, write down."""
    options = _options()
    usual = FULL if options.full else SHORT
    plan = Plan(
        options.rounds or usual.rounds,
        options.requests or usual.requests,
        options.stored or usual.stored,
    )
    begun = time.monotonic()
    ledger = measure(chosen(FIGURES, options.only), plan)
    print(table(ledger), verdicts(ledger), sep="\n\n")
    path = RESULTS / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path.with_suffix(".json").write_text(as_json(plan, ledger))
    path.with_suffix(".svg").write_text(draw(judge(ledger)))
    if options.page:
        write_page(plan, ledger)
    took = (time.monotonic() - begun) / 60
    print(f"written to {path}.json and .svg after {took:.0f} minutes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
