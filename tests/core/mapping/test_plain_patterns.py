"""Plain patterns: Python's engine finds in short ASCII texts what RE2 finds, and RE2 in others."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from onehook.core.mapping.patterns import Pattern, PatternError
from onehook.core.mapping.plain_patterns import translated

_ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"[^@\s]", r"\s", r"\S", r"\d", r"\.", "-", "@"]
_GROUPS = ["(a|b)", "(?:ab|a)?", "(b?)", "(a)?", "(ab*)", "()", "(|a)", "(.+?)", "(?:a|)"]
_GROUPS += ["(^a|b)", "(a$|b)", "(?:^|-)", "(?:b|$)", "(a|(b|@)-)", "[a-]", "[a<>#]", "(ab|a|b){2}"]
_TIMES = ["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{2,10}"]
_parts = st.one_of(
    st.builds("{}{}".format, st.sampled_from(_ATOMS), st.sampled_from(_TIMES)),
    st.sampled_from(_GROUPS),
)
_sequences = st.builds(
    lambda start, parts, end: f"{start}{''.join(parts)}{end}",
    st.sampled_from(["", "^"]),
    st.lists(_parts, min_size=1, max_size=5),
    st.sampled_from(["", "$"]),
)
_patterns = st.builds(
    lambda flags, some: f"{flags}{'|'.join(some)}",
    st.sampled_from(["", "", "(?i)", "(?s)", "(?is)"]),
    st.lists(_sequences, min_size=1, max_size=3),
)


@given(_patterns, st.text("abAB@-. \n\r\t\x0b\x0c1é", max_size=10))
@example("^.*[a-z ].*$", "A\n")
@example(r"^\s$", "\x0b")
@example("^a$", "a\n")
@example("(?i)^[^a]$", "A")
def test_plain_pattern_finds_what_re2_finds(pattern: str, text: str) -> None:
    """A text of ASCII is searched by Python's engine, the same within a longer one by RE2."""
    assume(translated(pattern) is not None)
    try:
        compiled = Pattern(pattern)
    except PatternError:
        return
    by_python = compiled.holds(text), compiled.part(text)
    compiled._plain = None
    assert by_python == (compiled.holds(text), compiled.part(text))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",  # the usual way to hang a search that tries everything
        "(a|a)*$",
        "^(?:a*)*$",
        "^a*a*a*$",  # three at once: the cube of the length
        "a*a*$",  # and two that may begin anywhere
        "^a?a?a?a?a?a?a?aaaaaaa$",
        "^a*|a*a*$",  # so do they here, in one of the two
        "(?:a|b|ab|c)(?:a|b|ab|c)(?:a|b|ab|c)(?:a|b|ab|c)",
        "(a$)*",
        "^*a",
        "(?m)^a",
        "(?i",
        "a)",
        "(a",
        r"^\w+$",
        "[[:alpha:]]",
        "a" * 201,
    ],
)
def test_pattern_that_may_take_long_or_mean_two_things_is_left_to_re2(pattern: str) -> None:
    """What could make Python's engine slow, or what it reads in its own way, it never gets."""
    assert translated(pattern) is None
