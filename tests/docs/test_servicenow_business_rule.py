"""docs/servicenow-business-rule.js: what it sends verifies, and becomes the right events."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.builders import SECRET, Answer, Running, Sender

ROOT = Path(__file__).parents[2]
RULE = ROOT / "docs" / "servicenow-business-rule.js"
PAGE = ROOT / "docs" / "servicenow-business-rule.md"
HARNESS = Path(__file__).with_name("servicenow.js")
NODE = shutil.which("node")
ADA = {"sys_id": "46d44a23a9fe19810012d100cca80666", "user_name": "ada", "name": "Ada Moréno"}
INCIDENT = {
    "sys_id": "9d385017c611228701d22104cc95c371",
    "number": "INC0010023",
    "short_description": "Zahlung schlägt fehl 💳 \"quoted\"",
    "state": "2",
    "priority": "2",
    "impact": "1",
    "urgency": "2",
    "opened_at": "2026-11-22 08:02:11",
    "sys_updated_on": "2026-11-22 10:15:00",
    "sys_updated_by": "ada",
    "close_notes": "",
    "comments": "",
    "work_notes": "",
}  # fmt: skip
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


@dataclass(frozen=True, slots=True)
class Instance:
    """A ServiceNow instance: it runs the rule on a save, and keeps what it would have sent."""

    url: str
    secret: str = SECRET
    scope: str = "global"

    def save(self, table: str, operation: str, record: dict[str, str], **more: Any) -> Any:
        """What the rule sends and logs when *record* is saved.

        *more*: ``previous`` values, ``display`` values, ``journal`` entries made in this save,
        ``entries`` made earlier, whether sending ``fails``.
        """
        scenario = {
            "table": table,
            "operation": operation,
            "record": record,
            "previous": {**record, **more.pop("previous", {})},
            "scope": self.scope,
            "user": ADA,
            "properties": {"onehook.url": self.url, "onehook.secret": self.secret},
            **more,
        }
        done = subprocess.run(
            [str(NODE), str(HARNESS), str(RULE)],
            input=json.dumps(scenario).encode(),
            capture_output=True,
            check=True,
            timeout=30,
        )
        return json.loads(done.stdout)


async def instance(gateway: Running, scope: str = "global") -> tuple[Sender, Instance]:
    """An instance whose properties are those of an integration."""
    sender = await gateway.integrate(
        "servicenow", secret=SECRET, settings={"instance": "acme.service-now.com"}
    )
    return sender, Instance(gateway.url + sender.path, scope=scope)


async def post(gateway: Running, sender: Sender, sent: Any) -> Answer:
    """Post what the rule built, to the letter."""
    (request,) = sent["requests"]
    assert sent["logs"] == []
    assert request["url"] == gateway.url + sender.path
    assert request["method"] == "post"
    return await gateway.post(sender, request["body"].encode("ascii"), request["headers"].items())


async def event_of(gateway: Running, answer: Answer) -> Any:
    """The only event of an accepted webhook."""
    assert answer.status == 202, answer.body
    assert answer.json["status"] == "accepted", answer.body
    (told,) = answer.json["events"]
    return (await gateway.api.get(f"/v1/events/{told['id']}")).json


USER = {"sys_id": "u1", "user_name": "sam", "name": "Sam Reyes", "active": "0", "locked_out": "0"}
MEMBER = {"sys_id": "m1", "user": "u1", "group": "g1"}
SAVES: dict[str, tuple[str, str, dict[str, str], dict[str, Any], str]] = {
    "made": ("incident", "insert", INCIDENT, {}, "incidents.incident.created"),
    "acknowledged": (
        "incident",
        "update",
        INCIDENT,
        {"previous": {"state": "1"}},
        "incidents.incident.acknowledged",
    ),
    "resolved": (
        "incident",
        "update",
        {**INCIDENT, "state": "6", "close_notes": "Restarted."},
        {"previous": {"state": "2", "close_notes": ""}},
        "incidents.incident.resolved",
    ),
    "reassigned": (
        "incident",
        "update",
        {**INCIDENT, "assigned_to": "46d44a23a9fe19810012d100cca80666"},
        {"previous": {"assigned_to": ""}},
        "incidents.incident.reassigned",
    ),
    "severity": (
        "incident",
        "update",
        INCIDENT,
        {"previous": {"priority": "4", "impact": "3"}},
        "incidents.severity.changed",
    ),
    "note": (
        "incident",
        "update",
        INCIDENT,
        {"journal": {"work_notes": "Schau ich an.\nZweite Zeile"}},
        "incidents.note.added",
    ),
    "deleted": (
        "incident",
        "delete",
        INCIDENT,
        {"entries": {"work_notes": "an old note"}},
        "incidents.incident.deleted",
    ),
    "change": (
        "change_request",
        "update",
        {"sys_id": "c1", "number": "CHG0030017", "short_description": "Patch", "state": "3"},
        {"previous": {"state": "0"}},
        "ticketing.ticket.resolved",
    ),
    "user": (
        "sys_user",
        "update",
        USER,
        {"previous": {"active": "1"}},
        "identity.user.deactivated",
    ),
    "member": (
        "sys_user_grmember",
        "delete",
        MEMBER,
        {"display": {"user": "Sam Reyes", "group": "Payments"}},
        "identity.group.membership.changed",
    ),
}


@needs_node
@pytest.mark.parametrize("scope", ["global", "scoped"])
@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
async def test_a_save_becomes_its_event(
    gateway: Running, save: tuple[str, str, dict[str, str], dict[str, Any], str], scope: str
) -> None:
    """In both scopes: the signature fits, and the event is the one that happened."""
    table, operation, record, more, type_ = save
    sender, service_now = await instance(gateway, scope)

    answer = await post(gateway, sender, service_now.save(table, operation, record, **dict(more)))

    event = await event_of(gateway, answer)
    assert event["type"] == type_
    assert event["data"]["actor"]["username"] == "ada"
    assert event["data"]["actor"]["name"] == "Ada Moréno"


@needs_node
async def test_texts_arrive_as_they_were_typed(gateway: Running) -> None:
    """Umlauts, an emoji, quotes, line breaks; the old value of what changed, and no more."""
    sender, service_now = await instance(gateway)
    sent = service_now.save("incident", "update", INCIDENT, previous={"state": "1"})

    event = await event_of(gateway, await post(gateway, sender, sent))

    assert event["data"]["title"] == INCIDENT["short_description"]
    assert event["data"]["changes"] == [
        {"field": "status", "from": "triggered", "to": "acknowledged", "from_known": True}
    ]
    assert event["timestamp"] == "2026-11-22T10:15:00.000Z"
    assert event["data"]["url"].startswith("https://acme.service-now.com/nav_to.do")
    body = json.loads(sent["requests"][0]["body"])
    assert body["changed_fields"] == ["state"]
    assert body["previous"] == {"state": "1"}


@needs_node
async def test_a_note_says_who_may_see_it(gateway: Running) -> None:
    """A work note is internal; the line that says when and who is no part of its text."""
    sender, service_now = await instance(gateway)
    sent = service_now.save(
        "incident", "update", INCIDENT, journal={"work_notes": "Schau ich an.\nZweite Zeile"}
    )

    event = await event_of(gateway, await post(gateway, sender, sent))

    assert event["data"]["body"] == "Schau ich an.\nZweite Zeile"
    assert event["data"]["visibility"] == "internal"


@needs_node
def test_an_old_note_is_not_told_again() -> None:
    """Neither with a later change of something else, nor with the deletion."""
    service_now = Instance("https://gateway.example/ingest/int_1")
    old = {"comments": "hello"}
    for operation, previous in (("update", {"state": "1"}), ("delete", {})):
        sent = service_now.save("incident", operation, INCIDENT, previous=previous, entries=old)

        assert json.loads(sent["requests"][0]["body"])["journal"] == {}


@needs_node
async def test_a_changed_message_is_refused(gateway: Running) -> None:
    """The signature covers every byte; and each message has an id of its own."""
    sender, service_now = await instance(gateway)
    sent = [service_now.save("incident", "insert", INCIDENT) for _ in range(2)]
    requests = [one["requests"][0] for one in sent]
    forged = requests[0]["body"].replace("INC0010023", "INC0010024")

    answer = await gateway.post(sender, forged.encode(), requests[0]["headers"].items())

    assert answer.status == 401
    assert answer.json["code"] == "signature_invalid"
    assert len({json.loads(one["body"])["delivery_id"] for one in requests}) == 2


@needs_node
def test_a_save_never_fails_because_of_the_gateway() -> None:
    """It cannot be sent, or nobody has set the properties: a line in the log, and no exception."""
    url = "https://gateway.example/ingest/int_1"

    failed = Instance(url).save("incident", "insert", INCIDENT, fails=True)
    unset = Instance(url, secret="").save("incident", "insert", INCIDENT)

    assert failed == {
        "requests": [],
        "logs": ["error: onehook: not sent: Error: no route to the gateway"],
    }
    assert unset["requests"] == []
    assert "onehook.secret" in unset["logs"][0]


def test_the_script_is_what_old_releases_run() -> None:
    """ES5: no let, const, arrow functions, classes or template strings."""
    code = re.sub(r"//[^\n]*|'[^']*'", "", RULE.read_text("utf-8"))

    assert not re.search(r"\b(let|const|class|async|await)\b|=>|`|\.\.\.", code)


async def test_the_first_step_of_the_page_makes_an_integration(gateway: Running) -> None:
    """The request as it stands there; links are made from its instance."""
    body = json.loads(re.search(r"-d '(\{.*\})'", PAGE.read_text("utf-8"))[1])  # type: ignore[index]

    answer = await gateway.api.post("/v1/integrations", body)

    assert answer.status == 201, answer.body
    assert answer.json["settings"]["instance"] == "acme.service-now.com"


def test_the_page_and_the_mapping_name_the_same_things() -> None:
    """The script's properties are those to set, and the page's tables those that are mapped."""
    page = PAGE.read_text("utf-8")
    mapping = (ROOT / "mappings" / "servicenow.yaml").read_text("utf-8")
    properties = set(re.findall(r"getProperty\('([a-z.]+)'\)", RULE.read_text("utf-8")))
    tables = re.search(r"These become events:\s(.*?)\. Other tables", page, re.DOTALL)
    assert tables is not None

    assert properties == {"onehook.url", "onehook.secret"}
    assert all(f"`{name}`" in page for name in properties)
    named = re.findall(r"`(\w+)`", tables[1])
    assert len(named) > 10
    assert all(re.search(rf"\b{name}\b", mapping) for name in named)
