"""``onehook`` as people run it: completion, help, usage, a pipe that ends."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.builders import API_KEY, Running, issue
from tests.cli.test_serve import ENVIRONMENT, ONEHOOK, finish, start


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that needs no gateway."""
    return subprocess.run(
        [*ONEHOOK, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, tmp_path: Path) -> None:
    """The script names them with their options; bash's own parser takes its."""
    made = run("completion", shell)
    script = tmp_path / "script"
    script.write_text(made.stdout)

    assert (made.returncode, made.stderr) == (0, "")
    for word in ("apply", "doctor", "rotate-secret", "send-tests", "tail"):
        assert word in made.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_help_says_what_each_command_is_for() -> None:
    """Each has its sentence."""
    made = run("--help")
    assert made.returncode == 0
    assert "Check a running gateway" in made.stdout
    assert "See what came in" in made.stdout


def test_usage_is_2_and_nearest_is_named() -> None:
    """A word that is none, an option that is none."""
    for words in (("evnts",), ("events", "list", "--typ", "x"), ("events", "list", "--limit", "x")):
        made = run(*words)
        assert (made.returncode, made.stdout) == (2, "")
        assert made.stderr


async def test_commands_run_as_processes(gateway: Running, tmp_path: Path) -> None:
    """One walk by the environment alone: apply, list, export, doctor."""
    file = tmp_path / "onehook.yaml"
    file.write_text("integrations:\n  - {key: hub, type: github, secret: {file: secret}}\n")
    (tmp_path / "secret").write_text("it-is-a-secret-to-everybody")
    given = {"url": gateway.url, "api_key": API_KEY}
    codes = []
    for words in (
        ("apply", "-f", str(file), "--dry-run"),
        ("apply", "-f", str(file)),
        ("apply", "-f", str(file), "--yes"),
        ("apply", "-f", str(file), "--dry-run"),
        ("export", "-o", str(tmp_path / "made.yaml")),
        ("integrations", "show", "hub"),
        ("doctor",),
    ):
        process = await start(*words, **given)
        process_code, _, err = await finish(process)
        assert "Traceback" not in err
        codes.append(process_code)
    assert codes == [1, 2, 0, 0, 0, 0, 0]
    assert "secret: {env: HUB_SECRET}" in (tmp_path / "made.yaml").read_text()


async def test_a_pipe_that_ends_is_no_error(gateway: Running) -> None:
    """Who reads a list and has enough ends the command without a traceback."""
    sender = await gateway.integrate()
    await gateway.accept(sender, issue())
    given = {"ONEHOOK_URL": gateway.url, "ONEHOOK_API_KEY": API_KEY}
    words = " ".join(f"'{word}'" for word in (*ONEHOOK, "events", "list", "--json"))
    shell = await asyncio.create_subprocess_shell(
        f"{words} | true", env=ENVIRONMENT | given, stderr=asyncio.subprocess.PIPE
    )
    _, err = await shell.communicate()
    assert b"Traceback" not in err
