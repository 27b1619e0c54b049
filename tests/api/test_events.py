"""``/v1/events``: what came in, as it is delivered and as it came."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.test_integrations import pointers
from tests.builders import Running, Subscriber, github, issue, membership, sha256


def text(moment: datetime) -> str:
    """RFC 3339."""
    return moment.isoformat().replace("+00:00", "Z")


async def test_list_shows_events_as_they_are_delivered(
    gateway: Running, subscriber: Subscriber
) -> None:
    """An item of the list, the event by id and the body of the delivery are the same."""
    await gateway.subscribe(subscriber)
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    (got,) = await subscriber.wait()

    listed = await gateway.api.get("/v1/events")

    assert listed.json == {"data": [got.json], "next": None}
    shown = await gateway.api.get(f"/v1/events/{event_id}")
    assert (shown.body, shown.media_type) == (got.body, "application/json")


async def test_list_pages_newest_first(gateway: Running) -> None:
    """Every event is on exactly one page, newest first."""
    sender = await gateway.integrate()
    ids = [(await gateway.accept(sender, issue(n)))[0] for n in range(7)]
    seen: list[str] = []
    query = {"limit": "3"}
    for _ in range(5):
        page = (await gateway.api.get("/v1/events", **query)).json
        seen += [event["id"] for event in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert seen == ids[::-1]
    assert page["next"] is None


async def test_pages_do_not_shift_while_events_come(gateway: Running) -> None:
    """What comes in while somebody pages repeats nothing on the next page."""
    sender = await gateway.integrate()
    ids = [(await gateway.accept(sender, issue(n)))[0] for n in range(4)]
    first = (await gateway.api.get("/v1/events", limit="2")).json
    await gateway.accept(sender, issue(9))

    second = (await gateway.api.get("/v1/events", limit="2", cursor=first["next"])).json

    assert [e["id"] for e in first["data"] + second["data"]] == ids[::-1]


async def test_filters_by_type_and_integration(gateway: Running) -> None:
    """`type` takes patterns, `integration` ids and keys; both together narrow."""
    one, two = await gateway.integrate(key="one"), await gateway.integrate()
    (ticket,) = await gateway.accept(one, issue())
    (group,) = await gateway.accept(one, membership())
    (other,) = await gateway.accept(two, issue())

    async def ids(**query: str) -> set[str]:
        answer = await gateway.api.get("/v1/events", **query)
        assert answer.status == 200, answer.body
        return {event["id"] for event in answer.json["data"]}

    assert await ids() == {ticket, group, other}
    assert await ids(type="*") == {ticket, group, other}
    assert await ids(type="ticketing.*") == {ticket, other}
    assert await ids(type="identity.group.*") == {group}
    assert await ids(type="ticketing.ticket.created", integration="one") == {ticket}
    assert await ids(integration=two.id) == {other}
    assert await ids(type="scm.*") == set()


async def test_filters_by_time(gateway: Running) -> None:
    """`since` is inclusive and `until` exclusive; any offset is understood."""
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    now = datetime.now(UTC)

    async def ids(**query: str) -> list[str]:
        answer = await gateway.api.get("/v1/events", **query)
        return [event["id"] for event in answer.json["data"]]

    minute = timedelta(minutes=1)
    assert await ids(since=text(now - minute), until=text(now + minute)) == [event_id]
    assert await ids(since=text(now + minute)) == []
    assert await ids(until=text(now - minute)) == []
    assert await ids(since=(now - minute).astimezone(tz=None).isoformat()) == [event_id]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"type": "sales.*"}, "/type"),
        ({"type": "scm.pull*"}, "/type"),
        ({"since": "yesterday"}, "/since"),
        ({"since": "2026-11-22T10:00:00"}, "/since"),
        ({"cursor": "AAAA"}, "/cursor"),
        ({"colour": "red"}, "/colour"),
        ({"status": "dead"}, "/status"),
    ],
)
async def test_wrong_queries_are_422(gateway: Running, query: dict[str, str], pointer: str) -> None:
    """A query that is wrong or unknown is refused by name."""
    answer = await gateway.api.get("/v1/events", **query)

    assert (answer.status, answer.media_type) == (422, "application/problem+json"), answer.body
    assert pointer in pointers(answer)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/deliveries"])
async def test_foreign_cursor_is_422(gateway: Running, path: str) -> None:
    """A cursor of another list is refused, not a fault of ours."""
    await gateway.integrate()
    await gateway.integrate()
    foreign = (await gateway.api.get("/v1/integrations", limit="1")).json["next"]

    answer = await gateway.api.get(path, cursor=foreign)

    assert answer.status == 422


async def test_query_given_twice_is_422(gateway: Running) -> None:
    """A parameter may be given once."""
    answer = await gateway.api.call("GET", "/v1/events?limit=1&limit=2")

    assert (answer.status, pointers(answer)) == (422, ["/limit"])


async def test_native_comes_back_byte_for_byte(gateway: Running) -> None:
    """The native webhook is what was sent, to be saved and never to be rendered."""
    native = issue().with_headers(Content_Type="application/json; charset=utf-8")
    (event_id,) = await gateway.accept(await gateway.integrate(), native)

    answer = await gateway.api.get(f"/v1/events/{event_id}/native")

    assert (answer.status, answer.body) == (200, native.body)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_native_as_json_has_its_proofs_blanked(gateway: Running) -> None:
    """As JSON the webhook has its headers, without signature or authorization, and its body."""
    sender = await gateway.integrate()
    native = issue().with_headers(Authorization="Basic c2VjcmV0", Cookie="c=secret", X_Note="n")
    (event_id,) = await gateway.accept(sender, native)
    ((_, signature),) = gateway.proof(sender, native)

    answer = await gateway.api.get(f"/v1/events/{event_id}/native", format="json")

    found = answer.json
    headers = dict(found["headers"])
    assert signature not in answer.body.decode()
    assert {headers[n] for n in ("x-hub-signature-256", "authorization", "cookie")} == {
        "[redacted]"
    }
    assert (headers["x-github-event"], headers["x-note"]) == ("issues", "n")
    assert base64.b64decode(found["body_base64"]) == native.body
    assert (found["size"], found["sha256"]) == (len(native.body), sha256(native.body))
    assert found["content_type"] == "application/json"
    assert datetime.fromisoformat(found["received_at"]).tzinfo is not None


async def test_native_is_410_once_it_expired(gateway: Running) -> None:
    """While the event is still kept and its webhook is not, the webhook is gone: 410."""
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    (native,) = [key for key in await gateway.own_keys() if ":w:" in key]
    await gateway.store.delete(native)

    answer = await gateway.api.get(f"/v1/events/{event_id}/native")

    assert (answer.status, answer.json["code"]) == (410, "gone")
    assert (await gateway.api.get(f"/v1/events/{event_id}")).status == 200


async def test_expired_events_leave_the_lists(gateway: Running) -> None:
    """An event that expired is 404, and lists go on without it."""
    sender = await gateway.integrate()
    ids = [(await gateway.accept(sender, issue(n)))[0] for n in range(3)]
    await gateway.store.delete(gateway.keys.event(ids[1]))

    listed = (await gateway.api.get("/v1/events")).json

    assert [event["id"] for event in listed["data"]] == [ids[2], ids[0]]
    assert (await gateway.api.get(f"/v1/events/{ids[1]}")).status == 404


async def test_raw_ref_leads_to_the_native(gateway: Running) -> None:
    """`raw.ref` of an event is the path of its native webhook."""
    native = github("push", b"{}")
    sender = await gateway.integrate()
    (event_id,) = await gateway.accept(sender, issue())
    event = (await gateway.api.get(f"/v1/events/{event_id}")).json

    answer = await gateway.api.get(event["data"]["raw"]["ref"])

    assert sha256(answer.body) == event["data"]["raw"]["sha256"]
    assert native.body != answer.body


async def test_many_events_are_read_in_one_list(gateway: Running) -> None:
    """A page may hold 200 events."""
    sender = await gateway.integrate()
    await asyncio.gather(*(gateway.accept(sender, issue(n)) for n in range(120)))

    page = (await gateway.api.get("/v1/events", limit="200")).json

    assert (len(page["data"]), page["next"]) == (120, None)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"],
)
async def test_h6_times_out_of_range_are_refused(gateway: Running, moment: str) -> None:
    """A time that nothing can have come at is named as wrong: no fault of the store or ours."""
    answer = await gateway.api.get("/v1/events", since=moment)

    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == ["/since"]
