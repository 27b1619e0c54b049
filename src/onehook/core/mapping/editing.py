"""Changes to a YAML text that leave the rest of it as it was: comments, layout, quotes.

A change is a stretch of the text and what stands there instead. Where each value begins and ends
is YAML's to say, except the end of a block: that is where its last value ends, not where the next
thing begins, or the comments between them would be lost.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.source import LOADER, resolve

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@/+$-]|:(?=[A-Za-z0-9_/])| (?=[A-Za-z0-9_(]))*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a value stands: characters *start* to *end*, lines and columns from 0."""

    start: int
    end: int
    line: int
    column: int
    end_line: int
    style: str | None  # of a scalar: its quotes, or what begins its block
    flow: bool  # of a list or map: in brackets or braces
    is_list: bool
    text: str  # of a scalar
    parts: "tuple[tuple[Stretch, Stretch], ...]"  # key and value; of a list the item, twice

    def get(self, key: str) -> "tuple[Stretch, Stretch] | None":
        """The entry *key* of a map."""
        return next((part for part in self.parts if part[0].text == key), None)


@dataclass(frozen=True, slots=True)
class _Edit:
    """What stands from *start* to *end* becomes *text*."""

    start: int
    end: int
    text: str


class Editor:
    """Collects changes to *text*; :meth:`result` is the text with all of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[_Edit] = []

    def root(self) -> Stretch:
        """The document; *text* has been read as a mapping before, so that it is a small tree."""
        return _stretch(yaml.compose(self.text, Loader=LOADER), self.text)

    def result(self) -> str:
        """The text with the changes; no two of them may overlap."""
        text = self.text
        # From the end, so that places hold. At one place what goes is taken out first, and what
        # was added last comes in first: it ends up behind what was added before it.
        places = [(edit.start, edit.end, at) for at, edit in enumerate(self._edits)]
        for start, end, at in sorted(places, reverse=True):
            text = text[:start] + self._edits[at].text + text[end:]
        return text

    def _edit(self, start: int, end: int, text: str) -> None:
        self._edits.append(_Edit(start, end, text))

    def replace(self, old: Stretch, value: JsonValue, key: Stretch | None = None) -> None:
        """Write *value* where *old* stands; *key* is that of a map's entry."""
        written = _in_quotes_of(old, value)
        if key is None or old.line == key.end_line:
            self._edit(old.start, old.end, written)
            return
        # A block below its key: the value goes beside the key, before a comment there.
        colon = self.text.index(":", key.end) + 1
        self._edit(colon, colon, f" {written}")
        rest = self.text[old.end : self._line_end(old.end)].lstrip()
        end = old.end if rest and not rest.startswith("#") else self._line_end(old.end)
        self._edit(self._line_end(colon), end, "")

    def remove(self, holder: Stretch, unwanted: Sequence[int]) -> None:
        """Take the items or entries *unwanted* out of the list or map *holder*."""
        kept = [at for at in range(len(holder.parts)) if at not in unwanted]
        if not kept:
            empty: JsonValue = [] if holder.is_list else {}
            self._edit(holder.start, holder.end, render(empty))
            return
        for at in unwanted:
            self._edit(*self._reach(holder, at, last=at > kept[-1]), "")

    def _reach(self, holder: Stretch, at: int, *, last: bool) -> tuple[int, int]:
        """What goes with part *at*: its comma, or its lines."""
        first, value = holder.parts[at]
        if holder.flow:
            if last:
                return holder.parts[at - 1][1].end, value.end
            return first.start, holder.parts[at + 1][0].start
        begin = self._begin(holder, at)
        line = self.text.rfind("\n", 0, begin) + 1
        if self.text[line:begin].strip():  # the first entry of an item, beside its dash
            return begin, self._begin(holder, at + 1)
        return line, self._line_end(value.end) + len(self._newline)

    def append(self, holder: Stretch, entries: Sequence[tuple[str | None, JsonValue]]) -> None:
        """Add *entries* to the list or map *holder*: values, with their keys if it is a map."""
        texts = [
            render(value) if key is None else f"{render(key)}: {render(value)}"
            for key, value in entries
        ]
        if not holder.parts:
            begin, end = "[]" if holder.is_list else "{}"
            self._edit(holder.start, holder.end, f"{begin}{', '.join(texts)}{end}")
        elif holder.flow:
            end_of_last = holder.parts[-1][1].end
            self._edit(end_of_last, end_of_last, "".join(f", {text}" for text in texts))
        else:
            begin_of_first = self._begin(holder, 0)
            margin = " " * (begin_of_first - self.text.rfind("\n", 0, begin_of_first) - 1)
            dash = "- " if holder.is_list else ""
            line_end = self._line_end(holder.end)
            added = "".join(f"{self._newline}{margin}{dash}{text}" for text in texts)
            self._edit(line_end, line_end, added)

    def _begin(self, holder: Stretch, at: int) -> int:
        """Where part *at* of a block begins: its dash, or its key."""
        start = holder.parts[at][0].start
        return self.text.rindex("-", 0, start) if holder.is_list else start

    def _line_end(self, at: int) -> int:
        found = self.text.find(self._newline, at)
        return len(self.text) if found < 0 else found


def _stretch(node: Any, text: str) -> Stretch:
    """Where *node*, which PyYAML composed, stands in *text*."""
    parts = tuple(_parts(node, text))
    flow = bool(parts) and bool(node.flow_style)
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    return Stretch(
        start,
        parts[-1][1].end if parts and not flow else start + len(text[start:end].rstrip()),
        int(node.start_mark.line),
        int(node.start_mark.column),
        int(node.end_mark.line),
        node.style if isinstance(node, yaml.ScalarNode) else None,
        flow,
        isinstance(node, yaml.SequenceNode),
        str(node.value) if isinstance(node, yaml.ScalarNode) else "",
        parts,
    )


def _parts(node: Any, text: str) -> Iterator[tuple[Stretch, Stretch]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield _stretch(key, text), _stretch(value, text)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            stretch = _stretch(item, text)
            yield stretch, stretch


def _in_quotes_of(old: Stretch, value: JsonValue) -> str:
    """*value* as YAML, a text in the quotes that *old* had."""
    if isinstance(value, str) and old.style == '"':
        return _quoted(value)
    if isinstance(value, str) and old.style == "'" and value.isprintable():
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    return render(value)


def render(value: JsonValue) -> str:
    """*value* as YAML in one line; text without quotes where that is safe, also inside braces."""
    match value:
        case str():
            plain = _PLAIN.fullmatch(value) is not None and resolve(value) == value
            return value if plain else _quoted(value)
        case list():
            return f"[{', '.join(map(render, value))}]"
        case dict():
            entries = (f"{render(name)}: {render(below)}" for name, below in value.items())
            return f"{{{', '.join(entries)}}}"
        case _:
            return encode(value).decode()


def _quoted(text: str) -> str:
    """*text* in double quotes. Source: YAML 1.2.2 §5.1, what may not stand in a file as it is."""
    in_json = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", in_json)
