"""The shipped destinations: their own tests, and every event of every shipped mapping."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onehook.core.destinations.outlets import Choices, make_outlet
from onehook.core.destinations.testing import run_tests
from onehook.core.jsontext import decode, encode
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.samples import samples
from onehook.core.mapping.testing import normalize_sample
from onehook.core.model import Event
from onehook.core.profiles.outlet import Outlet
from onehook.core.schema.events import EVENT_TYPES, data_model
from onehook.destinations import read_all, read_file, shipped_folder
from tests.builders import Native, Reply, Running, Sender, Subscriber, issue, shipped
from tests.core.javascript import round_trip
from tests.core.profiles.outgoing import SECRET, request
from tests.destinations.vendors import SETTINGS, VENDORS

FOLDER = shipped_folder()
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SECRET_URLS = {"slack", "teams", "discord", "zapier"}
NASTY = '<b>"quoted"</b> & \\ `@everyone` \u2028 \U0001f600 ' + "long " * 1500


@cache
def events() -> list[Event]:
    """Every event that the tests of the shipped mappings give."""
    found: list[Event] = []
    for file in shipped().values():
        for sample in samples(file.mapping, file.load_sample):
            outcome = normalize_sample(file.mapping, sample)
            if isinstance(outcome, Emitted):
                found += outcome.events
    return found


def way_out(name: str, **fields: Any) -> Outlet:
    """To the shipped destination of that name."""
    choices = Choices(
        "https://a.example", SECRET, prefix="acme",
        settings=SETTINGS.get(name, {"from": "a@x.example", "to": "b@x.example"}), **fields,
    )  # fmt: skip
    return make_outlet(choices, read_all(None)[name], None)


def test_what_is_promised_is_there() -> None:
    """A file each, named after what it describes; each has a vendor to judge it here."""
    assert set(NAMES) == set(VENDORS) == set(read_all(None))


@pytest.mark.parametrize("name", NAMES)
def test_the_files_own_tests_pass(name: str) -> None:
    """And there are some."""
    file = read_file(FOLDER / f"{name}.yaml")
    results = run_tests(file.destination, file.load_event)
    assert results
    assert [result for result in results if result.problems] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("samples/*.json")), ids=lambda p: p.stem)
def test_a_sample_is_an_event(path: Path) -> None:
    """As the schema says today."""
    event = json.loads(path.read_bytes())
    data_model(EVENT_TYPES[event["type"]]).model_validate(event["data"])


@pytest.mark.parametrize("name", NAMES)
def test_every_event_can_be_sent(name: str) -> None:
    """Of any type: the vendor takes it, and JavaScript gives the same bytes back."""
    destination = read_all(None)[name]
    outlet = way_out(name)
    bodies = []
    for event in events():
        if destination.events and not event.type.startswith("security.scan."):
            continue
        made = request(json.loads(event.body), outlet)
        headers = {key.lower(): value for key, value in made.headers.items()}
        answer = VENDORS[name](headers, json.loads(made.body))
        assert answer.status in range(200, 300), (event.type, made.body)
        if outlet.judge is not None:
            assert outlet.judge(answer.status, [], answer.body) is None, answer.body
        bodies.append(made.body)
    assert len(bodies) >= 8
    assert round_trip(bodies) == bodies


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_an_event_are_only_texts(name: str) -> None:
    """Quotes, markup and great length stay within what the vendor takes."""
    type_ = "security.scan.completed" if name == "compat-scan-results" else None
    event = next(e for e in events() if e.type == (type_ or "ticketing.ticket.created"))
    body: Any = decode(event.body)
    for field in ("title", "name", "description"):
        if field in body["data"]:
            body["data"][field] = NASTY
    made = request(body, way_out(name))
    headers = {key.lower(): value for key, value in made.headers.items()}
    assert VENDORS[name](headers, json.loads(made.body)).status in range(200, 300), made.body
    assert encode(decode(made.body)) == made.body


@pytest.mark.parametrize("name", [name for name in NAMES if name != "email"])
async def test_a_receiver_like_the_vendors_takes_it(
    gateway: Running, subscriber: Subscriber, name: str
) -> None:
    """End to end; a secret URL is nowhere in what is shown."""
    got: list[Reply] = []

    async def answer(http: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in http.headers.items()}
        got.append(VENDORS[name](headers, await http.json()))
        return web.Response(status=got[-1].status, body=got[-1].body)

    subscriber.behave = answer
    url = subscriber.url.replace("/events", "/services/T0/B0/secret-path")
    fields: dict[str, Any] = {"url": url, "destination": name, "prefix": "acme"}
    fields |= {"settings": SETTINGS.get(name, {})}
    if name == "compat-scan-results":
        fields["events"] = ["security.scan.*"]
    one = await gateway.subscribe(subscriber, **fields)
    if name == "compat-scan-results":
        sender = await gateway.integrate("scan-results")
        event_id = await _scan(gateway, sender)
    else:
        (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    found = await gateway.settled(event_id, one["id"], status="delivered")
    assert [reply.status for reply in got] == [found["last_status"]]
    told = f"{one} {found}"
    assert ("secret-path" in told) is (name not in SECRET_URLS)
    for value in SETTINGS.get(name, {}).values():
        assert value not in told or value == "main"


async def _scan(gateway: Running, sender: Sender) -> str:
    """A scan that is done; its event's id."""
    body = encode({"scanId": "s1", "status": "completed", "timestamp": "2026-11-22T10:15:00Z"})
    native = Native({"Content-Type": "application/json"}, body)
    answer = await gateway.send(sender, native)  # this sender insists on 200
    event_id: str = answer.json["events"][0]["id"]
    return event_id


@pytest.mark.parametrize(
    ("name", "settings"),
    [("splunk-hec", {"token": "wrong-token"}), ("pagerduty-events", {"routing_key": "wrong-key"})],
)
async def test_a_vendor_that_says_no_is_tried_again(
    gateway: Running, subscriber: Subscriber, name: str, settings: dict[str, str]
) -> None:
    """With what it said in the history."""

    async def answer(http: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in http.headers.items()}
        reply = VENDORS[name](headers, await http.json())
        return web.Response(status=reply.status, body=reply.body)

    subscriber.behave = answer
    one = await gateway.subscribe(subscriber, destination=name, settings=settings)
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    found = await gateway.settled(event_id, one["id"])
    assert (found["status"], found["last_error"]) == ("pending", "status")
    assert found["attempts"][0]["response"]["body"]
