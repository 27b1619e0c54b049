"""Copies the console's assets out of their npm packages, as ``make vendor``.

``VENDORED.txt`` is the one list: what is copied, from where, under which licence, and the SHA-256
that it has. A line whose sum is ``-`` gets it here; one whose sum does not fit stops the copying.
Needs npm.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS = (
    ROOT / "src/onehook/console/static/vendor/VENDORED.txt",
    ROOT / "tests/console/vendor/VENDORED.txt",
)
UNKNOWN = "-"
# Tabler turns dark by an attribute; so that no script is needed to follow the system, its dark
# rules are written a second time for `data-bs-theme=auto`, under the media query.
AUTO = "tabler-auto.css"
_DARK = re.compile(r"(?<=[}/])([^{}@]*\[data-bs-theme=dark\][^{}]*)\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its sum, its package, the licence, its path there, its name here."""

    sha256: str
    package: str
    licence: str
    source: str
    name: str

    def line(self) -> str:
        """As it stands in the list."""
        return "  ".join((self.sha256, self.package, self.licence, self.source, self.name))


def read_list(path: Path) -> Iterator[Asset]:
    """The assets that the list at *path* names."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield Asset(*line.split())


def auto_theme(css: str) -> str:
    """The rules for dark in *css*, for those who leave it to their system."""
    rules: list[str] = []
    for selectors, body in _DARK.findall(css):
        mine = [
            one.replace("[data-bs-theme=dark]", "[data-bs-theme=auto]")
            for one in re.findall(r"(?:\([^)]*\)|[^,(])+", selectors)
            if re.match(r"(:root)?\[data-bs-theme=dark\]", one)
        ]
        if mine:
            rules.append(f"{','.join(mine)}{{{body}}}")
    return "@media (prefers-color-scheme:dark){" + "".join(rules) + "}\n"


def fetch(package: str, folder: Path) -> dict[str, bytes]:
    """The files of *package*, such as ``uplot@1.6.32``, by their path."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed")
    command = [npm, "pack", "--json", "--pack-destination", str(folder), package]
    done = subprocess.run(command, check=True, capture_output=True)
    (made,) = json.loads(done.stdout)
    archive = (folder / made["filename"]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {
            name.partition("/")[2]: file.read() for name, file in files.items() if file is not None
        }


def copy(path: Path) -> None:
    """Copy what the list at *path* names beside it, and write the sums that are missing."""
    packages: dict[str, dict[str, bytes]] = {}
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for asset in read_list(path):
            if asset.package not in packages:
                packages[asset.package] = fetch(asset.package, Path(folder))
            body = packages[asset.package][asset.source]
            found = hashlib.sha256(body).hexdigest()
            if asset.sha256 not in (UNKNOWN, found):
                sys.exit(f"{asset.package} {asset.source}: {found}, expected {asset.sha256}")
            text = text.replace(asset.line(), replace(asset, sha256=found).line())
            target = path.parent / asset.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)
            if asset.name == "tabler.min.css":
                (path.parent / AUTO).write_text(auto_theme(body.decode()), encoding="utf-8")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for each in LISTS:
        copy(each)
