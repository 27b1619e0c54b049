"""A gateway's life: what it starts with, refuses to start with, and leaves behind."""

import asyncio
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from onehook import wiring
from onehook.core.mapping.problems import MappingError
from onehook.errors import SettingsError, StoreUnavailableError
from onehook.settings import Settings
from onehook.store.connection import connect
from onehook.store.server import EmbeddedServer
from onehook.wiring import Runtime
from tests.builders import (
    Api,
    FixedClock,
    Running,
    Subscriber,
    eventually,
    issue,
    until,
    write_acme,
)
from tests.conftest import StartGateway


async def test_data_folder_holds_keys_for_the_owner_alone(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A first start makes an API key and a sealing key, both mode 600, in a folder of mode 700."""
    gateway = await start_gateway(api_key=None)
    data = tmp_path / "data"

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}

    assert modes == {"api-key": 0o600, "secret.key": 0o600}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    key = (data / "api-key").read_text().strip()
    assert key == gateway.runtime.api_key
    assert key.startswith("ohk_")
    api = Api(gateway.url, key)
    async with api.session:
        assert (await api.get("/v1/platforms")).status == 200


async def test_made_key_is_kept_over_starts(start_gateway: StartGateway) -> None:
    """A second start uses the key that the first one made."""
    first = (await start_gateway(api_key=None)).runtime.api_key
    second = (await start_gateway(api_key=None)).runtime.api_key

    assert first == second


async def test_configuration_and_events_outlive_a_restart(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """Integrations, subscriptions, secrets and events are there after a restart."""
    gateway = await start_gateway()
    sender = await gateway.integrate()
    subscription = await gateway.subscribe(subscriber)
    (first,) = await gateway.accept(sender, issue(1))
    await gateway.settled(first, subscription["id"], status="delivered")
    await gateway.close()

    again = await start_gateway()

    assert (await again.api.get(f"/v1/events/{first}")).status == 200
    duplicate = await again.send(sender, issue(1))
    assert (duplicate.status, duplicate.json["events"][0]["id"]) == (200, first)
    (second,) = await again.accept(sender, issue(2))
    await again.settled(second, subscription["id"], status="delivered")


async def test_embedded_store_starts_and_stops_with_the_gateway(tmp_path: Path) -> None:
    """Without a URL a gateway runs its own store in its data folder, and takes it down again."""
    settings = Settings(port=0, data=tmp_path / "data", api_key="a-key-of-16-characters")
    runtime = Runtime(settings)
    try:
        await runtime.start()
        running = Running(runtime, "a-key-of-16-characters")
        await running.accept(await running.integrate(), issue())
        server = runtime._server
        assert server is not None
        assert server.owned
        await running.close()
        assert server.pid is None
        assert (tmp_path / "data" / "server.lock").exists()
    finally:
        await runtime.stop()


async def test_readiness_tells_that_the_store_is_away(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """While the store is away a gateway is alive and not ready; ready again when it is back."""
    server = EmbeddedServer(tmp_path / "own", maxmemory=64 << 20)
    try:
        gateway = await start_gateway(redis_url=await server.start())
        await server.stop()

        async def ready(status: int) -> bool:
            return (await gateway.vendor.get("/readyz")).status == status

        await eventually(lambda: ready(503))
        reasons = (await gateway.vendor.get("/readyz")).json["reasons"]
        assert reasons == ["store_unavailable"]
        assert (await gateway.vendor.get("/healthz")).status == 200
        await server.start()
        await eventually(lambda: ready(200))
    finally:
        await server.stop()


async def test_port_that_is_taken_is_a_sentence(
    start_gateway: StartGateway, subscriber: Subscriber
) -> None:
    """A port that somebody else has stops the start with one sentence."""
    port = int(subscriber.url.split(":")[2].split("/")[0])

    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
        await start_gateway(port=port)


async def test_broken_mapping_stops_the_start(start_gateway: StartGateway, tmp_path: Path) -> None:
    """A mapping file that is wrong stops the start with file, line and column."""
    folder = write_acme(tmp_path / "mappings", "onehook: mapping/v1\nplatform: acme\nruls: []\n")

    with pytest.raises(MappingError, match=r"acme\.yaml:3:1"):
        await start_gateway(mappings=folder)


async def test_missing_mappings_folder_stops_the_start(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A folder that is not there is named."""
    with pytest.raises(SettingsError, match="does not exist"):
        await start_gateway(mappings=tmp_path / "nowhere")


async def test_data_folder_that_cannot_be_made_stops_the_start(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    """A data folder below a file is refused."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(SettingsError, match="cannot be made"):
        await start_gateway(data=tmp_path / "file" / "data")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "/nowhere/valkey.sock"])
async def test_store_that_does_not_answer_stops_the_start(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A store that cannot be reached is exit code 69, after a little patience."""
    monkeypatch.setattr("onehook.wiring.STORE_PATIENCE", 0.2)
    with pytest.raises(StoreUnavailableError) as refused:
        await start_gateway(redis_url=url)
    assert refused.value.exit_code == 69


async def test_d10_unsafe_store_is_refused(
    start_gateway: StartGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store without AOF `always` stops the start, unless ONEHOOK_ACK=memory says so."""
    server = EmbeddedServer(tmp_path / "own", maxmemory=64 << 20)
    made: list[Redis] = []  # a start that fails here leaves its client open

    def kept(url: str, **options: Any) -> Redis:
        made.append(connect(url, **options))
        return made[-1]

    monkeypatch.setattr("onehook.wiring.connect", kept)
    try:
        gateway = await start_gateway(redis_url=await server.start())
        await gateway.store.execute_command("CONFIG", "SET", "appendfsync", "everysec")

        with pytest.raises(SettingsError, match="appendfsync"):
            await start_gateway(redis_url=server.prepare())
        await start_gateway(redis_url=server.prepare(), ack="memory")
        await made[1].aclose()
    finally:
        await server.stop()


async def test_e3_stop_commits_what_is_in_hand(
    start_gateway: StartGateway, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks that are being taken while the gateway stops are answered 202, and are there."""
    gateway = await start_gateway()
    sender = await gateway.integrate()
    batcher = gateway.runtime.committer._batcher
    put, submitted = batcher.put, []

    def counted(*arguments: Any) -> None:
        submitted.append(1)
        put(*arguments)

    monkeypatch.setattr(batcher, "put", counted)
    await client.execute_command("CLIENT", "PAUSE", 5000, "WRITE")
    sending = [asyncio.create_task(gateway.send(sender, issue(n))) for n in range(10)]
    await until(lambda: len(submitted) == 10)
    stopping = asyncio.create_task(gateway.runtime.stop())
    await until(gateway.runtime._stop.is_set)
    await client.execute_command("CLIENT", "UNPAUSE")

    answers = await asyncio.gather(*sending)
    await stopping

    assert {answer.status for answer in answers} == {202}
    again = await start_gateway()
    listed = await again.api.get("/v1/events")
    assert len(listed.json["data"]) == 10


async def test_stop_twice_is_stop_once(start_gateway: StartGateway) -> None:
    """A second stop, and one after a failed start, does no harm."""
    gateway = await start_gateway()

    with capture_logs() as logs:
        await gateway.runtime.stop()
        await gateway.runtime.stop()

    assert not [line for line in logs if line["log_level"] == "error"]


async def test_a_fault_ends_one_round_and_not_all(gateway: Running) -> None:
    """What is done every now and then goes on after a crash, which the log tells of."""
    went_on = asyncio.Event()
    rounds = iter([RuntimeError("a fault of ours")])

    async def act() -> None:
        for fault in rounds:
            raise fault
        went_on.set()

    with capture_logs() as logs:
        task = asyncio.create_task(gateway.runtime._every(0.01, act))
        async with asyncio.timeout(10):
            await went_on.wait()
        task.cancel()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["round.crashed"]


async def test_d15_a_store_whose_clock_is_far_from_ours_is_a_warning(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond 30 s /readyz says so, and by how much; webhooks are taken, and it ends by itself."""
    monkeypatch.setattr(wiring, "CLOCKS", 0.05)
    clock = FixedClock(datetime.now(UTC) + timedelta(minutes=2))
    gateway = await start_gateway(clock=clock)

    async def warned() -> bool:
        return (await gateway.api.get("/readyz")).json.get("warnings") == ["clock_skewed"]

    await eventually(warned)
    ready = await gateway.api.get("/readyz")
    assert ready.status == 200
    assert re.search(r"clock is -1[12]\d s from the gateway's", str(ready.json["details"]))
    sender = await gateway.integrate()
    assert (await gateway.send(sender, issue())).status == 202

    async def well() -> bool:
        clock.at = datetime.now(UTC) + timedelta(seconds=20)
        return "warnings" not in (await gateway.api.get("/readyz")).json

    await eventually(well)
