"""``onehook destination``: test the files of destinations."""

from pathlib import Path

from cyclopts import App

from onehook.cli.output import fail, out
from onehook.core.destinations.testing import run_tests
from onehook.core.mapping.problems import MappingError
from onehook.destinations import DestinationFile, read_file, shipped_folder
from onehook.errors import SettingsError

app = App(name="destination", help="Test the files of destinations.")


@app.command
def test(*files: Path) -> int:
    """Run the tests that stand inside files of destinations (the shipped ones if none is named).

    Exit codes: 0 all passed, 1 a test failed, 78 a file cannot be used.

    Args:
        files: files of destinations.
    """
    chosen = files or tuple(sorted(shipped_folder().glob("*.yaml")))
    if not chosen:
        fail("there is no destination file to test")
        return 78
    loaded: list[DestinationFile] = []
    for path in chosen:
        try:
            loaded.append(read_file(path))
        except (MappingError, SettingsError) as error:
            fail(str(error))
    failed = sum(_run(file) for file in loaded)
    if len(loaded) < len(chosen):
        return 78
    return 1 if failed else 0


def _run(file: DestinationFile) -> int:
    """Run one file's tests and print them; how many failed."""
    results = run_tests(file.destination, file.load_event)
    bad = [result for result in results if result.problems]
    for result in bad:
        out.print(f"{result.place}: {result.name}", markup=False)
        for problem in result.problems:
            out.print(f"    {problem}", markup=False)
    passed = len(results) - len(bad)
    out.print(f"{file.destination.name}: {passed} passed, {len(bad)} failed", markup=False)
    return len(bad)
