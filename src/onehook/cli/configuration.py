"""The file that ``onehook apply`` reads: integrations and subscriptions, each with its place."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.problems import MappingError, Place, Problem, Source
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Node, Scalar, Seq, parse, plain
from onehook.core.profiles.headers import HIDDEN
from onehook.errors import ConfigurationError, FieldError

Kind: TypeAlias = Literal["integrations", "subscriptions"]
KINDS: tuple[Kind, ...] = ("integrations", "subscriptions")
MAX_SECRET = 65_536  # bytes of a file that holds one
_LEAST_HIDDEN = 4  # characters: blanking shorter ones would blank what is no secret
_CODE = "E002"  # no code is shown: what is wrong here, the sentence says
Steps: TypeAlias = tuple[str, ...]


class ConfigurationFileError(ConfigurationError):
    """The file cannot be applied; says every problem at its place.

    The line itself is not shown, as it is of mappings: it may hold a secret.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(problems, key=lambda p: (p.place.line, p.place.column))
        super().__init__("\n".join(map(_sentence, ordered)))


def _sentence(problem: Problem) -> str:
    hint = f"\n    hint: {problem.hint}" if problem.hint else ""
    return f"{problem.place}: {problem.message}{hint}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the file declares. *body* is what to send; *secrets* nobody is shown."""

    kind: Kind
    key: str
    node: Map
    body: Mapping[str, JsonValue]
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.kind}/{self.key}"

    @property
    def integrations(self) -> list[str]:
        """The integrations that a subscription names."""
        named = self.body.get("integrations") if self.kind == "subscriptions" else None
        return [str(name) for name in named] if isinstance(named, list) else []

    def problems(self, detail: str, errors: Sequence[FieldError]) -> list[Problem]:
        """What a gateway says of the body, at the places in the file that it points to."""
        if not errors:
            return [Problem(_CODE, self.node.place, f"{self.key}: {self.hide(detail)}")]
        return [Problem(_CODE, place_of(self.node, e.pointer), self._message(e)) for e in errors]

    def _message(self, error: FieldError) -> str:
        where = error.pointer.strip("/") or "it"
        return f"{self.key}: {self.hide(f'{where} {error.detail}')}"

    def hide(self, value: JsonValue) -> JsonValue:
        """*value*, a text or JSON, without any of the secrets."""
        match value:
            case str():
                for secret in self.secrets:
                    value = value.replace(secret, HIDDEN)
                return value
            case list():
                return [self.hide(item) for item in value]
            case dict():
                return {name: self.hide(item) for name, item in value.items()}
            case _:
                return value


def place_of(node: Node, pointer: str) -> Place:
    """Where *pointer* leads to below *node*, or where it leaves what is there."""
    place = node.place
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        match node:
            case Map(items=items, keys=keys) if name in items:
                place, node = keys[name], items[name]
            case Seq(items=found) if name.isdigit() and int(name) < len(found):
                node = found[int(name)]
                place = node.place
            case _:
                break
    return place


