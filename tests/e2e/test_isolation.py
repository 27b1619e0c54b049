"""A slow subscriber delays nobody else."""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import Answer, run_load
from benchmarks.payloads import SignedWebhook, make_webhooks
from benchmarks.subscriber import Behaviour, Subscriber
from tests.e2e.gateways import Gateway, free_port, gateway

SECRET = "a-secret-for-the-isolation-test"
MEMORY = Path("/dev/shm")  # noqa: S108 a folder of ours is made in it


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one.

    A disk that many machines share stalls for a tenth of a second now and then: for whoever has a
    webhook under way, whatever else we do. That would be the 99th percentile, alone and beside.
    """
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="onehook-", dir=MEMORY) as folder:
        yield Path(folder)


async def _latencies(
    made: Gateway, integration: str, webhooks: list[SignedWebhook], healthy: Subscriber, rate: int
) -> list[float]:
    """Seconds from sending each webhook to its arrival at *healthy*, at *rate* a second."""
    sent: dict[str, float] = {}
    path = f"{made.url}/ingest/{integration}"

    async def one(webhook: SignedWebhook) -> None:
        at = time.monotonic()

        def take(answer: Answer) -> None:
            assert answer.status == 202, answer.body
            sent[json.loads(answer.body)["events"][0]["id"]] = at

        await run_load(path, [webhook], 1, take)

    async with asyncio.TaskGroup() as group:
        for webhook in webhooks:
            group.create_task(one(webhook))
            await asyncio.sleep(1 / rate)
    deadline = time.monotonic() + 30
    while not set(sent) <= {id_ for id_, _ in healthy.received.ids}:
        assert time.monotonic() < deadline, "an event did not arrive at the healthy subscriber"
        await asyncio.sleep(0.1)
    return [at - sent[id_] for id_, at in healthy.received.ids if id_ in sent]


def _footprint(made: Gateway) -> tuple[float, int]:
    """Resident memory in MiB, and open descriptors, of the gateway's process."""
    assert made.process is not None
    proc = Path(f"/proc/{made.process.pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return pages * 4096 / 2**20, len(list((proc / "fd").iterdir()))


def _ranked(latencies: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in ms."""
    ranked = sorted(latencies)
    return ranked[len(ranked) // 2] * 1000, ranked[len(ranked) * 99 // 100] * 1000


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_g1_a_failing_and_hanging_subscriber_delays_no_other(tmp_path: Path) -> None:
    """Beside one that answers 500 for 30 s and one that hangs, the median stays within 1.5 x."""
    rate, seconds = 50, 30
    webhooks = make_webhooks(3 * rate * seconds, SECRET)
    part = rate * seconds
    async with gateway(tmp_path / "data") as made:
        healthy = Subscriber(Behaviour(keep_ids=True))
        failing, hanging = Subscriber(Behaviour(status=500)), Subscriber(Behaviour(hang=True))
        for one in (healthy, failing, hanging):
            await one.start()
        integration = (await made.call("/v1/integrations", {"type": "github", "secret": SECRET}))[
            "id"
        ]
        await made.call("/v1/subscriptions", {"url": healthy.url})
        found = [await _latencies(made, integration, webhooks[:part], healthy, rate)]
        retry = {"retry": ["1s"] * 20, "timeout": "5s"}
        for at, ill in enumerate((failing, hanging), start=1):
            await made.call("/v1/subscriptions", {"url": ill.url, **retry})
            some = webhooks[at * part : (at + 1) * part]
            found.append(await _latencies(made, integration, some, healthy, rate))
            assert ill.received.posts >= 10
        for one in (healthy, failing, hanging):
            await one.stop()
    medians = [statistics.median(latencies) * 1000 for latencies in found]
    print("\nmedian ms alone {:.1f}, beside 500s {:.1f}, beside hanging {:.1f}".format(*medians))
    # The measured bound is 1.5; a busy machine must not fail a build, so it fails beyond twice it.
    assert max(medians[1:]) < 3 * max(medians[0], 5)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_g1_sixty_ill_subscribers_delay_no_healthy_one(quiet: Path) -> None:
    """Beside 20 that hang, 20 that answer 500 and 20 that refuse, p99 stays within 1.5 x."""
    rate, seconds = 200, 20
    part = rate * seconds
    webhooks = make_webhooks(2 * part, SECRET)
    async with gateway(quiet / "data") as made:
        healthy = Subscriber(Behaviour(keep_ids=True))
        failing, hanging = Subscriber(Behaviour(status=500)), Subscriber(Behaviour(hang=True))
        for one in (healthy, failing, hanging):
            await one.start()
        refusing = f"http://127.0.0.1:{free_port()}/events"
        integration = (await made.call("/v1/integrations", {"type": "github", "secret": SECRET}))[
            "id"
        ]
        await made.call("/v1/subscriptions", {"url": healthy.url})
        alone = _ranked(await _latencies(made, integration, webhooks[:part], healthy, rate))
        memory, descriptors = _footprint(made)
        for number in range(20):
            for url in (failing.url, hanging.url, refusing):
                await made.call("/v1/subscriptions", {"url": f"{url}/{number}"})
        beside = _ranked(await _latencies(made, integration, webhooks[part:], healthy, rate))
        memory_after, descriptors_after = _footprint(made)
        for one in (healthy, failing, hanging):
            await one.stop()
    print(
        f"\nalone p50 {alone[0]:.1f} ms, p99 {alone[1]:.1f} ms; "
        f"beside 60 ill ones p50 {beside[0]:.1f} ms, p99 {beside[1]:.1f} ms\n"
        f"memory {memory:.0f} -> {memory_after:.0f} MiB, "
        f"descriptors {descriptors} -> {descriptors_after}; "
        f"posts to failing {failing.received.posts}, to hanging {hanging.received.posts}"
    )
    # Ten failures of each open its breaker; who hangs for 10 s is tried twice in this time.
    assert failing.received.posts >= 200
    assert hanging.received.posts >= 40
    assert descriptors_after < descriptors + 600
    assert memory_after < memory + 200
    # The measured bound is 1.5; a busy machine must not fail a build, so it fails beyond twice it.
    assert beside[1] < 3 * max(alone[1], 10)
