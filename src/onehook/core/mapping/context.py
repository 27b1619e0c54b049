"""What one normalization carries along: the webhook's parts, and what was odd on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from onehook.core.jsontext import JsonValue
from onehook.core.model import Headers

# The data of an event, with its native references, and its type -> all its references.
FindReferences = Callable[[Mapping[str, JsonValue], str], Sequence[JsonValue]]


class MissingField(Exception):  # noqa: N818 a signal inside this package, never seen outside
    """A required field came out null; ``pointer`` grows on the way up."""

    def __init__(self, pointer: str) -> None:
        super().__init__(pointer)
        self.pointer = pointer


@dataclass(slots=True)
class Context:
    """One webhook being normalized."""

    body: JsonValue
    headers: Headers
    settings: Mapping[str, str]
    platform: str
    host: str  # of urns; the integration's id where the mapping finds none
    fold: str  # "lower", "upper" or "keep": how the platform treats case in urns
    event_name: JsonValue = None  # the vendor's own name of the event
    unmapped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # field, value
    misfits: list[str] = field(default_factory=list[str])  # optional fields of a wrong type
    references: FindReferences | None = None  # who finds what the texts of an event talk about
    oversize: bool = False  # some text or list is beyond the limits of `schema.md` §2 rule 10
    hits: set[tuple[str, str]] | None = None  # table rows used, where a test asks for them
    named: dict[tuple[str, int], tuple[JsonValue, JsonValue]] = field(
        default_factory=dict[tuple[str, int], tuple[JsonValue, JsonValue]]
    )  # by name and id() of an object: that object, and what ``let`` calls so of it
    _variables: dict[str, object] | None = None

    def variables(self, item: JsonValue) -> Mapping[str, object]:
        """What a template may name."""
        if self._variables is None:
            self._variables = {
                "body": self.body,
                "headers": self.headers.first_values(),
                "settings": self.settings,
            }
        return {**self._variables, "item": item}

    def urn(self, entity: str, parts: list[str]) -> str:
        """``oh:<platform>:<host>:<entity>:<path>`` (`schema.md` §2 rule 7)."""
        path = "/".join(parts)
        if self.fold == "lower":
            path = path.lower()
        elif self.fold == "upper":
            path = path.upper()
        path = quote(path, safe="/!~*'()", errors="replace")
        return f"oh:{self.platform}:{quote(self.host, safe='')}:{entity}:{path}"
