"""``/v1/platforms``: which mappings are loaded, what they ask for and what they produce."""

from pydantic import BaseModel

from onehook.mappings import MappingFile
from onehook.web.operations import Call, NoBody, NoQuery, Operation


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
    """A platform: one mapping file."""

    type: str
    version: str
    setup: list[str]
    settings: list[SettingOut]
    rules: list[RuleOut]
    ignores: list[str]


class PlatformList(BaseModel):
    """All platforms; the list has one page."""

    data: list[PlatformOut]
    next: str | None


def show(file: MappingFile) -> PlatformOut:
    """*file* as the API shows it."""
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
        setup=list(mapping.setup),
        settings=settings,
        rules=[RuleOut(id=rule.id, emits=rule.emit) for rule in mapping.leaves()],
        ignores=list(dict.fromkeys(reason for _, reason in mapping.ignores)),
    )


async def listing(call: Call[NoBody, NoQuery]) -> PlatformList:
    """List the platforms."""
    return PlatformList(data=[show(file) for file in call.gateway.mappings.values()], next=None)


OPERATIONS = (
    Operation("GET", "/v1/platforms", "listPlatforms", "List platforms", listing,
              answer=PlatformList),
)  # fmt: skip
