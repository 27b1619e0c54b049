"""``onehook mapping``: test mapping files."""

from pathlib import Path

from cyclopts import App

from onehook.cli.output import fail, out
from onehook.core.mapping.problems import MappingError
from onehook.core.mapping.testing import SampleError, run, samples
from onehook.errors import SettingsError
from onehook.mappings import MappingFile, read_file, shipped_folder

app = App(name="mapping", help="Test mapping files.")


@app.command
def test(*files: Path) -> int:
    """Run the tests that stand inside mapping files (the shipped ones if none is named).

    Exit codes: 0 all passed, 1 a test failed, 78 a file cannot be used.
    """
    chosen = files or tuple(sorted(shipped_folder().glob("*.yaml")))
    if not chosen:
        fail("there is no mapping file to test")
        return 78
    loaded: list[MappingFile] = []
    broken = 0
    for path in chosen:
        try:
            loaded.append(read_file(path))
        except (MappingError, SettingsError) as error:
            fail(str(error))
            broken += 1
    failed = sum(_run(file) for file in loaded)
    if broken:
        return 78
    return 1 if failed else 0


def _run(file: MappingFile) -> int:
    """Run one file's tests and print them; how many failed."""
    try:
        found = samples(file.mapping, file.load_sample)
    except SampleError as error:
        fail(str(error))
        return 1
    results = [run(file.mapping, sample) for sample in found]
    bad = [result for result in results if result.problems]
    for warning in file.mapping.warnings:
        out.print(str(warning), markup=False)
    for result in bad:
        out.print(f"{result.sample.place}: {result.sample.name}", markup=False)
        for problem in result.problems:
            out.print(f"    {problem}", markup=False)
    name, passed = file.mapping.platform, len(results) - len(bad)
    out.print(f"{name}: {passed} passed, {len(bad)} failed", markup=False)
    return len(bad)
