"""What a mapping file is once it is compiled: its sections, and its rules as a tree."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.changes import Many
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.conditions import Condition, Subject
from onehook.core.mapping.context import Context
from onehook.core.mapping.handshakes import Handshake
from onehook.core.mapping.links import Links
from onehook.core.mapping.paths import Path
from onehook.core.mapping.plans import Plan
from onehook.core.mapping.problems import Place, Problem, Source
from onehook.core.mapping.proofs import VerifySection
from onehook.core.mapping.redactions import Redact
from onehook.core.mapping.source import Map, Node
from onehook.core.mapping.tables import Table
from onehook.core.schema.base import Model

ModelType = type[Model]


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """What an integration of a platform is asked for."""

    name: str
    secret: bool
    required: bool
    default: str | None
    help: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreach:
    """One event for each item that a path finds; *key* tells them apart for ever."""

    paths: tuple[Path, ...]  # the first that leads somewhere
    key: Path
    max: int

    def items(self, item: JsonValue, context: Context) -> list[JsonValue]:
        """What is to be taken one by one."""
        for path in self.paths:
            found = path.values(context.body if path.absolute else item)
            if found is not None:
                return found
        return []


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that emits one type."""

    id: str
    place: Place
    condition: Condition
    foreach: Foreach | None
    emit: str
    model: ModelType
    at: Get
    actor: Get
    origins: Mapping[str, Node]  # where its parts stand: actor, data …
    data: Plan
    source: Path | None  # ``with:`` of the data
    changes: Many
    references: Many


@dataclass(frozen=True, slots=True)
class Branch:
    """Sibling rules, in order; *index* names those that can match, by the value of *subject*.

    Most siblings differ in one thing, the vendor's event or action: looking that up once spares
    asking each rule in turn.
    """

    rules: tuple["Rule | Group", ...]
    subject: Subject | None = None
    index: Mapping[str, tuple["Rule | Group", ...]] | None = None
    others: tuple["Rule | Group", ...] = ()  # for a value that the index does not hold

    def candidates(self, item: JsonValue, context: Context) -> tuple["Rule | Group", ...]:
        """The rules that may match *item*, in order."""
        if self.subject is None or self.index is None:
            return self.rules
        value = self.subject(item, context)
        return self.index.get(value, self.others) if isinstance(value, str) else self.rules


@dataclass(frozen=True, slots=True)
class Group:
    """Rules under one condition."""

    id: str
    condition: Condition
    foreach: Foreach | None
    branch: Branch


@dataclass(frozen=True, slots=True)
class Dedupe:
    """What makes a webhook the same as another."""

    key: tuple[Get, ...]
    repeatable: tuple[Condition, ...]  # webhooks whose bytes may rightly come again


@dataclass(frozen=True, slots=True)
class Reply:
    """How a sender wants to be answered: the status of 202s, and a field for errors' details."""

    accepted: int = 202
    error_field: str | None = None


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """One platform, ready to normalize."""

    platform: str
    version: str
    source: Source
    settings: Mapping[str, SettingSpec]
    verify: VerifySection
    handshakes: tuple[Handshake, ...]
    answer_within: timedelta
    reply: Reply
    dedupe: Dedupe
    event_name: Get
    host: Get
    fold: str
    links: Links
    branch: Branch
    ignores: tuple[tuple[Condition, str], ...]
    tests: tuple[Map, ...]
    tables: Mapping[str, Table]
    plans: Mapping[int, Plan]  # by the id() of the node that each was made from
    read: Callable[[bytes], JsonValue]  # decodes of a body what the mapping looks at
    redact: Redact  # blanks in a body what nobody downstream may see
    warnings: tuple[Problem, ...]
    document: Map  # the file as it was read, laid over the one that it extends
    setup: tuple[str, ...] = ()  # what to do at the vendor's side, a step each

    def leaves(self) -> Iterator[Rule]:
        """Every rule that emits, in order."""

        def below(rules: tuple[Rule | Group, ...]) -> Iterator[Rule]:
            for rule in rules:
                if isinstance(rule, Rule):
                    yield rule
                else:
                    yield from below(rule.branch.rules)

        return below(self.branch.rules)
