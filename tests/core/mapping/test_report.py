"""What compiling one file may take: in proportion to its length, or it is refused."""

import time
from collections.abc import Callable
from itertools import count

import pytest

from onehook.core.mapping.lets import MAX_CHAIN
from onehook.core.mapping.problems import MappingError, Problem, Source, nearest
from onehook.core.mapping.report import CHARACTERS, MAX_ERRORS, MAX_STEPS
from onehook.core.mapping.rules import MAX_INDEX
from tests.core.mapping.building import HEAD, TICKET, compiled, problems, run, ticket_text

SIZE = 200_000  # characters, a fifth of what is taken
SECONDS = 10  # of the processor; without a bound it was a minute, or for ever
TYPE = "ticketing.ticket.created"
DATA = "{" + ", ".join(f"{name}: {value}" for name, value in TICKET.items()) + "}"
FIELDS = DATA.removesuffix("}")
RULES = f"rules:\n  - id: r\n    emit: {TYPE}\n    data: "


def many(line: Callable[[int], str], size: int = SIZE) -> str:
    """*line* of 0, 1 and so on, as many as have *size* characters."""
    lines: list[str] = []
    for at in count():
        lines.append(line(at))
        size -= len(lines[-1])
        if size <= 0:
            break
    return "".join(lines)


def outcome(text: str) -> list[Problem]:
    """The problems of *text*, all of them shown, within the time."""
    begun = time.process_time()
    found = problems(text)
    assert all(str(problem) for problem in found)
    assert time.process_time() - begun < SECONDS
    return found


def natives(line: Callable[[int], str], size: int = SIZE) -> str:
    """A rule whose data has many native fields."""
    return f"{RULES}{FIELDS}, native: {{\n{many(line, size)}}}}}\n"


