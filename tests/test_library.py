"""Which mapping is in use while its files change."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from onehook.errors import SettingsError
from onehook.library import Library
from onehook.mappings import MappingFile, read_all, read_file
from tests.builders import ACME, NOW

CHILD = """\
onehook: mapping/v1
platform: child
version: "1.0.0"
extends: acme
"""
BROKEN = ACME.replace("title: $.title", "title: title")


def versioned(version: str, text: str = ACME) -> str:
    """*text* with another version of the mapping."""
    return text.replace('version: "1.0.0"', f'version: "{version}"')


class Shelf:
    """Two folders of mapping files, the second over the first, and the library of both."""

    def __init__(self, path: Path) -> None:
        self.under, self.over = path / "under", path / "over"
        self.under.mkdir()
        self.over.mkdir()
        self.used: set[str] = set()

    def open(self) -> None:
        """Read what is there."""
        folders = [self.under, self.over]
        self.library = Library(read_all(folders), folders)

    def look(self, times: int = 2) -> set[str]:
        """Look so often; the platforms that changed."""
        changed: set[str] = set()
        for _ in range(times):
            found = self.library.look(NOW)
            if found is not None:
                changed |= self.library.take(found, self.used)
        return changed

    def version(self, platform: str = "acme") -> str:
        """The version in use."""
        return self.library[platform].mapping.version


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf with acme in the folder that lies over the other."""
    made = Shelf(tmp_path)
    (made.over / "acme.yaml").write_text(ACME)
    made.open()
    return made


def test_nothing_changed_is_nothing_to_take(shelf: Shelf) -> None:
    """A look at files that are as they were reads none of them."""
    assert shelf.library.look(NOW) is None
    assert shelf.library.look(NOW, at_once=True) is None


def test_change_counts_once_it_has_settled(shelf: Shelf) -> None:
    """A changed file is in use after the second look that finds it so."""
    (shelf.over / "acme.yaml").write_text(versioned("1.1.0"))

    assert shelf.look(1) == set()
    assert shelf.version() == "1.0.0"
    assert shelf.look(1) == {"acme"}
    assert shelf.version() == "1.1.0"


def test_file_that_is_being_written_is_left_alone(shelf: Shelf) -> None:
    """While each look finds another text, none of them is taken: it may be half of one."""
    for length in range(100, 500, 100):
        (shelf.over / "acme.yaml").write_text(versioned("1.1.0")[:length])
        assert shelf.look(1) == set()

    assert shelf.library.faults == ()
    assert shelf.version() == "1.0.0"


def test_change_at_once(shelf: Shelf) -> None:
    """Who is told to look at once does not wait for the file to settle."""
    (shelf.over / "acme.yaml").write_text(versioned("1.1.0"))

    found = shelf.library.look(NOW, at_once=True)

    assert found is not None
    assert shelf.version() == "1.0.0"  # nothing is in use before it is taken
    assert shelf.library.take(found, ()) == {"acme"}
    assert shelf.version() == "1.1.0"


def test_m7_broken_file_keeps_the_mapping_before(shelf: Shelf) -> None:
    """A file that does not compile is told with its problems; its text before stays in use."""
    (shelf.over / "acme.yaml").write_text(BROKEN)

    assert shelf.look() == set()

    assert shelf.version() == "1.0.0"
    assert shelf.library.status("acme") == "stale"
    (fault,) = shelf.library.faults
    assert (fault.platform, fault.since) == ("acme", NOW)
    assert [problem.code for problem in fault.problems] == ["E101"]
    assert fault.detail.startswith(f"{fault.name}:{fault.problems[0].place.line + 1}:")


def test_mended_file_is_taken_again(shelf: Shelf) -> None:
    """A broken file that is mended is in use, and no fault is left."""
    path = shelf.over / "acme.yaml"
    path.write_text(BROKEN)
    shelf.look()
    path.write_text(versioned("1.1.0"))

    assert shelf.look() == {"acme"}

    assert shelf.library.faults == ()
    assert shelf.library.status("acme") == "loaded"


