"""``onehook apply``: have a gateway as a file says."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from onehook.cli.client import HERE, Client, Target, connect
from onehook.cli.configuration import KINDS, read_configuration
from onehook.cli.options import agreed, run
from onehook.cli.output import progress, say, show_json, tell
from onehook.cli.plan import Change, Plan, carry_out, make_plan
from onehook.errors import OnehookError

_MARKS = {"create": "+", "change": "~", "remove": "-"}
_LONGEST = 200  # characters of a value that are shown


def apply(
    *,
    file: Annotated[Path, Parameter(name=("--file", "-f"))] = Path("onehook.yaml"),
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=())] = False,
    prune: Annotated[bool, Parameter(negative=())] = False,
    target: Target = HERE,
) -> int:
    """Have the integrations and subscriptions of a running gateway as a file says.

    Shows what would change, asks, and changes it. Exit codes: 0 all is as the file says, 1 it is
    not (a dry run found changes, you said no, or the gateway refused), 2 there is no terminal to
    ask on, 69 no gateway answers, 78 the file cannot be used.

    Args:
        file: the configuration.
        dry_run: change nothing; exit code 1 if something would change.
        yes: do not ask.
        prune: also remove what has a key and is not in the file.
        target: which gateway.
    """
    entries = read_configuration(file)

    async def work() -> int:
        async with connect(target) as client:
            plan = await make_plan(client, entries, prune=prune)
            if not target.json_:
                _show(plan)
            if not plan.changes or dry_run:
                if target.json_:
                    show_json(_answer(plan, Outcome()))
                return 1 if plan.changes else 0
            if not agreed(_question(plan), yes=yes):
                tell("nothing was changed")
                return 1
            return await _apply(client, plan, as_json=target.json_)

    return run(work())


@dataclass(slots=True)
class Outcome:
    """What was *done*, each with what is to be said of it, and what came in between."""

    done: list[tuple[Change, str]] = field(default_factory=list[tuple[Change, str]])
    failed: str | None = None


def _question(plan: Plan) -> str:
    removed = sum(change.action == "remove" for change in plan.changes)
    more = f", {removed} of them by removing" if removed else ""
    return f"Make these {len(plan.changes)} changes{more}?"


async def _apply(client: Client, plan: Plan, *, as_json: bool) -> int:
    """Make the changes in order, and say which were made when one cannot be.

    Raises:
        OnehookError: why one could not.
        CancelledError: somebody ended it.
    """
    outcome = Outcome()
    try:
        with progress("applying") as bar:
            task = bar.add_task("", total=len(plan.changes))
            for change in plan.changes:
                answer = await carry_out(client, change)
                outcome.done.append((change, _result(change, answer)))
                bar.advance(task)
    except (OnehookError, asyncio.CancelledError) as error:
        outcome.failed = error.detail if isinstance(error, OnehookError) else "interrupted"
        _report(plan, outcome, as_json=as_json)
        raise
    _report(plan, outcome, as_json=as_json)
    return 0


def _report(plan: Plan, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        show_json(_answer(plan, outcome))
        return
    for _, text in outcome.done:
        say(text)
    if outcome.failed is not None:
        left = [change.name for change in plan.changes[len(outcome.done) :]]
        tell(f"{len(outcome.done)} of {len(plan.changes)} changes were made, and not:")
        for name in left:
            tell(f"  {name}")
        tell("run it again to go on from there")


def _result(change: Change, answer: Any) -> str:
    """What was done, and what has to be known of it."""
    match change.action:
        case "remove":
            return f"{change.name} removed"
        case "change":
            return f"{change.name} changed"
        case "create" if change.kind == "integrations":
            return f"{change.name} created: have {answer['type']} send to {answer['ingest_url']}"
        case "create":
            made = "; its secret was made by the gateway: rotate-secret gives one to be seen"
            return f"{change.name} created{made if answer.get('secret') else ''}"


def _answer(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "changes": [change.as_json() for change in plan.changes],
        "unchanged": plan.unchanged,
        "not_in_file": list(plan.others),
        "done": [change.name for change, _ in outcome.done],
        "failed": outcome.failed,
    }


def _show(plan: Plan) -> None:
    """Print the difference."""
    for kind in KINDS:
        changes = [change for change in plan.changes if change.kind == kind]
        if changes:
            say(f"{kind}:")
        for change in changes:
            for line in _lines(change):
                say(line)
    for warning in (warning for change in plan.changes for warning in change.warnings):
        tell(f"warning: {warning}")
    if plan.others:
        names = ", ".join(plan.others)
        tell(f"not in the file, and left as they are (--prune removes them): {names}")
    counts = [
        f"{number} to {action}"
        for action in _MARKS
        if (number := sum(change.action == action for change in plan.changes))
    ]
    if not counts:
        tell(f"nothing to change: {plan.unchanged} are as the file says")
        return
    tell(f"{', '.join(counts)}; {plan.unchanged} are as the file says")


def _lines(change: Change) -> Iterator[str]:
    yield f"  {_MARKS[change.action]} {change.key}"
    for one in change.fields:
        name = one.pointer.strip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")
        if change.action == "create":
            yield f"      {name}: {_value(one.after)}"
        elif one.before == one.after:
            yield f"    ~ {name}: another secret, which is not shown"
        elif one.before is None:
            yield f"    + {name}: {_value(one.after)}"
        elif one.after is None:
            yield f"    - {name}: {_value(one.before)}"
        else:
            yield f"    ~ {name}: {_value(one.before)} -> {_value(one.after)}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
