"""A run as it is told: one table, the verdicts, JSON, and the part of docs/performance.md."""

import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import sizing
from benchmarks.acceptance import Verdict, judge
from benchmarks.measures import QUANTITIES, Ledger
from benchmarks.suite import Plan

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- written by make bench: begin -->", "<!-- written by make bench: end -->"


def table(ledger: Ledger) -> str:
    """One line a number: median, and the spread where there is one."""
    return _aligned(_rows(ledger))


def verdicts(ledger: Ledger) -> str:
    """One line an acceptance figure."""
    return _aligned(_verdict_rows(judge(ledger)))


def as_json(plan: Plan, ledger: Ledger) -> str:
    """Everything, every sample of it."""
    told = {
        "plan": asdict(plan),
        "machine": {"about": machine(), "python": sys.version, "system": platform.platform()},
        "samples": [
            {
                "figure": row.figure,
                "case": row.case,
                "quantity": row.quantity,
                "unit": QUANTITIES[row.quantity].unit,
                "median": row.median,
                "samples": list(row.samples),
            }
            for row in ledger
        ],
        "acceptance": [
            {"title": one.wanted.title, "found": one.found, "verdict": one.text}
            for one in judge(ledger)
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def write_page(plan: Plan, ledger: Ledger) -> None:
    """Put this run's tables into the page, between its two marks.

    Raises:
        ValueError: the page has no such marks.
    """
    text = PAGE.read_text()
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
    if not pattern.search(text):
        msg = f"{PAGE} lacks the lines {_BEGIN} and {_END}"
        raise ValueError(msg)
    made = "\n\n".join((_BEGIN, _about(plan), *_tables(ledger), _END))
    PAGE.write_text(pattern.sub(lambda _: made, text))


def machine() -> str:
    """Processor, how many there are, memory and versions, in a line."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    about = names[0] if names else platform.machine()
    return (
        f"{os.cpu_count()} processors ({about}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def _about(plan: Plan) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"Run of {day}: {plan.rounds} rounds of {plan.requests:,} webhooks a load over "
        f"{plan.connections} connections; {plan.stored:,} events in the full store. {machine()}."
    )


def _tables(ledger: Ledger) -> Iterable[str]:
    yield _markdown(_verdict_rows(judge(ledger)))
    yield _markdown(_rows(ledger))
    if sizes := sizing.rows(ledger):
        yield _markdown(sizes)


def _rows(ledger: Ledger) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("figure", "case", "what", "median (spread)")]
    before = ("", "")
    for row in ledger:
        here = (row.figure, row.case)
        figure = row.figure if row.figure != before[0] else ""
        case = row.case if here != before else ""
        rows.append((figure, case, QUANTITIES[row.quantity].title, row.shown))
        before = here
    return rows


def _verdict_rows(found: Iterable[Verdict]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("acceptance", "must", "aim", "found", "")]
    for one in found:
        sign = "≤ " if one.wanted.most else "≥ "
        limits = (sign + one.shown(one.wanted.must), sign + one.shown(one.wanted.aim))
        rows.append((one.wanted.title, *limits, one.shown(one.found), one.text))
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join((head, "|" + "---|" * len(rows[0]), *body))
