"""How facts that are not told yet lie in the store: a hash, two fields a topic.

``n:<topic>`` counts them and ``t:<topic>`` is the latest, so that however many come before
anybody can tell of them, they take the room of one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from onehook.core.notices import Notice
from onehook.store.client import Pipeline
from onehook.store.keys import Keys
from onehook.store.scripts import Argument

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Notice).decode


@dataclass(frozen=True, slots=True)
class Untold:
    """*count* facts of one *topic*, in the hash *key*; *notice* is the latest of them."""

    key: str
    topic: str
    count: int
    notice: Notice


def notice_arguments(notice: Notice | None) -> list[Argument]:
    """*notice* as the scripts take it: topic and text, both empty for None."""
    return ["", ""] if notice is None else [notice.topic, _encode(notice)]


def write_down(pipe: Pipeline, keys: Keys, notice: Notice) -> None:
    """Add *notice* to a transaction on the configuration: both happen, or neither."""
    pipe.hincrby(keys.config("untold"), f"n:{notice.topic}", 1)
    pipe.hset(keys.config("untold"), f"t:{notice.topic}", _encode(notice))


def read_untold(key: str, rows: Mapping[bytes, bytes]) -> Iterator[Untold]:
    """What the hash *key* holds; what cannot be read, as another release wrote it, is left."""
    for name, text in rows.items():
        if not name.startswith(b"t:"):
            continue
        topic = name[2:].decode()
        try:
            notice = _decode(text)
        except msgspec.DecodeError as error:
            log.error("notice.unreadable", topic=topic, error=str(error))  # noqa: TRY400 it says all
            continue
        yield Untold(key, topic, int(rows[b"n:" + name[2:]]), notice)
