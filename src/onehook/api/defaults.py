"""What a subscription has that says nothing: as its tenant wants it, else as the gateway does.

The file of its destination goes before both.
"""

from dataclasses import dataclass
from datetime import timedelta

from onehook.core.flow import parse_timeout
from onehook.core.profiles.table import ProfileName
from onehook.core.retry import Retry, make_retry
from onehook.web.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of one tenant."""

    profile: ProfileName
    prefix: str
    destination: str
    retry: Retry
    timeout: timedelta


def defaults_of(gateway: Gateway) -> Defaults:
    """The defaults that hold now in the tenant whose *gateway* this is."""
    settings, own = gateway.settings, gateway.registry.record.defaults
    return Defaults(
        own.profile or settings.default_profile,
        own.prefix or settings.default_prefix,
        own.destination or settings.default_destination,
        settings.default_retry if own.retry is None else make_retry(own.retry),
        settings.default_timeout if own.timeout is None else parse_timeout(own.timeout),
    )