def read_configuration(path: Path, environ: Mapping[str, str] = os.environ) -> list[Entry]:
    """What *path* declares, integrations first; secrets looked up in *environ* and in files.

    Raises:
        ConfigurationFileError: with every problem in the file.
        ConfigurationError: it cannot be read.
    """
    try:
        source = Source(str(path), path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        msg = f"{path} cannot be read: {reason}"
        raise ConfigurationError(msg) from None
    try:
        top = parse(source, "a configuration", "integrations: or subscriptions:")
    except MappingError as error:
        raise ConfigurationFileError(map(_reworded, error.problems)) from None
    report = Report()
    reader = Reader(top, report).only(*KINDS)
    found = [
        entry
        for kind in KINDS
        for entry in _Section(kind, reader, report, path.parent, environ).entries()
    ]
    _refuse_twice(found, report)
    if report.problems:
        raise ConfigurationFileError(report.problems)
    return found


def _reworded(problem: Problem) -> Problem:
    """The hints of mapping files name shapes and tables, of which there are none here."""
    hint = "write it out" if "shape" in problem.hint else problem.hint
    return Problem(problem.code, problem.place, problem.message, hint)


def _refuse_twice(entries: Iterable[Entry], report: Report) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        before = first.setdefault(entry.key, entry)
        if before is not entry:
            line = before.node.keys["key"].line + 1
            message = f"the key {entry.key!r} stands twice, first at line {line}"
            hint = "integrations and subscriptions share their keys: choose another"
            report(_CODE, entry.node.keys["key"], message, hint)


@dataclass(frozen=True, slots=True)
class _Section:
    """The list of one kind."""

    kind: Kind
    top: Reader
    report: Report
    folder: Path
    environ: Mapping[str, str]

    def entries(self) -> Iterator[Entry]:
        """What it holds."""
        node = self.top.node_of(self.kind)
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return
        if not isinstance(node, Seq):
            self.top.problem(self.kind, f"{self.kind}: is a list", "begin each entry with -")
            return
        for item in node.items:
            if isinstance(item, Map):
                yield from self._entry(item)
            else:
                self.report(_CODE, item.place, f"an entry of {self.kind} is a map with key:")

    def _entry(self, node: Map) -> Iterator[Entry]:
        key = Reader(node, self.report).text("key", required=True)
        secrets: list[str] = []
        body = {
            name: self._value(value, (name,), secrets)
            for name, value in node.items.items()
            if name != "key"
        }
        if key is not None:
            ordered = sorted({s for s in secrets if len(s) >= _LEAST_HIDDEN}, key=len, reverse=True)
            yield Entry(self.kind, key, node, body, ordered)

    def _value(self, node: Node, steps: Steps, secrets: list[str]) -> JsonValue:
        if isinstance(node, Map) and not _may_be_secret(steps):
            return {
                name: self._value(below, (*steps, name), secrets)
                for name, below in node.items.items()
            }
        if not isinstance(node, Map):
            found = plain(node)
            if _is_secret(steps) and isinstance(found, str):
                secrets.append(found)
            return found
        text = self._looked_up(node)
        if text is not None:
            secrets.append(text)
        return text

    def _looked_up(self, node: Map) -> str | None:
        """What ``{env: NAME}`` or ``{file: path}`` stands for; None, reported, if nothing."""
        reader = Reader(node, self.report).only("env", "file")
        if len(node.items) != 1:
            message = "a secret is a text, {env: NAME} or {file: path}"
            self.report(_CODE, node.place, message, "name one of the two")
            return None
        if "env" in node.items:
            return self._from_environment(reader)
        return self._from_file(reader)

    def _from_environment(self, reader: Reader) -> str | None:
        name = reader.text("env")
        if name is None:
            return None
        found = self.environ.get(name)
        if not found:
            is_what = "is not set" if found is None else "is empty"
            near = [known for known in self.environ if known.lower() == name.lower()]
            hint = f"did you mean {near[0]}?" if near else f"set it: {name}=… onehook apply"
            reader.problem("env", f"the environment variable {name} {is_what}", hint)
            return None
        return found

    def _from_file(self, reader: Reader) -> str | None:
        name = reader.text("file")
        if name is None:
            return None
        path = self.folder / name
        try:
            raw = path.read_bytes()
            text = raw.decode()
        except OSError as error:
            hint = f"looked for {path}: paths are relative to the file that names them"
            reader.problem("file", f"{name} cannot be read: {error.strerror}", hint)
            return None
        except UnicodeDecodeError:
            reader.problem("file", f"{name} is not UTF-8", "a secret is text")
            return None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text or len(raw) > MAX_SECRET:
            is_what = "is empty" if not text else f"is larger than {MAX_SECRET} bytes"
            reader.problem("file", f"{name} {is_what}", "it holds the secret, and nothing else")
            return None
        return text


def _is_secret(steps: Steps) -> bool:
    """Whether what stands there is a secret whoever wrote it."""
    match steps:
        case ("secret",) | ("headers", _) | ("auth", "token" | "password" | "value"):
            return True
        case _:
            return False


def _may_be_secret(steps: Steps) -> bool:
    """Whether a map there stands for a secret: a setting or a URL is one for some platforms."""
    match steps:
        case ("url",) | ("settings", _):
            return True
        case _:
            return _is_secret(steps)
