"""``/v1/mappings/preview``: events, why they are so, and what is wrong with the text."""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import ACME, Answer, Running, acme, issue, shipped_folder, tickets, write_acme
from tests.conftest import StartGateway

PREVIEW = "/v1/mappings/preview"
# More of what a mapping can say: tables, an actor, a time, a decimal, settings.
RICH = ACME.replace(
    "data: {urn: [$.id]",
    """at: $$.at
    actor: {id: $$.by, type: {const: user}}
    data: {custom: {price: $.price, site: {setting: site}}, description: $.about, number: $.count,
      priority: {lookup: $.weight, table: weights}, urn: [$.id]""",
).replace("rules:", "tables: {weights: {heavy: high}}\nrules:").replace(
    "required: true}}", "required: true}, site: {default: here}}"
)  # fmt: skip


def sample(**body: object) -> dict[str, object]:
    """A sample with that body."""
    return {"body": {"kind": "tickets", **body}, "headers": {"X-Acme-Id": "d-1"}}


def ticket(**fields: object) -> dict[str, object]:
    """A sample with one ticket."""
    return sample(tickets=[{"id": "1", "title": "One", **fields}])


async def ask(gateway: Running, **body: object) -> Answer:
    """One preview."""
    return await gateway.api.post(PREVIEW, body)


async def preview(gateway: Running, **body: object) -> Any:
    """The answer to one that must be possible."""
    answer = await ask(gateway, **body)
    assert answer.status == 200, answer.body
    return answer.json


def origin(found: Any, pointer: str, event: int = 0) -> Any:
    """Where a field of an event came from."""
    (one,) = [o for o in found["traces"][event]["fields"] if o["pointer"] == pointer]
    return one


