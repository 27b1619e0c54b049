"""``onehook serve`` as people run it: a process of its own."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from onehook import __version__
from tests.builders import SECRET, Api, issue

ENVIRONMENT = {n: v for n, v in os.environ.items() if not n.startswith("ONEHOOK_")}
ONEHOOK = (sys.executable, "-c", "from onehook.cli.main import main; main()")


async def start(*words: str, **settings: str) -> Process:
    """Start the command line; *settings* without their prefix."""
    given = {f"ONEHOOK_{name.upper()}": value for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        *ONEHOOK,
        *words,
        env=ENVIRONMENT | given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: Process, within: float = 60) -> tuple[int, str, str]:
    """Wait for its end: exit code, stdout, stderr."""
    async with asyncio.timeout(within):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def serving(*words: str, **settings: str) -> AsyncIterator[tuple[Process, str]]:
    """A gateway that is ready, and its URL; ended if the test did not."""
    process = await start("serve", "--port", "0", *words, **settings)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        words = tuple(line.split())
        assert words[:2] == ("onehook", "ready"), line or (await finish(process))[2]
        yield process, words[2]
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await finish(process)


@pytest.mark.slow
async def test_e3_serve_is_ready_takes_a_webhook_and_ends_with_0(tmp_path: Path) -> None:
    """The ready line comes when webhooks are taken; SIGTERM ends it with 0 within 15 s."""
    data = tmp_path / "data"
    async with serving("--data", str(data)) as (process, url):
        key_file = data / "api-key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        key = key_file.read_text().strip()
        api = Api(url, key)
        async with api.session:
            assert (await api.get("/readyz")).status == 200
            made = await api.post(
                "/v1/integrations", {"type": "github", "verify": "none", "secret": SECRET}
            )
            path = "/" + made.json["ingest_url"].split("/", 3)[3]
            native = issue()
            answer = await api.call("POST", path, data=native.body, headers=native.headers)
            assert answer.status == 202

        process.send_signal(signal.SIGTERM)
        code, out, err = await finish(process, within=15)

    assert (code, out) == (0, "")
    assert str(key_file) in err
    assert key not in err
    assert sorted(p.name for p in data.iterdir() if p.name.endswith((".pid", ".sock"))) == []


@pytest.mark.slow
async def test_serve_again_keeps_key_and_events(tmp_path: Path) -> None:
    """A second start on the same data folder has the key and the events of the first."""
    data = str(tmp_path / "data")
    async with serving("--data", data, api_key="a-key-of-16-characters") as (_, url):
        api = Api(url, "a-key-of-16-characters")
        async with api.session:
            made = await api.post("/v1/integrations", {"type": "github", "verify": "none"})
            path = "/" + made.json["ingest_url"].split("/", 3)[3]
            native = issue()
            first = await api.call("POST", path, data=native.body, headers=native.headers)
            assert first.status == 202
    async with serving("--data", data, api_key="a-key-of-16-characters") as (_, url):
        api = Api(url, "a-key-of-16-characters")
        async with api.session:
            again = await api.call("POST", path, data=native.body, headers=native.headers)
            assert (again.status, again.json["events"]) == (200, first.json["events"])


BAD_SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "unknown name": ({"prot": "8080"}, "did you mean ONEHOOK_PORT"),
    "no unit": ({"max_body": "25"}, "ONEHOOK_MAX_BODY"),
    "short key": ({"api_key": "short"}, "ONEHOOK_API_KEY"),
    "no url": ({"redis_url": "http://example.com"}, "ONEHOOK_REDIS_URL"),
    "no folder": ({"mappings": "/nowhere"}, "/nowhere"),
}


@pytest.mark.parametrize(("settings", "said"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
async def test_bad_settings_exit_78_with_a_sentence(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    """A setting that cannot be used ends the start with 78 and one line on stderr."""
    process = await start("serve", "--port", "0", "--data", str(tmp_path / "data"), **settings)

    code, out, err = await finish(process)

    assert (code, out) == (78, "")
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


async def test_unknown_options_are_usage(tmp_path: Path) -> None:
    """An option that does not exist exits 2."""
    process = await start("serve", "--colour", "red", "--data", str(tmp_path))

    code, _, err = await finish(process)

    assert code == 2, err


async def test_version_is_the_packages() -> None:
    """`--version` prints the version alone."""
    code, out, _ = await finish(await start("--version"))

    assert (code, out.strip()) == (0, __version__)


@pytest.mark.slow
async def test_demo_once_exits_0() -> None:
    """The demo sends samples of every platform, and all its events arrive verified."""
    code, out, err = await finish(await start("demo", "--once"), within=100)

    assert code == 0, out + err
    assert "every signature verified" in out
