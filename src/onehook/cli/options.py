"""What several commands take alike: moments, and fields of a body."""

import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from onehook.cli.output import talk
from onehook.clock import SystemClock
from onehook.core.durations import parse_duration
from onehook.core.jsontext import JsonSyntaxError, JsonValue, decode
from onehook.errors import OnehookError

USAGE = 2


class UsageError(OnehookError):
    """What was asked for makes no sense; exit code 2."""

    exit_code = USAGE


def run(work: Coroutine[Any, Any, int]) -> int:
    """The exit code that *work* comes to; 1 when it is ended by Ctrl-C."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return 1


def moment_of(text: str | None) -> str | None:
    """A moment as the API takes it: a duration is that long ago, anything else stays as it is."""
    ago = None if text is None else parse_duration(text)
    return text if ago is None else (SystemClock().now() - ago).isoformat()


def asked(options: Mapping[str, object]) -> dict[str, Any]:
    """What *options* ask for, as the API takes it: a query, or a body. What is None is left out."""
    given = {name.removesuffix("_"): value for name, value in options.items()}
    for name in ("since", "until"):
        if isinstance(text := given.get(name), str):
            given[name] = moment_of(text)
    return {name: value for name, value in given.items() if value is not None}


def may_ask() -> bool:
    """Whether somebody sits there who could answer."""
    return sys.stdin.isatty() and talk.is_terminal


def agreed(question: str, *, yes: bool) -> bool:
    """Whether it may be done: *yes* says so, or who is asked.

    Raises:
        UsageError: there is nobody to ask.
    """
    if yes:
        return True
    if not may_ask():
        msg = "there is no terminal to ask on: say --yes"
        raise UsageError(msg)
    talk.print(f"{question} [y/N] ", markup=False, end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def body_of(words: Sequence[str]) -> dict[str, Any]:
    """The body that ``name=value`` words make.

    A value is JSON, and text where it is none; ``@file`` is what a file holds. A dot leads into
    a field: ``rate_limit.per_minute=600``.

    Raises:
        UsageError: a word is none of these.
    """
    body: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            msg = f"{name[:40]!r} is no name=value, such as timeout=5s"
            raise UsageError(msg)
        holder = body
        *above, last = name.split(".")
        for step in above:
            below: Any = holder.setdefault(step, {})
            if not isinstance(below, dict):
                msg = f"{name} leads into a field that has a value already"
                raise UsageError(msg)
            holder = cast("dict[str, Any]", below)
        holder[last] = _value(name, text)
    return body


def _value(name: str, text: str) -> JsonValue:
    """What *text* stands for.

    Raises:
        UsageError: it names a file that cannot be read.
    """
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError):
            msg = f"{name}: {text[1:]} cannot be read"
            raise UsageError(msg) from None
    try:
        return decode(text.encode())
    except (JsonSyntaxError, UnicodeEncodeError):
        return text
