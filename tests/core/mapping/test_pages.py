"""Reference pages: what a page says is what its mapping file says."""

import json
import re

import pytest

from onehook.core.mapping.pages import INDEX, page, pages
from onehook.core.schema.events import EVENT_TYPES
from tests.builders import shipped
from tests.core.mapping.building import compiled

DESK = """\
# Quarry desk: batches of items.
#
# Second paragraph.
#
#   extends: desk
onehook: mapping/v1
platform: desk
version: "1.2.0"
setup: ["Settings → Hooks", "URL: the ingest URL"]
settings:
  secret: {secret: true, required: true, help: a token}
  site: {required: true}
  mode: {default: a, choices: [a, b]}
verify: {scheme: hmac, header: X-Sig, secret: {setting: secret}}
answer_within: 900ms
reply: {accepted: 200}
dedupe: {key: [$.batch], repeatable: [{$.what: poll}]}
event_name: $.what
tables: {phase: {New: todo, Shipped: done, Gone: done, "": null}}
rules:
  - id: silent
    rules:
      - id: items
        foreach: {in: "$.items[*]", key: $.id}
        data:
          urn: [$.id]
          title: $.t
          status_category: {lookup: $.p, table: phase}
          same: [id, key]
        rules:
          - {id: new, when: {$.w: new}, emit: ticketing.ticket.created}
          - {id: a-or-b, when: {any: [{$.w: a}, {$.w: b}]}, emit: ticketing.ticket.updated}
          - {id: no-a, when: {not: {any: [{$.w: a}, {$.w: b}]}}, emit: ticketing.ticket.updated}
          - {id: old, when: {$.w: old}, emit: ticketing.ticket.updated, changes: [{field: title}]}
          - id: other
            when: {not: {any: [{$.w: new}, {$.w: old}]}}
            emit: ticketing.ticket.updated
          - {id: more, when: {not: {$.w: old}, $.p: New}, emit: ticketing.ticket.updated}
          - {id: not-old, when: {not: {$.w: old}}, emit: ticketing.ticket.deleted}
ignore:
  - {when: {$.what: ping}, reason: ping}
  - {reason: not mapped}
"""


def sections(text: str) -> dict[str, str]:
    """A page's sections by their heading."""
    head, *rest = re.split(r"^## ", text, flags=re.MULTILINE)
    parts = (section.partition("\n") for section in rest)
    return {"": head, **{name: body.strip() for name, _, body in parts}}


@pytest.fixture(scope="module")
def desk() -> dict[str, str]:
    """The page of DESK, by section."""
    return sections(page(compiled(DESK, name="some/folder/desk.yaml")))


def test_it_begins_with_the_files_own_comment(desk: dict[str, str]) -> None:
    """Paragraphs stay paragraphs, indented lines become code; the file is named, not its folder."""
    assert (
        "# desk\n\nQuarry desk: batches of items.\n\nSecond paragraph.\n\n    extends" in desk[""]
    )
    assert "Mapping `desk.yaml`, version 1.2.0." in desk[""]
    assert "some/folder" not in desk[""]


def test_setting_up_begins_with_the_integration(desk: dict[str, str]) -> None:
    """A request that has what is required, then the file's steps, numbered on."""
    body = json.loads(re.search(r"-d '(.*)'", desk["Set up"])[1])  # type: ignore[index]

    assert body["type"] == "desk"
    assert "secret" in body
    assert set(body["settings"]) == {"site"}
    assert desk["Set up"].endswith("2. Settings → Hooks\n3. URL: the ingest URL")


def test_settings_proof_and_identity_are_told(desk: dict[str, str]) -> None:
    """What an operator needs beside the steps."""
    assert "| `secret` | required and secret |  | a token |" in desk["Settings"]
    assert "| `mode` | one of `a` or `b` | `a` |  |" in desk["Settings"]
    assert "Header `X-Sig`" in desk["Proof"]
    assert "answered within 900ms, and with 200 instead of 202." in desk["Proof"]
    assert "known by `$.batch`" in desk["The same webhook again"]
    assert "the same webhook too, unless `$.what` is `poll`." in desk["The same webhook again"]


