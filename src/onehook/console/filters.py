"""What a list is narrowed to: read from the address, so that the address can be sent."""

from collections.abc import Mapping

LIMIT = 50  # rows of a page


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
