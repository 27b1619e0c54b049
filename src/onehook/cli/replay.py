"""``onehook replay``: deliver again, one event or many."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from onehook.cli.client import HERE, Client, Target, connect
from onehook.cli.options import UsageError, asked, run
from onehook.cli.output import (
    Columns,
    moment,
    progress,
    say,
    show_fields,
    show_json,
    show_rows,
    show_table,
    tell,
)

app = App(name="replay", help="Deliver again: one event, or what came in a time.")
_POLL = 0.3  # seconds
_COLUMNS: Columns = {
    "created": lambda row: moment(row["created_at"]),
    "status": "status",
    "matched": "matched",
    "queued": "queued",
    "skipped": "skipped",
    "dry run": "dry_run",
    "id": "id",
}


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events, by what came in a time.

    Args:
        since: what came from this moment on, such as 2026-11-22T10:00:00Z, or 1h ago: 1h.
        until: what came before this moment.
        integration: only from this integration, by id or key.
        subscription: only to this one, by id or key: also what it wants now and never got.
        type_: only this type or pattern, such as scm.*.
        status: only what was delivered, or is dead.
        per_minute: no more than so many a minute.
    """

    since: str | None = None
    until: str | None = None
    integration: str | None = None
    subscription: str | None = None
    type_: Annotated[str | None, Parameter(name="--type")] = None
    status: str | None = None
    per_minute: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is asked for, as the API takes it."""
        return asked(asdict(self))


NOTHING = Wanted()


@app.default
def replay(
    *events: str,
    to: tuple[str, ...] = (),
    wanted: Wanted = NOTHING,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    wait: bool = True,
    target: Target = HERE,
) -> int:
    """Deliver events again, with the ids that they had: those named, or all since a moment.

    Exit codes: 0 done, 1 nothing could be delivered again, or it was cancelled.

    Args:
        events: events, evt_….
        to: named events only to these subscriptions, by id or key, whatever they want.
        wanted: which, where none is named.
        dry_run: count only.
        wait: show how far it is until it is done; with --no-wait it goes on by itself.
        target: which gateway.

    Raises:
        UsageError: neither events nor since is given, or both.
    """
    if bool(events) == (wanted.since is not None):
        msg = "name events, or say --since for what came in a time"
        raise UsageError(msg)
    if not events:
        if to:
            msg = "--to is for named events: with --since say --subscription"
            raise UsageError(msg)
        return run(_bulk(wanted.body | {"dry_run": dry_run}, target, wait=wait))
    if dry_run or wanted != NOTHING:
        msg = "what belongs to --since does not go with named events; --to does"
        raise UsageError(msg)
    return run(_named(events, to, target))


async def _named(events: tuple[str, ...], to: tuple[str, ...], target: Target) -> int:
    body = {"subscriptions": list(to)} if to else {}
    found: list[Any] = []
    async with connect(target) as client:
        with progress("replaying") as bar:
            task = bar.add_task("", total=len(events))
            for event in events:
                answer = await client.call("POST", f"/v1/events/{event}/replay", body)
                found += answer["data"]
                bar.advance(task)
    if target.json_:
        show_json(found)
    else:
        names = {"outcome": "outcome", "subscription": "subscription_id", "delivery": "delivery_id"}
        show_table(found, {**names})
    return 0


async def _bulk(body: dict[str, Any], target: Target, *, wait: bool) -> int:
    async with connect(target) as client:
        found = await client.call("POST", "/v1/replays", body)
        if wait:
            found = await _followed(client, found)
    _show(found, target)
    return 1 if found["status"] == "cancelled" else 0


async def _followed(client: Client, found: Any) -> Any:
    """The replay once it has ended.

    Raises:
        CancelledError: somebody ended the watching, which does not end the replay.
    """
    id_ = found["id"]
    try:
        with progress("replaying") as bar:
            task = bar.add_task("", total=None)
            while found["status"] == "running":
                await asyncio.sleep(_POLL)
                found = await client.get(f"/v1/replays/{id_}")
                counted = found["phase"] != "count"
                done = found["queued"] + found["skipped"]
                total = max(found["matched"], done) if counted else None
                bar.update(task, completed=done, total=total)
    except asyncio.CancelledError:
        tell(f"it goes on; to stop it: onehook replay cancel {id_}")
        raise
    return found


def _show(found: Any, target: Target) -> None:
    if target.json_:
        show_json(found)
    elif found["dry_run"]:
        say(f"{found['matched']} events would be delivered again")
    else:
        times = ("since", "until", "created_at", "finished_at")
        show_fields(
            (name.replace("_", " "), moment(value) if name in times else value)
            for name, value in found.items()
            if value is not None
        )


@app.command(name="list")
def list_(*, limit: int = 50, target: Target = HERE) -> int:
    """List replays of many events, newest first.

    Args:
        limit: how many.
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            found = await client.listed("/v1/replays", most=limit)
        show_rows(found, _COLUMNS, as_json=target.json_)
        return 0

    return run(work())


@app.command
def show(
    id_: Annotated[str, Parameter(name="id")], *, wait: bool = False, target: Target = HERE
) -> int:
    """Show how far a replay is.

    Args:
        id_: the replay, rpl_….
        wait: show it until it is done.
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            found = await client.get(f"/v1/replays/{id_}")
            if wait:
                found = await _followed(client, found)
        _show(found, target)
        return 0

    return run(work())


@app.command
def cancel(id_: Annotated[str, Parameter(name="id")], *, target: Target = HERE) -> int:
    """Stop a replay; what it queued and nobody attempts yet is taken back.

    Args:
        id_: the replay, rpl_….
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            found = await client.call("POST", f"/v1/replays/{id_}/cancel")
        _show(found, target)
        return 0

    return run(work())
