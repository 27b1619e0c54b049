"""Lists: what is made of each item of a list, or of several values."""

from collections.abc import Callable, Sequence

from onehook.core.jsontext import JsonValue
from onehook.core.mapping.code import Code, inlined, lookup_of
from onehook.core.mapping.coerce import Get
from onehook.core.mapping.conditions import Condition
from onehook.core.mapping.context import Context, MissingField, located
from onehook.core.mapping.paths import MAX_FOUND, Path, list_keys


def each_of(path: Path, get: Get, wanted: Condition | None, most: int | None) -> Get:
    """What *get* gives for each item that *path* finds and *wanted* takes, up to one beyond *most*.

    All beyond that would be made in order to be cut.
    """
    code = Code()
    code.names.update(MissingField=MissingField, located=located)
    items = code.take(items_of(path))
    code.add(f"if (items := {items}) is None: return None", "found = []")
    code.add("for at, item in enumerate(items):")
    code.add(*(f"    {line}" for line in code.anew(get, *([] if wanted is None else [wanted]))))
    if wanted is not None:
        code.add(f"    if not {code.take(wanted)}: continue")
    code.add("    try:", f"        one = {code.take(get)}")
    code.add("    except MissingField as missing:", "        located(missing, at)")
    code.add("    if one is not None:", "        found.append(one)")
    if most is not None:
        code.add(f"        if len(found) > {most}: break")
    code.add("return found")
    each: Get = code.function("each")
    return each


def items_of(path: Path) -> Callable[[JsonValue, Context], list[JsonValue] | None]:
    """All that *path* finds; None if even the place to look in is not there."""

    def items(item: JsonValue, context: Context) -> list[JsonValue] | None:
        return path.values(context.body if path.absolute else item)

    keys = list_keys(path.text)
    there = None if keys is None else lookup_of(keys, absolute=path.absolute, missing="None")
    if there is None:
        return items
    # Nearly always it is a list: its items need not be gathered first.
    whole = f"type($v) is list and len($v) <= {MAX_FOUND}"
    form = f"(None if ($v := $there) is None else $v if {whole} else $items)"
    return inlined(items, form, {"there": there, "items": items})


def list_of(gets: Sequence[Get]) -> Get:
    """A list of what *gets* give; null where it is nothing."""

    def there(found: Sequence[JsonValue]) -> JsonValue:
        return [value for value in found if value is not None] or None

    parts = {f"get{at}": get for at, get in enumerate(gets)}
    return inlined(
        lambda item, context: there([get(item, context) for get in gets]),
        f"$there(({''.join(f'${name}, ' for name in parts)}))",
        parts,
        {"there": there},
    )
