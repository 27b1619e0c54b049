"""What is known of the configured integrations: whose a host, a key, a number or a sign is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.context import Context
from onehook.core.mapping.links import SIGNS, Linked, Links
from onehook.core.model import Headers
from onehook.core.references.sightings import Sightings

_NO_LINKS = Links()


@dataclass(frozen=True, slots=True)
class KnownIntegration:
    """What is known of a configured integration.

    *hosts* are those in its urns and links, without port, the present one first; while there is
    none, no urn can be built. *prefixes* are those of its ticket keys, each with what stands
    before the key in the urns of such tickets (None: not seen yet). *urn_case* is its mapping's.
    """

    id: str
    platform: str
    hosts: tuple[str, ...] = ()
    prefixes: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    urn_case: str = "keep"


class Site:
    """A place that things live in: one platform on one host."""

    __slots__ = ("_context", "name", "platform")

    def __init__(self, name: str, platform: str, host: str | None, urn_case: str) -> None:
        self.name, self.platform = name, platform
        self._context = (
            None if host is None else Context(None, Headers(), {}, platform, host, urn_case)
        )

    def urn(self, entity: str, path: str) -> str | None:
        """The urn that the mapping gives the same thing; None if the host is not known."""
        return None if self._context is None else self._context.urn(entity, path)

    def fold(self, path: str) -> str:
        """*path* as a key spells it."""
        lower = self._context is not None and self._context.fold == "lower"
        return path.lower() if lower else path


Sites: TypeAlias = tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Tickets of one prefix on one site; *stem* is what stands before the key in their urns.

    The stem is learnt from the tickets themselves, because some platforms put more than the key
    into a urn (a workspace), which no text says. None: the urn holds the key alone.
    """

    site: Site
    stem: str | None

    def urn(self, key: str) -> str | None:
        """The urn of the ticket *key*; None if the host is not known."""
        if self.stem is None:
            return self.site.urn("ticket", key)
        return self.stem + self.site.fold(key)


class Knowledge:
    """The configured integrations, by everything that a text can name them with.

    *links* are those of all platforms whose mappings are loaded, configured or not. Integrations
    of one platform and host are one claimant: both mean the same thing. *sightings* are the things
    that webhooks were about.
    """

    def __init__(
        self,
        integrations: Iterable[KnownIntegration] = (),
        links: Mapping[str, Links] | None = None,
        sightings: Sightings | None = None,
    ) -> None:
        self.links = links or {}
        self.sightings = Sightings() if sightings is None else sightings
        self._hosts: dict[str, Sites] = {}
        self._prefixes: dict[str, tuple[Claim, ...]] = {}
        self._signs: dict[str, Sites] = dict.fromkeys(SIGNS, ())
        self._cases: dict[str, str] = {}
        self._sites: dict[str, Site] = {}
        # INC -> what such a number is, and who may mean it; an incident of nobody's is one still.
        self._numbers: dict[str, tuple[str, Sites]] = {
            prefix: (type_, ())
            for one in self.links.values()
            for prefix, type_ in one.numbers.items()
        }
        for known in integrations:
            self._take(known)

    def _take(self, known: KnownIntegration) -> None:
        self._cases.setdefault(known.platform, known.urn_case)
        sites = [self._site(known, host.lower()) for host in known.hosts]
        for host, site in zip(known.hosts, sites, strict=True):
            self._hosts[host.lower()] = _with(self._hosts.get(host.lower(), ()), site)
        present = sites[0] if sites else self._site(known, None)
        for prefix, stem in known.prefixes.items():
            self._claim(prefix, present, stem)
        links = self.links_of(known.platform)
        for sign in links.signs:
            self._signs[sign] = _with(self._signs[sign], present)
        for prefix, type_ in links.numbers.items():
            _, others = self._numbers.get(prefix, (type_, ()))
            self._numbers[prefix] = type_, _with(others, present)

    def _site(self, known: KnownIntegration, host: str | None) -> Site:
        name = f"{known.platform}:{host}" if host else f"{known.platform}:?{known.id}"
        site = self._sites.get(name) or Site(name, known.platform, host, known.urn_case)
        self._sites[name] = site
        return site

    def learn_prefix(self, known: KnownIntegration, prefix: str) -> None:
        """Take up one more *prefix* of *known*: what happens too often to build all anew."""
        site = self._site(known, known.hosts[0].lower() if known.hosts else None)
        self._claim(prefix, site, known.prefixes.get(prefix))

    def _claim(self, prefix: str, site: Site, stem: str | None) -> None:
        """A stem that was seen stands in place of one that was only supposed."""
        prefix = prefix.upper()
        claims = self._prefixes.get(prefix, ())
        seen = [c for c in claims if c.site is site and c.stem is not None]
        if stem is None and seen:
            return
        others = tuple(c for c in claims if c.site is not site or c.stem is not None)
        claim = Claim(site, stem)
        self._prefixes[prefix] = others if claim in others else (*others, claim)

    def links_of(self, platform: str) -> Links:
        """How texts name the things of *platform*."""
        return self.links.get(platform, _NO_LINKS)

    def at(self, host: str) -> Sites:
        """Who is at *host*, which is in lower case."""
        return self._hosts.get(host, ())

    def pages(self, host: str, address: str) -> tuple[Linked | None, Sites]:
        """What *address* (path and query) on *host* leads to, and whose it may be."""
        page: Linked | None = None
        sites: Sites = ()
        for site in self._hosts.get(host, ()):
            found = self.links_of(site.platform).page(address)
            if found is not None:
                page, sites = page or found, (*sites, site)
        return page, sites

    def with_prefix(self, prefix: str) -> tuple[Claim, ...] | None:
        """Who has tickets with that upper-case *prefix*; None if it is not known."""
        return self._prefixes.get(prefix)

    def with_number(self, prefix: str) -> tuple[str, Sites] | None:
        """What ``prefix0010023`` is, and who may mean it; None if no platform has such numbers."""
        return self._numbers.get(prefix)

    def with_sign(self, sign: str) -> Sites:
        """Who calls things ``path#1`` or ``path!1``."""
        return self._signs[sign]

    def home(self, urn: JsonValue) -> Site | None:
        """Where the thing called *urn* lives; None if its platform is not configured."""
        parts = urn.split(":", 4) if isinstance(urn, str) else []
        if len(parts) < 5:
            return None
        platform, host = parts[1], unquote(parts[2])
        name = f"{platform}:{host.lower()}"
        case = self._cases.get(platform)
        if name in self._sites or case is None:
            return self._sites.get(name)
        return Site(name, platform, host, case)


def _with(sites: Sites, site: Site) -> Sites:
    return sites if site in sites else (*sites, site)
