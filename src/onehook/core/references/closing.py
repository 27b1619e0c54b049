"""The keywords that close a ticket: fixes, closes, resolves."""

import re

# Sources: GitHub, "Linking a pull request to an issue"; GitLab, "Default closing pattern".
_CLOSES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?):?[ \t]{1,3}\Z", re.IGNORECASE
)
_LONGEST = 16  # characters of a keyword with what stands around it
_ENDS = frozenset("xXsSdDeE: \t")  # what stands before the blank that follows a keyword


def closing(text: str, start: int) -> int | None:
    """Where the keyword before *start* begins; None if none stands there."""
    if start < 4 or text[start - 1] not in " \t" or text[start - 2] not in _ENDS:
        return None
    begin = max(0, start - _LONGEST)
    found = _CLOSES.search(text[begin:start])
    return None if found is None else begin + found.start()
