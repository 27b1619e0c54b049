"""The checker finds what it is there to find."""

import json
from pathlib import Path

from benchmarks.load import Answer
from benchmarks.subscriber import Attempt
from tests.chaos.ledger import RECORDING, Happened, Ledger, Verdict, compare
from tests.chaos.load import ISSUES, make_revision
from tests.chaos.running import Report

KILL = Happened("gateway killed", repeats=True, begin=100, end=101, recovered=102)


def answer(status: int, *ids: str) -> Answer:
    """What a gateway answers about events of these ids."""
    body = json.dumps({"events": [{"id": id_} for id_ in ids]}).encode()
    return Answer(make_revision(1, 1), status, body, 0.1, 0)


def ledger(folder: Path, *ids: str, thing: int | None = None) -> Ledger:
    """One in which an event of each id was promised."""
    made = Ledger(folder / "promised.txt")
    for id_ in ids:
        made.take(ISSUES, answer(202, id_), thing)
    made.close()
    return made


def verdict(made: Ledger, *arrivals: tuple[str, float]) -> Verdict:
    """What it says when these came, and were answered half a second later."""
    came = [Attempt(id_, at, at + 0.5) for id_, at in arrivals]
    return compare(made, {"one": (ISSUES, came)}, "one", ("one",), [KILL])


def test_what_never_came_is_lost(tmp_path: Path) -> None:
    """A promise without an arrival is told, whatever else arrived."""
    found = verdict(ledger(tmp_path, "a", "b"), ("a", 1))
    assert found.lost == {"one": {"b"}}
    assert found.strangers == {"one": set()}


def test_what_nobody_promised_is_a_stranger(tmp_path: Path) -> None:
    """An arrival without a promise is told."""
    assert verdict(ledger(tmp_path, "a"), ("a", 1), ("x", 2)).strangers == {"one": {"x"}}


def test_a_repeat_needs_an_attempt_in_flight(tmp_path: Path) -> None:
    """Only what was out at the time of a fault may come again; how many did is counted."""
    made = ledger(tmp_path, "a", "b", "c")
    early, late = KILL.begin - 0.5 - RECORDING - 0.1, KILL.recovered + 0.1
    found = verdict(made, ("a", early), ("a", 101), ("b", 101), ("b", 150), ("c", late), ("c", 200))
    assert found.repeats == {"one": 3}
    assert found.in_flight == {"gateway killed": 1}
    assert found.unexplained == [("one", "a", early), ("one", "c", late)]


def test_what_was_out_before_a_fault_and_not_answered_is_in_flight() -> None:
    """An attempt that hangs is in flight for as long as it does."""
    assert KILL.explains(Attempt("a", 50, None))
    assert KILL.explains(Attempt("a", 50, KILL.begin))
    assert not KILL.explains(Attempt("a", 50, 60))
    assert not KILL.explains(Attempt("a", KILL.recovered + 0.1, None))


def test_a_fault_that_repeats_nothing_excuses_nothing() -> None:
    """A subscriber's illness is no reason that another one gets something twice."""
    illness = Happened("subscriber hangs", repeats=False, begin=100, end=101, recovered=102)
    assert KILL.explains(Attempt("a", 101, 101))
    assert not illness.explains(Attempt("a", 101, 101))


def test_a_run_that_was_cut_short_is_wrong(tmp_path: Path) -> None:
    """However good what it did: not all that was asked for was done."""
    whole, cut = (
        Report(1, short, 1.0, [KILL], ledger(tmp_path, "a"), Verdict()) for short in (False, True)
    )
    assert whole.faulty() == []
    assert len(cut.faulty()) == 1
    assert "CHAOS_MINUTES" in cut.faulty()[0]


def test_what_overtakes_is_out_of_order(tmp_path: Path) -> None:
    """A repeat may follow itself, but nothing that comes after it."""
    made = ledger(tmp_path, "a", "b", "c", thing=7)
    assert verdict(made, ("a", 1), ("a", 2), ("b", 3), ("c", 4)).disordered == []
    assert verdict(made, ("a", 1), ("b", 2), ("a", 3), ("c", 4)).disordered == [7]


def test_any_other_answer_is_wrong(tmp_path: Path) -> None:
    """A 500 promises nothing and is kept; every promise is in the file."""
    made = Ledger(tmp_path / "promised.txt")
    made.take(ISSUES, answer(202, "a"))
    made.take(ISSUES, answer(500))
    made.close()
    assert [wrong[:3] for wrong in made.wrong] == [b"500"]
    assert made.promised == {ISSUES: {"a"}}
    assert (tmp_path / "promised.txt").read_text() == "issues 202 a\n"
