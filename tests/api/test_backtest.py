"""``/v1/mappings/backtest``: what an edit would change, over webhooks that are kept."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from onehook.api import backtest
from tests.builders import ACME, Native, Running, Sender, acme, tickets, write_acme
from tests.conftest import StartGateway

BACKTEST = "/v1/mappings/backtest"
LOUDER = ACME.replace("title: $.title", "title: {template: '{{ item.title | upper }}'}")
WIDER = ACME.replace(
    "ignore:",
    """\
  - id: alerts
    when: {$.kind: alert}
    emit: ticketing.ticket.created
    data: {urn: [$.id], id: $.id, key: $.id, title: $.id, status_category: {const: todo}}
ignore:""",
)
NARROWER = ACME.replace(
    "  - {when: {$.kind: ping}", "  - {when: {$.kind: [ping, tickets]}"
).replace("when: {$.kind: tickets}", "when: {$.kind: nothing}")


class History:
    """A gateway that has seen webhooks."""

    def __init__(self, gateway: Running, folder: Path, sender: Sender) -> None:
        self.gateway, self.folder, self.sender = gateway, folder, sender

    async def send(self, *natives: Native) -> list[str]:
        """Send webhooks; the statuses of their answers."""
        answers = await asyncio.gather(*(self.gateway.send(self.sender, n) for n in natives))
        return [answer.json["status"] for answer in answers]

    async def ask(self, **body: object) -> Any:
        """One backtest."""
        answer = await self.gateway.api.post(BACKTEST, body)
        assert answer.status == 200, answer.body
        return answer.json

    async def mend(self, text: str) -> None:
        """Put that text in use."""
        write_acme(self.folder, text)
        self.gateway.runtime.reloader.hurry()
        await self.gateway.runtime.reloader.look()


@pytest.fixture
async def history(
    start_gateway: StartGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> History:
    """A gateway that looks at its files when a test says so."""
    monkeypatch.setattr("onehook.wiring.LOOK", 600)
    folder = write_acme(tmp_path / "mappings")
    gateway = await start_gateway(mappings=folder)
    return History(gateway, folder, await gateway.integrate("acme"))


def outcome(status: str, reason: str | None = None) -> dict[str, str | None]:
    """How an outcome is shown."""
    return {"status": status, "reason": reason}


async def test_several_hundred_webhooks(history: History) -> None:
    """Every kept webhook is compared: what would be gained, lost and changed, with examples."""
    await history.send(*(tickets(str(n), str(n + 1000)) for n in range(250)))
    await history.send(*(acme("alert", id=f"a{n}") for n in range(100)))
    await history.send(acme("ping"))  # is not kept
    text = WIDER.replace("title: $.title", "title: {template: '{{ item.title | upper }}'}")

    found = await history.ask(mapping=text, last=1000, examples=5)

    assert (found["platform"], found["against"], found["complete"]) == ("acme", "mapping", True)
    assert found["webhooks"] == {"same": 0, "changed": 350, "lost": 0, "skipped": 0}
    assert found["events"] == {"same": 0, "added": 100, "removed": 0, "changed": 500}
    assert found["outcomes"] == [
        {"before": outcome("quarantined", "no_rule"), "after": outcome("accepted"), "count": 100}
    ]
    assert found["fields"] == [
        {"type": "ticketing.ticket.created", "pointer": "/data/title", "count": 500}
    ]
    assert len(found["examples"]) == 5
    newest = found["examples"][0]
    assert newest["integration_id"] == history.sender.id
    assert (newest["before"]["status"], newest["after"]["status"]) == ("quarantined", "accepted")
    assert [one["type"] for one in newest["added"]] == ["ticketing.ticket.created"]


async def test_field_level_difference(history: History) -> None:
    """An event that changes names each field with its old and new value."""
    (id_,) = await history.gateway.accept(history.sender, tickets("7"))

    found = await history.ask(mapping=LOUDER)

    (example,) = found["examples"]
    (change,) = example["changed"]
    assert (change["id"], change["more"]) == (id_, 0)
    assert change["fields"] == [
        {"pointer": "/data/title", "before": "Ticket 7", "after": "TICKET 7"}
    ]
    assert example["received_at"].startswith("20")
    assert example["before"] == example["after"] == outcome("accepted")


async def test_nothing_changes(history: History) -> None:
    """The text in use changes nothing."""
    await history.send(tickets("1"), tickets("2"), acme("odd"))

    found = await history.ask(mapping=ACME)

    assert found["webhooks"] == {"same": 3, "changed": 0, "lost": 0, "skipped": 0}
    assert found["outcomes"] == found["fields"] == found["examples"] == []


async def test_lost_events_are_counted(history: History) -> None:
    """Webhooks that gave events, and would give none, are told apart from other changes."""
    await history.send(tickets("1"), tickets("2", "3"))

    found = await history.ask(mapping=NARROWER)

    assert found["webhooks"]["lost"] == 2
    assert found["events"]["removed"] == 3
    assert found["outcomes"] == [
        {"before": outcome("accepted"), "after": outcome("ignored", "ping"), "count": 2}
    ]


async def test_last_and_integration(history: History) -> None:
    """Only the newest webhooks, and only those of the integration that is named."""
    other = await history.gateway.integrate("acme", key="other", secret="another-secret")
    for number in range(5):
        await history.send(tickets(str(number)))
    await history.gateway.accept(other, tickets("elsewhere"))

    newest = await history.ask(mapping=LOUDER, last=3)
    mine = await history.ask(mapping=LOUDER, integration=history.sender.id)
    theirs = await history.ask(mapping=LOUDER, integration="other")

    def titles(found: Any) -> list[str]:
        return [one["changed"][0]["fields"][0]["before"] for one in found["examples"]]

    assert titles(newest) == ["Ticket elsewhere", "Ticket 4", "Ticket 3"]
    assert titles(mine) == [f"Ticket {n}" for n in (4, 3, 2, 1, 0)]
    assert titles(theirs) == ["Ticket elsewhere"]


async def test_other_platforms_are_left_out(history: History) -> None:
    """Webhooks of other platforms are nothing to this mapping."""
    await history.send(tickets("1"))
    text = ACME.replace("platform: acme", "platform: other")

    assert (await history.ask(mapping=text))["webhooks"]["changed"] == 0
    found = await history.ask(mapping=text, integration=history.sender.id)
    (example,) = found["examples"]  # a platform in the making, on webhooks that came otherwise
    assert example["changed"][0]["fields"][0]["pointer"].startswith("/data/")


async def test_mapping_in_use_against_the_store(history: History) -> None:
    """The mapping in use is compared with what was made: what a retry, or a replay, would give."""
    await history.send(tickets("1"), acme("alert", id="a1"))
    await history.mend(WIDER.replace("title: $.title", "title: {const: Same}"))

    found = await history.ask(platform="acme")

    assert found["against"] == "store"
    assert found["webhooks"] == {"same": 0, "changed": 2, "lost": 0, "skipped": 0}
    assert found["outcomes"] == [
        {"before": outcome("quarantined", "no_rule"), "after": outcome("accepted"), "count": 1}
    ]
    pointers = {field["pointer"] for field in found["fields"]}
    assert pointers == {"/data/title"}


async def test_what_is_no_longer_kept_is_skipped(history: History) -> None:
    """A webhook whose native form has expired is counted, and not guessed."""
    (id_,) = await history.gateway.accept(history.sender, tickets("1"))
    webhook_id, _ = await history.gateway.runtime.gateway.events.find_event(id_)  # type: ignore[misc]
    await history.gateway.store.delete(history.gateway.keys.native(webhook_id))

    found = await history.ask(mapping=LOUDER)

    assert found["webhooks"] == {"same": 0, "changed": 0, "lost": 0, "skipped": 1}


async def test_time_runs_out(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there was no time for is left out, and the answer says so."""
    await history.send(*(tickets(str(n)) for n in range(30)))
    monkeypatch.setattr(backtest, "SECONDS", 0.5)
    unpack = backtest.unpack_native

    def slowly(packed: bytes) -> Any:
        time.sleep(0.05)
        return unpack(packed)

    monkeypatch.setattr(backtest, "unpack_native", slowly)

    found = await history.ask(mapping=LOUDER)

    assert found["complete"] is False
    assert 0 < found["webhooks"]["changed"] + found["webhooks"]["same"] < 30


