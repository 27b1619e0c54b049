"""Every code of `schema.md` §6 with a file that is refused for it, at exactly the right place."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.problems import MappingError
from onehook.core.mapping.rules import MAX_ITEMS
from onehook.core.mapping.source import plain
from onehook.core.schema.events import EVENT_TYPES
from tests.core.mapping.building import (
    HEAD,
    TICKET,
    compiled,
    events,
    marked,
    places,
    problems,
    rule,
    run,
    ticket_text,
)

SIGNED = HEAD.replace("verify: none\n", "")
HMAC = "verify: {scheme: hmac, header: X-Sig, secret: {setting: secret}"


def signed(line: str) -> str:
    """A file whose ``verify`` is *line*."""
    return f"{SIGNED}{line}\n"


def shaken(line: str) -> str:
    """A file with one handshake."""
    return f"{HEAD}handshake:\n  - {line}\n"


# What is wrong -> a file with a mark before each wrong thing, and what the message must say.
REFUSED: dict[str, tuple[str, tuple[str, ...]]] = {
    # E001 YAML syntax, duplicate keys, what is not allowed of YAML
    "open quote": (HEAD + "host: ⟨E001⟩'x\n", ("a quote is never closed",)),
    "tab for indentation": (HEAD + "rules:\n⟨E001⟩\t- id: x\n", ("cannot start any token",)),
    "key twice": (
        HEAD + "tables:\n  t: {a: high}\n  ⟨E001⟩t: {a: low}\n",
        ("'t' stands twice, first at line 6", "remove one"),
    ),
    "top key twice": (HEAD + "⟨E001⟩platform: other\n", ("first at line 2",)),
    "rule id twice": (
        ticket_text().rstrip()
        + "\n  - {⟨E001⟩id: r, emit: scm.branch.created, data: ⟨E105⟩null}\n",
        ("'r' stands twice, first at line 6",),
    ),
    "anchor": (HEAD + "tables:\n  t: ⟨E001⟩&t {a: high}\n", ("the anchor &t", "use a shape")),
    "alias": (
        HEAD + "tables:\n  t: ⟨E001⟩&t {a: high}\n  u: ⟨E001⟩*t\n",
        ("the alias *t", "write it out"),
    ),
    "tag": (HEAD + "host: ⟨E001⟩!!str {const: x}\n", ("the tag", "leave it out")),
    "python tag": (HEAD + "host: ⟨E001⟩!!python/object/apply:os.system [x]\n", ("the tag",)),
    "second document": (HEAD + "⟨E001⟩---\nplatform: other\n", ("a second document",)),
    "list for a key": (HEAD + "? ⟨E001⟩[a]\n: 1\n", ("a key is a list or map",)),
    "no map at all": ("⟨E001⟩- a\n- b\n", ("a map of keys to values",)),
    # E002: unknown or misplaced keys, wrong forms
    "unknown key": (HEAD + "⟨E002⟩rulez: []\n", ("unknown key 'rulez'", "did you mean rules?")),
    "unknown key of a rule": (
        ticket_text(rest="⟨E002⟩wen: {$.a: 1}"),
        ("unknown key 'wen'", "did you mean when?"),
    ),
    "unknown key of a value": (
        ticket_text("tables: {t: {a: b}}\n", title="{lookup: $.a, table: t, ⟨E002⟩tabel: t}"),
        ("'tabel' has no place here", "did you mean table?"),
    ),
    "no kind of value": (
        ticket_text(title="{⟨E002⟩konst: x}"),
        ("'konst' is no kind of value", "const"),
    ),
    "two kinds at once": (ticket_text(title="{const: a, ⟨E002⟩header: b}"), ("'header'",)),
    "unknown test": (
        ticket_text(rest="when: {$.a: {⟨E002⟩match: x}}"),
        ("there is no test 'match'", "did you mean matches?"),
    ),
    "condition that is none": (ticket_text(rest="when: ⟨E002⟩$.a"), ("a condition is a map",)),
    "any that is no list": (
        ticket_text(rest="when: {any: ⟨E002⟩{$.a: 1}}"),
        ("any: takes a list",),
    ),
    "list of maps in a condition": (
        ticket_text(rest="when: {$.a: ⟨E002⟩[{b: 1}]}"),
        ("any of them may match",),
    ),
    "coalesce without list": (ticket_text(title="{coalesce: ⟨E002⟩$.a}"), ("takes a list",)),
    "match without pattern": (ticket_text(title="⟨E002⟩{match: $.a}"), ("needs a pattern",)),
    "table that is no map": (HEAD + "tables: {t: ⟨E002⟩[a]}\n", ("a table is a map",)),
    "table row that is no scalar": (HEAD + "tables: {t: {a: ⟨E002⟩[b]}}\n", ("table row 'a'",)),
    "platform that is no slug": (
        HEAD.replace("platform: acme", "platform: ⟨E002⟩Acme Inc"),
        ("platform: is a slug",),
    ),
    "version as a number": (HEAD.replace('"1.0.0"', "⟨E002⟩1.0"), ("version: is text",)),
    "answer_within without unit": (HEAD + "answer_within: ⟨E002⟩'8'\n", ("e.g. 8s",)),
    "answer_within too long": (HEAD + "answer_within: ⟨E002⟩2m\n", ("up to 60s",)),
    "ignore without reason": (HEAD + "ignore: [⟨E002⟩{when: {$.a: 1}}]\n", ("reason: is missing",)),
    "rule without id": (
        HEAD + "rules: [⟨E002⟩{rules: []}]\n",
        ("id: is missing",),
    ),
    "urn that is no list": (ticket_text(urn="⟨E002⟩$.id"), ("urn: is a list",)),
    "native that is no map": (ticket_text(native="⟨E002⟩$.id"), ("native: is a map",)),
    "same that is no list": (ticket_text(same="⟨E002⟩number"), ("same: takes a list",)),
    "setup that is no list of texts": (
        HEAD + 'setup: [Open Settings, ⟨E002⟩7, ⟨E002⟩" ", ⟨E002⟩{step: Save}]\n',
        ("setup: is a list of steps",),
    ),
    # E003: another format
    "wrong version of the format": (
        HEAD.replace("onehook: mapping/v1", "⟨E003⟩onehook: mapping/v2"),
        ("this release reads mapping/v1",),
    ),
    "no version of the format": (
        "⟨E003⟩" + HEAD.replace("onehook: mapping/v1\n", ""),
        ("this release reads mapping/v1",),
    ),
    # E101: a bare string that is no path
    "bare string": (
        ticket_text(title="⟨E101⟩pull_request.title"),
        (
            "'pull_request.title' is not a path",
            "did you mean $.pull_request.title, or {const: pull_request.title}?",
        ),
    ),
    "bare string in a condition": (
        ticket_text(rest="when: {⟨E101⟩action: opened}"),
        ("did you mean $.action, or header.action?",),
    ),
    "bare string in each": (ticket_text(labels="{each: ⟨E101⟩labels}"), ("$.labels",)),
    "number for a path": (
        ticket_text(assignee="{use: a, with: ⟨E101⟩5}", top="shapes: {a: {type: {const: user}}}\n"),
        ("expected a path",),
    ),
    # E102: a path outside the subset
    "two dots": (
        ticket_text(title="⟨E102⟩$..title"),
        ("'..' is not allowed", "column 2 of $..title"),
    ),
    "function": (
        ticket_text(title="⟨E102⟩$.a.length()"),
        ("functions are not allowed", "column 11"),
    ),
    "operator": (ticket_text(title="⟨E102⟩$.a + $.b"), ("expected '.' or '['", "column 4")),
    "bad step in a condition": (
        ticket_text(rest='when: {⟨E102⟩"$.a[": x}'),
        ("expected an index", "column 5"),
    ),
    # E103 templates
    "statement": (
        ticket_text(title='{template: ⟨E103⟩"{% for a in body %}{% endfor %}"}'),
        ("a statement or comment ({%)", "lower, upper"),
    ),
    "call": (ticket_text(title='{template: ⟨E103⟩"{{ body.a() }}"}'), ("a call is not allowed",)),
    "unknown filter": (
        ticket_text(title='{template: ⟨E103⟩"{{ body.a | uper }}"}'),
        ("no filter 'uper'", "upper"),
    ),
    "unknown variable": (
        ticket_text(title='{template: ⟨E103⟩"{{ bod.a }}"}'),
        ("'bod' is no variable", "body, headers, item, settings"),
    ),
    "template that is no text": (ticket_text(title="{template: ⟨E103⟩[a]}"), ("is text",)),
    # E104 names that stand for nothing
    "unknown table": (
        ticket_text(
            "tables: {phase: {a: todo}}\n", status_category="{lookup: $.a, table: ⟨E104⟩phas}"
        ),
        ("there is no table 'phas'", "phase"),
    ),
    "unknown shape": (
        ticket_text("shapes: {person: {type: {const: user}}}\n", assignee="{use: ⟨E104⟩persn}"),
        ("there is no shape 'persn'", "did you mean person?"),
    ),
    "shape inside itself": (
        HEAD
        + "shapes:\n  t:\n    repository: {use: ⟨E104⟩t, with: $.t}\n"
        + "    urn: [$.id]\n    state: $.s\n    same: [id, key, number, title]\n"
        + "rules:\n  - {id: r, emit: scm.pull_request.created, data: {use: t}}\n",
        ("the shape uses itself: t -> t",),
    ),
    "unknown setting": (
        ticket_text("settings: {site: {required: true}}\n", title="{setting: ⟨E104⟩sit}"),
        ("there is no setting 'sit'", "did you mean site?"),
    ),
    "unknown setting in a condition": (
        ticket_text("settings: {site: {required: true}}\n", rest="when: {⟨E104⟩setting.sit: x}"),
        ("did you mean site?",),
    ),
    "extends nothing": (
        HEAD + "extends: ⟨E104⟩nobody\n",
        ("there is no mapping 'nobody' to extend",),
    ),
    # E105 types and fields
    "unknown type": (
        HEAD + rule("⟨E105⟩ticketing.ticket.create", TICKET),
        ("'ticketing.ticket.create' is no event type", "did you mean ticketing.ticket.created?"),
    ),
    "no type": (
        HEAD + "rules:\n  - ⟨E105⟩{id: r, data: {}}\n",
        ("names the event type",),
    ),
    "no data": (
        HEAD + "rules:\n  - ⟨E105⟩{id: r, emit: scm.tag.created}\n",
        ("must give a Tag",),
    ),
    "unknown field": (
        ticket_text(**{"⟨E105⟩titel": "$.a"}),
        ("Ticket has no field 'titel'", "did you mean title?"),
    ),
    "field of another model": (
        ticket_text(**{"⟨E105⟩merged_by": "null"}),
        ("Ticket has no field",),
    ),
    "required field never set": (
        HEAD
        + "rules:\n  - id: r\n    emit: scm.tag.created\n    data:\n      ⟨E105⟩urn: [$.a]\n"
        + "      name: $.a\n",
        ("Tag needs repository, never set here",),
    ),
    "custom in an inner object": (
        ticket_text(assignee="{type: {const: user}, ⟨E105⟩custom: {a: $.a}}"),
        ("Actor has no field 'custom'",),
    ),
    "reference without key": (
        ticket_text(rest="references: [⟨E105⟩{type: ticket}]"),
        ("key: is missing",),
    ),
    "urn of a Ref without entity": (
        ticket_text(parent="{urn: ⟨E105⟩[$.a], key: $.a}"),
        ("{entity: ticket, path: [$.key]}",),
    ),
    # E106: values that do not fit
    "const outside the enum": (
        ticket_text(status_category="{const: ⟨E106⟩doing}"),
        ("'doing' is no value of status_category", "allowed: done, in_progress, todo, unknown"),
    ),
    "table row outside the enum": (
        ticket_text(
            "tables: {p: {High: high, Medium: ⟨E106⟩middle}}\n", priority="{lookup: $.a, table: p}"
        ),
        ("table row 'Medium': 'middle' is no value of priority",),
    ),
    "default outside the enum": (
        ticket_text(
            "tables: {p: {High: high}}\n", priority="{lookup: $.a, table: p, default: ⟨E106⟩none}"
        ),
        ("'none' is no value of priority",),
    ),
    "text for a number": (
        ticket_text(number="{const: ⟨E106⟩five}"),
        ("'five' is no integer for number",),
    ),
    "truth value for text": (ticket_text(title="⟨E106⟩true"), ("True is no text for title",)),
    "path for an object": (
        ticket_text(assignee="⟨E106⟩$.user"),
        ("expected an object of Actor", "{use: shape, with: path}"),
    ),
    "path for a list of objects": (
        ticket_text(assignees="⟨E106⟩$.users"),
        ("{each: path, use: shape}",),
    ),
    "object for text": (
        ticket_text("shapes: {a: {id: $.id}}\n", title="⟨E106⟩{use: a}"),
        ("title is no object",),
    ),
    "word outside a reference's enum": (
        ticket_text(rest="references: [{⟨E106⟩type: issue, key: $.k}]"),
        ("'issue' is no type of a reference", "ticket"),
    ),
    "exists that is no truth value": (
        ticket_text(rest="when: {$.a: {exists: ⟨E106⟩yes}}"),
        ("exists: is true or false",),
    ),
    "comparison with null": (
        ticket_text(rest="when: {$.a: {gt: ⟨E106⟩null}}"),
        ("number or text",),
    ),
    # E107: times, foreach, patterns, changes
    "format without offset": (
        ticket_text(created_at='⟨E107⟩{date: $.a, format: "%d.%m.%Y %H:%M"}'),
        ("no offset and there is no tz", "add tz: UTC"),
    ),
    "one of several formats without offset": (
        ticket_text(created_at='⟨E107⟩{date: $.a, format: [iso8601, "%d.%m.%Y %H:%M"]}'),
        ("add tz: UTC",),
    ),
    "unknown zone": (
        ticket_text(created_at="{date: $.a, tz: ⟨E107⟩Europe/Atlantis}"),
        ("no time zone 'Europe/Atlantis'",),
    ),
    "unknown format": (
        ticket_text(created_at="{date: $.a, format: ⟨E107⟩rfc822}"),
        ("'rfc822' is no date format", "iso8601, epoch_s, epoch_ms"),
    ),
    "foreach without key": (
        ticket_text(rest='foreach: ⟨E107⟩{in: "$.a[*]"}'),
        ("foreach: needs a key", "key: $.id"),
    ),
    "foreach with too large a max": (
        ticket_text(rest='foreach: {in: "$.a[*]", key: $.id, max: ⟨E107⟩1001}'),
        (f"from 1 to {MAX_ITEMS}",),
    ),
    "foreach inside another": (
        HEAD
        + 'rules:\n  - id: g\n    foreach: {in: "$.a[*]", key: $.id}\n    rules:\n'
        + '      - {id: r, foreach: {in: ⟨E107⟩"$.b[*]", key: $.id}, emit: scm.tag.created,\n'
        + "         data: ⟨E105⟩null}\n",
        ("inside another",),
    ),
    "pattern RE2 refuses": (
        ticket_text(title="{match: $.a, pattern: ⟨E107⟩'(?=x)'}"),
        ("the pattern is refused", "no look-around"),
    ),
    "pattern RE2 refuses in a condition": (
        ticket_text(rest="when: {$.a: {matches: ⟨E107⟩'(a'}}"),
        ("the pattern is refused",),
    ),
    "changes of an unknown field": (
        ticket_text(rest="changes: [{field: ⟨E107⟩titel, to: $.a}]"),
        ("Ticket has no field 'titel'", "did you mean title?", "native.<vendor field>"),
    ),
    "changes without field": (
        ticket_text(rest="changes: [⟨E107⟩{to: $.a}]"),
        ("field: is missing",),
    ),
    # E108 proofs and handshakes
    "no verify": ("⟨E108⟩" + SIGNED, ("verify: is missing", "or verify: none")),
    "verify that is a word": (signed("verify: ⟨E108⟩hmac"), ("a map with a scheme, or none",)),
    "unknown scheme": (
        signed("verify: {scheme: ⟨E108⟩hmax, header: X, secret: {setting: secret}}"),
        ("there is no scheme 'hmax'", "did you mean hmac?"),
    ),
    "no secret": (signed("verify: ⟨E108⟩{scheme: hmac, header: X}"), ("secret: is missing",)),
    "no header": (
        signed("verify: ⟨E108⟩{scheme: hmac, secret: {setting: secret}}"),
        ("header: is missing",),
    ),
    "secret in the file": (
        signed("verify: ⟨E108⟩{scheme: hmac, header: X, secret: ⟨E108⟩hunter22}"),
        ("secret: is a map", "{setting: secret}"),
    ),
    "unknown encoding": (
        signed(HMAC + ", encoding: ⟨E108⟩base32}"),
        ("'base32' is not known", "base64"),
    ),
    "unknown algorithm": (signed(HMAC + ", algorithm: ⟨E108⟩md5}"), ("'md5' is no algorithm",)),
    "unknown format of a signature": (
        signed(HMAC + ", format: ⟨E108⟩{⟨E002⟩lists: {}}}"),
        ("{list: …}",),
    ),
    "unknown part of the content": (
        signed(HMAC + ", content: [body, ⟨E108⟩{heading: X}]}"),
        ("unknown part of the signed content", "body, timestamp"),
    ),
    "tolerance without timestamp": (
        signed(HMAC + ", ⟨E002⟩tolerance: ⟨E108⟩5m}"),
        ("a tolerance needs a timestamp",),
    ),
    "tolerance without unit": (
        signed(HMAC + ", timestamp: {header: T, tolerance: ⟨E108⟩'300'}}"),
        ("up to 7d, such as 5m",),
    ),
    "content with a time there is none of": (
        signed(
            "verify: ⟨E108⟩{scheme: hmac, header: X, content: [timestamp],"
            " secret: {setting: secret}}"
        ),
        (),
    ),
    "shared token from nowhere": (
        signed("verify: ⟨E108⟩{scheme: shared_token, secret: {setting: secret}}"),
        ("where is the token?", "header:, query:, body_path:"),
    ),
    "bad path of a proof": (
        signed("verify: {scheme: shared_token, body_path: ⟨E108⟩token, secret: {setting: secret}}"),
        ("$.token",),
    ),
    "handshake without answer": (
        shaken("⟨E108⟩{match: {query: challenge}, verify: false}"),
        ("needs match: and answer:",),
    ),
    "handshake that does not say verify": (
        shaken("⟨E108⟩{match: {query: q}, answer: {body: '{{ value }}'}}"),
        ("verify: is missing",),
    ),
    "handshake with a status of its own": (
        shaken("{match: {query: q}, verify: false, answer: {status: ⟨E108⟩302}}"),
        ("from 200 to 299",),
    ),
    "handshake answered in HTML": (
        shaken("{match: {query: q}, verify: false, answer: {content_type: ⟨E108⟩text/html}}"),
        ("'text/html' is no content_type", "text/plain"),
    ),
    "handshake with a bad template": (
        shaken("{match: {query: q}, verify: false, answer: {⟨E103⟩body: '{{ headers.x }}'}}"),
        ("'headers' is no variable here",),
    ),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_a_broken_file_is_refused_at_the_place_of_each_problem(
    text: str, says: tuple[str, ...]
) -> None:
    """Each code stands at exactly the line and column of what is wrong, and says what to do."""
    clean, expected = marked(text)
    found = problems(clean)
    assert sorted(places(found)) == sorted(expected)
    shown = "\n".join(str(problem) for problem in found)
    assert [word for word in says if word not in shown] == []


def test_every_problem_of_a_file_is_said_at_once_in_the_order_of_the_file() -> None:
    """One run shows all that has to be mended, from the top down."""
    text, expected = marked(
        ticket_text(
            """
            ⟨E002⟩tabels: {}
            settings: {site: {required: true}}
            tables: {p: {High: ⟨E106⟩hihg}}
            """.strip("\n"),
            title="⟨E101⟩a.b",
            description="⟨E102⟩$..a",
            url='{template: ⟨E103⟩"{{ x() }}"}',
            priority="{lookup: $.a, table: p}",
            number="{setting: ⟨E104⟩sight}",
            **{"⟨E105⟩label": "$.a"},
            created_at="⟨E107⟩{date: $.a, format: '%H'}",
        )
    )
    found = problems(text)
    assert sorted(places(found)) == sorted(expected)
    assert [p.place.line for p in found] == sorted(p.place.line for p in found)


def test_an_error_of_yaml_is_said_alone() -> None:
    """A file that is no YAML has no other problems to speak of, and nothing is half-read."""
    assert [p.code for p in problems(HEAD + "rulez: [\n")] == ["E001"]


def test_a_problem_shows_file_line_and_column_the_line_a_caret_and_a_hint() -> None:
    """What is printed can be read without opening the file."""
    with pytest.raises(MappingError) as caught:
        compiled("onehook: mapping/v1\nplatfrom: acme\n", name="mappings/acme.yaml")
    assert str(caught.value).splitlines()[-4:] == [
        "mappings/acme.yaml:2:1: E002 unknown key 'platfrom'",
        "    platfrom: acme",
        "    ^",
        "    hint: did you mean platform?",
    ]
    assert (caught.value.code, caught.value.exit_code) == ("mapping_invalid", 78)


@pytest.mark.parametrize("emit", EVENT_TYPES)
def test_every_event_type_can_be_emitted(emit: str) -> None:
    """No type asks for a field that a mapping cannot set: data of nothing names what is missing."""
    found = problems(HEAD + rule(emit, {"urn": "[$.id]"}))
    assert {p.code for p in found} == {"E105"}
    assert "never set here" in found[0].message


# -- what compiles ---------------------------------------------------------------------------------


def test_what_a_mapping_does_not_say_has_a_default() -> None:
    """Eight seconds to answer, the body's digest as dedupe key, case kept."""
    mapping = compiled(HEAD)
    assert (mapping.platform, mapping.version) == ("acme", "1.0.0")
    assert mapping.answer_within.total_seconds() == 8
    assert (mapping.dedupe.key, mapping.dedupe.repeatable) == ((), ())
    assert (list(mapping.leaves()), mapping.ignores, mapping.tests) == ([], (), ())
    assert (mapping.fold, mapping.reply.accepted, mapping.reply.error_field) == ("keep", 202, None)


