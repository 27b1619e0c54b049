"""``--accept``: what a mapping's tests gave, written into the file as what they expect."""

from collections.abc import Mapping, Sequence

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.editing import Editor, Stretch
from onehook.core.mapping.normalize import Emitted, Ignored, Outcome
from onehook.core.mapping.problems import Source
from onehook.core.mapping.testing import Result


def accepted(source: Source, results: Sequence[Result]) -> str:
    """The text of *source* with the outcomes of the failing *results* as their expectations.

    Only what differs is written; tests of table rows are left alone: it is their table that says
    what they expect.
    """
    editor = Editor(source.text)
    tests = _tests(editor.root())
    for result in results:
        sample, place = result.sample, result.sample.place
        test = tests.get((place.line, place.column))
        entry = None if test is None else test.get("expect")
        if entry is not None and result.problems and sample.row is None:
            found = _found(result.outcome, sample.expect)
            acceptance = _Acceptance(editor, exact=sample.exact)
            acceptance.entry(*entry, sample.expect, found)
    return editor.result()


def _tests(root: Stretch) -> Mapping[tuple[int, int], Stretch]:
    """The tests of the document, by line and column."""
    entry = root.get("tests")
    return {(t.line, t.column): t for t, _ in (entry[1].parts if entry else ())}


def _found(outcome: Outcome, wanted: JsonValue) -> JsonValue:
    """*outcome* in the words of an expectation; as tersely as *wanted* has it."""
    match outcome:
        case Emitted(events=events):
            return [dict(event.envelope) for event in events]
        case Ignored(reason=reason):
            word = "ignored"
        case _:
            word, reason = "quarantined", outcome.reason
    return word if isinstance(wanted, str) else {word: reason}


class _Acceptance:
    """Walks one expectation beside what came, and edits it where they differ."""

    def __init__(self, editor: Editor, *, exact: bool) -> None:
        self.editor, self.exact = editor, exact

    def entry(
        self, key: Stretch | None, node: Stretch, wanted: JsonValue, found: JsonValue
    ) -> None:
        """Edit *node*, which says *wanted*, so that it says *found*."""
        if isinstance(wanted, dict) and isinstance(found, dict) and _shares(wanted, found):
            self._map(node, wanted, found)
        elif isinstance(wanted, list) and isinstance(found, list) and wanted and found:
            self._list(node, wanted, found)
        elif wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
            self.editor.replace(node, self._shown(found), key)

    def _map(
        self, node: Stretch, wanted: dict[str, JsonValue], found: dict[str, JsonValue]
    ) -> None:
        gone: list[int] = []
        for at, (key, value) in enumerate(node.parts):
            name = key.text
            if name in found:
                self.entry(key, value, wanted[name], found[name])
            else:
                gone.append(at)
        if gone:
            self.editor.remove(node, gone)
        new = [(name, value) for name, value in found.items() if name not in wanted]
        if self.exact and new:
            self.editor.append(node, new)

    def _list(self, node: Stretch, wanted: list[JsonValue], found: list[JsonValue]) -> None:
        for (item, _), before, now in zip(node.parts, wanted, found, strict=False):
            self.entry(None, item, before, now)
        if len(wanted) > len(found):
            self.editor.remove(node, range(len(found), len(wanted)))
        elif len(found) > len(wanted):
            new = [(None, self._shown(value)) for value in found[len(wanted) :]]
            self.editor.append(node, new)

    def _shown(self, found: JsonValue) -> JsonValue:
        """*found* as a test would say it: of an event its type and urn, of others what is there."""
        if self.exact:
            return found
        if isinstance(found, list):
            return [self._shown(item) for item in found]
        if not isinstance(found, dict):
            return found
        data = found.get("data")
        if "schema_version" in found and isinstance(data, dict):
            return {"type": found["type"], "data": {"urn": data["urn"]}}
        return {name: self._shown(v) for name, v in found.items() if v not in (None, [], {})}


def _shares(wanted: Mapping[str, JsonValue], found: Mapping[str, JsonValue]) -> bool:
    """Whether any field of the one is one of the other; else they are different things."""
    return not wanted or any(name in found for name in wanted)
