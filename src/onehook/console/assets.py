"""Style, scripts and icons: served under names that change with their content, for ever."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from markupsafe import Markup

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SHORTEST = 1024  # bytes: less is not worth compressing
_HASH = 12  # hexadecimal digits of the SHA-256 in an address


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    url: str
    content_type: str
    plain: bytes
    packed: bytes | None  # gzip; None: too short for it


class Assets:
    """All files of the folder, read once; :meth:`serve` answers for them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._by_name = {
            path.relative_to(folder).as_posix(): _load(path, folder)
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }
        self._by_url = {asset.url: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """The address of the file *name*."""
        return self._by_name[name].url

    def icon(self, name: str, size: int = 20) -> Markup:
        """The icon *name*, to stand beside a word: readers pass over it."""
        text = self._by_name[f"vendor/icons/{name}.svg"].plain.decode()
        drawing = text.partition(">")[2]
        return Markup(  # noqa: S704 - a file of ours, and a number
            f'<svg class="icon" width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" '
            'stroke="currentColor" stroke-width="2" stroke-linecap="round" '
            f'stroke-linejoin="round" aria-hidden="true" focusable="false">{drawing}'
        )

    def serve(self, request: web.Request) -> web.Response:
        """Answer for one file; its address changes with its content, so it is kept for a year."""
        asset = self._by_url.get(request.path)
        if asset is None:
            return web.Response(status=404, text="There is no such file.\n")
        headers = {
            "Content-Type": asset.content_type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        if asset.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.packed, headers=headers)
        return web.Response(body=asset.plain, headers=headers)


def _load(path: Path, folder: Path) -> Asset:
    plain = path.read_bytes()
    digest = hashlib.sha256(plain).hexdigest()[:_HASH]
    name = path.relative_to(folder)
    url = f"{PREFIX}/{digest}/{name.as_posix()}"
    packed = gzip.compress(plain, 6, mtime=0) if len(plain) >= _SHORTEST else None
    return Asset(url, _TYPES[path.suffix], plain, packed)
