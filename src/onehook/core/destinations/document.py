"""What a destination's file is once it is compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onehook.core.flow import PauseAfter
from onehook.core.mapping.conditions import Condition
from onehook.core.mapping.document import SettingSpec
from onehook.core.mapping.problems import Source
from onehook.core.mapping.source import Map
from onehook.core.profiles.outlet import RenderBody, RenderText, TypeNames
from onehook.core.profiles.table import DEFAULT_DESTINATION, ProfileName
from onehook.core.retry import Retry

NAMES = {"other": DEFAULT_DESTINATION}  # what other senders call it
WEB = ("https", "http")


@dataclass(frozen=True, slots=True)
class UrlSpec:
    """A subscription's URL as a destination wants it; *secret*: who knows it may write there."""

    secret: bool = False
    default: str | None = None
    schemes: tuple[str, ...] = WEB


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a subscription to this destination has where it says nothing. None: the gateway's."""

    profile: ProfileName | None = None
    prefix: str | None = None
    type_names: TypeNames | None = None
    retry: Retry | None = None
    pause_after: PauseAfter | None = None


@dataclass(frozen=True, slots=True)
class Success:
    """Which 2xx answers are a success: *statuses* (none named: all), and what must hold."""

    statuses: frozenset[int]
    when: Condition


@dataclass(frozen=True, slots=True)
class Destination:
    """One kind of receiver. *events* are the patterns it can take; empty: everything."""

    name: str
    source: Source
    settings: Mapping[str, SettingSpec]
    url: UrlSpec
    defaults: Defaults
    events: tuple[str, ...]
    headers: Sequence[tuple[RenderText, RenderText]]
    header_names: tuple[str, ...]  # as written, for those that no subscription may set again
    body: RenderBody | None
    success: Success | None
    tests: tuple[Map, ...]


def find_destination(found: Mapping[str, Destination], name: str) -> Destination | None:
    """The destination of that name, or of another sender's name for it."""
    return found.get(NAMES.get(name, name))
