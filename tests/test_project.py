"""What lies around the code: containers, README, and what the source must not hold."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from onehook.core.notices import STATUS
from onehook.settings import ClientSettings, Settings, check_names

ROOT = Path(__file__).parents[1]
SOURCE = sorted((ROOT / "src" / "onehook").rglob("*.py"))
VENDORS = re.compile(r"github|gitlab|jira|servicenow|pagerduty", re.IGNORECASE)


def text_of(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> Any:
    """docker-compose.yml."""
    return yaml.safe_load(text_of("docker-compose.yml"))


def test_compose_runs_a_valkey_that_keeps_everything(compose: Any) -> None:
    """The store of docker-compose.yml fsyncs before it answers, and evicts nothing."""
    command = compose["services"]["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))

    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    image = compose["services"]["valkey"]["image"]
    assert int(re.fullmatch(r"valkey/valkey:(\d+).*", image)[1]) >= 8  # type: ignore[index]


def test_compose_keeps_what_is_written(compose: Any) -> None:
    """Both data folders are volumes: an `up` after a `down` finds everything."""
    for service in compose["services"].values():
        (volume,) = service["volumes"]
        name, folder = volume.split(":")
        assert name in compose["volumes"]
        assert folder == "/data"


def test_compose_sets_only_settings_that_exist(compose: Any) -> None:
    """Every ONEHOOK_ name is a setting, and together they are a configuration that starts."""
    environment = compose["services"]["gateway"]["environment"]

    check_names(environment)
    fields = {name.removeprefix("ONEHOOK_").lower(): value for name, value in environment.items()}
    settings = Settings(**fields)

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value().startswith("redis://valkey:")


def test_compose_waits_for_health(compose: Any) -> None:
    """Both services have a health check, and the gateway waits for the store's."""
    gateway, valkey = compose["services"]["gateway"], compose["services"]["valkey"]

    assert "/healthz" in " ".join(gateway["healthcheck"]["test"])
    assert valkey["healthcheck"]["test"][-1] == "ping"
    assert gateway["depends_on"]["valkey"]["condition"] == "service_healthy"


def test_compose_is_not_open_to_the_world(compose: Any) -> None:
    """The gateway's port is published on loopback only, the store's not at all."""
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["gateway"]["ports"])
    assert "ports" not in compose["services"]["valkey"]


def test_dockerfile_runs_the_wheel_as_nobody() -> None:
    """The image runs `onehook serve` as a user of its own, with a health check and settings."""
    dockerfile = text_of("Dockerfile")

    last = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!root)\w+$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "/healthz" in last
    assert re.search(r'^ENTRYPOINT \["onehook"\]$', last, re.MULTILINE)
    assert re.search(r'^CMD \["serve"\]$', last, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    check_names(dict.fromkeys(re.findall(r"ONEHOOK_[A-Z_]+", dockerfile), ""))


def test_dockerfile_copies_only_what_is_there() -> None:
    """Every file that the image is built from exists and is not ignored."""
    copies = re.findall(r"^COPY (?!--from)(.+)$", text_of("Dockerfile"), re.MULTILINE)
    ignored = set(text_of(".dockerignore").split())
    for words in copies:
        for name in words.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert name not in ignored


def test_ci_makes_check_and_test() -> None:
    """`.ci/run` sets up, checks and tests."""
    script = text_of(".ci/run")

    assert "make check" in script
    assert "make test" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_makefile_has_its_targets() -> None:
    """Each target that is promised is there, with a line for `make help`."""
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", text_of("Makefile"), re.MULTILINE))

    assert {
        "help",
        "setup",
        "demo",
        "run",
        "test",
        "check",
        "docs",
        "fuzz",
        "audit",
        "bench",
    } <= targets


def test_audit_fails_where_it_cannot_look_everything_up(tmp_path: Path) -> None:
    """It is strict, looks at the lock, says so in a line, and is no part of what has to pass."""
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", text_of("Makefile"), re.MULTILINE)
    assert recipe is not None
    command = recipe[1].replace("\t", "").replace("$(BIN)", str(Path(sys.executable).parent))
    nowhere = "http://127.0.0.1:9"  # nothing listens there
    environment = {**os.environ, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": ""}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}

    done = subprocess.run(
        ["bash", "-c", command.replace("@", "")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("audit: failed")
    assert "--strict" in command
    assert "requirements.lock" in command
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", text_of("Makefile"), re.MULTILINE)
    assert check is not None
    assert "audit" not in check[1] + text_of(".ci/run")


def test_readme_begins_with_the_two_commands() -> None:
    """The first screen of the README says how to see it run and how to test it."""
    first_screen = "\n".join(text_of("README.md").splitlines()[:40])

    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_documents_name_only_settings_that_exist() -> None:
    """Every ONEHOOK_ name in README and docs is a setting."""
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    known = {f"ONEHOOK_{name.upper()}" for name in Settings.model_fields}
    known |= {f"ONEHOOK_{name.upper()}" for name in ClientSettings.model_fields}
    for path in documents:
        named = set(re.findall(r"\bONEHOOK_[A-Z][A-Z_]*[A-Z]\b", path.read_text("utf-8")))
        assert named <= known, path


def test_licence_is_said_alike_everywhere() -> None:
    """The licence of pyproject.toml is the one in LICENSE."""
    project = tomllib.loads(text_of("pyproject.toml"))["project"]

    assert project["license"] == "Apache-2.0"
    assert "Apache License" in text_of("LICENSE")


def code_of(path: Path) -> str:
    """The source of *path* without comments and docstrings."""
    source = path.read_text("utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), end_lineno=int(end)):
                lines[node.lineno - 1 : end] = [""] * (end - node.lineno + 1)
            case _:
                pass
    return "\n".join(lines)


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_platforms_are_data(path: Path) -> None:
    """No Python names a vendor, docstrings and comments aside."""
    found = [line.strip() for line in code_of(path).splitlines() if VENDORS.search(line)]

    assert found == []


def test_every_mapping_is_of_the_platform_its_file_is_named_after() -> None:
    """`mappings/<platform>.yaml` describes that platform."""
    for path in (ROOT / "mappings").glob("*.yaml"):
        assert re.search(rf"^platform: {path.stem}$", path.read_text("utf-8"), re.MULTILINE), path


def test_docs_name_every_event_of_the_gateways_own() -> None:
    """The HTTP reference has a line for each type that the gateway makes itself."""
    rows = re.findall(r"^\| (`integration\..+?) \|", text_of("docs/api.md"), re.MULTILINE)

    assert {name.strip("`") for row in rows for name in row.split(", ")} == set(STATUS)
