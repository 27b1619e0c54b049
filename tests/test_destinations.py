"""Reading the files of destinations."""

from pathlib import Path

import pytest

from onehook.core.mapping.problems import MappingError
from onehook.destinations import read_all, read_file, read_folder, shipped_folder
from onehook.errors import SettingsError

TEXT = "onehook: destination/v1\nname: {}\n"


def written(folder: Path, name: str, text: str = TEXT) -> Path:
    """A file of that name."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("{}", name), encoding="utf-8")
    return path


def test_a_folder_of_ones_own_is_laid_over_the_shipped_files(tmp_path: Path) -> None:
    """The same name replaces, another one is added."""
    written(tmp_path, "slack")
    written(tmp_path, "own")
    found = read_all(tmp_path)
    assert set(found) == set(read_all(None)) | {"own"}
    assert found["slack"].body is None
    assert read_all(None)["slack"].body is not None


def test_every_problem_of_a_folder_is_said(tmp_path: Path) -> None:
    """Of all files together."""
    written(tmp_path, "a", TEXT + "colour: red\n")
    written(tmp_path, "b", TEXT + "shape: round\n")
    with pytest.raises(MappingError) as refused:
        read_folder(tmp_path)
    assert len(refused.value.problems) == 2


def test_a_folder_or_file_that_cannot_be_read(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(SettingsError, match=r"the destinations folder .* does not exist"):
        read_folder(tmp_path / "gone")
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        read_file(path)


def test_events_of_tests_lie_beside_the_file(tmp_path: Path) -> None:
    """And nowhere else."""
    file = read_file(written(tmp_path, "own"))
    (tmp_path / "a.json").write_bytes(b"{}")
    assert file.load_event("a.json") == b"{}"
    for outside in ("../a.json", "/etc/hostname"):
        with pytest.raises(ValueError, match="outside"):
            file.load_event(outside)
    with pytest.raises(OSError, match="No such file"):
        file.load_event("gone.json")


def test_the_shipped_folder_lies_beside_the_mappings() -> None:
    """In a checkout as in a wheel."""
    assert (shipped_folder() / "generic.yaml").is_file()
