"""``--accept``: expectations become what came, and nothing else in the file moves."""

import json
from textwrap import dedent, indent

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.accepting import accepted
from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.editing import render
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.problems import Source
from onehook.core.mapping.samples import samples
from onehook.core.mapping.source import parse, plain
from onehook.core.mapping.testing import Result, run
from tests.core.mapping.building import ticket_text

TOP = "ignore: [{when: {$.a: ping}, reason: ping}]\n"
HEAD = ticket_text(
    TOP,
    rest="when: {$.id: {exists: true}}\nchanges: [{field: title, each: '$.c[*]', to: $}]",
    title="$.t",
    labels='{each: "$.l[*]"}',
    assignee="{id: $.who, type: {const: user}}",
)


def results(text: str) -> list[Result]:
    """How the tests in *text* end."""
    mapping = compile_mapping(Source("acme.yaml", text))
    return [run(mapping, sample) for sample in samples(mapping, lambda name: name.encode())]


def accept(text: str) -> str:
    """*text* with what its tests gave."""
    return accepted(Source("acme.yaml", text), results(text))


def check(before: str, after: str) -> None:
    """Check that the tests *before* become *after*, which pass."""
    text = f"{HEAD}tests:\n{dedent(before)}# the end\n"
    wanted = f"{HEAD}tests:\n{dedent(after)}# the end\n"
    assert accept(text) == wanted
    assert [r.problems for r in results(wanted) if r.problems] == []


