"""Links in texts and fields: which thing of a configured integration each leads to."""

import re

from onehook.core.references.closing import closing
from onehook.core.references.search import MAX_MATCHES, Search
from onehook.core.references.targets import LINKED, Target
from onehook.core.references.texts import Joined
from onehook.core.references.urls import URL


def find_links(search: Search, joined: Joined) -> str:
    """Take the links; the text with those blanked, and in others what looks like a reference."""
    text = joined.text

    def blank(found: re.Match[str]) -> str:
        at = found.start()
        relation = "closes" if closing(text, at) is not None else "mentions"
        if _take(search, found, joined.at(at)[0], relation):
            return " " * len(found[0])
        return found[0].replace("#", " ").replace("!", " ")

    return URL.sub(blank, text, count=MAX_MATCHES)


def find_link(search: Search, name: str, url: str) -> None:
    """See whether the field *name*, which holds *url*, links to something."""
    found = URL.match(url)
    if found is not None:
        _take(search, found, name, "mentions")


def _take(search: Search, found: re.Match[str], name: str, relation: str) -> bool:
    """Take a link, if it leads to a thing of a configured integration."""
    page, sites = search.knowledge.pages(found[1].lower(), found[2])
    if page is None:
        return False
    site, taken = search.choose(sites)
    type_, urn = search.settle(page.types, site, page.urn)
    key = site.fold(page.key) if site is not None else page.key
    url = found[0][: found.start(2) - found.start() + page.end]
    points = LINKED + taken
    target = Target(type_, key, urn, url, relation, "url", url, points, [name])
    search.add(target, site.name if site is not None else "")
    return True
