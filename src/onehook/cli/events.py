"""``onehook events``: what came in, as it comes and afterwards."""

import json
from typing import Annotated, Any

import uvloop
from cyclopts import App, Parameter

from onehook.cli.client import HERE, Target, address, connect, get_key
from onehook.cli.following import Frame, Stream, each
from onehook.cli.options import asked, run
from onehook.cli.output import (
    Columns,
    moment,
    say,
    show_fields,
    show_json,
    show_line,
    show_rows,
    show_table,
    tell,
)
from onehook.settings import ClientSettings

app = App(name="events", help="See what came in: list, show, follow.")
Type = Annotated[str | None, Parameter(name="--type")]
_COLUMNS: Columns = {
    "received": lambda row: moment(row["received_at"]),
    "type": "type",
    "integration": lambda row: row["integration"]["name"],
    "title": lambda row: title_of(row["data"]),
    "id": "id",
}
# Which field of an event's data says best what it is about; the first that is there.
_TITLES = ("title", "name", "summary", "message", "key", "urn")


def title_of(data: Any) -> str:
    """What an event is about, in a line."""
    found = (data.get(name) for name in _TITLES)
    lines = next((text for text in found if isinstance(text, str) and text), "").splitlines()
    return lines[0][:80] if lines else ""


@app.command(name="list")
def list_(
    *,
    type_: Type = None,
    integration: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    target: Target = HERE,
) -> int:
    """List events, newest first.

    Args:
        type_: only events of this type or pattern, such as scm.*.
        integration: only events of this integration, by id or key.
        since: from this moment on, such as 2026-11-22T10:00:00Z, or 1h ago: 1h.
        until: before this moment.
        limit: how many.
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            query = asked(
                {"type": type_, "integration": integration, "since": since, "until": until}
            )
            found = await client.listed("/v1/events", query, limit)
        show_rows(found, _COLUMNS, as_json=target.json_)
        return 0

    return run(work())


@app.command
def show(id_: Annotated[str, Parameter(name="id")], *, target: Target = HERE) -> int:
    """Show an event, where it came from, who got it, and who did not and why.

    Args:
        id_: the event, evt_….
        target: which gateway; with --json the event with its lineage.
    """

    async def work() -> int:
        async with connect(target) as client:
            event = await client.get(f"/v1/events/{id_}")
            lineage = await client.get(f"/v1/events/{id_}/lineage")
        if target.json_:
            show_json({"event": event, "lineage": lineage})
        else:
            _show(event, lineage)
        return 0

    return run(work())


def _show(event: Any, lineage: Any) -> None:
    received, verified, rule = (lineage[name] for name in ("received", "verified", "rule"))
    show_fields(
        [
            ("id", event["id"]),
            ("type", event["type"]),
            ("happened", moment(event["timestamp"])),
            ("received", moment(event["received_at"])),
            ("integration", f"{event['integration']['name']} ({event['integration']['id']})"),
            ("webhook", f"{received['webhook_id']}, {received['size']} bytes"),
            ("verified by", verified["by"]),
            ("rule", rule["id"] or rule["detail"]),
        ]
    )
    say("")
    say(json.dumps(event["data"], indent=2, ensure_ascii=False))
    say("\nwent to:" if lineage["routed_to"] else "\nwent to nobody")
    if lineage["routed_to"]:
        show_table(
            lineage["routed_to"],
            {
                "subscription": lambda row: row["name"] or row["subscription_id"],
                "status": "status",
                "attempts": "attempt_count",
                "last": lambda row: row["last_status"] or row["last_error"],
                "delivery": "delivery_id",
            },
        )
    if lineage["filtered_out"]:
        say("\ndid not go to:")
        show_table(
            lineage["filtered_out"],
            {
                "subscription": lambda row: row["name"] or row["subscription_id"],
                "because of": lambda row: row["pointer"] or row["clause"],
                "why": "detail",
            },
        )


@app.command
def tail(
    *,
    type_: Type = None,
    integration: str | None = None,
    since: str | None = None,
    target: Target = HERE,
) -> int:
    """Follow events as they come; ends with Ctrl-C.

    Args:
        type_: only events of this type or pattern, such as scm.*.
        integration: only events of this integration, by id or key.
        since: begin after this id of the stream, which is printed with each event.
        target: which gateway; with --json an object a line, {position, event}.
    """
    settings = ClientSettings()
    wanted = {"type": type_, "integration": integration}
    query = {name: value for name, value in wanted.items() if value is not None}
    stream = Stream(address(settings, target.url), get_key(settings), query, since)

    async def take(frame: Frame) -> None:
        event: Any = json.loads(frame.data)
        if target.json_:
            show_line({"position": frame.id, "event": event})
            return
        at, name = moment(event["received_at"]), event["integration"]["name"]
        line = f"{at}  {event['type']:32}  {name:16}  {title_of(event['data'])}"
        say(f"{line}  {event['id']}  {frame.id}")

    return uvloop.run(each(stream, lambda: tell(f"following {stream.url}"), take))
