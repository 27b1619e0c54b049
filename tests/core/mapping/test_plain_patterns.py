"""Plain patterns: Python's engine finds in short ASCII texts what RE2 finds, and RE2 in others."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from onehook.core.mapping.patterns import Pattern, PatternError
from onehook.core.mapping.plain_patterns import translated

_ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"[^@\s]", r"\s", r"\S", r"\d", r"\.", "-", "@"]
_GROUPS = ["(a|b)", "(?:ab|a)?", "(b?)", "(a)?", "(ab*)", "()", "(|a)", "(.+?)", "(?:a|)"]
_TIMES = ["", "", "*", "+", "?", "*?", "+?", "??", "{2}"]
_parts = st.one_of(
    st.builds("{}{}".format, st.sampled_from(_ATOMS), st.sampled_from(_TIMES)),
    st.sampled_from(_GROUPS),
)
_patterns = st.builds(
    lambda start, parts, end: f"{start}{''.join(parts)}{end}",
    st.sampled_from(["", "^"]),
    st.lists(_parts, min_size=1, max_size=5),
    st.sampled_from(["", "$"]),
)


@given(_patterns, st.text("ab@-. \n\r\t\x0b\x0c1é", max_size=10))
@example("^.*[a-z ].*$", "A\n")
@example(r"^\s$", "\x0b")
@example("^a$", "a\n")
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
        "(?i)^insert",
        r"^\w+$",
        "^a|b$",
        "[[:alpha:]]",
        "a" * 201,
    ],
)
def test_pattern_that_may_take_long_or_mean_two_things_is_left_to_re2(pattern: str) -> None:
    """What could make Python's engine slow, or what it reads in its own way, it never gets."""
    assert translated(pattern) is None
