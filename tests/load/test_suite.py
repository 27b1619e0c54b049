"""What a run of the benchmarks makes of its numbers."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.acceptance import WANTED, judge
from benchmarks.figures import FIGURES
from benchmarks.measures import Ledger
from benchmarks.plot import draw
from benchmarks.profiles import count_steps
from benchmarks.report import table, verdicts, write_page
from benchmarks.suite import Plan, chosen

ROUND = "ingest", "22 kB"


def test_a_figure_brings_those_that_it_is_set_against() -> None:
    """``ONLY=backlog`` measures the floor and the end-to-end rate of the same run first."""
    assert [one.name for one in chosen(FIGURES, ["backlog"])] == ["floor", "end_to_end", "backlog"]
    assert [one.name for one in chosen(FIGURES, [])] == list(FIGURES)


@pytest.mark.parametrize(
    ("ratio", "wanted"), [(0.44, "NOT MET"), (0.45, "met"), (0.59, "met"), (0.6, "aim reached")]
)
def test_what_must_be_more_is_judged_by_its_median(ratio: float, wanted: str) -> None:
    """One bad round is no failure, and one good one no success."""
    ledger = Ledger()
    for sample in (0.0, ratio, 1.0):
        ledger.note(*ROUND, of_floor=sample)
    found = {one.wanted.title: one.text for one in judge(ledger)}
    assert found.pop("ingest, 22 kB, over the floor") == wanted
    assert set(found.values()) == {"not measured"}


@pytest.mark.parametrize(("kb", "wanted"), [(4.6, "NOT MET"), (4.5, "met"), (3.0, "aim reached")])
def test_what_must_be_less_is_judged_so(kb: float, wanted: str) -> None:
    """Bytes, times and round trips."""
    ledger = Ledger()
    ledger.note("store", "in all", kb=kb)
    assert [one.text for one in judge(ledger) if one.found is not None] == [wanted]


def test_the_table_shows_median_and_spread() -> None:
    """One line a number, and one sample alone has no spread."""
    ledger = Ledger()
    for rate in (100.0, 5_200.0, 300.0):
        ledger.note(*ROUND, rate=rate)
    ledger.note(*ROUND, of_floor=0.5)
    lines = table(ledger).splitlines()
    assert lines[1].split("  ")[-1].strip() == "300 (100..5,200) /s"
    assert lines[2].split("  ")[-1].strip() == "0.50 x"


def test_the_plot_is_svg_with_a_bar_for_each_figure_that_was_measured() -> None:
    """A figure far off the scale stays on the paper."""
    ledger = Ledger()
    for at, wanted in enumerate(WANTED[:-1]):
        ledger.note(wanted.figure, wanted.case, **{wanted.quantity: 10.0 ** (at % 9 - 4)})
    root = ElementTree.fromstring(draw(judge(ledger)))  # noqa: S314 our own
    bars = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert len(bars) == len(WANTED) - 1
    right = float(root.get("width", "0"))
    assert all(0 <= float(b.get("width", "-1")) <= right - float(b.get("x", "0")) for b in bars)
    assert verdicts(ledger).count("not measured") == 1


def test_the_page_keeps_what_people_wrote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what stands between its two marks is written anew, as often as one likes."""
    page = tmp_path / "performance.md"
    before, after = "# Performance\n\nFast.\n\n", "\n\n## Bounds\n"
    begin, end = "<!-- written by make bench: begin -->", "<!-- written by make bench: end -->"
    page.write_text(f"{before}{begin}\n\nold\n\n{end}{after}")
    monkeypatch.setattr("benchmarks.report.PAGE", page)
    ledger = Ledger()
    ledger.note(*ROUND, of_floor=0.5)
    for _ in range(2):
        write_page(Plan(rounds=1, requests=10, stored=10), ledger)
    text = page.read_text()
    assert text.startswith(before + begin)
    assert text.endswith(end + after)
    assert "old" not in text
    assert text.count("| ingest | 22 kB | over the floor | 0.50 x |") == 1


def test_a_sample_counts_for_the_innermost_step_that_is_known() -> None:
    """A waiting thread counts for nothing, and what is named nowhere for the rest."""
    ingest = "serve (onehook/cli/serve.py:40);Steps._round (onehook/ingest/steps.py:140)"
    counts = count_steps(
        [
            f"{ingest};Steps._verify (onehook/ingest/steps.py:160);verify (core/signatures.py:9) 3",
            f"{ingest};Steps._apply (onehook/ingest/steps.py:170);build (<plan of Actor>:1) 4",
            "serve (onehook/cli/serve.py:40) 2",
            "_bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:81) 900",
        ]
    )
    assert dict(counts) == {"verify": 3, "normalize": 4, "event loop, and what runs beside": 2}
