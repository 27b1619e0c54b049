"""Patterns: what is found past RE2's wrapper is what is found through it."""

from collections.abc import Iterator

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.mapping.patterns import Pattern, PatternError
from onehook.core.mapping.source import Map, Node, Scalar, Seq
from onehook.mappings import read_file, shipped_folder

ATOMS = (
    r"a - / . \. \d \w \s \S \t [a-z] [^/] [^@\s] [A-Z] [0-9a-f] [.a-c-] [\w.] [^\r\n] \/ [+*?] ="
)
REPEATS = ["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}?"]
ENDS = ["", "$", "|b$"]
BEGINS = ["", "^", "(?i)", "(?i)^", "(?s)^", "(?is)"]
TEXTS = "abzABZ019-/._=@ \t\n\v\f\r+*?"


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """A pattern of many kinds."""
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
def test_what_is_found_is_what_re2_finds(text: str, searched: str) -> None:
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
    """Each of them."""
    assert Pattern(text).part(searched) == by_re2(text, searched)


def test_a_group_that_takes_no_part_is_nothing() -> None:
    """As where the pattern is not found, though it is."""
    pattern = Pattern("(a)|b")
    assert pattern.part("xb") is None
    assert pattern.holds("xb")


@pytest.mark.parametrize("searched", ["\u017f", "\u212a", "x" * 200 + "k", "a\udcffk"])
def test_any_text_can_be_searched(searched: str) -> None:
    """Bytes that are no UTF-8 are U+FFFD."""
    text = "(?i)[ks]"
    shown = searched.replace("\udcff", "\ufffd")
    assert Pattern(text).part(searched) == by_re2(text, shown) is not None


def test_half_a_character_is_refused() -> None:
    """RE2 takes UTF-8; JSON can write what is none."""
    with pytest.raises(PatternError, match="surrogate"):
        Pattern("a\ud800")


def test_what_re2_refuses_is_refused() -> None:
    """With its words: look-around is not linear."""
    with pytest.raises(PatternError, match="invalid perl operator"):
        Pattern("(?=a)")