def test_settings_are_declared_with_all_that_an_integration_is_asked_for() -> None:
    """Secret, required, default, help and choices come through."""
    spec = compiled(
        HEAD + "settings: {proof: {default: hmac, help: How it signs, choices: [hmac, bearer]}}\n"
    ).settings["proof"]
    assert (spec.secret, spec.required, spec.default) == (False, False, "hmac")
    assert (spec.help, spec.choices) == ("How it signs", ("hmac", "bearer"))


def test_without_a_settings_section_every_setting_in_use_is_one() -> None:
    """The main secret is required, the others are not."""
    mapping = compiled(
        f"{SIGNED}{HMAC}}}\nhost: {{setting: site}}\n"
        "ignore: [{when: {setting.mode: x}, reason: m}]\n"
    )
    shown = {name: (spec.secret, spec.required) for name, spec in mapping.settings.items()}
    assert shown == {
        "secret": (True, True),
        "site": (False, False),
        "mode": (False, False),
    }


# What a file is warned of when it is loaded -> the file, marked.
WARNED = {
    "shape that nothing uses": HEAD + "shapes:\n  ⟨W205⟩spare: {id: $.id}\n",
    "table that nothing uses": HEAD + "tables: {⟨W205⟩spare: {a: high}}\n",
    "default that guesses": ticket_text(
        "tables: {p: {a: high}}\n", priority="{lookup: $.a, table: p, default: ⟨W204⟩low}"
    ),
    "default that guesses, as a constant": ticket_text(
        "tables: {p: {a: high}}\n", priority="{lookup: $.a, table: p, default: {const: ⟨W204⟩low}}"
    ),
    "rule that its group rules out": ticket_text()
    + """\
  - id: g
    when: {header.x-event: made}
    rules:
      - {id: x, when: {⟨W207⟩header.x-event: gone}, rules: []}
      - {id: y, when: {header.x-event: [gone, made]}, rules: []}
""",
    "truth value both ways": ticket_text()
    + """\
  - id: g
    when: {$.merged: true}
    rules: [{id: x, when: {⟨W207⟩$.merged: false}, rules: []}]
""",
    "there and not there": ticket_text()
    + """\
  - id: g
    when: {$.a: {exists: true}}
    rules: [{id: x, when: {⟨W207⟩$.a: null}, rules: []}, {id: y, when: {$.a: 1}, rules: []}]
""",
    "not, and yet": ticket_text()
    + """\
  - id: g
    when: {not: {$.a: [x, y]}}
    rules: [{id: x, when: {⟨W207⟩$.a: x}, rules: []}, {id: y, when: {$.a: [x, z]}, rules: []}]
""",
    "not below": ticket_text()
    + """\
  - id: g
    when: {$.a: x}
    rules: [{id: x, when: {⟨W207⟩not: {$.a: x}}, rules: []}]
""",
    "test that excludes itself": ticket_text()
    + "  - {id: g, when: {setting.a: x, ⟨W207⟩not: {setting.a: [x, y]}}, rules: []}\n",
    "the body below a foreach": ticket_text()
    + """\
  - id: g
    when: {$.a: 1, $.b: 1}
    foreach: {in: "$.items[*]", key: $.id}
    rules:
      - {id: x, when: {⟨W207⟩$$.a: 2}, rules: []}
      - {id: y, when: {$.a: 2}, rules: []}
""",
    "ignore behind one that takes everything": HEAD
    + "ignore: [{when: {$.a: 1}, reason: x}, {reason: y}, ⟨W207⟩{when: {$.b: 1}, reason: z}]\n",
}


