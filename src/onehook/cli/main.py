"""``onehook``: the commands, and what their exit codes mean."""

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
app.command("onehook.cli.serve:serve")
app.command("onehook.cli.demo:demo")
app.command("onehook.cli.listen:listen")
app.command("onehook.cli.apply:apply")
app.command("onehook.cli.export:export")
app.command("onehook.cli.mapping:app", name="mapping")
app.command("onehook.cli.destination:app", name="destination")


def main() -> None:
    """Run the command that the process was started with, and exit with its code.

    0 done, 1 ran and the answer is no, 2 usage, 69 unreachable, 78 configuration.
    """
    try:
        code = app()
    except OnehookError as error:
        print(f"onehook: {error.detail}", file=sys.stderr)  # noqa: T201 a command's own output
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
