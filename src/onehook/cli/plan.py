"""What applying a configuration would change, and the changing of it.

The gateway itself compares: it is asked with ``dry_run`` first, so nothing is told here twice of
defaults, names or secrets.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from onehook.cli.client import Client, RefusedError
from onehook.cli.configuration import KINDS, ConfigurationFileError, Entry, Kind, place_of
from onehook.core.mapping.problems import Problem
from onehook.errors import FieldError

Action: TypeAlias = Literal["create", "change", "remove"]
_ACTIONS: Mapping[str, Action] = {"created": "create", "changed": "change"}
# The HTTP statuses that speak of the body, and so of the file.
_OF_THE_BODY = frozenset({400, 404, 405, 409, 413, 422})


@dataclass(frozen=True, slots=True)
class Field:
    """One field that differs; secrets are hidden in both values."""

    pointer: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is to be made, changed or removed; *entry* is None for what is removed."""

    kind: Kind
    key: str
    action: Action
    fields: Sequence[Field] = ()
    entry: Entry | None = None
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.kind}/{self.key}"

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` shows."""
        fields = [asdict(field) for field in self.fields]
        return {"kind": self.kind, "key": self.key, "action": self.action, "fields": fields}


@dataclass(frozen=True, slots=True)
class Plan:
    """All *changes* in the order in which they are made; how many things are as they should be.

    *others* are there with a key, and not in the file.
    """

    changes: Sequence[Change]
    unchanged: int
    others: Sequence[str]


def path_of(kind: Kind, key: str) -> str:
    """Where a thing is."""
    return f"/v1/{kind}/{quote(key, safe='')}"


async def make_plan(client: Client, entries: Sequence[Entry], *, prune: bool) -> Plan:
    """Ask the gateway what *entries* would change; with *prune* also what is not among them.

    Raises:
        ConfigurationFileError: the gateway refuses some of them.
        RefusedError: it refuses whatever they say.
    """
    assumed = frozenset(entry.key for entry in entries if entry.kind == "integrations")
    changes: list[Change] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            change = await _ask(client, entry, assumed)
        except RefusedError as error:
            if error.status not in _OF_THE_BODY:
                raise
            problems += entry.problems(error.detail, error.errors)
        else:
            changes += [] if change is None else [change]
    others = await _others(client, entries)
    if prune:
        problems += _still_used(entries, others["integrations"])
        for kind in reversed(KINDS):  # what names integrations goes before them
            changes += [Change(kind, key, "remove") for key in others[kind]]
    if problems:
        raise ConfigurationFileError(problems)
    unchanged = len(entries) - sum(change.entry is not None for change in changes)
    left = [] if prune else [f"{kind}/{key}" for kind in KINDS for key in others[kind]]
    return Plan(changes, unchanged, left)


async def _ask(client: Client, entry: Entry, assumed: Collection[str]) -> Change | None:
    """What *entry* would change, None for nothing; the integrations *assumed* will be there."""
    query: dict[str, object] = {"dry_run": True}
    if soon := [name for name in entry.integrations if name in assumed]:
        query["assume"] = ",".join(soon)
    answer = await client.call("PUT", path_of(entry.kind, entry.key), entry.body, query)
    action = _ACTIONS.get(answer["result"])
    if action is None:
        return None
    fields = [
        Field(c["pointer"], entry.hide(c["before"]), entry.hide(c["after"]))
        for c in answer["changes"]
    ]
    said = [FieldError(w["pointer"], w["detail"]) for w in answer.get("warnings") or ()]
    warnings = [f"{p.place}: {p.message}" for p in (entry.problems("", said) if said else ())]
    return Change(entry.kind, entry.key, action, fields, entry, warnings)


async def _others(client: Client, entries: Sequence[Entry]) -> dict[Kind, list[str]]:
    """The keys of what is there and is not declared, neither by its key nor by its id."""
    found: dict[Kind, list[str]] = {}
    for kind in KINDS:
        declared = {entry.key for entry in entries if entry.kind == kind}
        things = await client.listed(f"/v1/{kind}")
        found[kind] = [
            one["key"] for one in things if one["key"] and not {one["key"], one["id"]} & declared
        ]
    return found


def _still_used(entries: Sequence[Entry], gone: Sequence[str]) -> list[Problem]:
    """The places where subscriptions name integrations that are to be removed."""
    problems: list[Problem] = []
    for entry in entries:
        for at, name in enumerate(entry.integrations):
            if name in gone:
                place = place_of(entry.node, f"/integrations/{at}")
                message = f"{entry.key}: the integration {name} is to be removed"
                problems.append(Problem("E002", place, message, "declare it, or leave out --prune"))
    return problems


async def carry_out(client: Client, change: Change) -> Any:
    """Make one *change*; what the gateway answers, None for what is removed.

    Raises:
        ConfigurationFileError: the gateway refuses what the file says.
        RefusedError: it refuses whatever that is.
    """
    path = path_of(change.kind, change.key)
    if change.entry is None:
        try:
            return await client.call("DELETE", path)
        except RefusedError as error:
            if error.status == 404:  # somebody else was quicker, and it is as it should be
                return None
            raise
    try:
        return await client.call("PUT", path, change.entry.body)
    except RefusedError as error:
        if error.status not in _OF_THE_BODY:
            raise
        problems = change.entry.problems(error.detail, error.errors)
        raise ConfigurationFileError(problems) from None
