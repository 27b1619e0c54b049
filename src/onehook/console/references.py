"""``/console/references``: what every tool said of one thing, the oldest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onehook.console.filters import LIMIT, given, moments
from onehook.console.rendering import Page
from onehook.console.summaries import EventRow, event_row
from onehook.console.visits import Outcome, Visit


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """An event that names the thing, and how."""

    role: str
    reference: Any
    event: EventRow
    at: str  # when it happened, which is what the list is ordered by
    url: str | None


@dataclass(frozen=True, slots=True)
class ReferencesPage:
    """The timeline of a key; an empty *key*: none is asked for yet."""

    title: str
    key: str
    verified: bool
    rows: Sequence[TimelineRow]
    next: str | None
    filters: Mapping[str, str]


async def show(visit: Visit) -> Outcome:
    """The timeline of what was asked for."""
    key = visit.query.get("key", "")
    filters = given(visit.query, "since", "until")
    if not key:
        return Page("references.html", ReferencesPage("References", "", False, (), None, filters))
    query = {**moments(filters), "cursor": visit.query.get("cursor", ""), "limit": LIMIT}
    answer = await visit.call("getTimeline", {"key": key}, query=query)
    rows = [
        TimelineRow(
            one["role"],
            one["reference"],
            event_row(one["event"]),
            one["event"]["timestamp"],
            one["event"]["data"].get("url"),
        )
        for one in answer["data"]
    ]
    page = ReferencesPage(key, key, answer["verified"], rows, answer["next"], filters)
    return Page("references.html", page, fragment="results")
