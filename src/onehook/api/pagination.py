"""Lists page by opaque cursor: ``{"data": […], "next": cursor or null}``, newest first."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from onehook.core.routing import pattern_problem
from onehook.errors import FieldError, InvalidRequestError
from onehook.web.operations import Form

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # positions in streams count from here


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "state the offset, such as 2026-11-22T10:15:00Z"
        raise ValueError(msg)
    try:
        found = moment.astimezone(UTC)
    except OverflowError:
        found = _EPOCH - timedelta(days=1)
    if found < _EPOCH:
        msg = "is no time between the years 1970 and 9999"
        raise ValueError(msg)
    return found


def _pattern(text: str) -> str:
    problem = pattern_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


Moment = Annotated[datetime, AfterValidator(_aware)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Page(Form):
    """The query of every list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None


class Period(Form):
    """A stretch of time: *since* is inclusive, *until* exclusive."""

    since: Moment | None = None
    until: Moment | None = None


class TimedPage(Page, Period):
    """The query of a list that has times."""


def encode_cursor(position: str) -> str:
    """An opaque cursor for *position*."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")  # in a stream
LOG_POSITION = re.compile(POSITION.pattern + r"(\.[0-9]{1,6})?")  # in a log, whose rows hold some
IDENTIFIER = re.compile(r"[a-z]{3}_[0-9a-z]{26}")


def decode_cursor(cursor: str | None, form: re.Pattern[str]) -> str | None:
    """The position that *cursor* stands for, which must be of *form*.

    Raises:
        InvalidRequestError: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        position = ""
    if not form.fullmatch(position):
        detail = "is no cursor of this list: pass the last `next` as it was"
        raise InvalidRequestError(detail, errors=[FieldError("/cursor", detail)])
    return position
