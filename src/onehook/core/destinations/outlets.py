"""A destination and what one subscription chooses, joined to its way out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from onehook.core.destinations.answers import judge_of
from onehook.core.destinations.document import Destination
from onehook.core.destinations.jsontemplates import compile_json_template
from onehook.core.jsontext import encode
from onehook.core.profiles.headers import HIDDEN, basic
from onehook.core.profiles.outlet import MAX_BODY, Outlet, TypeNames, aliases_of
from onehook.core.profiles.secrets import Keys
from onehook.core.profiles.table import (
    DEFAULT_PREFIX,
    DEFAULT_PROFILE,
    PROFILES,
    Profile,
    ProfileName,
)

_LEAST_HIDDEN = 4  # characters: blanking shorter ones would blank what is no secret
_LAST = 4  # characters of a secret URL that are shown, so that two can be told apart
_LEAST_PATH = 12  # characters of a path, below which showing the last ones would show it all

AuthType = Literal["bearer", "basic", "header"]


@dataclass(frozen=True, slots=True)
class Auth:
    """How a receiver wants to be shown who calls.

    *name* is the user's or the header's; *value* the token, password or header's value.
    """

    type: AuthType
    name: str | None
    value: str

    @property
    def header(self) -> tuple[str, str]:
        """The header that says it."""
        if self.type == "basic":
            return "Authorization", basic(self.name or "", self.value)
        if self.type == "header":
            return self.name or "", self.value
        return "Authorization", f"Bearer {self.value}"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a subscription sets of its way out, its secrets open. None: the destination's."""

    url: str
    secret: str
    old_secret: str | None = None
    old_until: datetime | None = None  # aware UTC
    events: tuple[str, ...] = ("*",)
    profile: ProfileName | None = None
    prefix: str | None = None
    type_names: TypeNames | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    auth: Auth | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    body_template: str | None = None
    include_raw: bool = False
    max_body_bytes: int = MAX_BODY

    def profile_to(self, destination: Destination) -> Profile:
        """The profile that holds."""
        return PROFILES[self.profile or destination.defaults.profile or DEFAULT_PROFILE]

    def prefix_to(self, destination: Destination) -> str:
        """The prefix that holds."""
        return self.prefix or destination.defaults.prefix or DEFAULT_PREFIX

    def type_names_to(self, destination: Destination) -> TypeNames:
        """How event types are named."""
        return self.type_names or destination.defaults.type_names or "unified"

    def all_headers(self) -> dict[str, str]:
        """What is sent beside the profile's and the destination's headers."""
        return dict(self.headers) | dict([] if self.auth is None else [self.auth.header])


def make_outlet(choices: Choices, destination: Destination, origin: str | None) -> Outlet:
    """The way out of one subscription; *origin* is the gateway's public URL.

    Raises:
        ValueError: the secret is none for the profile, or the body template is wrong.
    """
    profile = choices.profile_to(destination)
    old = choices.old_secret
    keys = Keys(
        profile.key(choices.secret),
        None if old is None else profile.key(old),
        None if old is None else choices.old_until,
    )
    template = choices.body_template
    return Outlet(
        keys=keys,
        profile=profile,
        prefix=choices.prefix_to(destination),
        headers=choices.all_headers(),
        aliases=aliases_of(choices.events) if choices.type_names_to(destination) == "alias" else {},
        include_raw=choices.include_raw,
        max_body_bytes=choices.max_body_bytes,
        body=destination.body if template is None else compile_json_template(template),
        own_headers=destination.headers,
        settings=with_defaults(choices.settings, destination),
        judge=judge_of(destination.success),
        hidden=tuple(_hidden(choices, destination)),
        shown_url=shown_url(choices.url) if destination.url.secret else None,
        origin=origin,
    )


def with_defaults(settings: Mapping[str, str], destination: Destination) -> dict[str, str]:
    """*settings* over what the destination's file gives them."""
    declared = destination.settings.values()
    return {s.name: s.default for s in declared if s.default is not None} | dict(settings)


def shown_url(url: str) -> str:
    """A URL that is a secret, as it may be shown: its host and its last four characters."""
    split = urlsplit(url)
    path = url.partition("://")[2].partition("/")[2]
    last = path[-_LAST:] if len(path) >= _LEAST_PATH else ""
    return f"{split.scheme}://{split.netloc}/{HIDDEN}{last}"


def _hidden(choices: Choices, destination: Destination) -> Iterator[str]:
    """The texts that no history may show, as they stand in a header, a URL or JSON."""
    values = [*choices.headers.values()]
    if choices.auth is not None:
        values.append(choices.auth.value)
        if choices.auth.type == "basic":
            values.append(choices.auth.header[1].removeprefix("Basic "))
    values += [
        choices.settings[name]
        for name, spec in destination.settings.items()
        if spec.secret and name in choices.settings
    ]
    if choices.profile_to(destination).name == "bearer":
        values += [choices.secret, *([] if choices.old_secret is None else [choices.old_secret])]
    if destination.url.secret:
        values += [choices.url, choices.url.partition("://")[2].partition("/")[2]]
    # The longest first, so that no part of one stays beside a shorter one that was blanked.
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _LEAST_HIDDEN:
            yield value
            in_json = encode(value).decode()[1:-1]
            if in_json != value:
                yield in_json
