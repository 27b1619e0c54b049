"""``onehook mapping``: test mapping files, and ask why an event is as it is."""

import json
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from onehook.cli.output import fail, out
from onehook.core import identity
from onehook.core.bodies import BodyError, parse_body
from onehook.core.jsontext import encode
from onehook.core.mapping.explain import EventTrace, RuleTrace, trace_events, trace_rules
from onehook.core.mapping.lint import strict_problems
from onehook.core.mapping.normalize import (
    Emitted,
    Identity,
    Ignored,
    Outcome,
    dedupe_parts,
    make_context,
    normalize,
)
from onehook.core.mapping.problems import MappingError
from onehook.core.mapping.samples import SampleError, samples
from onehook.core.mapping.testing import RECEIVED_AT, run
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.errors import SettingsError
from onehook.mappings import MAX_SAMPLE, MappingFile, read_file, shipped_folder

app = App(name="mapping", help="Test mapping files, and ask why an event is as it is.")


@app.command
def test(*files: Path, strict: bool = False) -> int:  # noqa: PT028 a command, not a test
    """Run the tests that stand inside mapping files (the shipped ones if none is named).

    Exit codes: 0 all passed, 1 a test failed, 78 a file cannot be used.

    Args:
        files: mapping files.
        strict: also want every rule and every table row hit by a test; warnings count as errors.
    """
    chosen = files or tuple(sorted(shipped_folder().glob("*.yaml")))
    if not chosen:
        fail("there is no mapping file to test")
        return 78
    loaded: list[MappingFile] = []
    broken = 0
    for path in chosen:
        try:
            loaded.append(read_file(path))
        except (MappingError, SettingsError) as error:
            fail(str(error))
            broken += 1
    failed = sum(_run(file, strict=strict) for file in loaded)
    if broken:
        return 78
    return 1 if failed else 0


def _run(file: MappingFile, *, strict: bool) -> int:
    """Run one file's tests and print them; how many things are wrong."""
    try:
        found = samples(file.mapping, file.load_sample)
    except SampleError as error:
        fail(str(error))
        return 1
    results = [run(file.mapping, sample) for sample in found]
    bad = [result for result in results if result.problems]
    warnings = list(file.mapping.warnings)
    if strict:
        warnings += strict_problems(file.mapping, results)
    for warning in warnings:
        out.print(str(warning), markup=False)
    for result in bad:
        out.print(f"{result.sample.place}: {result.sample.name}", markup=False)
        for problem in result.problems:
            out.print(f"    {problem}", markup=False)
    wanting = f", {len(warnings)} wanting" if strict else ""
    passed = len(results) - len(bad)
    out.print(f"{file.mapping.platform}: {passed} passed, {len(bad)} failed{wanting}", markup=False)
    return len(bad) + (len(warnings) if strict else 0)


@app.command
def explain(
    file: Path, *, body: Path, headers: Path | None = None, setting: tuple[str, ...] = ()
) -> int:
    """Show which rule took a webhook, which line made each field, and what was missing.

    Exit codes: 0 it became events or was ignored, 1 it would be quarantined.

    Args:
        file: the mapping.
        body: file of the webhook's body.
        headers: file of its headers: a JSON object, or lines ``Name: value``.
        setting: settings of the integration, ``name=value``.

    Raises:
        SettingsError: a file cannot be read.
    """
    mapping = read_file(file).mapping
    defaults = {n: s.default for n, s in mapping.settings.items() if s.default is not None}
    settings = {**defaults, **dict(text.split("=", 1) for text in setting if "=" in text)}
    try:
        raw = body.read_bytes()
        given = _headers(headers.read_text("utf-8")) if headers is not None else []
    except (OSError, ValueError) as error:
        msg = f"cannot read the webhook: {error}"
        raise SettingsError(msg) from None
    webhook = Webhook(Headers([("content-type", "application/json"), *given]), raw, RECEIVED_AT)
    info = IntegrationInfo(IntegrationId("int_explain"), mapping.platform, "explain", settings)
    try:
        parsed = parse_body(webhook, MAX_SAMPLE)
    except BodyError as error:
        fail(f"{body}: {error.reason}: {error.detail}")
        return 1
    context = make_context(mapping, webhook, info, parsed)
    _show_rules(trace_rules(mapping, context))
    digest = identity.digest(raw)
    known = Identity(dedupe_parts(mapping, digest, context), digest)
    outcome = normalize(mapping, webhook, info, context, known)
    _show(outcome)
    for trace in trace_events(mapping, outcome):
        _show_event(trace)
    return 0 if isinstance(outcome, Emitted | Ignored) else 1


def _headers(text: str) -> list[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        return [(str(name), str(value)) for name, value in json.loads(text).items()]
    lines = [line.partition(":") for line in text.splitlines() if ":" in line]
    return [(name.strip(), value.strip()) for name, _, value in lines]


def _show_rules(traces: Sequence[RuleTrace]) -> None:
    for trace in traces:
        mark = "matched" if trace.matched else "-"
        where = trace.place or ""
        out.print(f"{mark:8} {trace.id:32} {trace.emits or 'group':36} {where}", markup=False)


def _show_event(trace: EventTrace) -> None:
    out.print(f"\n{trace.event.type} by rule {trace.rule.id} ({trace.rule.place})", markup=False)
    for origin in trace.origins:
        value = encode(origin.value).decode()
        shown = value if len(value) <= 60 else value[:60] + "…"
        note = f"  ({origin.note})" if origin.note else ""
        line = f"  {origin.pointer:34} {shown:40} {origin.place}  {origin.source}{note}"
        out.print(line, markup=False)


def _show(outcome: Outcome) -> None:
    match outcome:
        case Emitted(events=events, unmapped=unmapped, misfits=misfits):
            out.print(f"\n{len(events)} events", markup=False)
            for field, value in unmapped:
                out.print(f"unmapped: {field} = {value!r}", markup=False)
            for field in misfits:
                out.print(f"does not fit: {field}", markup=False)
        case Ignored(reason=reason):
            out.print(f"\nignored: {reason}", markup=False)
        case _:
            out.print(f"\nquarantined: {outcome.reason}: {outcome.detail}", markup=False)
