"""``onehook completion``: what a shell needs to complete our commands."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print a completion script: `source <(onehook completion bash)`.

    Args:
        shell: whose.
    """
    from onehook.cli.main import app  # noqa: PLC0415 main knows this command by its name only

    print(app.generate_completion(prog_name="onehook", shell=shell))  # noqa: T201 it is a script
    return 0
