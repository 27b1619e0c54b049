"""The compilers of mapping and destination files: any text compiles, or is refused with its places.

They begin with the shipped files and those of `tests/core/mapping/examples.py`, changed as text or
as a tree. What compiles is used: no file may be taken that then fails for a webhook.
"""

import json
import re
from functools import cache

import yaml
from hypothesis import strategies as st

from onehook.core.destinations.compiler import compile_destination
from onehook.core.jsontext import JsonValue
from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.normalize import Emitted, Ignored, Quarantined
from onehook.core.mapping.problems import MappingError, Source
from onehook.destinations import shipped_folder as destinations_folder
from onehook.mappings import shipped_folder
from tests.core.mapping.building import run
from tests.core.mapping.examples import GITHUB, QUARRYDESK, github_body
from tests.properties.budget import fuzz
from tests.properties.webhooks import SHIPPED, SURPRISES, copied, encode_any, mutated, seeds

LARGEST = 20_000  # characters of a file to begin with: a small one is tried ten times as often
CODE = re.compile(r"[EW]\d{3}")
BROKEN = st.sampled_from([
    "\t", "\x00", "\ud800", "&a ", "*a", "!!python/object:os.system ", "<<: ", "---\n", "...\n",
    "? ", "- ", ": ", "{", "}", "[", "]", '"', "'", "|\n", ">\n", "%YAML 1.1\n", "# ", "\u2028",
    "$.", "$$", "[*]", "[?(@.a)]", "..", "{{", "}}", "{%", "null", "~", "yes", "0x1f", "1e400",
    "9" * 5000, "(" * 200, "(?=x)", "[[:alpha:]", "{const: 1}", "{use: a}", "{foreach: {in: $}}",
    "\n" * 50, " " * 500, "a" * 5000, "[" * 60, "{a: " * 60,
])  # fmt: skip


@cache
def mappings() -> tuple[str, ...]:
    """Mapping files of which changed ones are made."""
    texts = [(shipped_folder() / f"{name}.yaml").read_text(encoding="utf-8") for name in SHIPPED]
    return (GITHUB, QUARRYDESK, *(text for text in texts if len(text) <= LARGEST))


@cache
def destinations() -> tuple[str, ...]:
    """The shipped destinations."""
    return tuple(p.read_text(encoding="utf-8") for p in destinations_folder().glob("*.yaml"))


@cache
def tree(text: str) -> JsonValue:
    """What *text* holds, as plain values; dates stay text."""
    found: JsonValue = yaml.load(text, Loader=yaml.CBaseLoader)
    return found


@st.composite
def respelled(draw: st.DrawFn, text: str, others: tuple[str, ...]) -> str:
    """*text* with lines dropped, doubled, moved, indented or taken from others, or words broken."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        end = at + draw(st.integers(1, 5))
        how = draw(st.sampled_from(["drop", "twice", "indent", "foreign", "cut", "break", "break"]))
        if how == "drop":
            del lines[at:end]
        elif how == "twice":
            lines[at:at] = lines[at:end]
        elif how == "indent":
            lines[at:end] = [" " * draw(st.integers(1, 4)) + line for line in lines[at:end]]
        elif how == "foreign":
            other = draw(st.sampled_from(others)).split("\n")
            start = draw(st.integers(0, len(other) - 1))
            lines[at:at] = other[start : start + 6]
        elif how == "cut":
            lines[at:] = [lines[at][: draw(st.integers(0, len(lines[at])))]] if lines[at:] else []
        else:
            line = lines[at]
            place = draw(st.integers(0, len(line)))
            lines[at] = line[:place] + draw(BROKEN | st.text(max_size=3)) + line[place + 1 :]
        lines = lines or [""]
    return "\n".join(lines)


@st.composite
def files(draw: st.DrawFn, known: tuple[str, ...]) -> str:
    """A file changed as text, or as a tree and then written as JSON, which is YAML too."""
    text = draw(st.sampled_from(known))
    if draw(st.booleans()):
        return draw(respelled(text, known))
    changed = draw(mutated(copied(tree(text))))
    if isinstance(changed, dict) and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(changed) or ["rules"]))
        changed[key] = draw(SURPRISES)
    return encode_any(changed).decode()


def check_problems(error: MappingError, text: str) -> None:
    """Each problem has its code, words, and a place that is in the file."""
    assert error.problems
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 2
    for problem in error.problems:
        assert CODE.fullmatch(problem.code)
        assert problem.message.strip()
        assert 0 <= problem.place.line <= lines
        assert problem.place.column >= 0
        assert str(problem).startswith("fuzz.yaml:")


def check_mapping(text: str) -> None:
    """No other error; and what compiles has an outcome for every body."""
    parents = {"github": Source("github.yaml", GITHUB)}
    try:
        mapping = compile_mapping(Source("fuzz.yaml", text), parents.get)
    except MappingError as error:
        check_problems(error, text)
        return
    body = github_body("opened")
    headers = {"x-github-event": "pull_request", "x-github-delivery": "d"}
    assert isinstance(run(mapping, body, headers), Emitted | Ignored | Quarantined)
    if mapping.platform in SHIPPED:
        case = seeds(mapping.platform)[0]
        found = run(mapping, case.body, case.headers, case.settings)
        assert isinstance(found, Emitted | Ignored | Quarantined)


def check_destination(text: str) -> None:
    """No other error."""
    try:
        compile_destination(Source("fuzz.yaml", text))
    except MappingError as error:
        check_problems(error, text)


def test_m6_any_mapping_file_compiles_or_is_refused_with_its_places() -> None:
    """And what compiles has an outcome for every webhook."""
    json.loads(encode_any(tree(GITHUB)))  # the trees are what they should be
    assert fuzz("compiler", files(mappings()), check_mapping, fixed=250) > 50


def test_m6_any_destination_compiles_or_is_refused_with_its_places() -> None:
    """As mapping files."""
    assert fuzz("destinations", files(destinations()), check_destination, fixed=250) > 50
