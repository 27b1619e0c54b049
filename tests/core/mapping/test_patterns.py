"""Patterns: what `re` finds in place of RE2 is what RE2 finds, and takes no longer than it may."""

import re
import time
from collections.abc import Iterator

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.mapping.patterns import Pattern, PatternError, rewritten
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.mappings import read_file, shipped_folder

ATOMS = (
    r"a - / . \. \d \w \s \S \t [a-z] [^/] [^@\s] [A-Z] [0-9a-f] [.a-c-] [\w.] [^\r\n] \/ [+*?] ="
)
REPEATS = ["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}?"]
ENDS = ["", "$", "|b$"]
BEGINS = ["", "^", "(?i)", "(?i)^", "(?s)^", "(?is)"]
TEXTS = "abzABZ019-/._=@ \t\n\v\f\r+*?"
SLOW = ["a" * 127 + "\n", "a " * 64, "/" * 128, "0" * 127 + "!", "a@" * 64, "x/" * 64]


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """A pattern of everything that is rewritten, and of what is not."""
    pieces: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        atom = draw(st.sampled_from(ATOMS.split()))
        if draw(st.booleans()):
            pieces.append(atom + draw(st.sampled_from(REPEATS)))
        else:
            other = (
                draw(st.sampled_from(["", "?:"]))
                + atom
                + "|"
                + draw(st.sampled_from(ATOMS.split()))
            )
            pieces.append(f"({other})" + draw(st.sampled_from(["", "?", "??", "+"])))
    return draw(st.sampled_from(BEGINS)) + "".join(pieces) + draw(st.sampled_from(ENDS))


def by_re2(pattern: str, text: str) -> str | None:
    """What RE2 finds: the first group, or all where there is none."""
    found = re2.compile(pattern).search(text)
    return None if found is None else found[1 if re2.compile(pattern).groups else 0]


def of_shipped(node: Node) -> Iterator[str]:
    """The patterns in *node*."""
    if isinstance(node, Map):
        for name, below in node.items.items():
            if name in ("pattern", "matches") and isinstance(below, Scalar):
                yield str(below.value)
            yield from of_shipped(below)
    elif isinstance(node, Seq):
        for below in node.items:
            yield from of_shipped(below)


SHIPPED = sorted(
    {
        text
        for path in shipped_folder().glob("*.yaml")
        for text in of_shipped(read_file(path).mapping.document)
    }
)


@given(patterns(), st.text(TEXTS, max_size=20))
def test_re_finds_what_re2_finds(text: str, searched: str) -> None:
    """Of any pattern and text, both whether and what."""
    try:
        pattern = Pattern(text)
    except PatternError:
        return
    assert pattern.part(searched) == by_re2(text, searched)
    assert pattern.holds(searched) is (re2.search(text, searched) is not None)


@pytest.mark.parametrize("text", SHIPPED)
@given(searched=st.text(TEXTS + "refshadstginu:#<>", max_size=40))
def test_the_shipped_patterns_find_the_same(text: str, searched: str) -> None:
    """Each of them, whichever engine it gets."""
    assert Pattern(text).part(searched) == by_re2(text, searched)


def test_most_of_the_shipped_patterns_are_rewritten() -> None:
    """Else the rewriting would not be worth its lines."""
    assert sum(rewritten(text) is not None for text in SHIPPED) > len(SHIPPED) * 3 // 4


@pytest.mark.parametrize(
    "text",
    ["(a+)+$", "(a|a)*b", "^a+a+a+$", r"\bword", r"\pL", "é", "(?P<n>a)", "[[:alpha:]]", "(?m)^a"],
)
def test_what_could_be_slow_or_differ_stays_with_re2(text: str) -> None:
    """Repeated groups, three repeats one after the other, and what `re` reads in another way."""
    assert rewritten(text) is None


@pytest.mark.parametrize("searched", ["\u017f", "\u212a", "x" * 200 + "k", "a\udcffk"])
def test_long_texts_and_those_beyond_ascii_go_to_re2(searched: str) -> None:
    """Which folds K to k, as `re` would not there; bytes that are no UTF-8 are U+FFFD."""
    text = "(?i)[ks]"
    shown = searched.replace("\udcff", "\ufffd")
    assert rewritten(text) is not None
    assert Pattern(text).part(searched) == by_re2(text, shown) is not None


@pytest.mark.parametrize("text", [t for t in SHIPPED if rewritten(t) is not None])
def test_no_text_makes_a_rewritten_pattern_slow(text: str) -> None:
    """Threat M4: the longest texts that `re` gets take it no 50 ms."""
    pattern = rewritten(text)
    assert isinstance(pattern, re.Pattern)
    for searched in SLOW:
        begun = time.thread_time()
        pattern.search(searched)
        assert time.thread_time() - begun < 0.05


def test_what_re2_refuses_is_refused() -> None:
    """With its words: look-around is not linear."""
    with pytest.raises(PatternError, match="invalid perl operator"):
        Pattern("(?=a)")
