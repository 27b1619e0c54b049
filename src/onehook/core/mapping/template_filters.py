"""The filters that a template may use, and how a value is shown as text.

Every one gives text, or ends the template in null: for what is undefined, null, a list or an
object, and for text that would grow beyond :data:`MAX_OUTPUT`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast
from urllib.parse import urlsplit

from onehook.core.jsontext import JsonText, encode, number
from onehook.core.mapping.quoting import quoted

MAX_OUTPUT = 256 * 1024  # characters; threats.md M4
_PLAIN_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?(?=[/?#]|\Z)").match
_RESERVED = re.compile("[^A-Za-z0-9_.~-]+")  # what quote() would not leave as it is
MAX_JSON = 2 * 1024 * 1024  # characters of what `tojson` gives: an event may hold a native body


class Undefined:
    """The type of :data:`UNDEFINED`: a name or key that is not there."""


UNDEFINED: Final = Undefined()


class NothingError(Exception):
    """A template came to something undefined: its result is null."""


def text_of(value: object) -> str:
    """*value* as a template shows it.

    Raises:
        NothingError: there is nothing to show.
    """
    if isinstance(value, Undefined) or value is None:
        raise NothingError
    return value if isinstance(value, str) else _scalar_text(value)


def _scalar_text(value: object) -> str:
    """Text of a number or truth value as JSON writes it; of lists and objects none.

    Raises:
        NothingError: for those.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return text_of(number(value)) if isinstance(number(value), str) else encode(value).decode()
    raise NothingError


def _split_url(url: str) -> tuple[str, str] | None:
    """Host and origin of an http URL; None of any other."""
    plain = _PLAIN_ORIGIN(url)
    return _split(url) if plain is None else _split_origin(plain[0])


@lru_cache(maxsize=1024)
def _split_origin(origin: str) -> tuple[str, str] | None:
    """As :func:`_split_url`: a site's origin comes again and again, its pages do not."""
    return _split(origin)


def _split(url: str) -> tuple[str, str] | None:
    try:
        split = urlsplit(url)
        host = split.hostname
    except ValueError:
        return None
    if not host or split.scheme not in ("http", "https"):
        return None
    return host, f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def _url_part(value: object, part: int) -> str:
    found = _split_url(bounded_text(value))
    if found is None:
        raise NothingError
    return found[part]


def bounded(size: int) -> None:
    """Refuse text of more than :data:`MAX_OUTPUT` characters before it is made.

    Raises:
        NothingError: it would be longer.
    """
    if size > MAX_OUTPUT:
        raise NothingError


def bounded_text(value: object) -> str:
    """*value* as text to work through: of what is too long only :func:`_truncate` takes a part.

    Raises:
        NothingError: there is nothing to show, or too much.
    """
    text = value if type(value) is str else text_of(value)
    if len(text) > MAX_OUTPUT:
        raise NothingError
    return text


def _fits(value: object) -> bool:
    """Whether JSON of *value* may be as short as :data:`MAX_JSON`; not all is looked at."""
    room, waiting = MAX_JSON, [value]
    while waiting and room >= 0:
        below = waiting.pop()
        if isinstance(below, str):
            room -= len(below)
        elif isinstance(below, dict):
            fields = cast("Mapping[str, object]", below)
            room -= 4 * len(fields)
            waiting += fields.values() if room >= 0 else ()
        elif isinstance(below, list):
            items = cast("Sequence[object]", below)
            room -= 2 * len(items)
            waiting += items if room >= 0 else ()
        else:
            room -= 1
    return room >= 0


def _default(value: object, other: object = "", empty_too: bool = False) -> object:
    missing = isinstance(value, Undefined) or value is None or (empty_too and not value)
    return other if missing else value


def _end_of(value: object, which: int) -> object:
    items = cast("Sequence[object]", value) if isinstance(value, list | str) else ()
    if not items:
        raise NothingError
    return items[which]


def _join(value: object, by: object = "") -> str:
    items = cast("Sequence[object]", value) if isinstance(value, list | str) else ()
    between, parts = text_of(by), [text_of(item) for item in items]
    bounded(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _replace(value: object, old: object, new: object) -> str:
    text, before, after = bounded_text(value), bounded_text(old), bounded_text(new)
    if before not in text:
        return str(text)  # no JSON any more, if it was
    times = text.count(before) if before else len(text) + 1
    bounded(len(text) + times * (len(after) - len(before)))
    return text.replace(before, after)


def _strip_prefix(value: object, prefix: object) -> str:
    return bounded_text(value).removeprefix(text_of(prefix))


def _tojson(value: object) -> JsonText:
    found = None if isinstance(value, Undefined) else value
    if not _fits(found):
        raise NothingError
    return JsonText(json.dumps(found, ensure_ascii=False))


def _truncate(value: object, length: object) -> str:
    """At most *length* characters; what was cut ends in an ellipsis, which counts.

    Raises:
        NothingError: *length* is none.
    """
    text = text_of(value)
    if not isinstance(length, int) or length < 1:
        raise NothingError
    return text if len(text) <= length else text[: length - 1] + "…"


def _lower(value: object) -> str:
    return bounded_text(value).lower()


def _upper(value: object) -> str:
    return bounded_text(value).upper()


def _trim(value: object) -> str:
    return bounded_text(value).strip()


def _urlencode(value: object) -> str:
    text = bounded_text(value)
    return str(_RESERVED.sub(_quoted, text))


def _quoted(found: re.Match[str]) -> str:
    return quoted(found[0])


def _url_host(value: object) -> str:
    return _url_part(value, 0)


def _url_origin(value: object) -> str:
    return _url_part(value, 1)


def _basename(value: object) -> str:
    return bounded_text(value).rstrip("/").rpartition("/")[2]


def _first(value: object) -> object:
    return _end_of(value, 0)


def _last(value: object) -> object:
    return _end_of(value, -1)


# Those that end the template where there is nothing to work on.
OF_TEXT = frozenset(
    {
        "lower",
        "upper",
        "trim",
        "replace",
        "urlencode",
        "url_host",
        "url_origin",
        "strip_prefix",
        "basename",
        "first",
        "last",
        "truncate",
    }
)
FILTERS: Mapping[str, Callable[..., object]] = {
    "lower": _lower,
    "upper": _upper,
    "trim": _trim,
    "replace": _replace,
    "urlencode": _urlencode,
    "url_host": _url_host,
    "url_origin": _url_origin,
    "strip_prefix": _strip_prefix,
    "basename": _basename,
    "first": _first,
    "last": _last,
    "join": _join,
    "truncate": _truncate,
    "default": _default,
    "tojson": _tojson,
}
