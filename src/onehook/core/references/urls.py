"""How an address looks in a text, and one spelling for each."""

import re

URL = re.compile(
    r"https?://([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?((?:[/?][^\s<>\"'`()\[\]{}|\\^]{0,2000})?)"
)
_AFTER = re.compile(r"[#\s].*", re.DOTALL)  # what follows an address


def plain_url(url: str) -> str:
    """*url* as all spellings of the address come to: https, host in lower case, no anchor."""
    url = _AFTER.sub("", url, count=1)
    found = URL.match(url)
    if found is None:
        return url
    authority = url[: found.start(2)].partition("://")[2].lower()
    return f"https://{authority}{url[found.start(2) :].rstrip('/')}"
