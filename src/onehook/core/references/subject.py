"""What an event is itself about, and what that belongs to: not what it talks about."""

from collections.abc import Mapping
from dataclasses import dataclass

from onehook.core.jsontext import JsonValue
from onehook.core.references.knowledge import Knowledge, Site
from onehook.core.references.targets import Target
from onehook.core.references.urls import plain_url

PARTS = ("pull_request", "ticket", "incident")  # what a review or comment belongs to


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing of an event, and the things it belongs to, by all their names."""

    id: str | None  # it may be in a link
    urn: str | None
    keys: frozenset[str]  # in lower case
    urns: frozenset[str]
    pages: tuple[str, ...]
    site: Site | None
    repository: str | None

    def is_it(self, target: Target) -> bool:
        """Whether *target* is the event's own thing.

        The same key under another urn is something else only if the source or a link says so: a
        key in a text means the one at hand.
        """
        if target.urn is not None and target.urn in self.urns:
            return True
        if target.urn is not None and target.method in ("native", "url"):
            return False
        if target.key.lower() in self.keys or (target.method == "url" and target.key == self.id):
            return True
        if target.url is None:
            return False
        return plain_url(target.url) in [plain_url(page) for page in self.pages]


def subject_of(data: Mapping[str, JsonValue], knowledge: Knowledge) -> Subject:
    """The subject of the event that has *data*."""
    keys: list[str] = []
    urns: list[str] = []
    pages: list[str] = []
    for thing in (data, *[data.get(name) for name in PARTS]):
        if isinstance(thing, Mapping):
            for name, names in (("key", keys), ("urn", urns), ("url", pages)):
                if isinstance(value := thing.get(name), str) and value:
                    names.append(value)
    keys += catalogued(data)
    id_, urn = data.get("id"), data.get("urn")
    return Subject(
        id_ if isinstance(id_, str) else None,
        urn if isinstance(urn, str) else None,
        frozenset([key.lower() for key in keys]),
        frozenset(urns),
        tuple(pages),
        knowledge.home(urn),
        _repository(data),
    )


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
