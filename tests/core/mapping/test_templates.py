"""Templates: every filter, what is refused (threats.md M4), and that none raises at run time."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue, decode
from onehook.core.mapping.template_filters import FILTERS, MAX_OUTPUT
from onehook.core.mapping.templates import (
    MAX_FILTERS,
    MAX_LENGTH,
    TemplateError,
    compile_template,
)

VARIABLES = frozenset({"body", "item", "headers", "settings"})


def rendered(text: str, body: JsonValue = None, **variables: object) -> str | None:
    """What *text* comes to."""
    known = {"item": body, "headers": {}, "settings": {}, **variables}
    return compile_template(text, VARIABLES).render({"body": body, **known})


BODY: JsonValue = {
    "t": "Text",
    "n": 5,
    "f": 1.5,
    "yes": True,
    "no": False,
    "null": None,
    "list": ["a", "b", 3],
    "empty": [],
    "map": {"k": "v", "items": "field", "_links": "l"},
    "url": "https://user@GitHub.com:8443/acme/payments?x=1",
    "blank": "",
    "path": "a/b/c.txt",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{ body.t }}", "Text"),
        ("{{ body['t'] }}", "Text"),
        ("{{ body.map.k }}!", "v!"),
        ("{{ body.map['k'] }}", "v"),
        ("{{ body.map.items }}", "field"),
        ("{{ body.map['_links'] }}", "l"),
        ("{{ body.list[0] }}{{ body.list[2] }}", "a3"),
        ("{{ body.n }}", "5"),
        ("{{ body.f }}", "1.5"),
        ("{{ body.yes }} {{ body.no }}", "true false"),
        ("{{ 'a' ~ body.n ~ 'b' }}", "a5b"),
        ("{{ 'x' if body.yes else 'y' }}", "x"),
        ("{{ 'x' if body.no else 'y' }}", "y"),
        ("{{ 'x' if body.n == 5 and body.t != 'a' else 'y' }}", "x"),
        ("{{ 'x' if not body.no or body.n > 9 else 'y' }}", "x"),
        ("{{ 'x' if body.n in [4, 5] else 'y' }}", "x"),
        ("{{ 'x' if 'k' in body.map else 'y' }}", "x"),
        ("{{ body.null | default('d') }}", "d"),
        ("{{ body.gone.deep.er | default('d') }}", "d"),
        ("{{ body.blank | default('d') }}", ""),
        ("{{ body.blank | default('d', true) }}", "d"),
        ("{{ body.gone | default(body.t) }}", "Text"),
        ("keeps its line break\n", "keeps its line break\n"),
        ("<b>{{ body.t }}</b>", "<b>Text</b>"),
    ],
)
def test_an_expression(text: str, expected: str) -> None:
    """Names, indexes, literals, comparisons, and/or/not, x if y else z, ~."""
    assert rendered(text, BODY) == expected


@pytest.mark.parametrize(
    ("filtered", "expected"),
    [
        ("body.t | lower", "text"),
        ("body.t | upper", "TEXT"),
        ("'  x ' | trim", "x"),
        ("body.t | replace('e', 'a')", "Taxt"),
        ("body.n | replace('5', '6')", "6"),
        ("'a b/c?é' | urlencode", "a%20b%2Fc%3F%C3%A9"),
        ("body.url | url_host", "github.com"),
        ("body.url | url_origin", "https://GitHub.com:8443"),
        ("'refs/heads/x' | strip_prefix('refs/heads/')", "x"),
        ("'tags/x' | strip_prefix('refs/heads/')", "tags/x"),
        ("body.path | basename", "c.txt"),
        ("'https://a.b/c/' | basename", "c"),
        ("body.list | first", "a"),
        ("body.list | last", "3"),
        ("'abc' | first", "a"),
        ("body.list | join('-')", "a-b-3"),
        ("body.list | join", "ab3"),
        ("body.empty | join(',')", ""),
        ("'abcdef' | truncate(6)", "abcdef"),
        ("'abcdef' | truncate(5)", "abcd…"),
        ("body.gone | default('none')", "none"),
        ("body.list | tojson", '["a", "b", 3]'),
        ("body.null | tojson", "null"),
        ("body.map | tojson", '{"k": "v", "items": "field", "_links": "l"}'),
    ],
)
def test_every_filter(filtered: str, expected: str) -> None:
    """What each gives."""
    assert rendered(f"{{{{ {filtered} }}}}", BODY) == expected


def test_the_table_above_walks_every_filter() -> None:
    """A filter that is added needs a row."""
    rows = test_every_filter.pytestmark[0].args[1]
    assert {name for name in FILTERS if any(f"| {name}" in row[0] for row in rows)} == set(FILTERS)


@pytest.mark.parametrize(
    "text",
    [
        "{{ body.gone }}",
        "{{ body.null }}",
        "{{ body.gone.deeper }}",
        "{{ body.list[9] }}",
        "{{ body.n.a }}",
        "{{ body.t[0].x }}",
        "a{{ body.gone }}b",
        "{{ body.gone ~ 'x' }}",
        "{{ body.gone | lower }}",
        "{{ body.gone == 'x' }}",
        "{{ 'x' if body.gone else 'y' }}",
        "{{ body.list }}",
        "{{ body.map }}",
        "{{ none }}",
        "{{ [1] }}",
        "{{ body.empty | first }}",
        "{{ body.n | first }}",
        "{{ body.t | url_host }}",
        "{{ 'javascript://a.b/' | url_origin }}",
        "{{ 'https://[' | url_host }}",
        "{{ body.t | replace(body.gone, 'x') }}",
        "{{ body.n < body.t }}",
        "{{ 'x' in body.n }}",
        "{{ body.t | replace(*body.list) }}",
    ],
)
def test_anything_undefined_null_or_without_text_makes_the_template_null(text: str) -> None:
    """But under ``default``."""
    assert rendered(text, BODY) is None


# threats.md M4: what each tries, and what the refusal names.
ATTACKS: dict[str, str] = {
    "{% for x in body %}{{ x }}{% endfor %}": "{%",
    "{% set x = 1 %}": "{%",
    "{% if body.a %}x{% endif %}": "{%",
    "{% macro m() %}{% endmacro %}": "{%",
    "{% import 'os' as os %}": "{%",
    "{% include '/etc/passwd' %}": "{%",
    "{% extends 'x' %}": "{%",
    "{%- raw %}{{ x }}{% endraw %}": "{%",
    "{# a comment #}": "{#",
    "{{ body.__class__ }}": "'__class__'",
    "{{ ''.__class__ }}": "'__class__'",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": "not allowed",
    "{{ body._private }}": "'_private'",
    "{{ body | attr('__class__') }}": "'attr'",
    "{{ ''|attr('__class__') }}": "'attr'",
    "{{ body.get('a') }}": "a call",
    "{{ headers.items() }}": "a call",
    "{{ range(999999999) }}": "not allowed",
    "{{ lipsum() }}": "not allowed",
    "{{ lipsum.__globals__ }}": "not allowed",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}": "not allowed",
    "{{ self }}": "'self'",
    "{{ self.__init__ }}": "not allowed",
    "{{ config }}": "'config'",
    "{{ request.environ }}": "'request'",
    "{{ namespace() }}": "not allowed",
    "{{ dict }}": "'dict'",
    "{{ _ }}": "'_'",
    "{{ 'a' * 999999999 }}": "multiplication",
    "{{ body.n * body.n }}": "multiplication",
    "{{ 9 ** 9 ** 9 }}": "a power",
    "{{ 1 + 1 }}": "add is not allowed",
    "{{ 1 - 1 }}": "sub is not allowed",
    "{{ 1 / 0 }}": "div is not allowed",
    "{{ 1 // 0 }}": "floordiv is not allowed",
    "{{ 1 % 0 }}": "mod is not allowed",
    "{{ -1 }}": "neg is not allowed",
    "{{ '%999999999d' | format(1) }}": "'format'",
    "{{ body | map('upper') }}": "'map'",
    "{{ body | pprint }}": "'pprint'",
    "{{ body | list }}": "'list'",
    "{{ body | xmlattr }}": "'xmlattr'",
    "{{ body | safe }}": "'safe'",
    "{{ body.a is defined }}": "a test",
    "{{ body.a is callable }}": "a test",
    "{{ body.t[0:5] }}": "a slice",
    "{{ {'a': 1} }}": "dict is not allowed",
    "{{ (1, 2) }}": "tuple is not allowed",
    "{{ body.t | replace(old='a', new='b') }}": "keyword is not allowed",
    "{{ x }}": "'x' is no variable",
    "{{ body.t | join(x) }}": "'x' is no variable",
    "{{ body[settings[x]] }}": "'x' is no variable",
    "{{ 'a' if x else 'b' }}": "'x' is no variable",
}


@pytest.mark.parametrize(("text", "says"), ATTACKS.items(), ids=ATTACKS)
def test_m4_an_attack_is_refused_when_the_file_is_loaded(text: str, says: str) -> None:
    """And the message names the construct."""
    with pytest.raises(TemplateError) as caught:
        compile_template(text, VARIABLES)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''['__class__'] }}",
        "{{ body['__class__'] }}",
        "{{ body.list['__class__'] }}",
        "{{ body.list['append'] }}",
        "{{ body.keys }}",
        "{{ headers.get }}",
        "{{ body.t.upper }}",
        "{{ body.t['format'] }}",
        "{{ body.t.format_map }}",
        "{{ settings.items }}",
        "{{ body.n.real }}",
        "{{ body.gone.environment }}",
    ],
)
def test_m4_no_name_reaches_an_attribute_of_a_python_object(text: str) -> None:
    """Names are keys of the payload, and nothing else."""
    assert rendered(text, BODY) is None


@pytest.mark.parametrize(
    "text", ["{{", "{{ }}", "{{ a b }}", "{{ body. }}", "{{ body | }}", "{{ 'a }}"]
)
def test_a_template_that_cannot_be_read_is_refused(text: str) -> None:
    """With Jinja's own words."""
    with pytest.raises(TemplateError):
        compile_template(text, VARIABLES)


