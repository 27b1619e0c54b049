"""Why an event is as it is, or is not there."""

from datetime import UTC, datetime

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.explain import Explanation, explain
from onehook.core.mapping.normalize import Emitted, Quarantined
from onehook.core.mapping.problems import Source
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook

TEXT = """\
onehook: mapping/v1
platform: acme
version: "1.0.0"
verify: none
shapes:
  person: {id: $.id, type: {const: user}, name: $.name}
  ticket:
    urn: [$.id]
    id: $.id
    key: $.id
    title: $.title
    status_category: {const: todo}
    assignees: {each: "$.people[*]", use: person}
rules:
  - id: group
    at: $.at
    actor: {use: person, with: $.by}
    when: {$.kind: one}
    rules:
      - id: one
        emit: ticketing.ticket.created
        data: {use: ticket, with: $.ticket}
  - id: many
    when: {$.kind: many}
    foreach: {in: "$.tickets[*]", key: $.id}
    emit: ticketing.ticket.updated
    data: {use: ticket}
    changes: [{field: title, from: $.was, to: $.title}]
"""
PERSON = {"id": "7", "name": "Ada"}
TICKET = {"id": "1", "title": "One"}
MAPPING = compile_mapping(Source("acme.yaml", TEXT))
INFO = IntegrationInfo(IntegrationId("int_1"), "acme", "acme")


def explained(body: JsonValue) -> Explanation:
    """What the mapping makes of that body."""
    headers = Headers([("content-type", "application/json")])
    raw = body if isinstance(body, bytes) else encode(body)
    webhook = Webhook(headers, raw, datetime(2026, 11, 22, tzinfo=UTC))
    return explain(MAPPING, webhook, INFO, 10_000)


def places(found: Explanation, event: int = 0) -> dict[str, str]:
    """Pointer to what the file says at the place of each origin."""
    lines = TEXT.splitlines()
    return {
        origin.pointer: lines[origin.place.line][origin.place.column :]
        for origin in found.events[event].origins
    }


def test_each_field_has_the_place_that_states_it() -> None:
    """Fields of shapes, of lists and of the rule's groups: each begins where its value stands."""
    found = explained(
        {"kind": "one", "at": "2026-11-22T10:00:00Z", "by": PERSON,
         "ticket": {**TICKET, "people": [PERSON, PERSON]}}
    )  # fmt: skip

    shown = places(found)
    assert shown["/data/title"].startswith("$.title")
    assert shown["/data/assignees/1/name"].startswith("$.name")
    assert shown["/data/actor/id"].startswith("$.id")
    assert shown["/timestamp"].startswith("$.at")
    assert shown["/data/urn"].startswith("[$.id]")
    assert [(rule.id, rule.matched) for rule in found.rules] == [
        ("group", True), ("one", True), ("many", False)
    ]  # fmt: skip


def test_each_event_of_a_batch_has_its_own_origins() -> None:
    """Events of a foreach are told apart, with the values of each."""
    found = explained({"kind": "many", "tickets": [TICKET, {**TICKET, "id": "2", "was": "Uno"}]})

    values = [{origin.pointer: origin.value for origin in trace.origins} for trace in found.events]
    assert [one["/data/id"] for one in values] == ["1", "2"]
    assert "/data/changes" in values[1]
    assert isinstance(found.outcome, Emitted)


def test_what_is_null_says_why() -> None:
    """A field without a value, and a time that the webhook did not tell, carry a note."""
    found = explained({"kind": "one", "ticket": TICKET})

    notes = {origin.pointer: origin.note for origin in found.events[0].origins}
    assert notes["/data/assignees"] == "nothing there in this webhook"
    assert notes["/timestamp"].startswith("nothing there")
    assert notes["/data/title"] == ""


def test_missing_field_has_its_place() -> None:
    """Where a required field came out null the place that states it is told, in a list too."""
    found = explained({"kind": "one", "ticket": {"id": "1"}})

    assert isinstance(found.outcome, Quarantined)
    assert found.missing is not None
    line = TEXT.splitlines()[found.missing.line]
    assert line[found.missing.column :] == "$.title"
    assert found.events == ()


def test_no_body_no_rules() -> None:
    """A body that cannot be read is asked of no rule."""
    found = explained(b"{oops")  # type: ignore[arg-type]

    assert isinstance(found.outcome, Quarantined)
    assert (found.outcome.reason, found.rules, found.missing) == ("unparsable", (), None)