def test_new_file_adds_a_platform(shelf: Shelf) -> None:
    """A file that was not there before adds its platform."""
    (shelf.over / "other.yaml").write_text(ACME.replace("platform: acme", "platform: other"))

    assert shelf.look() == {"other"}

    assert set(shelf.library) == {"acme", "other"}


@pytest.mark.parametrize("text", [BROKEN, "", "- a list", "a: b: c", "\x00"])
def test_new_file_that_is_broken_is_only_told(shelf: Shelf, text: str) -> None:
    """A new file that cannot be used adds nothing; it is told until it is mended or removed."""
    path = shelf.over / "new.yaml"
    path.write_text(text)

    assert shelf.look() == set()

    assert set(shelf.library) == {"acme"}
    (fault,) = shelf.library.faults
    assert fault.platform is None
    path.unlink()
    shelf.look()
    assert shelf.library.faults == ()


def test_file_that_is_no_text_is_told(shelf: Shelf) -> None:
    """Bytes that are no UTF-8 are a fault without problems, not a crash."""
    (shelf.over / "acme.yaml").write_bytes(b"platform: \xff")

    assert shelf.look() == set()

    (fault,) = shelf.library.faults
    assert (fault.problems, fault.platform) == ((), "acme")
    assert "UTF-8" in fault.detail


def test_removed_file_leaves_its_platform_to_who_uses_it(shelf: Shelf) -> None:
    """Without its file a platform stays while an integration uses it, and no longer."""
    shelf.used = {"acme"}
    (shelf.over / "acme.yaml").unlink()

    assert shelf.look() == set()
    assert shelf.library.status("acme") == "removed"

    shelf.library.forget({"acme"})
    assert set(shelf.library) == {"acme"}
    shelf.library.forget(())
    assert set(shelf.library) == set()


def test_removed_file_that_nobody_uses_is_gone(shelf: Shelf) -> None:
    """A platform that no integration uses goes with its file."""
    (shelf.over / "acme.yaml").unlink()

    assert shelf.look() == {"acme"}

    assert "acme" not in shelf.library


def test_removed_file_that_comes_back(shelf: Shelf) -> None:
    """A platform that was kept without a file takes the file that comes."""
    shelf.used = {"acme"}
    (shelf.over / "acme.yaml").unlink()
    shelf.look()
    (shelf.over / "acme.yaml").write_text(versioned("2.0.0"))

    assert shelf.look() == {"acme"}

    assert (shelf.version(), shelf.library.status("acme")) == ("2.0.0", "loaded")


def test_file_that_is_missing_for_a_moment_is_not_gone(shelf: Shelf) -> None:
    """An editor that moves the file away before it writes the new one removes no platform."""
    (shelf.over / "acme.yaml").unlink()
    assert shelf.look(1) == set()
    (shelf.over / "acme.yaml").write_text(versioned("1.1.0"))

    assert shelf.look() == {"acme"}

    assert shelf.version() == "1.1.0"


def test_removed_file_gives_way_to_the_one_below(shelf: Shelf) -> None:
    """When the operator's own file is removed, the shipped one of that platform counts again."""
    (shelf.under / "acme.yaml").write_text(versioned("0.9.0"))
    shelf.used = {"acme"}
    assert shelf.look() == set()
    assert shelf.version() == "1.0.0"
    (shelf.over / "acme.yaml").unlink()

    assert shelf.look() == {"acme"}

    assert (shelf.version(), shelf.library.status("acme")) == ("0.9.0", "loaded")


def test_file_that_takes_another_platform_leaves_the_old_one(shelf: Shelf) -> None:
    """A file that now says another platform gives that one; the old one stays for its users."""
    shelf.used = {"acme"}
    (shelf.over / "acme.yaml").write_text(ACME.replace("platform: acme", "platform: other"))

    assert shelf.look() == {"other"}

    assert shelf.library.status("acme") == "removed"
    assert shelf.library.status("other") == "loaded"


