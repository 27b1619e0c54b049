"""What an integration's own webhooks teach: its hosts, and the prefixes of its ticket keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import quote

from onehook.core.jsontext import JsonValue
from onehook.core.model import Event
from onehook.core.references.ticket_keys import prefix_of

MAX_HOSTS = 8  # of an integration; a site is renamed now and then
MAX_PREFIXES = 1000  # of an integration
MAX_HOST, MAX_STEM = 253, 300  # characters
_TRACKER = "ticketing."


class Lesson(NamedTuple):
    """One thing that an integration taught.

    A *host*, with the moment in ms; or the *prefix* of ticket keys, with what stands before the
    key in their urns.
    """

    kind: Literal["host", "prefix"]
    name: str
    value: str


@dataclass(slots=True)
class Learnt:
    """What one integration has taught so far; hosts in order, the present one last."""

    hosts: dict[str, int] = field(default_factory=dict[str, int])
    prefixes: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, lessons: Iterable[Lesson]) -> None:
        """Take up what is known already, as far as there is room."""
        for kind, name, value in lessons:
            if kind == "prefix":
                if name in self.prefixes or len(self.prefixes) < MAX_PREFIXES:
                    self.prefixes[name] = value
            elif value.isdecimal() and (name in self.hosts or len(self.hosts) < MAX_HOSTS):
                self.hosts[name] = int(value)
        self.hosts = dict(sorted(self.hosts.items(), key=lambda item: item[1]))

    def lessons(self) -> list[Lesson]:
        """All of it, a lesson each."""
        hosts = [Lesson("host", name, str(at)) for name, at in self.hosts.items()]
        return hosts + [Lesson("prefix", name, stem) for name, stem in self.prefixes.items()]

    def learn_host(self, host: str, at_ms: int) -> Lesson | None:
        """Learn *host*; None if there is nothing new in it."""
        if host in self.hosts or len(self.hosts) >= MAX_HOSTS or len(host) > MAX_HOST:
            return None
        self.hosts[host] = at_ms
        return Lesson("host", host, str(at_ms))

    def learn_ticket(self, event: Event) -> Lesson | None:
        """Learn from an event of a tracker what its keys begin with; None if it is known."""
        if not event.type.startswith(_TRACKER):
            return None
        ticket = event.data.get("ticket", event.data)
        if not isinstance(ticket, dict):
            return None
        return self._learn_key(ticket.get("key"), ticket.get("urn"))

    def _learn_key(self, key: JsonValue, urn: JsonValue) -> Lesson | None:
        if not isinstance(key, str) or not isinstance(urn, str):
            return None
        prefix = prefix_of(key)
        if prefix is None or not urn.lower().endswith(key.lower()):
            return None
        stem, known = urn[: -len(key)], self.prefixes.get(prefix)
        if stem == known or len(stem) > MAX_STEM:
            return None
        # Of two stems that take turns the first stays, unless its site has a new name since.
        if known is None:
            if len(self.prefixes) >= MAX_PREFIXES:
                return None
        elif self._is_present(known) or not self._is_present(stem):
            return None
        self.prefixes[prefix] = stem
        return Lesson("prefix", prefix, stem)

    def _is_present(self, stem: str) -> bool:
        """Whether *stem* is of the host that the integration has now."""
        present = next(reversed(self.hosts), None)
        return present is None or f":{quote(present, safe='')}:" in stem