CASES: dict[str, tuple[str, str]] = {
    "what passes stays": (
        "- {name: n, body: {id: 1, t: x}, expect: [{data: {title: x}}]}  # fine\n",
        "- {name: n, body: {id: 1, t: x}, expect: [{data: {title: x}}]}  # fine\n",
    ),
    "a scalar, in its own quotes": (
        """\
        - name: n  # why
          body: {id: 1, t: it is, l: [a, b: c]}
          expect:
            - data:
                title: "no"     # to be seen
                key: 'no'
                id:   7         # a number
        """,
        """\
        - name: n  # why
          body: {id: 1, t: it is, l: [a, b: c]}
          expect:
            - data:
                title: "it is"     # to be seen
                key: 'K'
                id:   "1"         # a number
        """,
    ),
    "a word for a word": (
        "- {name: n, body: {a: ping}, expect: quarantined}\n",
        "- {name: n, body: {a: ping}, expect: ignored}\n",
    ),
    "a reason": (
        "- {name: n, body: {a: ping}, expect: {ignored: pong}}\n",
        "- {name: n, body: {a: ping}, expect: {ignored: ping}}\n",
    ),
    "a word for another, with its reason": (
        "- {name: n, body: {b: 1}, expect: {ignored: ping}}\n",
        "- {name: n, body: {b: 1}, expect: {quarantined: no_rule}}\n",
    ),
    "events where none were expected": (
        """\
        - name: n
          body: {id: 1, t: x}
          expect: ignored  # no
        """,
        """\
        - name: n
          body: {id: 1, t: x}
          expect: [{type: ticketing.ticket.created, data: {urn: oh:acme:int_test:ticket:1}}]  # no
        """,
    ),
    "no events where a block of them stood": (
        """\
        - name: n
          expect:   # two of them
            # the first
            - type: x
            - type: y  # gone
          # about the body
          body: {a: ping}
        """,
        """\
        - name: n
          expect: {ignored: ping}   # two of them
          # about the body
          body: {a: ping}
        """,
    ),
    "an event too many, in a block": (
        """\
        - name: n
          body: {id: 1, t: x}
          expect:
            - {data: {title: x}}  # stays
            # about the second
            - data:
                title: y
            # behind it
        - {name: m, body: {a: ping}, expect: ignored}
        """,
        """\
        - name: n
          body: {id: 1, t: x}
          expect:
            - {data: {title: x}}  # stays
            # about the second
            # behind it
        - {name: m, body: {a: ping}, expect: ignored}
        """,
    ),
    "items more and fewer, in brackets": (
        """\
        - {name: n, body: {id: 1, t: x, l: [a, b]}, expect: [{data: {labels: [a]}}]}
        - {name: m, body: {id: 1, t: x, l: [a]}, expect: [{data: {labels: [a, b, c]}}]}
        - {name: o, body: {id: 1, t: x, l: []}, expect: [{data: {labels: [a]}}]}
        - {name: p, body: {id: 1, t: x, l: [a]}, expect: [{data: {labels: []}}]}
        """,
        """\
        - {name: n, body: {id: 1, t: x, l: [a, b]}, expect: [{data: {labels: [a, b]}}]}
        - {name: m, body: {id: 1, t: x, l: [a]}, expect: [{data: {labels: [a]}}]}
        - {name: o, body: {id: 1, t: x, l: []}, expect: [{data: {labels: []}}]}
        - {name: p, body: {id: 1, t: x, l: [a]}, expect: [{data: {labels: [a]}}]}
        """,
    ),
    "items more, in a block": (
        """\
        - name: n
          body: {id: 1, t: x, c: [one, two]}
          expect:
            - data:
                changes:
                  - field: title  # always
                    to: one
                title: x
        """,
        """\
        - name: n
          body: {id: 1, t: x, c: [one, two]}
          expect:
            - data:
                changes:
                  - field: title  # always
                    to: one
                  - {field: title, to: two, from_known: false}
                title: x
        """,
    ),
    "fields that are none": (
        """\
        - name: n
          body: {id: 1, t: x}
          expect:
            - {data: {titel: x, title: x, tilte: x}}
        - name: m
          body: {id: 1, t: x}
          expect:
            - titel: x  # first, beside the dash
              data:
                title: x
                titles: x
        """,
        """\
        - name: n
          body: {id: 1, t: x}
          expect:
            - {data: {title: x}}
        - name: m
          body: {id: 1, t: x}
          expect:
            - data:
                title: x
        """,
    ),
    "an object for null, and null for an object": (
        """\
        - name: n
          body: {id: 1, t: x, who: 5}
          expect: [{data: {assignee: null}}]
        - {name: m, body: {id: 1, t: x}, expect: [{data: {assignee: {id: '5'}, title: x}}]}
        """,
        """\
        - name: n
          body: {id: 1, t: x, who: 5}
          expect: [{data: {assignee: {id: "5", type: user}}}]
        - {name: m, body: {id: 1, t: x}, expect: [{data: {assignee: null, title: x}}]}
        """,
    ),
    "a text of several lines": (
        """\
        - name: n
          body: {id: 1, t: "a\\nb: c"}
          expect:
            - data:
                title: |
                  no
                  never
                key: K
        """,
        """\
        - name: n
          body: {id: 1, t: "a\\nb: c"}
          expect:
            - data:
                title: "a\\nb: c"
                key: K
        """,
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_only_what_differs_is_written(before: str, after: str) -> None:
    """Comments, quotes, order and layout stay; what is written passes."""
    check(before, after)


def test_letters_beyond_ascii_and_windows_line_ends_stay() -> None:
    """Positions count characters, and lines end as the file's do."""
    text = (
        f"{HEAD}tests:\n  - name: Grüße, 😀\n    body: {{id: 1, t: straße, l: [ö]}}\n"
        "    expect:\n      - data:\n          labels:\n            - ä\n            - ß\n"
        "          title: weg # ☃\n"
    ).replace("\n", "\r\n")
    wanted = text.replace("            - ß\r\n", "").replace("- ä", '- "ö"')
    assert accept(text) == wanted.replace("title: weg", 'title: "straße"')


def test_exact_expectations_get_every_field() -> None:
    """What was not expected is added, nulls as well."""
    text = f"{HEAD}tests:\n  - {{name: n, exact: true, body: {{id: 1, t: x}}, expect: [{{}}]}}\n"
    after = accept(text)
    assert [r.problems for r in results(after)] == [()]
    assert "resolved_at: null" in after


def test_tests_of_rows_are_left_alone() -> None:
    """It is the table that says what they expect, and a table is not mended by its tests."""
    text = HEAD.replace("    data:\n", "    data:\n      type: {lookup: $.k, table: t}\n") + (
        "tables: {t: {a: bug}}\ntests:\n  - name: n\n    body: {id: 1, t: x}\n"
        "    rows: {table: t, at: $.k, field: $.data.title}\n    expect: [{data: {title: y}}]\n"
    )
    assert results(text)[0].problems
    assert accept(text) == text


@pytest.mark.parametrize(
    "value",
    ["no: x", "a #b", "x,y", "[x]", "{x}", "true", "12", "1.5", "null", "~", "", " x", "x ", "- x",
     "a: ", "a:", "&a", "*a", "!a", "%a", "@a", "`a`", "'a'", '"a"', "a\nb", "é", "0x1", "1e3",
     "2026-11-22T10:15:00.000Z", "https://a.example/b?c=d&e#f", "oh:a:b:ticket:x/1", "a b (c)",
     "\u2028", "\x07", "?", ": a", "a,", "a{b", "|", ">", "=", "<<", "on", "No"],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(value: str) -> None:
    """Alone, in brackets and in braces."""
    text = f"a: {render(value)}\nb: [{render(value)}, 1]\nc: {render({'k': value, 'l': [value]})}\n"
    assert plain(parse(Source("x", text))) == {
        "a": value,
        "b": [value, 1],
        "c": {"k": value, "l": [value]},
    }


SCALARS = st.sampled_from(["x", "it is: so", "1", "#", None, True, 7, [], {}, "a\nb"])


@st.composite
def expectations(draw: st.DrawFn, found: JsonValue) -> JsonValue:
    """Something like *found*, with parts left out, changed or made up."""
    if draw(st.integers(0, 9)) == 0:
        return draw(SCALARS)
    if isinstance(found, dict):
        names = draw(st.lists(st.sampled_from([*found, "made_up"]), max_size=5, unique=True))
        return {name: draw(expectations(found.get(name))) for name in names}
    if isinstance(found, list):
        kept = [draw(expectations(item)) for item in found]
        return kept[: draw(st.integers(0, 3))] + draw(st.lists(SCALARS, max_size=2))
    return found if draw(st.booleans()) else draw(SCALARS)


BODY = {"id": 1, "t": "it's", "l": ["a", "b: c"], "c": ["one", "two"], "who": 5}


def envelope() -> JsonValue:
    """The event that BODY becomes."""
    text = f"{HEAD}tests:\n  - {{name: n, body: {render(BODY)}, expect: [{{}}]}}\n"  # type: ignore[arg-type]
    (result,) = results(text)
    assert isinstance(result.outcome, Emitted)
    return dict(result.outcome.events[0].envelope)


FOUND = envelope()


@given(
    wanted=st.lists(expectations(FOUND), max_size=2),
    flow=st.sampled_from([True, False, None]),
    exact=st.booleans(),
)
def test_whatever_was_expected_what_is_accepted_passes(
    wanted: list[JsonValue], flow: bool | None, exact: bool
) -> None:
    """In any layout; and what stands before and behind the expectation is as it was."""
    copied = json.loads(json.dumps(wanted))  # the same object twice would be an alias
    dumped = yaml.safe_dump(copied, default_flow_style=flow, allow_unicode=True, width=60)
    before = f"{HEAD}tests:\n  - name: n\n    exact: {render(exact)}\n    body: {render(BODY)}\n"  # type: ignore[arg-type]
    behind = "  # behind\n  - {name: m, body: {a: ping}, expect: ignored}\n"
    text = f"{before}    expect:\n{indent(dumped, '      ')}{behind}"
    after = accept(text)
    assert after.startswith(before)
    assert after.endswith(behind)
    assert [r.problems for r in results(after) if r.problems] == []
    assert accept(after) == after
