"""Clients of the store: how they connect, what a server must be, what its errors mean.

redis-py's defaults would hurt here: it sends a write again when only the reply was lost, it raises
when its pool is busy, and it cuts every read off after 5 s, blocking ones too. So both factories
switch its retries off (our own loop repeats what is idempotent), wait for a free connection, and
set each timeout themselves.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import hiredis
from redis import exceptions as theirs
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

from onehook.errors import SettingsError, StoreUnavailableError
from onehook.store.trips import Trips

Ack = Literal["fsync", "memory"]
Kind = Literal["valkey", "redis"]
Version = tuple[int, int, int]

MINIMUM: Mapping[Kind, int] = {"valkey": 8, "redis": 7}
CONNECT_TIMEOUT = timedelta(seconds=2)
COMMAND_TIMEOUT = timedelta(seconds=5)
POOL_TIMEOUT = timedelta(seconds=5)


# --- connections ---------------------------------------------------------------------------------


# The stub of hiredis knows commands without arguments only.
_pack: Callable[[tuple[EncodableT, ...]], bytes] = cast("Any", hiredis).pack_command


class _Packing:
    """Packs commands in C: a commit has hundreds of arguments; redis-py packs them in Python.

    *sent* is called each time that something is sent: one round trip.
    """

    def __init__(self, *, sent: Callable[[], object], **options: Any) -> None:
        self._sent = sent
        super().__init__(**options)

    async def send_packed_command(self, *words: Any, **options: Any) -> None:
        self._sent()
        parent: Any = super()
        await parent.send_packed_command(*words, **options)

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        first = args[0]
        name = first.encode() if isinstance(first, str) else first
        if isinstance(name, bytes) and b" " in name:  # as redis-py has it: "CONFIG GET"
            args = (*name.split(), *args[1:])
        return [_pack(args)]


class _UnixConnection(_Packing, UnixDomainSocketConnection):
    pass


class _TcpConnection(_Packing, Connection):
    pass


class _TlsConnection(_Packing, SSLConnection):
    pass


_CONNECTIONS = {Connection: _TcpConnection, SSLConnection: _TlsConnection}


# --- clients -------------------------------------------------------------------------------------


class StoreClient(Redis):
    """A client for commands, with the trips that those of several writers share."""

    @cached_property
    def trips(self) -> Trips:
        """One round trip at a time for all that is to be written."""
        return Trips(self)


def connect(
    url: str,
    *,
    max_connections: int = 32,
    timeout: timedelta = COMMAND_TIMEOUT,
    sent: Callable[[], object] = lambda: None,
) -> StoreClient:
    """Make a client for commands; it connects when it is first used. Close it with ``aclose()``.

    Args:
        url: ``redis://``, ``rediss://`` or the absolute path of a unix socket. A URL may hold user,
            password, host, port, database number and the options of `URL_OPTIONS`.
        max_connections: more commands than this at once wait for a free connection, up to 5 s.
        timeout: for one reply. When it runs out, the command may have been executed all the same.
        sent: called for each round trip.

    Raises:
        SettingsError: the URL cannot be used. The message never shows the password.
    """
    made = StoreClient.from_pool(
        BlockingConnectionPool(
            max_connections=max_connections,
            timeout=POOL_TIMEOUT.total_seconds(),
            socket_timeout=timeout.total_seconds(),
            socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
            sent=sent,
            protocol=3,
            # Not by PING: it would be the first command of a connection, and fail while the server
            # is loading. TCP keepalive (redis-py: 30 s idle, 3 probes of 5 s) finds the dead ones.
            health_check_interval=0,
            client_name="onehook",
            driver_info=None,  # CLIENT SETINFO: a round trip more, and Redis 7.0 does not know it
            # RESP3 would ask every server for a managed service's push messages otherwise.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **_target(url),
        )
    )
    return cast("StoreClient", made)  # redis-py types it as its own


# What a URL may set. redis-py lets a URL overrule every argument of the pool, its timeouts and
# decode_responses among them, so the rest is refused.
URL_OPTIONS = frozenset(
    {
        "db",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    }
)


def _target(url: str) -> dict[str, Any]:
    """Say where to connect, as keyword arguments of redis-py.

    Raises:
        SettingsError: the URL cannot be used.
    """
    if url.startswith("/"):
        return {"connection_class": _UnixConnection, "path": url}
    try:
        msg = _fault_of_url(url)
        if msg is not None:
            raise SettingsError(msg)
        found = cast("dict[str, Any]", parse_url(url))
        found["connection_class"] = _CONNECTIONS[found.get("connection_class", Connection)]
    except ValueError:  # a port that is no number, a broken IPv6 address
        msg = "ONEHOOK_REDIS_URL is not a URL."
        raise SettingsError(msg) from None  # its text may quote a piece of the password
    return found


def _fault_of_url(url: str) -> str | None:
    """What is wrong with *url*, without a part of it that may be secret; None if nothing is."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"}:
        return "ONEHOOK_REDIS_URL is not redis://, rediss:// or the path of a unix socket."
    if not parts.hostname or not re.fullmatch(r"/?\d*", parts.path) or parts.fragment:
        # redis-py would take localhost or database 0 here: a "/", "?" or "#" in a password that
        # is not percent-encoded must not end in somebody else's database.
        form = f"{parts.scheme}://user:password@host:port/number"
        return f"ONEHOOK_REDIS_URL is not {form} (in a password, / is %2F, ? is %3F, # is %23)."
    if not URL_OPTIONS.issuperset(name for name, _ in parse_qsl(parts.query, True)):
        return f"ONEHOOK_REDIS_URL has an option other than {', '.join(sorted(URL_OPTIONS))}."
    return None


