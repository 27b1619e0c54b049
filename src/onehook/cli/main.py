"""``onehook``: the commands, and what their exit codes mean."""

import os
import sys

from cyclopts import App

from onehook import __version__
from onehook.errors import OnehookError

app = App(
    name="onehook",
    version=__version__,
    help="A webhook gateway that understands events.",
    result_action="return_value",
)
# By name: a command is imported when it is run, so that `serve` is up before it would be missed.
COMMANDS = (
    "serve:serve",
    "demo:demo",
    "listen:listen",
    "mapping:app",
    "destination:app",
    "events:app",
    "deliveries:app",
    "replay:app",
    "integrations:app",
    "subscriptions:app",
    "apply:apply",
    "export:export",
    "secrets:app",
    "doctor:doctor",
    "completion:completion",
)
for _where in COMMANDS:
    app.command(f"onehook.cli.{_where}", name=_where.partition(":")[0])


def main() -> None:
    """Run the command that the process was started with, and exit with its code.

    0 done, 1 ran and the answer is no, 2 usage, 69 unreachable, 78 configuration.
    """
    try:
        if sys.argv[1:] in ([], ["-h"], ["--help"]):  # what each is for, only it can tell
            for where in COMMANDS:
                app[where.partition(":")[0]]
        code = app()
    except OnehookError as error:
        print(f"onehook: {error.detail}", file=sys.stderr)  # noqa: T201 a command's own output
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who read it had enough; nothing may be flushed into it at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