def line_of(text: str, part: str) -> int:
    """The line of *text*, from 1, that has *part*."""
    (found,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return found


async def test_events_and_where_each_field_came_from(gateway: Running) -> None:
    """The events as they would be delivered; each field names its line, and why it is null."""
    found = await preview(gateway, mapping=RICH, sample=ticket(weight="odd", count="many"))

    assert (found["platform"], found["version"], found["events_total"]) == ("acme", "1.0.0", 1)
    assert found["outcome"] == dict.fromkeys(["reason", "detail", "pointer", "place"]) | {
        "status": "accepted"
    }
    (event,) = found["events"]
    assert event["type"] == "ticketing.ticket.created"
    data = event["data"]
    assert (data["title"], data["priority"], data["number"]) == ("One", "unknown", None)
    assert data["custom"] == {"site": "here"}
    (trace,) = found["traces"]
    assert (trace["event_id"], trace["rule"]) == (event["id"], "tickets")
    title = origin(found, "/data/title")
    assert (title["value"], title["source"], title["note"]) == ("One", "$.title", "")
    line = RICH.splitlines()[line_of(RICH, "title: $.title") - 1]
    assert title["place"] == f"mapping:{line_of(RICH, 'title: $')}:{line.index('$.title') + 1}"
    assert origin(found, "/data/description")["note"] == "nothing there in this webhook"
    assert "no row" in origin(found, "/data/priority")["note"]
    assert origin(found, "/timestamp")["note"].startswith("nothing there")
    assert origin(found, "/data/actor")["value"] is None
    assert found["unmapped"] == [{"field": "priority", "value": "odd"}]
    assert found["misfits"] == ["number"]
    assert [(rule["id"], rule["matched"]) for rule in found["rules"]] == [("tickets", True)]


async def test_decimals_are_as_they_are_delivered(gateway: Running) -> None:
    """A preview does not write a number otherwise than the gateway would."""
    text = b'{"kind": "tickets", "tickets": [{"id": "1", "title": "One", "price": 10.10}]}'.decode()

    answer = await ask(gateway, mapping=RICH, sample={"body_text": text})

    assert b'"price":10.1,' in answer.body or b'"price":10.1}' in answer.body


async def test_same_id_as_the_gateway_gives(start_gateway: StartGateway, tmp_path: Path) -> None:
    """With its integration a preview shows the very event that the gateway made."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    sender = await gateway.integrate("acme", name="acme at home", key="home")
    (id_,) = await gateway.accept(sender, tickets("1"))
    event = (await gateway.api.get(f"/v1/events/{id_}")).json

    kept = await preview(gateway, platform="acme", event_id=id_)
    webhook_id, _ = await gateway.runtime.gateway.events.find_event(id_)  # type: ignore[misc]
    again = await preview(gateway, mapping=ACME, webhook_id=webhook_id)

    assert kept["events"] == again["events"] == [event]


async def test_preview_writes_nothing(start_gateway: StartGateway, tmp_path: Path) -> None:
    """Neither the store nor what the gateway has learnt changes."""
    text = RICH + "host: $.host\n"
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings", text))
    sender = await gateway.integrate("acme")
    (id_,) = await gateway.accept(sender, tickets("1"))
    snapshot = gateway.runtime.gateway.registry.snapshot
    before = await gateway.own_keys()

    await preview(gateway, mapping=text, event_id=id_)
    found = await preview(
        gateway, mapping=text, integration=sender.id,
        sample=sample(host="h.example.com", tickets=[{"id": "1", "title": "x", "weight": "odd"}]),
    )  # fmt: skip

    assert ":h.example.com:" in found["events"][0]["data"]["urn"]
    assert await gateway.own_keys() == before
    assert gateway.runtime.gateway.registry.snapshot is snapshot
    assert snapshot.running[sender.id].learnt.lessons() == []
    assert (await gateway.api.get("/v1/platforms/acme/drift")).json["data"] == []


async def test_problems_are_data(gateway: Running) -> None:
    """A text that does not compile: each problem with line, column, caret and hint; no outcome."""
    text = ACME.replace("title: $.", "title: ").replace("emit: ticketing", "emit: tickets")

    found = await preview(gateway, mapping=text, sample=ticket())

    assert (found["outcome"], found["events"], found["platform"]) == (None, [], None)
    codes = {problem["code"] for problem in found["problems"]}
    assert codes >= {"E105"}
    for problem in found["problems"]:
        line = text.splitlines()[problem["line"] - 1]
        start = line.index(problem["text"])
        assert line[start:][len(problem["caret"]) - 1 :] == line[problem["column"] - 1 :]
        assert problem["file"] == "mapping"
        assert problem["warning"] is False


async def test_caret_in_a_long_line(gateway: Running) -> None:
    """Of a very long line the part around the problem is shown, the caret below it."""
    text = ACME.replace("title: $.title", f"custom: {{x: {{const: {'y' * 5000}}}}}, title: title")

    found = await preview(gateway, mapping=text, sample=ticket())

    (problem,) = found["problems"]
    assert len(problem["text"]) <= 200
    assert problem["text"][len(problem["caret"]) - 1 :].startswith("title,")


async def test_warnings_do_not_stop_it(gateway: Running) -> None:
    """A mapping with a warning is tried, and the warning shown."""
    text = ACME + "shapes: {unused: {id: $.id}}\n"

    found = await preview(gateway, mapping=text, sample=ticket())

    assert [(p["code"], p["warning"]) for p in found["problems"]] == [("W205", True)]
    assert found["outcome"]["status"] == "accepted"


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"body": {"kind": "ping"}}, {"status": "ignored", "reason": "ping"}),
        ({"body": {"kind": "odd"}}, {"status": "quarantined", "reason": "no_rule"}),
        ({"body_text": "{oops"}, {"reason": "unparsable", "detail": "line 1, column 2"}),
        ({}, {"reason": "empty_body"}),
        ({"body": None}, {"reason": "no_rule"}),
        ({"body": {"kind": "tickets", "tickets": [{"id": "1"}]}},
         {"reason": "schema_violation", "pointer": "/data/title"}),
    ],
)  # fmt: skip
async def test_outcomes_without_events(
    gateway: Running, given: dict[str, Any], outcome: dict[str, str]
) -> None:
    """Ignored and quarantined webhooks say why, in the words of ingest."""
    found = await preview(gateway, mapping=ACME, sample=given)

    assert found["events"] == []
    shown = found["outcome"]
    assert outcome.pop("detail", "") in (shown["detail"] or "")
    assert outcome.items() <= shown.items()


async def test_missing_field_names_its_line(gateway: Running) -> None:
    """Where a required field came out null, the line that states it is named."""
    found = await preview(gateway, mapping=ACME, sample=sample(tickets=[{"id": "1"}]))

    line = line_of(ACME, "title: $.title")
    column = ACME.splitlines()[line - 1].index("$.title") + 1
    assert found["outcome"]["place"] == f"mapping:{line}:{column}"


async def test_extends_a_shipped_mapping(gateway: Running) -> None:
    """An operator's own words over a shipped mapping: origins name the file that they stand in."""
    text = "onehook: mapping/v1\nplatform: github\nversion: '9.0.0'\nextends: github\n"
    native = issue()
    headers = {n: v for n, v in native.headers.items() if n.startswith("X-")}

    found = await preview(
        gateway, mapping=text, sample={"headers": headers, "body_text": native.body.decode()}
    )

    assert found["version"] == "9.0.0"
    assert found["outcome"]["status"] == "accepted"
    assert "github.yaml:" in origin(found, "/data/title")["place"]


async def test_extends_what_the_operators_own_file_covers(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """The text of an operator's file that extends the shipped one of its name can be edited."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    text = "onehook: mapping/v1\nplatform: github\nversion: '9.0.0'\nextends: github\n"
    (folder / "github.yaml").write_text(text)
    gateway = await start_gateway(mappings=folder)

    found = await preview(gateway, mapping=text, sample={"body": {}})

    assert found["problems"] == []


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "a/../secret", ".secret", "none"])
async def test_extends_leads_to_no_other_file(gateway: Running, name: str, tmp_path: Path) -> None:
    """A text cannot have a file outside the folders read, nor be told what is in one."""
    outside = shipped_folder().parent / "secret.yaml"
    assert not outside.exists()
    (tmp_path / "secret.yaml").write_text("canary: [")
    for path in (name, str(tmp_path / "secret")):
        text = f"onehook: mapping/v1\nplatform: acme\nversion: '1'\nextends: {path}\n"

        found = await preview(gateway, mapping=text, sample={"body": {}})

        assert "E104" in {problem["code"] for problem in found["problems"]}
        assert "canary" not in str(found)


async def test_settings_of_the_sample(gateway: Running) -> None:
    """A sample may state settings, as a test in a mapping file may; the defaults hold otherwise."""
    given = {**ticket(), "settings": {"site": "there"}}

    found = await preview(gateway, mapping=RICH, sample=given)

    assert found["events"][0]["data"]["custom"]["site"] == "there"


async def test_secrets_stay_out(start_gateway: StartGateway, tmp_path: Path) -> None:
    """A mapping that reads the secret setting does not get the integration's secret."""
    text = RICH.replace("{setting: site}", "{setting: secret}")
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    await gateway.integrate("acme", key="home", secret="a-canary-of-a-secret")

    answer = await ask(gateway, mapping=text, integration="home", sample=ticket())

    assert answer.status == 200
    assert b"canary" not in answer.body


async def test_many_events_are_counted_and_the_first_shown(gateway: Running) -> None:
    """A batch of very many is bounded in what is shown."""
    text = ACME.replace("max: 2", "max: 1000")
    many = [{"id": str(n), "title": "x"} for n in range(300)]

    found = await preview(gateway, mapping=text, sample=sample(tickets=many))

    assert found["events_total"] == 300
    assert len(found["events"]) == len(found["traces"]) == 20


async def test_m3_endless_work_is_refused_in_time(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapping that makes events without end is stopped between two of them; others go on."""
    monkeypatch.setattr("onehook.api.preview.SECONDS", 1.5)  # of which the compiler takes a part
    rule = """\
  - id: r%d
    foreach: {in: "$.tickets[*]", key: $.id}
    emit: ticketing.ticket.created
    data: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: {const: todo}}
"""
    text = ACME.replace("ignore:", "".join(rule % n for n in range(200)) + "ignore:")
    many = [{"id": str(n)} for n in range(1000)]

    answer = await ask(gateway, mapping=text, sample={"body": {"kind": "many", "tickets": many}})

    assert (answer.status, answer.json.get("code")) == (422, "mapping_too_slow")
    assert (await ask(gateway, platform="github", sample={"body": {}})).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mapping": ACME},
        {"sample": {"body": {}}},
        {"mapping": ACME, "platform": "github", "sample": {"body": {}}},
        {"mapping": ACME, "sample": {"body": {}}, "event_id": "evt_1"},
        {"mapping": ACME, "sample": {"body": {}, "body_text": ""}},
        {"mapping": ACME, "sample": {"colour": "red"}},
        {"platform": "nobody", "sample": {"body": {}}},
    ],
)
async def test_unclear_requests_are_422(gateway: Running, body: dict[str, Any]) -> None:
    """What is to be tried, and on what, must each be said once."""
    answer = await gateway.api.post(PREVIEW, body)

    assert (answer.status, answer.json["code"]) == (422, "request_invalid")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"event_id": "evt_none"}, 404),
        ({"webhook_id": "whk_none"}, 410),
        ({"sample": {"body": {}}, "integration": "nobody"}, 404),
    ],
)
async def test_what_is_not_there(gateway: Running, body: dict[str, Any], status: int) -> None:
    """Events, webhooks and integrations that do not exist are told apart from bad requests."""
    assert (await ask(gateway, mapping=ACME, **body)).status == status


async def test_m6_hostile_texts_are_only_problems(gateway: Running) -> None:
    """YAML that blows other loaders up comes back as problems."""
    for text in ("a: &x [*x, *x]", "!!python/object:os.system x", "[" * 5000, "\x00", "a: 1\na: 2"):
        found = await preview(gateway, mapping=text, sample={"body": {}})
        assert found["problems"], text
        assert found["outcome"] is None


async def test_quarantined_webhook_can_be_tried(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A webhook in quarantine is tried on the mended text before the file is changed."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    sender = await gateway.integrate("acme")
    id_ = (await gateway.send(sender, acme("noise"))).json["id"]

    before = await preview(gateway, platform="acme", webhook_id=id_)
    after = await preview(
        gateway, mapping=ACME.replace("kind: ping", "kind: noise"), webhook_id=id_
    )

    assert (before["outcome"]["status"], before["outcome"]["reason"]) == ("quarantined", "no_rule")
    assert (after["outcome"]["status"], after["outcome"]["reason"]) == ("ignored", "ping")
