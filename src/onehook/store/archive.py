"""Attempts that memory has no room for, on disk: ``<data>/archive/*.jsonl.zst``.

A file holds attempts of one subscription, oldest first, one JSON object a line, and is named
``<subscription>.<first>.<last>.jsonl.zst`` after the positions of the first and last of them in
the stream that they came from. It is written whole and never changed, so a crash leaves either
none of it or all of it; what was archived and not yet taken from the stream is archived again
under the same name.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from onehook.store.attempts import AttemptRow, pack_sent, sent_body
from onehook.store.packing import compress, decompress

FILES_READ = 4  # files whose rows a reader keeps in memory
_SUFFIX = ".jsonl.zst"


class ArchivedAttempt(msgspec.Struct):
    """One line of the archive. *position* is the attempt's in its stream."""

    position: str
    subscription_id: str
    event_id: str
    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str | None
    url: str
    signature: str
    response_headers: dict[str, str]
    response_body: str
    request_headers: dict[str, str] | None  # null, and the body too: they follow from the event
    request_body: str | None


_SAME = [name for name in AttemptRow.__struct_fields__ if name != "sent"]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ArchivedAttempt).decode
Row = tuple[str, str, AttemptRow]  # position, event id, attempt


def _order(position: str) -> tuple[int, int]:
    """What positions of a stream sort by."""
    ms, _, serial = position.partition("-")
    return int(ms), int(serial)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    subscription_id: str
    first: tuple[int, int]
    last: tuple[int, int]


class Archive:
    """The folder. Its methods read and write files: call them off the loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, subscription_id: str, rows: Sequence[Row]) -> None:
        """Make *rows*, oldest first, durable.

        Raises:
            OSError: they could not be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{subscription_id}.{rows[0][0]}.{rows[-1][0]}{_SUFFIX}"
        lines = [_encode(_line(subscription_id, *row)) for row in rows]
        unfinished = self.folder / f".{name}.{os.getpid()}"
        with unfinished.open("wb") as file:
            file.write(compress(b"\n".join(lines) + b"\n"))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / name)
        _sync_folder(self.folder)

    def files(self) -> list[_File]:
        """What is there, oldest first."""
        found = [_parse(path) for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted(
            (f for f in found if f is not None), key=lambda f: (f.subscription_id, f.last)
        )

    def prune(self, before_ms: int) -> int:
        """Remove the files whose last attempt is older than that; how many there were."""
        old = [file for file in self.files() if file.last[0] < before_ms]
        for file in old:
            file.path.unlink(missing_ok=True)
        return len(old)


class ArchiveReader:
    """Finds attempts in an archive as it was when this was made; one caller at a time.

    It keeps the last files that it read: who walks through time reads each of them once.
    """

    def __init__(self, archive: Archive) -> None:
        self._files: dict[str, list[_File]] = {}
        for file in archive.files():
            self._files.setdefault(file.subscription_id, []).append(file)
        self._read: OrderedDict[Path, Mapping[str, AttemptRow]] = OrderedDict()

    def find(self, subscription_id: str, positions: Iterable[str]) -> dict[str, AttemptRow]:
        """The attempts at *positions*, as far as they are archived."""
        found: dict[str, AttemptRow] = {}
        files = self._files.get(subscription_id, ())
        for position in positions:
            at = _order(position)
            for file in files:
                if file.first <= at <= file.last and (row := self._rows(file).get(position)):
                    found[position] = row
                    break
        return found

    def _rows(self, file: _File) -> Mapping[str, AttemptRow]:
        rows = self._read.get(file.path)
        if rows is None:
            rows = self._read[file.path] = _read(file.path)
            if len(self._read) > FILES_READ:
                self._read.popitem(last=False)
        self._read.move_to_end(file.path)
        return rows


def _line(subscription_id: str, position: str, event_id: str, row: AttemptRow) -> ArchivedAttempt:
    sent = row.sent
    return ArchivedAttempt(
        position=position,
        subscription_id=subscription_id,
        event_id=event_id,
        **{name: getattr(row, name) for name in _SAME},
        request_headers=None if sent is None else sent.headers,
        request_body=None if sent is None else sent_body(sent),
    )


def _read(path: Path) -> dict[str, AttemptRow]:
    """The rows of a file by position; none if it was pruned meanwhile."""
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        return {}
    lines = (_decode(line) for line in decompress(packed).splitlines())
    return {line.position: _row(line) for line in lines}


def _row(line: ArchivedAttempt) -> AttemptRow:
    headers, body = line.request_headers, line.request_body
    sent = None if headers is None else pack_sent(headers, body or "")
    return AttemptRow(**{name: getattr(line, name) for name in _SAME}, sent=sent)


def _parse(path: Path) -> _File | None:
    """What the name of a file says; None if it is none of ours."""
    parts = path.name.removesuffix(_SUFFIX).split(".")
    try:
        subscription_id, first, last = parts
        return _File(path, subscription_id, _order(first), _order(last))
    except ValueError:
        return None


def _sync_folder(folder: Path) -> None:
    """Make the file's name durable, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
