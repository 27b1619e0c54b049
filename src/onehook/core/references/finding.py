"""One search of an event's texts: which tickets, pull requests, commits, incidents they name."""

import re
from collections.abc import Mapping

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.context import FindReferences
from onehook.core.references.knowledge import Knowledge
from onehook.core.references.links import find_link, find_links
from onehook.core.references.mentions import find_mentions
from onehook.core.references.search import Search
from onehook.core.references.stated import take_stated
from onehook.core.references.texts import PLANS, Joined
from onehook.core.references.ticket_keys import find_keys
from onehook.core.schema.base import MAX_TEXT

THRESHOLD = 0.60  # what is less certain is not shown

# Every key and every number with a sign has a digit after one of these; most texts have none. It
# begins with the digit because `re` finds one of a set fast, and tries a lookbehind everywhere.
_DIGIT = re.compile("[0-9](?<=[-#!A-Z][0-9])")
_ADVISORY = "GHSA-"  # which may hold no digit at all


def find(
    data: Mapping[str, JsonValue],
    event_type: str,
    knowledge: Knowledge,
    threshold: float = THRESHOLD,
) -> list[JsonValue]:
    """The references of an event, the surest first, in the form of :class:`Reference`.

    *data* is the event's, with the native references of its mapping; others in it are found
    anew, so a second call gives the same. What is less certain than *threshold* is left out, and
    so is what the event is itself about. Never raises, whatever the texts hold.
    """
    search = Search(data, event_type, knowledge, threshold)
    stated = data.get("references")
    if isinstance(stated, list) and stated:
        take_stated(search, stated)
    plan = PLANS.get(event_type)
    if plan is not None:
        joined = Joined(plan.texts(data), plan.branches(data))
        if joined.text:
            _find_in(search, joined)
        for name in plan.links:
            if isinstance(link := data.get(name), str):
                find_link(search, name, link[:MAX_TEXT])
    return search.found()


def finder(knowledge: Knowledge) -> FindReferences:
    """:func:`find` with *knowledge*, as a mapping's context has it."""

    def found_in(data: Mapping[str, JsonValue], event_type: str) -> list[JsonValue]:
        return find(data, event_type, knowledge)

    return found_in


def _find_in(search: Search, joined: Joined) -> None:
    text = joined.text
    if "://" in text:
        text = find_links(search, joined)
    folded = joined.folded(text)
    if _DIGIT.search(folded) is not None or _ADVISORY in folded:
        find_keys(search, joined, text, folded)
        if "#" in text or "!" in text:
            find_mentions(search, joined, text)
