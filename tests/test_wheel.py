"""The wheel is whole: mappings and scripts are inside it, and it runs outside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import hatch_build
import onehook

_FOLDERS = """
import onehook.destinations, onehook.mappings, onehook.core.mapping.normalize
print(onehook.mappings.shipped_folder())
print(onehook.destinations.shipped_folder())
print(onehook.core.mapping.normalize.__file__)
"""
ROOT = Path(onehook.__file__).parents[2]


def test_the_wheel_runs_outside_the_checkout(tmp_path: Path) -> None:
    """A wheel, unpacked elsewhere, runs the demo on its own mappings."""
    dist, inside = tmp_path / "dist", tmp_path / "site"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(inside), str(wheel)], check=True, capture_output=True)
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith("ONEHOOK_")},
        "PYTHONPATH": str(inside),  # before the checkout, which this virtualenv knows as well
    }
    where = subprocess.run(
        [sys.executable, "-c", _FOLDERS],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    folders = [inside / "onehook" / name for name in ("mappings", "destinations")]
    *found, normalize = [Path(line) for line in where.stdout.splitlines()]
    assert found == folders
    assert normalize.parent == inside / "onehook/core/mapping"
    compiled = bool(hatch_build.compiled())  # then the wheel is one for this platform
    assert (normalize.suffix == ".so", "-none-any" in wheel.name) == (compiled, not compiled)
    assert all(list(folder.glob("*.yaml")) for folder in folders)
    assert (folders[0] / "mapping.schema.json").is_file()
    packed = {path.name for path in (inside / "onehook/store/dictionaries").iterdir()}
    assert packed == {path.name for path in (ROOT / "src/onehook/store/dictionaries").iterdir()}
    demo = subprocess.run(
        [sys.executable, "-m", "onehook", "demo", "--once"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert demo.returncode == 0, demo.stderr
    assert "every signature verified" in demo.stdout
