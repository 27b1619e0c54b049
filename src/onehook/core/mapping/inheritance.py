"""What a rule takes over from the groups that it stands in."""

from collections.abc import Mapping

from onehook.core.mapping.source import Map, Node, merge

INHERITED = ("emit", "at", "actor", "references", "changes")


def inherit(inherited: Mapping[str, Node], rule: Map) -> dict[str, Node]:
    """What *rule* states laid over what its groups do; ``data`` field by field."""
    own = {key: rule.items[key] for key in INHERITED if key in rule.items}
    merged = {**inherited, **own}
    if "data" in rule.items:
        merged["data"] = _merge_data(inherited.get("data"), rule.items["data"])
    return merged


def _merge_data(under: Node | None, over: Node) -> Node:
    """A child's data over its group's: field by field, unless it names a shape of its own."""
    if not isinstance(under, Map) or not isinstance(over, Map) or "use" in over.items:
        return over
    merged = merge(under, over)
    before, after = under.get("set"), over.get("set")
    if isinstance(merged, Map) and before is not None and after is not None:
        return Map(merged.place, {**merged.items, "set": merge(before, after)}, merged.keys)
    return merged
