"""``onehook mapping docs``: pages that never drift from the files."""

from pathlib import Path

import pytest

from onehook.cli.mapping_docs import docs
from onehook.errors import SettingsError
from tests.builders import write_acme
from tests.cli.test_serve import finish, start

ROOT = Path(__file__).parents[2]


def test_the_pages_of_the_shipped_platforms_are_up_to_date(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """docs/platforms is what the mapping files say; `make docs` brings it up to date."""
    assert docs(folder=ROOT / "docs" / "platforms", check=True) == 0, capsys.readouterr().err


def test_pages_are_written_and_then_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page for the file, and the index."""
    file = write_acme(tmp_path) / "acme.yaml"
    folder = tmp_path / "docs" / "platforms"

    assert docs(file, folder=folder) == 0

    assert {path.name for path in folder.iterdir()} == {"README.md", "acme.md"}
    assert "2 pages in" in capsys.readouterr().out
    assert docs(file, folder=folder, check=True) == 0


def test_drift_is_named_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that differs, one that is missing, one whose file is gone: 1, each by name."""
    file = write_acme(tmp_path) / "acme.yaml"
    folder = tmp_path / "pages"
    docs(file, folder=folder)
    (folder / "acme.md").write_text("typed by hand")
    (folder / "gone.md").write_text("")
    (folder / "README.md").unlink()

    assert docs(file, folder=folder, check=True) == 1

    err = capsys.readouterr().err
    assert "acme.md differs from its mapping file" in err
    assert "README.md is missing" in err
    assert "gone.md has no mapping file" in err
    assert (folder / "acme.md").read_text() == "typed by hand"


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    file = write_acme(tmp_path) / "acme.yaml"
    (tmp_path / "taken").write_text("")

    with pytest.raises(SettingsError, match="cannot write to"):
        docs(file, folder=tmp_path / "taken")


async def test_the_command_is_there(tmp_path: Path) -> None:
    """``onehook mapping docs FILE --folder X --check`` reaches the shell with its exit code."""
    file = write_acme(tmp_path) / "acme.yaml"

    code, _, err = await finish(
        await start("mapping", "docs", str(file), "--folder", str(tmp_path / "none"), "--check")
    )

    assert code == 1
    assert "acme.md is missing" in err
