"""What integrations and subscriptions have alike: list, show, create, update, delete, rotate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from onehook.cli.client import HERE, Target, connect
from onehook.cli.configuration import Kind
from onehook.cli.options import agreed, body_of, run
from onehook.cli.output import Columns, moment, say, show_fields, show_json, show_rows, tell
from onehook.cli.plan import path_of

Id = Annotated[str, Parameter(name="id")]
_TIMES = ("created_at", "updated_at", "held_until", "last_triggered_at", "oldest_waiting_at")


def call(
    target: Target,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
) -> int:
    """Ask the gateway, and show the object that it answers."""

    async def work() -> int:
        async with connect(target) as client:
            found = await client.call(method, path, body)
        show_object(found, target)
        return 0

    return run(work())


def show_object(found: Any, target: Target) -> None:
    """One object, its fields below each other, as it is with --json."""
    if target.json_:
        show_json(found)
        return
    fields = ((n, v) for n, v in found.items() if n != "warnings")
    show_fields((n.replace("_", " "), moment(v) if n in _TIMES and v else v) for n, v in fields)
    for warning in found.get("warnings") or ():
        tell(f"warning: {warning['pointer']} {warning['detail']}")


@dataclass(frozen=True, slots=True)
class Resource:
    """The commands of *kind*, whose list has *columns*."""

    kind: Kind
    columns: Columns

    def app(self, summary: str) -> App:
        """Them as one command with commands of its own."""
        app = App(name=self.kind, help=summary)
        app.command(self.list_, name="list")
        for command in (self.show, self.create, self.update, self.delete, self.rotate_secret):
            app.command(command)
        return app

    def list_(self, *, limit: int | None = None, target: Target = HERE) -> int:
        """List them, newest first.

        Args:
            limit: how many; all if it is left out.
            target: which gateway.
        """

        async def work() -> int:
            async with connect(target) as client:
                found = await client.listed(f"/v1/{self.kind}", most=limit)
            show_rows(found, self.columns, as_json=target.json_)
            return 0

        return run(work())

    def show(self, id_: Id, *, target: Target = HERE) -> int:
        """Show one.

        Args:
            id_: its id or key.
            target: which gateway.
        """
        return call(target, "GET", path_of(self.kind, id_))

    def create(self, *fields: str, target: Target = HERE) -> int:
        """Make one.

        Args:
            fields: name=value; a value is JSON, and text where it is none; @file is what a file
                holds; a dot leads into a field: auth.token=@token.txt.
            target: which gateway.
        """
        return call(target, "POST", f"/v1/{self.kind}", body_of(fields))

    def update(self, id_: Id, *fields: str, target: Target = HERE) -> int:
        """Change one: fields that are left out stay, null clears.

        Args:
            id_: its id or key.
            fields: name=value, as create takes them.
            target: which gateway.
        """
        return call(target, "PATCH", path_of(self.kind, id_), body_of(fields))

    def delete(
        self,
        *ids: str,
        yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=())] = False,
        target: Target = HERE,
    ) -> int:
        """Remove them.

        Args:
            ids: their ids or keys.
            yes: do not ask.
            target: which gateway.
        """
        if not agreed(f"Remove {', '.join(ids)}?", yes=yes):
            tell("nothing was removed")
            return 1

        async def work() -> int:
            async with connect(target) as client:
                for id_ in ids:
                    await client.call("DELETE", path_of(self.kind, id_))
                    if not target.json_:
                        say(f"{self.kind}/{id_} removed")
            if target.json_:
                show_json({"removed": list(ids)})
            return 0

        return run(work())

    def rotate_secret(self, id_: Id, *fields: str, target: Target = HERE) -> int:
        """Give one a new secret; the one before it holds a while longer, where that is possible.

        Args:
            id_: its id or key.
            fields: name=value: secret=@file, overlap=24h; of an integration also setting.
            target: which gateway.
        """
        return call(target, "POST", path_of(self.kind, id_) + "/rotate-secret", body_of(fields))
