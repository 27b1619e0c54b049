"""``/v1/quarantine``: what is listed, shown, tried again and dropped."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from onehook.core.identity import event_id
from tests.builders import (
    ACME,
    Native,
    Running,
    Sender,
    Subscriber,
    acme,
    sha256,
    tickets,
    write_acme,
)
from tests.conftest import StartGateway

QUARANTINE = "/v1/quarantine"
# The vendor's new kind of webhook, once somebody has mapped it.
MENDED = ACME.replace(
    "ignore:",
    """\
  - id: alerts
    when: {$.kind: alert}
    emit: ticketing.ticket.created
    data: {urn: [$.id], id: $.id, key: $.id, title: $.title, status_category: {const: todo}}
ignore:
  - {when: {$.kind: noise}, reason: noise}""",
).replace('version: "1.0.0"', 'version: "1.1.0"')


def alert(id_: str = "1", **more: object) -> Native:
    """A webhook that only `MENDED` maps."""
    return acme("alert", **{"id": id_, "title": f"Alert {id_}", **more})


class Hospital:
    """A gateway whose acme mapping can be mended."""

    def __init__(self, gateway: Running, folder: Path, sender: Sender) -> None:
        self.gateway, self.folder, self.sender = gateway, folder, sender

    async def hold(self, native: Native) -> str:
        """Send *native*, which must go into quarantine; its id."""
        answer = await self.gateway.send(self.sender, native)
        assert (answer.status, answer.json["status"]) == (202, "quarantined"), answer.body
        id_: str = answer.json["id"]
        return id_

    async def mend(self, text: str = MENDED) -> None:
        """Give the mapping that text, and wait until it is in use."""
        write_acme(self.folder, text)
        reloader = self.gateway.runtime.reloader
        reloader.hurry()
        await reloader.look()
        assert self.gateway.runtime.gateway.mappings["acme"].mapping.source.text == text

    async def listed(self, **query: str) -> list[str]:
        """The ids that are listed."""
        answer = await self.gateway.api.get(QUARANTINE, **query)
        assert answer.status == 200, answer.body
        return [one["id"] for one in answer.json["data"]]

    async def events(self, type_: str = "ticketing.*") -> list[Any]:
        """The events of a type, newest first."""
        answer = await self.gateway.api.get("/v1/events", type=type_, limit="200")
        found: list[Any] = answer.json["data"]
        return found

    async def retry(self, id_: str) -> Any:
        """Try one again."""
        answer = await self.gateway.api.post(f"{QUARANTINE}/{id_}/retry")
        assert answer.status == 200, answer.body
        return answer.json

    async def retry_many(self, **body: object) -> Any:
        """Try many again."""
        answer = await self.gateway.api.post(f"{QUARANTINE}/retry", body)
        assert answer.status == 200, answer.body
        return answer.json


@pytest.fixture
async def hospital(
    start_gateway: StartGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hospital:
    """A gateway whose files are looked at when a test says so."""
    monkeypatch.setattr("onehook.wiring.LOOK", 600)
    folder = write_acme(tmp_path / "mappings")
    gateway = await start_gateway(mappings=folder)
    return Hospital(gateway, folder, await gateway.integrate("acme"))


# -- to look at -----------------------------------------------------------------------------------


async def test_listed_with_why_and_where(hospital: Hospital) -> None:
    """Each webhook in quarantine is listed, newest first, with reason, place and origin."""
    first = await hospital.hold(alert())
    second = await hospital.hold(acme("tickets", tickets=[{"id": "1"}]))

    answer = await hospital.gateway.api.get(QUARANTINE)

    assert answer.json["next"] is None
    newer, older = answer.json["data"]
    assert (newer["id"], older["id"]) == (second, first)
    assert (older["reason"], older["pointer"], older["event"]) == ("no_rule", None, "alert")
    assert (newer["reason"], newer["pointer"]) == ("schema_violation", "/data/title")
    assert newer["pointer"] in newer["detail"]
    assert newer["integration_id"] == hospital.sender.id
    assert newer["platform"] == "acme"
    quarantined = datetime.fromisoformat(newer["quarantined_at"])
    assert abs(datetime.now(UTC) - quarantined) < timedelta(minutes=1)


async def test_filters(hospital: Hospital) -> None:
    """By integration, reason and time; what does not exist is an error, not an empty list."""
    gateway = hospital.gateway
    other = await gateway.integrate("acme", key="other", secret="another-secret")
    await hospital.hold(alert())
    empty = await hospital.hold(Native({"Content-Type": "application/json", "X-Acme-Id": "e"}, b""))
    answer = await gateway.send(other, alert())
    elsewhere = answer.json["id"]
    moment = (await gateway.api.get(f"{QUARANTINE}/{elsewhere}")).json["quarantined_at"]

    assert await hospital.listed(integration="other") == [elsewhere]
    assert await hospital.listed(reason="empty_body") == [empty]
    assert elsewhere in await hospital.listed(since=moment)
    assert elsewhere not in await hospital.listed(until=moment)
    assert (await gateway.api.get(QUARANTINE, integration="nobody")).status == 404
    assert (await gateway.api.get(QUARANTINE, reason="because")).status == 422
    assert (await gateway.api.get(QUARANTINE, cursor="made-up")).status == 422


async def test_pages(hospital: Hospital) -> None:
    """Pages follow each other without a gap or a repeat, filtered or not."""
    sent = [await hospital.hold(alert(str(n))) for n in range(5)]
    other = await hospital.hold(acme("tickets", tickets=[{"id": "1"}]))

    for query, wanted in (({}, [other, *sent[::-1]]), ({"reason": "no_rule"}, sent[::-1])):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await hospital.gateway.api.get(QUARANTINE, limit="2", **query, **cursor)).json
            found += [one["id"] for one in page["data"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert found == wanted


async def test_shown_as_it_was_kept(hospital: Hospital) -> None:
    """Body byte for byte, headers with the proofs blanked, and why it is here."""
    native = alert().with_headers(X_Note="hello")
    id_ = await hospital.hold(native)

    answer = await hospital.gateway.api.get(f"{QUARANTINE}/{id_}")

    found = answer.json
    assert (found["id"], found["reason"]) == (id_, "no_rule")
    kept = found["native"]
    assert base64.b64decode(kept["body_base64"]) == native.body
    assert (kept["size"], kept["sha256"]) == (len(native.body), sha256(native.body))
    assert kept["content_type"] == "application/json"
    headers = dict(kept["headers"])
    assert headers["x-note"] == "hello"
    assert headers["x-acme-signature"] == "[redacted]"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_unknown_is_404(hospital: Hospital, method: str) -> None:
    """What is not in quarantine, or not any more, is 404 however it is asked for."""
    gateway = hospital.gateway
    (event,) = await gateway.accept(hospital.sender, tickets("1"))
    accepted = (await gateway.runtime.gateway.events.find_event(event))[0]  # type: ignore[index]
    more = {"DELETE": "?reason=x", "POST": "/retry"}.get(method, "")

    for id_ in ("whk_none", "x", accepted):
        answer = await gateway.api.call(method, f"{QUARANTINE}/{id_}{more}")
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert (await gateway.api.get(f"/v1/events/{event}/native")).status == 200


# -- to try again ---------------------------------------------------------------------------------


async def test_m1_mended_mapping_delivers_once(hospital: Hospital, subscriber: Subscriber) -> None:
    """Quarantined, mapping mended, tried again: delivered once, under the id it would have had."""
    gateway = hospital.gateway
    subscription = await gateway.subscribe(subscriber, events=["ticketing.*"])
    native = alert()
    id_ = await hospital.hold(native)
    await hospital.mend()

    done = await hospital.retry(id_)

    assert (done["status"], done["id"], done["reason"]) == ("accepted", id_, None)
    (event,) = done["events"]
    assert event["type"] == "ticketing.ticket.created"
    await gateway.settled(event["id"], subscription["id"], status="delivered")
    assert subscriber.ids == [event["id"]]
    assert await hospital.listed() == []
    assert (await gateway.api.get(f"{QUARANTINE}/{id_}")).status == 404
    original = await gateway.api.get(f"/v1/events/{event['id']}/native")
    assert original.body == native.body
    again = await gateway.send(hospital.sender, native)
    assert (again.status, again.json) == (200, {"status": "duplicate", "events": [event]})


async def test_ids_are_those_of_the_first_time(hospital: Hospital) -> None:
    """A mended mapping that dedupes otherwise does not change the ids of what came before it."""
    id_ = await hospital.hold(acme("alert", "the-delivery", id="1", title="One"))
    await hospital.mend(
        MENDED.replace("dedupe: {key: [{header: X-Acme-Id}]}", "dedupe: {key: [$.id]}")
    )

    (event,) = (await hospital.retry(id_))["events"]

    info = hospital.gateway.runtime.gateway.registry.snapshot.running[hospital.sender.id].info
    assert event["id"] == event_id(info.id, ["the-delivery"], event["type"], "0")


async def test_still_unmapped_stays_with_the_new_reason(hospital: Hospital) -> None:
    """What the mended mapping cannot map either stays, and says what is wrong now."""
    id_ = await hospital.hold(alert(title=None))
    await hospital.mend()

    done = await hospital.retry(id_)

    assert (done["status"], done["events"]) == ("quarantined", [])
    assert (done["reason"], done["pointer"]) == ("schema_violation", "/data/title")
    shown = (await hospital.gateway.api.get(f"{QUARANTINE}/{id_}")).json
    assert {name: shown[name] for name in ("reason", "detail", "pointer")} == {
        name: done[name] for name in ("reason", "detail", "pointer")
    }
    assert await hospital.listed(reason="schema_violation") == [id_]
    assert await hospital.listed(reason="no_rule") == []


async def test_ignored_leaves_without_events(hospital: Hospital) -> None:
    """What the mended mapping ignores leaves the quarantine, and makes no event."""
    id_ = await hospital.hold(acme("noise"))
    await hospital.mend()

    done = await hospital.retry(id_)

    assert (done["status"], done["reason"], done["events"]) == ("ignored", "noise", [])
    assert await hospital.listed() == []
    assert await hospital.events() == []


async def test_without_its_integration_it_stays(hospital: Hospital) -> None:
    """Nobody can normalize for an integration that was removed: 409, and it is still there."""
    id_ = await hospital.hold(alert())
    await hospital.gateway.api.delete(f"/v1/integrations/{hospital.sender.id}")

    answer = await hospital.gateway.api.post(f"{QUARANTINE}/{id_}/retry")

    assert (answer.status, answer.json["code"]) == (409, "conflict")
    assert await hospital.listed() == [id_]
    assert (await hospital.retry_many())["skipped"] == 1


async def test_many_at_once(hospital: Hospital, subscriber: Subscriber) -> None:
    """All that is mended leaves in one call, each delivered once; the rest stays, counted."""
    gateway = hospital.gateway
    await gateway.subscribe(subscriber, events=["ticketing.*"])
    good = [await hospital.hold(alert(str(n))) for n in range(70)]
    bad = [await hospital.hold(alert(str(n), title=None)) for n in range(3)]
    await hospital.hold(acme("noise"))
    await hospital.mend()

    with capture_logs() as logs:
        done = await hospital.retry_many()

    assert done == {
        "accepted": len(good), "ignored": 1, "quarantined": 3, "skipped": 0, "events": len(good),
        "reasons": {"schema_violation": 3}, "next": None,
    }  # fmt: skip
    assert [line["accepted"] for line in logs if line["event"] == "quarantine.retried"] == [70]
    assert await hospital.listed() == bad[::-1]
    await subscriber.wait(len(good))
    assert len(set(subscriber.ids)) == len(subscriber.ids) == len(good)
    assert (await hospital.retry_many())["accepted"] == 0


async def test_end_of_many_is_an_event(hospital: Hospital, subscriber: Subscriber) -> None:
    """Who subscribed to it is told how many events a retry of many made, and how much stays."""
    type_ = "integration.sync.completed"
    await hospital.gateway.subscribe(subscriber, events=[type_])
    for native in (alert("1"), alert("2"), alert("3", title=None)):
        await hospital.hold(native)
    await hospital.mend()

    await hospital.retry_many()

    (received,) = await subscriber.wait(1)
    data = received.json["data"]
    assert (data["status"], data["name"]) == ("completed", "quarantine")
    assert data["counts"] == {"events": 2, "failed": 1}
    assert data["id"].startswith("rpl_")
    await hospital.retry_many(reason="unparsable")  # finds none: nothing to tell
    assert len(await hospital.events(type_)) == 1


async def test_many_in_steps(hospital: Hospital) -> None:
    """Each call does up to *limit*, the oldest first, and says where the next one goes on."""
    sent = [await hospital.hold(alert(str(n), title=None)) for n in range(5)]
    sent += [await hospital.hold(alert(str(n))) for n in range(5, 9)]
    await hospital.mend()

    calls, cursor = [], None
    while not calls or cursor is not None:
        calls.append(await hospital.retry_many(limit=4, cursor=cursor))
        cursor = calls[-1]["next"]

    assert [(one["quarantined"], one["accepted"]) for one in calls] == [(4, 0), (1, 3), (0, 1)]
    assert [event["data"]["id"] for event in await hospital.events()] == ["8", "7", "6", "5"]
    assert await hospital.listed() == sent[4::-1]


async def test_many_by_filter(hospital: Hospital) -> None:
    """Only webhooks of that integration and reason are tried."""
    gateway = hospital.gateway
    other = await gateway.integrate("acme", key="other", secret="another-secret")
    mine = await hospital.hold(alert("1"))
    theirs = (await gateway.send(other, alert("2"))).json["id"]
    await hospital.mend()

    assert (await hospital.retry_many(reason="unparsable"))["accepted"] == 0
    assert (await hospital.retry_many(integration="other"))["accepted"] == 1

    assert await hospital.listed() == [mine]
    assert theirs != mine
    answer = await gateway.api.post(f"{QUARANTINE}/retry", {"integration": "nobody"})
    assert answer.status == 404


async def test_two_at_once_release_once(hospital: Hospital, subscriber: Subscriber) -> None:
    """Two operators who press at the same moment get the same events, delivered once."""
    gateway = hospital.gateway
    await gateway.subscribe(subscriber, events=["ticketing.*"])
    ids = [await hospital.hold(alert(str(n))) for n in range(20)]
    await hospital.mend()

    answers = await asyncio.gather(
        *(gateway.api.post(f"{QUARANTINE}/{id_}/retry") for id_ in ids for _ in range(2)),
        hospital.retry_many(),
    )

    assert {answer.status for answer in answers[:-1]} <= {200, 404}
    assert len(await hospital.events()) == len(ids)
    await subscriber.wait(len(ids))
    assert len(set(subscriber.ids)) == len(subscriber.ids) == len(ids)


async def test_crash_before_the_commit_loses_nothing(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store is away a retry is 503, and the webhook is in quarantine as before."""
    id_ = await hospital.hold(alert())
    await hospital.mend()
    commit = hospital.gateway.runtime.gateway.events.commit

    async def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(hospital.gateway.runtime.gateway.events, "commit", fail)
    answer = await hospital.gateway.api.post(f"{QUARANTINE}/{id_}/retry")
    many = await hospital.gateway.api.post(f"{QUARANTINE}/retry")

    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert (many.status, many.json["code"]) == (503, "store_unavailable")
    assert await hospital.listed() == [id_]
    monkeypatch.setattr(hospital.gateway.runtime.gateway.events, "commit", commit)
    assert (await hospital.retry(id_))["status"] == "accepted"


