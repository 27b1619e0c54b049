"""A subscription as it lies in the store to its way out: its secrets opened."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from onehook.core.destinations.document import Destination
from onehook.core.destinations.outlets import Auth, AuthType, Choices, shown_url
from onehook.core.profiles.outlet import MAX_BODY, TypeNames
from onehook.core.profiles.table import DEFAULT_DESTINATION, ProfileName
from onehook.store.sealing import SealedSecret, Sealer


class AuthRecord(msgspec.Struct):
    """How a receiver wants to be shown who calls; *name* is the user's or the header's."""

    type: AuthType
    name: str | None
    sealed: str


class OutletRecord(msgspec.Struct, kw_only=True):
    """What a subscription sets of what its receiver gets. None: as its destination's file says.

    A URL that is a secret lies in *sealed_url*, and only its shown form beside it.
    """

    url: str
    sealed_url: str | None = None
    events: list[str]
    secret: str  # sealed
    old_secret: SealedSecret | None = None  # while a rotation goes on
    destination: str = DEFAULT_DESTINATION
    settings: dict[str, str] = {}
    secret_settings: dict[str, str] = {}  # sealed
    profile: ProfileName | None = None
    prefix: str | None = None
    type_names: TypeNames | None = None
    headers: dict[str, str] = {}  # sealed
    auth: AuthRecord | None = None
    body_template: str | None = None
    include_raw: bool = False
    max_body_bytes: int = MAX_BODY


Outlet = TypeVar("Outlet", bound=OutletRecord)


def open_choices(id_: str, record: OutletRecord, sealer: Sealer) -> Choices:
    """What the subscription *id_* chose, its secrets open.

    Raises:
        SettingsError: another key sealed them, or they are another object's.
    """

    def opened(sealed: Mapping[str, str]) -> dict[str, str]:
        return {name: sealer.open(id_, value) for name, value in sealed.items()}

    auth, old = record.auth, record.old_secret
    url = record.url if record.sealed_url is None else sealer.open(id_, record.sealed_url)
    return Choices(
        url=url,
        secret=sealer.open(id_, record.secret),
        old_secret=None if old is None else sealer.open(id_, old.sealed),
        old_until=None if old is None else old.expires_at,
        events=tuple(record.events),
        profile=record.profile,
        prefix=record.prefix,
        type_names=record.type_names,
        headers=opened(record.headers),
        auth=None if auth is None else Auth(auth.type, auth.name, sealer.open(id_, auth.sealed)),
        settings=record.settings | opened(record.secret_settings),
        body_template=record.body_template,
        include_raw=record.include_raw,
        max_body_bytes=record.max_body_bytes,
    )


def reseal_outlet(record: Outlet, renew: Callable[[str], str]) -> Outlet:
    """*record* with everything in it that is sealed as *renew* makes it."""
    old, auth, url = record.old_secret, record.auth, record.sealed_url
    return structs.replace(
        record,
        secret=renew(record.secret),
        old_secret=None if old is None else structs.replace(old, sealed=renew(old.sealed)),
        sealed_url=None if url is None else renew(url),
        secret_settings={name: renew(value) for name, value in record.secret_settings.items()},
        headers={name: renew(value) for name, value in record.headers.items()},
        auth=None if auth is None else structs.replace(auth, sealed=renew(auth.sealed)),
    )


def seal_choices(
    id_: str, choices: Choices, destination: Destination, sealer: Sealer
) -> dict[str, Any]:
    """*choices* as fields of the record of *id_*, its secrets sealed."""

    def seal(text: str) -> str:
        return sealer.seal(id_, text)

    secret = {name for name, spec in destination.settings.items() if spec.secret}
    hidden_url = destination.url.secret
    auth, old = choices.auth, choices.old_secret
    return {
        "url": shown_url(choices.url) if hidden_url else choices.url,
        "sealed_url": seal(choices.url) if hidden_url else None,
        "events": list(choices.events),
        "secret": seal(choices.secret),
        "old_secret": None if old is None else SealedSecret(seal(old), choices.old_until),
        "destination": destination.name,
        "settings": {n: value for n, value in choices.settings.items() if n not in secret},
        "secret_settings": {n: seal(v) for n, v in choices.settings.items() if n in secret},
        "profile": choices.profile,
        "prefix": choices.prefix,
        "type_names": choices.type_names,
        "headers": {name: seal(value) for name, value in choices.headers.items()},
        "auth": None if auth is None else AuthRecord(auth.type, auth.name, seal(auth.value)),
        "body_template": choices.body_template,
        "include_raw": choices.include_raw,
        "max_body_bytes": choices.max_body_bytes,
    }
