"""Attempts on disk: written whole, found again, readable by anybody."""

import json
from datetime import datetime
from pathlib import Path

from onehook.store.archive import FILES_READ, Archive, ArchiveReader
from onehook.store.attempts import AttemptRow, pack_sent
from onehook.store.packing import decompress
from tests.builders import NOW

ONE, TWO = f"sub_{'1' * 26}", f"sub_{'2' * 26}"


def row(number: int) -> AttemptRow:
    """An attempt of that number."""
    sent = pack_sent({"a": "b"}, "{}") if number % 2 else None
    return AttemptRow(number, NOW, 5, 500, "status", None, "https://x", "v1,s", {}, "no", sent)


def test_attempts_are_found_by_position(tmp_path: Path) -> None:
    """What was written is found again in full, and only under its own subscription."""
    archive = Archive(tmp_path / "archive")
    archive.write(ONE, [("100-0", "evt_a", row(1)), ("100-1", "evt_b", row(2))])
    archive.write(ONE, [("101-0", "evt_a", row(3))])
    archive.write(TWO, [("100-0", "evt_c", row(4))])

    reader = ArchiveReader(archive)

    assert reader.find(ONE, ["100-1", "101-0", "100-7"]) == {"100-1": row(2), "101-0": row(3)}
    assert reader.find(TWO, ["100-0", "101-0"]) == {"100-0": row(4)}
    assert reader.find("sub_x", ["100-0"]) == {}


def test_lines_are_json_that_says_everything(tmp_path: Path) -> None:
    """A file is zstd of one JSON object a line, each complete by itself."""
    archive = Archive(tmp_path)
    archive.write(ONE, [("100-0", "evt_a", row(1)), ("100-1", "evt_b", row(2))])

    (file,) = tmp_path.iterdir()

    assert file.name == f"{ONE}.100-0.100-1.jsonl.zst"
    first, second = (json.loads(line) for line in decompress(file.read_bytes()).splitlines())
    assert first["position"] == "100-0"
    assert (first["subscription_id"], first["event_id"]) == (ONE, "evt_a")
    assert (first["number"], first["status"], first["error"]) == (1, 500, "status")
    assert (first["request_headers"], first["request_body"]) == ({"a": "b"}, "{}")
    assert (second["request_headers"], second["request_body"]) == (None, None)
    assert datetime.fromisoformat(first["at"]) == NOW


def test_same_attempts_twice_are_one_file(tmp_path: Path) -> None:
    """What is archived again after a crash takes the place of what was there."""
    archive = Archive(tmp_path)
    for _ in range(2):
        archive.write(ONE, [("100-0", "evt_a", row(1))])

    assert len(list(tmp_path.iterdir())) == 1
    assert ArchiveReader(archive).find(ONE, ["100-0"]) == {"100-0": row(1)}


def test_what_was_half_written_is_not_read(tmp_path: Path) -> None:
    """A crash while a file is written leaves nothing that a reader takes for one."""
    archive = Archive(tmp_path)
    (tmp_path / f".{ONE}.100-0.100-1.jsonl.zst.77").write_bytes(b"\x28\xb5")
    (tmp_path / "notes.jsonl.zst").write_bytes(b"")

    assert archive.files() == []
    assert ArchiveReader(archive).find(ONE, ["100-0"]) == {}


def test_prune_ends_what_is_older(tmp_path: Path) -> None:
    """A file goes when its last attempt is too old, not earlier."""
    archive = Archive(tmp_path)
    archive.write(ONE, [("100-0", "evt_a", row(1)), ("200-0", "evt_a", row(2))])
    archive.write(ONE, [("201-0", "evt_a", row(3))])

    assert archive.prune(200) == 0
    assert archive.prune(201) == 1

    assert ArchiveReader(archive).find(ONE, ["200-0", "201-0"]) == {"201-0": row(3)}


def test_reader_keeps_few_files(tmp_path: Path) -> None:
    """However many files are read, a reader holds the rows of a few."""
    archive = Archive(tmp_path)
    positions = [f"{number}-0" for number in range(20)]
    for number, position in enumerate(positions):
        archive.write(ONE, [(position, "evt_a", row(number))])
    reader = ArchiveReader(archive)

    assert len(reader.find(ONE, positions)) == 20

    assert len(reader._read) == FILES_READ


def test_no_archive_is_an_empty_one(tmp_path: Path) -> None:
    """Before anything was archived there is nothing to find, and nothing to prune."""
    archive = Archive(tmp_path / "none")

    assert ArchiveReader(archive).find(ONE, ["1-0"]) == {}
    assert archive.prune(10) == 0
