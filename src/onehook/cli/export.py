"""``onehook export``: a gateway's configuration as a file that ``onehook apply`` takes."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from onehook.cli.client import HERE, Client, Target, connect
from onehook.cli.configuration import KINDS, Kind
from onehook.cli.output import show_json, tell
from onehook.cli.plan import path_of
from onehook.core.mapping.editing import render
from onehook.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Declared:
    """One thing as a file declares it; *variables* are those that its secrets are read from."""

    kind: Kind
    fields: Mapping[str, Any]
    variables: Sequence[str]


def export(
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    target: Target = HERE,
) -> int:
    """Write the integrations and subscriptions of a running gateway as a file for `onehook apply`.

    Secrets cannot be read from a gateway: each becomes the name of an environment variable, and
    those names are listed on stderr. What is at its default is left out.

    Args:
        output: the file to write; stdout if none is given.
        target: which gateway; with --json the configuration as JSON.

    Raises:
        SettingsError: the file cannot be written.
    """
    found = asyncio.run(_read(target))
    text = "".join(_lines(found))
    if target.json_:
        show_json({kind: [one.fields for one in found if one.kind == kind] for kind in KINDS})
    elif output is None:
        print(text, end="")  # noqa: T201 a file's text, byte for byte
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            msg = f"{output} cannot be written: {error.strerror}"
            raise SettingsError(msg) from None
    names = [name for one in found for name in one.variables]
    if names:
        tell(f"set these before you apply it: {' '.join(names)}")
    return 0


async def _read(target: Target) -> list[Declared]:
    """What the gateway has, what was made first first."""
    found: list[Declared] = []
    async with connect(target) as client:
        taken: set[str] = set()
        for kind in KINDS:
            things = await client.listed(f"/v1/{kind}")
            found += [await _declared(client, kind, one, taken) for one in reversed(things)]
    return found


async def _declared(client: Client, kind: Kind, thing: Any, taken: set[str]) -> Declared:
    """One thing; without a key of its own it goes by its id, which `apply` takes as one."""
    answer = await client.get(path_of(kind, thing["id"]) + "/declaration")
    key = thing["key"] or thing["id"]
    fields = {"key": key, **{n: v for n, v in answer["fields"].items() if n != "key"}}
    variables: list[str] = []
    for pointer in answer["secrets"]:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        name = _variable([key, *steps], taken)
        variables.append(name)
        holder: Any = fields
        for step in steps[:-1]:
            holder = holder[step]
        holder[steps[-1]] = {"env": name}
    return Declared(kind, fields, variables)


def _variable(words: Sequence[str], taken: set[str]) -> str:
    """A name for the environment, such as GITHUB_SECRET, that no other secret has."""
    name = re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper()).strip("_")
    name = f"_{name}" if name[:1].isdigit() else name
    found, number = name, 2
    while found in taken or found.startswith("ONEHOOK_"):
        found, number = f"{name}_{number}" if found in taken else f"X_{name}", number + 1
    taken.add(found)
    return found


def _lines(found: Sequence[Declared]) -> Iterator[str]:
    for kind in KINDS:
        things = [one for one in found if one.kind == kind]
        yield f"{kind}:\n" if things else f"{kind}: []\n"
        for one in things:
            for at, (name, value) in enumerate(one.fields.items()):
                yield f"  {'- ' if at == 0 else '  '}{name}: {render(value)}\n"