@pytest.mark.parametrize("text", WARNED.values(), ids=WARNED)
def test_a_doubtful_file_is_warned_of_at_the_place_of_each_doubt(text: str) -> None:
    """It works all the same; each warning has its line and column."""
    clean, expected = marked(text)
    warnings = list(compiled(clean).warnings)
    assert sorted(places(warnings)) == sorted(expected)
    assert all(w.is_warning and w.message for w in warnings)


def test_a_list_may_hold_both_words_that_a_path_must_be() -> None:
    """A path may lead to a list, and a word is equal to a list that holds it."""
    mapping = compiled(
        ticket_text()
        + """\
  - id: g
    when: {$.fields: state}
    rules: [{id: x, when: {$.fields: assignee}, rules: []}]
"""
    )
    assert mapping.warnings == ()


def test_what_a_file_leaves_unused_of_its_parent_is_no_fault_of_its_own() -> None:
    """W205 is about this file; a parent's shape may serve other children."""
    parent = ticket_text("shapes: {spare: {id: $.id}}\ntables: {t: {a: high}}\n")
    child = "onehook: mapping/v1\nextends: base\nplatform: acme\ntables: {u: {a: high}}\n"
    assert [w.message for w in compiled(child, base=parent).warnings] == [
        "nothing uses the table 'u'"
    ]


