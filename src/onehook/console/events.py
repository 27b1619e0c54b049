"""``/console/events``: what came, the newest first, and as it comes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from onehook.console.filters import LIMIT, given, moments
from onehook.console.names import integration_names
from onehook.console.rendering import Page, Redirect, environment, url
from onehook.console.session import PATH
from onehook.console.summaries import EventRow, event_row
from onehook.console.visits import Outcome, Visit
from onehook.core.jsontext import decode
from onehook.core.schema.events import EVENT_TYPES
from onehook.web.streaming import EVENT_STREAM, RETRY_MS, follow_events, newest, stream

_PAGES = {
    "evt": "events",
    "dlv": "deliveries",
    "sub": "subscriptions",
    "int": "integrations",
    "whk": "quarantine",
    "rpl": "replays",
}


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of events. *tail*: where newer ones come from; null: the page is of the past."""

    title: str
    filters: Mapping[str, str]
    events: Sequence[EventRow]
    next: str | None
    tail: str | None
    types: Sequence[str]
    integrations: Sequence[tuple[str, str]]  # id, name


async def listing(visit: Visit) -> Outcome:
    """The events that the filters mean."""
    filters = given(visit.query, "integration", "type", "since", "until")
    cursor = visit.query.get("cursor", "")
    tail = None
    if not cursor and "until" not in filters:
        # Before the list is read: what comes between is in both, and the page shows it once.
        start = await newest(visit.gateway)
        wanted = given(filters, "integration", "type")
        tail = url(f"{PATH}/events/tail", wanted, last_event_id=start)
    query = {**moments(filters), "cursor": cursor, "limit": LIMIT}
    answer = await visit.call("listEvents", query=query)
    page = EventsPage(
        title="Events",
        filters=filters,
        events=[event_row(event) for event in answer["data"]],
        next=answer["next"],
        tail=tail,
        types=sorted(EVENT_TYPES),
        integrations=integration_names(visit),
    )
    return Page("events.html", page, fragment="results")


async def tail(visit: Visit) -> Outcome:
    """Events as they come, each a row of the list's table."""
    query = visit.query
    start = query.get("last_event_id") or await newest(visit.gateway)
    start = visit.request.headers.get("Last-Event-ID") or start
    # Asked of the API first, for what is yet to come: it refuses a filter that means nothing.
    wanted = given(query, "integration", "type")
    await visit.call("listEvents", query={**wanted, "since": visit.gateway.clock.now()})
    return await stream(visit.request, EVENT_STREAM, _rows(visit, start))


async def _rows(visit: Visit, start: str) -> AsyncIterator[bytes]:
    pattern, integration = visit.query.get("type"), visit.query.get("integration", "")
    integration = visit.gateway.registry.snapshot.by_key.get(integration, integration)
    template = environment().get_template("event_row.html")
    yield b"retry: %d\nid: %s\n\n" % (RETRY_MS, start.encode())
    async for news in follow_events(visit.gateway, pattern or None, integration or None, start):
        if not visit.still_allowed:
            return
        yield b"id: %s\n" % news.position.encode()
        for _, body in news.events:
            row = event_row(cast("Mapping[str, Any]", decode(body)))
            text = template.render(
                row=row, now=visit.gateway.clock.now(), opens=visit.opens, fresh=True
            )
            lines = text.strip().splitlines()
            yield b"".join(b"data: %s\n" % line.encode() for line in lines) + b"\n"
        if not news.events:
            yield b": still here\n\n"


async def find(visit: Visit) -> Outcome:
    """Go to what somebody has the id of, or the references of anything else."""
    text = visit.query.get("q", "").strip()
    prefix, _, rest = text.partition("_")
    if rest and prefix in _PAGES:
        return Redirect(url(f"{PATH}/{_PAGES[prefix]}/{text}"))
    return Redirect(url(f"{PATH}/references", key=text))
