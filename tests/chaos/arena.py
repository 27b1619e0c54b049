"""What faults happen to: a gateway, its store, the line between them, and its subscribers."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.subscriber import Behaviour, Subscriber
from onehook.ingest.committer import FEW
from onehook.settings import KILL_POINT
from onehook.store.connection import call
from onehook.store.keys import Keys
from onehook.store.logs import deliveries_of
from onehook.store.server import EmbeddedServer, find_binary
from tests.chaos.disk import SickDisk
from tests.chaos.proxy import StoreProxy
from tests.chaos.serving import ServedGateway
from tests.e2e.gateways import running

SECRET = "a-secret-for-the-chaos-tests"
RETRY = ["1s"] * 20
LEASE = 21.0  # seconds: the shortest timeout, 1 s, and the 20 s that every lease has beyond it
READY = 60.0  # seconds that all may take to be ready again after a fault
CROWD = FEW + 2  # subscriptions that are paused: more than a commit puts into queues itself
_MEMORY = 1 << 30
_KEYS = Keys("oh")


@dataclass(frozen=True, slots=True)
class Store:
    """The server, past whatever lies between it and the gateway."""

    socket: Path

    async def command(self, *words: str | int) -> object:
        """One command, on a connection of its own."""
        client = Redis(unix_socket_path=str(self.socket), socket_timeout=10)
        try:
            return await call(client, *words)
        finally:
            await client.aclose()

    async def pid(self) -> int:
        """Its process."""
        info = await self.command("INFO", "server")
        assert isinstance(info, dict)
        return int(info["process_id"])

    async def knows(self, key: str) -> bool:
        """Whether there is such a key; a server that is not up knows none."""
        try:
            return await self.command("EXISTS", key) == 1
        except (RedisError, OSError):
            return False

    def kill(self, pid: int) -> None:
        """SIGKILL, also of one that was stopped."""
        os.kill(pid, signal.SIGKILL)

    async def signal(self, number: signal.Signals) -> int:
        """Send it a signal; to which process."""
        pid = await self.pid()
        os.kill(pid, number)
        return pid


@dataclass(slots=True)
class Arena:
    """Everything that runs. *line* is None where the gateway's own embedded server is the store.

    *healthy* takes all that comes from pull requests, *ordered* and *ill* what comes of issues: one
    in order, the other in whatever state it is. Issues also queue for a *crowd* that is paused:
    the fan-out has to see to that.
    """

    folder: Path
    gateway: ServedGateway
    store: Store
    chance: random.Random
    healthy: Subscriber
    ordered: Subscriber
    ill: Subscriber
    line: StoreProxy | None = None
    integration: str = ""
    subscriptions: dict[str, str] = field(default_factory=dict[str, str])
    crowd: list[str] = field(default_factory=list[str])

    @property
    def ingest(self) -> str:
        """Where the vendor sends to."""
        return f"{self.gateway.url}/ingest/{self.integration}"

    def passings(self) -> int:
        """How often a kill point is passed until it kills."""
        return self.chance.randrange(1, 5)

    async def waiting(self) -> list[tuple[list[str], list[str]]]:
        """For each of the crowd what is in its queue, and what its log lists; sorted ids."""
        found: list[tuple[list[str], list[str]]] = []
        for id_ in self.crowd:
            queued = await self.store.command("ZRANGE", _KEYS.queue(id_), 0, -1)
            listed = await self.store.command("XRANGE", _KEYS.log(id_), "-", "+")
            assert isinstance(queued, list)
            assert isinstance(listed, list)
            names = sorted(one.event_id for row in listed for one in deliveries_of(*row))
            found.append((sorted(name.decode() for name in queued), names))
        return found

    async def ready(self, within: float = READY) -> None:
        """Wait until the gateway says that it is ready, and its store with it.

        Raises:
            TimeoutError: it does not, in time.
        """
        deadline = time.monotonic() + within
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(self.gateway.url, timeout=timeout) as session:
            while True:
                try:
                    async with session.get("/readyz") as response:
                        if response.status == 200:
                            return
                        said = await response.text()
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    said = repr(error)
                if time.monotonic() > deadline:
                    msg = f"not ready after {within:g} s: {said}"
                    raise TimeoutError(msg)
                await asyncio.sleep(0.05)


@asynccontextmanager
async def arena(
    folder: Path, chance: random.Random, *, embedded: bool, **settings: str
) -> AsyncIterator[Arena]:
    """All of it, running: on the embedded store, or on one of our own behind a `StoreProxy`.

    *settings* are names and values of the gateway's environment.
    """
    async with AsyncExitStack() as stack:
        environment = {KILL_POINT: "as ordered", **settings}
        socket, line = folder / "data" / "valkey.sock", None
        if not embedded:
            socket = await stack.enter_async_context(_own_store(folder))
            line = StoreProxy(socket, chance)
            await line.start()
            stack.push_async_callback(line.stop)
            environment["ONEHOOK_REDIS_URL"] = line.url
        subscribers = [Subscriber(Behaviour(keep_ids=True)) for _ in range(3)]
        for subscriber in subscribers:
            await subscriber.start()
            stack.push_async_callback(subscriber.stop)
        served = ServedGateway(folder / "data", environment=environment)
        made = await stack.enter_async_context(running(served))
        found = Arena(folder, made, Store(socket), chance, *subscribers, line=line)
        await _configure(found)
        yield found


def deaf_binary(folder: Path, disk: SickDisk | None = None) -> Path:
    """A server that ignores SIGXFSZ: a limit on the size of its files is a full disk to it.

    It keeps its log on *disk*.
    """
    binary = folder / "valkey-server"
    variables = {} if disk is None else disk.variables
    set_up = "".join(f"{name}='{value}' " for name, value in variables.items())
    binary.write_text(f"#!/bin/sh\ntrap '' XFSZ\n{set_up}exec '{find_binary()}' \"$@\"\n")
    binary.chmod(0o700)
    return binary


@asynccontextmanager
async def _own_store(folder: Path) -> AsyncIterator[Path]:
    """A server as the embedded one, but nobody's child: the socket of it. A death is mended."""
    binary = deaf_binary(folder, SickDisk(folder))
    server = EmbeddedServer(folder / "store", binary, _MEMORY)
    stop = asyncio.Event()
    await server.start()
    watch = asyncio.create_task(server.watch(stop))
    try:
        yield folder / "store" / "valkey.sock"
    finally:
        stop.set()
        await watch
        await server.stop()


async def _configure(found: Arena) -> None:
    made = await found.gateway.call("/v1/integrations", {"type": "github", "secret": SECRET})
    found.integration = made["id"]
    # The patience of the healthy ones' retries has to outlast a fault of the whole machine only.
    wanted: dict[str, tuple[Subscriber, dict[str, object]]] = {
        "healthy": (found.healthy, {"events": ["scm.*"]}),
        "ordered": (found.ordered, {"events": ["ticketing.*"], "ordering": "key"}),
        "ill": (found.ill, {"events": ["ticketing.*"]}),
    }
    for name, (subscriber, fields) in wanted.items():
        body = {"url": subscriber.url, "retry": RETRY, "timeout": "1s", **fields}
        made = await found.gateway.call("/v1/subscriptions", body)
        found.subscriptions[name] = made["id"]
    for _ in range(CROWD):
        body = {"url": found.ill.url, "events": ["ticketing.*"]}
        made = await found.gateway.call("/v1/subscriptions", body)
        await found.gateway.call(f"/v1/subscriptions/{made['id']}/pause", {})
        found.crowd.append(made["id"])
