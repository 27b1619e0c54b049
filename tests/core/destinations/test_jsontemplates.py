"""Bodies of one's own: JSON with expressions in it (threats.md M4)."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.destinations.jsontemplates import (
    MAX_EXPRESSIONS,
    MAX_FILTERS,
    MAX_TEMPLATE,
    compile_json_template,
)
from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.mapping.templates import TemplateError
from onehook.core.profiles.outlet import RenderError

PAYLOAD: JsonValue = decode(
    b'{"id":"evt_1","data":{"title":"a \\"quoted\\" title\\n","n":1.5,"none":null,"yes":true,'
    b'"list":["a",1],"score":10}}'
)
VARIABLES = {
    "payload": PAYLOAD,
    "time": 1795342500,
    "timestamp": "2026-11-22T10:15:00.000Z",
    "event_type": "scm.tag.created",
    "event_id": "evt_1",
}


def rendered(template: str, **variables: object) -> JsonValue:
    """What *template* makes of the event."""
    return compile_json_template(template)(VARIABLES | variables)


ROWS: list[tuple[str, JsonValue]] = [
    ("{{ payload }}", PAYLOAD),
    ('{"event": {{ payload }}}', {"event": PAYLOAD}),
    ('{"event": {{ payload | tojson }}}', {"event": PAYLOAD}),
    ('{"t": {{ time }}, "ts": "{{ timestamp }}"}', {"t": 1795342500, "ts": VARIABLES["timestamp"]}),
    ('{"type": {{ event_type }}}', {"type": "scm.tag.created"}),
    ('{"type": "x-{{ event_type }}-{{ event_id }}"}', {"type": "x-scm.tag.created-evt_1"}),
    ('{"t": "{{ payload.data.title }}"}', {"t": 'a "quoted" title\n'}),
    ('{"t": {{ payload.data.title | upper }}}', {"t": 'A "QUOTED" TITLE\n'}),
    ('{"n": {{ payload.data.n }}, "s": "{{ payload.data.n }}"}', {"n": 1.5, "s": "1.5"}),
    ('{"b": {{ payload.data.yes }}, "s": "{{ payload.data.yes }}"}', {"b": True, "s": "true"}),
    ('{"l": {{ payload.data.list }}}', {"l": ["a", 1]}),
    ('{"l": "{{ payload.data.list }}"}', {"l": '["a",1]'}),
    ('{"gone": {{ payload.no.where }}, "s": "[{{ payload.no }}]"}', {"gone": None, "s": "[]"}),
    ('{"null": {{ payload.data.none }}, "s": "{{ payload.data.none }}"}', {"null": None, "s": ""}),
    ('{"list": {{ [payload.no, event_id] }}}', {"list": [None, "evt_1"]}),
    ('{"d": {{ payload.no | default("d") }}}', {"d": "d"}),
    ('{"c": {{ "high" if payload.data.score > 5 else "low" }}}', {"c": "high"}),
    ('{ {{ event_id }}: 1, "{{ event_type }}": 2 }', {"evt_1": 1, "scm.tag.created": 2}),
    ('{"a": "\\"{{ event_id }}\\\\"}', {"a": '"evt_1\\'}),
    ('{"é": "ü {{ event_id }} \\u00e4"}', {"é": "ü evt_1 ä"}),
    ('{"j": "{{ payload.data.list | tojson }}"}', {"j": '["a", 1]'}),
    ('{"a": 1.00, "b": 1e2}', {"a": 1, "b": 100}),
    ('{"big": 12345678901234567890}', {"big": 12345678901234567890}),
    ('{"a": {{- event_id -}} , "b": "{{ "}}" }}"}', {"a": "evt_1", "b": "}}"}),
    ('{\r\n"a": 1\r}', {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("template", "expected"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_a_template_renders(template: str, expected: JsonValue) -> None:
    """Outside a string as JSON, inside one as text that JSON can hold."""
    assert rendered(template) == expected


@given(st.text(max_size=30))
def test_any_text_survives_inside_and_outside_of_strings(text: str) -> None:
    """Quotes, backslashes and control characters of a payload stay what they are."""
    clean = text.encode("utf-8", "replace").decode()
    found = rendered('{"in": "<{{ payload.t }}>", "out": {{ payload.t }}}', payload={"t": clean})
    assert found == {"in": f"<{clean}>", "out": clean}


REFUSED = [
    ('{"a": {{ nope }}}', 1, 10, "'nope' is no variable here"),
    ('{"a": {{ payload.x | shout }}}', 1, 22, "there is no filter 'shout'"),
    ('{\n  "a": {{ payload._x }}\n}', 2, 19, "begin with an underscore"),
    ('{\n  "a": {{ payload.x() }}\n}', 2, 8, "a call is not allowed"),
    ('{"a": {% if x %}1{% endif %}}', 1, 7, "a statement or comment"),
    ('{"a": 1} {# c #}', 1, 10, "a statement or comment"),
    ('{"a": {{ payload }', 1, 18, "unexpected '}'"),
    ('{"a": {{ payload', 1, 7, "not closed"),
    ('{"a": {{ }}}', 1, 7, "Expected an expression"),
    ('{"a": 1,}', 1, 9, "not JSON"),
    ('{"a" 1}', 1, 6, "not JSON"),
    ('{"é": "ü",\n "b": tru}', 2, 11, "not JSON"),
    ('{"a": {{ time }} {{ time }}}', 1, 18, "not JSON"),
    ('{"a": 1{{ time }}}', 1, 8, "not JSON"),
    ('{"a": "\\{{ event_id }}"}', 1, 10, "not JSON"),
    ('{"a": "{{ event_id }}}', 1, 23, "not JSON"),
    ('["{{ event_id }}"]', 1, 1, "no object"),
    ('"{{ event_id }}"', 1, 1, "no object"),
    ("{{ payload }} {{ payload }}", 1, 16, "not JSON"),
    ("", 1, 1, "not JSON"),
    ("5", 1, 1, "no object"),
    ("{} " + "x" * MAX_TEMPLATE, 1, MAX_TEMPLATE + 1, "longer than"),
]


@pytest.mark.parametrize(
    ("template", "line", "column", "words"), REFUSED, ids=[row[0][:30] for row in REFUSED]
)
def test_m4_what_is_wrong_is_refused_with_its_place(
    template: str, line: int, column: int, words: str
) -> None:
    """At save, before anything is ever sent."""
    with pytest.raises(TemplateError) as refused:
        compile_json_template(template)
    before = template[: refused.value.at]
    assert (before.count("\n") + 1, refused.value.at - before.rfind("\n")) == (line, column)
    assert words in str(refused.value)


FAILING = [
    ("{{ event_id }}", "no JSON object"),
    ("{{ payload.data.list }}", "no JSON object"),
    ("{{ payload.gone }}", "no JSON object"),
    ('{ {{ time }}: 1 }', "not JSON"),
    ('{ {{ payload.gone }}: 1 }', "not JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "words"), FAILING)
def test_what_comes_to_no_object_fails_the_attempt(template: str, words: str) -> None:
    """With a text for the history."""
    with pytest.raises(RenderError, match=words):
        rendered(template)


def test_a_deep_result_fails_the_attempt() -> None:
    """As no receiver could read it."""
    deep = '{"a":' * 70 + "{{ time }}" + "}" * 70
    with pytest.raises(RenderError, match="nests too deeply"):
        rendered(deep)


def test_m4_a_template_has_few_parts() -> None:
    """Each may work through the whole payload."""
    many = ", ".join(f'"k{n}": {{{{ time }}}}' for n in range(MAX_EXPRESSIONS + 1))
    with pytest.raises(TemplateError, match=f"more than {MAX_EXPRESSIONS} expressions"):
        compile_json_template("{" + many + "}")
    some = ", ".join(
        f'"k{n}": {{{{ time{" | upper" * 10} }}}}' for n in range(MAX_FILTERS // 10 + 1)
    )
    with pytest.raises(TemplateError, match=f"more than {MAX_FILTERS} filters"):
        compile_json_template("{" + some + "}")


def test_m4_a_result_is_bounded() -> None:
    """A payload that is named over and over ends the attempt, not the process's memory."""
    many = ", ".join(f'"k{n}": {{{{ payload }}}}' for n in range(MAX_EXPRESSIONS))
    with pytest.raises(RenderError, match="longer than"):
        rendered("{" + many + "}", payload={"t": "x" * 100_000})


def test_m4_the_worst_template_takes_little_time() -> None:
    """Every filter there may be, each through the largest payload."""
    payload = decode(encode({"t": ["word " * 20] * 1000}))  # type: ignore[dict-item]
    worst = ", ".join(
        f'"k{n}": {{{{ 1 if (payload | tojson | upper) == "x" else 2 }}}}' for n in range(100)
    )
    render = compile_json_template("{" + worst + "}")
    started = time.process_time()
    render(VARIABLES | {"payload": payload})
    assert time.process_time() - started < 2  # bounded; the figure is `make bench`'s business


WORDS = "{{ | }} | { | } | \" | a | : | payload | \\ | . | tojson | [ | ] | , | 1 | {% | ' | \n | é"
PARTS = [*WORDS.split(" | "), " | ", " "]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_m4_any_text_is_refused_or_renders(parts: list[str]) -> None:
    """Never anything else: no text can crash the save, or the attempt."""
    text = "".join(parts)
    try:
        found: Any = compile_json_template(text)(VARIABLES)
    except TemplateError as refused:
        place = refused.at
    except RenderError:
        return
    else:
        assert isinstance(json.loads(encode(found)), dict)
        return
    assert 0 <= place <= len(text)