def test_leaves_are_all_rules_that_emit_in_order() -> None:
    """Groups are walked through."""
    mapping = compiled(
        HEAD
        + """
rules:
  - id: g
    data: {urn: [$.a], name: $.a, repository: {urn: [$.a], id: $.a, name: $.a, full_name: $.a}}
    rules:
      - {id: made, emit: scm.branch.created}
      - {id: h, rules: [{id: gone, emit: scm.branch.deleted}]}
  - {id: tag, emit: scm.tag.created, data: {urn: [$.a], name: $.a, repository: {use: repo}}}
shapes: {repo: {urn: [$.a], id: $.a, name: $.a, full_name: $.a}}
"""
    )
    assert [leaf.id for leaf in mapping.leaves()] == ["made", "gone", "tag"]


# -- groups inherit --------------------------------------------------------------------------------

GROUP = (
    HEAD
    + """
shapes: {t: {urn: [$.id], id: $.id, key: $.id, title: $.t, status_category: {const: todo}}}
rules:
  - id: g
    when: {$.kind: ticket}
    at: $.time
    actor: {type: {const: user}, name: $.by}
    data: {use: t, with: $.it, set: {url: $$.url, labels: [{const: group}]}}
    rules:
      - {id: made, when: {$.action: made}, emit: ticketing.ticket.created}
      - id: gone
        when: {$.action: gone}
        emit: ticketing.ticket.deleted
        actor: {type: {const: bot}, name: $.by}
        data: {set: {labels: [{const: child}]}}
"""
)


