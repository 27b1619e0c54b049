"""Reads mapping files: the shipped ones, then the operator's folder over them.

Only this module knows where the shipped files lie: inside the package in a wheel, beside ``src``
in a checkout.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from onehook.core.mapping.compiler import compile_mapping
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.problems import MappingError, Problem, Source
from onehook.errors import ConflictError, SettingsError

MAX_SAMPLE = 32 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXTENDS = re.compile(r"^extends\s*:", re.MULTILINE)
Stamp: TypeAlias = tuple[int, int, int]  # of a file: when it was changed, in ns; size; inode


def shipped_folder() -> Path:
    """The folder of the mappings that come with onehook."""
    inside = Path(__file__).parent / "mappings"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "mappings"


def folders_of(extra: Path | None) -> tuple[Path, ...]:
    """The folders to read, in order: of two files of one platform the later one counts."""
    return (shipped_folder(),) if extra is None else (shipped_folder(), extra)


def stamp_of(path: Path) -> Stamp:
    """What tells one text of a file from the next, without reading it.

    Raises:
        OSError: it cannot be looked at.
    """
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A compiled mapping and the file it came from."""

    path: Path
    mapping: CompiledMapping
    stamp: Stamp  # of the text that was compiled
    extends: bool  # whether a part of it stands in another file

    @property
    def name(self) -> str:
        """The file as messages name it."""
        return self.mapping.source.name

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


def read_file(path: Path) -> MappingFile:
    """Compile the file at *path*; ``extends`` is looked for beside it, then among the shipped.

    Raises:
        MappingError: with every problem in the file.
        SettingsError: the file cannot be read.
    """
    return compile_source(path, *_source(path))


def compile_source(path: Path, stamp: Stamp, source: Source) -> MappingFile:
    """Compile *source* as if it stood in the file at *path*.

    Raises:
        MappingError: with every problem in it.
        SettingsError: the mapping that it extends cannot be read.
    """
    extended: list[str] = []

    def parent_of(name: str) -> Source | None:
        extended.append(name)
        for candidate in _named(name, (path.parent, shipped_folder())):
            if candidate.resolve() != path.resolve():
                return _source(candidate)[1]
        return None

    mapping = compile_mapping(source, parent_of)
    return MappingFile(path, mapping, stamp, bool(extended))


def _named(name: str, folders: Iterable[Path]) -> Iterator[Path]:
    """The mapping files called *name*; what is no plain name leads nowhere, nor outside."""
    if _NAME.fullmatch(name):
        for folder in folders:
            path = folder / f"{name}.yaml"
            if path.is_file():
                yield path


def compile_text(text: str, folders: Sequence[Path], name: str) -> CompiledMapping:
    """Compile a mapping that is no file; messages call it *name*.

    ``extends`` is looked for in *folders*, the last one first. A parent that extends another itself
    is passed over: an operator's file over a shipped one may be what is being edited, and has the
    name of the platform that it extends.

    Raises:
        MappingError: with every problem in it.
        SettingsError: what it extends cannot be read.
    """

    def parent_of(parent: str) -> Source | None:
        found = [_source(path)[1] for path in _named(parent, reversed(folders))]
        parents = (one for one in found if not _EXTENDS.search(one.text))
        return next(parents, found[0] if found else None)

    return compile_mapping(Source(name, text), parent_of)


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


def _source(path: Path) -> tuple[Stamp, Source]:
    try:
        stamp = stamp_of(path)  # first: a text that changes meanwhile is then read again
        # The bytes as they are: --accept gives a file back with the line ends that it had.
        return stamp, Source(shown(path), path.read_bytes().decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        msg = f"cannot read the mapping {path}: {reason}"
        raise SettingsError(msg) from None


def shown(path: Path) -> str:
    """*path* as messages name it: from the working folder, if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_all(folders: Sequence[Path]) -> list[MappingFile]:
    """Every ``*.yaml`` of *folders*, in order.

    Raises:
        MappingError: with the problems of all files together.
        SettingsError: a folder is not there, a file cannot be read, or two files of one folder are
            of one platform.
    """
    found: list[MappingFile] = []
    problems: list[Problem] = []
    for folder in folders:
        if not folder.is_dir():
            msg = f"the mappings folder {folder} does not exist"
            raise SettingsError(msg)
        first: dict[str, MappingFile] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                file = read_file(path)
            except MappingError as error:
                problems += error.problems
                continue
            found.append(file)
            if first.setdefault(file.mapping.platform, file) is not file:
                raise SettingsError(twice(file, first[file.mapping.platform]))
    if problems:
        raise MappingError(problems)
    return found


def twice(file: MappingFile, other: MappingFile) -> str:
    """What is wrong with *file*, which is of the same platform as *other*, in the same folder."""
    return (
        f"{file.name} is a mapping of {file.mapping.platform}, and so is {other.name}: "
        "remove one, or put it into another folder"
    )


def by_platform(files: Iterable[MappingFile]) -> dict[str, MappingFile]:
    """The file that counts for each platform: the last one."""
    return {file.mapping.platform: file for file in files}
