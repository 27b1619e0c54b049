"""How large an event may be, and what is cut first (`schema.md` §2 rule 10)."""

from collections.abc import Iterator

from onehook.core.jsontext import JsonValue, encode
from onehook.core.schema.base import MAX_CUSTOM, MAX_ITEMS, MAX_TEXT

MAX_EVENT = 256 * 1024  # bytes of the whole event, raw body aside
MAX_REFERENCES = 50
_LEAST = 256  # characters: a text is not cut below this to save space


def trim(data: dict[str, JsonValue]) -> list[JsonValue]:
    """Cut texts and lists of *data* that are beyond their limit; the pointers of what was cut."""
    cut: list[JsonValue] = []
    for key, limit in (("references", MAX_REFERENCES),):
        found = data.get(key)
        if isinstance(found, list) and len(found) > limit:
            data[key] = found[:limit]
            cut.append(f"/{key}")
    custom = data.get("custom")
    if isinstance(custom, dict) and len(custom) > MAX_CUSTOM:
        data["custom"] = dict(list(custom.items())[:MAX_CUSTOM])
        cut.append("/custom")
    for holder, key, pointer in _places(data, ""):
        value = holder[key]  # type: ignore[index]  # a map with a name, or a list with an index
        if isinstance(value, str) and len(value) > MAX_TEXT:
            holder[key] = value[:MAX_TEXT]  # type: ignore[index]
            cut.append(pointer)
        elif isinstance(value, list) and len(value) > MAX_ITEMS:
            holder[key] = value[:MAX_ITEMS]  # type: ignore[index]
            cut.append(pointer)
    return cut


def shrink(data: dict[str, JsonValue]) -> None:
    """Halve the longest texts of *data* until it fits; name each in ``truncated``."""
    cut = data["truncated"]
    named = cut if isinstance(cut, list) else []
    for _ in range(64):
        if len(encode(data)) <= MAX_EVENT - 4096:  # the envelope around it
            return
        texts = [
            (len(value), holder, key, pointer)
            for holder, key, pointer in _places(data, "")
            if isinstance(value := holder[key], str)  # type: ignore[index]
        ]
        length, holder, key, pointer = max(texts, key=lambda text: text[0])
        if length <= _LEAST:
            break
        holder[key] = str(holder[key])[: length // 2]  # type: ignore[index]
        if pointer not in named:
            named.append(pointer)
    _shorten_lists(data, named)


def _shorten_lists(data: dict[str, JsonValue], named: list[JsonValue]) -> None:
    """The last resort, for thousands of short texts: halve the longest list."""
    for _ in range(64):
        if len(encode(data)) <= MAX_EVENT - 4096:
            return
        lists = [
            (len(value), holder, key, pointer)
            for holder, key, pointer in _places(data, "")
            if isinstance(value := holder[key], list)  # type: ignore[index]
        ]
        length, holder, key, pointer = max(lists, key=lambda found: found[0])
        if length <= 1:
            return
        holder[key] = holder[key][: length // 2]  # type: ignore[index]
        if pointer not in named:
            named.append(pointer)


def _places(
    value: JsonValue, pointer: str
) -> Iterator[tuple[dict[str, JsonValue] | list[JsonValue], str | int, str]]:
    """Every place in *value*: its holder, the key or index there, and its JSON pointer."""
    if isinstance(value, dict):
        for key in list(value):
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if below in ("/raw", "/truncated"):
                continue
            yield value, key, below
            yield from _places(value[key], below)
    elif isinstance(value, list):
        for at in range(len(value)):
            if at < len(value):
                yield value, at, f"{pointer}/{at}"
                yield from _places(value[at], f"{pointer}/{at}")