def grouped(**body: str) -> dict[str, object]:
    """The envelope that the group makes of *body*."""
    it = {"id": "1", "t": "T"}
    fixed = {"it": it, "url": "https://a.example/1", "time": "2026-01-01T00:00:00Z", "by": "Ada"}
    return dict(events(compiled(GROUP), {**fixed, **body})[0].envelope)


def test_a_child_inherits_from_its_group() -> None:
    """``at``, ``actor`` and ``data`` are the group's where the child is silent."""
    event = grouped(kind="ticket", action="made")
    assert event["type"] == "ticketing.ticket.created"
    assert event["timestamp"] == "2026-01-01T00:00:00.000Z"
    data = event["data"]
    assert isinstance(data, dict)
    assert (data["title"], data["url"], data["labels"]) == ("T", "https://a.example/1", ["group"])
    assert data["actor"]["type"] == "user"


def test_a_child_s_data_goes_over_its_group_s_field_by_field() -> None:
    """``set`` too: what the child does not name stays; its actor replaces."""
    data = grouped(kind="ticket", action="gone")["data"]
    assert isinstance(data, dict)
    assert (data["title"], data["url"], data["labels"]) == ("T", "https://a.example/1", ["child"])
    assert data["actor"]["type"] == "bot"


def test_conditions_of_a_group_and_its_child_are_anded() -> None:
    """A child that would match is not asked if its group does not."""
    outcome = run(compiled(GROUP), {"kind": "other", "action": "made"})
    assert type(outcome).__name__ == "Quarantined"


