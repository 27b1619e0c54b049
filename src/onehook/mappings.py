"""Reads mapping files: the shipped ones, then the operator's folder over them.

Only this module knows where the shipped files lie: inside the package in a wheel, beside ``src``
in a checkout.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.problems import MappingError, Problem, Source
from onehook.errors import ConflictError, SettingsError

MAX_SAMPLE = 32 * 1024 * 1024


def shipped_folder() -> Path:
    """The folder of the mappings that come with onehook."""
    inside = Path(__file__).parent / "mappings"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "mappings"


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A compiled mapping and the file it came from."""

    path: Path
    mapping: CompiledMapping

    def load_sample(self, name: str) -> bytes:
        """The bytes of a ``body_file``: relative to the file, or to ``samples/<platform>/``.

        Raises:
            OSError: it cannot be read.
            ValueError: it lies outside the mapping's folder, or is too large.
        """
        folder = self.path.parent.resolve()
        choices = [
            folder / name,
            folder / "samples" / self.mapping.platform / name.removeprefix("samples/"),
        ]
        path = next((p for p in choices if p.is_file()), choices[0]).resolve()
        if not path.is_relative_to(folder):
            msg = "lies outside the mapping's folder"
            raise ValueError(msg)
        if path.stat().st_size > MAX_SAMPLE:
            msg = "is larger than 32 MiB"
            raise ValueError(msg)
        return path.read_bytes()


def read_file(path: Path, folders: tuple[Path, ...] = ()) -> MappingFile:
    """Compile the file at *path*; ``extends`` is looked for beside it, then in *folders*.

    Raises:
        MappingError: with every problem in the file.
        SettingsError: the file cannot be read.
    """
    return compile_text(path, _source(path), folders)


def compile_text(path: Path, source: Source, folders: tuple[Path, ...] = ()) -> MappingFile:
    """Compile *source* as if it stood in the file at *path*.

    Raises:
        MappingError: with every problem in it.
        SettingsError: the mapping that it extends cannot be read.
    """

    def parent_of(name: str) -> Source | None:
        for folder in (path.parent, *folders, shipped_folder()):
            candidate = folder / f"{name}.yaml"
            if candidate.is_file() and candidate.resolve() != path.resolve():
                return _source(candidate)
        return None

    return MappingFile(path, compile_mapping(source, parent_of))


def write_file(path: Path, before: str, after: str) -> None:
    """Replace the text of the file at *path*, whole or not at all.

    Raises:
        ConflictError: it does not hold *before* any more.
        SettingsError: it cannot be written.
    """
    path = path.resolve()  # a link stays a link
    beside = path.with_name(f".{path.name}.new")
    try:
        if path.read_bytes() != before.encode():
            msg = f"{path} has changed meanwhile: nothing was written"
            raise ConflictError(msg)
        beside.write_bytes(after.encode())
        shutil.copymode(path, beside)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        msg = f"cannot write {path}: {error.strerror}"
        raise SettingsError(msg) from None


def _source(path: Path) -> Source:
    try:
        # The bytes as they are: --accept gives a file back with the line ends that it had.
        return Source(_shown(path), path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        msg = f"cannot read the mapping {path}: {reason}"
        raise SettingsError(msg) from None


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_folder(folder: Path) -> dict[str, MappingFile]:
    """Every ``*.yaml`` of *folder*, by platform.

    Raises:
        MappingError: with the problems of all files together.
        SettingsError: the folder is not there.
    """
    if not folder.is_dir():
        msg = f"the mappings folder {folder} does not exist"
        raise SettingsError(msg)
    found: dict[str, MappingFile] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            file = read_file(path)
        except MappingError as error:
            problems += error.problems
        else:
            found[file.mapping.platform] = file
    if problems:
        raise MappingError(problems)
    return found


def read_all(extra: Path | None) -> Mapping[str, MappingFile]:
    """The shipped mappings, and over them those of *extra*: the same platform replaces.

    Raises:
        MappingError: with the problems of all files together.
        SettingsError: a folder is not there.
    """
    mappings = read_folder(shipped_folder())
    if extra is not None:
        mappings.update(read_folder(extra))
    return mappings
