"""How quarantined webhooks are tried again: in what steps, and within what bounds."""

import gzip
from pathlib import Path

import pytest

from onehook.ingest import retry as module
from onehook.ingest.retry import QuarantineRetrier
from tests.builders import Running, Sender, acme, write_acme
from tests.conftest import StartGateway


@pytest.fixture
async def gateway(start_gateway: StartGateway, tmp_path: Path) -> Running:
    """A gateway with the platform acme."""
    return await start_gateway(mappings=write_acme(tmp_path / "mappings"))


async def hold(gateway: Running, sender: Sender, count: int, size: int = 0) -> list[str]:
    """Webhooks that go into quarantine, their bodies of about that size; their ids."""
    natives = [acme("odd", number=n, padding="x" * size) for n in range(count)]
    return [(await gateway.send(sender, one)).json["id"] for one in natives]


def retrier(gateway: Running) -> QuarantineRetrier:
    """What tries them again."""
    found = gateway.runtime.gateway.retrier
    assert isinstance(found, QuarantineRetrier)
    return found


async def test_large_bodies_are_not_in_memory_together(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks are tried in groups whose bodies are bounded together; one is tried whatever."""
    sender = await gateway.integrate("acme")
    await hold(gateway, sender, 7, size=1000)
    monkeypatch.setattr(module, "MAX_BYTES", 2500)
    groups: list[int] = []
    together = module._together

    def noted(entries: list[module.Entry]) -> object:
        found = together(entries)
        groups.append(len(found))
        return found

    monkeypatch.setattr(module, "_together", noted)

    done = await retrier(gateway).retry_many(integration=None, reason=None, limit=99, after=None)

    assert (done.quarantined, done.next) == (7, None)
    assert groups == [2, 2, 2, 1]
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert (
        await retrier(gateway).retry_many(integration=None, reason=None, limit=99, after=None)
    ).quarantined == 7


async def test_a_call_ends_in_time(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call for many does some at least, and says where to go on when its time is over."""
    sender = await gateway.integrate("acme")
    await hold(gateway, sender, 5)
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    monkeypatch.setattr(module, "AT_ONCE", 2)

    tried, after = [], None
    while not tried or after is not None:
        done = await retrier(gateway).retry_many(
            integration=None, reason=None, limit=99, after=after
        )
        tried.append(done.quarantined)
        after = done.next

    assert tried == [2, 2, 1, 0]


async def test_what_is_no_longer_taken_stays(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is now too large to be inflated stays, and says so; others are tried."""
    sender = await gateway.integrate("acme", verify="none")
    body = gzip.compress(acme("odd", padding="x" * 5000).body)
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    id_ = (await gateway.post(sender, body, headers)).json["id"]
    monkeypatch.setattr(retrier(gateway), "_max_body", 1000)

    done = await retrier(gateway).retry(id_)

    assert (done.status, done.reason) == ("quarantined", "unparsable")
    assert "larger than 1000 bytes" in (done.detail or "")


async def test_values_nobody_mapped_are_counted_at_the_retry(
    start_gateway: StartGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a retried webhook has that no table names is counted like any other's."""
    monkeypatch.setattr("onehook.wiring.LOOK", 600)
    folder = write_acme(tmp_path / "mappings")
    gateway = await start_gateway(mappings=folder)
    sender = await gateway.integrate("acme")
    native = acme("batch", tickets=[{"id": "1", "title": "One", "state": "Parked"}])
    id_ = (await gateway.send(sender, native)).json["id"]
    text = (folder / "acme.yaml").read_text().replace("kind: tickets", "kind: batch")
    write_acme(
        folder,
        text.replace("{const: todo}", "{lookup: $.state, table: states}").replace(
            "rules:", "tables: {states: {New: todo}}\nrules:"
        ),
    )
    gateway.runtime.reloader.hurry()
    await gateway.runtime.reloader.look()

    assert (await retrier(gateway).retry(id_)).status == "accepted"

    drift = (await gateway.api.get("/v1/platforms/acme/drift")).json["data"]
    kinds = {one["kind"]: one for one in drift}
    assert kinds["value"]["value"] == "Parked"
    assert kinds["value"]["sample"]["webhook_id"] == id_
    assert kinds["quarantined"]["count"] == 1
