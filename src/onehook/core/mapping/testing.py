"""Runs the tests that stand inside a mapping file."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from onehook.core import identity
from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.coerce import key_text
from onehook.core.mapping.context import Context
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import (
    Emitted,
    Identity,
    Ignored,
    Outcome,
    Quarantined,
    dedupe_parts,
    make_context,
    matching,
    normalize,
)
from onehook.core.mapping.paths import MISSING, Path
from onehook.core.mapping.samples import Row, Sample
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook

RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAX_BODY = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended; ``problems`` is empty if it passed."""

    sample: Sample
    outcome: Outcome
    problems: tuple[str, ...]
    hits: frozenset[tuple[str, str]] = frozenset()  # table rows used: table, key
    items: tuple[tuple[int, str | None], ...] = ()  # of each event: what it is an event of


def run(mapping: CompiledMapping, sample: Sample) -> Result:
    """Normalize *sample* and compare with what it expects."""
    hits: set[tuple[str, str]] = set()
    context = _context(mapping, sample)
    if isinstance(context, Quarantined):
        return Result(sample, context, tuple(compare(sample, context)))
    context.hits = hits
    outcome = _outcome(mapping, sample, context)
    problems = compare(sample, outcome) if sample.expect is not None else []
    if sample.row is not None:
        problems += _row_problems(sample.row, outcome, hits)
    matches = matching(mapping.branch, context)
    items = tuple((id(match.item), match.key) for match in matches)
    return Result(sample, outcome, tuple(problems), frozenset(hits), items)


def normalize_sample(mapping: CompiledMapping, sample: Sample) -> Outcome:
    """What the gateway would make of *sample*, its signature taken as good."""
    context = _context(mapping, sample)
    if isinstance(context, Quarantined):
        return context
    return _outcome(mapping, sample, context)


def _context(mapping: CompiledMapping, sample: Sample) -> Context | Quarantined:
    webhook, info = _webhook(sample), _integration(mapping, sample)
    try:
        body = parse_body(webhook, MAX_BODY, mapping.read)
    except BodyError as error:
        return Quarantined(error.reason, error.detail)
    return make_context(mapping, webhook, info, body)


def _outcome(mapping: CompiledMapping, sample: Sample, context: Context) -> Outcome:
    digest = identity.digest(sample.body)
    known = Identity(dedupe_parts(mapping, digest, context), digest)
    return normalize(mapping, _webhook(sample), _integration(mapping, sample), context, known)


def _webhook(sample: Sample) -> Webhook:
    return Webhook(Headers(sample.headers), sample.body, RECEIVED_AT)


def _integration(mapping: CompiledMapping, sample: Sample) -> IntegrationInfo:
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    settings = {**defaults, **sample.settings}
    return IntegrationInfo(IntegrationId("int_test"), mapping.platform, "test", settings)


def _row_problems(row: Row, outcome: Outcome, hits: Collection[tuple[str, str]]) -> list[str]:
    """What is wrong with *outcome* as that of a row: not used, not where it belongs, not alone."""
    if not isinstance(outcome, Emitted):
        word = outcome.reason if isinstance(outcome, Ignored) else outcome.detail
        return [f"expected an event, got none: {word}"]
    problems: list[str] = []
    if (row.table, row.key) not in hits:
        problems.append(f"the row {row.key!r} of {row.table} was not looked up")
    if row.field is not None:
        problems += _field_problems(row, row.field, outcome)
    return problems + [f"unmapped: {name} = {value!r}" for name, value in outcome.unmapped]


def _field_problems(row: Row, field: Path, outcome: Emitted) -> list[str]:
    """Where an event has another value in *field* than *row*, or none has that field."""
    events: list[JsonValue] = [dict(event.envelope) for event in outcome.events]
    found = [value for event in events if (value := field.lookup(event)) is not MISSING]
    if not found:
        return [f"no event has {field.text}"]
    return [
        f"{field.text}: expected {encode(row.value).decode()}, got {encode(value).decode()}"
        for value in found
        if not _is_row(row, value)
    ]


def _is_row(row: Row, value: object) -> bool:
    """Whether *value* is the row's; whole numbers are text in text fields."""
    if isinstance(value, list):  # of a path that may find several
        return value == [row.value]
    same = value == row.value and isinstance(value, bool) == isinstance(row.value, bool)
    return same or (isinstance(value, str) and value == key_text(row.value))


def compare(sample: Sample, outcome: Outcome) -> list[str]:
    """What differs between *outcome* and what *sample* expects, a line each."""
    match outcome:
        case Ignored(reason=reason):
            return _compare_word(sample.expect, "ignored", reason)
        case Quarantined(reason=reason, detail=detail):
            problems = _compare_word(sample.expect, "quarantined", reason)
            return [f"{problem}: {detail}" for problem in problems]
        case Emitted(events=events):
            if not isinstance(sample.expect, list):
                types = ", ".join(event.type for event in events)
                return [f"expected {_shown(sample.expect)}, got events {types}"]
            if len(sample.expect) != len(events):
                types = ", ".join(event.type for event in events)
                return [f"expected {len(sample.expect)} events, got {len(events)}: {types}"]
            found: list[str] = []
            for at, (wanted, event) in enumerate(zip(sample.expect, events, strict=True)):
                found += differences(wanted, dict(event.envelope), f"/{at}", exact=sample.exact)
            return found


def _compare_word(expect: JsonValue, word: str, reason: str) -> list[str]:
    if expect in (word, {word: reason}):
        return []
    return [f"expected {_shown(expect)}, got {word} ({reason})"]


def _shown(expect: JsonValue) -> str:
    if isinstance(expect, list):
        return f"{len(expect)} events"
    return encode(expect).decode()


def differences(wanted: JsonValue, found: JsonValue, at: str, *, exact: bool) -> list[str]:
    """Where *found* is not as *wanted*; without *exact*, members that are not named may be there.

    *at* is the pointer to both, and begins each sentence.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        problems: list[str] = []
        for key, value in wanted.items():
            if key not in found:
                problems.append(f"{at}/{key}: there is no such field")
            else:
                problems += differences(value, found[key], f"{at}/{key}", exact=exact)
        if exact:
            problems += [f"{at}/{key}: not expected" for key in found if key not in wanted]
        return problems
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return [f"{at}: expected {len(wanted)} items, got {encode(found).decode()}"]
        pairs = enumerate(zip(wanted, found, strict=True))
        return [p for i, (w, f) in pairs for p in differences(w, f, f"{at}/{i}", exact=exact)]
    if wanted == found and isinstance(wanted, bool) == isinstance(found, bool):
        return []
    return [f"{at}: expected {encode(wanted).decode()}, got {encode(found).decode()}"]
