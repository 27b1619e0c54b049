"""``onehook subscriptions``: who gets which events, and how it fares."""

from onehook.cli.client import HERE, Target, connect
from onehook.cli.configuration import Kind
from onehook.cli.options import run
from onehook.cli.output import say, show_fields, show_json
from onehook.cli.plan import path_of
from onehook.cli.resources import Id, Resource, call

KIND: Kind = "subscriptions"
app = Resource(
    KIND,
    {
        "key": "key",
        "name": "name",
        "url": lambda row: row["url"] or "(pulls)",
        "events": "events",
        "status": "status",
        "breaker": "breaker",
        "destination": "destination",
        "id": "id",
    },
).app("See and change who gets which events.")


@app.command
def pause(id_: Id, *, target: Target = HERE) -> int:
    """Hold a subscription: its deliveries queue, none is attempted.

    Args:
        id_: its id or key.
        target: which gateway.
    """
    return call(target, "POST", path_of(KIND, id_) + "/pause")


@app.command
def resume(id_: Id, *, target: Target = HERE) -> int:
    """Let a subscription go on with what it has queued.

    Args:
        id_: its id or key.
        target: which gateway.
    """
    return call(target, "POST", path_of(KIND, id_) + "/resume")


@app.command
def stats(id_: Id, *, target: Target = HERE) -> int:
    """Show how a subscription fares.

    Args:
        id_: its id or key.
        target: which gateway.
    """
    return call(target, "GET", path_of(KIND, id_) + "/stats")


@app.command(name="test")
def send_test(id_: Id, *, event_type: str, target: Target = HERE) -> int:
    """Send a test event now; it counts nowhere. Exit code 1: the receiver did not take it.

    Args:
        id_: its id or key.
        event_type: a type or an alias, such as scm.pull_request.merged.
        target: which gateway.
    """

    async def work() -> int:
        async with connect(target) as client:
            body = {"event_type": event_type}
            found = await client.call("POST", path_of(KIND, id_) + "/test", body)
        if target.json_:
            show_json(found)
        else:
            names = ("delivered", "status", "duration_ms", "error", "detail", "event_id")
            show_fields((name.replace("_", " "), found[name]) for name in names)
            say(found["response"]["body"])
        return 0 if found["delivered"] else 1

    return run(work())
