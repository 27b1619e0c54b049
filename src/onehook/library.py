"""The mapping in use of each platform, and its file as it changes under a running gateway.

What works stays in use: a file that cannot be compiled leaves the mapping of its text before. A
platform whose file is gone falls back to the shipped file of that name; where there is none, it
stays for as long as an integration uses it, because its webhooks have nowhere else to go.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.problems import MappingError, Problem
from onehook.errors import SettingsError
from onehook.mappings import MappingFile, Stamp, by_platform, read_file, shown, stamp_of, twice

log = structlog.get_logger()
Status: TypeAlias = Literal["loaded", "stale", "removed"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A file or folder that cannot be used as it is now."""

    path: Path
    platform: str | None  # whose mapping of an earlier text is still in use; None: there is none
    detail: str
    problems: tuple[Problem, ...]  # none if it could not even be read
    since: datetime

    @property
    def name(self) -> str:
        """The file as messages name it."""
        return shown(self.path)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the folders found; nothing of it is in use yet."""

    files: Mapping[Path, MappingFile]
    faults: Mapping[Path, Fault]
    tried: Mapping[Path, Stamp]


class Library(Mapping[str, MappingFile]):
    """Platform to the mapping in use. :meth:`look` in a thread, :meth:`take` on the loop.

    *files* are those of *folders*, compiled.
    """

    def __init__(self, files: Iterable[MappingFile], folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._files = {file.path: file for file in files}
        self._tried = {file.path: file.stamp for file in self._files.values()}
        self._seen: Mapping[Path, Stamp] = self._tried
        self._faults: Mapping[Path, Fault] = {}
        self._in_use = by_platform(self._files.values())
        self._removed: frozenset[str] = frozenset()

    def __getitem__(self, platform: str) -> MappingFile:
        return self._in_use[platform]

    def __iter__(self) -> Iterator[str]:
        return iter(self._in_use)

    def __len__(self) -> int:
        return len(self._in_use)

    def status(self, platform: str) -> Status:
        """``stale``: its file is broken, an earlier text in use. ``removed``: its file is gone."""
        if platform in self._removed:
            return "removed"
        return "stale" if self._in_use[platform].path in self._faults else "loaded"

    @property
    def compiled(self) -> dict[str, CompiledMapping]:
        """The mappings in use."""
        return {name: file.mapping for name, file in self._in_use.items()}

    @property
    def faults(self) -> Sequence[Fault]:
        """What cannot be used as it is now."""
        return tuple(self._faults.values())

    @property
    def removed(self) -> Collection[str]:
        """Platforms that are kept without a file."""
        return self._removed

    def look(self, now: datetime, *, at_once: bool = False) -> Look | None:
        """Compile what has changed since the last look; None if nothing has.

        A file counts once it is the same at two looks in a row, and as gone once it is missing
        at two: editors and deployments write, move and remove in steps. *at_once*: right away.
        """
        seen = self._stamps()
        before, self._seen = self._seen, seen
        settled = {p for p, stamp in seen.items() if at_once or before.get(p) == stamp}
        gone = {p for p in self._tried if p not in seen and (at_once or p not in before)}
        changed = {p for p in settled if self._tried.get(p) != seen[p]}
        absent = {folder for folder in self.folders if _listed(folder) is None}
        if not changed and not gone and absent == self._faults.keys() & {*self.folders}:
            return None
        tried = {p: stamp for p, stamp in self._tried.items() if p not in gone}
        files = {p: file for p, file in self._files.items() if p in tried}
        faults = {p: f for p, f in self._faults.items() if p in tried}
        # What a file extends may be what changed, or what it lacked.
        dependent = {p for p in settled if p in faults or (p in files and files[p].extends)}
        for path in sorted(changed | dependent):
            self._read(path, seen[path], now, files, faults, tried)
        self._refuse_twins(files, faults, now)
        for folder in absent:
            detail = f"the mappings folder {folder} cannot be read"
            faults[folder] = self._faults.get(folder) or Fault(folder, None, detail, (), now)
        return Look(files, faults, tried)

    def _stamps(self) -> Mapping[Path, Stamp]:
        """The files there are; of a folder that is away, those that there were."""
        found: dict[Path, Stamp] = {}
        for folder in self.folders:
            listed = _listed(folder)
            if listed is None:
                found |= {p: stamp for p, stamp in self._seen.items() if p.parent == folder}
                continue
            for path in listed:
                try:
                    found[path] = stamp_of(path)
                except OSError:  # removed a moment ago, or a link to nowhere
                    continue
        return found

    def _read(
        self,
        path: Path,
        stamp: Stamp,
        now: datetime,
        files: dict[Path, MappingFile],
        faults: dict[Path, Fault],
        tried: dict[Path, Stamp],
    ) -> None:
        tried[path] = stamp
        problems: tuple[Problem, ...] = ()
        try:
            file = read_file(path)
        except MappingError as error:
            problems = tuple(error.problems)
            detail = _sentence(problems)
        except SettingsError as error:
            detail = error.detail
        except Exception:  # ours, and in one file: the others are looked at all the same
            log.exception("mapping.crashed", file=shown(path))
            detail = f"{shown(path)}: the compiler failed; the gateway's log says why"
        else:
            files[path] = file
            tried[path] = file.stamp
            faults.pop(path, None)
            return
        platform = files[path].mapping.platform if path in files else None
        since = faults[path].since if path in faults else now
        faults[path] = Fault(path, platform, detail, problems, since)

    def _refuse_twins(
        self, files: dict[Path, MappingFile], faults: dict[Path, Fault], now: datetime
    ) -> None:
        """Of two files of one platform in one folder keep the one in use: neither may just win."""
        in_use = {file.path for file in self._in_use.values()}
        kept: dict[tuple[Path, str], MappingFile] = {}
        for path in sorted(files, key=lambda p: (p not in in_use, p)):
            file = files[path]
            first = kept.setdefault((path.parent, file.mapping.platform), file)
            if first is not file:
                since = self._faults[path].since if path in self._faults else now
                faults[path] = Fault(path, None, twice(file, first), (), since)
                del files[path]

    def take(self, look: Look, used: Collection[str]) -> set[str]:
        """Put what *look* found in use; *used* are the platforms of integrations.

        Returns the platforms whose mapping is another one from now on, or none.
        """
        before = self._in_use
        self._files, self._faults, self._tried = dict(look.files), look.faults, dict(look.tried)
        order = {folder: at for at, folder in enumerate(self.folders)}
        in_use = by_platform(
            sorted(self._files.values(), key=lambda f: (order[f.path.parent], f.path.name))
        )
        kept = {n: f for n, f in before.items() if n not in in_use and n in used}
        self._removed = frozenset(kept)
        self._in_use = {**in_use, **kept}
        return {
            name
            for name in {*before, *self._in_use}
            if before.get(name) is not self._in_use.get(name)
        }

    def forget(self, used: Collection[str]) -> None:
        """Drop the removed platforms that no integration uses any more."""
        unused = self._removed - {*used}
        if unused:
            self._removed -= unused
            self._in_use = {n: f for n, f in self._in_use.items() if n not in unused}


def _listed(folder: Path) -> list[Path] | None:
    """The mapping files of *folder*; None if it cannot be read now."""
    try:
        return [path for path in folder.iterdir() if path.suffix == ".yaml"]
    except OSError:
        return None


def _sentence(problems: Sequence[Problem]) -> str:
    first = problems[0]
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"{first.place}: {first.code} {first.message}{more}"
