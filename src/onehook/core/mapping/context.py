"""What one normalization carries along: the webhook's parts, and what was odd on the way."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import no_member
from onehook.core.mapping.quoting import quoted
from onehook.core.model import Headers

# What quote() would not leave as it is: quoting only that costs a tenth of quoting all.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.~/!*'()-]+")
_SAFE_HOST = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch

# The data of an event, with its native references, and its type -> all its references.
FindReferences = Callable[[Mapping[str, JsonValue], str], list[JsonValue]]


class MissingField(Exception):  # noqa: N818 a signal inside this package, never seen outside
    """A required field came out null; ``pointer`` grows on the way up."""

    def __init__(self, pointer: str) -> None:
        super().__init__(pointer)
        self.pointer = pointer


def located(missing: MissingField, at: str | int) -> None:
    """Say that *at* is where the object stands that lacks something.

    Raises:
        MissingField: always.
    """
    missing.pointer = f"/{at}{missing.pointer}"
    raise missing


def _quoted(unsafe: re.Match[str]) -> str:
    return quoted(unsafe[0], "replace")


class Context:
    """One webhook being normalized.

    *host* is that of urns, the integration's id where the mapping finds none; *fold* how the
    platform treats case in them: "lower", "upper" or "keep".
    """

    def __init__(
        self,
        body: JsonValue,
        headers: Headers,
        settings: Mapping[str, str],
        platform: str,
        host: str,
        fold: str,
    ) -> None:
        self.body, self.headers, self.settings = body, headers, settings
        self.platform, self.host, self.fold = platform, host, fold
        self.event_name: JsonValue = None  # the vendor's own name of the event
        self.unmapped: list[tuple[str, str]] = []  # field, value
        self.misfits: list[str] = []  # optional fields of a wrong type
        self.references: FindReferences | None = None  # finds what an event's texts talk about
        self.before_each: Callable[[], None] | None = None  # for each event; may raise to stop
        self.oversize = False  # some list is beyond the limits of `schema.md` §2 rule 10
        self.hits: set[tuple[str, str]] | None = None  # table rows used, where a test asks
        self.urn_head = ""  # what all urns begin with; made when it is first needed
        # By name and id() of an object: that object, and what ``let`` calls so of it.
        self.named: dict[tuple[str, int], tuple[JsonValue, JsonValue]] = {}
        # Gives a member of the body, as dict.get does.
        self.member: Callable[..., Any] = body.get if type(body) is dict else no_member

    def urn(self, entity: str, path: str) -> str:
        """``oh:<platform>:<host>:<entity>:<path>`` (`schema.md` §2 rule 7)."""
        fold, head = self.fold, self.urn_head
        if fold == "lower":
            path = path.lower()
        elif fold == "upper":
            path = path.upper()
        # Ids are letters and digits: to see that takes a third of looking for what is unsafe.
        if not (path.isalnum() and path.isascii()) and _UNSAFE.search(path) is not None:
            path = _UNSAFE.sub(_quoted, path)
        if not head:
            host = self.host if _SAFE_HOST(self.host) else quoted(self.host)
            head = self.urn_head = f"oh:{self.platform}:{host}:"
        return f"{head}{entity}:{path}"
