"""What the console serves of others is what was taken, and is kept by browsers."""

import hashlib
from pathlib import Path

import pytest

from onehook.console.assets import FOLDER
from onehook.console.rendering import CODEMIRROR, assets
from tests.console.browsing import Browser
from tests.console.vendor import AUTO, LISTS, auto_theme, read_list


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parts[-4])
def test_vendored_files_are_those_that_are_listed(path: Path) -> None:
    """Every file is listed with its sum, and nothing else lies there."""
    listed = {asset.name: asset for asset in read_list(path)}
    for asset in listed.values():
        body = (path.parent / asset.name).read_bytes()
        assert hashlib.sha256(body).hexdigest() == asset.sha256, asset.name
    files = {
        one.relative_to(path.parent).as_posix() for one in path.parent.rglob("*") if one.is_file()
    }
    assert files - {"VENDORED.txt", AUTO} == set(listed)


def test_the_dark_rules_for_the_system_are_those_of_the_style_sheet() -> None:
    """They are made from it, and not by hand."""
    folder = FOLDER / "vendor"
    made = auto_theme((folder / "tabler.min.css").read_text(encoding="utf-8"))
    assert (folder / AUTO).read_text(encoding="utf-8") == made
    assert made.count("[data-bs-theme=auto]") >= 5


def test_every_module_of_the_editor_is_in_the_import_map() -> None:
    """The map names each file, and each file."""
    files = {path.name for path in (FOLDER / "vendor/codemirror").iterdir()}
    assert {file for _, file in CODEMIRROR} == files


async def test_assets_are_kept_for_ever_under_a_name_of_their_content(stranger: Browser) -> None:
    """Compressed, immutable, and no sign-in is asked for."""
    url = assets().url("vendor/tabler.min.css")
    async with stranger.session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
        packed = answer.headers
        body = await answer.read()
    assert "immutable" in packed["Cache-Control"]
    assert packed["Content-Encoding"] == "gzip"
    assert body == (FOLDER / "vendor/tabler.min.css").read_bytes()
    assert int(packed["Content-Length"]) < len(body) / 5
    assert hashlib.sha256(body).hexdigest()[:12] in url
    async with stranger.session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == body


async def test_what_is_no_asset_is_not_found(stranger: Browser) -> None:
    """No path leads out of the folder."""
    for path in ("x/console.css", "..%2f..%2fvisits.py", "vendor/VENDORED.txt"):
        assert (await stranger.get(f"/console/static/{path}")).status == 404
