"""What a mapping's own tests show about the file: the warnings that need a webhook to be seen."""

import re
from collections.abc import Iterator, Sequence

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.document import CompiledMapping
from onehook.core.mapping.explain import trace_events
from onehook.core.mapping.normalize import Emitted
from onehook.core.mapping.problems import Problem
from onehook.core.mapping.testing import Result
from onehook.core.schema.events import EVENT_TYPES

# /api/v3/, /api/0/ and /rest/api/2/, but no page of somebody called api
_API = re.compile(r"/api/(?:v?[0-9]+(?:\.[0-9]+)*|latest|now)(?:/|$)")


def strict_problems(mapping: CompiledMapping, results: Sequence[Result]) -> list[Problem]:
    """What ``--strict`` asks for beside passing, in the order of the file."""
    problems = [
        *_unreached_rules(mapping, results),
        *_unused_rows(mapping, results),
        *_api_links(mapping, results),
        *_overlaps(results),
    ]
    return sorted(dict.fromkeys(problems), key=lambda p: (p.place.line, p.place.column, p.code))


def _unreached_rules(mapping: CompiledMapping, results: Sequence[Result]) -> Iterator[Problem]:
    """W201: rules that no test reaches."""
    reached = {
        event.rule
        for result in results
        if isinstance(result.outcome, Emitted)
        for event in result.outcome.events
    }
    for rule in mapping.leaves():
        if rule.id not in reached:
            hint = "add a test with a webhook that it takes"
            yield Problem("W201", rule.place, f"no test reaches the rule {rule.id!r}", hint)


def _unused_rows(mapping: CompiledMapping, results: Sequence[Result]) -> Iterator[Problem]:
    """W202: table rows that no test looks up."""
    hits = {hit for result in results for hit in result.hits}
    for table in mapping.tables.values():
        for key, place in table.node.keys.items():
            if (table.name, key) not in hits:
                message = f"no test uses the row {key!r} of the table {table.name!r}"
                hint = (
                    f"one test can try all: rows: {{table: {table.name}, at: $.a, field: $.data.b}}"
                )
                yield Problem("W202", place, message, hint)


def _api_links(mapping: CompiledMapping, results: Sequence[Result]) -> Iterator[Problem]:
    """W203: links for a browser that lead to an API (`schema.md` §2 rule 5)."""
    traces = (t for result in results for t in trace_events(mapping, result.outcome))
    links = {
        origin.place: origin
        for trace in traces
        for origin in trace.origins
        if origin.pointer.endswith(("/url", "_url")) and _is_api(origin.value)
    }
    for origin in links.values():
        message = f"{origin.pointer} is an address of the API: {origin.value}"
        hint = "give the page that a browser opens, html_url or built; else null"
        yield Problem("W203", origin.place, message, hint)


def _is_api(value: JsonValue) -> bool:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        return False
    host, _, path = value.partition("://")[2].partition("/")
    return host.startswith("api.") or _API.search(f"/{path}") is not None


def _overlaps(results: Sequence[Result]) -> Iterator[Problem]:
    """W206: two events about one thing, of one item of the webhook: rules that overlap."""
    for result in results:
        if not isinstance(result.outcome, Emitted):
            continue
        seen: dict[tuple[object, ...], str] = {}
        for event, item in zip(result.outcome.events, result.items, strict=True):
            what = (item, event.data["urn"], EVENT_TYPES[event.type])
            if what in seen:
                message = (
                    f"in the test {result.sample.name!r} the rules {seen[what]!r} and"
                    f" {event.rule!r} both make an event of {event.data['urn']}"
                )
                hint = "write rules that exclude each other: not: {…}"
                yield Problem("W206", result.sample.place, message, hint)
            seen.setdefault(what, event.rule)
