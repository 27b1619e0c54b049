"""Reads the files of destinations: the shipped ones, then the operator's folder over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onehook.core.destinations.compiler import compile_destination
from onehook.core.destinations.document import Destination
from onehook.core.mapping.problems import MappingError, Problem, Source
from onehook.errors import SettingsError
from onehook.mappings import shipped_folder as shipped_mappings

MAX_EVENT = 4 * 1024 * 1024


def shipped_folder() -> Path:
    """The folder of the destinations that come with onehook: beside that of the mappings."""
    return shipped_mappings().with_name("destinations")


@dataclass(frozen=True, slots=True)
class DestinationFile:
    """A compiled destination and the file it came from."""

    path: Path
    destination: Destination

    def load_event(self, name: str) -> bytes:
        """The bytes of an ``event_file``, relative to the file.

        Raises:
            OSError: it cannot be read.
            ValueError: it lies outside the file's folder, or is too large.
        """
        folder = self.path.parent.resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            msg = "lies outside the destination's folder"
            raise ValueError(msg)
        if path.stat().st_size > MAX_EVENT:
            msg = "is larger than 4 MiB"
            raise ValueError(msg)
        return path.read_bytes()


def read_file(path: Path) -> DestinationFile:
    """Compile the file at *path*.

    Raises:
        MappingError: with every problem in the file.
        SettingsError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        msg = f"cannot read the destination {path}: {reason}"
        raise SettingsError(msg) from None
    return DestinationFile(path, compile_destination(Source(str(path), text)))


def read_folder(folder: Path) -> dict[str, Destination]:
    """Every ``*.yaml`` of *folder*, by name.

    Raises:
        MappingError: with the problems of all files together.
        SettingsError: the folder is not there.
    """
    if not folder.is_dir():
        msg = f"the destinations folder {folder} does not exist"
        raise SettingsError(msg)
    found: dict[str, Destination] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            destination = read_file(path).destination
        except MappingError as error:
            problems += error.problems
        else:
            found[destination.name] = destination
    if problems:
        raise MappingError(problems)
    return found


def read_all(extra: Path | None) -> Mapping[str, Destination]:
    """The shipped destinations, and over them those of *extra*: the same name replaces.

    Raises:
        MappingError: with the problems of all files together.
        SettingsError: a folder is not there.
    """
    return _shipped() if extra is None else {**_shipped(), **read_folder(extra)}


@cache
def _shipped() -> Mapping[str, Destination]:
    """Read once: they do not change while a release runs."""
    return read_folder(shipped_folder())