def test_child_follows_what_it_extends(shelf: Shelf) -> None:
    """A mapping that extends another is compiled again when that one changes or breaks."""
    (shelf.over / "child.yaml").write_text(CHILD)
    assert shelf.look() == {"child"}
    path = shelf.over / "acme.yaml"
    path.write_text(ACME.replace("answer_within: 8s", "answer_within: 3s"))

    assert shelf.look() == {"acme", "child"}

    assert shelf.library["child"].mapping.answer_within.total_seconds() == 3
    path.write_text(BROKEN)
    shelf.look()
    assert {fault.platform for fault in shelf.library.faults} == {"acme", "child"}
    path.write_text(ACME)
    shelf.look()
    assert shelf.library.faults == ()


def test_child_waits_for_what_it_extends(shelf: Shelf) -> None:
    """A mapping that extends one that is not there yet is a fault until it is."""
    (shelf.over / "late.yaml").write_text(CHILD.replace("extends: acme", "extends: parent"))
    shelf.look()
    (fault,) = shelf.library.faults
    assert "E104" in {problem.code for problem in fault.problems}
    (shelf.over / "parent.yaml").write_text(ACME.replace("platform: acme", "platform: parent"))

    assert shelf.look() == {"parent", "child"}

    assert shelf.library.faults == ()


def test_folder_that_is_away_changes_nothing(shelf: Shelf) -> None:
    """A folder that is not there, such as one not mounted, is told and removes no platform."""
    hidden = shelf.over.rename(shelf.over.with_name("hidden"))

    assert shelf.look(3) == set()

    assert set(shelf.library) == {"acme"}
    (fault,) = shelf.library.faults
    assert "cannot be read" in fault.detail
    hidden.rename(shelf.over)
    shelf.look()
    assert shelf.library.faults == ()
    assert shelf.version() == "1.0.0"


def test_compiler_that_crashes_spoils_one_file_only(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours over one file is a fault of that file; the others are taken up."""

    def crash(path: Path) -> MappingFile:
        if path.name == "acme.yaml":
            raise RecursionError
        return read_file(path)

    monkeypatch.setattr("onehook.library.read_file", crash)
    (shelf.over / "acme.yaml").write_text(versioned("1.1.0"))
    (shelf.over / "other.yaml").write_text(ACME.replace("platform: acme", "platform: other"))

    with capture_logs() as logs:
        assert shelf.look() == {"other"}

    assert [line["event"] for line in logs] == ["mapping.crashed"]
    (fault,) = shelf.library.faults
    assert fault.platform == "acme"
    assert shelf.version() == "1.0.0"


def test_two_files_of_one_platform_in_one_folder_stop_the_start(shelf: Shelf) -> None:
    """One of them would be passed over without a word; the other folder may have its own."""
    (shelf.under / "acme.yaml").write_text(ACME)
    shelf.open()
    (shelf.over / "zz.yaml").write_text(versioned("2.0.0"))

    with pytest.raises(SettingsError) as caught:
        shelf.open()

    assert "zz.yaml" in caught.value.detail
    assert "acme.yaml" in caught.value.detail


@pytest.mark.parametrize("name", ["aa.yaml", "zz.yaml"])
def test_a_second_file_of_a_platform_is_refused_while_it_runs(shelf: Shelf, name: str) -> None:
    """The one in use stays, whatever their names; once it is gone the other counts."""
    (shelf.over / name).write_text(versioned("2.0.0"))

    assert shelf.look() == set()
    assert shelf.version() == "1.0.0"
    (fault,) = shelf.library.faults
    assert fault.path == shelf.over / name
    assert "acme.yaml" in fault.detail
    assert shelf.look() == set()
    (shelf.over / "acme.yaml").unlink()
    assert shelf.look() == {"acme"}
    assert (shelf.version(), shelf.library.faults) == ("2.0.0", ())
