"""What commands print: data on stdout, talk on stderr."""

import sys

from rich.console import Console

out = Console(highlight=False, soft_wrap=True, emoji=False)  # file:100:5 is a place, no emoji
talk = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def fail(message: str) -> None:
    """One sentence on stderr."""
    print(f"onehook: {message}", file=sys.stderr)  # noqa: T201 a command's own output
