"""Times as vendors write them, to the one way we write them.

Out: RFC 3339 UTC with three decimals and ``Z``; finer digits are cut, not rounded
(`schema.md` §2 rule 3). A time without offset is nothing, unless the mapping names its zone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from onehook.core.jsontext import JsonValue

Parse = Callable[[JsonValue], datetime | None]

_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SHORTEST, _LONGEST = 16, 40  # characters of a time
_WHOLE = 19  # characters of a time to the second
_PLAIN = 29  # of one with milliseconds and an offset to the minute
_EPOCH = timedelta(milliseconds=1)
# Formats that count from 1970 -> how many make how many milliseconds.
EPOCHS: Mapping[str, tuple[int, int]] = {
    "epoch_s": (1, 1000),
    "epoch_ms": (1, 1),
    "epoch_ns": (1_000_000, 1),
}
_EPOCH_DIGITS = 15  # of text that counts milliseconds
_MAX_EPOCH_MS = 253_402_300_799_999  # the end of the year 9999
_START = datetime(1970, 1, 1, tzinfo=UTC)
_from_iso = datetime.fromisoformat
_encode = msgspec.json.Encoder().encode  # takes a tenth of the time that isoformat() does


def render(moment: datetime) -> str:
    """*moment*, UTC, as ``2026-11-22T10:15:00.000Z``."""
    text = _encode(moment).decode()  # "2026-11-22T10:15:00.123456Z", in quotes
    return f"{text[1:24]}Z" if text[20] == "." else f"{text[1:20]}.000Z"


def parser(formats: Sequence[str], tz: tzinfo | None) -> Parse:
    """A function that tries *formats* in order: ``iso8601``, those of EPOCHS, strptime.

    *tz* is the zone of times that state no offset; without it they are refused (None).
    """
    parsers = tuple(_parser(format_, tz) for format_ in formats)
    if len(parsers) == 1:
        return parsers[0]

    def first(value: JsonValue) -> datetime | None:
        return next((m for parse in parsers if (m := parse(value)) is not None), None)

    return first


def renderer(formats: Sequence[str], tz: tzinfo | None) -> Callable[[JsonValue], str | None]:
    """A function that reads a time as :func:`parser` does, and gives it as :func:`render` does."""
    parse = parser(formats, tz)

    def read(value: JsonValue) -> str | None:
        moment = parse(value)
        return None if moment is None else render(moment)

    return _rewriter(read, naive=tz is UTC) if tuple(formats[:1]) == ("iso8601",) else read


def _rewriter(
    read: Callable[[JsonValue], str | None], *, naive: bool
) -> Callable[[JsonValue], str | None]:
    """A shorter way than *read* for times that are written nearly as we do, as most are.

    *naive*: who names no zone means UTC.
    """

    def rewritten(value: JsonValue) -> str | None:
        if type(value) is not str or not _WHOLE <= (size := len(value)) <= _PLAIN:
            return read(value)
        named = size == 23 and value[19:] == " UTC"
        try:
            moment = _from_iso(value[:19] if named else value)
        except ValueError:
            return read(value)
        if not _is_plain(value):
            return read(value)
        if size == 19 or value[19] in "Z+- ":
            written = value[:19] + ".000Z"
        elif size > 23 and value[19] == "." and value[23] in "Z+-":
            written = value[:23] + "Z"
        else:
            return read(value)
        zone = moment.tzinfo
        if zone is UTC or (zone is None and (naive or named)):
            return written if written[10] == "T" else f"{written[:10]}T{written[11:]}"
        if zone is None or not 1 < moment.year < 9999:  # which an offset may lead out of
            return read(value)
        return render(moment.astimezone(UTC))

    return rewritten


def _is_plain(text: str) -> bool:
    """Whether a time that Python has read is written as ``2026-11-22 10:15:00`` or with a ``T``.

    It looks at one character after the other, as C does when this is compiled.
    """
    between = text[10]
    return (
        text[4] == "-"
        and text[7] == "-"
        and text[13] == ":"
        and text[16] == ":"
        and (between == "T" or between == " ")  # noqa: PLR1714 a look into a tuple takes longer
        and not (text[11] == "2" and text[12] == "4")  # an hour that later versions of Python take
    )


def _parser(format_: str, tz: tzinfo | None) -> Parse:
    if format_ == "iso8601":
        return lambda value: _iso(value, tz)
    if format_ in EPOCHS:
        units, ms = EPOCHS[format_]
        return lambda value: _epoch(value, units, ms)
    return lambda value: _strptime(value, format_, tz)


def _iso(value: JsonValue, tz: tzinfo | None) -> datetime | None:
    """RFC 3339 and its usual variants: a space for ``T``, ``-0700``, `` UTC``."""
    if not isinstance(value, str) or not _SHORTEST <= len(value) <= _LONGEST:
        return None
    text = value
    if text.endswith(" UTC"):
        text = text[:-4] + "Z"
    if "." in text or "," in text:
        text = _FRACTION.sub(lambda m: "." + (m[1] + "00")[:3], text)
    if " " in text[11:]:  # "2020-07-17 10:16:45 +0300"
        text = text[:11] + text[11:].replace(" ", "", 1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _aware(moment, tz)


def _aware(moment: datetime, tz: tzinfo | None) -> datetime | None:
    if moment.tzinfo is None:
        if tz is None:
            return None
        moment = moment.replace(tzinfo=tz)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # a moment in the year 1 or 9999, moved over the edge by its offset
        return None


def _epoch(value: JsonValue, units: int, ms: int) -> datetime | None:
    """*value* counts since 1970, *units* of it making *ms* milliseconds; finer ones are cut."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) < _EPOCH_DIGITS + len(str(units)) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    since = value * ms // units
    if not 0 <= since <= _MAX_EPOCH_MS:
        return None
    return _START + int(since) * _EPOCH


