"""From a page's context to HTML.

Templates escape everything, and the policy that a page is sent with runs nothing but our own files.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from onehook.console.assets import Assets
from onehook.core.jsontext import encode

FOLDER = Path(__file__).parent / "templates"
NONE = "\u2013"  # a dash, where there is no value
THEMES = ("auto", "light", "dark")
# The modules of the editor by the names they import each other with, and their files.
CODEMIRROR = (
    *((f"@codemirror/{name}", f"{name}.js") for name in (
        "state", "view", "language", "streamparser", "commands", "lint", "lang-yaml",
    )),
    *((f"@lezer/{name}", f"lezer-{name}.js") for name in ("common", "highlight", "lr", "yaml")),
    ("style-mod", "style-mod.js"),
    ("w3c-keyname", "w3c-keyname.js"),
    ("crelt", "crelt.js"),
    ("@marijn/find-cluster-break", "find-cluster-break.js"),
)  # fmt: skip
# Of the Gregorian calendar: 400 years have 146,097 days.
_YEAR = 31_556_952
_UNITS = (
    *((_YEAR, "year"), (_YEAR // 12, "month"), (86_400, "day")),
    *((3600, "hour"), (60, "minute"), (1, "second")),
)


class Context(Protocol):
    """What a page shows; each page has a frozen dataclass of its own."""

    @property
    def title(self) -> str:
        """The page's name: its heading, and the window's."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is a page: its template, and what that shows.

    *fragment* is the block of the template that htmx gets when it asks for a part.
    """

    template: str
    context: Context
    fragment: str | None = None
    status: int = 200
    retry_after: int | None = None  # seconds: when to ask again


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that leads to another page, which says *notice*."""

    to: str
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has around it."""

    nonce: str
    csrf: str
    theme: str
    path: str
    query: Mapping[str, str]
    here: str  # path and query, to come back to
    signed_in: bool
    tenant: str  # whose pages are shown
    tenants: Sequence[str]  # those that this visitor may act for; none: only the own one
    now: datetime  # aware UTC
    notice: str | None
    allows: Callable[[str], bool]  # whether this visitor may call the operation of that name
    opens: Callable[[str], bool]  # whether this visitor may open the page that a link leads to


@cache
def assets() -> Assets:
    """The console's files, read once."""
    return Assets()


@cache
def environment() -> Environment:
    """The templates, with what all of them use."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: tuple[Callable[..., Any], ...] = (
        ago,
        moment,
        stamp,
        pretty,
        layout,
        compact,
        number,
        percent,
        duration,
        size,
        minutes,
        clock,
        pairs,
        marked,
        settings_of,
    )
    shared: dict[str, Any] = {
        "asset": assets().url,
        "icon": assets().icon,
        "url": url,
        "codemirror": CODEMIRROR,
    }
    by_name: dict[str, Any] = {one.__name__: one for one in filters}
    made.filters.update(by_name)
    made.globals.update(shared)
    return made


def policy(nonce: str) -> str:
    """The Content-Security-Policy of a page.

    Scripts need the nonce, those that a module imports inherit it; images may be drawn by style
    sheets, which hold them as ``data:``.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def respond(page: Page, frame: Frame, *, fragment: bool) -> web.Response:
    """*page* as HTML; with *fragment* only the part of it that htmx puts in its place."""
    template = environment().get_template(page.template)
    ui = environment().get_template("macros.html").make_module({"frame": frame})
    values = {"page": page.context, "frame": frame, "ui": ui}
    if fragment and page.fragment is not None:
        block = template.blocks[page.fragment]
        text = "".join(block(template.new_context(values)))
    else:
        text = template.render(values)
    headers = {
        "Content-Security-Policy": policy(frame.nonce),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # `no-referrer` would make browsers send `Origin: null` with our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "HX-Request",
    }
    if page.retry_after is not None:
        headers["Retry-After"] = str(page.retry_after)
    response = web.Response(
        text=text, status=page.status, content_type="text/html", headers=headers
    )
    response.enable_compression()
    return response


# -- what templates use ---------------------------------------------------------------------------


def moment(value: datetime | str) -> datetime:
    """*value*, aware UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.astimezone(UTC)


def ago(value: datetime | str, now: datetime) -> str:
    """How long before *now*, or after it, in the largest unit that fits."""
    seconds = round((now - moment(value)).total_seconds())
    for length, name in _UNITS:
        count = abs(seconds) // length
        if count:
            text = f"{count} {name}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def stamp(value: datetime | str) -> str:
    """The time in full, UTC."""
    return moment(value).strftime("%Y-%m-%d %H:%M:%S") + "Z"


def pretty(value: Any) -> str:
    """A JSON value, indented."""
    return json.dumps(json.loads(encode(value)), indent=2, ensure_ascii=False)


def layout(text: str) -> str:
    """JSON *text*, indented; what is no JSON as it is."""
    try:
        return pretty(json.loads(text))
    except ValueError:
        return text


def compact(value: Any) -> str:
    """A JSON value on one line; text as it is, without quotes."""
    return value if isinstance(value, str) else encode(value).decode()


def number(value: float) -> str:
    """With a space between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def percent(value: float | None) -> str:
    """A share of 1; a dash where there is none."""
    if value is None:
        return NONE
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def duration(ms: float | None) -> str:
    """Milliseconds in the unit that reads well; a dash where there are none."""
    if ms is None:
        return NONE
    if ms < 1000:
        return f"{round(ms)} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms / 60_000:.1f} min"


def size(count: float) -> str:
    """Bytes in the unit that reads well."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{round(count, 1):g} {unit}"
        count /= 1000
    return f"{round(count, 1):g} GB"


def minutes(rows: Sequence[Mapping[str, Any]], *names: str) -> list[list[int]]:
    """*rows* of counts as a chart takes them: seconds since 1970, then the figure of each name."""
    return [[int(moment(row["at"]).timestamp()), *(row[name] for name in names)] for row in rows]


def clock(seconds: int) -> str:
    """Hours and minutes, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """*names* as values of a choice that are shown as they are."""
    return [(name, name) for name in names]


def marked(text: str) -> Markup:
    """A line of a mapping's prose: what stands between backquotes is code, the rest is text."""
    parts = text.split("`")
    shown = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(shown)


def settings_of(values: Mapping[str, str]) -> dict[str, str]:
    """The settings among *values* of a form, by their own names."""
    return {
        name.removeprefix("setting."): value
        for name, value in values.items()
        if name.startswith("setting.")
    }


def url(path: str, query: Mapping[str, Any] | None = None, /, **more: Any) -> str:
    """*path* with *query* and *more* over it; what is empty is left out."""
    given = {**(query or {}), **more}
    pairs: Sequence[tuple[str, Any]] = [(n, v) for n, v in given.items() if v not in (None, "")]
    return f"{path}?{urlencode(pairs)}" if pairs else path
