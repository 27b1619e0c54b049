"""Mapping files that change under a running gateway."""

import asyncio
import itertools
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.builders import (
    ACME,
    Api,
    Running,
    acme,
    eventually,
    github,
    tickets,
    until,
    write_acme,
)
from tests.cli.test_serve import serving
from tests.conftest import StartGateway

BROKEN = ACME.replace("title: $.title", "title: title")
WORDS = ("one", "two")


def worded(word: str) -> str:
    """`ACME` of a version, whose tickets have that description."""
    text = ACME.replace("title: $.title", f"title: $.title, description: {{const: {word}}}")
    return text.replace('version: "1.0.0"', f'version: "{word}"')


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come so fast that a test need not wait for them."""
    monkeypatch.setattr("onehook.wiring.LOOK", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of mappings."""
    return write_acme(tmp_path / "mappings", worded("one"))


@pytest.fixture
async def running(start_gateway: StartGateway, folder: Path) -> Running:
    """A gateway that has that folder."""
    return await start_gateway(mappings=folder)


async def platforms(gateway: Running) -> Any:
    """What ``GET /v1/platforms`` says."""
    return (await gateway.api.get("/v1/platforms")).json


async def platform(gateway: Running, name: str) -> dict[str, Any] | None:
    """What it says of one platform; None if there is none of that name."""
    return {one["type"]: one for one in (await platforms(gateway))["data"]}.get(name)


async def becomes(gateway: Running, name: str = "acme", **want: str) -> None:
    """Wait until a platform is as *want* says."""

    async def fits() -> bool:
        found = await platform(gateway, name)
        return found is not None and all(found[key] == value for key, value in want.items())

    await eventually(fits)


async def description(gateway: Running, event_id: str) -> str:
    """What the mapping said when the event was made."""
    found: str = (await gateway.api.get(f"/v1/events/{event_id}")).json["data"]["description"]
    return found


def at_least(made: list[Any], count: int) -> bool:
    """Whether so much was made."""
    return len(made) >= count


async def test_changed_file_is_taken_up(running: Running, folder: Path) -> None:
    """Webhooks are mapped by the text that the file has now; events made before stay."""
    sender = await running.integrate("acme")
    (first,) = await running.accept(sender, tickets("1"))
    with capture_logs() as logs:
        write_acme(folder, worded("two"))
        await becomes(running, version="two", status="loaded")
    (second,) = await running.accept(sender, tickets("2"))

    assert [await description(running, id_) for id_ in (first, second)] == ["one", "two"]
    (line,) = [one for one in logs if one["event"] == "mapping.loaded"]
    assert (line["platform"], line["version"]) == ("acme", "two")


async def test_m7_broken_file_is_told_and_the_old_one_runs(running: Running, folder: Path) -> None:
    """A broken file: the log, /readyz and the platforms say so, and webhooks go on as before."""
    sender = await running.integrate("acme")
    with capture_logs() as logs:
        write_acme(folder, BROKEN)
        await becomes(running, status="stale", version="one")

    (line,) = [one for one in logs if one["event"] == "mapping.refused"]
    assert (line["platform"], line["problems"], line["log_level"]) == ("acme", 1, "error")
    assert "E101" in line["detail"]
    (event,) = await running.accept(sender, tickets("1"))
    assert await description(running, event) == "one"
    (broken,) = (await platforms(running))["broken"]
    assert (broken["platform"], broken["detail"]) == ("acme", line["detail"])
    (problem,) = broken["problems"]
    at = problem["text"].index("title: title") + len("title: ")
    assert problem["caret"] == " " * at + "^"
    assert BROKEN.splitlines()[problem["line"] - 1] == problem["text"]
    assert (problem["code"], problem["column"], problem["warning"]) == ("E101", at + 1, False)
    assert "$.title" in problem["hint"]


