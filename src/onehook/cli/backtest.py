"""``onehook mapping backtest``: what an edited file would change."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from onehook.cli.client import post
from onehook.cli.output import out
from onehook.mappings import read_file
from onehook.settings import ClientSettings


def backtest(
    file: Path,
    *,
    integration: str | None = None,
    last: int = 100,
    examples: int = 10,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Ask a running gateway what a mapping file would have made of its last webhooks.

    The gateway is the one of ONEHOOK_URL; nothing in it changes. Exit codes: 0 no webhook would
    lose its events, 1 some would, 69 no gateway answers, 78 the file cannot be used.

    Args:
        file: the edited mapping.
        integration: only the webhooks of this one, by id or key.
        last: how many webhooks, 1000 at most.
        examples: how many of those that change to show, 50 at most.
        json_: print the gateway's answer as it is.
    """
    text = read_file(file).mapping.source.text
    body: dict[str, object] = {"mapping": text, "last": last, "examples": examples}
    if integration is not None:
        body["integration"] = integration
    answer = asyncio.run(post(ClientSettings(), "/v1/mappings/backtest", body))
    if json_:
        out.print(json.dumps(answer, indent=2), markup=False)
    else:
        _show(answer)
    return 1 if answer["webhooks"]["lost"] else 0


def _show(answer: Any) -> None:
    webhooks, events = answer["webhooks"], answer["events"]
    _say(
        f"{answer['platform']} {answer['version']}: of {webhooks['same'] + webhooks['changed']} "
        f"webhooks {webhooks['changed']} change, {webhooks['lost']} lose their events"
    )
    _say("events: " + ", ".join(f"{count} {name}" for name, count in events.items()))
    if webhooks["skipped"]:
        _say(f"{webhooks['skipped']} are no longer kept")
    if not answer["complete"]:
        _say("there was no time for more: these are the newest")
    for row in answer["outcomes"]:
        _say(f"{row['count']:6} {_outcome(row['before'])} -> {_outcome(row['after'])}")
    for row in answer["fields"]:
        _say(f"{row['count']:6} {row['type']} {row['pointer']}")
    for one in answer["examples"]:
        _show_example(one)


def _show_example(one: Any) -> None:
    _say(f"\n{one['webhook_id']} {_outcome(one['before'])} -> {_outcome(one['after'])}")
    for mark, name in (("+", "added"), ("-", "removed")):
        for event in one[name]:
            _say(f"  {mark} {event['type']} {event['id']}")
    for event in one["changed"]:
        _say(f"  ~ {event['type']} {event['id']}")
        for field in event["fields"]:
            before, after = json.dumps(field["before"]), json.dumps(field["after"])
            _say(f"      {field['pointer']}: {before} -> {after}")
        if event["more"]:
            _say(f"      and {event['more']} more")


def _outcome(made: Any) -> str:
    return f"{made['status']} ({made['reason']})" if made["reason"] else str(made["status"])


def _say(text: str) -> None:
    out.print(text, markup=False)
