"""``onehook mapping``: test mapping files, and ask why an event is as it is."""

import json
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

from cyclopts import App

from onehook.cli.output import fail, out
from onehook.core.jsontext import encode
from onehook.core.mapping.accepting import accepted
from onehook.core.mapping.explain import EventTrace, RuleTrace
from onehook.core.mapping.explain import explain as explain_webhook
from onehook.core.mapping.jsonschema import mapping_schema
from onehook.core.mapping.lint import strict_problems
from onehook.core.mapping.normalize import (
    Emitted,
    Ignored,
    Outcome,
)
from onehook.core.mapping.problems import MappingError, Source
from onehook.core.mapping.samples import SampleError, samples
from onehook.core.mapping.testing import RECEIVED_AT, Result, run
from onehook.core.model import Headers, IntegrationId, IntegrationInfo, Webhook
from onehook.errors import ConflictError, SettingsError
from onehook.mappings import (
    MAX_SAMPLE,
    MappingFile,
    compile_source,
    read_file,
    shipped_folder,
    write_file,
)

app = App(name="mapping", help="Test mapping files, and ask what they make of webhooks.")
app.command("onehook.cli.backtest:backtest")
app.command("onehook.cli.mapping_docs:docs")


@app.command(name="test")
def run_tests(*files: Path, strict: bool = False, accept: bool = False) -> int:
    """Run the tests that stand inside mapping files (the shipped ones if none is named).

    Exit codes: 0 all passed, 1 a test failed, 78 a file cannot be used.

    Args:
        files: mapping files.
        strict: also want every rule and every table row hit by a test; warnings count as errors.
        accept: write what failing tests gave into the file, as what they expect, and show the
            difference. Nothing else in the file changes.
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
    failed = 0
    for file in loaded:
        try:
            failed += _run(_accept(file) if accept else file, strict=strict)
        except (SampleError, ConflictError, SettingsError) as error:
            fail(str(error))
            failed += 1
    if broken:
        return 78
    return 1 if failed else 0


def _results(file: MappingFile) -> list[Result]:
    return [run(file.mapping, sample) for sample in samples(file.mapping, file.load_sample)]


def _accept(file: MappingFile) -> MappingFile:
    """Write what the failing tests of *file* gave into it; the file as it is then.

    Raises:
        ConflictError: the file changed meanwhile, or would not say what the tests gave.
    """
    source = file.mapping.source
    results = _results(file)
    text = accepted(source, results)
    if text == source.text:
        return file
    after = compile_source(file.path, file.stamp, Source(source.name, text))
    wrong = [r for r in _results(after) if r.problems and r.sample.row is None]
    if wrong:
        msg = (
            f"{wrong[0].sample.place}: {wrong[0].sample.name}: cannot be accepted, write it by hand"
        )
        raise ConflictError(msg)
    write_file(file.path, source.text, text)
    old, new = source.text.splitlines(), text.splitlines()
    for line in unified_diff(old, new, source.name, source.name, lineterm=""):
        out.print(line, markup=False)
    return after


def _run(file: MappingFile, *, strict: bool) -> int:
    """Run one file's tests and print them; how many things are wrong."""
    results = _results(file)
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
def schema() -> int:
    """Print the JSON Schema of mapping files, for editors that complete and check with it."""
    out.print(json.dumps(mapping_schema(), indent=1, ensure_ascii=False), markup=False)
    return 0


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
    found = explain_webhook(mapping, webhook, info, MAX_SAMPLE)
    _show_rules(found.rules)
    _show(found.outcome)
    if found.missing is not None:
        out.print(f"{found.missing}: states the field", markup=False)
    for trace in found.events:
        _show_event(trace)
    return 0 if isinstance(found.outcome, Emitted | Ignored) else 1


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
