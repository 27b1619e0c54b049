"""What is compiled gives what its source says, and is never older than that."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
import onehook

ROOT = Path(onehook.__file__).parents[2]


def outcomes(source: Path) -> list[str]:
    """What ``tests.outcomes`` prints, *source* being where onehook is."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.outcomes"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"},
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return run.stdout.splitlines()


@pytest.mark.skipif(not hatch_build.compiled(), reason="nothing is compiled here")
def test_compiled_and_interpreted_webhooks_come_to_the_same(tmp_path: Path) -> None:
    """Every sample of every platform, whole and damaged, is the same events, byte for byte."""
    for folder in ("src/onehook", "mappings", "destinations"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.so", "static")
        )

    compiled, *found = outcomes(ROOT / "src")
    interpreted, *expected = outcomes(tmp_path / "src")

    assert compiled.endswith(".so")
    assert interpreted == str(tmp_path / "src/onehook/core/mapping/normalize.py")
    assert len(expected) > 3000
    assert found == expected


def test_what_is_stale_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library is of the sources that its name says, and of no others."""
    for name in hatch_build.MODULES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(hatch_build.SOURCES / name, tmp_path / name)
    monkeypatch.setattr(hatch_build, "SOURCES", tmp_path)
    assert hatch_build.current()  # where nothing is compiled, nothing is stale
    there = tmp_path / hatch_build.file_of_all()
    there.touch()
    assert hatch_build.current()

    with (tmp_path / hatch_build.MODULES[-1]).open("a") as changed:
        changed.write("# more\n")

    assert not hatch_build.current()


def test_compiling_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """``COMPILE=0`` goes without, and ``COMPILE=1`` does not put up with what stands against it."""
    monkeypatch.setenv("COMPILE", "0")
    assert hatch_build.hindrance() == "COMPILE is 0"
    monkeypatch.setenv("COMPILE", "1")
    monkeypatch.setenv("PATH", "")

    with pytest.raises(SystemExit, match=r"^cannot compile: \w+ is not installed$"):
        hatch_build.in_place()