def test_rules_are_lines_below_their_groups(desk: dict[str, str]) -> None:
    """A group that says nothing has no line; what others refuse is told as otherwise."""
    lines = [line for line in desk["Events"].splitlines() if line.lstrip().startswith("-")]

    assert lines == [
        "- for each of `$.items[*]`",
        "  - `$.w` is `new` → **`ticketing.ticket.created`**",
        "  - `$.w` is `a` or `$.w` is `b` → **`ticketing.ticket.updated`**",
        "  - otherwise → **`ticketing.ticket.updated`**",
        "  - `$.w` is `old` → **`ticketing.ticket.updated`**; changes `title`",
        "  - otherwise → **`ticketing.ticket.updated`**",
        "  - not (`$.w` is `old`) and `$.p` is `New` → **`ticketing.ticket.updated`**",
        "  - otherwise → **`ticketing.ticket.deleted`**",
    ]


def test_names_in_conditions_are_told_below_the_rules() -> None:
    """With those that they are made of; a name that only values use is none of them."""
    let = "let: {w: $.w, kind: {coalesce: [$.k, {let: w}]}, spare: $.t}\n"
    text = DESK.replace("rules:\n  - id: silent", f"{let}rules:\n  - id: silent")
    for old, new in (
        ('in: "$.items[*]"', 'in: [$.item, "$.items[*]"]'),
        ("when: {$.w: new}", "when: {let.kind: new}"),
        ("title: $.t", "title: {let: spare}"),
    ):
        text = text.replace(old, new)
    events = sections(page(compiled(text)))["Events"]

    assert "- for each of `$.item`, else `$.items[*]`\n" in events
    assert "  - `let.kind` is `new` → **`ticketing.ticket.created`**\n" in events
    assert events.endswith("it is:\n\n- `let.w`: `$.w`\n- `let.kind`: `$.k`, else `let.w`")
    assert "spare" not in events


def test_types_that_are_filled_alike_share_an_entry(desk: dict[str, str]) -> None:
    """One list of fields for three event types."""
    types = "`ticketing.ticket.created`, `ticketing.ticket.updated`, `ticketing.ticket.deleted`"

    assert desk["Fields"].count("### ") == 1
    assert f"### Ticket: {types}" in desk["Fields"]
    assert "- filled: `urn`, `id`, `key`, `title`, `status_category`\n" in desk["Fields"]
    assert "- never filled: `actor`, `number`," in desk["Fields"]


def test_tables_are_turned_round(desk: dict[str, str]) -> None:
    """Ours first, then every word of the vendor's for it."""
    rows = desk["Tables"].splitlines()[-3:]

    assert rows == [
        "| `phase` | `Ticket.status_category` | `todo` | `New` |",
        "|  |  | `done` | `Shipped`, `Gone` |",
        '|  |  | null | `""` |',
    ]


def test_ignored_webhooks_have_their_reason(desk: dict[str, str]) -> None:
    """In the order in which they are asked."""
    assert desk["Ignored"].splitlines()[-2:] == [
        "- `$.what` is `ping`: ping",
        "- anything: not mapped",
    ]


def test_what_a_file_leaves_out_is_said_to_be_none() -> None:
    """No settings, no tables, no dedupe key, nothing ignored, nothing proved."""
    bare = sections(
        page(
            compiled(
                DESK[DESK.index("onehook:") : DESK.index("setup:")]
                + """\
verify: none
rules:
  - {id: r, emit: integration.webhook.received, data: {urn: [$.id], id: $.id, status: $.s}}
"""
            )
        )
    )

    assert bare["Settings"] == bare["Tables"] == "None."
    assert bare["Ignored"] == "Nothing."
    assert bare["The same webhook again"] == "A webhook is known by the digest of its body."
    assert "- in any case → **`integration.webhook.received`**" in bare["Events"]


def test_pipes_do_not_break_a_table() -> None:
    """A cell's text stays in its cell."""
    text = DESK.replace("help: a token", 'help: "a | b"')

    assert "| a \\| b |" in page(compiled(text))


def test_the_index_sets_platforms_against_event_types() -> None:
    """A row for each type that anybody emits, a dot where one does."""
    index = pages(file.mapping for file in shipped().values())[INDEX]
    head = next(line for line in index.splitlines() if line.startswith("| event type"))
    platforms = head.strip("| ").split(" | ")[2:]
    rows = {
        line.split(" | ")[0].strip("|` "): line.split(" | ")[2:]
        for line in index.splitlines()
        if re.match(r"\| `[a-z]+\.", line)
    }

    assert platforms == sorted(shipped())
    for platform, file in shipped().items():
        column = platforms.index(platform)
        emitted = {rule.emit for rule in file.mapping.leaves()}
        assert {name for name, cells in rows.items() if "●" in cells[column]} == emitted
    assert set(rows) <= set(EVENT_TYPES)