async def test_lost_reply_of_the_commit_makes_no_second_set(
    hospital: Hospital, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit ran and its reply was lost: it is sent again, and each event is delivered once."""
    gateway = hospital.gateway
    await gateway.subscribe(subscriber, events=["ticketing.*"])
    id_ = await hospital.hold(alert())
    await hospital.mend()
    events = gateway.runtime.gateway.events
    commit, calls = events.commit, []

    async def lossy(*arguments: Any) -> Any:
        calls.append(await commit(*arguments))
        if len(calls) == 1:
            raise ConnectionError
        return calls[-1]

    monkeypatch.setattr(events, "commit", lossy)

    done = await hospital.retry(id_)

    assert len(calls) == 2
    (event,) = done["events"]
    await subscriber.wait(1)
    assert [one["id"] for one in await hospital.events()] == [event["id"]]
    assert subscriber.ids == [event["id"]]


# -- to drop --------------------------------------------------------------------------------------


async def test_dropped_with_a_reason(hospital: Hospital) -> None:
    """A dropped webhook is gone, and the log says who asked why; a redelivery is a duplicate."""
    native = alert()
    id_ = await hospital.hold(native)
    path = f"{QUARANTINE}/{id_}"

    assert (await hospital.gateway.api.delete(path)).json["errors"][0]["pointer"] == "/reason"
    with capture_logs() as logs:
        answer = await hospital.gateway.api.delete(f"{path}?reason=a+test+of+theirs")

    assert answer.status == 204
    assert await hospital.listed() == []
    (line,) = [one for one in logs if one["event"] == "quarantine.discarded"]
    assert (line["webhook_id"], line["reason"]) == (id_, "a test of theirs")
    again = await hospital.gateway.send(hospital.sender, native)
    assert again.json["status"] == "duplicate"
