"""Settings: every ``ONEHOOK_`` name, its form and its default."""

import os
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from onehook.core.addresses import Address, Network, parse_networks
from onehook.core.durations import parse_duration
from onehook.core.flow import DEFAULT_TIMEOUT, parse_timeout
from onehook.core.profiles.table import (
    DEFAULT_DESTINATION,
    DEFAULT_PREFIX,
    DEFAULT_PROFILE,
    PREFIX_PATTERN,
    ProfileName,
)
from onehook.core.retry import Retry, make_retry
from onehook.errors import SettingsError

PREFIX = "ONEHOOK_"
KILL_POINT = f"{PREFIX}KILL_POINT"  # read by tests/chaos/serving.py, and by nothing in here


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = parse_duration(value) if isinstance(value, str) else None
    if found is None:
        msg = "write a duration with its unit, such as 30s or 5m"
        raise ValueError(msg)
    return found


def _byte_size(value: object) -> object:
    if isinstance(value, str) and value.strip().isdigit():
        msg = "write a size with its unit, such as 25MiB"
        raise ValueError(msg)
    return value


def _networks(value: object) -> object:
    return parse_networks(value) if isinstance(value, str) else value


def _sources(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = [ip_address(part.strip()) for part in value.split(",") if part.strip()]
    if len({address.version for address in found}) < len(found):
        msg = "name one IPv4 and one IPv6 address at most"
        raise ValueError(msg)
    return tuple(found)


def _ports(value: object) -> object:
    return value.replace(" ", "").split(",") if isinstance(value, str) and value else value or ()


def _proxy(value: SecretStr) -> SecretStr:
    try:
        split = urlsplit(value.get_secret_value())
        good = split.scheme == "http" and split.hostname and split.port and split.path in ("", "/")
    except ValueError:
        good = False
    if not good:
        msg = "write the proxy as http://host:port or http://user:password@host:port"
        raise ValueError(msg)
    return value


def _timeout(value: object) -> object:
    return parse_timeout(value) if isinstance(value, str) else value


def _retry(value: object) -> object:
    if not isinstance(value, str):
        return value
    listed = [text.strip() for text in value.split(",")]
    named = len(listed) == 1 and parse_duration(value) is None
    return make_retry(value if named else listed)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[ByteSize, BeforeValidator(_byte_size)]
Sources = Annotated[tuple[Address, ...], BeforeValidator(_sources)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], BeforeValidator(_ports)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]


class Settings(BaseSettings):
    """What ``onehook serve`` is told, by options or by the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, enable_decoding=False
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    data: Path = Path("data")
    redis_url: SecretStr | None = None
    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "oh"
    mappings: Path | None = None
    destinations: Path | None = None
    api_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    secret_key: SecretStr | None = None
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+[^\s]*$")] | None = None
    delivery_allow: Networks = ()
    delivery_ports: Ports = ()
    egress_bind: Sources = ()
    egress_proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = None
    egress_addresses: Networks = ()
    trusted_proxies: Networks = ()
    sender_failures: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    sender_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 1000
    ack: Literal["fsync", "memory"] = "fsync"
    max_body: Size = ByteSize(25 * 1024 * 1024)
    header_timeout: Duration = timedelta(seconds=10)
    body_timeout: Duration = timedelta(seconds=10)
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    max_waiting: Size = ByteSize(64 * 1024 * 1024)
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 500
    default_timeout: Annotated[timedelta, BeforeValidator(_timeout)] = DEFAULT_TIMEOUT
    default_retry: Annotated[Retry, BeforeValidator(_retry)] = Retry()
    store_memory: Size | None = None
    default_profile: ProfileName = DEFAULT_PROFILE
    default_prefix: Annotated[str, Field(pattern=PREFIX_PATTERN)] = DEFAULT_PREFIX
    default_destination: str = DEFAULT_DESTINATION
    history_days: Annotated[int, Field(ge=1, le=3650)] = 30
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def key_file(self) -> Path:
        """Where the first admin key lies, unless ``api_key`` is set."""
        return self.data / "api-key"

    @property
    def key_ring(self) -> Path:
        """Where the keys lie that seal the secrets, unless ``secret_key`` is set."""
        return self.data / "secret.key"


class ClientSettings(BaseSettings):
    """What client commands are told besides."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    url: str = "http://127.0.0.1:8080"
    api_key: SecretStr | None = None
    data: Path = Path("data")


def load(**given: Any) -> Settings:
    """The settings: options that were *given* (not None) over the environment.

    Raises:
        SettingsError: one sentence that names the setting and what it should be.
    """
    check_names(os.environ)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    return f"{PREFIX}{name.upper()}: {first['msg'].removeprefix('Value error, ')}"


def check_names(environ: Mapping[str, str]) -> None:
    """Refuse a name that begins like ours and is none: a typo would otherwise do nothing.

    Raises:
        SettingsError: with the nearest known name; or what is set is for tests alone.
    """
    known = {
        f"{PREFIX}{name.upper()}"
        for model in (Settings, ClientSettings)
        for name in model.model_fields
    }
    if KILL_POINT in environ:
        msg = (
            f"{KILL_POINT} makes a gateway kill itself: only onehook's own tests may set it, and "
            "this is no gateway of theirs; unset it"
        )
        raise SettingsError(msg)
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            msg = f"there is no setting {name}{hint}"
            raise SettingsError(msg)
