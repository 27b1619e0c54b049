"""The entries of an event in the index of the timeline."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from onehook.core.model import Event, EventId
from onehook.core.references.knowledge import Knowledge
from onehook.core.references.naming import named_in, names_of
from onehook.core.references.sightings import FINGERPRINT, fingerprint

MAX_ENTRIES = 60  # of one event
ITSELF, OTHER = b"0", b"1"  # an entry's kind: whether the event is about the thing
_TIME = 6  # bytes of a moment in ms, the highest first, so that entries sort by time
_LATEST = (1 << 8 * _TIME) - 1
_HEAD = FINGERPRINT + 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Indexed(NamedTuple):
    """What the index keeps of an event: its *entries*, and the *things* it is itself about.

    The things are fingerprints of urns, and of numbers in public catalogues.
    """

    entries: tuple[bytes, ...]
    things: tuple[bytes, ...]


def index(event: Event, knowledge: Knowledge) -> Indexed:
    """The entries of *event*: one for each thing it names, 60 at most, 41 bytes each.

    An entry is the fingerprint of the thing's name, its kind, the event's time and id: so those of
    one name lie together, in order of time.
    """
    kinds: dict[str, bytes] = {}
    things: list[bytes] = []
    for named in named_in(event.data, event.type):
        kind = ITSELF if named.role == "itself" else OTHER
        for name in names_of(named, knowledge):
            if len(kinds) < MAX_ENTRIES:
                kinds.setdefault(name, kind)
        thing = named.urn or named.key
        if kind is ITSELF and thing is not None and len(things) < MAX_ENTRIES:
            things.append(fingerprint(thing))
    tail = _moment(event) + event.id[4:].encode()
    entries = [fingerprint(name) + kind + tail for name, kind in kinds.items()]
    return Indexed(tuple(entries), tuple(things))


def _moment(event: Event) -> bytes:
    at = event.envelope["timestamp"]
    moment = datetime.fromisoformat(at) if isinstance(at, str) else _EPOCH
    return _bytes_of(moment)


def _bytes_of(moment: datetime) -> bytes:
    """*moment* as entries hold it; what is before 1970 counts as then."""
    ms = round(moment.timestamp() * 1000)
    return min(max(ms, 0), _LATEST).to_bytes(_TIME, "big")


class Entry(NamedTuple):
    """An entry of the index, read; they sort by time."""

    at_ms: int
    event_id: EventId

    @property
    def position(self) -> str:
        """Where it stands among those of one thing, for cursors."""
        return f"{self.at_ms}-{self.event_id[4:]}"


POSITION = re.compile("[0-9]{1,15}-[0-9a-z]{26}")


def read_entry(entry: bytes) -> Entry:
    """What *entry* says beside its name and kind."""
    at = int.from_bytes(entry[_HEAD : _HEAD + _TIME], "big")
    return Entry(at, EventId(f"evt_{entry[_HEAD + _TIME :].decode('ascii')}"))


def ranges(
    names: Iterable[str],
    *,
    itself: bool = False,
    after: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[tuple[bytes, bytes]]:
    """Where the entries of *names* lie, each range from its first bytes to what comes behind.

    With *itself* only those of events about the things. *after* is the last position seen.
    """
    first = b"" if since is None else _bytes_of(since)
    if after is not None:
        at, _, id_ = after.partition("-")
        ms = min(int(at), _LATEST).to_bytes(_TIME, "big")
        first = max(first, ms + id_.encode() + b"\0")
    last = b"\xff" * (_TIME + 1) if until is None else _bytes_of(until)
    heads = [
        fingerprint(name) + kind for name in names for kind in (ITSELF, OTHER)[: 1 if itself else 2]
    ]
    return [(head + first, head + last) for head in heads]
