"""``onehook secrets``: processes of its own, beside a gateway that runs, and killed."""

import json
import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from onehook.store.sealing import read_keys
from tests.builders import Api, eventually
from tests.cli.test_main import run
from tests.cli.test_serve import finish, serving, start
from tests.e2e.gateways import KEY

KEYS = [Fernet.generate_key().decode()]


def test_generate_prints_a_key() -> None:
    """Another one each time, that seals."""
    first, second = run("secrets", "generate"), run("secrets", "generate")

    assert first.returncode == second.returncode == 0
    assert first.stdout != second.stdout
    assert Fernet(first.stdout.strip())


def test_no_key_file_is_said(tmp_path: Path) -> None:
    """A folder of no gateway is not made into one."""
    made = run("secrets", "rotate", "--data", str(tmp_path / "none"))

    assert made.returncode == 78
    assert "there is no" in made.stderr
    assert "--data" in made.stderr
    assert list(tmp_path.iterdir()) == []


async def test_a_setting_that_is_no_key_is_said() -> None:
    """Without showing it, before anything else is done."""
    process = await start("serve", "--port", "0", secret_key=f"{KEYS[0]},canary-no-key")
    code, out, err = await finish(process)

    assert (code, out) == (78, "")
    assert "ONEHOOK_SECRET_KEY: write one key" in err
    assert "canary" not in err
    assert KEYS[0] not in err


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_h1_rotate_killed_beside_a_gateway_and_ended_without_one(tmp_path: Path) -> None:
    """The gateway runs on and is started again in the middle; the second call ends it."""
    data = tmp_path / "data"
    rotate = ("secrets", "rotate", "--data", str(data))
    async with serving("--data", str(data), api_key=KEY) as (_, url):
        (old,) = read_keys(data / "secret.key")
        made = await _call(url, "POST", "/v1/integrations", {"type": "github", "secret": "a" * 20})
        rotating = await start(*rotate)

        async def begun() -> bool:
            return len(read_keys(data / "secret.key")) == 2

        await eventually(begun, 60)
        rotating.kill()  # while it waits for what gateways may have in hand
        await rotating.wait()
        assert (await _call(url, "GET", "/readyz"))["status"] == "ready"
    async with serving("--data", str(data), api_key=KEY) as (_, url):
        assert (await _call(url, "GET", f"/v1/integrations/{made['id']}"))["id"] == made["id"]

    code, out, err = await finish(await start(*rotate))  # no gateway: nothing to wait for

    assert (code, err) == (0, "")
    assert "a rotation that had begun was ended" in out
    assert re.search(r"^[0-2] records were sealed anew", out, re.MULTILINE)  # what was left
    (new,) = read_keys(data / "secret.key")
    assert new != old
    code, out, _ = await finish(await start(*rotate, "--json"))
    assert (code, json.loads(out)) == (0, {"resealed": 2, "resumed": False})
    async with serving("--data", str(data), api_key=KEY) as (_, url):
        assert (await _call(url, "GET", f"/v1/integrations/{made['id']}"))["id"] == made["id"]
    (data / "secret.key").write_text(old.decode())
    process = await start("serve", "--port", "0", "--data", str(data))
    code, out, err = await finish(process)
    assert (code, out) == (78, "")
    assert "sealed with another key" in err
    assert old.decode() not in err


async def _call(url: str, method: str, path: str, body: object = None) -> dict[str, str]:
    api = Api(url, KEY)
    async with api.session:
        answer = await api.call(method, path, body)
    assert answer.status < 300, answer.body
    found: dict[str, str] = answer.json
    return found