# -- extends and disable ---------------------------------------------------------------------------

PARENT = (
    HEAD
    + """
settings: {site: {required: true, help: The site}}
tables: {phase: {Open: todo, Shut: done}}
shapes:
  t:
    {urn: [$.id], id: $.id, key: $.id, title: $.t, status_category: {lookup: $.p, table: phase}}
answer_within: 4s
rules:
  - {id: made, when: {$.a: made}, emit: ticketing.ticket.created, data: {use: t}}
  - id: g
    when: {$.a: [gone, back]}
    data: {use: t}
    rules:
      - {id: gone, when: {$.a: gone}, emit: ticketing.ticket.deleted}
      - {id: back, when: {$.a: back}, emit: ticketing.ticket.reopened}
ignore: [{when: {$.a: ping}, reason: ping}]
tests: [{name: p, body: {a: ping}, expect: ignored}]
"""
)
CHILD = """\
onehook: mapping/v1
platform: acme
version: "2.0.0"
extends: parent
"""


def test_extends_merges_maps_by_key() -> None:
    """A table gets a row, a shape a field, and what is not named stays the parent's."""
    mapping = compiled(
        CHILD + "tables: {phase: {Waiting: in_progress}}\nshapes: {t: {url: $.u}}\n", parent=PARENT
    )
    body = {"a": "made", "id": "1", "t": "T", "p": "Waiting", "u": "https://a.example"}
    data = events(mapping, body)[0].data
    assert (data["status_category"], data["url"]) == ("in_progress", "https://a.example")
    shut = events(mapping, {**body, "p": "Shut"})[0].data
    assert shut["status_category"] == "done"
    assert (mapping.version, mapping.answer_within.total_seconds()) == ("2.0.0", 4)