async def test_h9_readyz_warns_everybody_and_tells_key_holders(
    running: Running, folder: Path
) -> None:
    """A gateway with a broken file is ready and warns; which file it is only key holders learn."""
    write_acme(folder, BROKEN)
    await becomes(running, status="stale")

    public, private = await running.vendor.get("/readyz"), await running.api.get("/readyz")

    assert (public.status, private.status) == (200, 200)
    assert public.json == {"status": "ready", "reasons": [], "warnings": ["mapping_broken"]}
    (detail,) = private.json["details"]
    assert detail["code"] == "mapping_broken"
    assert "acme.yaml:" in detail["detail"]
    write_acme(folder, worded("two"))
    await becomes(running, status="loaded")
    assert (await running.vendor.get("/readyz")).json == {"status": "ready", "reasons": []}
    known = (await running.api.get("/readyz")).json
    assert (known["ack"], known["store"], "details" in known) == ("fsync", "external", False)
    assert (await platforms(running))["broken"] == []


async def test_broken_files_are_counted(running: Running, folder: Path) -> None:
    """The number of broken files is a metric, so that somebody can be woken."""
    (folder / "new.yaml").write_text("platform: new\n")

    async def counted() -> bool:
        return b"\nonehook_mappings_broken 1.0" in (await running.api.get("/metrics")).body

    await eventually(counted)
    (broken,) = (await platforms(running))["broken"]
    assert broken["platform"] is None
    assert await platform(running, "new") is None


async def test_new_file_is_a_platform_at_once(running: Running, folder: Path) -> None:
    """A file that is added can be integrated without a restart."""
    (folder / "other.yaml").write_text(ACME.replace("platform: acme", "platform: other"))
    await becomes(running, "other", status="loaded")

    sender = await running.integrate("other")

    assert len(await running.accept(sender, tickets("1", "2"))) == 2


async def test_removed_file_stays_for_who_uses_it(running: Running, folder: Path) -> None:
    """Without its file a platform serves the integrations that it has, and takes no new one."""
    sender = await running.integrate("acme")
    (folder / "acme.yaml").unlink()
    await becomes(running, status="removed")

    assert len(await running.accept(sender, tickets("1"))) == 1
    refused = await running.api.post("/v1/integrations", {"type": "acme", "verify": "none"})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/type")

    assert (await running.api.delete(f"/v1/integrations/{sender.id}")).status == 204

    async def gone() -> bool:
        return await platform(running, "acme") is None

    await eventually(gone)


async def test_shipped_file_counts_again_when_its_cover_is_removed(
    start_gateway: StartGateway, folder: Path
) -> None:
    """An operator's own file over a shipped platform, removed, leaves the shipped one in use."""
    mine = folder / "mine.yaml"
    mine.write_text(worded("mine").replace("platform: acme", "platform: github"))
    gateway = await start_gateway(mappings=folder)
    sender = await gateway.integrate("github")
    await becomes(gateway, "github", version="mine")

    mine.unlink()

    async def shipped() -> bool:
        found = await platform(gateway, "github")
        return found is not None and found["version"] != "mine"

    await eventually(shipped)
    assert (await gateway.send(sender, github("ping", {}))).json["status"] == "ignored"


async def test_learnt_host_outlives_a_change(running: Running, folder: Path) -> None:
    """What an integration has learnt of itself is not forgotten when its mapping changes."""
    hosted = worded("two") + "host: $.host\n"
    write_acme(folder, hosted)
    await becomes(running, version="two")
    sender = await running.integrate("acme")
    native = acme("tickets", host="acme.example.com", tickets=[{"id": "1", "title": "One"}])
    await running.accept(sender, native)
    write_acme(folder, hosted.replace("const: two", "const: three").replace('"two"', '"three"'))

    await becomes(running, version="three")

    integration = running.runtime.gateway.registry.snapshot.running[sender.id]
    assert integration.mapping.version == "three"
    assert "acme.example.com" in integration.learnt.hosts