class _Caller(Protocol):
    async def execute_command(self, *words: bytes | str | int) -> object: ...


async def call(client: Redis, *words: bytes | str | int) -> object:
    """Send one command and return its reply, whose type is the caller's to know.

    redis-py types half of its own commands; this is where that stops. One word such as
    ``"CONFIG GET"`` gives the reply as redis-py parses it, two words as the server sent it.
    """
    return await cast("_Caller", client).execute_command(*words)


# --- what a server must be -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the start-up checks found. *unverified* names the settings nobody let us read."""

    kind: Kind
    version: Version
    cluster: bool  # needs redis+cluster://: a plain client would be sent elsewhere for most keys
    loading: bool  # it is still reading its log and answers LOADING to commands
    maxmemory: int | None  # bytes; 0 = no limit, None = it does not say
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    """A setting of the server, what it must be, and what would happen otherwise."""

    name: str
    wanted: str
    otherwise: str
    durability: bool  # ONEHOOK_ACK=memory does without it

    def refusal(self, found: str) -> str:
        """Say in one sentence why *found* will not do, and what will."""
        waive = ", or ONEHOOK_ACK=memory here" if self.durability else ""
        return (
            f"The store's {self.name} is '{found}', so it {self.otherwise}: "
            f"set '{self.name} {self.wanted}' there{waive}."
        )


_RULES = (
    _Rule("maxmemory-policy", "noeviction", "would drop events when its memory is full", False),
    _Rule("appendonly", "yes", "would lose everything in a crash", True),
    _Rule("appendfsync", "always", "would lose acknowledged events in a crash", True),
    _Rule("no-appendfsync-on-rewrite", "no", "would not fsync while it rewrites its log", True),
)