def test_extends_merges_rules_by_id_and_appends_new_ones() -> None:
    """A rule of the same id is changed where it stands; another comes after the parent's."""
    mapping = compiled(
        CHILD
        + """
rules:
  - {id: made, when: {$.a: born}}
  - {id: new, when: {$.a: new}, emit: ticketing.ticket.updated, data: {use: t}}
""",
        parent=PARENT,
    )
    assert [leaf.id for leaf in mapping.leaves()] == ["made", "gone", "back", "new"]
    born = events(mapping, {"a": "born", "id": "1", "t": "T"})
    assert [e.type for e in born] == ["ticketing.ticket.created"]
    assert type(run(mapping, {"a": "made"})).__name__ == "Quarantined"


def test_extends_replaces_lists() -> None:
    """``ignore`` is a list: the child's stands alone."""
    mapping = compiled(CHILD + "ignore: [{when: {$.a: pong}, reason: pong}]\n", parent=PARENT)
    assert [reason for _, reason in mapping.ignores] == ["pong"]


def test_setup_of_a_parent_holds_unless_the_child_has_its_own() -> None:
    """The vendor is the same; steps are a list, and replace."""
    parent = PARENT + "setup: [Settings, Save]\n"
    assert compiled(CHILD, parent=parent).setup == ("Settings", "Save")
    assert compiled(CHILD + "setup: [Ask Ada]\n", parent=parent).setup == ("Ask Ada",)


def test_the_document_is_the_file_laid_over_its_parent() -> None:
    """What pages are made from: the rules of both."""
    rules = plain(compiled(CHILD, parent=PARENT).document.items["rules"])
    assert isinstance(rules, list)
    assert [rule["id"] for rule in rules if isinstance(rule, dict)] == ["made", "g"]


def test_tests_of_a_parent_hold_for_the_parent() -> None:
    """They do not run for what is laid over it."""
    assert compiled(CHILD, parent=PARENT).tests == ()


def test_disable_removes_a_rule_also_from_inside_a_group() -> None:
    """The others of the group stay."""
    mapping = compiled(CHILD + "disable: [made, gone]\n", parent=PARENT)
    assert [leaf.id for leaf in mapping.leaves()] == ["back"]


def test_disable_of_an_unknown_rule_is_refused_with_the_nearest() -> None:
    """E104 names the rule and the one that was meant."""
    found = problems(CHILD + "disable: [mad]\n", parent=PARENT)
    assert places(found) == [("E104", "5:11")]
    assert (found[0].message, found[0].hint) == ("there is no rule 'mad'", "did you mean made?")


def test_extends_goes_one_level_only() -> None:
    """A parent that extends another is refused, and so is a file that extends itself."""
    found = problems(CHILD, parent=CHILD.replace("parent", "other"), other=PARENT)
    assert ("E104", "4:10") in places(found)
    assert any("one level only" in p.message for p in found)


def test_a_problem_in_a_parent_is_shown_in_the_parent() -> None:
    """The operator sees which of the two files is wrong."""
    found = problems(CHILD, parent=PARENT.replace("title: $.t", "titel: $.t"))
    assert {p.place.source.name for p in found} == {"parent.yaml"}


# -- siblings are looked up, not asked in turn -----------------------------------------------------

TESTS_OF_A = st.sampled_from(
    ["x", "y", "z", "[x, y]", "[y, z]", "null", "[x, null]", "1", "true", "{exists: true}",
     "{not: x}", "{matches: '[xy]'}"]
)  # fmt: skip
CONDITIONS = st.one_of(
    st.just("{}"),
    TESTS_OF_A.map(lambda test: f"{{$.a: {test}}}"),
    st.tuples(TESTS_OF_A, TESTS_OF_A).map(lambda two: f"{{$.a: {two[0]}, $.b: {two[1]}}}"),
    TESTS_OF_A.map(lambda test: f"{{not: {{$.a: {test}}}}}"),
    TESTS_OF_A.map(lambda test: f"{{any: [{{$.a: {test}}}, {{$.b: x}}]}}"),
    TESTS_OF_A.map(lambda test: f"{{header.x-a: {test}}}"),
)
VALUES = st.sampled_from(["x", "y", "z", "q", None, 1, True, ["x"], ["y", "z"], {}])


