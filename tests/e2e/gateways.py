"""A gateway process that is killed and started again, and what it needs around it."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError

AnyGateway = TypeVar("AnyGateway", bound="Gateway")
KEY = "an-api-key-for-the-tests"
STARTING = 60.0  # seconds: other tests may keep disk and processors busy


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process(Protocol):
    """What is asked of a process."""

    @property
    def pid(self) -> int: ...  # noqa: D102
    @property
    def returncode(self) -> int | None: ...  # noqa: D102
    def send_signal(self, number: int, /) -> None: ...  # noqa: D102
    def terminate(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102
    async def wait(self) -> int: ...  # noqa: D102


@dataclass(slots=True)
class Gateway:
    """``onehook serve`` on a fixed port and data folder, started as often as needed."""

    data: Path
    port: int = field(default_factory=free_port)
    process: Process | None = None
    kills: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        """Its whole environment."""
        return {
            **{n: v for n, v in os.environ.items() if not n.startswith("ONEHOOK_")},
            "ONEHOOK_API_KEY": KEY,
            "ONEHOOK_DELIVERY_ALLOW": "127.0.0.0/8,::1/128",
            "ONEHOOK_LOG_LEVEL": "warning",
            **self.environment,
        }

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready; one that does not is killed."""
        with (self.data.parent / "gateway.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "onehook", "serve"),
                *("--port", str(self.port), "--data", str(self.data)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self.settings(),
            )
        self.process = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(STARTING):
                line = await process.stdout.readline()
            assert line.startswith(b"onehook ready"), line
        except BaseException:  # it may yet come up, and have the port that the next one needs
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise

    async def restart(self) -> None:
        """Start it as a supervisor would: again, if the store was killed as it came up."""
        for _ in range(5):
            with suppress(AssertionError, TimeoutError):
                await self.start()
                return
        msg = "the gateway does not come up"
        raise RuntimeError(msg)

    async def kill(self) -> None:
        """SIGKILL, no warning."""
        assert self.process is not None
        self.kills.append(("gateway", time.monotonic()))
        self.process.kill()
        await self.process.wait()

    async def kill_store(self) -> None:
        """SIGKILL the embedded server, whichever process owns it."""
        client = Redis(unix_socket_path=str(self.data / "valkey.sock"))
        with suppress(RedisError, OSError):
            info = await client.info("server")
            self.kills.append(("store", time.monotonic()))
            os.kill(int(info["process_id"]), signal.SIGKILL)
        with suppress(RedisError, OSError):
            await client.aclose()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process is None or self.process.returncode is not None:
            return 0
        self.process.terminate()
        async with asyncio.timeout(20):
            return await self.process.wait()

    async def call(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """One call of the management API."""
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(self.url, headers=headers) as session:
            method = "GET" if body is None else "POST"
            async with session.request(method, path, json=body) as response:
                answer: dict[str, Any] = json.loads(await response.read())
                assert response.status < 300, answer
                return answer


@asynccontextmanager
async def gateway(data: Path, **environment: str) -> AsyncIterator[Gateway]:
    """A running gateway, stopped at the end."""
    async with running(Gateway(data, environment=environment)) as made:
        yield made


@asynccontextmanager
async def running(made: AnyGateway) -> AsyncIterator[AnyGateway]:
    """*made*, started, and stopped at the end."""
    await made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.returncode is None:
            await made.stop()


async def kill_often(made: Gateway, every: float, store_every: float) -> None:
    """Kill the gateway *every* seconds of its service, the store every *store_every* seconds."""

    async def store() -> None:
        while True:
            await asyncio.sleep(store_every)
            await made.kill_store()

    killer = asyncio.create_task(store())
    try:
        while True:
            await asyncio.sleep(every)
            await made.kill()
            await made.restart()
    finally:
        killer.cancel()