async def check_server(client: Redis, ack: Ack) -> ServerInfo:
    """Find out whether events are safe on this server; answers while it is loading, too.

    A managed service may refuse ``CONFIG``: then ``INFO`` says what it can, and the rest is listed
    as unverified instead of refused.

    Raises:
        SettingsError: in one sentence, what was found and which setting has to become what.
        StoreUnavailableError: the server cannot be asked now.
    """
    info = await _read_info(client)
    kind, version = parse_version(info)
    if version[0] < MINIMUM[kind]:
        msg = (
            f"ONEHOOK_REDIS_URL leads to {kind.title()} {'.'.join(map(str, version))}: onehook "
            f"needs Valkey {MINIMUM['valkey']} or Redis {MINIMUM['redis']} or later."
        )
        raise SettingsError(msg)
    if info.get("role", "master") != "master":
        msg = "ONEHOOK_REDIS_URL leads to a read-only replica (role slave): name its primary."
        raise SettingsError(msg)
    values = await _read_config(client, info)
    rules = [rule for rule in _RULES if ack == "fsync" or not rule.durability]
    for rule in rules:
        if values.get(rule.name, rule.wanted) != rule.wanted:
            raise SettingsError(rule.refusal(values[rule.name]))
    maxmemory = info.get("maxmemory")
    return ServerInfo(
        kind=kind,
        version=version,
        cluster=str(info.get("cluster_enabled", 0)) == "1",
        loading=str(info.get("loading", 0)) == "1",
        maxmemory=maxmemory if isinstance(maxmemory, int) else None,
        unverified=tuple(rule.name for rule in rules if rule.name not in values),
    )


def parse_version(info: Mapping[str, object]) -> tuple[Kind, Version]:
    """Read kind and version from the fields of ``INFO server``.

    Valkey keeps ``redis_version`` at 7.2.4 for old clients; its own is ``valkey_version``.
    Source: https://valkey.io/commands/info/

    Raises:
        SettingsError: it is neither Valkey nor Redis.
    """
    if str(info.get("redis_mode", info.get("server_mode"))) == "sentinel":
        msg = "ONEHOOK_REDIS_URL leads to a Sentinel: name the server that it watches."
        raise SettingsError(msg)
    kind: Kind = "valkey" if "valkey_version" in info else "redis"
    found = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", str(info.get(f"{kind}_version", "")))
    name = info.get("server_name", kind)
    if found is None or name != kind:
        msg = "ONEHOOK_REDIS_URL leads to a server that is neither Valkey nor Redis: name one."
        raise SettingsError(msg)
    major, minor, patch = (int(number or 0) for number in found.groups())
    return kind, (major, minor, patch)


async def _read_info(client: Redis) -> Mapping[str, object]:
    """All of ``INFO``.

    Raises:
        SettingsError: it refuses us, or speaks another protocol.
        StoreUnavailableError: it cannot be asked now.
    """
    try:
        with store_errors():
            return cast("Mapping[str, object]", await call(client, "INFO"))
    except StoreUnavailableError as error:
        match error.__cause__:
            case theirs.NoPermissionError():
                msg = "ONEHOOK_REDIS_URL has a user that may not call INFO: allow it (ACL +info)."
            case theirs.AuthenticationError() | theirs.AuthorizationError():
                msg = "ONEHOOK_REDIS_URL has a user or password that the store refuses: mend it."
            case _:
                raise
        raise SettingsError(msg) from error
    except theirs.InvalidResponse as error:
        msg = "ONEHOOK_REDIS_URL leads to something that does not speak the Redis protocol."
        raise SettingsError(msg) from error


async def _read_config(client: Redis, info: Mapping[str, object]) -> dict[str, str]:
    """The settings of `_RULES` as far as the server tells, by name."""
    values: dict[str, str] = {}
    if "maxmemory_policy" in info:
        values["maxmemory-policy"] = str(info["maxmemory_policy"])
    if "aof_enabled" in info:
        values["appendonly"] = "yes" if str(info["aof_enabled"]) == "1" else "no"
    with store_errors():
        try:
            answer = await call(client, "CONFIG", "GET", *(rule.name for rule in _RULES))
        except theirs.ResponseError:  # renamed, disabled, or not allowed: a managed service
            return values
    pairs = cast("Mapping[bytes, bytes]", answer)
    return values | {name.decode(): value.decode() for name, value in pairs.items()}


# --- what its errors mean ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fault:
    """What one kind of failure means. *detail* may reach a stranger: no host, no command in it."""

    detail: str
    transient: bool = True  # the same script may succeed within a vendor's deadline
    code: str = "store_unavailable"


