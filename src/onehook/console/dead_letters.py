"""``/console/dead-letters``: deliveries that used up their attempts, by cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from onehook.console.filters import utc
from onehook.console.names import subscription_names
from onehook.console.rendering import Page, Redirect
from onehook.console.session import PATH
from onehook.console.visits import Outcome, Visit
from onehook.core.model import delivery_id
from onehook.store.deliveries import DeliveryState

SHOWN = 100  # dead letters of one subscription, the newest
LISTED = 10  # of those with one cause
RECEIVERS = 10  # subscriptions on a page


class _Envelope(msgspec.Struct):
    """What is shown of an event."""

    type: str


_read = msgspec.json.Decoder(_Envelope).decode


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that used up its attempts."""

    id: str
    event_id: str
    at: datetime
    attempts: int


@dataclass(slots=True)
class Cause:
    """Dead letters whose last attempt failed alike. *types*: of the first few, by event."""

    status: int | None
    error: str | None
    letters: list[DeadLetter] = field(default_factory=list[DeadLetter])
    types: Mapping[str, str] = field(default_factory=dict[str, str])  # expired events have none

    @property
    def listed(self) -> Sequence[DeadLetter]:
        """Those that are listed one by one."""
        return self.letters[:LISTED]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A subscription's dead letters: how many there are, and the newest by cause."""

    id: str
    name: str
    total: int
    shown: int
    causes: Sequence[Cause]
    oldest: datetime


@dataclass(frozen=True, slots=True)
class DeadLettersPage:
    """Subscriptions with dead letters, who has most first. *next*: where another page begins."""

    title: str
    receivers: Sequence[Receiver]
    next: str | None
    subscriptions: Sequence[tuple[str, str]]
    chosen: str


async def listing(visit: Visit) -> Outcome:
    """The dead letters, by subscription and cause."""
    names = subscription_names(visit)
    chosen = visit.query.get("subscription", "")
    wanted = {id_: name for id_, name in names if chosen in ("", id_)}
    waiting = await visit.gateway.statistics.waiting(list(wanted))
    having = [(id_, dead) for id_, (_, dead) in waiting.items() if dead]
    having.sort(key=lambda one: -one[1])
    start = _start(visit.query.get("cursor", ""))
    end = start + RECEIVERS
    page = DeadLettersPage(
        title="Dead letters",
        receivers=await _receivers(visit, dict(having[start:end]), wanted),
        next=str(end) if end < len(having) else None,
        subscriptions=names,
        chosen=chosen,
    )
    return Page("dead_letters.html", page)


def _start(cursor: str) -> int:
    """How many subscriptions come before the page that *cursor* names; 0 if it names none."""
    return int(cursor) if cursor.isdecimal() and len(cursor) < 7 else 0


async def _receivers(
    visit: Visit, totals: Mapping[str, int], names: Mapping[str, str]
) -> list[Receiver]:
    letters = await visit.gateway.deliveries.dead_letters(list(totals), SHOWN)
    return [
        await _receiver(visit, id_, names[id_], totals[id_], rows)
        for id_, rows in letters.items()
        if rows  # others were retried or ended meanwhile
    ]


async def _receiver(
    visit: Visit, id_: str, name: str, total: int, rows: Sequence[tuple[str, datetime]]
) -> Receiver:
    states = await visit.gateway.deliveries.states([event_id for event_id, _ in rows])
    causes: dict[tuple[int | None, str | None], Cause] = {}
    for (event_id, at), state in zip(rows, states, strict=True):
        mine = state.get(id_)
        status, error = _cause(mine)
        attempts = 0 if mine is None else mine.attempt_count
        letter = DeadLetter(delivery_id(event_id, id_), event_id, at, attempts)
        causes.setdefault((status, error), Cause(status, error)).letters.append(letter)
    ordered = sorted(causes.values(), key=lambda cause: -len(cause.letters))
    for cause in ordered:
        cause.types = await _types(visit, [letter.event_id for letter in cause.listed])
    return Receiver(id_, name, total, len(rows), ordered, rows[-1][1])


async def _types(visit: Visit, event_ids: Sequence[str]) -> dict[str, str]:
    """The types of those events that are still kept."""
    found = await visit.gateway.events.find_events(event_ids)
    pairs = zip(event_ids, found, strict=True)
    return {id_: _read(event[1]).type for id_, event in pairs if event is not None}


def _cause(state: DeliveryState | None) -> tuple[int | None, str | None]:
    return (None, None) if state is None else (state.last_status, state.last_error)


async def retry_all(visit: Visit) -> Outcome:
    """Deliver all dead letters of a subscription again, as a bulk replay."""
    history = visit.gateway.events.retention.dead
    since = visit.gateway.clock.now() - history
    body: Mapping[str, Any] = {
        "subscription": visit.form.get("subscription", ""),
        "status": "dead",
        "since": utc(since.isoformat()),
    }
    made = await visit.call("createReplay", body=body)
    return Redirect(f"{PATH}/replays/{made['id']}")
