"""How a subscription is sent to: everything that it sets of what its receiver gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from onehook.core.jsontext import JsonValue
from onehook.core.profiles.headers import HIDDEN
from onehook.core.profiles.secrets import Keys
from onehook.core.profiles.table import (
    CLOUDEVENTS,
    DEFAULT_PREFIX,
    DEFAULT_PROFILE,
    PROFILES,
    Profile,
)
from onehook.core.schema.aliases import ALIASES, Alias

MAX_BODY = 100_000  # bytes: common receivers refuse over 100 KiB
LEAST_BODY = 16_384
MOST_BODY = 1_048_576

TypeNames = Literal["unified", "alias"]
Variables = Mapping[str, object]
RenderBody = Callable[[Variables], JsonValue]
RenderText = Callable[[Variables], str | None]  # None: there is nothing to say
Judge = Callable[[int, Sequence[tuple[str, str]], bytes], str | None]


class RenderError(ValueError):
    """A body or header could not be made; nothing is sent. The message goes into the history."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One subscription's way out.

    *headers* are added to what the profile sends; *own_headers* are the destination's and may
    replace the profile's. *body* makes another body than the profile's. *judge* says of a 2xx
    answer (status, headers, content) why it is no success after all. *hidden* are the texts that
    no history may show; *shown_url* what it shows in place of a URL that is a secret.
    """

    keys: Keys
    profile: Profile = PROFILES[DEFAULT_PROFILE]
    prefix: str = DEFAULT_PREFIX
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    aliases: Mapping[str, Sequence[tuple[str, Alias]]] = field(
        default_factory=dict[str, Sequence[tuple[str, Alias]]]
    )
    include_raw: bool = False
    max_body_bytes: int = MAX_BODY
    body: RenderBody | None = None
    own_headers: Sequence[tuple[RenderText, RenderText]] = ()
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    judge: Judge | None = None
    hidden: Sequence[str] = ()
    shown_url: str | None = None
    origin: str | None = None  # the gateway's public URL, for CloudEvents
    # Worked out once, since every attempt asks: whether the event is sent just as it is stored,
    # and whether the headers follow from its ids and the signature alone.
    as_stored: bool = field(init=False)
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        shaped = self.aliases or self.include_raw or self.body is not None or self.own_headers
        as_stored = not shaped and self.profile.content_type != CLOUDEVENTS
        usual = self.profile.name == DEFAULT_PROFILE and self.prefix == DEFAULT_PREFIX
        object.__setattr__(self, "as_stored", as_stored)
        object.__setattr__(self, "plain", usual and not self.headers and not self.hidden)

    def blank(self, text: str) -> str:
        """*text* with every secret of this subscription in it made unreadable."""
        for secret in self.hidden:
            text = text.replace(secret, HIDDEN)
        return text


def aliases_of(patterns: Sequence[str]) -> dict[str, list[tuple[str, Alias]]]:
    """The aliases among *patterns*, by the event types that they stand for."""
    found: dict[str, list[tuple[str, Alias]]] = {}
    for name in patterns:
        if alias := ALIASES.get(name):
            for type_ in alias.types:
                found.setdefault(type_, []).append((name, alias))
    return found
