"""What a list is narrowed to: read from the address, so that the address can be sent."""

from collections.abc import Callable, Mapping
from typing import Any

from onehook.console.visits import Visit

LIMIT = 50  # rows of a page
_AT_ONCE = 200  # of a list that is narrowed here: as many as the API gives in one answer


def given(query: Mapping[str, str], *names: str) -> dict[str, str]:
    """The parameters *names* of *query* that say something."""
    return {name: query[name] for name in names if query.get(name)}


def moments(filters: Mapping[str, str]) -> dict[str, str]:
    """*filters* for the API: times of a form's fields, which have no offset, are UTC."""
    return {
        name: utc(value) if name in ("since", "until") else value for name, value in filters.items()
    }


def utc(text: str) -> str:
    """The time *text*, which a form's field or a person wrote, with its offset."""
    has_offset = text.endswith(("Z", "z")) or "+" in text or text.count("-") > 2
    return text if has_offset else f"{text}Z"


async def narrowed(
    visit: Visit, name: str, fits: Callable[[Any], bool] | None
) -> tuple[list[Any], str | None]:
    """A page of the list that the operation *name* gives, and the cursor of the next one.

    With *fits* only what it takes, at least as many as a page has: the API does not narrow these.
    """
    cursor: str | None = visit.query.get("cursor", "")
    rows: list[Any] = []
    while True:
        query = {"cursor": cursor, "limit": LIMIT if fits is None else _AT_ONCE}
        answer = await visit.call(name, query=query)
        rows += [one for one in answer["data"] if fits is None or fits(one)]
        cursor = answer["next"]
        if cursor is None or fits is None or len(rows) >= LIMIT:
            return rows, cursor


def says(text: str, *values: str | None) -> bool:
    """Whether one of *values* has *text* in it, large or small; an empty one is in all."""
    wanted = text.strip().lower()
    return not wanted or any(wanted in value.lower() for value in values if value)
