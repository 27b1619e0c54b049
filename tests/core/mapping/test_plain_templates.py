"""Plain templates: their expression gives what the function of the same template gives."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import Carrier, generated
from onehook.core.mapping.context import Context
from onehook.core.mapping.templates import compile_value
from onehook.core.model import Headers

_MEMBERS = ["item.a", "item.b", "body.a", "item['a']", "item.a.b", "item.a[0]", "body.b[1].a"]
_plain = st.sampled_from(_MEMBERS)
_expressions = st.recursive(
    _plain,
    lambda inner: st.one_of(
        st.builds("{} | default".format, inner),
        st.builds("{} | default({})".format, inner, inner),
        st.builds("{} | default('x')".format, inner),
    ),
    max_leaves=3,
)
_pieces = st.one_of(
    st.sampled_from(["", "-", "}", "é", "'", "\\"]), st.builds("{{{{ {} }}}}".format, _expressions)
)
_leaves = st.one_of(
    st.sampled_from([None, True, 0, -7, 2**53, 10**30, "", "t", "\ud800", "x" * 262_143]),
    st.floats(),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner)
    ),
    max_leaves=4,
)


def rendered(text: str, item: JsonValue, body: JsonValue) -> tuple[JsonValue, JsonValue]:
    """What the expression of the template *text* gives, and what its function gives."""
    get = compile_value(text)
    assert isinstance(get, Carrier)
    context = Context(body, Headers(), {}, "p", "h", "keep")
    return generated(get, "template")(item, context), get.function(item, context)


@given(st.lists(_pieces, min_size=1, max_size=4), _values, _values)
@example(["{{ item.a }}", "-", "{{ item.b }}"], {"a": 7, "b": "x" * 262_143}, {})
def test_expression_gives_what_the_function_gives(
    pieces: list[str], item: JsonValue, body: JsonValue
) -> None:
    """Whatever the members are: texts, numbers, lists, too long, not there."""
    text = "".join([*pieces, "{{ item.a }}"])
    found, expected = rendered(text, item, body)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "{{ item }}",
        "{{ item.a | upper }}",
        "{{ headers['a'] }}",
        "{{ 1 }}",
        "{{ item.a }}" * 6,
        "{{ item.a ~ 'x' }}",
        "{{ item.a | default('x', true) }}",
    ],
)
def test_what_is_not_plain_has_no_expression(text: str) -> None:
    """It is a call of its function, as ever."""
    assert not isinstance(compile_value(text), Carrier)
