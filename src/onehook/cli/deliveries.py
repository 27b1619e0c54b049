"""``onehook deliveries``: what is on its way, what every attempt came to, and trying again."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from onehook.cli.client import HERE, Client, RefusedError, Target, connect
from onehook.cli.options import UsageError, agreed, asked, run
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

app = App(name="deliveries", help="See what is on its way, and try again what failed.")
_COLUMNS: Columns = {
    "created": lambda row: moment(row["created_at"]),
    "status": "status",
    "type": "event_type",
    "subscription": "subscription_id",
    "attempts": "attempt_count",
    "last": lambda row: row["last_status"] or row["last_error"],
    "next": lambda row: moment(row["next_attempt_at"]),
    "id": "id",
}


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries.

    Args:
        subscription: to this subscription, by id or key.
        integration: of events from this integration, by id or key.
        event: of this event.
        status: pending, delivered, dead or cancelled.
        type_: of events of this type or pattern, such as scm.*.
        error: whose last attempt failed in this way, such as timeout.
        http_status: whose last attempt was answered so.
        since: made from this moment on, such as 2026-11-22T10:00:00Z, or 1h ago: 1h.
        until: made before this moment.
    """

    subscription: str | None = None
    integration: str | None = None
    event: str | None = None
    status: str | None = None
    type_: Annotated[str | None, Parameter(name="--type")] = None
    error: str | None = None
    http_status: int | None = None
    since: str | None = None
    until: str | None = None

    @property
    def query(self) -> dict[str, object]:
        """What is asked for, as the API takes it."""
        return asked(asdict(self))


ANY = Wanted()


@app.command(name="list")
def list_(*, wanted: Wanted = ANY, limit: int = 50, target: Target = HERE) -> int:
    """List deliveries, newest first.

    Args:
        wanted: which.
        limit: how many.
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            found = await client.listed("/v1/deliveries", wanted.query, limit)
        # Those of one event are never split between two pages, so a page may hold some more.
        found = found[:limit]
        show_rows(found, _COLUMNS, as_json=target.json_)
        return 0

    return run(work())


@app.command
def show(id_: Annotated[str, Parameter(name="id")], *, target: Target = HERE) -> int:
    """Show a delivery with every attempt.

    Args:
        id_: the delivery, dlv_….
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            found = await client.get(f"/v1/deliveries/{id_}")
        if target.json_:
            show_json(found)
        else:
            _show(found)
        return 0

    return run(work())


def _show(delivery: Any) -> None:
    times = ("created_at", "next_attempt_at", "finished_at")
    show_fields(
        (name.replace("_", " "), moment(value) if name in times else value)
        for name, value in delivery.items()
        if name != "attempts"
    )
    say("")
    show_table(
        delivery["attempts"],
        {
            "#": "number",
            "at": lambda row: moment(row["at"]),
            "took": lambda row: f"{row['duration_ms']} ms",
            "status": "status",
            "error": "error",
            "detail": lambda row: row["detail"] or row["response"]["body"][:200],
        },
    )


@app.command
def retry(
    *ids: str,
    wanted: Wanted = ANY,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=())] = False,
    target: Target = HERE,
) -> int:
    """Attempt deliveries at once: those named, or all that are wanted.

    Exit codes: 0 all are queued, 1 some could not be, 2 none is named.

    Args:
        ids: deliveries, dlv_….
        wanted: which, where none is named.
        yes: do not ask.
        target: which gateway.

    Raises:
        UsageError: none is named, or some in two ways.
    """
    query = wanted.query
    if bool(ids) == bool(query):
        msg = "name deliveries, or say which: --status dead --subscription …"
        raise UsageError(msg)

    async def work() -> int:
        async with connect(target) as client:
            chosen = list(ids) or [row["id"] async for row in client.pages("/v1/deliveries", query)]
            many = not ids and chosen
            if many and not agreed(f"Attempt {len(chosen)} deliveries now?", yes=yes):
                tell("nothing was done")
                return 1
            outcomes = await _retry_all(client, chosen)
        if target.json_:
            show_json(outcomes)
        else:
            for one in outcomes:
                say(f"{one['id']}  {one['outcome']}")
        return 1 if any(one["outcome"] != "queued" for one in outcomes) else 0

    return run(work())


async def _retry_all(client: Client, ids: list[str]) -> list[dict[str, str]]:
    outcomes: list[dict[str, str]] = []
    with progress("retrying") as bar:
        task = bar.add_task("", total=len(ids))
        for id_ in ids:
            try:
                await client.call("POST", f"/v1/deliveries/{id_}/retry")
                outcome = "queued"
            except RefusedError as error:
                if error.status == 403:  # and so it would be for every other one
                    raise
                outcome = error.detail
            outcomes.append({"id": id_, "outcome": outcome})
            bar.advance(task)
    return outcomes