async def test_secret_that_the_new_file_cannot_use_is_told(running: Running, folder: Path) -> None:
    """A file that asks for another secret makes its integrations refuse; the log names them."""
    sender = await running.integrate("acme")
    text = worded("two").replace(
        "settings: {secret: {secret: true, required: true}}",
        "settings: {secret: {secret: true}, token: {secret: true}}",
    )
    with capture_logs() as logs:
        write_acme(folder, text.replace("secret: {setting: secret}}", "secret: {setting: token}}"))
        await becomes(running, version="two")

    assert [
        one["integration_id"] for one in logs if one["event"] == "integration.unverifiable"
    ] == [sender.id]
    answer = await running.post(sender, tickets("1").body, [("X-Acme-Signature", "sha256=00")])
    assert (answer.status, answer.json["code"]) == (503, "integration_misconfigured")


async def test_m7_reload_under_load_drops_nothing(running: Running, folder: Path) -> None:
    """While the file flips between two texts and a broken one, every webhook is answered 202.

    Each event is made by one text or the other, and what is sent after a text is in use is made by
    that one.
    """
    sender = await running.integrate("acme")
    stop, made, numbers = asyncio.Event(), [], itertools.count()

    async def send() -> None:
        api = Api(running.url, None)
        async with api.session:
            while not stop.is_set():
                native = tickets(str(next(numbers)))
                answer = await running.send(sender, native, api)
                made.append((answer.status, answer.json))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(send())
        for turn in range(6):
            word = WORDS[(turn + 1) % 2]
            write_acme(folder, BROKEN)
            await becomes(running, status="stale")
            write_acme(folder, worded(word))
            await becomes(running, status="loaded", version=word)
            (event,) = await running.accept(sender, tickets(f"turn-{turn}"))
            assert await description(running, event) == word
            enough = len(made) + 20
            await until(partial(at_least, made, enough))
        stop.set()

    assert {status for status, _ in made} == {202}
    assert {body["status"] for _, body in made} == {"accepted"}
    events = [body["events"][0]["id"] for _, body in made]
    assert len(set(events)) == len(made) >= 120
    found = {await description(running, id_) for id_ in events[:: len(events) // 50]}
    assert found == set(WORDS)


async def test_hurried_look_takes_files_as_they_are(
    start_gateway: StartGateway, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SIGHUP asks for: the next look does not wait until a file has settled."""
    monkeypatch.setattr("onehook.wiring.LOOK", 600)
    gateway = await start_gateway(mappings=folder)
    reloader = gateway.runtime.reloader
    write_acme(folder, worded("two"))
    await reloader.look()
    assert gateway.runtime.gateway.mappings["acme"].mapping.version == "one"
    write_acme(folder, worded("three"))

    reloader.hurry()
    await reloader.look()

    assert gateway.runtime.gateway.mappings["acme"].mapping.version == "three"


@pytest.mark.slow
async def test_sighup_is_taken_and_the_gateway_runs_on(tmp_path: Path) -> None:
    """A gateway that is sent SIGHUP goes on, with the files as they are."""
    folder = write_acme(tmp_path / "mappings", worded("one"))
    settings = {"api_key": "a-key-of-16-characters", "mappings": str(folder)}
    async with serving("--data", str(tmp_path / "data"), **settings) as (process, url):
        api = Api(url, settings["api_key"])
        async with api.session:

            async def is_at(version: str) -> bool:
                found = (await api.get("/v1/platforms")).json["data"]
                return version in {one["version"] for one in found if one["type"] == "acme"}

            assert await is_at("one")
            write_acme(folder, worded("two"))
            process.send_signal(signal.SIGHUP)
            await eventually(partial(is_at, "two"))
            assert process.returncode is None


async def test_look_that_crashes_is_not_the_last_one(
    running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours in one look is logged; the next one takes the file up."""
    library, crashed = running.runtime.gateway.mappings, asyncio.Event()
    take = library.take

    def crash_once(*arguments: Any) -> set[str]:
        if not crashed.is_set():
            crashed.set()
            raise ZeroDivisionError
        return take(*arguments)

    monkeypatch.setattr(library, "take", crash_once)
    with capture_logs() as logs:
        write_acme(folder, worded("two"))
        await becomes(running, version="two")

    assert [line["event"] for line in logs][:2] == ["mappings.crashed", "mapping.loaded"]