def _strptime(value: JsonValue, format_: str, tz: tzinfo | None) -> datetime | None:
    if not isinstance(value, str) or len(value) > 80:
        return None
    try:
        return _aware(datetime.strptime(value, format_), tz)  # noqa: DTZ007 made aware, or refused
    except ValueError:
        return None


def day_parser(formats: Sequence[str]) -> Callable[[JsonValue], str | None]:
    """A function that gives ``YYYY-MM-DD``: of a plain day, of a time its day where it was."""

    def parse(value: JsonValue) -> str | None:
        for format_ in formats:
            if format_ in EPOCHS:
                moment = _epoch(value, *EPOCHS[format_])
                if moment is not None:
                    return moment.date().isoformat()
                continue
            if not isinstance(value, str) or len(value) > 80:
                continue
            try:
                if format_ == "iso8601":
                    if _DAY.match(value) is None:
                        continue
                    return date.fromisoformat(value[:10]).isoformat()
                return datetime.strptime(value, format_).date().isoformat()  # noqa: DTZ007 a day
            except ValueError:
                continue
        return None

    return parse


def states_offset(format_: str) -> bool:
    """Whether a time in *format_* may carry its own offset."""
    return format_ == "iso8601" or format_ in EPOCHS or "%z" in format_


def is_format(format_: str) -> bool:
    """Whether *format_* is one of ours, or something strptime can read."""
    if format_ == "iso8601" or format_ in EPOCHS:
        return True
    if "%" not in format_:
        return False
    try:
        datetime.strptime(datetime(2026, 11, 22, 10, 15, tzinfo=UTC).strftime(format_), format_)  # noqa: DTZ007 only tried
    except (ValueError, re.error):  # re.error: a part that stands twice
        return False
    return True


def find_zone(name: str) -> tzinfo | None:
    """The zone of that IANA name, None if there is none."""
    try:
        return UTC if name in ("UTC", "Z") else ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None
