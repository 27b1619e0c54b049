"""Webhooks to events: the two mappings of `schema.md` §6, and the rules of its §2."""

import json

import pytest

from onehook.core.identity import digest
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import (
    Emitted,
    Ignored,
    Quarantined,
    is_repeatable,
    make_context,
)
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import run as run_test
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.schema.base import fields_of
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.core.schema.ticketing import Ticket
from tests.core.mapping.building import (
    HEAD,
    NOW,
    TICKET,
    compiled,
    events,
    normalized,
    rule,
    run,
    ticket,
)
from tests.core.mapping.examples import GITHUB, QUARRYDESK, github_body

DELIVERY = {"X-GitHub-Event": "pull_request", "X-GitHub-Delivery": "d-1"}
EACH = 'foreach: {in: "$.l[*]", key: $.id, max: 3}'


def quarantined(mapping: CompiledMapping, body: JsonValue) -> Quarantined:
    """The quarantine that *body* ends in."""
    outcome = run(mapping, body)
    assert isinstance(outcome, Quarantined), outcome
    return outcome


# -- the examples of the page ----------------------------------------------------------------------


@pytest.mark.parametrize("text", [GITHUB, QUARRYDESK], ids=["github", "quarrydesk"])
def test_the_page_s_mappings_produce_the_events_that_the_page_shows(text: str) -> None:
    """Their own tests pass, and every event's data is valid by its model."""
    mapping = compiled(text)
    body = json.dumps(github_body("opened")).encode()
    for sample in samples(mapping, lambda _name: body):
        result = run_test(mapping, sample)
        assert result.problems == (), sample.name
        if isinstance(result.outcome, Emitted):
            for event in result.outcome.events:
                data_model(EVENT_TYPES[event.type]).model_validate(event.data)


@pytest.mark.parametrize(
    ("body", "type_", "changes"),
    [
        (github_body("opened"), "created", []),
        (
            github_body("closed", state="closed", merged=True),
            "merged",
            [{"field": "state", "from": "open", "to": "merged", "from_known": True}],
        ),
        (
            github_body("closed", state="closed"),
            "closed",
            [{"field": "state", "from": "open", "to": "closed", "from_known": True}],
        ),
        (
            github_body("edited", {"changes": {"title": {"from": "Retry"}}}),
            "updated",
            [
                {
                    "field": "title",
                    "from": "Retry",
                    "to": "Retry card payments",
                    "from_known": True,
                }
            ],
        ),
        (github_body("edited", {"changes": {"body": {"from": "x"}}}), "updated", []),
        (
            github_body("synchronize", {"before": "beef", "after": "f00d"}),
            "updated",
            [{"field": "source.sha", "from": "beef", "to": "f00d", "from_known": True}],
        ),
    ],
    ids=["opened", "merged", "closed", "edited", "edited, not the title", "new commits"],
)
def test_each_rule_of_the_page_s_github_mapping(
    body: JsonValue, type_: str, changes: JsonValue
) -> None:
    """One occurrence, one event, the most specific one: a merge is never also closed."""
    (event,) = events(compiled(GITHUB), body, DELIVERY)
    assert (event.type, event.data["changes"]) == (f"scm.pull_request.{type_}", changes)


def test_an_event_of_the_page_s_github_mapping_in_full() -> None:
    """Envelope and data, each declared field there."""
    (event,) = events(compiled(GITHUB), github_body("opened"), DELIVERY)
    assert event.envelope["integration"] == {"id": "int_demo", "type": "github", "name": "acme"}
    assert event.envelope["timestamp_basis"] == "occurred"
    data = event.data
    assert data["key"] == "acme/payments#42"
    assert data["url"] == "https://github.com/acme/payments/pull/42"
    assert data["native"] == {"state": "open", "event": "pull_request.opened"}
    assert data["source"] == {"branch": "retry", "sha": "f00d", "repository": None}
    assert data["merge_commit_sha"] is None
    assert data["milestone"] is None
    assert data["repository"]["urn"] == "oh:github:github.com:repository:acme/payments"


def test_an_operator_s_own_words_on_top_of_a_shipped_mapping() -> None:
    """The page's third example: a table row added, a rule disabled."""
    jira = (
        HEAD.replace("acme", "jira")
        + "tables: {status_category: {Done: done}}\n"
        + rule(
            "ticketing.ticket.created",
            {**TICKET, "status_category": "{lookup: $.s, table: status_category}"},
        )
        + "  - {id: comment-deleted, emit: ticketing.ticket.deleted, data: {use: t}}\n"
        + "shapes: {t: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: null}}\n"
    )
    mine = (
        "{onehook: mapping/v1, extends: jira, platform: jira, "
        "tables: {status_category: {Waiting for customer: in_progress}}, "
        "disable: [comment-deleted]}"
    )
    (event,) = events(compiled(mine, jira=jira), {"id": "1", "s": "Waiting for customer"})
    assert event.data["status_category"] == "in_progress"


