"""docs/add-a-platform.md, followed to the letter: its files, its commands, what they print."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.gateways import free_port

PAGE = Path(__file__).parents[2] / "docs" / "add-a-platform.md"
SERVED = "127.0.0.1:8080"  # where the page's gateway listens
DONE = "__done__"
TOOLS = ("bash", "curl", "openssl")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code, and the sentence that leads to it."""

    lead: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    """The blocks of the page, in order."""
    page = PAGE.read_text("utf-8")
    end = 0
    for found in _BLOCK.finditer(page):
        lead = page[end : found.start()].strip().rpartition("\n\n")[2]
        end = found.end()
        yield Block(" ".join(lead.split()), found[1], found[2])


@dataclass(slots=True)
class Reader:
    """Somebody who does what the page says, in an empty folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    printed: str = ""
    shell: subprocess.Popen[str] | None = None
    server: subprocess.Popen[str] | None = None

    def environment(self) -> dict[str, str]:
        """A PATH with ``onehook`` on it, the gateway's port, and none of our own settings."""
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        command = tools / "onehook"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m onehook "$@"\n')
        command.chmod(0o755)
        clean = {n: v for n, v in os.environ.items() if not n.startswith("ONEHOOK_")}
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        return {**clean, "PATH": path, "ONEHOOK_PORT": str(self.port), "COLUMNS": "200"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A bash in the folder, its output one stream of text."""
        return subprocess.Popen(
            ["bash", *words],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def do(self, block: Block) -> None:
        """What the sentence before the block asks for."""
        if (name := re.search(r"[Ss]ave this as `([^`]+)`:$", block.lead)) is not None:
            self.save(name[1], block.text)
        elif found := re.search(
            r"In `([^`]+)` put this in the place of the line `(.+)`:$", block.lead
        ):
            self.replace(found[1], found[2], block.text)
        elif block.language == "text":
            self.expect(block.text)
        elif block.lead.endswith("In a second terminal:"):
            self.serve(block.text)
        else:
            assert block.language == "sh", block
            self.run(block.text)

    def save(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, line: str, text: str) -> None:
        """Put *text* in the place of *line*, which stands once."""
        path = self.folder / name
        before = path.read_text("utf-8")
        assert before.splitlines().count(line) == 1
        path.write_text(before.replace(f"\n{line}\n", f"\n{text}"), encoding="utf-8")

    def run(self, commands: str) -> None:
        """Type *commands* into one shell, which is kept; every one has to succeed."""
        if self.shell is None:
            self.shell = self.start("-euo", "pipefail", "-s")
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{self.here(commands)}\necho; echo {DONE}\n")
        self.shell.stdin.flush()
        self.printed = ""
        for line in self.shell.stdout:
            if line == f"{DONE}\n":
                return
            self.printed += line
        pytest.fail(f"{commands}\n{self.printed}")

    def serve(self, command: str) -> None:
        """Run *command* beside the shell, until its first line is there."""
        self.server = self.start("-c", f"exec {command}")
        assert self.server.stdout is not None
        for line in self.server.stdout:
            self.printed = line
            if "ready" in line:
                return
        pytest.fail(f"{command}: {self.printed}")

    def expect(self, text: str) -> None:
        """Every line of *text* was printed, in that order; ``…`` stands for anything."""
        at = 0
        for line in self.here(text).splitlines():
            words = r"\s+".join(map(re.escape, line.split())).replace("…", r"[^\"]*")
            found = re.compile(words).search(self.printed, at)
            assert found is not None, f"{line!r} is not in\n{self.printed}"
            at = found.end()

    def here(self, text: str) -> str:
        """*text* with the port of this test's gateway."""
        return text.replace(SERVED, f"127.0.0.1:{self.port}")

    def stop(self) -> None:
        """End what was started, and what that started."""
        for process in (self.shell, self.server):
            if process is not None:
                os.killpg(process.pid, signal.SIGTERM)
                process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.skipif(any(shutil.which(t) is None for t in TOOLS), reason=f"needs {TOOLS}")
def test_whoever_follows_the_page_gets_what_it_says(tmp_path: Path) -> None:
    """From an empty folder to the event, every block in turn."""
    reader = Reader(tmp_path)
    done = 0
    try:
        for block in blocks():
            reader.do(block)
            done += 1
    finally:
        reader.stop()

    assert done >= 20
    assert (tmp_path / "my-docs" / "zendesk.md").exists()


def test_every_block_of_the_page_is_closed_and_asked_for() -> None:
    """None is missed by the reader above, and each kind is one that it knows."""
    page = PAGE.read_text("utf-8")
    found = list(blocks())

    assert page.count("```") == 2 * len(found)
    assert {block.language for block in found} == {"json", "yaml", "sh", "text"}
    for before, block in itertools.pairwise(found):
        if block.language == "text":
            assert before.language == "sh"
            assert block.lead.startswith("It prints")