def matching(conditions: list[str], body: JsonValue, headers: dict[str, str]) -> list[object]:
    """The numbers of the rules that *body* matches, in the order of their events."""
    lines = [
        f"  - {{id: r{n}, when: {condition}, emit: ticketing.ticket.created,"
        f" data: {{use: t, set: {{number: {n}}}}}}}\n"
        for n, condition in enumerate(conditions)
    ]
    shape = "shapes: {t: {urn: [$.i], id: $.i, key: $.i, title: $.i, status_category: null}}\n"
    outcome = run(compiled(f"{HEAD}{shape}rules:\n{''.join(lines)}"), body, headers)
    found = outcome.events if isinstance(outcome, Emitted) else ()
    return [event.data["number"] for event in found]


@settings(max_examples=200)
@given(st.lists(CONDITIONS, min_size=5, max_size=8), VALUES, VALUES, st.sampled_from("xyq"))
def test_many_rules_match_as_each_would_alone(
    conditions: list[str], a: JsonValue, b: JsonValue, header: str
) -> None:
    """An index over siblings must not change which match, nor their order."""
    body: JsonValue = {"i": "1", "a": a, "b": b}
    headers = {"x-a": header}
    alone = [n for n, one in enumerate(conditions) if matching([one], body, headers)]
    assert matching(conditions, body, headers) == alone


# -- properties -----------------------------------------------------------------------------------

SECTIONS = st.sampled_from(
    ["settings", "tables", "shapes", "rules", "ignore", "dedupe", "host", "verify", "handshake",
     "tests", "setup", "event_name", "answer_within", "urn_case", "extends", "disable", "onehook"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["id", "when", "emit", "data", "foreach", "in", "key", "use", "with", "each", "if", "then",
     "const", "lookup", "table", "date", "format", "scheme", "header", "secret", "setting", "$.a",
     "template", "native", "custom", "urn", "coalesce", "split", "sum", "match", "pattern", "any",
     "not", "changes", "field", "references", "rules", "same", "entity", "path", "content"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2000), WORDS,
    st.sampled_from(["$.a", "$..", "{{ body.a }}", "{{ x() }}", "hmac", "scm.tag.created", "todo"]),
)  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4)
)


@settings(max_examples=300)
@given(st.dictionaries(SECTIONS, TREES, max_size=5))
def test_any_tree_of_our_own_words_compiles_or_is_refused(tree: dict[str, object]) -> None:
    """No misplaced section, list or word makes the compiler raise anything but a MappingError."""
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in tree.items() if key != "onehook"]
    for problem in problems(HEAD.replace("verify: none\n", "") + "".join(lines)):
        assert problem.code in KNOWN_CODES


KNOWN_CODES = {"E001", "E002", "E003", *(f"E10{n}" for n in range(1, 9))}


def test_a_proof_of_no_alternatives_is_refused() -> None:
    """``any_of: []`` must not pass for ``verify: none``: it would take everything unsigned."""
    assert [p.code for p in problems(signed("verify: {any_of: []}"))] == ["E108"]


@pytest.mark.parametrize(
    "line", ["extends: parent\ndisable: made", "disable: [made]", "disable: made"]
)
def test_disable_that_disables_nothing_is_refused(line: str) -> None:
    """A word that is no list, or nothing extended: silence would leave the rule at work."""
    assert problems(HEAD + f"{line}\n", parent=PARENT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "[$.a]"),
        ("title", '{each: "$.l[*]"}'),
        ("title", "{split: $.a}"),
        ("number", '{each: "$.l[*]"}'),
        ("created_at", "[$.a]"),
        ("created_at", "{sum: [$.a]}"),
        ("created_at", "{split: $.a}"),
        ("created_at", '{each: "$.l[*]"}'),
        ("due_date", "{sum: [$.a]}"),
    ],
)
def test_a_list_or_number_for_a_field_that_takes_none_is_refused(name: str, value: str) -> None:
    """It could only give events that break their own model."""
    assert "E106" in [p.code for p in problems(ticket_text(**{name: value}))]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("5"),
        pytest.param("true"),
        pytest.param("{const: [bug]}"),
        "{const: 5}",
        "{const: true}",
    ],
)
def test_a_literal_of_the_wrong_type_for_an_enum_is_refused(value: str) -> None:
    """`schema.md` §6, E106: it can be no member."""
    assert [p.code for p in problems(ticket_text(type=value))] == ["E106"]


def test_a_literal_for_a_list_is_refused() -> None:
    """A number is no list of labels, and would be null for ever."""
    assert [p.code for p in problems(ticket_text(labels="5"))] == ["E106"]


def test_a_urn_map_says_its_entity_and_nothing_unknown() -> None:
    """Without entity a Ref would be called ``ref``; a misspelt key would pass unseen."""
    assert problems(ticket_text(parent="{urn: {path: [$.a]}, key: $.a}"))
    assert problems(ticket_text(parent="{urn: {entity: ticket, path: [$.a], pathh: 1}, key: $.a}"))


def test_foreach_without_in_is_refused() -> None:
    """Without ``in`` it would quietly be no foreach at all."""
    assert "E107" in [p.code for p in problems(ticket_text(rest="foreach: {key: $.id}"))]


def test_a_test_that_is_no_map_is_refused() -> None:
    """It would quietly not run."""
    assert "E002" in [p.code for p in problems(HEAD + "tests: [5]\n")]