# -- outcomes --------------------------------------------------------------------------------------


def test_every_matching_rule_emits() -> None:
    """In the order of the file."""
    mapping = compiled(
        HEAD
        + rule("ticketing.ticket.created", TICKET)
        + "  - {id: s, emit: ticketing.ticket.updated, data: {use: t}}\n"
        + "shapes: {t: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: null}}\n"
    )
    types = [event.type for event in events(mapping, {"id": "1"})]
    assert types == ["ticketing.ticket.created", "ticketing.ticket.updated"]


def test_ignore_is_asked_only_if_no_rule_emitted_and_its_first_reason_counts() -> None:
    """A webhook that became events is never ignored."""
    mapping = ticket(
        "ignore: [{when: {$.a: 1}, reason: one}, {when: {$.a: {exists: true}}, reason: other}]\n",
        rest="when: {$.emit: true}",
    )
    assert len(events(mapping, {"id": "1", "emit": True, "a": 1})) == 1
    assert run(mapping, {"a": 1}) == Ignored("one")
    assert run(mapping, {"a": 2}) == Ignored("other")


def test_neither_ruled_nor_ignored_is_quarantined_with_the_event_s_name() -> None:
    """``no_rule`` says which event nobody wrote a rule for."""
    found = quarantined(ticket("event_name: $.what\n", rest="when: {$.a: 1}"), {"what": "moved"})
    assert found.reason == "no_rule"
    assert found.detail == "no rule of acme 1.0.0 takes the event 'moved', and none ignores it"


@pytest.mark.parametrize(
    ("fields", "body", "pointer"),
    [
        ({"title": "$.t"}, {"id": "1"}, "/data/title"),
        ({"title": "$.t"}, {"id": "1", "t": []}, "/data/title"),
        ({"urn": "[$.id, $.n]"}, {"id": "1"}, "/data/urn"),
        ({}, {}, "/data/id"),
    ],
)
def test_a_null_in_a_required_field_quarantines_with_its_pointer(
    fields: dict[str, str], body: JsonValue, pointer: str
) -> None:
    """``schema_violation``, and the place in the event where something is missing."""
    if not fields:
        fields = {"urn": "[{const: x}]"}
    found = quarantined(ticket(**fields), body)
    assert (found.reason, found.pointer) == ("schema_violation", pointer)


def test_the_pointer_leads_into_lists_and_objects() -> None:
    """The second commit's author, not just the push."""
    mapping = compiled(
        HEAD
        + """
rules:
  - id: r
    emit: scm.commit.pushed
    data:
      urn: [$.id]
      ref: $.id
      commits: {each: "$.c[*]", as: {urn: [$.sha], sha: $.sha, message: $.m, title: $.m}}
      commits_count: 1
      repository: {urn: [$.id], id: $.id, name: $.id, full_name: $.id}
"""
    )
    found = quarantined(mapping, {"id": "1", "c": [{"sha": "a", "m": "x"}, {"sha": "b"}]})
    assert found.pointer == "/data/commits/1/message"


def test_one_event_that_lacks_something_quarantines_the_whole_webhook() -> None:
    """Part of a batch would pass for all of it."""
    body: JsonValue = {"l": [{"id": "1", "t": "T"}, {"id": "2"}]}
    assert quarantined(ticket(rest=EACH, title="$.t"), body).pointer == "/data/title"


def test_a_required_enum_is_unknown_and_a_required_list_empty_instead() -> None:
    """These two have a value for nothing."""
    assert (
        events(ticket(status_category="$.s"), {"id": "1"})[0].data["status_category"] == "unknown"
    )
    mapping = compiled(
        HEAD
        + rule(
            "scm.commit.pushed",
            {
                "urn": "[$.id]",
                "ref": "$.id",
                "commits": '{each: "$.c[*]", as: {urn: [$.s], sha: $.s, message: $.s, title: $.s}}',
                "commits_count": "0",
                "repository": "{urn: [$.id], id: $.id, name: $.id, full_name: $.id}",
            },
        )
    )
    assert events(mapping, {"id": "1"})[0].data["commits"] == []


# -- foreach and ids -------------------------------------------------------------------------------