# By the first word of the error reply, or by ours for what is no reply.
# Source: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors, valkey's
# src/server.c (createSharedObjects).
_FAULTS: Mapping[str, _Fault] = {
    "unreachable": _Fault("The store cannot be reached."),
    "timeout": _Fault("The store did not answer in time."),
    "LOADING": _Fault("The store is still loading its log."),
    "READONLY": _Fault("The store takes no writes at the moment."),
    "MASTERDOWN": _Fault("The store has lost its primary."),
    "CLUSTERDOWN": _Fault("The store's cluster is not complete."),
    # A move of slots, or of the primary, that a proxy before the store is yet to follow.
    "MOVED": _Fault("The store keeps the data of this request elsewhere now."),
    "ASK": _Fault("The store is moving the data of this request."),
    "TRYAGAIN": _Fault("The store is moving the data of this request."),
    "NOREPLICAS": _Fault("The store has too few replicas for a safe write."),
    "BUSY": _Fault("The store is busy with another script."),
    "OOM": _Fault("The store's memory is full.", transient=False, code="store_full"),
    "MISCONF": _Fault("The store cannot write to its disk.", transient=False),
    "NOAUTH": _Fault("The store wants a password.", transient=False),
    "WRONGPASS": _Fault("The store refuses the gateway's password.", transient=False),
    "NOPERM": _Fault("The store does not let the gateway do this.", transient=False),
}
_UNKNOWN = _Fault("The store answered with an error.", transient=False)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed in a moment: away, slow, loading, failing over, busy.

    False for a full memory or disk, a refused password, and for errors that are bugs of ours.
    """
    fault = _find_fault(error)
    return fault is not None and fault.transient


def translate(error: BaseException) -> StoreUnavailableError:
    """Turn an exception of redis-py, or of a socket, into ours, to be raised from it.

    Its code is ``store_full`` if the store's memory is full, else ``store_unavailable``.
    """
    fault = _find_fault(error) or _UNKNOWN
    return StoreUnavailableError(fault.detail, code=fault.code)


@contextmanager
def store_errors() -> Generator[None]:
    """Translate what the store's state causes; let a bug of ours (``WRONGTYPE``) through as it is.

    ``NOSCRIPT`` comes through, too: who calls scripts loads them and repeats.

    Raises:
        StoreUnavailableError: the store is away, slow, loading, full, or refuses us.
        RedisError: anything else that it answered.
        OSError: never; a socket's is one of the first kind.
    """
    try:
        yield
    except (theirs.RedisError, OSError) as error:
        fault = _find_fault(error)
        if fault is None:
            raise
        raise StoreUnavailableError(fault.detail, code=fault.code) from error


def _find_fault(error: BaseException) -> _Fault | None:
    return _FAULTS.get(_reason(error))


def _reason(error: BaseException) -> str:
    """The word that `_FAULTS` knows *error* by; an unknown word if it is none of them."""
    word = _reply_word(error)
    if word in _FAULTS:
        return word
    match error:
        case theirs.MovedError():
            return "MOVED"
        case theirs.AskError():
            return "ASK"
        case theirs.AuthenticationError() | theirs.AuthorizationError():
            return "WRONGPASS"  # both are ConnectionErrors to redis-py, but no retry mends them
        case theirs.TimeoutError() | TimeoutError():
            return "timeout"
        case theirs.ConnectionError() | OSError():
            return "unreachable"
        case _:
            return word


def _reply_word(error: BaseException) -> str:
    """The error's code as the server sent it: ``BUSY`` of ``BUSY Redis is busy running …``.

    redis-py keeps it in ``status_code`` for the codes it knows, else at the start of the text;
    a pipeline puts a sentence of its own before that.
    """
    known = getattr(error, "status_code", None)
    if isinstance(known, str):
        return known
    if not isinstance(error, theirs.ResponseError):
        return ""
    text = str(error).rpartition(" of pipeline caused error: ")[2]
    found = re.match(r"\W*([A-Z]+)\b", text)
    return found.group(1) if found else ""
