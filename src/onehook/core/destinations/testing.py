"""Runs the tests that stand inside a destination's file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onehook.core.destinations.checks import check_choices
from onehook.core.destinations.document import Destination
from onehook.core.destinations.outlets import Choices, make_outlet
from onehook.core.jsontext import JsonValue, decode, encode
from onehook.core.mapping.problems import Place, nearest
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Scalar, plain
from onehook.core.mapping.testing import differences
from onehook.core.model import Delivery, EventId, Subscription, SubscriptionId, WebhookId
from onehook.core.profiles.outlet import Outlet, RenderError
from onehook.core.profiles.request import make_request
from onehook.errors import InvalidRequestError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "a-secret-of-32-characters-or-more"  # noqa: S105 it signs nothing but tests
_SUBSCRIPTION = "sub_" + "0" * 26
# What a test need not say of its event.
_USUAL: dict[str, JsonValue] = {
    "id": "evt_" + "0" * 26,
    "type": None,
    "schema_version": "1.0",
    "timestamp": "2026-11-22T12:00:00.000Z",
    "timestamp_basis": "occurred",
    "received_at": "2026-11-22T12:00:00.000Z",
    "integration": {"id": "int_test", "type": "test", "name": "test"},
    "data": {"urn": None, "raw": {"size": 0, "body": None}, "truncated": []},
}
LoadEvent = Callable[[str], bytes]  # event_file, relative to the file -> its bytes


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended; ``problems`` is empty if it passed."""

    name: str
    place: Place
    problems: tuple[str, ...]


def run_tests(destination: Destination, load: LoadEvent) -> list[Result]:
    """Run the tests of *destination*; *load* gives the events that lie in files."""
    return [_run(destination, node, load) for node in destination.tests]


def _run(destination: Destination, node: Map, load: LoadEvent) -> Result:
    report = Report()
    reader = Reader(node, report).only(
        "name", "event", "event_file", "events", "settings", "prefix", "expect", "answers"
    )
    name = reader.text("name", required=True) or ""
    fields = {key: plain(value) for key, value in node.items.items()}
    problems = [f"{problem.place}: {problem.message}" for problem in report.problems]
    if not problems:
        problems = list(_problems(destination, reader, fields, load))
    return Result(name, node.place, tuple(problems))


def _problems(
    destination: Destination, reader: Reader, fields: Mapping[str, JsonValue], load: LoadEvent
) -> Iterator[str]:
    try:
        event = _event(reader, load)
        choices = _choices(destination, fields)
        check_choices(choices, destination)
    except (InvalidRequestError, OSError, ValueError) as error:
        yield str(error)
        return
    outlet = make_outlet(choices, destination, None)
    yield from _sent(outlet, event, fields.get("expect"))
    answers = fields.get("answers")
    for at, answer in enumerate(answers if isinstance(answers, list) else []):
        yield from _answer(outlet, answer, f"answers/{at}")


def _event(reader: Reader, load: LoadEvent) -> dict[str, JsonValue]:
    """The event of a test: its file's, what stands in the test over it, and the usual below.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no event.
    """
    found: JsonValue = {}
    name = reader.node_of("event_file")
    if isinstance(name, Scalar):
        found = decode(load(str(name.value)))
    node = reader.map("event")
    over = plain(node) if node is not None else {}
    if not isinstance(found, dict) or not isinstance(over, dict):
        msg = "an event is an object"
        raise ValueError(msg)  # noqa: TRY004 of the file, not of our code
    merged = _merged(_merged(_USUAL, found), over)
    if not isinstance(merged["type"], str):
        msg = "the event has no type"
        raise ValueError(msg)  # noqa: TRY004 likewise
    return merged


def _merged(under: dict[str, JsonValue], over: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """*over* laid over *under*, object by object."""
    found = dict(under)
    for name, value in over.items():
        below = found.get(name)
        both = isinstance(below, dict) and isinstance(value, dict)
        found[name] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return found


def _choices(destination: Destination, fields: Mapping[str, JsonValue]) -> Choices:
    settings, prefix, events = fields.get("settings"), fields.get("prefix"), fields.get("events")
    patterns = tuple(map(str, events)) if isinstance(events, list) else destination.events
    return Choices(
        url=destination.url.default or f"{destination.url.schemes[0]}://receiver.example/hook",
        secret=SECRET,
        events=patterns or ("*",),
        prefix=prefix if isinstance(prefix, str) else None,
        settings={k: str(v) for k, v in settings.items()} if isinstance(settings, dict) else {},
    )


def _sent(outlet: Outlet, event: dict[str, JsonValue], expect: JsonValue) -> Iterator[str]:
    wanted = expect if isinstance(expect, dict) else {}
    yield from _unknown(wanted, ("headers", "body", "exact", "error"), "expect")
    delivery = _delivery(outlet, event)
    try:
        request = make_request(delivery, NOW, "onehook")
    except RenderError as error:
        if wanted.get("error") is not True:
            yield f"nothing is sent: {error}"
        return
    if wanted.get("error") is True:
        yield "expect/error: a request can be made of it"
    headers: JsonValue = {name.lower(): value for name, value in request.headers.items()}
    given = wanted.get("headers")
    if isinstance(given, dict):
        lower: JsonValue = {name.lower(): value for name, value in given.items()}
        yield from differences(lower, headers, "headers", exact=False)
    if "body" in wanted:
        exact = wanted.get("exact") is True
        yield from differences(wanted["body"], decode(request.body), "body", exact=exact)


def _delivery(outlet: Outlet, event: dict[str, JsonValue]) -> Delivery:
    subscription = Subscription(
        SubscriptionId(_SUBSCRIPTION), "", ("*",), (), True, False, None, outlet,
        timedelta(seconds=10), (),
    )  # fmt: skip
    return Delivery(
        subscription, EventId(str(event["id"])), str(event["type"]), WebhookId(""),
        encode(event), 0, 1,
    )  # fmt: skip


def _answer(outlet: Outlet, answer: JsonValue, at: str) -> Iterator[str]:
    fields = answer if isinstance(answer, dict) else {}
    yield from _unknown(fields, ("status", "headers", "body", "taken"), at)
    status, body = fields.get("status"), fields.get("body", "")
    headers = fields.get("headers")
    content = body.encode() if isinstance(body, str) else encode(body)
    pairs = headers.items() if isinstance(headers, dict) else ()
    refused = None
    if outlet.judge is not None and isinstance(status, int):
        refused = outlet.judge(status, [(k.lower(), str(v)) for k, v in pairs], content)
    if (refused is None) is not (fields.get("taken") is True):
        yield f"{at}: {refused or 'this answer counts as success'}"


def _unknown(fields: Mapping[str, JsonValue], allowed: Sequence[str], at: str) -> Iterator[str]:
    for name in fields:
        if name not in allowed:
            yield f"{at}/{name}: there is no such key; {nearest(name, allowed)}"
