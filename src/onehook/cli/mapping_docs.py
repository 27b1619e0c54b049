"""``onehook mapping docs``: reference pages made from mapping files."""

from pathlib import Path

from onehook.cli.output import fail, out
from onehook.core.mapping.pages import pages
from onehook.errors import SettingsError
from onehook.mappings import read_file, shipped_folder


def docs(*files: Path, folder: Path = Path("docs/platforms"), check: bool = False) -> int:
    """Write a page for each mapping file, and one that sets platforms against event types.

    Exit codes: 0 done, 1 (with --check) a page differs from its file, 78 a file cannot be used.

    Args:
        files: mapping files (the shipped ones if none is named).
        folder: where the pages lie.
        check: write nothing, and name the pages that are missing, differ or have no file.

    Raises:
        SettingsError: a page cannot be written.
    """
    chosen = files or tuple(sorted(shipped_folder().glob("*.yaml")))
    wanted = pages(read_file(path).mapping for path in chosen)
    if check:
        stale = drift(wanted, folder)
        for name, problem in stale.items():
            fail(f"{folder / name} {problem}: run `onehook mapping docs`")
        return 1 if stale else 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror}"
        raise SettingsError(msg) from None
    out.print(f"{len(wanted)} pages in {folder}", markup=False)
    return 0


def drift(wanted: dict[str, str], folder: Path) -> dict[str, str]:
    """What is wrong with the pages in *folder*, by name; empty if they are as *wanted*."""
    found = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))}
    stale = {name: "is missing" for name in wanted if name not in found}
    stale |= {name: "has no mapping file" for name in found if name not in wanted}
    return stale | {
        name: "differs from its mapping file"
        for name, text in wanted.items()
        if found.get(name, text) != text
    }
