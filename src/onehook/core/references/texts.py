"""Which texts of an event are searched, and which field a place in them belongs to."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from onehook.core.jsontext import JsonValue
from onehook.core.references.targets import BRANCH, COMMIT, TEXT, TITLE
from onehook.core.schema.base import MAX_TEXT, Model, fields_of
from onehook.core.schema.ci import Build, Deployment
from onehook.core.schema.events import EVENT_TYPES
from onehook.core.schema.scm import Branch, PullRequest, Push
from onehook.core.schema.security import Alert, Scan

MAX_SEARCHED = 256 * 1024  # characters of an event's texts: more than it may hold as a whole
Text = tuple[str, int, str]  # field, certainty of a key in it, text

_PLACES = {
    "title": TITLE,
    "description": TEXT,
    "body": TEXT,
    "resolution_note": TEXT,
    "message": COMMIT,
}
# Fields that may link to something else. The url of other models is the thing's own page.
_LINKS: dict[type[Model], tuple[str, ...]] = {
    Build: ("url",),
    Deployment: ("url", "environment_url"),
    Scan: ("url",),
    Alert: ("url",),
}
_SILENT = ("identity.", "integration.")  # a person's title is no title of a thing


@dataclass(frozen=True, slots=True)
class Plan:
    """Which fields of a model are searched."""

    places: tuple[tuple[str, int], ...]
    names: tuple[str, ...]  # of a branch
    links: tuple[str, ...]
    pull_request: bool
    push: bool

    def texts(self, data: Mapping[str, JsonValue]) -> list[Text]:
        """The texts of an event."""
        if self.push:
            return list(_commits(data))
        found: list[Text] = []
        for name, points in self.places:
            text = data.get(name)
            if isinstance(text, str) and text:
                found.append((name, points, text))
        return found

    def branches(self, data: Mapping[str, JsonValue]) -> list[Text]:
        """The names of branches, in which keys may stand in lower case."""
        found: list[Text] = [
            (name, BRANCH, branch)
            for name in self.names
            if isinstance(branch := data.get(name), str) and branch
        ]
        if self.pull_request:
            for side in ("source", "target"):
                end = data.get(side)
                if isinstance(end, dict) and isinstance(branch := end.get("branch"), str):
                    found.append((f"{side}.branch", BRANCH, branch))
        return found


def _commits(data: Mapping[str, JsonValue]) -> Iterator[Text]:
    """The messages of a push. Its own is the head's and a title the first line: each text once.

    Else a key would be found in two fields, and pass for surer, because it was copied.
    """
    seen: set[str] = set()
    commits = data.get("commits")
    holders = commits if isinstance(commits, list) else []
    for prefix, holder in (*(("commits.", commit) for commit in holders), ("", data)):
        if not isinstance(holder, dict):
            continue
        for name in ("message", "title"):
            text = holder.get(name)
            if isinstance(text, str) and text not in seen:
                seen |= {text, text.strip().partition("\n")[0].rstrip()}
                yield f"{prefix}{name}", COMMIT, text


def _plan(model: type[Model]) -> Plan:
    names = fields_of(model)
    return Plan(
        tuple((name, points) for name, points in _PLACES.items() if name in names),
        ("name",) if model is Branch else ("branch",) if "branch" in names else (),
        _LINKS.get(model, ()),
        model is PullRequest,
        model is Push,
    )


PLANS: Mapping[str, Plan] = {
    type_: _plan(model) for type_, model in EVENT_TYPES.items() if not type_.startswith(_SILENT)
}


class Joined:
    """Texts joined into one, a line each, so that one scan searches them all.

    The names of branches come last, from *branches* on.
    """

    __slots__ = ("_kept", "_starts", "_texts", "branches", "text")

    def __init__(self, texts: list[Text], branches: list[Text]) -> None:
        self._texts = texts + branches
        kept = [text if len(text) <= MAX_TEXT else text[:MAX_TEXT] for _, _, text in self._texts]
        self.text = "\n".join(kept)
        if len(self.text) > MAX_SEARCHED:
            kept = list(_up_to(MAX_SEARCHED, kept))
            self.text = "\n".join(kept)
        self._kept = kept
        self._starts: list[int] = []  # most texts name nothing: made when it is asked for
        self.branches = len(self.text)
        if branches:
            before = kept[: len(texts)]  # each with its line's end
            self.branches = min(self.branches, sum(map(len, before)) + len(before))

    def folded(self, text: str) -> str:
        """*text*, as long as ours, with the names of branches in upper case.

        A key may stand there as ``pay-311``.
        """
        if self.branches >= len(text):
            return text
        return text[: self.branches] + _upper(text[self.branches :])

    def at(self, position: int) -> tuple[str, int]:
        """The field's name, and how certain a key in it is."""
        if not self._starts:
            self._starts = [0, *accumulate([len(text) + 1 for text in self._kept[:-1]])]
        name, points, _ = self._texts[bisect_right(self._starts, position) - 1]
        return name, points


def _up_to(most: int, texts: Sequence[str]) -> Iterator[str]:
    """Those of *texts* that begin within *most* characters, a line each."""
    size = 0
    for text in texts:
        if size > most:
            return
        yield text
        size += len(text) + 1


def _upper(text: str) -> str:
    """*text* with a to z in upper case, as long as before: other letters may become two."""
    if text.isascii():
        return text.upper()
    return "".join([c.upper() if c.isascii() else c for c in text])
