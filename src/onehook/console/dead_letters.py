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


class _Envelope(msgspec.Struct):
    """What is shown of an event."""

    type: str


_read = msgspec.json.Decoder(_Envelope).decode


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that used up its attempts; null *type*: its event expired."""

    id: str
    event_id: str
    type: str | None
    at: datetime
    attempts: int


@dataclass(slots=True)
class Cause:
    """Dead letters whose last attempt failed alike."""

    status: int | None
    error: str | None
    letters: list[DeadLetter] = field(default_factory=list[DeadLetter])


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
    """Every subscription's dead letters, who has most first."""

    title: str
    receivers: Sequence[Receiver]
    subscriptions: Sequence[tuple[str, str]]
    chosen: str


async def listing(visit: Visit) -> Outcome:
    """The dead letters, by subscription and cause."""
    names = subscription_names(visit)
    chosen = visit.query.get("subscription", "")
    wanted = {id_: name for id_, name in names if chosen in ("", id_)}
    found = await visit.gateway.deliveries.dead_letters(list(wanted), SHOWN)
    receivers = [
        await _receiver(visit, id_, wanted[id_], total, rows)
        for id_, (total, rows) in sorted(found.items(), key=lambda item: -item[1][0])
    ]
    return Page("dead_letters.html", DeadLettersPage("Dead letters", receivers, names, chosen))


async def _receiver(
    visit: Visit, id_: str, name: str, total: int, rows: Sequence[tuple[str, datetime]]
) -> Receiver:
    ids = [event_id for event_id, _ in rows]
    states = await visit.gateway.deliveries.states(ids)
    events = await visit.gateway.events.find_events(ids)
    causes: dict[tuple[int | None, str | None], Cause] = {}
    for (event_id, at), state, event in zip(rows, states, events, strict=True):
        mine = state.get(id_)
        status, error = _cause(mine)
        letter = DeadLetter(
            id=delivery_id(event_id, id_),
            event_id=event_id,
            type=None if event is None else _read(event[1]).type,
            at=at,
            attempts=0 if mine is None else mine.attempt_count,
        )
        causes.setdefault((status, error), Cause(status, error)).letters.append(letter)
    ordered = sorted(causes.values(), key=lambda cause: -len(cause.letters))
    return Receiver(id_, name, total, len(rows), ordered, rows[-1][1])


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
