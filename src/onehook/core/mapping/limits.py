"""How large an event may be, and what is cut first (`schema.md` §2 rule 10)."""

from collections.abc import Iterator
from dataclasses import dataclass

from onehook.core.jsontext import JsonValue, encode
from onehook.core.schema.base import MAX_CUSTOM, MAX_ITEMS, MAX_TEXT

MAX_EVENT = 256 * 1024  # bytes of the whole event, raw body aside
MAX_REFERENCES = 50
_ENVELOPE = 4096  # bytes left for what stands around ``data``
_LEAST = 256  # characters: a text is not cut below this to save space


@dataclass(slots=True)
class _Slot:
    """A place in the data, and how to put something else there."""

    holder: dict[str, JsonValue] | list[JsonValue]
    key: str | int
    value: JsonValue
    pointer: str

    def put(self, value: JsonValue) -> None:
        """Replace what stands here."""
        match self.holder, self.key:
            case dict() as fields, str() as name:
                fields[name] = value
            case list() as items, int() as index:
                items[index] = value
            case _:
                pass


def trim(data: dict[str, JsonValue]) -> list[JsonValue]:
    """Cut texts and lists of *data* that are beyond their limit; the pointers of what was cut."""
    cut: list[JsonValue] = []
    references, custom = data.get("references"), data.get("custom")
    if isinstance(references, list) and len(references) > MAX_REFERENCES:
        data["references"] = references[:MAX_REFERENCES]
        cut.append("/references")
    if isinstance(custom, dict) and len(custom) > MAX_CUSTOM:
        data["custom"] = dict(list(custom.items())[:MAX_CUSTOM])
        cut.append("/custom")
    if not _exceeds(data):
        return cut
    for slot in _slots(data, ""):
        if isinstance(slot.value, str) and len(slot.value) > MAX_TEXT:
            slot.put(slot.value[:MAX_TEXT])
            cut.append(slot.pointer)
        elif isinstance(slot.value, list) and len(slot.value) > MAX_ITEMS:
            slot.put(slot.value[:MAX_ITEMS])
            cut.append(slot.pointer)
    return cut


def _exceeds(value: JsonValue) -> bool:
    """Whether a text or a list in *value* is beyond its limit: to look at all takes a tenth."""
    if type(value) is str:
        return len(value) > MAX_TEXT
    if type(value) is dict:
        return any(map(_exceeds, value.values()))
    return type(value) is list and (len(value) > MAX_ITEMS or any(map(_exceeds, value)))


def shrink(data: dict[str, JsonValue], room: int = MAX_EVENT - _ENVELOPE) -> None:
    """Cut the longest texts of *data*, then its longest lists, until it fits in *room* bytes.

    All that is longer than a cap is cut to it, and the cap halves each round, so that a thousand
    long texts take no more rounds than one. Each cut is named in ``truncated``.
    """
    cut = data["truncated"]
    named: list[JsonValue] = cut if isinstance(cut, list) else []
    for kind, least in ((str, _LEAST), (list, 1)):
        slots = [slot for slot in _slots(data, "") if isinstance(slot.value, kind)]
        cap = max((_length(slot.value) for slot in slots), default=0)
        while cap > least and len(encode(data)) > room:
            cap = max(cap // 2, least)
            for slot in slots:
                value = slot.value
                if isinstance(value, str | list) and len(value) > cap:
                    slot.value = value[:cap]
                    slot.put(value[:cap])
                    if slot.pointer not in named:
                        named.append(slot.pointer)


def _length(value: JsonValue) -> int:
    return len(value) if isinstance(value, str | list) else 0


def _slots(value: JsonValue, pointer: str) -> Iterator[_Slot]:
    """Every place in *value*, from the outside in."""
    if isinstance(value, dict):
        for key in list(value):
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if below not in ("/raw", "/truncated"):
                yield _Slot(value, key, value[key], below)
                yield from _slots(value[key], below)
    elif isinstance(value, list):
        for at in range(len(value)):
            if at < len(value):  # it may have been cut by whoever walks it
                yield _Slot(value, at, value[at], f"{pointer}/{at}")
                yield from _slots(value[at], f"{pointer}/{at}")
