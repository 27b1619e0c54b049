"""Walks the console as a visitor does: every link of every page, from the first page on."""

import html
import re
from collections.abc import Mapping
from urllib.parse import urldefrag, urlsplit

from tests.console.browsing import Browser, Shown

_MOST = 400  # pages of one walk
_LINK = re.compile(r'<a\b[^>]*\bhref="([^"]*)"')
_POSITION = re.compile(r"[0-9a-z]{26,}|cursor=[^&]+")


def links(shown: Shown) -> set[str]:
    """The pages of the console that *shown* leads to."""
    found = {urldefrag(html.unescape(one))[0] for one in _LINK.findall(shown.text)}
    return {one for one in found if urlsplit(one).path.startswith("/console")}


async def walk(browser: Browser) -> Mapping[str, Shown]:
    """Every page that is reached from the first one, by its address.

    Of pages that differ in nothing but an id three are looked at: a list has many rows alike.
    """
    found: dict[str, Shown] = {}
    alike: dict[str, int] = {}
    waiting = ["/console"]
    while waiting:
        path = waiting.pop()
        form = _POSITION.sub("", path)
        if path in found or alike.get(form, 0) >= 3:
            continue
        alike[form] = alike.get(form, 0) + 1
        found[path] = await browser.get(path)
        waiting += sorted(links(found[path]))
        assert len(found) <= _MOST, sorted(found)
    return found