def test_foreach_emits_for_each_item_and_its_when_sees_the_body() -> None:
    """What is below sees the item."""
    mapping = ticket(rest=f"when: {{$.kind: batch}}\n{EACH}", title="$.t", number="$$.n")
    body: JsonValue = {"kind": "batch", "n": 7, "l": [{"id": "1", "t": "A"}, {"id": "2", "t": "B"}]}
    found = events(mapping, body)
    assert [(e.data["id"], e.data["title"], e.data["number"]) for e in found] == [
        ("1", "A", 7),
        ("2", "B", 7),
    ]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"result": {"id": "1"}}, ["1"]),
        ({"result": [{"id": "1"}, {"id": "2"}]}, ["1", "2"]),
        ({"records": [{"id": "3"}], "id": "0"}, ["3"]),
        ({"result": [], "records": [{"id": "3"}]}, []),
        ({"id": "0"}, ["0"]),
    ],
)
def test_foreach_takes_the_first_path_that_leads_somewhere(body: JsonValue, ids: list[str]) -> None:
    """Rows alone, in a list, or not wrapped at all, by the same rules."""
    rest = "foreach: {in: [$.result, $.records, $], key: $.id}\nwhen: {$.a: null}"
    outcome = run(ticket(rest=rest), body)
    found = outcome.events if isinstance(outcome, Emitted) else ()
    assert [event.data["id"] for event in found] == ids


def test_foreach_beyond_its_max_quarantines() -> None:
    """Nothing is cut off in silence; the bound itself is fine."""
    items: list[JsonValue] = [{"id": str(n)} for n in range(4)]
    assert len(events(ticket(rest=EACH), {"l": items[:3]})) == 3
    found = quarantined(ticket(rest=EACH), {"l": items})
    assert (found.reason, found.detail) == (
        "mapping_error",
        "$.l[*] holds 4 items, and foreach takes 3",
    )


def test_an_empty_foreach_emits_nothing() -> None:
    """So that the webhook is ignored or quarantined like any other."""
    assert quarantined(ticket(rest=EACH), {"l": []}).reason == "no_rule"


def test_items_keep_their_ids_whatever_their_order() -> None:
    """The foreach key tells them apart for ever, not their place in the batch."""
    one: JsonValue = {"id": "1"}
    two: JsonValue = {"id": "2"}
    mapping = ticket("dedupe: {key: [$.d]}\n", rest=EACH)
    first = {e.data["id"]: e.id for e in events(mapping, {"d": "x", "l": [one, two]})}
    second = {e.data["id"]: e.id for e in events(mapping, {"d": "x", "l": [two, one]})}
    assert first == second


def test_items_of_one_key_or_none_have_ids_of_their_own() -> None:
    """A second item must not take the first one's id: it would pass for its duplicate."""
    mapping = ticket(rest='foreach: {in: "$.l[*]", key: $.k}')
    items: list[JsonValue] = [
        {"id": "1", "k": "a"}, {"id": "2", "k": "a"}, {"id": "3"}, {"id": "4", "k": None},
        {"id": "5", "k": []}, {"id": "6", "k": 1.5},
    ]  # fmt: skip
    assert len({e.id for e in events(mapping, {"l": items})}) == 6


def test_events_of_one_type_without_foreach_are_numbered() -> None:
    """``"0"``, ``"1"`` …, so that two rules of one type are two events."""
    mapping = compiled(
        HEAD
        + "shapes: {t: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: null}}\n"
        + "rules:\n"
        + "  - {id: a, emit: ticketing.ticket.updated, data: {use: t}}\n"
        + "  - {id: b, emit: ticketing.ticket.updated, data: {use: t}}\n"
    )
    first, second = events(mapping, {"id": "1"})
    assert first.id != second.id


def test_the_same_webhook_gives_the_same_ids_and_another_integration_others() -> None:
    """In any process, with any version of the mapping (rule 6)."""

    def ids(mapping: CompiledMapping, integration: str) -> list[str]:
        outcome = run(mapping, {"id": "1"}, integration_id=integration)
        assert isinstance(outcome, Emitted)
        return [event.id for event in outcome.events]

    assert ids(ticket(), "int_a") == ids(ticket(title="{const: New}"), "int_a")
    assert ids(ticket(), "int_a") != ids(ticket(), "int_b")


