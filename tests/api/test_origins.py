"""``/v1/events/{id}/origins``: which line of the mapping made each field."""

from pathlib import Path
from typing import Any

from tests.builders import (
    ACME,
    SECRET,
    Answer,
    Running,
    Subscriber,
    eventually,
    issue,
    tickets,
    write_acme,
)
from tests.conftest import StartGateway


async def origins(gateway: Running, event_id: str, key: str | None = None) -> Answer:
    """The answer, to the first key unless another is given."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return await gateway.api.call("GET", f"/v1/events/{event_id}/origins", headers=headers)


def field(found: Any, pointer: str) -> Any:
    """Where one field came from."""
    (one,) = [one for one in found["fields"] if one["pointer"] == pointer]
    return one


async def test_each_field_names_its_line_and_its_place(gateway: Running) -> None:
    """As a preview of the same event and mapping tells; nothing is to be said of it."""
    (event_id,) = await gateway.accept(await gateway.integrate(), issue(7))

    found = (await origins(gateway, event_id)).json

    body = {"platform": "github", "event_id": event_id}
    (trace,) = (await gateway.api.post("/v1/mappings/preview", body)).json["traces"]
    assert found["fields"] == trace["fields"]
    assert (found["rule"], found["place"]) == (trace["rule"], trace["place"])
    assert (found["type"], found["detail"]) == ("ticketing.ticket.created", None)
    assert field(found, "/data/title")["native"] == ["/issue/title"]


async def test_h3_who_may_read_an_event_may_read_its_origins(gateway: Running) -> None:
    """The scopes read and subscriber; not one that sees no events."""
    (event_id,) = await gateway.accept(await gateway.integrate(), issue())
    statuses: dict[str, int] = {}
    for scope in ("read", "subscriber", "ingest-admin"):
        made = await gateway.api.post("/v1/keys", {"name": scope, "scopes": [scope]})
        statuses[scope] = (await origins(gateway, event_id, made.json["key"])).status

    assert statuses == {"read": 200, "subscriber": 200, "ingest-admin": 403}


async def test_a_mapping_that_changed_since_is_told(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """Where it would make the event otherwise now, and where it would not make it at all."""
    folder = write_acme(tmp_path / "mappings")
    gateway = await start_gateway(mappings=folder)
    sender = await gateway.integrate("acme", settings={"secret": SECRET})
    (event_id,) = await gateway.accept(sender, tickets("1"))

    await reload(gateway, folder, ACME.replace("title: $.title", "title: {const: other}"))
    otherwise = (await origins(gateway, event_id)).json
    await reload(gateway, folder, ACME.replace("key: $.id, max", "key: $.title, max"))
    nothing = (await origins(gateway, event_id)).json

    assert otherwise["rule"] == "tickets"
    assert "it would make this event otherwise now" in otherwise["detail"]
    assert (nothing["rule"], nothing["fields"]) == (None, [])
    assert "would not make this event" in nothing["detail"]


async def reload(gateway: Running, folder: Path, text: str) -> None:
    """Have the gateway take up another text of `ACME`."""
    write_acme(folder, text)
    gateway.runtime.reloader.hurry()
    await gateway.runtime.reloader.look()


async def test_what_the_gateway_tells_of_itself_is_no_rules(
    gateway: Running, subscriber: Subscriber
) -> None:
    """Its own events say so; an event that is not there is 404."""
    subscription = await gateway.subscribe(subscriber)
    await gateway.api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    told: list[Any] = []

    async def heard() -> bool:
        answer = await gateway.api.get("/v1/events", type="integration.subscription.paused")
        told[:] = answer.json["data"]
        return bool(told)

    await eventually(heard)
    found = (await origins(gateway, told[0]["id"])).json

    assert (found["rule"], found["fields"]) == (None, [])
    assert "tells this of itself" in found["detail"]
    assert (await origins(gateway, "evt_x")).status == 404
