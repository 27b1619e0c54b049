"""The receivers of docs/delivery.md, run as they stand there."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onehook.core.destinations.compiler import compile_destination
from onehook.core.destinations.jsontemplates import compile_json_template
from onehook.core.destinations.testing import run_tests
from onehook.core.mapping.problems import Source
from onehook.core.profiles.request import Request
from onehook.core.profiles.secrets import make_secret
from onehook.core.profiles.table import PROFILES, ProfileName
from onehook.destinations import read_all
from tests.core.profiles.outgoing import event, outlet, request

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text("utf-8")
SECRET = make_secret(b"a key of some thirty-two bytes!!")
OTHER = make_secret(b"another key of thirty-two bytes!")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
DOCUMENTED: list[ProfileName] = ["standard", "timestamped", "sha256", "hex", "bearer"]
SIGNED_TIME = {"standard": "webhook-timestamp", "timestamped": "x-acme-timestamp"}
Case = tuple[dict[str, str], bytes, bool]


def block(section: str, language: str) -> str:
    """The one block of *language* in *section*."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return str(code)


def made(profile: ProfileName, secret: str = SECRET) -> Request:
    """What is sent of an event that is hard on JSON."""
    found = event(title="Größe \u2028 😀", score=1e-7, custom={"empty": "", "none": None})
    # Receivers look at their own clock, and a run of all tests takes longer than they tolerate.
    return request(found, outlet(profile, secret, prefix="acme"), now=datetime.now(UTC))


def cases(profile: ProfileName) -> list[Case]:
    """Requests, and whether they are genuine."""
    genuine, forged = made(profile), made(profile, OTHER)
    headers = {name.lower(): value for name, value in genuine.headers.items()}
    wrong = {name.lower(): value for name, value in forged.headers.items()}
    found = [(headers, genuine.body, True), (wrong, forged.body, False)]
    if profile != "bearer":
        found.append((headers, genuine.body.replace(b"Gr", b"gr"), False))
    if name := SIGNED_TIME.get(profile):
        old = {**headers, name: str(int(headers[name]) - 301)}
        found.append((old, genuine.body, False))
    return found


def test_every_profile_is_documented() -> None:
    """With a section, or with the word of another's."""
    assert set(DOCUMENTED) | {"cloudevents"} == set(PROFILES)
    assert "verifies `cloudevents`" in SECTIONS["standard"]
    for name in PROFILES:
        assert f"| `{name}`" in PAGE


@pytest.mark.parametrize("profile", DOCUMENTED)
def test_the_python_of_the_page_verifies(
    profile: ProfileName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we send is taken, what others send is not."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    scope: dict[str, Any] = {}
    exec(compile(block(profile, "python"), "delivery.md", "exec"), scope)  # noqa: S102 our own page
    verify: Callable[[dict[str, str], bytes], bool] = scope["verify"]
    for headers, body, genuine in cases(profile):
        assert verify(headers, body) is genuine


@pytest.mark.parametrize("profile", DOCUMENTED)
def test_the_javascript_of_the_page_verifies(profile: ProfileName) -> None:
    """The same, in Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    code = block(profile, "javascript") + (
        'const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));\n'
        "console.log(JSON.stringify(cases.map(([h, b]) => verify(h, Buffer.from(b, 'base64')))));\n"
    )
    some = cases(profile)
    given = json.dumps([[headers, _base64(body)] for headers, body, _ in some])
    done = subprocess.run(
        [node, "-e", code], input=given, capture_output=True, check=True, text=True,
        env={**os.environ, "WEBHOOK_SECRET": SECRET},
    )  # fmt: skip
    assert json.loads(done.stdout) == [genuine for _, _, genuine in some]


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def test_the_python_of_the_standard_profile_takes_a_cloudevent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the page says."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    scope: dict[str, Any] = {}
    exec(compile(block("standard", "python"), "delivery.md", "exec"), scope)  # noqa: S102 likewise
    found = made("cloudevents")
    assert scope["verify"](found.headers, found.body) is True


def test_the_destination_of_the_page_passes_its_tests() -> None:
    """It can be copied."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (result,) = run_tests(compile_destination(Source("delivery.md", text)), lambda _name: b"")
    assert result.problems == ()


def test_the_template_of_the_page_renders() -> None:
    """And is an object."""
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    found = request(event(title="T"), outlet(body=compile_json_template(text)))
    assert json.loads(found.body)["text"] == "security.vulnerability.detected: T"


def test_every_destination_is_documented() -> None:
    """A row each."""
    for name, destination in read_all(None).items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{setting}`" in row for setting in destination.settings), name
