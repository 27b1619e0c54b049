"""Events to the subscriptions that want them: compiled once, looked up by type."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from onehook.core.clauses import (
    Clause,
    projects_clause,
    projects_of,
    statuses_clause,
    whole_projects,
)
from onehook.core.model import Event, IntegrationInfo, Subscription, SubscriptionId
from onehook.core.schema.aliases import ALIASES, Alias
from onehook.core.schema.events import EVENT_TYPES


def pattern_problem(pattern: str) -> str | None:
    """Why *pattern* matches no event type; None if it matches some."""
    if pattern == "*" or pattern in EVENT_TYPES or pattern in ALIASES:
        return None
    if pattern.endswith(".*") and any(type_.startswith(pattern[:-1]) for type_ in EVENT_TYPES):
        return None
    return f"{pattern!r} matches no event type; /v1/event-types lists them"


def types_of(pattern: str) -> frozenset[str]:
    """The event types that *pattern* or alias means."""
    return frozenset(type_ for type_ in EVENT_TYPES if matches(pattern, type_))


def matches(pattern: str, type_: str) -> bool:
    """Whether events of *type_* are of *pattern*: ``*``, ``scm.*``, a type, an alias of several."""
    alias = ALIASES.get(pattern)
    return type_ in alias.types if alias is not None else pattern in patterns_of(type_)


def patterns_of(type_: str) -> list[str]:
    """Every pattern that matches *type_*: ``*``, ``a.*``, ``a.b.*``, ``a.b.c``."""
    parts = type_.split(".")
    return ["*", *(".".join(parts[:n]) + ".*" for n in range(1, len(parts))), type_]


_PATTERNS = {type_: patterns_of(type_) for type_ in EVENT_TYPES}  # asked with every event


def overlap(one: Subscription, other: Subscription) -> bool:
    """Whether two subscriptions may send the same event to the same URL.

    Only their URLs, patterns and integrations are compared, not what narrows these further.
    """
    if one.id == other.id or not one.url or one.url != other.url:
        return False
    if not (one.active and other.active):
        return False
    sources = set(one.integrations), set(other.integrations)
    if all(sources) and sources[0].isdisjoint(sources[1]):
        return False
    return any(types_of(a) & types_of(b) for a in one.events for b in other.events)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A subscription under one of its patterns; *alias* narrows what the pattern means."""

    subscription: Subscription
    alias: Alias | None
    clauses: tuple[Clause, ...]

    def wants(self, event: Event) -> bool:
        """Whether alias, clauses and filter let *event* through."""
        if self.alias is not None and not self.alias.fits(event.data):
            return False
        for takes in self.clauses:
            if not takes(event.data):
                return False
        wanted = self.subscription.filter
        return wanted is None or wanted(event.envelope)


_Index: TypeAlias = dict[tuple[str, str], list[_Wish]]  # by pattern and integration


class Routes:
    """A snapshot of the active subscriptions; the cost of a match is that of its result.

    Those that name their projects in full are found by these, so that a hundred thousand teams may
    each want all of their own. Only what a pattern of projects, ``statuses`` or a filter lets
    through is asked of one subscription after the other.
    """

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._index: _Index = {}
        self._by_project: dict[str, _Index] = {}
        for subscription in subscriptions:
            if subscription.active:
                self._add(subscription)

    def _add(self, subscription: Subscription) -> None:
        clauses = [statuses_clause(subscription.statuses)]
        projects, indexes = whole_projects(subscription.projects), [self._index]
        if projects is None:
            clauses.append(projects_clause(subscription.projects))
        else:  # who is found by a project need not be asked for it
            indexes = [self._by_project.setdefault(name, {}) for name in projects]
        asked = tuple([clause for clause in clauses if clause is not None])
        for name in subscription.events:
            alias = ALIASES.get(name)
            wish = _Wish(subscription, alias, asked)
            for pattern in (name,) if alias is None else alias.types:
                for integration in subscription.integrations or ("",):
                    for index in indexes:
                        index.setdefault((pattern, integration), []).append(wish)

    def match(self, event: Event, integration: IntegrationInfo) -> list[Subscription]:
        """The subscriptions that *event* of *integration* goes to, each once."""
        found: dict[SubscriptionId, Subscription] = {}
        patterns = _PATTERNS.get(event.type) or patterns_of(event.type)
        for index in self._indexes(event):
            for pattern in patterns:
                for source in ("", integration.id, integration.type):
                    for wish in index.get((pattern, source), ()):
                        if wish.subscription.id not in found and wish.wants(event):
                            found[wish.subscription.id] = wish.subscription
        return list(found.values())

    def _indexes(self, event: Event) -> Iterator[_Index]:
        """Where those stand that may want *event*: under no project, and under each of its own."""
        yield self._index
        if self._by_project:
            for name in {name.casefold() for name in projects_of(event.data)}:
                if (index := self._by_project.get(name)) is not None:
                    yield index