async def test_problems_are_422(history: History) -> None:
    """A text that does not compile is refused, each problem with its line and column."""
    text = ACME.replace("title: $.title", "title: title")

    answer = await history.gateway.api.post(BACKTEST, {"mapping": text})

    assert (answer.status, answer.json["code"]) == (422, "mapping_invalid")
    (error,) = answer.json["errors"]
    assert error["pointer"] == "/mapping"
    line = next(n for n, t in enumerate(text.splitlines(), 1) if "title: title" in t)
    assert error["detail"].startswith(f"line {line}, column ")
    assert "E101" in error["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"mapping": ACME, "platform": "acme"}, 422),
        ({"platform": "nobody"}, 422),
        ({"mapping": ACME, "last": 0}, 422),
        ({"mapping": ACME, "last": 1001}, 422),
        ({"mapping": ACME, "examples": 51}, 422),
        ({"mapping": ACME, "integration": "nobody"}, 404),
    ],
)
async def test_bounds(history: History, body: dict[str, Any], status: int) -> None:
    """What is asked for is bounded, and has to exist."""
    assert (await history.gateway.api.post(BACKTEST, body)).status == status


async def test_backtest_writes_nothing_and_holds_nobody_up(history: History) -> None:
    """While a backtest runs webhooks are taken; neither the store nor what is in use changes."""
    await history.send(*(tickets(str(n)) for n in range(100)))
    before = await history.gateway.own_keys()
    snapshot = history.gateway.runtime.gateway.registry.snapshot

    found = await history.ask(mapping=LOUDER, last=1000)

    assert found["webhooks"]["changed"] == 100
    assert await history.gateway.own_keys() == before
    assert history.gateway.runtime.gateway.registry.snapshot is snapshot
    again = asyncio.create_task(history.ask(mapping=LOUDER, last=1000))
    statuses = await history.send(*(tickets(str(n)) for n in range(100, 150)))
    assert set(statuses) == {"accepted"}
    await again
