"""``onehook doctor``: what is wrong is found, and what mends it is said."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onehook.cli import doctor as module
from tests.builders import NOW, FixedClock, Reply, Running, Subscriber, issue
from tests.cli.applying import Applying
from tests.conftest import StartGateway


def states(findings: Any) -> dict[str, str]:
    """The state of each thing."""
    return {one["what"]: one["state"] for one in findings}


async def test_nothing_is_wrong(applying: Applying, subscriber: Subscriber) -> None:
    """A gateway that is well: exit code 0, and every check is named."""
    await applying.gateway.integrate(key="hub")
    await applying.gateway.subscribe(subscriber, key="orders")
    found = await applying.json("doctor", "--send-tests")
    code, out, _ = await applying.say("doctor")

    assert set(states(found).values()) == {"ok"}, found
    assert {
        *("gateway", "clock", "ready", "store", "API key", "API key, integrations", "mappings"),
        *("integration hub", "subscription orders", "test of subscription orders"),
    } <= set(states(found))
    assert len(subscriber.received) == 1
    assert code == 0
    assert all(line.startswith("ok ") for line in out.splitlines())


async def test_subscriptions_that_fail_are_told_with_what_mends_them(
    applying: Applying, subscriber: Subscriber
) -> None:
    """Paused, breaker open, dead letters; a test event that is refused."""
    gateway = applying.gateway
    subscriber.usual = Reply(500, body=b"out of order")
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber, key="orders", retry=[])
    (id_,) = await gateway.accept(sender, issue())
    await gateway.settled(id_, sub["id"], status="dead")
    await gateway.api.post("/v1/subscriptions/orders/pause")
    found = await applying.json("doctor", "--send-tests", code=1)
    code, out, _ = await applying.say("doctor")

    told = [one for one in found if one["what"] == "subscription orders"]
    assert [one["state"] for one in told] == ["wrong", "warning"]
    assert told[0]["mend"] == "onehook subscriptions resume orders"
    assert "--status dead --subscription orders" in told[1]["mend"]
    assert states(found)["test of subscription orders"] == "wrong"
    assert code == 1
    assert "        -> onehook subscriptions resume orders" in out


async def test_a_receiver_that_fails_is_told_before_its_breaker_opens(
    applying: Applying, subscriber: Subscriber
) -> None:
    """By its name as well, since nobody knows its id; one that was never tried is told apart."""
    gateway = applying.gateway
    subscriber.usual = Reply(500)
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber, name="Orders")
    await gateway.subscribe(subscriber, key="new", events=["scm.*"])
    (id_,) = await gateway.accept(sender, issue())
    await gateway.settled(id_, sub["id"], status="pending", attempt_count=1)
    found = await applying.json("doctor")
    by_name = {one["what"]: one for one in found}
    failing = by_name[f"subscription {sub['id']} (Orders)"]
    assert (failing["state"], failing["detail"]) == ("warning", "its last attempt failed")
    assert failing["mend"].startswith(f"onehook deliveries list --subscription {sub['id']}")
    assert "--send-tests" in by_name["subscription new"]["detail"]


async def test_an_open_breaker_is_told(applying: Applying, subscriber: Subscriber) -> None:
    """A receiver that fails ten times in a row."""
    gateway = applying.gateway
    subscriber.usual = Reply(500)
    sender = await gateway.integrate()
    sub = await gateway.subscribe(subscriber, key="orders")
    for number in range(10):
        (id_,) = await gateway.accept(sender, issue(number + 1))
        await gateway.settled(id_, sub["id"])
    found = await applying.json("doctor", code=1)
    (told,) = [one for one in found if one["what"] == "subscription orders"]
    assert "its breaker is open" in told["detail"]


async def test_a_broken_mapping_file_is_told_by_line(
    start_gateway: StartGateway,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """File, line and column, and the command to try it with; memory-only acks are warned of."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    gateway = await start_gateway(mappings=folder)
    (folder / "mine.yaml").write_text("onehook: mapping/v1\nplatform: mine\nruls: []\n")
    gateway.runtime.reloader.hurry()
    await gateway.runtime.reloader.look()
    monkeypatch.setenv("ONEHOOK_API_KEY", "an-admin-key-for-tests")
    applying = Applying(gateway, tmp_path, capsys)
    found = await applying.json("doctor", code=1)

    (broken,) = [one for one in found if one["state"] == "wrong"]
    assert "mine.yaml:" in broken["detail"]
    assert broken["mend"].startswith("mend the file, and try it: onehook mapping test ")


async def test_no_gateway_is_69_and_a_wrong_key_is_told(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rests on what is wrong is left out."""
    monkeypatch.setenv("ONEHOOK_API_KEY", "no-key-of-this-gateway")
    stranger = await applying.json("doctor", code=1)
    monkeypatch.delenv("ONEHOOK_API_KEY")
    monkeypatch.setenv("ONEHOOK_DATA", str(applying.folder / "nothing"))
    keyless = await applying.json("doctor", code=1)
    monkeypatch.setattr(applying.gateway.runtime, "url", "", raising=False)

    assert states(stranger)["API key"] == states(keyless)["API key"] == "wrong"
    assert "ONEHOOK_API_KEY" in keyless[-1]["detail"]
    code, out, _ = await applying.run(lambda: module.doctor(target=_NOBODY))
    assert (code, out.splitlines()[0].split()[:2]) == (69, ["wrong", "gateway:"])


_NOBODY = module.Target("http://127.0.0.1:9")


async def test_a_clock_that_is_off_is_told(
    applying: Applying, gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the Date header of the gateway's answer."""
    monkeypatch.setattr(module, "SystemClock", lambda: FixedClock(NOW - timedelta(days=9999)))
    found = await applying.json("doctor", code=1)
    assert states(found)["clock"] == "wrong"
    assert "NTP" in next(one["mend"] for one in found if one["what"] == "clock")
    assert gateway is applying.gateway


async def test_an_integration_that_anybody_may_send_to_is_a_warning(applying: Applying) -> None:
    """Unless it names the addresses that may."""
    post = applying.gateway.api.post
    for key, more in (("open", {}), ("named", {"allow_from": ["192.0.2.7"]})):
        body = {"type": "github", "verify": "none", "key": key, **more}
        assert (await post("/v1/integrations", body)).status == 201

    found = states(await applying.json("doctor"))

    assert (found["integration open"], found["integration named"]) == ("warning", "ok")