def test_a_template_is_at_most_4096_characters_long() -> None:
    """The bound itself is fine."""
    assert rendered("x" * MAX_LENGTH) == "x" * MAX_LENGTH
    with pytest.raises(TemplateError, match="longer than"):
        compile_template("x" * (MAX_LENGTH + 1), VARIABLES)


def test_m4_output_beyond_256_kib_is_null() -> None:
    """The bound itself is fine."""
    assert rendered("{{ body }}", "x" * MAX_OUTPUT) == "x" * MAX_OUTPUT
    assert rendered("{{ body }}x", "x" * MAX_OUTPUT) is None


def test_markup_is_left_as_it_is() -> None:
    """Events are JSON; whoever shows them escapes."""
    assert rendered("{{ body }}", "<script>&'\"") == "<script>&'\""


def test_a_template_inside_the_data_is_not_run() -> None:
    """Data is data."""
    assert rendered("{{ body }}", "{{ settings.secret }}", settings={"secret": "s"}) == (
        "{{ settings.secret }}"
    )


def test_numbers_are_written_as_ecmascript_writes_them() -> None:
    """Rule 13 holds in text too."""
    body = decode(b"[1.50, 1e21, 1E2, 0.0000001, 12345678901234567890, -0.0]")
    text = "".join(f"{{{{ body[{n}] }}}} " for n in range(6))
    assert rendered(text, body) == "1.5 1e+21 100 1e-7 12345678901234567890 0 "


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["https://a.b/c", "https://[", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=10,
)
OPERANDS = st.sampled_from(
    ["body", "item", "body.a", "item.b.c", "body['a']", "item[0]", "body[1]", "headers.a",
     "settings['b']", "'x'", "1", "1.5", "true", "none", "[1, 'a']", "body.a.b.c.a"]
)  # fmt: skip
EXPRESSIONS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(sorted(FILTERS))).map(lambda t: f"({t[0]}) | {t[1]}"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}) | replace('a', {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}) | strip_prefix({t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}) | join({t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}) | default({t[1]}, true)"),
        st.tuples(
            inner, st.sampled_from(["==", "!=", "<", ">=", "in", "and", "or", "~"]), inner
        ).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) if ({t[1]}) else ({t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(EXPRESSIONS, JSON, JSON)
def test_no_template_raises_at_run_time(text: str, body: JsonValue, item: JsonValue) -> None:
    """Over any body an allowed expression is text or null."""
    result = rendered(f"{{{{ {text} }}}}", body, item=item, headers={"a": "h"}, settings={"b": "s"})
    assert result is None or isinstance(result, str)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.text(alphabet="{}%#|.[]()'\" abody1_~*", max_size=40))
def test_any_text_runs_or_is_refused(text: str) -> None:
    """Nothing of Jinja's own errors gets out."""
    for template in (text, f"{{{{ {text} }}}}", f"{{{{ body{text} }}}}"):
        try:
            rendered(template, BODY)
        except TemplateError:
            continue


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + " or ".join(["1"] * 700) + " }}",
        "{{ " + "not " * 900 + "1 }}",
        "{{ body" + ".a" * 900 + " }}",
        "{{ body" + "|lower" * 300 + " }}",
    ],
    ids=["or", "not", "dots", "filters"],
)
def test_m4_a_deep_expression_is_refused_or_runs(text: str) -> None:
    """4,096 characters nest deeper than the interpreter follows."""
    try:
        rendered(text, BODY)
    except TemplateError:
        return


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("{{ 'a'" + "|replace('a','aaaaaaaaaa')" * 7 + " }}", None),
        ("{{ body" + "|replace('a','aaaaaaaaaa')" * 7 + " }}", "a"),
        ("{{ body.l | join(body.s) }}", {"l": ["x"] * 2000, "s": "y" * 10_000}),
        ("{{ " + " ~ ".join(["body"] * 400) + " }}", "x" * 30_000),
        ("{{ body }}" * 400, "x" * 30_000),
    ],
    ids=["replace of constants", "replace", "join", "concat", "outputs"],
)
def test_m4_memory_stays_near_the_output_s_limit(text: str, body: JsonValue) -> None:
    """Ten MB from a few bytes here; with longer templates it would be all there is."""
    tracemalloc.start()
    try:
        rendered(text, body)
        _, peak = tracemalloc.get_traced_memory()
    except TemplateError:
        return  # refused at load is as good
    finally:
        tracemalloc.stop()
    assert peak < 16 * MAX_OUTPUT


