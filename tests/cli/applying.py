"""What tests of commands that talk to a gateway are made of."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onehook.cli.apply import apply
from onehook.cli.client import Target
from onehook.cli.export import export
from onehook.cli.main import app
from onehook.errors import OnehookError
from tests.builders import Running


class Applying:
    """A folder beside a gateway, and the commands on both."""

    def __init__(self, gateway: Running, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.gateway, self.folder, self.capsys = gateway, folder, capsys
        self.file = folder / "onehook.yaml"
        self.url = gateway.url  # that is asked

    async def apply(self, text: str | None = None, **more: Any) -> tuple[int, str, str]:
        """Apply *text*: exit code, stdout, stderr."""
        if text is not None:
            self.file.write_text(text)
        more = {"yes": True, "target": Target(self.url)} | more
        return await self.run(lambda: apply(file=self.file, **more))

    async def export(self, **more: Any) -> tuple[int, str, str]:
        """Export: exit code, stdout, stderr."""
        return await self.run(lambda: export(target=Target(self.url), **more))

    async def say(self, *words: str) -> tuple[int, str, str]:
        """Run a command by its words: exit code, stdout, stderr."""
        return await self.run(lambda: app([*words, "--url", self.url]))

    async def json(self, *words: str, code: int = 0) -> Any:
        """Run a command that prints JSON, and ends with *code*."""
        found, out, err = await self.say(*words, "--json")
        assert found == code, (out, err)
        return json.loads(out)

    async def run(self, run: Callable[[], int]) -> tuple[int, str, str]:
        """Run a command, off the loop of the gateway: exit code, stdout, stderr."""
        self.capsys.readouterr()
        try:
            code, said = await asyncio.to_thread(run), ""
        except OnehookError as error:
            code, said = error.exit_code, error.detail
        got = self.capsys.readouterr()
        return code, _without_log(got.out), got.err + said

    async def get(self, path: str) -> Any:
        """What the API answers."""
        return (await self.gateway.api.get(path)).json


def _without_log(text: str) -> str:
    """What a command printed: the gateway, which is beside it in this process, logs there too."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("level="))
