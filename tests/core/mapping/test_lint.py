"""What ``--strict`` asks for beside passing: the warnings that only tests can show."""

import pytest

from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.lint import strict_problems
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import run
from tests.core.mapping.building import HEAD, TICKET, compiled, marked, places

FIELDS = ", ".join(f"{name}: {value}" for name, value in TICKET.items())
DATA = f"data: {{{FIELDS}}}"


def wanting(mapping: CompiledMapping) -> list[tuple[str, str, str]]:
    """Code, place and message of each warning that the tests of *mapping* show."""
    results = [run(mapping, s) for s in samples(mapping, lambda name: name.encode())]
    assert [r.problems for r in results if r.problems] == []
    found = strict_problems(mapping, results)
    return [(*place, p.message) for place, p in zip(places(found), found, strict=True)]


def shown(text: str) -> None:
    """Check that *text* is warned of exactly where it is marked."""
    clean, expected = marked(HEAD + text)
    found = wanting(compiled(clean))
    assert [(code, place) for code, place, _ in found] == expected


def test_a_rule_that_no_test_reaches() -> None:
    """W201, at the rule."""
    shown(f"""
rules:
  - {{id: a, when: {{$.t: a}}, emit: ticketing.ticket.created, {DATA}}}
  - id: group
    when: {{$.t: b}}
    rules:
      - ⟨W201⟩id: b
        emit: ticketing.ticket.deleted
        {DATA}
tests:
  - {{name: n, body: {{id: 1, t: a}}, expect: [{{}}]}}
""")


def test_a_row_that_no_test_looks_up() -> None:
    """W202, at the row; a test of another row, or of the same key elsewhere, does not count."""
    shown(f"""
tables:
  used: {{a: bug, ⟨W202⟩b: task}}
  other: {{⟨W202⟩a: high}}
rules:
  - id: r
    emit: ticketing.ticket.created
    data: {{{FIELDS}, type: {{lookup: $.t, table: used}}, priority: {{lookup: $.p, table: other}}}}
tests:
  - {{name: n, body: {{id: 1, t: a}}, expect: [{{}}]}}
""")


def test_rows_that_differ_in_case_only_are_told_apart() -> None:
    """A lookup that minds case reaches one of them."""
    shown(f"""
tables:
  t: {{a: bug, ⟨W202⟩A: bug}}
rules:
  - id: r
    emit: ticketing.ticket.created
    data: {{{FIELDS}, type: {{lookup: $.t, table: t}}}}
tests:
  - {{name: n, body: {{id: 1, t: a}}, expect: [{{}}]}}
""")


def test_a_lookup_without_case_reaches_a_row_however_it_is_written() -> None:
    """``BUG`` uses the row ``Bug``."""
    shown(f"""
tables:
  t: {{Bug: bug}}
rules:
  - id: r
    emit: ticketing.ticket.created
    data: {{{FIELDS}, type: {{lookup: $.t, table: t, ignore_case: true}}}}
tests:
  - {{name: n, body: {{id: 1, t: BUG}}, expect: [{{}}]}}
""")


def test_two_rules_that_take_the_same_thing() -> None:
    """W206, at the test that shows it, once."""
    text = f"""
rules:
  - {{id: a, emit: ticketing.ticket.created, {DATA}}}
  - {{id: b, when: {{$.t: b}}, emit: ticketing.ticket.updated, {DATA}}}
tests:
  - {{name: one, body: {{id: 1, t: a}}, expect: [{{}}]}}
  - ⟨W206⟩{{name: two, body: {{id: 1, t: b}}, expect: [{{}}, {{}}]}}
"""
    shown(text)
    clean, _ = marked(HEAD + text)
    ((_, _, message),) = wanting(compiled(clean))
    assert message == (
        "in the test 'two' the rules 'a' and 'b' both make an event of oh:acme:int_test:ticket:1"
    )


def test_two_items_about_one_thing_are_no_overlap() -> None:
    """A batch may say first that a ticket was made, then that it changed."""
    shown(f"""
rules:
  - id: all
    foreach: {{in: "$.items[*]", key: $.n}}
    rules:
      - {{id: a, when: {{$.t: a}}, emit: ticketing.ticket.created, {DATA}}}
      - {{id: b, when: {{$.t: b}}, emit: ticketing.ticket.updated, {DATA}}}
tests:
  - name: n
    body: {{items: [{{n: 1, id: 1, t: a}}, {{n: 2, id: 1, t: b}}]}}
    expect: [{{}}, {{}}]
""")


def test_two_models_of_one_webhook_are_no_overlap() -> None:
    """A push that makes a branch is a branch and a push."""
    same = "urn: [$.id], id: $.id, name: $.id, full_name: $.id"
    branch = f"urn: [$.id], name: $.id, repository: {{{same}}}"
    shown(f"""
rules:
  - {{id: a, emit: scm.branch.created, data: {{{branch}}}}}
  - {{id: b, emit: ticketing.ticket.updated, {DATA}}}
tests:
  - {{name: n, body: {{id: "1"}}, expect: [{{}}, {{}}]}}
""")


@pytest.mark.parametrize(
    "link",
    [
        "https://api.github.com/repos/acme/payments/issues/7",
        "https://acme.example/api/v4/issues/7",
        "https://acme.atlassian.net/rest/api/2/issue/7",
        "https://sentry.io/api/0/organizations/acme/",
    ],
)
def test_a_link_that_leads_to_an_api(link: str) -> None:
    """W203, at the line that gives it: of the data, of an object in it, of the actor."""
    shown(f"""
shapes: {{person: {{id: $.id, url: ⟨W203⟩$.url, type: {{const: user}}}}}}
rules:
  - id: r
    emit: ticketing.ticket.created
    actor: {{id: $.id, url: ⟨W203⟩$.url, type: {{const: user}}}}
    data: {{{FIELDS}, url: ⟨W203⟩$.url, assignees: {{each: "$.all[*]", use: person}}}}
tests:
  - {{name: n, body: {{id: 1, url: "{link}", all: [{{id: 2, url: "{link}"}}]}}, expect: [{{}}]}}
""")


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/api/rest/issues/7",
        "https://acme.example/docs/api/",
        "see https://api.github.com/",
    ],
)
def test_a_page_is_no_api(link: str) -> None:
    """Somebody's name may be api; text is no link."""
    shown(f"""
rules:
  - {{id: r, emit: ticketing.ticket.created, data: {{{FIELDS}, url: $.url}}}}
tests:
  - {{name: n, body: {{id: 1, url: "{link}"}}, expect: [{{}}]}}
""")