# -- dedupe ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "body", "expected"),
    [
        ("dedupe: {key: [{header: X-Id}]}\n", {}, ("d-1",)),
        ("dedupe: {key: [{header: X-Id}, $.n]}\n", {"n": 5}, ("d-1", "5")),
        ("dedupe: {key: [{header: X-Id}, $.n]}\n", {}, None),
        ("dedupe: {key: [$.n]}\n", {"n": ""}, None),
        ("dedupe: {key: [$.n]}\n", {"n": {"a": 1}}, None),
        ("", {}, None),
    ],
)
def test_a_null_part_or_none_is_the_digest_of_the_body(
    text: str, body: JsonValue, expected: tuple[str, ...] | None
) -> None:
    """Half a key would make strangers the same."""
    found = normalized(ticket(text), body, {"x-id": "d-1"}).parts
    assert found == (expected or (digest(encode(body)),))


def test_repeatable_names_webhooks_whose_bytes_may_rightly_come_again() -> None:
    """Any of its conditions."""
    mapping = ticket("dedupe: {repeatable: [{$.a: 1}, {$.b: 2}]}\n")
    info = IntegrationInfo(IntegrationId("int_a"), "acme", "a", {})
    shown = []
    for body in ({"a": 1}, {"b": 2}, {"a": 2}):
        context = make_context(mapping, Webhook(Headers(), b"", NOW), info, dict(body))
        shown.append(is_repeatable(mapping, context))
    assert shown == [True, True, False]


# -- envelope and every data -----------------------------------------------------------------------


def test_the_envelope_has_the_fields_of_the_page_in_its_order() -> None:
    """`schema.md` §1."""
    (event,) = events(ticket(), {"id": "1"})
    assert list(event.envelope) == [
        "id", "type", "schema_version", "timestamp", "timestamp_basis", "received_at",
        "integration", "data",
    ]  # fmt: skip
    assert event.envelope["received_at"] == "2026-11-22T12:00:00.000Z"
    assert event.body == json.dumps(event.envelope, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("at", "timestamp", "basis"),
    [
        ("$.t", "2026-01-01T00:00:00.000Z", "occurred"),
        ("$.gone", "2026-11-22T12:00:00.000Z", "received"),
        ("$.odd", "2026-11-22T12:00:00.000Z", "received"),
        ("null", "2026-11-22T12:00:00.000Z", "received"),
    ],
)
def test_a_source_that_does_not_say_when_gives_the_time_received(
    at: str, timestamp: str, basis: str
) -> None:
    """And the envelope says which of the two it is."""
    body: JsonValue = {"id": "1", "t": "2026-01-01T00:00:00Z", "odd": "yesterday"}
    (event,) = events(ticket(rest=f"at: {at}"), body)
    assert (event.envelope["timestamp"], event.envelope["timestamp_basis"]) == (timestamp, basis)


def test_every_declared_field_is_always_there() -> None:
    """Rule 1: null where the source did not say, and no key beside."""
    (event,) = events(ticket(), {"id": "1"})
    every = {"actor", "changes", "references", "custom", "raw", "truncated"}
    assert set(event.data) == set(fields_of(Ticket)) | every
    assert (event.data["actor"], event.data["changes"], event.data["custom"]) == (None, [], {})


def test_raw_says_where_the_webhook_lies_and_what_it_is() -> None:
    """Size and digest are of the bytes that came."""
    (event,) = events(ticket(), b'{"id": "1"}', {"content-type": "application/json; charset=utf-8"})
    assert event.data["raw"] == {
        "ref": f"/v1/events/{event.id}/native",
        "content_type": "application/json; charset=utf-8",
        "size": 11,
        "sha256": digest(b'{"id": "1"}'),
        "body": None,
    }


@pytest.mark.parametrize(
    ("top", "settings", "urn"),
    [
        ("host: $.site\n", {}, "oh:acme:a.example:ticket:1"),
        (
            "host: {setting: h}\n",
            {"h": "desk.example:8443"},
            "oh:acme:desk.example%3A8443:ticket:1",
        ),
        ("host: $.gone\n", {}, "oh:acme:int_demo:ticket:1"),
        ("", {}, "oh:acme:int_demo:ticket:1"),
    ],
)
def test_the_host_of_a_urn_is_the_mapping_s_else_the_integration_s_id(
    top: str, settings: dict[str, str], urn: str
) -> None:
    """An unknown host must not join two installations."""
    (event,) = events(ticket(top), {"id": "1", "site": "a.example"}, settings=settings)
    assert event.data["urn"] == urn