LONG = {"t": "x" * 10_000_000, "a": [[n] for n in range(49_000)]}


@pytest.mark.parametrize(
    "text",
    [
        "{{ body|tojson|truncate(1) }}",
        "{{ body.a|tojson|truncate(1) }}",
        "{{ body.t|urlencode|truncate(1) }}",
        "{{ body.t|upper|truncate(1) }}",
        "{{ 'zz' in body.t }}",
        "{{ 'zz' not in body.t }}",
        "{{ 1 in body.a }}",
    ],
)
def test_m4_the_worst_template_over_the_worst_body_ends_soon(text: str) -> None:
    """As often as a template may hold it; 130 times JSON of a whole body once took 17 seconds."""
    times = min(MAX_LENGTH // len(text), MAX_FILTERS // text.count("|") if "|" in text else 999)
    begun = time.thread_time()
    rendered(text * times, LONG)
    assert time.thread_time() - begun < 5  # a quarter of a second on a machine of 2026


def test_m4_a_template_has_forty_filters_at_most() -> None:
    """The bound itself is fine."""
    assert rendered("{{ body|lower }}" * MAX_FILTERS, "X") == "x" * MAX_FILTERS
    with pytest.raises(TemplateError, match="more than 40 filters"):
        compile_template("{{ body|lower }}" * (MAX_FILTERS + 1), VARIABLES)


def test_of_a_text_that_is_too_long_a_beginning_can_be_taken() -> None:
    """Everything else that would work through it gives null."""
    assert rendered("{{ body.t|truncate(3) }}", LONG) == "xx…"
    assert rendered("{{ body.t|trim|truncate(3) }}", LONG) is None


def test_half_a_character_in_a_literal_is_a_whole_one() -> None:
    """Jinja2 reads the escape; what it stands for could not be written down. Found by fuzzing."""
    found = rendered(r"{{ 'a\ud800b' }}")
    assert found is not None
    assert found.encode().decode().strip("\ufffd") not in ("", "ab")
    assert (found[0], found[-1]) == ("a", "b")


def test_a_number_beyond_doubles_keeps_its_text() -> None:
    """As it does on a field (rule 13)."""
    assert rendered("{{ body }}", decode(b"1e400")) == "1e400"
