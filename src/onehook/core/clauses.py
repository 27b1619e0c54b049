"""The clauses ``projects`` and ``statuses`` of a subscription: what of an event they look at.

A clause names nothing, and then takes everything.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from functools import lru_cache

from onehook.core.jsontext import JsonValue

Data = Mapping[str, JsonValue]  # of a unified event
Clause = Callable[[Data], bool]

_PLACES = ("repository", "project", "service")  # what an event happened in
_NAMES = ("id", "key", "name", "full_name", "title")  # a `Ref` has its name in `title`
_REPOSITORY = frozenset({"full_name", "default_branch"})  # the fields that only a repository has
_TICKET_KEY = re.compile(r"(.+)-\d+")  # PAY-311 is a ticket of PAY
_STATUSES = frozenset({"status", "status_category", "state"})
_GLOB = re.compile(r"[*?[]")  # what makes a pattern more than a name, as `fnmatch` has it
_GAPS = re.compile(r"[\s_-]+")


@lru_cache(maxsize=1024)
def projects_clause(patterns: tuple[str, ...]) -> Clause | None:
    """Takes events of a project that one of *patterns* names; None takes everything.

    ``*`` stands for any text, ``/`` too, ``?`` for one character; case does not matter.
    """
    if not patterns:
        return None
    fits = re.compile("|".join(translate(pattern.casefold()) for pattern in patterns)).match
    return lambda data: any(fits(name.casefold()) for name in projects_of(data))


def whole_projects(patterns: tuple[str, ...]) -> frozenset[str] | None:
    """The projects that *patterns* name, case-folded; None unless each of them names just one."""
    folded = frozenset(pattern.casefold() for pattern in patterns)
    return folded if folded and not any(_GLOB.search(name) for name in folded) else None


def projects_of(data: Data) -> Iterator[str]:
    """Every id, key and name of what the thing of *data* belongs to, as an event has it.

    That is its repository, ticket project or service, or itself if it is a repository; of a
    comment on a ticket the project that is in the ticket's key.
    """
    for name in _PLACES:
        place = data.get(name)
        if isinstance(place, dict):
            yield from _names(place)
    if data.keys() >= _REPOSITORY:
        yield from _names(data)
    ticket = data.get("ticket")
    if isinstance(ticket, dict) and isinstance(key := ticket.get("key"), str):
        found = _TICKET_KEY.fullmatch(key)
        if found is not None:
            yield found[1]


def _names(thing: Data) -> list[str]:
    found = (thing.get(name) for name in _NAMES)
    return [value for value in found if isinstance(value, str) and value]


@lru_cache(maxsize=1024)
def statuses_clause(words: tuple[str, ...]) -> Clause | None:
    """Takes events whose status did not change, or to one of *words*; None takes everything.

    A word is a unified value or the vendor's own; case, spaces, ``_`` and ``-`` do not matter.
    """
    if not words:
        return None
    wanted = frozenset(map(_folded, words))

    def takes(data: Data) -> bool:
        found = list(new_statuses(data))
        return not found or any(_folded(word) in wanted for word in found)

    return takes


def new_statuses(data: Data) -> Iterator[str]:
    """What status, status category or state changed to, in unified words and in the vendor's."""
    native = data.get("native")
    for change in _items(data.get("changes")):
        field = change.get("field")
        if field in _STATUSES:
            yield from _texts(change.get("to"))
            if isinstance(native, dict):
                yield from _texts(native.get(str(field)))


def _items(value: JsonValue) -> Iterable[Mapping[str, JsonValue]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _folded(word: str) -> str:
    return _GAPS.sub(" ", word.casefold()).strip()