TABLE = "tables:\n t:\n" + many(lambda i: f"  k{i}: v\n", SIZE // 2)
HALF = SIZE // 2
FILES = {
    "steps of setup that are no texts": "setup:\n" + many(lambda i: f" - {i}\n"),
    "rules that are no maps": "rules:\n" + many(lambda i: f" - {i}\n"),
    "unknown keys": many(lambda i: f"a{i}: 1\n"),
    "names of values that there are not": (
        "let:\n" + many(lambda i: f" a{i}: $.b\n", HALF)
        + natives(lambda i: f"a{i}: {{let: zz{i}}},\n", HALF)
    ),
    "names that one another names": "let:\n" + many(lambda i: f" a{i}: {{let: a{i + 1}}}\n"),
    "unused tables": "tables:\n" + many(lambda i: f" t{i}: {{a: b}}\n") + RULES + DATA,
    "many lookups in a long table": (
        TABLE + natives(lambda i: f"a{i}: {{lookup: $.s, table: t}},\n", HALF)
    ),
    "a long shape, used with other fields": (
        f"shapes:\n s: {FIELDS}, native: {{\n" + many(lambda i: f"   n{i}: $.a{i},\n", HALF)
        + "}}\nrules:\n"
        + many(lambda i: f" - {{id: r{i}, emit: {TYPE}, data: {{use: s, set: {{key: $.x}}}}}}\n")
    ),
    "a group that says much, and many rules": (
        f"rules:\n - id: g\n   data: {FIELDS}, native: {{\n"
        + many(lambda i: f"   n{i}: $.a{i},\n", HALF)
        + "}}\n   rules:\n" + many(lambda i: f"    - {{id: r{i}, emit: {TYPE}}}\n", HALF)
    ),
    "patterns as large as patterns may be": natives(
        lambda i: f"a{i}: {{match: $.a, pattern: '{i}(\\pL{{{50 + i % 9}}})'}},\n"
    ),
    "paths of many slices": natives(lambda i: f"a{i}: \"$.a{i}{'[0:5]' * 40}\",\n"),
    "long templates": natives(lambda i: f"a{i}: {{template: '{i}{{{{ [{'1,' * 1900}1] }}}}'}},\n"),
    "rules of many words": (
        f"shapes: {{t: {DATA}}}\nrules:\n"
        + many(lambda i: f" - {{id: r{i}, emit: {TYPE}, when: {{$.a: w{i}}}, data: {{use: t}}}}\n")
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", FILES.values(), ids=[name.replace(" ", "-") for name in FILES])
def test_m6_a_file_takes_time_in_proportion_to_its_length(text: str) -> None:
    """Whatever it is that there is much of."""
    assert len(outcome(HEAD + text)) <= MAX_ERRORS + 1


def test_no_more_problems_are_looked_for_than_anybody_reads() -> None:
    """And the last says so, where it stopped."""
    found = problems(HEAD + "setup:\n" + " - 1\n" * (MAX_ERRORS + 100))
    assert len(found) == MAX_ERRORS + 1
    assert {p.code for p in found[:-1]} == {"E002", "E001"}
    assert sum("nothing more was looked at" in p.message for p in found) == 1
    assert problems(HEAD + "setup:\n" + " - 1\n" * 20 + RULES + DATA)[-1].code == "E002"


def test_warnings_are_no_reason_to_refuse_a_file() -> None:
    """However many."""
    tables = "".join(f"  t{at}: {{a: b}}\n" for at in range(2 * MAX_ERRORS))
    assert len(compiled(ticket_text("tables:\n" + tables)).warnings) == 2 * MAX_ERRORS


def test_m6_names_that_double_each_other_are_refused() -> None:
    """Twenty-five short lines come to 33 million values."""
    lines = "".join(
        f"  a{at}: {{coalesce: [{{let: a{at + 1}}}, {{let: a{at + 1}}}]}}\n" for at in range(25)
    )
    (found,) = outcome(ticket_text(f"let:\n{lines}  a25: $.x\n", title="{let: a0}"))
    assert found.code == "E001"
    assert "its values are too many" in found.message
    assert str(MAX_STEPS) in found.hint
    assert str(CHARACTERS) in found.hint


def chain(length: int) -> str:
    """A file with *length* values, each of which names the next."""
    lines = "".join(f"  a{at}: {{coalesce: [{{let: a{at + 1}}}]}}\n" for at in range(1, length))
    return ticket_text(f"let:\n{lines}  a{length}: $.x\n", title="{let: a1}")


def test_names_may_name_one_another_so_many_deep_and_no_deeper() -> None:
    """Beyond it the one to begin with is told, and the way."""
    body = {"id": "1", "x": "found"}
    found = run(compiled(chain(MAX_CHAIN)), body, {})
    assert found.events[0].data["title"] == "found"  # type: ignore[union-attr]
    first = problems(chain(MAX_CHAIN + 1))[0]
    assert first.code == "E104"
    assert "name one another: a1 -> a2 -> a3" in first.message
    assert first.place.line == HEAD.count("\n") + 1


def test_m6_lists_in_lists_that_double_what_is_read_are_read_whole() -> None:
    """Each level of ``each`` may find a list or its items: 35 of them are 2^35 places."""
    value = "{each: $.a, as: " * 35 + "$.a" + "}" * 35
    begun = time.process_time()
    mapping = compiled(HEAD + f"{RULES}{FIELDS}, native: {{x: {value}}}}}\n")
    assert time.process_time() - begun < SECONDS
    body = b'{"id": "1", "unread": [1], "fill": "' + b"x" * 100_000 + b'"}'
    read = mapping.read(body)
    assert isinstance(read, dict)
    assert read["unread"] == [1]


def test_rules_too_many_for_an_index_are_asked_in_turn() -> None:
    """And the one that comes first still takes the webhook first."""
    some = int(MAX_INDEX**0.5) + 1
    lines = [
        f" - {{id: {kind}{at}, emit: {TYPE}, when: {{{when}}}, data: {{use: t}}}}\n"
        for at in range(some)
        for kind, when in (("word", f"$.a: w{at}"), ("other", f"$.b: {at}"))
    ]
    mapping = compiled(HEAD + f"shapes: {{t: {DATA}}}\nrules:\n" + "".join(lines))
    assert mapping.branch.index is None
    found = run(mapping, {"id": "1", "a": "w7", "b": 7}, {})
    assert [event.rule for event in found.events] == ["word7", "other7"]  # type: ignore[union-attr]


def test_an_index_holds_what_names_no_word_beside_what_does() -> None:
    """In the file's order."""
    lines = [
        f" - {{id: r{at}, emit: {TYPE}, when: {{{when}}}, data: {{use: t}}}}\n"
        for at, when in enumerate(["$.a: [x, y, x]", "$.a: y", "$.b: 1", "$.a: x", "$.a: z"])
    ]
    branch = compiled(HEAD + f"shapes: {{t: {DATA}}}\nrules:\n" + "".join(lines)).branch
    assert branch.index is not None
    ids = {word: [rule.id for rule in rules] for word, rules in branch.index.items()}
    assert ids == {"x": ["r0", "r2", "r3"], "y": ["r0", "r1", "r2"], "z": ["r2", "r4"]}
    assert [rule.id for rule in branch.others] == ["r2"]


def test_the_nearest_of_very_many_names_is_looked_for_among_some() -> None:
    """So a hint takes a bounded time, and has a bounded length."""
    names = [f"name{at:06}" for at in range(20_000)]
    assert nearest("name000001x", names) == "did you mean name000001?"
    assert nearest("titel", ["title", *names]) == "did you mean title?"
    hint = nearest("x" * 50_000, [*names, "x" * 49_999])
    assert hint.startswith("known: name000000, name000001")
    assert hint.endswith(", …")
    assert len(hint) < 5_000


def test_a_line_of_a_source_is_found_again_and_again() -> None:
    """Each problem shows its line: splitting the text for each is what took the time."""
    source = Source("a.yaml", "a\n" * 200_000)
    begun = time.process_time()
    assert {source.line(number) for number in range(0, 200_000, 100)} == {"a"}
    assert source.line(200_000) == ""
    assert time.process_time() - begun < SECONDS


def test_a_problem_is_told_once() -> None:
    """The same one at the same place."""
    text = (
        HEAD
        + f"shapes: {{t: {FIELDS}, colour: $.c}}}}\n"
        + "".join(
            f"{'rules:' if at == 0 else ''}\n - {{id: r{at}, emit: {TYPE}, data: {{use: t}}}}"
            for at in range(3)
        )
    )
    with pytest.raises(MappingError) as caught:
        compiled(text)
    assert [p.code for p in caught.value.problems] == ["E105"]
