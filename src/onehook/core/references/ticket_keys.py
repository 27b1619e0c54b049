"""Keys in texts that need no sign: ``PAY-311``, ``INC0010023``, ``CVE-2026-1234``."""

import re
from itertools import islice

from onehook.core.mapping.links import END, KEY, NUMBER
from onehook.core.references.closing import closing
from onehook.core.references.knowledge import Claim, Site
from onehook.core.references.search import MAX_MATCHES, Search
from onehook.core.references.targets import (
    CATALOGUED,
    CLOSING,
    NUMBERED,
    UNKNOWN_PREFIX,
    Target,
)
from onehook.core.references.texts import Joined

# A key of §5, CVE and GHSA, or letters and digits. "No letter, digit, _ or - before it" is asked
# after the first letter: `re` finds a first letter fast, and tries a lookbehind everywhere.
_KEYS = re.compile(
    "[A-Z](?<![A-Za-z0-9_-][A-Z])(?:(?<=C)VE-[0-9]{4}-[0-9]{4,7}|(?<=G)HSA(?:-[A-Za-z0-9]{4}){3}"
    rf"|[A-Z0-9_]{{1,9}}-{NUMBER}|[A-Z]{{1,7}}[0-9]{{7,15}}){END}"
)
_WHOLE_KEY = re.compile(KEY, re.IGNORECASE | re.ASCII)
_PREFIX = re.compile("[A-Z][A-Z0-9_]{1,9}")
_DIGITS = "0123456789"
# fmt: off
_NEVER = frozenset({
    "UTF", "SHA", "MD", "AES", "RSA", "TLS", "HTTP", "ISO", "RFC", "IEEE", "EN", "DIN", "CVE",
    "CWE", "GPT", "COVID", "UTC",
})
# fmt: on


def prefix_of(key: str) -> str | None:
    """The prefix of a ticket's *key*: ``PAY`` of ``PAY-311``; None if it has none."""
    return key.partition("-")[0].upper() if _WHOLE_KEY.fullmatch(key) else None


def prefixes_in(text: str) -> list[str]:
    """The prefixes that an operator listed, however they are separated."""
    return list(dict.fromkeys(_PREFIX.findall(text.upper())))


def number_prefix(key: str) -> str:
    """``INC`` of ``INC0010023``; "" if *key* does not end with digits."""
    prefix = key.rstrip(_DIGITS)
    return prefix if prefix != key else ""


def find_keys(search: Search, joined: Joined, text: str, folded: str) -> None:
    """Take the keys in *folded*; *text* is the same with the case that it came in."""
    for found in islice(_KEYS.finditer(folded), MAX_MATCHES):
        _take(search, joined, text, found.start(), found.end())


def _take(search: Search, joined: Joined, text: str, start: int, end: int) -> None:
    whole = text[start:end]
    key = whole.upper()
    prefix, hyphen, rest = key.partition("-")
    type_, site = "ticket", None
    urn: str | None = None
    points: int | None = None  # None: those of the field
    taken = 0
    if "-" in rest:
        type_, points = "vulnerability", CATALOGUED
        key = key if prefix == "CVE" else f"GHSA-{rest.lower()}"
    elif not hyphen:
        numbered = search.knowledge.with_number(number_prefix(key))
        if numbered is None or (whole != key and not numbered[1]):
            return
        (type_, sites), points = numbered, NUMBERED
        site, taken = search.choose(sites)
        urn = site.urn(type_, key) if site is not None else None
    elif (claims := search.knowledge.with_prefix(prefix)) is not None:
        claim, taken = search.choose_claim(claims)
        site, urn = _ticket(claim, key)
    elif whole != key or prefix in _NEVER or _goes_on(text, end):
        return
    elif search.wants_faint or closing(text, start) is not None:
        points = UNKNOWN_PREFIX
    else:
        search.add_faint(key, whole, start, joined)
        return
    relation, method, at = "mentions", "key", start
    if (keyword := closing(text, start)) is not None:
        at, points, relation, method = keyword, CLOSING, "closes", "keyword"
    name, usual = joined.at(start)
    certainty = (usual if points is None else points) + taken
    target = Target(type_, key, urn, None, relation, method, text[at:end], certainty, [name])
    search.add(target, "" if site is None else site.name)


def _ticket(claim: Claim | None, key: str) -> tuple[Site | None, str | None]:
    return (None, None) if claim is None else (claim.site, claim.urn(key))


def _goes_on(text: str, end: int) -> bool:
    """Whether ``-digit`` follows: a standard's part, or a date."""
    return text[end : end + 1] == "-" and text[end + 1 : end + 2].isdecimal()
