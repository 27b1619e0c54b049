"""What an event is itself about, and what that belongs to: not what it talks about."""

from collections.abc import Mapping
from typing import Literal

from onehook.core.jsontext import JsonValue
from onehook.core.references.knowledge import Knowledge, Site
from onehook.core.references.targets import Target
from onehook.core.references.urls import plain_url

PARTS = ("pull_request", "ticket", "incident")  # what a review or comment belongs to


class Subject:
    """The thing of an event, and the things it belongs to, by all their names.

    Only the keys and urns are always needed; the rest is worked out when it is asked for, which
    `cached_property` would do under a lock.
    """

    __slots__ = ("_data", "_keys", "_knowledge", "_site", "_things", "_urns", "urn")

    def __init__(self, data: Mapping[str, JsonValue], knowledge: Knowledge) -> None:
        self._data, self._knowledge = data, knowledge
        self._site: Site | Literal["unasked"] | None = "unasked"
        urn = data.get("urn")
        self.urn = urn if isinstance(urn, str) else None
        self._things: list[Mapping[str, JsonValue]] = [data]
        self._things += [thing for name in PARTS if isinstance(thing := data.get(name), dict)]
        self._keys = {key.lower() for key in self._texts("key")}
        if "identifiers" in data:
            self._keys.update(key.lower() for key in catalogued(data))
        self._urns = set(self._texts("urn"))

    def _texts(self, name: str) -> list[str]:
        """What the event's thing, and each thing it belongs to, has there."""
        return [text for thing in self._things if isinstance(text := thing.get(name), str) and text]

    @property
    def site(self) -> Site | None:
        """Where the event's thing lives; None if nobody can tell."""
        if self._site == "unasked":
            self._site = self._knowledge.home(self.urn)
        return self._site

    @property
    def repository(self) -> str | None:
        """The path of the repository that the event is in."""
        return _repository(self._data)

    def is_it(self, target: Target) -> bool:
        """Whether *target* is the event's own thing.

        The same key under another urn is something else only if the source or a link says so: a
        key in a text means the one at hand.
        """
        if target.urn is not None and target.urn in self._urns:
            return True
        if target.urn is not None and target.method in ("native", "url"):
            return False
        if target.key.lower() in self._keys:
            return True
        if target.method == "url" and target.key == self._data.get("id"):  # a sys_id
            return True
        if target.url is None:
            return False
        return plain_url(target.url) in [plain_url(page) for page in self._texts("url")]


def catalogued(data: Mapping[str, JsonValue]) -> list[str]:
    """The numbers that a finding has in the public catalogues of vulnerabilities."""
    identifiers = data.get("identifiers")
    return [
        value
        for label in (identifiers if isinstance(identifiers, list) else ())
        if isinstance(label, dict) and label.get("type") in ("cve", "ghsa")
        if isinstance(value := label.get("value"), str) and value
    ]


def _repository(data: Mapping[str, JsonValue]) -> str | None:
    """The path of the repository that the event is in."""
    repository, project = data.get("repository"), data.get("project")
    if isinstance(repository, dict) and isinstance(path := repository.get("full_name"), str):
        return path
    if isinstance(project, dict) and isinstance(path := project.get("key"), str):
        urn = project.get("urn")
        return path if isinstance(urn, str) and ":repository:" in urn else None
    return None
