"""``/v1/platforms``: which mappings are loaded, what they ask for and what they produce."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from onehook.core.mapping.problems import Problem
from onehook.library import Fault, Library, Status
from onehook.web.operations import Call, NoBody, NoQuery, Operation

MAX_PROBLEMS = 50  # shown of one file


class SettingOut(BaseModel):
    """A setting that an integration of the platform has."""

    name: str
    secret: bool
    required: bool
    default: str | None
    help: str
    choices: list[str]


class RuleOut(BaseModel):
    """A rule and the event type that it emits."""

    id: str
    emits: str


class PlatformOut(BaseModel):
    """A platform: one mapping file.

    ``stale``: the file is broken, and an earlier text of it in use. ``removed``: the file is gone,
    and its mapping kept until no integration uses it, or until the gateway starts anew.
    """

    type: str
    version: str
    file: str
    status: Status
    setup: list[str]
    settings: list[SettingOut]
    rules: list[RuleOut]
    ignores: list[str]


class MappingProblemOut(BaseModel):
    """One thing wrong in a mapping: where it stands (from 1), and how to point at it.

    ``text`` is the line, or the part of a long one; ``caret`` goes below it.
    """

    code: str
    warning: bool
    file: str
    line: int
    column: int
    message: str
    hint: str
    text: str
    caret: str


class BrokenFileOut(BaseModel):
    """A mapping file that cannot be used as it is now.

    ``platform``: an earlier text of it is in use for that one; null: nothing of it is in use.
    """

    file: str
    platform: str | None
    detail: str
    since: datetime
    problems: list[MappingProblemOut]


class PlatformList(BaseModel):
    """All platforms; the list has one page."""

    data: list[PlatformOut]
    next: str | None
    broken: list[BrokenFileOut]


def show(library: Library, platform: str) -> PlatformOut:
    """A platform as the API shows it."""
    file = library[platform]
    mapping = file.mapping
    settings = [
        SettingOut(
            name=s.name,
            secret=s.secret,
            required=s.required,
            default=s.default,
            help=s.help,
            choices=list(s.choices),
        )
        for s in mapping.settings.values()
    ]
    return PlatformOut(
        type=mapping.platform,
        version=mapping.version,
        file=file.name,
        status=library.status(platform),
        setup=list(mapping.setup),
        settings=settings,
        rules=[RuleOut(id=rule.id, emits=rule.emit) for rule in mapping.leaves()],
        ignores=list(dict.fromkeys(reason for _, reason in mapping.ignores)),
    )


def show_problems(problems: Iterable[Problem]) -> list[MappingProblemOut]:
    """*problems* of a mapping, the first `MAX_PROBLEMS`."""
    return [_show_problem(problem) for problem in [*problems][:MAX_PROBLEMS]]


def _show_problem(problem: Problem) -> MappingProblemOut:
    text, caret = problem.excerpt()
    return MappingProblemOut(
        code=problem.code,
        warning=problem.is_warning,
        file=problem.place.source.name,
        line=problem.place.line + 1,
        column=problem.place.column + 1,
        message=problem.message,
        hint=problem.hint,
        text=text,
        caret=caret,
    )


def _show_fault(fault: Fault) -> BrokenFileOut:
    return BrokenFileOut(
        file=fault.name,
        platform=fault.platform,
        detail=fault.detail,
        since=fault.since,
        problems=show_problems(fault.problems),
    )


async def listing(call: Call[NoBody, NoQuery]) -> PlatformList:
    """List the platforms, and the mapping files that are broken."""
    library = call.gateway.mappings
    return PlatformList(
        data=[show(library, platform) for platform in library],
        next=None,
        broken=[_show_fault(fault) for fault in library.faults],
    )


OPERATIONS = (
    Operation("GET", "/v1/platforms", "listPlatforms", "List platforms", listing,
              answer=PlatformList, scopes=["ingest-admin", "subscriber"]),
)  # fmt: skip
