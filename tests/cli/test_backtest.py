"""``onehook mapping backtest``: asks a running gateway, and says what it answers."""

import json
from pathlib import Path

import pytest

from tests.builders import ACME, API_KEY, Running, acme, tickets, write_acme
from tests.cli.test_serve import finish, start
from tests.conftest import StartGateway

LOUDER = ACME.replace("title: $.title", "title: {template: '{{ item.title | upper }}'}")


@pytest.fixture
async def running(start_gateway: StartGateway, tmp_path: Path) -> Running:
    """A gateway that has seen two webhooks."""
    gateway = await start_gateway(mappings=write_acme(tmp_path / "mappings"))
    sender = await gateway.integrate("acme", key="home")
    await gateway.accept(sender, tickets("1"))
    await gateway.send(sender, acme("odd"))
    return gateway


async def run(gateway: Running, text: str, folder: Path, *words: str) -> tuple[int, str, str]:
    """The command on a file of that text."""
    path = write_acme(folder / "edited", text) / "acme.yaml"
    process = await start(
        "mapping", "backtest", str(path), *words, url=gateway.url, api_key=API_KEY
    )
    return await finish(process)


async def test_says_what_would_change(running: Running, tmp_path: Path) -> None:
    """Counts, fields and examples on stdout; exit code 0 while no webhook loses its events."""
    code, out, err = await run(running, LOUDER, tmp_path)

    assert code == 0, err
    assert "of 2 webhooks 1 change, 0 lose their events" in out
    assert '/data/title: "Ticket 1" -> "TICKET 1"' in out


async def test_lost_events_are_exit_1(running: Running, tmp_path: Path) -> None:
    """A file that would cost webhooks their events ends with 1."""
    text = ACME.replace("when: {$.kind: tickets}", "when: {$.kind: nothing}")

    code, out, _ = await run(running, text, tmp_path)

    assert code == 1
    assert "accepted -> quarantined (no_rule)" in out


async def test_json_is_the_gateways_answer(running: Running, tmp_path: Path) -> None:
    """With --json the answer is printed as it is."""
    code, out, _ = await run(running, LOUDER, tmp_path, "--json", "--integration", "home")

    assert code == 0
    assert json.loads(out)["webhooks"]["changed"] == 1


async def test_refusals_are_sentences(running: Running, tmp_path: Path) -> None:
    """What the gateway refuses is said, and is exit code 1."""
    code, _, err = await run(running, ACME, tmp_path, "--integration", "nobody")

    assert (code, err) == (1, "onehook: there is no integration 'nobody'\n")


async def test_broken_file_is_exit_78(running: Running, tmp_path: Path) -> None:
    """A file that does not compile is told with file, line and column; nobody is asked."""
    code, _, err = await run(running, ACME.replace("title: $.", "title: "), tmp_path)

    assert code == 78
    assert "acme.yaml:" in err
    assert "E101" in err


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"url": "http://127.0.0.1:1", "api_key": "x" * 20}, 69, "http://127.0.0.1:1"),
        ({"data": "/nowhere"}, 78, "ONEHOOK_API_KEY"),
    ],
)
async def test_nobody_to_ask(
    tmp_path: Path, settings: dict[str, str], code: int, said: str
) -> None:
    """Without a gateway, or a key for it, one line says which setting to look at."""
    path = write_acme(tmp_path / "edited") / "acme.yaml"

    found, _, err = await finish(await start("mapping", "backtest", str(path), **settings))

    assert found == code, err
    assert said in err
    assert len(err.strip().splitlines()) == 1


async def test_wrong_key_is_exit_78(running: Running, tmp_path: Path) -> None:
    """A key that the gateway does not know is told as the setting that it is."""
    path = write_acme(tmp_path / "edited") / "acme.yaml"

    process = await start("mapping", "backtest", str(path), url=running.url, api_key="w" * 20)

    code, _, err = await finish(process)
    assert code == 78
    assert "ONEHOOK_API_KEY" in err
    assert "wwww" not in err
