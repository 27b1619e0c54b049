"""The store that all tests of one worker share, and the factories of what runs on it."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
from redis.asyncio import Redis

import hatch_build
from onehook.settings import PREFIX, Settings
from onehook.store.connection import connect
from onehook.store.keys import Keys
from onehook.store.server import EmbeddedServer
from onehook.wiring import Runtime
from tests.builders import API_KEY, Running, Subscriber, read_mappings

_prefixes = itertools.count(1)
MEMORY = 256 * 1024 * 1024


class StartGateway(Protocol):
    """Starts a gateway; *settings* are those of ``Settings``."""

    def __call__(self, *, clock: Any = None, **settings: Any) -> Awaitable[Running]:
        """Start one."""
        ...


StartSubscriber = Callable[[], Awaitable[Subscriber]]


class MakeTenant(Protocol):
    """Makes a tenant of a gateway; *fields* are those of ``POST /v1/tenants``."""

    def __call__(
        self, gateway: Running, id_: str = "acme", *, scopes: Sequence[str] = ..., **fields: Any
    ) -> Awaitable[Running]:
        """Make one; the gateway as the holder of one of its API keys has it."""
        ...


def pytest_configure() -> None:
    """Refuse to test what is not there any more.

    Raises:
        UsageError: sources have changed since they were compiled.
    """
    if not hatch_build.current():
        msg = "sources have changed since they were compiled: run `make setup`"
        raise pytest.UsageError(msg)


@pytest.fixture(autouse=True, scope="session")
def _logs() -> None:
    """Logs as plain lines: structlog's own default draws tracebacks with every local, slowly."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of an embedded server: one for each worker."""
    server = EmbeddedServer(tmp_path_factory.mktemp("store"), maxmemory=MEMORY)
    with asyncio.Runner() as runner:
        try:
            yield runner.run(server.start())
        finally:
            runner.run(server.stop())


@pytest.fixture
def prefix() -> str:
    """A key prefix that no other test has."""
    return f"t{os.getpid()}.{next(_prefixes)}"


@pytest.fixture
async def client(store: str) -> AsyncIterator[Redis]:
    """A client of the store."""
    async with connect(store) as made:
        yield made


@pytest.fixture
def keys(prefix: str) -> Keys:
    """The names of this test's keys."""
    return Keys(prefix)


@pytest.fixture
async def start_gateway(
    store: str,
    tmp_path: Path,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[StartGateway]:
    """A factory of gateways; all of one test share a key prefix and a ``secret.key``."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    running: list[Running] = []

    async def start(*, clock: Any = None, **settings: Any) -> Running:
        given: dict[str, Any] = {
            "port": 0,
            "data": tmp_path / "data",
            "key_prefix": prefix,
            "api_key": API_KEY,
            "delivery_allow": "127.0.0.0/8",
            "redis_url": store,
            **settings,
        }
        settings = Settings(**given)
        runtime = Runtime(settings, clock, read_mappings(settings.mappings))
        try:
            await runtime.start()
        except BaseException:
            await runtime.stop()
            raise
        running.append(Running(runtime))
        return running[-1]

    yield start
    for gateway in running:
        await gateway.close()


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Running:
    """A gateway as most tests want it."""
    return await start_gateway()


@pytest.fixture
async def make_tenant() -> AsyncIterator[MakeTenant]:
    """A factory of tenants, each with an API key."""
    made: list[Running] = []

    async def make(
        gateway: Running, id_: str = "acme", *, scopes: Sequence[str] = ("admin",), **fields: Any
    ) -> Running:
        answer = await gateway.api.post("/v1/tenants", {"id": id_, **fields})
        assert answer.status == 201, answer.body
        body = {"name": id_, "scopes": [*scopes], "tenant": id_}
        key = await gateway.api.post("/v1/keys", body)
        assert key.status == 201, key.body
        made.append(Running(gateway.runtime, key.json["key"]))
        return made[-1]

    yield make
    for one in made:
        await one.leave()


@pytest.fixture
async def start_subscriber() -> AsyncIterator[StartSubscriber]:
    """A factory of subscribers."""
    started: list[Subscriber] = []

    async def start() -> Subscriber:
        subscriber = Subscriber()
        await subscriber.start()
        started.append(subscriber)
        return subscriber

    yield start
    for subscriber in started:
        await subscriber.stop()


@pytest.fixture
async def subscriber(start_subscriber: StartSubscriber) -> Subscriber:
    """A subscriber that takes everything."""
    return await start_subscriber()
