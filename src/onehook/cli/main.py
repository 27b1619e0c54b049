"""``onehook``: the commands, and what their exit codes mean."""

import sys

from cyclopts import App

from onehook import __version__
from onehook.cli import mapping
from onehook.cli.output import fail
from onehook.cli.serve import serve
from onehook.errors import OnehookError

app = App(
    name="onehook",
    version=__version__,
    help="A webhook gateway that understands events.",
    result_action="return_value",
)
app.command(serve)
app.command(mapping.app)


def main() -> None:
    """Run the command that the process was started with, and exit with its code.

    0 done, 1 ran and the answer is no, 2 usage, 69 unreachable, 78 configuration.
    """
    try:
        code = app()
    except OnehookError as error:
        fail(error.detail)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
