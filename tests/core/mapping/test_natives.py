"""A traced field names the places of the webhook that the mapping looks at for it."""

from datetime import UTC, datetime

import pytest

from onehook.core.mapping.explain import Origin, explain
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.mappings import compile_text

MAPPING = """\
onehook: mapping/v1
platform: acme
version: "1.0.0"
verify: none
dedupe: {key: [$.id]}
event_name: $.kind
let:
  label: $.label
shapes:
  person: {type: {const: user}, username: $.login, email: $$.mail}
rules:
  - id: tickets
    when: {$.kind: tickets}
    foreach: {in: "$.tickets[*]", key: $.id}
    emit: ticketing.ticket.created
    actor: {use: person, with: $$.sender}
    data:
      urn: [$.id]
      id: $.id
      key: {template: "{{ body.project.key }}-{{ item.id }}"}
      title: {coalesce: [$.title, {header: X-Title}, $$.title]}
      type: {let: label}
      status_category: {const: todo}
      assignees: {each: $.people, use: person}
"""
BODY = (
    b'{"kind": "tickets", "id": 1, "sender": {"login": "ann"}, "mail": "a@b.c", "title": "all",'
    b' "project": {"key": "P"}, "tickets": [{"id": 7, "title": "seven", "label": "bug",'
    b' "people": [{"login": "bob"}, {"login": "eve"}]}]}'
)


@pytest.fixture
def origins() -> dict[str, Origin]:
    """The origins of the one event, by pointer."""
    mapping = compile_text(MAPPING, (), "acme")
    headers = Headers([("content-type", "application/json")])
    webhook = Webhook(headers, BODY, datetime(2026, 11, 22, tzinfo=UTC))
    info = IntegrationInfo(IntegrationId("int_1"), "acme", "acme", {})
    (trace,) = explain(mapping, webhook, info, 10_000).events
    return {origin.pointer: origin for origin in trace.origins}


@pytest.mark.parametrize(
    ("pointer", "native", "headers"),
    [
        ("/data/id", ("/tickets/*/id",), ()),
        ("/data/key", ("/project/key", "/tickets/*/id"), ()),
        ("/data/title", ("/tickets/*/title", "/title"), ("X-Title",)),
        ("/data/type", ("/tickets/*/label",), ()),
        ("/data/status_category", (), ()),
        ("/data/actor/username", ("/sender/login",), ()),
        ("/data/actor/email", ("/mail",), ()),
        ("/data/assignees/1/username", ("/tickets/*/people/*/login",), ()),
    ],
)
def test_a_field_names_where_it_is_looked_for(
    origins: dict[str, Origin], pointer: str, native: tuple[str, ...], headers: tuple[str, ...]
) -> None:
    """Relative paths start at the item of the rule, ``with`` and ``each`` lead further."""
    found = origins[pointer].native
    assert set(found.pointers) == set(native)
    assert found.headers == headers
