"""Runs the tests that stand inside a mapping file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from onehook.core import identity
from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import JsonValue, encode
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.normalize import (
    Emitted,
    Identity,
    Ignored,
    Outcome,
    Quarantined,
    dedupe_parts,
    make_context,
    normalize,
)
from onehook.core.mapping.problems import Place, Problem
from onehook.core.mapping.source import Map, Scalar, plain
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.core.schema.events import EVENT_TYPES

RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LoadBody = Callable[[str], bytes]  # body_file, relative to the mapping -> its bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """One test's webhook: what a vendor would send."""

    name: str
    place: Place
    headers: tuple[tuple[str, str], ...]
    body: bytes
    settings: Mapping[str, str]
    expect: JsonValue
    exact: bool


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended; ``problems`` is empty if it passed."""

    sample: Sample
    outcome: Outcome
    problems: tuple[str, ...]
    hits: frozenset[tuple[str, str]] = frozenset()  # table rows used: table, key


class SampleError(ValueError):
    """A test cannot be read; ``place`` says where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")


def samples(mapping: CompiledMapping, load: LoadBody) -> list[Sample]:
    """The tests of *mapping* as webhooks.

    Raises:
        SampleError: a test without name or expectation, or whose file cannot be read.
    """
    return [_sample(node, load) for node in mapping.tests]


def _sample(node: Map, load: LoadBody) -> Sample:
    unknown = set(node.items) - {
        "name",
        "headers",
        "body",
        "body_file",
        "body_text",
        "settings",
        "expect",
        "exact",
    }
    if unknown:
        raise SampleError(node.place, f"a test has no {', '.join(sorted(unknown))}")
    if "name" not in node.items or "expect" not in node.items:
        raise SampleError(node.place, "a test needs name: and expect:")
    values = plain(node)
    fields = values if isinstance(values, dict) else {}
    headers = {k.lower(): v for k, v in _texts(fields.get("headers")).items()}
    return Sample(
        str(fields["name"]),
        node.place,
        tuple({"content-type": "application/json", **headers}.items()),
        _body(node, fields, load),
        _texts(fields.get("settings")),
        fields["expect"],
        fields.get("exact") is True,
    )


def _texts(value: JsonValue) -> dict[str, str]:
    return {k: str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _body(node: Map, fields: Mapping[str, JsonValue], load: LoadBody) -> bytes:
    if "body_text" in fields:
        return str(fields["body_text"]).encode()
    file = node.get("body_file")
    if file is None:
        return encode(fields["body"]) if "body" in fields else b""
    if not isinstance(file, Scalar) or not isinstance(file.value, str):
        raise SampleError(file.place, "body_file: is a file name")
    try:
        return load(file.value)
    except (OSError, ValueError) as error:
        raise SampleError(file.place, f"{file.value}: {error}") from None


def run(mapping: CompiledMapping, sample: Sample) -> Result:
    """Normalize *sample* and compare with what it expects."""
    hits: set[tuple[str, str]] = set()
    outcome = normalize_sample(mapping, sample, hits)
    return Result(sample, outcome, tuple(compare(sample, outcome)), frozenset(hits))


def strict_problems(mapping: CompiledMapping, results: Sequence[Result]) -> list[Problem]:
    """What ``--strict`` asks for beside passing: every rule and every table row hit by a test.

    Also two events of one test about the same thing, of the same model: rules that overlap.
    """
    events = [(r, e) for r in results if isinstance(r.outcome, Emitted) for e in r.outcome.events]
    ruled = {event.rule for _, event in events}
    problems = [
        Problem("W201", rule.place, f"no test reaches the rule {rule.id!r}")
        for rule in mapping.leaves()
        if rule.id not in ruled
    ]
    hits = {(name, key.lower()) for result in results for name, key in result.hits}
    for table in mapping.tables.values():
        for key in table.rows:
            if (table.name, key.lower()) not in hits:
                message = f"no test uses the row {key!r} of the table {table.name!r}"
                problems.append(Problem("W202", table.node.keys[key], message))
    seen: set[tuple[str, str, str]] = set()
    for result, event in events:
        what = (result.sample.name, str(event.data["urn"]), EVENT_TYPES[event.type].__name__)
        if what in seen:
            message = f"the test {result.sample.name!r} gives two events about {what[1]}"
            problems.append(Problem("W206", result.sample.place, message))
        seen.add(what)
    return problems


def normalize_sample(
    mapping: CompiledMapping, sample: Sample, hits: set[tuple[str, str]] | None = None
) -> Outcome:
    """What the gateway would make of *sample*, its signature taken as good."""
    webhook = Webhook(Headers(sample.headers), sample.body, RECEIVED_AT)
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    info = IntegrationInfo(
        IntegrationId("int_test"), mapping.platform, "test", {**defaults, **sample.settings}
    )
    try:
        body = parse_body(webhook, 32 * 1024 * 1024, mapping.read)
    except BodyError as error:
        return Quarantined(error.reason, error.detail)
    context = make_context(mapping, webhook, info, body)
    context.hits = hits
    digest = identity.digest(webhook.body)
    known = Identity(dedupe_parts(mapping, digest, context), digest)
    return normalize(mapping, webhook, info, context, known)


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
