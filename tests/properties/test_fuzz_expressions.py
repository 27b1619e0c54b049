"""Templates and subscription filters under anything: refused when saved, or harmless ever after."""

import json
import re
from functools import cache
from typing import Any

from hypothesis import strategies as st

from onehook.core.destinations.jsontemplates import compile_json_template
from onehook.core.filters import compile_filter
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.template_filters import FILTERS, MAX_OUTPUT
from onehook.core.mapping.templates import TemplateError, compile_template, template_reads
from onehook.core.profiles.outlet import RenderError
from onehook.core.profiles.variables import TEMPLATE_NAMES
from onehook.errors import InvalidRequestError
from onehook.mappings import shipped_folder
from tests.core.mapping.test_templates import ATTACKS, VARIABLES
from tests.properties.budget import fuzz
from tests.properties.webhooks import ANY_JSON, SURPRISES, copied, encode_any, mutated

EXPRESSION = re.compile(r"\{\{.*?\}\}")
ENOUGH = 16_384  # characters of a real event that templates are shown
WORDS = [
    "body", "item", "headers", "settings", "payload", "time", "event_type", "_x", "__class__", "none",
    "true", "1", "-1", "1e400", "0x1f", "'a'", '"é"', "'\\'", "[]", "[1, 'a']", "{}", "(1,)", "range",
    ".", ".a", "['a']", "[0]", "[-1]", "[body]", "[1:2]", "(", ")", "()", "(body)", ",", "|", "~",
    " + ", " * ", " ** ", " and ", " or ", "not ", " in ", " not in ", " == ", " < ", " if ", " else ",
    " is defined", "{{", "}}", "{%", "%}", "{#", "-}}", "{{-", "\n", "\x00", "'\\ud800'", *map("|{}".format, FILTERS),
]  # fmt: skip
# Neither a file nor a body over HTTP holds half a character; the escape for one may stand there.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
ARGUMENTS = ["", "()", "('a')", "('a', 'b')", "(1)", "(-1)", "(body)", "('a', body.a)", "(x=1)"]


@cache
def real_templates() -> tuple[str, ...]:
    """Every expression of the shipped mappings and of the attacks that are tested one by one."""
    texts = [path.read_text(encoding="utf-8") for path in shipped_folder().glob("*.yaml")]
    return (*sorted({found for text in texts for found in EXPRESSION.findall(text)}), *ATTACKS)


@cache
def events() -> tuple[JsonValue, ...]:
    """Events as they are delivered: those with which destinations are tested."""
    folder = shipped_folder().parent / "destinations" / "samples"
    texts = [path.read_bytes() for path in sorted(folder.glob("*.json"))]
    return tuple(json.loads(text) for text in texts if len(text) <= ENOUGH)


@st.composite
def made_up(draw: st.DrawFn) -> str:
    """Words of the language in any order; filters with any arguments."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
    return "".join(
        word + draw(st.sampled_from(ARGUMENTS)) if word[:1] == "|" and len(word) > 1 else word
        for word in words
    )


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, JsonValue]:
    """A template, real ones with parts replaced among them, and the body that it sees."""
    text = draw(st.sampled_from(real_templates()) | made_up().map(lambda t: f"{{{{ {t} }}}}"))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        end = draw(st.integers(at, min(len(text), at + 8)))
        text = text[:at] + draw(made_up() | TEXT) + text[end:]
    if draw(st.integers(0, 9)) == 0:
        text *= draw(st.integers(2, 400))
    body = draw(ANY_JSON | st.sampled_from(events()).flatmap(lambda e: mutated(copied(e))))
    return text, body


def check_template(made: tuple[str, JsonValue]) -> None:
    """Refused with its place, or text of a bounded length, or null."""
    text, body = made[0], json.loads(encode_any(made[1]))
    try:
        found = compile_template(text, VARIABLES)
    except TemplateError as error:
        assert str(error)
        assert 0 <= error.at <= len(text)
    else:
        assert {name for name, _ in template_reads(text)} <= VARIABLES
        variables = {"body": body, "item": body, "headers": {"a": "h"}, "settings": {}}
        result = found.render(variables)
        assert result is None or (isinstance(result, str) and len(result) <= MAX_OUTPUT)
    check_body(text, body)
    check_body(json.dumps({"a": text}, ensure_ascii=False), body)


def check_body(text: str, body: JsonValue) -> None:
    """The same of a subscriber's own body: what it gives can be sent."""
    try:
        render = compile_json_template(text)
    except TemplateError as error:
        assert 0 <= error.at <= len(text.replace("\r\n", "\n"))
        return
    variables: dict[str, Any] = {**dict.fromkeys(TEMPLATE_NAMES, "x"), "payload": body, "time": 1}
    try:
        json.dumps(render(variables))
    except RenderError:
        return


FILTER_SEEDS: tuple[JsonValue, ...] = (
    {"$.data.severity": ["critical", "high"], "$.data.draft": False},
    {"any": [{"$.data.number": {"gt": 41}}, {"not": {"$.integration.type": "github"}}]},
    {"$.type": {"matches": "^scm\\."}, "$.data.author": {"exists": True}},
    {"$.data.labels[*]": "bug", "$.data.updated_at": {"lt": "2026"}, "$$.id": {"present": True}},
    {"$.data.a": {"equals": "$.data.b"}, "$.data.c": {"not": {"matches": "x|y"}}},
)
KEYS = st.sampled_from([
    "$", "$$", "$.data", "$.data.title", "$.data.labels[*]", "$.data.labels[0]", "$..a", "$.a[?(@.b)]",
    "$['a b']", "any", "not", "matches", "gt", "lt", "exists", "present", "equals", "header.x", "",
    "setting.a", "let.a", "$." + "a." * 200 + "a", "$[" + "9" * 300 + "]", "$.data['\ud800']",
])  # fmt: skip
PATTERNS = st.sampled_from(
    [
        "(",
        "(?=x)",
        "(a+)+$",
        "(a|a)*" * 20,
        "a{1000}{1000}",
        "\\p{Greek}",
        "\x00",
        "\ud800",
        ".*" * 50,
    ]
)
CONDITIONS = st.recursive(
    SURPRISES | PATTERNS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@st.composite
def filters(draw: st.DrawFn) -> tuple[JsonValue, JsonValue]:
    """Conditions, and an event or something like one."""
    real = st.sampled_from(FILTER_SEEDS).flatmap(lambda f: mutated(copied(f)))
    conditions = draw(real | st.dictionaries(KEYS, CONDITIONS, max_size=4) | CONDITIONS)
    return conditions, draw(st.sampled_from(events()).flatmap(lambda e: mutated(copied(e))))


def check_filter(made: tuple[JsonValue, JsonValue]) -> None:
    """Refused with pointers, or it says yes or no to any event."""
    conditions, event = made
    try:
        wanted = compile_filter(conditions)
    except InvalidRequestError as error:
        assert error.status == 422
        assert error.errors
        assert all(one.pointer.startswith("/filter") and one.detail for one in error.errors)
        return
    if isinstance(event, dict):
        assert wanted(event) in (True, False)
        encode_any(event)  # it changes nothing that could not be sent afterwards


def test_m4_any_template_is_refused_or_gives_bounded_text() -> None:
    """In a mapping and as the body of a delivery."""
    assert len(real_templates()) > len(ATTACKS)
    assert fuzz("templates", templates(), check_template, fixed=500) > 100


def test_any_filter_is_refused_with_pointers_or_says_yes_or_no() -> None:
    """Also where paths lead nowhere and types differ."""
    assert fuzz("filters", filters(), check_filter, fixed=500) > 100