@pytest.mark.parametrize(
    ("case", "parts_", "path"),
    [
        ("keep", ["Acme/Pay", 42], "Acme/Pay/42"),
        ("lower", ["Acme/Pay", 42], "acme/pay/42"),
        ("upper", ["proj-1"], "PROJ-1"),
        ("keep", ["a b", "c:d", "é", "x%y"], "a%20b/c%3Ad/%C3%A9/x%25y"),
        ("keep", ["a~b!'()*"], "a~b!'()*"),
    ],
)
def test_urn_segments_are_percent_encoded_and_folded(
    case: str, parts_: list[JsonValue], path: str
) -> None:
    """A ``/`` inside a part stays (rule 7)."""
    names = ", ".join(f'"$.p[{n}]"' for n in range(len(parts_)))
    mapping = ticket(f"urn_case: {case}\n", urn=f"[{names}]")
    (event,) = events(mapping, {"id": "1", "p": parts_})
    assert event.data["urn"] == f"oh:acme:int_demo:ticket:{path}"


def test_folding_takes_all_letters() -> None:
    """``Ä`` and ``ä`` are one name where case is ignored."""
    mapping = ticket("urn_case: lower\n")
    urns = {events(mapping, {"id": name})[0].data["urn"] for name in ("Ä", "ä")}
    assert len(urns) == 1


def test_the_entity_of_a_urn_is_the_model_s_or_the_thing_it_is_about() -> None:
    """A push is of a branch or a tag, a membership of a group, a login of a user."""
    repository = "{urn: [$.id], id: $.id, name: $.id, full_name: $.id}"
    push = {"urn": "[$.id]", "ref": "$.id", "commits_count": "0", "commits": "null",
            "repository": repository, "tag": "$.tag"}  # fmt: skip
    user = "{type: {const: user}, name: $.id}"
    cases: list[tuple[str, dict[str, str], JsonValue, str]] = [
        ("scm.commit.pushed", push, {"id": "1"}, "branch"),
        ("scm.commit.pushed", push, {"id": "1", "tag": "v1"}, "tag"),
        (
            "identity.group.membership.changed",
            {"urn": "[$.id]", "action": "{const: added}", "user": user,
             "group": "{urn: [$.id], id: $.id, name: $.id}"},
            {"id": "1"},
            "group",
        ),
        (
            "identity.user.logged_in",
            {"urn": "[$.id]", "user": user, "outcome": "{const: succeeded}"},
            {"id": "1"},
            "user",
        ),
        (
            "security.scan.completed",
            {"urn": "[$.id]", "id": "$.id", "status": "null"},
            {"id": "1"},
            "scan",
        ),
    ]  # fmt: skip
    for emit, fields, body, entity in cases:
        (event,) = events(compiled(HEAD + rule(emit, fields)), body)
        assert event.data["urn"] == f"oh:acme:int_demo:{entity}:1"


def test_a_ref_states_its_entity() -> None:
    """``urn: {entity, path}``."""
    mapping = ticket(parent="{urn: {entity: ticket, path: [$.p]}, key: $.p}")
    (event,) = events(mapping, {"id": "1", "p": "P-1"})
    assert event.data["parent"]["urn"] == "oh:acme:int_demo:ticket:P-1"


def test_native_event_is_the_vendor_s_own_name() -> None:
    """Only if there is one."""
    mapping = ticket("event_name: $.what\n")
    assert events(mapping, {"id": "1", "what": "made"})[0].data["native"] == {"event": "made"}
    assert events(mapping, {"id": "1"})[0].data["native"] == {}


# -- what normalize may never do: raise ------------------------------------------------------------

BYTES = {"X-E": "\udcff"}  # a header with a byte that is no UTF-8


@pytest.mark.parametrize(
    ("top", "headers"),
    [
        ("", {"content-type": "application/json; x=\udcff"}),
        ("event_name: {template: \"{{ headers['x-e'] }}\"}\n", BYTES),
        ("host: {template: \"{{ headers['x-e'] }}\"}\n", BYTES),
        ("dedupe: {key: [{template: \"{{ headers['x-e'] }}\"}]}\n", BYTES),
    ],
    ids=["content-type", "event_name", "host", "dedupe"],
)
def test_a_header_that_is_no_utf_8_does_not_raise(top: str, headers: dict[str, str]) -> None:
    """The first needs no template: any sender can set its Content-Type."""
    events(ticket(top), {"id": "1"}, headers)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("{sum: [$.a, $.a]}", b'{"id":"1","a":' + b"9" * 4300 + b"}"),
        ("$.a", b'{"id":"1","a":1.5e' + b"0" * 5000 + b"}"),
    ],
    ids=["sum", "exponent"],
)
def test_m2_a_number_of_thousands_of_digits_does_not_raise(value: str, body: bytes) -> None:
    """Python refuses to convert them, with a ValueError."""
    events(ticket(custom=f"{{x: {value}}}"), body)
