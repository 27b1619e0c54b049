"""What commands print: data on stdout, talk on stderr."""

import sys

from rich.console import Console

# Without emoji: rich would show one for `:ticket:` in a urn, or line 100 of file.yaml:100:10.
out = Console(highlight=False, soft_wrap=True, emoji=False)
talk = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def fail(message: str) -> None:
    """One sentence on stderr."""
    print(f"onehook: {message}", file=sys.stderr)  # noqa: T201 a command's own output
